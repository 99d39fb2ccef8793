# The parts in the order in which they start, with the flags that matter to tests.

start_stores() {
  # Losing the last seconds is no loss here, and syncing each write is slow.
  start etcd "$etcd/etcd" \
    --name=hephy-test --data-dir="$data/etcd" --unsafe-no-fsync --log-level=warn \
    --listen-client-urls="http://127.0.0.1:$etcd_port" --advertise-client-urls="http://127.0.0.1:$etcd_port" \
    --listen-peer-urls="http://127.0.0.1:$etcd_peer_port" \
    --initial-advertise-peer-urls="http://127.0.0.1:$etcd_peer_port" \
    --initial-cluster="hephy-test=http://127.0.0.1:$etcd_peer_port"
  start registry "$registry" serve "$data/registry/config.yaml"
  start registry-auth "$registry" serve "$data/registry-auth/config.yaml"
  # It looks for its shim in PATH.
  start containerd env PATH="$containerd:$PATH" "$containerd/containerd" --config "$data/containerd/config.toml"
  wait_for etcd 30 listening "$etcd_port"
}

start_control_plane() {
  start_apiserver
  wait_for apiserver 60 test -s "$data/apiserver/apiserver.crt"
  write_kubeconfigs
  wait_for apiserver 60 admin get --raw /readyz
  # With its usual 20 requests a second it takes five seconds to make its forty controllers their accounts.
  start controller-manager "$kubernetes/kube-controller-manager" --kube-api-qps=500 --kube-api-burst=500 \
    --bind-address=127.0.0.1 --secure-port="$controller_manager_port" --leader-elect=false \
    --kubeconfig="$data/controller-manager.kubeconfig" --use-service-account-credentials \
    --authentication-kubeconfig="$data/controller-manager.kubeconfig" --authentication-skip-lookup \
    --authorization-kubeconfig="$data/controller-manager.kubeconfig" \
    --cert-dir="$data/controller-manager" --flex-volume-plugin-dir="$data/kubelet/volume-plugins" \
    --root-ca-file="$data/apiserver/apiserver.crt" \
    --service-account-private-key-file="$data/secrets/service-accounts.key"
  start scheduler "$kubernetes/kube-scheduler" \
    --bind-address=127.0.0.1 --secure-port="$scheduler_port" --leader-elect=false \
    --kubeconfig="$data/scheduler.kubeconfig" --cert-dir="$data/scheduler" \
    --authentication-kubeconfig="$data/scheduler.kubeconfig" --authentication-skip-lookup \
    --authorization-kubeconfig="$data/scheduler.kubeconfig"
}

# It makes itself a certificate. The endpoint of its own service is left out, because no pod could reach it on loopback.
start_apiserver() {
  start apiserver "$kubernetes/kube-apiserver" \
    --bind-address=127.0.0.1 --secure-port="$apiserver_port" --cert-dir="$data/apiserver" \
    --advertise-address=127.0.0.1 --endpoint-reconciler-type=none \
    --etcd-servers="http://127.0.0.1:$etcd_port" --service-cluster-ip-range="$address_prefix.1.0/24" \
    --token-auth-file="$data/secrets/tokens.csv" --authorization-mode=Node,RBAC \
    --enable-admission-plugins=NodeRestriction --allow-privileged=true \
    --service-account-issuer=https://kubernetes.default.svc \
    --service-account-key-file="$data/secrets/service-accounts.key" \
    --service-account-signing-key-file="$data/secrets/service-accounts.key" \
    --kubelet-preferred-address-types=Hostname
}

# A loopback --node-ip is refused and then the node has no address at all, so that logs and exec fail. A node that is called
# localhost and is reached by its name is found on 127.0.0.1.
start_node() {
  wait_for containerd 30 ctr version
  import_pause_image
  start kubelet env PATH="$PATH:/usr/sbin:/sbin" "$kubernetes/kubelet" \
    --config="$data/kubelet/config.yaml" --kubeconfig="$data/kubelet.kubeconfig" \
    --root-dir="$data/kubelet" --cert-dir="$data/kubelet/pki" --hostname-override=localhost
}

# An image from nothing in the format of `docker save`: one layer with one program.
import_pause_image() {
  local folder=$data/pause layer
  [[ -z $(ctr images list -q "name==$pause_image" 2>>"$logs/containerd.log") ]] || return 0
  mkdir -p "$folder"
  tar -C "$pause" --owner=0 --group=0 -cf "$folder/layer.tar" pause
  layer=$(sha256sum "$folder/layer.tar" | cut -d ' ' -f 1)
  cat >"$folder/config.json" <<JSON
{"architecture": "$(architecture)", "os": "linux", "config": {"Entrypoint": ["/pause"]},
 "rootfs": {"type": "layers", "diff_ids": ["sha256:$layer"]}}
JSON
  echo "[{\"Config\": \"config.json\", \"RepoTags\": [\"$pause_image\"], \"Layers\": [\"layer.tar\"]}]" >"$folder/manifest.json"
  tar -C "$folder" -cf "$folder.tar" manifest.json config.json layer.tar
  ctr images import "$folder.tar" >>"$logs/containerd.log" 2>&1 || fail "the pause image was refused; see $logs/containerd.log"
}

# In the words of images.
architecture() {
  case $(uname -m) in
    x86_64) echo amd64 ;;
    aarch64) echo arm64 ;;
    *) uname -m ;;
  esac
}
