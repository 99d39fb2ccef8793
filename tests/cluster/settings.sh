# Where everything is and which numbers it uses. The only values that may be given from outside are the two at the top.

# All ports follow from this one; it lies below the range that Linux hands out to clients.
port_base=${HEPHY_CLUSTER_PORT_BASE:-17600}
# The first two numbers of the addresses of pods (.0.x) and of services (.1.x), which nothing outside this machine sees.
address_prefix=${HEPHY_CLUSTER_ADDRESSES:-10.213}
bridge=hephy0

# The paths go into files of four formats and into a socket's address, for which Linux has 108 bytes. A checkout whose
# path does not fit keeps its data where only root can write, and finds it through a link.
data=$checkout/target/cluster
[[ $checkout =~ ^[A-Za-z0-9/._+-]{1,70}$ ]] ||
  data=/var/lib/hephy-cluster-$(printf %s "$checkout" | sha256sum | cut -c1-8)
logs=$data/logs
admin_kubeconfig=$data/admin.kubeconfig
containerd_socket=$data/containerd.sock
pause_image=localhost/pause:1
namespace=shop

# In the order in which they start.
parts=(etcd registry registry-auth containerd apiserver controller-manager scheduler kubelet)

# The kubelet's identity must be that of its node, or the node authorizer refuses it. The node is called localhost so
# that the API server finds the kubelet on 127.0.0.1: see `command_kubelet`.
identities=(admin controller-manager scheduler kubelet hephy creator stranger)

registry_user=shop
registry_password=open-sesame

# A cluster keeps the ports it was first started with, whatever the environment says later.
choose_ports() {
  mkdir -p "$data"
  [[ ! -f $data/port-base ]] || port_base=$(<"$data/port-base")
  echo "$port_base" >"$data/port-base"
  number_ports
}

number_ports() {
  etcd_port=$port_base
  etcd_peer_port=$((port_base + 1))
  apiserver_port=$((port_base + 2))
  controller_manager_port=$((port_base + 3))
  scheduler_port=$((port_base + 4))
  kubelet_port=$((port_base + 5))
  kubelet_health_port=$((port_base + 6))
  registry_port=$((port_base + 10))
  registry_auth_port=$((port_base + 11))
  apiserver_url=https://127.0.0.1:$apiserver_port
}

ports_of() {
  case $1 in
    etcd) echo "$etcd_port $etcd_peer_port" ;;
    registry) echo "$registry_port" ;;
    registry-auth) echo "$registry_auth_port" ;;
    containerd) ;;
    apiserver) echo "$apiserver_port" ;;
    controller-manager) echo "$controller_manager_port" ;;
    scheduler) echo "$scheduler_port" ;;
    kubelet) echo "$kubelet_port $kubelet_health_port" ;;
  esac
}

link_data() {
  [[ $data != /var/lib/* ]] || { mkdir -p "$data" && ln -sfn "$data" "$checkout/target/cluster"; }
}

# One call, so that missing Debian packages are installed together.
find_tools() {
  local names=(kubernetes etcd containerd pause runc cni-plugins docker-registry iproute2 openssl) folders
  mapfile -t folders < <("$here/../tools/run" "${names[@]}")
  [[ ${#folders[@]} -eq ${#names[@]} ]] || fail "the tools could not be installed; see above"
  kubernetes=${folders[0]} etcd=${folders[1]} containerd=${folders[2]} pause=${folders[3]}
  runc=${folders[4]}/runc cni_plugins=${folders[5]} registry=${folders[6]}/docker-registry
  PATH=$PATH:${folders[7]}:${folders[8]}
}

# kubectl keeps what it discovers in the home folder unless told otherwise.
admin() {
  KUBECACHEDIR=$data/kubectl-cache "$kubernetes/kubectl" --kubeconfig "$admin_kubeconfig" "$@"
}

ctr() {
  "$containerd/ctr" --address "$containerd_socket" --namespace k8s.io "$@"
}

say() { echo "cluster: $*" >&2; }
fail() { say "$*" && exit 1; }
