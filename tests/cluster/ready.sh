# What `up` puts into the new cluster, what it waits for, and what it tells the tests.

set_up_objects() {
  admin apply -f "$here/rbac.yaml" -f "$here/creator.yaml" -f "$here/builds.yaml" >/dev/null
  # Without these two, pods of the namespace are refused or wait: the controller-manager makes them a moment later.
  wait_for controller-manager 30 admin -n "$namespace" get serviceaccount/default configmap/kube-root-ca.crt
  # The second alone could be the word of a kubelet that has died since.
  wait_for kubelet 60 listening "$kubelet_port"
  wait_for kubelet 60 node_is_ready
  wait_for registry 30 listening "$registry_port"
  wait_for registry-auth 30 listening "$registry_auth_port"
}

# A node that is ready keeps the taint of its first second until the controller-manager takes it off.
node_is_ready() {
  [[ $(admin get node localhost -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status} {.spec.taints}') == "True " ]]
}

# For tests: KEY=VALUE lines that a shell can source.
write_environment() {
  local values=(
    HEPHY_TEST_KUBECONFIG "$data/hephy.kubeconfig"
    HEPHY_TEST_ADMIN_KUBECONFIG "$admin_kubeconfig"
    HEPHY_TEST_CREATOR_KUBECONFIG "$data/creator.kubeconfig"
    HEPHY_TEST_STRANGER_KUBECONFIG "$data/stranger.kubeconfig"
    HEPHY_TEST_NAMESPACE "$namespace"
    HEPHY_TEST_API_SERVER "$apiserver_url"
    HEPHY_TEST_POD_GATEWAY "$address_prefix.0.1"
    HEPHY_TEST_REGISTRY "127.0.0.1:$registry_port"
    HEPHY_TEST_REGISTRY_AUTH "127.0.0.1:$registry_auth_port"
    HEPHY_TEST_REGISTRY_USER "$registry_user"
    HEPHY_TEST_REGISTRY_PASSWORD "$registry_password"
    HEPHY_TEST_KUBECTL "$kubernetes/kubectl"
    HEPHY_TEST_CTR "$containerd/ctr"
    HEPHY_TEST_CONTAINERD "$containerd_socket"
    HEPHY_TEST_LOGS "$logs"
  )
  set -- "${values[@]}"
  while [[ $# -gt 0 ]]; do
    printf '%s=%q\n' "$1" "$2"
    shift 2
  done >"$data/environment.partial"
  mv "$data/environment.partial" "$data/environment"
}
