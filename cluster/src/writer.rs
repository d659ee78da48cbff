//! Who wrote something last, from an object's managed fields.
//!
//! A field manager is a tool's name and never proof of a person.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use serde_json::Value;

/// A field manager that owns a part of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writer {
    /// The field manager: a tool's name, never proof of a person.
    pub manager: String,
    /// When it last changed what it owns.
    pub time: Option<Timestamp>,
}

/// Who last wrote `spec.code`: of those that own the reference in it, who wrote last.
pub(crate) fn of_code(metadata: &ObjectMeta) -> Option<Writer> {
    let owners = metadata.managed_fields.iter().flatten().filter_map(|entry| {
        let code = owned(entry, &["f:spec", "f:code"])?;
        // Pull secret and policy do not say what runs, and who only made the place (".") does not either. A list is
        // owned as a whole ({}), or by its entries (k:).
        let owns_reference = code.as_object().is_some_and(|owned| {
            let names = |field: &String| {
                matches!(field.as_str(), "f:image" | "f:claimName") || field.starts_with("k:")
            };
            owned.is_empty() || owned.keys().any(names)
        });
        owns_reference.then(|| writer(entry))
    });
    owners.max_by_key(|writer| writer.time)
}

fn writer(entry: &ManagedFieldsEntry) -> Writer {
    Writer {
        manager: entry.manager.clone().unwrap_or_else(|| "unknown".to_owned()),
        time: entry.time.as_ref().map(|time| time.0),
    }
}

fn owned<'a>(entry: &'a ManagedFieldsEntry, path: &[&str]) -> Option<&'a Value> {
    let whole_object = entry.subresource.as_deref().is_none_or(str::is_empty);
    let fields = entry.fields_v1.as_ref().filter(|_| whole_object)?;
    path.iter().try_fold(&fields.0, |value, step| value.get(step))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn metadata(entries: &Value) -> ObjectMeta {
        serde_json::from_value(json!({"managedFields": entries})).unwrap()
    }

    fn entry(manager: &str, time: &str, fields: &Value) -> Value {
        json!({"manager": manager, "operation": "Update", "apiVersion": "x/v1", "fieldsType": "FieldsV1",
               "time": time, "fieldsV1": fields})
    }

    #[rstest]
    #[case::nobody(json!([entry("helm", "2026-01-01T00:00:00Z", &json!({"f:spec": {"f:image": {}}}))]), None)]
    #[case::last_in_time(
        json!([
            entry("kubectl-edit", "2026-01-03T00:00:00Z", &json!({"f:spec": {"f:code": {"f:image": {}}}})),
            entry("voxsync", "2026-01-02T00:00:00Z", &json!({"f:spec": {"f:code": {"f:image": {}}}})),
        ]),
        Some("kubectl-edit")
    )]
    #[case::the_pull_secret_is_not_the_code(
        json!([
            entry("voxsync", "2026-01-02T00:00:00Z", &json!({"f:spec": {"f:code": {".": {}, "f:image": {}}}})),
            entry("helm", "2026-01-03T00:00:00Z", &json!({"f:spec": {"f:code": {"f:imagePullSecret": {}}}})),
        ]),
        Some("voxsync")
    )]
    #[case::the_place_is_not_the_code(
        json!([
            entry("kubectl-edit", "2026-01-02T00:00:00Z", &json!({"f:spec": {"f:code": {"f:image": {}}}})),
            entry("voxsync", "2026-01-03T00:00:00Z", &json!({"f:spec": {"f:code": {".": {}}}})),
        ]),
        Some("kubectl-edit")
    )]
    #[case::a_list_is_owned_as_a_whole(
        json!([entry("helm", "2026-01-03T00:00:00Z", &json!({"f:spec": {"f:code": {}}}))]),
        Some("helm")
    )]
    #[case::a_status_is_no_code(
        json!([
            {"manager": "kubelet", "operation": "Update", "apiVersion": "x/v1", "fieldsType": "FieldsV1",
             "subresource": "status", "fieldsV1": {"f:spec": {"f:code": {"f:image": {}}}}},
        ]),
        None
    )]
    fn the_last_writer_of_code(#[case] entries: Value, #[case] wanted: Option<&str>) {
        assert_eq!(of_code(&metadata(&entries)).map(|writer| writer.manager).as_deref(), wanted);
    }
}
