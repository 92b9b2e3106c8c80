//! The description of the API: OpenAPI 3.1, made from the routes, completed with what all of them share.

use std::sync::OnceLock;

use serde_json::{Map, Value, json};
use trainmaster_api::{CODES, LogLineView, Problem};
use trainmaster_core::definition;
use trainmaster_core::ids::ResourceKind;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder};

mod page;

const SCHEME: &str = "token";

/// What stands above all routes.
pub(crate) fn head() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Trainmaster")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Runs software releases. Errors are problem documents with stable codes; instants are RFC 3339 in UTC.",
        ))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .build();
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("tm_…")
        .description(Some("An API token."))
        .build();
    let components = ComponentsBuilder::new()
        .schema_from::<Problem>()
        .schema_from::<trainmaster_api::FieldError>()
        .schema_from::<LogLineView>()
        .security_scheme(SCHEME, SecurityScheme::Http(bearer))
        .build();
    OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        .security(Some([SecurityRequirement::new(
            SCHEME,
            Vec::<String>::new(),
        )]))
        .build()
}

/// The description as text.
pub(crate) fn text() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let text = serde_json::to_string_pretty(document());
        text.expect("a JSON value can be written") + "\n"
    })
}

/// The description as a page.
pub(crate) fn page() -> &'static str {
    static PAGE: OnceLock<String> = OnceLock::new();
    PAGE.get_or_init(|| page::render(document()))
}

/// The description.
fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        let described = serde_json::to_value(crate::routes::described());
        let mut document = described.expect("the description of the routes is JSON");
        add_definitions(&mut document);
        add_shared(&mut document);
        add_to_operations(&mut document);
        document
    })
}

fn object<'a>(document: &'a mut Value, path: &[&str]) -> &'a mut Map<String, Value> {
    let mut place = document;
    for name in path {
        place = &mut place[*name];
        if place.is_null() {
            *place = json!({});
        }
    }
    place
        .as_object_mut()
        .expect("this part of the description is an object")
}

/// The schemas of definitions, as editors get them; their parts are named after the kind they belong to.
fn add_definitions(document: &mut Value) {
    for kind in ResourceKind::ALL {
        let mut schema = definition::schema(kind);
        let parts = schema.as_object_mut().and_then(|schema| {
            schema.remove("$schema");
            schema.remove("$id");
            schema.remove("$defs")
        });
        let prefix = format!("{kind}Definition");
        refer(&mut schema, &prefix);
        let schemas = object(document, &["components", "schemas"]);
        schemas.insert(prefix.clone(), schema);
        let Some(Value::Object(parts)) = parts else {
            continue;
        };
        for (name, mut part) in parts {
            refer(&mut part, &prefix);
            schemas.insert(format!("{prefix}.{name}"), part);
        }
    }
}

/// Lets references to parts of a schema lead to where the parts are now.
fn refer(schema: &mut Value, prefix: &str) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::String(target)) = fields.get_mut("$ref") {
                if let Some(name) = target.strip_prefix("#/$defs/") {
                    *target = format!("#/components/schemas/{prefix}.{name}");
                } else if target == "#" {
                    *target = format!("#/components/schemas/{prefix}");
                }
            }
            fields.values_mut().for_each(|field| refer(field, prefix));
        }
        Value::Array(elements) => elements
            .iter_mut()
            .for_each(|element| refer(element, prefix)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (),
    }
}

/// One response per status, with the codes that go with it, and the parameter that every POST takes.
fn add_shared(document: &mut Value) {
    let mut statuses: Vec<u16> = CODES.iter().map(|(_, status, _)| *status).collect();
    statuses.sort_unstable();
    statuses.dedup();
    let responses = object(document, &["components", "responses"]);
    for status in statuses {
        let codes = CODES.iter().filter(|(_, own, _)| *own == status);
        let codes: Vec<String> = codes
            .map(|(code, _, title)| format!("`{code}`: {title}."))
            .collect();
        let mut response = json!({
            "description": codes.join(" "),
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        });
        if matches!(status, 429 | 503) {
            response["headers"] = json!({"Retry-After": {
                "description": "Seconds to wait before trying again.",
                "schema": {"type": "integer"},
            }});
        }
        responses.insert(name(status), response);
    }
    let parameters = object(document, &["components", "parameters"]);
    parameters.insert(
        "IdempotencyKey".to_owned(),
        json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "Makes a repetition of the request get the first answer; 1 to 255 visible ASCII characters.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        }),
    );
}

