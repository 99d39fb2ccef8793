# The configuration files of the parts that want one.

write_configuration() {
  mkdir -p "$data"/{containerd/certs.d,cni/net.d,registry,registry-auth,kubelet,pod-logs}
  containerd_configuration >"$data/containerd/config.toml"
  network_configuration >"$data/cni/net.d/10-hephy-test.conflist"
  kubelet_configuration >"$data/kubelet/config.yaml"
  registry_configuration registry "$registry_port" >"$data/registry/config.yaml"
  { registry_configuration registry-auth "$registry_auth_port" && registry_authentication; } >"$data/registry-auth/config.yaml"
  plain_http "127.0.0.1:$registry_port"
  plain_http "127.0.0.1:$registry_auth_port"
}

# Everything that containerd would keep in /run, /opt and /etc lies in the data folder, also the pods' network namespaces.
# Without restrict_oom_score_adj no pod starts where even root lacks CAP_SYS_RESOURCE, as in many sandboxes.
containerd_configuration() {
  cat <<TOML
version = 3
root = '$data/containerd/root'
state = '$data/containerd/state'
disabled_plugins = ['io.containerd.nri.v1.nri', 'io.containerd.tracing.processor.v1.otlp', 'io.containerd.internal.v1.tracing']

[grpc]
address = '$containerd_socket'

[plugins.'io.containerd.internal.v1.opt']
path = '$data/containerd/opt'

[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = '$pause_image'

[plugins.'io.containerd.cri.v1.images'.registry]
config_path = '$data/containerd/certs.d'

[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true

[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ['$cni_plugins']
use_internal_loopback = true
conf_dir = '$data/cni/net.d'

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = 'io.containerd.runc.v2'

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
BinaryName = '$runc'
Root = '$data/containerd/runc'
TOML
}

plain_http() {
  mkdir -p "$data/containerd/certs.d/$1"
  cat >"$data/containerd/certs.d/$1/hosts.toml" <<TOML
server = "http://$1"

[host."http://$1"]
capabilities = ["pull", "resolve"]
TOML
}

# The kubelet must reach the pods to probe them: the bridge has an address of its own. Pods need nothing outside.
network_configuration() {
  cat <<JSON
{
  "cniVersion": "1.0.0",
  "name": "hephy-test",
  "plugins": [
    {
      "type": "bridge",
      "bridge": "$bridge",
      "isGateway": true,
      "ipam": {
        "type": "host-local",
        "dataDir": "$data/cni/addresses",
        "ranges": [[{"subnet": "$address_prefix.0.0/24"}]],
        "routes": [{"dst": "0.0.0.0/0"}]
      }
    }
  ]
}
JSON
}

# Evictions and image collection are all but off: a disk that is nearly full, of which 1% may be gigabytes, would otherwise
# empty the node.
# There is no DNS; without an address of one every pod gets a warning event.
kubelet_configuration() {
  cat <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: 127.0.0.1
port: $kubelet_port
readOnlyPort: 0
healthzBindAddress: 127.0.0.1
healthzPort: $kubelet_health_port
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
containerRuntimeEndpoint: unix://$containerd_socket
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
enforceNodeAllocatable: []
makeIPTablesUtilChains: false
clusterDNS: [$address_prefix.1.10]
clusterDomain: cluster.local
resolvConf: ""
podLogsDir: $data/pod-logs
volumePluginDir: $data/kubelet/volume-plugins
serializeImagePulls: false
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: 50Mi, nodefs.available: 100Mi, nodefs.inodesFree: 1%, imagefs.available: 100Mi}
YAML
}

registry_configuration() {
  cat <<YAML
version: 0.1
log: {level: info}
storage:
  filesystem: {rootdirectory: $data/$1/storage}
  delete: {enabled: true}
http:
  addr: 127.0.0.1:$2
  secret: only-for-tests
YAML
}

# The file holds the bcrypt of registry_password for registry_user: making one would need another package.
registry_authentication() {
  cat <<YAML
auth:
  htpasswd: {realm: hephy-test, path: $here/htpasswd}
YAML
}
