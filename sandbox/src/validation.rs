//! Checks an object against its CRD's schema, in the API server's words.
//!
//! Pure. What is equal to its state before is not checked again (ratcheting): an object that became invalid because
//! its CRD changed can still be changed elsewhere.

use serde_json::{Value, json};

use crate::{
    field_path::FieldPath,
    refusal::Cause,
    rule::{broken_rules, has_rules},
    schema::Schema,
};

/// Everything that is wrong with an object.
pub(crate) fn causes(schema: &Schema, object: &Value, before: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    check(schema, object, before, FieldPath::Root, &mut causes);
    let blocking = causes.iter().any(|cause| {
        matches!(
            cause.reason,
            "FieldValueNotSupported"
                | "FieldValueRequired"
                | "FieldValueTooLong"
                | "FieldValueTooMany"
                | "FieldValueTypeInvalid"
        )
    });
    if !blocking {
        check_rules(schema, object, before, FieldPath::Root, &mut causes);
    } else if has_rules(schema) {
        let detail = "some validation rules were not checked because the object was invalid; correct the existing \
                      errors to complete validation";
        causes.push(Cause::invalid("<nil>", "\"null\"", detail));
    }
    causes
}

fn check(
    schema: &Schema,
    value: &Value,
    before: Option<&Value>,
    path: FieldPath<'_>,
    causes: &mut Vec<Cause>,
) {
    if before == Some(value) || (value.is_null() && schema.nullable) {
        return;
    }
    if !type_matches(schema, value) {
        let (wanted, found) = (schema.type_name(), type_of(value));
        let detail = format!("{path} in body must be of type {wanted}: \"{found}\"");
        causes.push(Cause {
            reason: "FieldValueTypeInvalid",
            ..Cause::invalid(&path.to_string(), &format!("\"{found}\""), &detail)
        });
        return;
    }
    check_enumeration(schema, value, path, causes);
    match value {
        Value::String(text) => check_text(schema, text, path, causes),
        Value::Number(number) => check_number(schema, number.as_f64().unwrap_or(0.0), path, causes),
        Value::Array(items) => check_list(schema, items, before, path, causes),
        Value::Object(members) => {
            check_count(
                schema.min_properties,
                schema.max_properties,
                members.len(),
                "properties",
                path,
                causes,
            );
            for name in schema.required.iter().filter(|name| !members.contains_key(*name)) {
                causes.push(Cause::required(&FieldPath::Member(&path, name).to_string(), ""));
            }
            for (name, member) in members {
                if let Some(of_member) = schema.member(name) {
                    let before = before.and_then(|before| before.get(name));
                    check(of_member, member, before, FieldPath::Member(&path, name), causes);
                }
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
    check_junctors(schema, value, path, causes);
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn type_matches(schema: &Schema, value: &Value) -> bool {
    if schema.int_or_string {
        return matches!(type_of(value), "integer" | "string");
    }
    match schema.kind.as_deref() {
        None => true,
        Some("number") => value.is_number(),
        Some("integer") => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        Some(kind) => kind == type_of(value),
    }
}

fn check_enumeration(schema: &Schema, value: &Value, path: FieldPath<'_>, causes: &mut Vec<Cause>) {
    if !schema.values.is_empty() && !schema.values.contains(value) {
        let supported: Vec<String> = schema.values.iter().map(Value::to_string).collect();
        let message = format!("Unsupported value: {value}: supported values: {}", supported.join(", "));
        causes.push(Cause::new("FieldValueNotSupported", &path.to_string(), message));
    }
}

fn check_text(schema: &Schema, text: &str, path: FieldPath<'_>, causes: &mut Vec<Cause>) {
    let field = path.to_string();
    let shown = json!(text).to_string();
    let length = text.chars().count();
    if let Some(maximum) = schema.max_length.filter(|&maximum| length > maximum) {
        let message = format!("Too long: may not be more than {maximum} bytes");
        causes.push(Cause::new("FieldValueTooLong", &field, message));
    }
    let mut refuse =
        |detail: &str| causes.push(Cause::invalid(&field, &shown, &format!("{field} in body {detail}")));
    if let Some(minimum) = schema.min_length.filter(|&minimum| length < minimum) {
        refuse(&format!("should be at least {minimum} chars long"));
    }
    if let Some(pattern) = schema.pattern.as_ref().filter(|pattern| !pattern.0.is_match(text)) {
        refuse(&format!("should match '{}'", pattern.0.as_str()));
    }
    let well_formed = match schema.format.as_deref() {
        Some("date-time") => text.parse::<jiff::Timestamp>().is_ok(),
        Some("date") => text.parse::<jiff::civil::Date>().is_ok(),
        Some("uri") => url::Url::parse(text).is_ok(),
        _ => true,
    };
    if !well_formed {
        let format = schema.format.as_deref().unwrap_or_default();
        refuse(&format!("must be of type {format}: {shown}"));
    }
}

fn check_number(schema: &Schema, number: f64, path: FieldPath<'_>, causes: &mut Vec<Cause>) {
    let mut refuse = |detail: String| {
        let field = path.to_string();
        causes.push(Cause::invalid(
            &field,
            &number.to_string(),
            &format!("{field} in body should be {detail}"),
        ));
    };
    if let Some(minimum) = schema.minimum {
        if schema.exclusive_minimum && number <= minimum {
            refuse(format!("greater than {minimum}"));
        } else if number < minimum {
            refuse(format!("greater than or equal to {minimum}"));
        }
    }
    if let Some(maximum) = schema.maximum {
        if schema.exclusive_maximum && number >= maximum {
            refuse(format!("less than {maximum}"));
        } else if number > maximum {
            refuse(format!("less than or equal to {maximum}"));
        }
    }
}

fn check_list(
    schema: &Schema,
    items: &[Value],
    before: Option<&Value>,
    path: FieldPath<'_>,
    causes: &mut Vec<Cause>,
) {
    check_count(schema.min_items, schema.max_items, items.len(), "items", path, causes);
    for (index, item) in items.iter().enumerate() {
        let path = FieldPath::Item(&path, index);
        let earlier = items.get(..index).unwrap_or_default();
        let duplicate = match schema.list_type.as_deref() {
            Some("set") => earlier.contains(item).then(|| item.clone()),
            Some("map") => {
                let keys = |item: &Value| -> Value {
                    schema
                        .list_map_keys
                        .iter()
                        .map(|key| (key.clone(), json!(schema.key_of(item, key))))
                        .collect()
                };
                let own = keys(item);
                earlier.iter().any(|other| keys(other) == own).then_some(own)
            }
            _ => None,
        };
        if let Some(duplicate) = duplicate {
            let message = format!("Duplicate value: {duplicate}");
            causes.push(Cause::new("FieldValueDuplicate", &path.to_string(), message));
        }
        if let Some(of_items) = &schema.items {
            check(of_items, item, schema.counterpart(item, before), path, causes);
        }
    }
}

fn check_count(
    minimum: Option<usize>,
    maximum: Option<usize>,
    count: usize,
    what: &str,
    path: FieldPath<'_>,
    causes: &mut Vec<Cause>,
) {
    let field = path.to_string();
    if let Some(minimum) = minimum.filter(|&minimum| count < minimum) {
        let detail = format!("{field} in body should have at least {minimum} {what}");
        causes.push(Cause::invalid(&field, &count.to_string(), &detail));
    }
    if let Some(maximum) = maximum.filter(|&maximum| count > maximum) {
        let message = format!("Too many: {count}: must have at most {maximum} items");
        causes.push(Cause::new("FieldValueTooMany", &field, message));
    }
}

fn check_junctors(schema: &Schema, value: &Value, path: FieldPath<'_>, causes: &mut Vec<Cause>) {
    let holds = |alternative: &Schema| {
        let mut causes = Vec::new();
        check(alternative, value, None, path, &mut causes);
        causes.is_empty()
    };
    let mut refuse = |detail: &str| {
        let field = path.to_string();
        causes.push(Cause::invalid(&field, "\"\"", &format!("\"{field}\" {detail}")));
    };
    if !schema.any_of.is_empty() && !schema.any_of.iter().any(holds) {
        refuse("must validate at least one schema (anyOf)");
    }
    if !schema.one_of.is_empty() {
        match schema.one_of.iter().filter(|alternative| holds(alternative)).count() {
            1 => {}
            0 => refuse("must validate one and only one schema (oneOf). Found none valid"),
            count => refuse(&format!(
                "must validate one and only one schema (oneOf). Found {count} valid alternatives"
            )),
        }
    }
    if !schema.all_of.iter().all(holds) {
        refuse("must validate all the schemas (allOf)");
    }
    if schema.not.as_deref().is_some_and(holds) {
        refuse("must not validate the schema (not)");
    }
}

fn check_rules(
    schema: &Schema,
    value: &Value,
    before: Option<&Value>,
    path: FieldPath<'_>,
    causes: &mut Vec<Cause>,
) {
    if before == Some(value) || value.is_null() {
        return;
    }
    causes.extend(broken_rules(schema, value, before, path));
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if let Some(of_member) = schema.member(name) {
                    let before = before.and_then(|before| before.get(name));
                    let path = if schema.properties.contains_key(name) {
                        FieldPath::Member(&path, name)
                    } else {
                        FieldPath::MapKey(&path, name)
                    };
                    check_rules(of_member, member, before, path, causes);
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                if let Some(of_items) = &schema.items {
                    let before = schema.counterpart(item, before);
                    check_rules(of_items, item, before, FieldPath::Item(&path, index), causes);
                }
            }
        }
        _ => {}
    }
}
