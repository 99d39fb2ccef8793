//! What the answers of a cluster mean, and in which order a release is applied.

use super::resolve::{Target, sorted};
use super::send::explain;
use crate::cluster::{Cause, ClusterError};
use crate::release::Object;
use kube::api::{ApiResource, GroupVersionKind};

fn object(kind: &str, line: u64) -> Object {
    Object {
        file: "k8s/app.yaml".to_owned(),
        line,
        api_version: "v1".to_owned(),
        kind: kind.to_owned(),
        name: "api".to_owned(),
        namespace: None,
        value: serde_json::Value::Null,
    }
}

fn target(object: &Object) -> Target<'_> {
    Target {
        object,
        resource: ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("", "v1", &object.kind), "things"),
        namespace: Some("shop".to_owned()),
        rank: super::order::rank(&object.kind),
        is_new_kind: false,
    }
}

fn refusal(status: u16, message: &str, causes: Vec<Cause>) -> ClusterError {
    let reason = "Reason".to_owned();
    ClusterError::Refused { what: "apply".to_owned(), status, reason, message: message.to_owned(), causes }
}

#[test]
fn workloads_come_last_and_equals_keep_their_order() {
    let kinds = ["Ingress", "Deployment", "Service", "Widget", "Secret", "Namespace", "Role", "ConfigMap"];
    let objects: Vec<Object> = (1..).zip(kinds).map(|(line, kind)| object(kind, line)).collect();
    let found: Vec<&str> =
        sorted(objects.iter().map(target).collect()).iter().map(|one| one.object.kind.as_str()).collect();
    assert_eq!(
        found,
        ["Namespace", "Secret", "ConfigMap", "Role", "Service", "Widget", "Deployment", "Ingress"]
    );
}

#[test]
fn a_conflict_names_the_fields_and_who_looks_after_them() {
    let cause = |message: &str, field: &str| Cause {
        reason: "FieldManagerConflict".to_owned(),
        message: message.to_owned(),
        field: field.to_owned(),
    };
    let causes = vec![
        cause("conflict with \"kubectl-edit\" using apps/v1", ".spec.replicas"),
        cause("conflict with \"hpa\" with subresource \"scale\" using apps/v1", ".spec.x"),
    ];
    let deployment = object("Deployment", 7);
    let error = explain(&target(&deployment), refusal(409, "Apply failed with 2 conflicts", causes));
    assert_eq!(
        error.to_string(),
        "apply `Deployment/api` at `k8s/app.yaml:7`: field `.spec.replicas` belongs to manager `kubectl-edit`, \
         field `.spec.x` belongs to manager `hpa`"
    );
}

#[test]
fn a_missing_namespace_is_told_from_other_refusals() {
    let deployment = object("Deployment", 7);
    let text =
        |status, message| explain(&target(&deployment), refusal(status, message, Vec::new())).to_string();
    assert_eq!(
        text(404, "namespaces \"shop\" not found"),
        "apply `Deployment/api` at `k8s/app.yaml:7`: namespace `shop` does not exist"
    );
    for (status, message) in
        [(404, "deployments.apps \"api\" not found"), (403, "forbidden"), (409, "exists")]
    {
        assert_eq!(text(status, message), "apply `Deployment/api` at `k8s/app.yaml:7`");
    }
}

#[test]
fn a_field_that_the_server_does_not_know_is_no_infrastructure() {
    let message = "failed to create typed patch object (/api): .spec.x: field not declared in schema";
    assert!(!refusal(500, message, Vec::new()).is_transient());
    assert!(refusal(500, "etcd is away", Vec::new()).is_transient());
    assert!(refusal(429, "slow down", Vec::new()).is_transient());
    assert!(!refusal(403, "forbidden", Vec::new()).is_transient());
}
