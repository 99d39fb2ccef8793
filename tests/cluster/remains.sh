# What the parts leave behind when they end: pods that still run, mounts, sockets, control groups, the bridge.

# If nothing is alive, the last cluster ended with its machine or its session. Its pods and addresses are worth nothing, and
# half of them would do harm: host-local hands out the old addresses again while old namespaces still answer for them.
forget_dead_cluster() {
  local part
  [[ -d $data/etcd ]] || return 0
  for part in "${parts[@]}"; do
    [[ $(state "$part") != alive ]] || return 0
  done
  say "the last cluster has ended without \`down\`: clearing it away"
  stop_pods
  remove_remains
}

# A shim outlives containerd. The first process of each container is its child, and with it goes the whole container.
stop_pods() {
  local shim children
  remove_shim_sockets
  for shim in $(shims); do
    children=$(cat "/proc/$shim/task"/*/children 2>/dev/null) || true
    # shellcheck disable=SC2086 # Several numbers.
    [[ -z $children ]] || kill -9 $children 2>/dev/null || true
    kill -9 "$shim" 2>/dev/null || true
  done
  while [[ -n $(shims) ]]; do sleep 0.05; done
}

# They lie in /run under a hash, because the path of a socket must be short. The shim's folder knows the name, but
# containerd deletes it as soon as the shim is gone.
remove_shim_sockets() {
  local file socket
  for file in "$data"/containerd/state/io.containerd.runtime.v2.task/*/*/bootstrap.json; do
    [[ -f $file ]] || continue
    socket=$(sed -n 's|.*"address": *"unix://\([^"]*\)".*|\1|p' "$file")
    [[ -z $socket ]] || rm -f "$socket"
  done
}

# By their argument `-address SOCKET`, which no other containerd's shims have.
shims() {
  local process arguments
  for process in /proc/[0-9]*; do
    { mapfile -d '' -t arguments <"$process/cmdline"; } 2>/dev/null || continue
    [[ ${arguments[0]:-} == *containerd-shim* && " ${arguments[*]} " == *" -address $containerd_socket "* ]] || continue
    [[ -z $(start_time "${process#/proc/}") ]] || echo "${process#/proc/}"
  done
}

# The logs stay, to be read after a failure; the next cluster adds to them.
remove_remains() {
  unmount_all
  remove_traces_elsewhere
  [[ ! -d $data ]] || find "$data" -mindepth 1 -maxdepth 1 ! -path "$logs" -exec rm -rf {} +
}

# Deepest first. A network namespace ends with its mount.
unmount_all() {
  local mounted
  while read -r mounted; do
    mounted=$(printf '%b' "$mounted")
    umount "$mounted" 2>/dev/null || umount --lazy "$mounted"
  done < <(awk '{ print $2 }' /proc/self/mounts | grep -F "$data/" | LC_ALL=C sort -r)
}

# Only what cannot be told to lie in the data folder, and only if nobody else can be using it.
remove_traces_elsewhere() {
  [[ -z $(other_kubelet) ]] || return 0
  ip link delete "$bridge" 2>/dev/null || true
  rm -f /var/lib/cni/results/hephy-test-* /var/lib/kubelet/device-plugins/kubelet.sock
  find /sys/fs/cgroup -depth -type d \( -path '*/kubepods/*' -o -name kubepods \) -exec rmdir {} + 2>/dev/null || true
  find /var/log/containers -maxdepth 1 -type l -lname "$data/*" -delete 2>/dev/null || true
  rmdir /run/containerd/s /run/containerd /var/lib/cni/{results,} /var/log/containers \
    /var/lib/kubelet/{device-plugins,} 2>/dev/null || true
}
