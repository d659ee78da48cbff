//! Validation rules in CEL (`x-kubernetes-validations`): compiled once, evaluated with `self` and `oldSelf`.
//!
//! Pure. Kubernetes' own CEL libraries (URLs, quantities, durations) are not there: a rule that needs one fails
//! loudly, as an evaluation error in the answer.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use cel::{Context, Env, Program, extensions, objects::Key};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;

use crate::{
    field_path::FieldPath,
    refusal::Cause,
    schema::{Additional, Schema},
};

static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut environment = Env::stdlib().with_optional_support(true);
    for extension in [extensions::strings, extensions::lists, extensions::math] {
        if let Err(error) = environment.add_extension(extension) {
            tracing::error!(%error, "a CEL extension could not be added; rules that need it will not compile");
        }
    }
    Arc::new(environment)
});

/// Words that CEL reserves; members of these names are written with underscores around them.
const RESERVED: &[&str] = &[
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// A rule as the CRD has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    rule: String,
    message: Option<String>,
    message_expression: Option<String>,
    reason: Option<String>,
    field_path: Option<String>,
}

/// A compiled rule.
pub(crate) struct Rule {
    text: String,
    program: Program,
    message: Option<String>,
    message_program: Option<Program>,
    reason: &'static str,
    field_path: String,
    /// Whether it compares with the state before, and so holds for updates only.
    is_transition: bool,
}

/// A rule that does not compile.
#[derive(Debug, thiserror::Error)]
#[error("the CEL expression {expression:?} does not compile: {why}")]
pub(crate) struct RuleError {
    expression: String,
    why: String,
}

impl TryFrom<Written> for Rule {
    type Error = RuleError;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let program = compile(&written.rule)?;
        Ok(Self {
            is_transition: program.references().has_variable("oldSelf"),
            program,
            message: written.message.map(|message| message.trim().to_owned()),
            message_program: written.message_expression.as_deref().map(compile).transpose()?,
            reason: match written.reason.as_deref() {
                Some("FieldValueForbidden") => "FieldValueForbidden",
                Some("FieldValueRequired") => "FieldValueRequired",
                Some("FieldValueDuplicate") => "FieldValueDuplicate",
                _ => "FieldValueInvalid",
            },
            field_path: written.field_path.unwrap_or_default(),
            text: written.rule,
        })
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(Written::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

fn compile(expression: &str) -> Result<Program, RuleError> {
    ENVIRONMENT
        .compile(expression)
        .map_err(|error| RuleError { expression: expression.to_owned(), why: error.to_string() })
}

/// What the rules of a value refuse about it.
pub(crate) fn broken_rules(
    schema: &Schema,
    value: &Value,
    before: Option<&Value>,
    path: FieldPath<'_>,
) -> Vec<Cause> {
    if schema.rules.is_empty() {
        return Vec::new();
    }
    let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
    context.add_variable_from_value("self", to_cel(Some(schema), value));
    if let Some(before) = before {
        context.add_variable_from_value("oldSelf", to_cel(Some(schema), before));
    }
    let applicable = schema.rules.iter().filter(|rule| before.is_some() || !rule.is_transition);
    applicable.filter_map(|rule| rule.refusal(&context, schema, path)).collect()
}

impl Rule {
    fn refusal(&self, context: &Context<'_, '_>, schema: &Schema, path: FieldPath<'_>) -> Option<Cause> {
        let field = match path {
            FieldPath::Root if self.field_path.is_empty() => "<nil>".to_owned(),
            FieldPath::Root => self.field_path.trim_start_matches('.').to_owned(),
            path => format!("{path}{}", self.field_path),
        };
        let shown = format!("\"{}\"", schema.type_name());
        match self.program.execute(context) {
            Ok(cel::Value::Bool(true)) => None,
            Ok(cel::Value::Bool(false)) => {
                let detail = self.detail(context);
                let message = match self.reason {
                    "FieldValueForbidden" => format!("Forbidden: {detail}"),
                    "FieldValueRequired" => format!("Required value: {detail}"),
                    "FieldValueDuplicate" => format!("Duplicate value: {shown}"),
                    _ => format!("Invalid value: {shown}: {detail}"),
                };
                Some(Cause::new(self.reason, &field, message))
            }
            Ok(_) => {
                let detail = format!("rule {:?} did not evaluate to a boolean", self.text);
                Some(Cause::invalid(&field, &shown, &detail))
            }
            Err(error) => {
                let detail = format!("rule evaluation error: {error} (rule: {})", self.text);
                Some(Cause::invalid(&field, &shown, &detail))
            }
        }
    }

    fn detail(&self, context: &Context<'_, '_>) -> String {
        let computed = self.message_program.as_ref().and_then(|program| match program.execute(context) {
            Ok(cel::Value::String(message)) if !message.trim().is_empty() => Some(message.trim().to_owned()),
            _ => None,
        });
        computed.or_else(|| self.message.clone()).unwrap_or_else(|| format!("failed rule: {}", self.text))
    }
}

fn to_cel(schema: Option<&Schema>, value: &Value) -> cel::Value {
    match value {
        Value::Null => cel::Value::Null,
        Value::Bool(value) => cel::Value::Bool(*value),
        Value::String(value) => cel::Value::String(Arc::new(value.clone())),
        Value::Number(number) => match number.as_i64() {
            Some(whole) if schema.and_then(|schema| schema.kind.as_deref()) != Some("number") => {
                cel::Value::Int(whole)
            }
            _ => cel::Value::Float(number.as_f64().unwrap_or_default()),
        },
        Value::Array(items) => {
            let of_items = schema.and_then(|schema| schema.items.as_deref());
            cel::Value::List(Arc::new(items.iter().map(|item| to_cel(of_items, item)).collect()))
        }
        Value::Object(members) => {
            let map: HashMap<Key, cel::Value> = members
                .iter()
                .map(|(name, member)| {
                    let declared = schema.is_some_and(|schema| schema.properties.contains_key(name));
                    let shown = if declared { escaped(name) } else { name.clone() };
                    let of_member = schema.and_then(|schema| schema.member(name));
                    (Key::String(Arc::new(shown)), to_cel(of_member, member))
                })
                .collect();
            cel::Value::Map(cel::objects::Map { map: Arc::new(map) })
        }
    }
}

/// A member's name as Kubernetes lets rules write it.
fn escaped(name: &str) -> String {
    if RESERVED.contains(&name) {
        return format!("__{name}__");
    }
    name.replace("__", "__underscores__")
        .replace('.', "__dot__")
        .replace('-', "__dash__")
        .replace('/', "__slash__")
}

/// Whether any value below this schema has rules.
pub(crate) fn has_rules(schema: &Schema) -> bool {
    !schema.rules.is_empty()
        || schema.properties.values().any(has_rules)
        || schema.items.as_deref().is_some_and(has_rules)
        || matches!(&schema.additional_properties, Some(Additional::Like(of_members)) if has_rules(of_members))
}
