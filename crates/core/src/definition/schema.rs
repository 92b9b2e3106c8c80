//! The JSON Schema of definitions: what editors complete against and what the first check walks along.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema, schema_for};
use serde_json::{Map, Value, json};

use super::shape::Shape;
use super::{API_VERSION, Metadata};
use crate::account::AccountSpec;
use crate::freeze::FreezeSpec;
use crate::group::ReleaseGroupSpec;
use crate::ids::{Name, Owner, ResourceKind, SecretName};
use crate::input_set::InputSetSpec;
use crate::notification_rule::NotificationRuleSpec;
use crate::people::{OrganizationSpec, RoleBindingSpec, TeamSpec};
use crate::plan::config_schema;
use crate::process::ProcessSpec;
use crate::uses::ActivityType;

/// The JSON Schema (2020-12) of whole documents of a kind, with settings described per activity type.
pub fn schema(kind: ResourceKind) -> Value {
    let mut definitions = Map::new();
    let spec = match kind {
        ResourceKind::Process => schema_for!(ProcessSpec),
        ResourceKind::InputSet => schema_for!(InputSetSpec),
        ResourceKind::ReleaseGroup => schema_for!(ReleaseGroupSpec),
        ResourceKind::Freeze => schema_for!(FreezeSpec),
        ResourceKind::NotificationRule => schema_for!(NotificationRuleSpec),
        ResourceKind::Organization => schema_for!(OrganizationSpec),
        ResourceKind::Team => schema_for!(TeamSpec),
        ResourceKind::RoleBinding => schema_for!(RoleBindingSpec),
        ResourceKind::Account => schema_for!(AccountSpec),
    };
    let spec = embed(spec.to_value(), &mut definitions, "");
    let metadata = embed(schema_for!(Metadata).to_value(), &mut definitions, "");
    if kind == ResourceKind::Process {
        describe_settings(&mut definitions);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": kind.as_str(),
        "type": "object",
        "properties": {
            "apiVersion": {"const": API_VERSION, "description": "The version of the written form."},
            "kind": {"const": kind.as_str(), "description": "What the document defines."},
            "metadata": metadata,
            "spec": spec,
        },
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "additionalProperties": false,
        "$defs": definitions,
    })
}

/// The shape of whole documents of a kind; what `uses` and `with` hold is checked on compiling.
pub(crate) fn shape(kind: ResourceKind) -> &'static Shape {
    static SHAPES: LazyLock<BTreeMap<ResourceKind, Shape>> = LazyLock::new(|| {
        let shape = |kind| (kind, document_shape(kind));
        ResourceKind::ALL.map(shape).into()
    });
    &SHAPES[&kind]
}

fn document_shape(kind: ResourceKind) -> Shape {
    let mut schema = schema(kind);
    // The head has been checked with better words.
    schema["properties"]["apiVersion"] = Value::Bool(true);
    schema["properties"]["kind"] = Value::Bool(true);
    schema["required"] = json!(["metadata", "spec"]);
    if let Some(activity) = schema["$defs"].get_mut("ActivitySpec") {
        activity["properties"]["uses"] = json!({"type": "string"});
    }
    Shape::of(&schema)
}

/// A schema as part of another: its definitions move there, with a prefix to their names.
fn embed(mut schema: Value, definitions: &mut Map<String, Value>, prefix: &str) -> Value {
    if let Some(Value::Object(own)) = schema
        .as_object_mut()
        .and_then(|schema| schema.remove("$defs"))
    {
        for (name, mut definition) in own {
            prefix_references(&mut definition, prefix);
            definitions.insert(format!("{prefix}{name}"), definition);
        }
    }
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("$schema");
        schema.remove("title");
    }
    prefix_references(&mut schema, prefix);
    schema
}

fn prefix_references(schema: &mut Value, prefix: &str) {
    match schema {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(target) if name == "$ref" => {
                        *target = target.replace("#/$defs/", &format!("#/$defs/{prefix}"));
                    }
                    other => prefix_references(other, prefix),
                }
            }
        }
        Value::Array(elements) => elements
            .iter_mut()
            .for_each(|element| prefix_references(element, prefix)),
        _ => (),
    }
}

/// Makes `with` depend on `uses`.
fn describe_settings(definitions: &mut Map<String, Value>) {
    let mut choices = Vec::new();
    for uses in ActivityType::ALL {
        let prefix = format!("{uses}.");
        let mut own = Map::new();
        let mut config = embed(config_schema(uses), &mut own, &prefix);
        allow_expressions(&mut config);
        own.values_mut().for_each(allow_expressions);
        definitions.extend(own);
        definitions.insert(format!("{uses}.with"), config);
        choices.push(json!({
            "if": {"properties": {"uses": {"const": uses.as_str()}}},
            "then": {"properties": {"with": {"$ref": format!("#/$defs/{uses}.with")}}},
        }));
    }
    definitions.insert(
        "expression".into(),
        json!({"type": "string", "pattern": r"\$\{", "description": "A text with `${…}`."}),
    );
    let words: Vec<&str> = ActivityType::ALL.iter().map(|uses| uses.as_str()).collect();
    if let Some(activity) = definitions.get_mut("ActivitySpec") {
        activity["allOf"] = Value::Array(choices);
        activity["properties"]["uses"]["enum"] = json!(words);
    }
}

/// Lets every field and element of settings be an expression instead.
fn allow_expressions(schema: &mut Value) {
    let Some(schema) = schema.as_object_mut() else {
        return;
    };
    for key in ["anyOf", "oneOf"] {
        if let Some(Value::Array(choices)) = schema.get_mut(key) {
            choices.iter_mut().for_each(allow_expressions);
        }
    }
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.values_mut().for_each(or_expression);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(below) = schema.get_mut(key).filter(|below| below.is_object()) {
            or_expression(below);
        }
    }
}

fn or_expression(schema: &mut Value) {
    allow_expressions(schema);
    let Some(fields) = schema.as_object_mut() else {
        return;
    };
    let constrained = ["$ref", "type", "enum", "const", "anyOf", "oneOf"]
        .iter()
        .any(|key| fields.contains_key(*key));
    if !constrained {
        return;
    }
    let description = fields.remove("description");
    let mut either =
        json!({"anyOf": [Value::Object(std::mem::take(fields)), {"$ref": "#/$defs/expression"}]});
    if let Some(description) = description {
        either["description"] = description;
    }
    *schema = either;
}

impl JsonSchema for Name {
    fn schema_name() -> Cow<'static, str> {
        "Name".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "trainmaster-name",
            "pattern": "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        })
    }
}

impl JsonSchema for SecretName {
    fn schema_name() -> Cow<'static, str> {
        "SecretName".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "trainmaster-secret",
            "pattern": "^[A-Za-z0-9_-]{1,63}$",
        })
    }
}

impl JsonSchema for Owner {
    fn schema_name() -> Cow<'static, str> {
        "Owner".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "trainmaster-owner",
            "pattern": "^(user|team|role):[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        })
    }
}
