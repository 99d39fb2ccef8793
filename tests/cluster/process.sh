# Starting, finding and stopping the programs of the cluster.

# start PART COMMAND...: unless it runs already. A part gets a session of its own, so that Ctrl-C at a later command in the
# same terminal does not reach it, and neither the lock (9) nor the caller's output, which would keep a reader waiting.
start() {
  local part=$1 pid
  shift
  [[ $(state "$part") != alive ]] || return 0
  refuse_taken_ports "$part"
  say "starting $part"
  setsid "$@" >>"$logs/$part.log" 2>&1 </dev/null 9>&- &
  pid=$!
  disown
  echo "$pid $(start_time "$pid")" >"$data/$part.pid"
}

# Kindly first; the deadline is for a part that hangs.
stop() {
  local part=$1 pid waited=0
  if [[ $(state "$part") == alive ]]; then
    say "stopping $part"
    pid=$(pid_of "$part")
    kill "$pid"
    while [[ $(state "$part") == alive ]]; do
      sleep 0.05
      waited=$((waited + 1))
      [[ $waited -ne 300 ]] || { say "$part does not stop, so it is killed" && kill -9 "$pid"; }
    done
  fi
  rm -f "$data/$part.pid"
}

# `stale` is a part that was started and has ended by itself, or with the session that started it.
state() {
  local pid time
  [[ -f $data/$1.pid ]] || { echo stopped && return; }
  read -r pid time <"$data/$1.pid"
  if [[ -n $time && $(start_time "$pid") == "$time" ]]; then echo alive; else echo stale; fi
}

pid_of() {
  local pid
  read -r pid _ <"$data/$1.pid" && echo "$pid"
}

# A number alone may by now belong to another process: when it was started tells. Nothing for one that is gone or a zombie.
start_time() {
  local line fields
  { line=$(<"/proc/$1/stat"); } 2>/dev/null || return 0
  # The second field is the name in brackets and may hold blanks.
  read -ra fields <<<"${line##*) }"
  [[ ${fields[0]} == Z ]] || echo "${fields[19]}"
}

refuse_taken_ports() {
  local port owner
  for port in $(ports_of "$1"); do
    listening "$port" || continue
    owner=$(ss -Hltnp "sport = :$port" | sed -n 's/.*users:((\("[^"]*"\),pid=\([0-9]*\).*/\1 (pid \2)/p' | head -1)
    fail "port $port, which $1 wants, is taken by ${owner:-somebody else}." \
      "Stop that, or choose others: HEPHY_CLUSTER_PORT_BASE=$((port_base + 100)) ./dev cluster up"
  done
}

# All kubelets call their control group /kubepods and clear away the pods in it that they do not know.
refuse_other_kubelet() {
  local pid
  pid=$(other_kubelet)
  [[ -z $pid ]] || fail "another kubelet runs on this machine (pid $pid, $(readlink "/proc/$pid/exe"), started in" \
    "$(readlink "/proc/$pid/cwd")); two would remove each other's pods. Use that cluster, or stop it first"
}

# One inside a container, such as kind's, has a control group of its own and is no rival.
other_kubelet() {
  local process own
  own=$([[ $(state kubelet) != alive ]] || pid_of kubelet)
  for process in /proc/[0-9]*; do
    [[ $(cat "$process/comm" 2>/dev/null) == kubelet && ${process#/proc/} != "$own" ]] || continue
    [[ $(readlink "$process/ns/cgroup") == "$(readlink /proc/self/ns/cgroup)" ]] || continue
    [[ -z $(start_time "${process#/proc/}") ]] || { echo "${process#/proc/}" && return; }
  done
}

listening() {
  [[ -n $(ss -Hltn "sport = :$1") ]]
}

# wait_for PART SECONDS COMMAND...: until the command succeeds; a part that ends meanwhile is not waited for.
wait_for() {
  local part=$1 deadline=$((SECONDS + $2))
  shift 2
  until "$@" >/dev/null 2>&1; do
    [[ $(state "$part") == alive ]] || give_up "$part has ended"
    [[ $SECONDS -lt $deadline ]] || give_up "$part did not get ready: \`$*\` still fails"
    sleep 0.1
  done
}

give_up() {
  local part=${1%% *}
  tail -n 15 "$logs/$part.log" >&2
  fail "$1; its log is $logs/$part.log"
}
