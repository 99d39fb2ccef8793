//! What a kind of object needs before a release that holds it may be called healthy.

use super::Object;

/// How an object takes part in the proof that a release is healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// `health` judges it.
    Judged,
    /// It only configures others and has no health of its own: applied is all it can be.
    Passive,
    /// It runs something, or a controller acts on it, and this version has no rule for it.
    Missing,
}

/// Kinds without health of their own, by API group. A kind that is not listed needs a rule: an unknown custom
/// resource may well run the image that is being released.
const PASSIVE: [(&str, &[&str]); 10] = [
    (
        "",
        &[
            "ConfigMap",
            "Endpoints",
            "LimitRange",
            "Namespace",
            "PersistentVolume",
            "PersistentVolumeClaim",
            "ResourceQuota",
            "Secret",
            "Service",
            "ServiceAccount",
        ],
    ),
    ("rbac.authorization.k8s.io", &["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"]),
    ("networking.k8s.io", &["Ingress", "IngressClass", "NetworkPolicy"]),
    ("policy", &["PodDisruptionBudget"]),
    ("autoscaling", &["HorizontalPodAutoscaler"]),
    ("scheduling.k8s.io", &["PriorityClass"]),
    ("storage.k8s.io", &["CSIDriver", "StorageClass"]),
    ("node.k8s.io", &["RuntimeClass"]),
    ("discovery.k8s.io", &["EndpointSlice"]),
    (
        "admissionregistration.k8s.io",
        &[
            "MutatingWebhookConfiguration",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
            "ValidatingWebhookConfiguration",
        ],
    ),
];

/// How `object` takes part in the proof.
pub(crate) fn proof(object: &Object) -> Proof {
    let (group, kind) = (object.group(), object.kind.as_str());
    let passive = |(listed, kinds): &(&str, &[&str])| *listed == group && kinds.contains(&kind);
    match (group, kind) {
        ("apps", "Deployment") => Proof::Judged,
        ("apiextensions.k8s.io", "CustomResourceDefinition") => Proof::Passive,
        _ if PASSIVE.iter().any(passive) => Proof::Passive,
        _ => Proof::Missing,
    }
}
