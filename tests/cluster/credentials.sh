# Who may do what: a token per identity, known to the API server, and a kubeconfig for each. The rights are in rbac.yaml.

write_credentials() {
  local name
  mkdir -p "$data/secrets" "$logs"
  chmod 700 "$data/secrets"
  [[ -f $data/secrets/service-accounts.key ]] ||
    openssl genrsa -out "$data/secrets/service-accounts.key" 2048 2>/dev/null
  for name in "${identities[@]}"; do
    [[ -f $data/secrets/$name.token ]] || head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$data/secrets/$name.token"
    echo "$(<"$data/secrets/$name.token"),$(user_and_groups "$name")"
  done >"$data/secrets/tokens.csv"
}

# The rest of a line of the token file: user, uid, groups. The names of the parts are Kubernetes' own, with bootstrap roles.
user_and_groups() {
  case $1 in
    admin) echo 'admin,1,"system:masters"' ;;
    controller-manager | scheduler) echo "system:kube-$1,$1" ;;
    kubelet) echo 'system:node:localhost,kubelet,"system:nodes"' ;;
    hephy | creator | stranger) echo "$1,$1" ;;
  esac
}

# Only after the API server has written its certificate. That file holds the server's own and the one that signed it.
write_kubeconfigs() {
  local name
  for name in "${identities[@]}"; do
    kubeconfig "$name" >"$data/$name.kubeconfig.partial"
    chmod 600 "$data/$name.kubeconfig.partial"
    mv "$data/$name.kubeconfig.partial" "$data/$name.kubeconfig"
  done
}

kubeconfig() {
  cat <<YAML
apiVersion: v1
kind: Config
clusters:
  - name: hephy-test
    cluster:
      server: $apiserver_url
      certificate-authority-data: $(base64 -w0 "$data/apiserver/apiserver.crt")
users:
  - name: $1
    user:
      token: $(<"$data/secrets/$1.token")
contexts:
  - name: hephy-test
    context:
      cluster: hephy-test
      user: $1
      namespace: $namespace
current-context: hephy-test
YAML
}