fn name(status: u16) -> String {
    format!("Problem{status}")
}

/// Documents on every operation the problems that can come with it.
fn add_to_operations(document: &mut Value) {
    let paths = object(document, &["paths"]);
    for (path, item) in paths.iter_mut() {
        let Some(operations) = item.as_object_mut() else {
            continue;
        };
        for (method, operation) in operations.iter_mut() {
            let Some(operation) = operation.as_object_mut() else {
                continue;
            };
            if method == "post" {
                let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
                if let Some(parameters) = parameters.as_array_mut() {
                    parameters.push(json!({"$ref": "#/components/parameters/IdempotencyKey"}));
                }
            }
            if let Some(need) = crate::gate::need(method, path) {
                operation.insert("x-permission".to_owned(), need.shown());
            }
            let statuses = statuses(path, method, operation);
            let responses = operation.entry("responses").or_insert_with(|| json!({}));
            let Some(responses) = responses.as_object_mut() else {
                continue;
            };
            for status in statuses {
                let reference = json!({"$ref": format!("#/components/responses/{}", name(status))});
                responses.entry(status.to_string()).or_insert(reference);
            }
        }
    }
}

fn statuses(path: &str, method: &str, operation: &Map<String, Value>) -> Vec<u16> {
    let is_open = operation.get("security").is_some();
    let changes = method != "get";
    let takes_version = operation
        .get("parameters")
        .and_then(Value::as_array)
        .is_some_and(|parameters| {
            parameters
                .iter()
                .any(|parameter| parameter["name"] == "If-Match")
        });
    let mut statuses = vec![400, 414, 431, 500, 503, 504];
    if !is_open {
        statuses.extend([401, 403, 429]);
    }
    if path.contains('{') {
        statuses.push(404);
    }
    if changes {
        statuses.extend([409, 413, 415, 422]);
    }
    if takes_version || (changes && path.starts_with("/api/v1/releases/{id}")) {
        statuses.push(412);
    }
    statuses
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(target)) = fields.get("$ref") {
                    found.insert(target.clone());
                }
                fields.values().for_each(|field| references(field, found));
            }
            Value::Array(elements) => elements
                .iter()
                .for_each(|element| references(element, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (),
        }
    }

    #[test]
    fn every_reference_of_the_description_leads_somewhere() {
        let mut found = BTreeSet::new();
        references(document(), &mut found);
        assert!(found.len() > 50, "{}", found.len());
        for target in found {
            let pointer = target
                .strip_prefix('#')
                .expect("a reference within the document");
            assert!(
                document().pointer(pointer).is_some(),
                "`{target}` leads nowhere"
            );
        }
    }

    #[test]
    fn every_operation_has_a_name_of_its_own_and_says_how_it_can_fail() {
        let mut names = BTreeSet::new();
        for (path, item) in document()["paths"].as_object().expect("paths") {
            for (method, operation) in item.as_object().expect("operations") {
                let name = operation["operationId"]
                    .as_str()
                    .expect("an operation has a name");
                assert!(names.insert(name.to_owned()), "`{name}` is there twice");
                let responses = operation["responses"].as_object().expect("responses");
                assert!(responses.contains_key("503"), "{method} {path}");
                assert!(
                    responses
                        .keys()
                        .any(|status| status.starts_with('2') || status == "303"),
                    "{method} {path}"
                );
            }
        }
    }

    #[test]
    fn the_openapi_snapshot_is_current() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            std::fs::write(file, text()).expect("the snapshot can be written");
        }
        let snapshot = std::fs::read_to_string(file).unwrap_or_default();
        assert!(
            snapshot == text(),
            "the description has changed; run `UPDATE_OPENAPI=1 cargo test -p trainmaster-server openapi` and commit it",
        );
    }
}
