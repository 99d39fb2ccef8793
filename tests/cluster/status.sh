# What `./dev cluster status` prints: each part, then where to find things. Fails unless all parts are alive.

status() {
  local part all=alive
  [[ ! -f $data/port-base ]] || port_base=$(<"$data/port-base")
  number_ports
  for part in "${parts[@]}"; do
    part_line "$part"
    [[ $(state "$part") == alive ]] || all=missing
  done
  if [[ $all == alive ]]; then
    places
  else
    echo "not everything runs: ./dev cluster up mends it, ./dev cluster down takes the rest away"
    return 1
  fi
}

part_line() {
  local pid=- state
  state=$(state "$1")
  [[ $state == stopped ]] || pid=$(pid_of "$1")
  printf '%-20s %-8s pid %-8s %s\n' "$1" "$state" "$pid" "$(ports_of "$1")"
}

places() {
  local name
  echo
  for name in hephy creator stranger admin; do printf '%-20s %s\n' "kubeconfig $name" "$data/$name.kubeconfig"; done
  printf '%-20s %s\n' \
    registry "127.0.0.1:$registry_port" \
    registry-auth "127.0.0.1:$registry_auth_port (user $registry_user, password $registry_password)" \
    environment "$data/environment" \
    logs "$logs"
}
