//! The order of a deploy: what others need comes first, what runs comes last.

/// The rank of a kind: a workload must not start before its configuration, rights and services are there.
pub(super) fn rank(kind: &str) -> u8 {
    match kind {
        "Namespace" => 0,
        "CustomResourceDefinition" => 1,
        "PriorityClass" | "RuntimeClass" | "StorageClass" | "ResourceQuota" | "LimitRange" => 2,
        "ServiceAccount" | "Secret" | "ConfigMap" | "PersistentVolume" | "PersistentVolumeClaim" => 3,
        "ClusterRole" | "ClusterRoleBinding" | "Role" | "RoleBinding" => 4,
        "Service" | "NetworkPolicy" => 5,
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Pod" | "Job" | "CronJob" => 8,
        "HorizontalPodAutoscaler" | "Ingress" => 9,
        _ => 6,
    }
}
