//! The description as one page of plain HTML: no script, nothing from elsewhere.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// Writes the page.
pub(super) fn render(document: &Value) -> String {
    let mut html = String::from(concat!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
        "<title>Trainmaster API</title>\n<link rel=\"stylesheet\" href=\"/api/docs.css\">\n</head>\n<body>\n",
    ));
    let version = text(&document["info"]["version"]);
    let _ = writeln!(html, "<h1>Trainmaster API {version}</h1>");
    let _ = writeln!(html, "<p>{}</p>", text(&document["info"]["description"]));
    html.push_str(
        "<p>The same for programs: <a href=\"/api/v1/openapi.json\">openapi.json</a>.</p>\n",
    );
    let by_tag = operations(document);
    html.push_str("<nav><ul>\n");
    for tag in by_tag.keys() {
        let tag = escape(tag);
        let _ = writeln!(html, "<li><a href=\"#{tag}\">{tag}</a></li>");
    }
    html.push_str("<li><a href=\"#schemas\">schemas</a></li>\n</ul></nav>\n");
    for (tag, operations) in by_tag {
        let tag = escape(tag);
        let _ = writeln!(html, "<h2 id=\"{tag}\">{tag}</h2>");
        for (path, method, operation) in operations {
            render_operation(&mut html, path, method, operation);
        }
    }
    html.push_str("<h2 id=\"schemas\">schemas</h2>\n");
    for (name, schema) in document["components"]["schemas"]
        .as_object()
        .into_iter()
        .flatten()
    {
        render_schema(&mut html, name, schema);
    }
    html.push_str("</body>\n</html>\n");
    html
}

type Operation<'a> = (&'a str, &'a str, &'a Value);

fn operations(document: &Value) -> BTreeMap<&str, Vec<Operation<'_>>> {
    let mut by_tag: BTreeMap<&str, Vec<Operation<'_>>> = BTreeMap::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for method in METHODS {
            if let Some(operation) = item.get(method) {
                let tag = operation["tags"][0].as_str().unwrap_or("other");
                by_tag
                    .entry(tag)
                    .or_default()
                    .push((path, method, operation));
            }
        }
    }
    by_tag
}

fn render_operation(html: &mut String, path: &str, method: &str, operation: &Value) {
    let id = text(&operation["operationId"]);
    let method = method.to_uppercase();
    let _ = writeln!(html, "<section id=\"{id}\">");
    let path = escape(path);
    let _ = writeln!(
        html,
        "<h3><code><span class=\"method\">{method}</span> {path}</code></h3>"
    );
    let _ = writeln!(html, "<p>{}</p>", text(&operation["summary"]));
    if operation["description"].is_string() {
        let _ = writeln!(html, "<p>{}</p>", text(&operation["description"]));
    }
    html.push_str("<table>\n");
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        if let Some(name) = parameter["name"].as_str() {
            let place = text(&parameter["in"]);
            let about = text(&parameter["description"]);
            let _ = writeln!(
                html,
                "<tr><th><code>{}</code></th><td>{place}</td><td>{about}</td></tr>",
                escape(name)
            );
        }
    }
    for (media, content) in operation["requestBody"]["content"]
        .as_object()
        .into_iter()
        .flatten()
    {
        let _ = writeln!(
            html,
            "<tr><th>body</th><td><code>{}</code></td><td>{}</td></tr>",
            escape(media),
            kind(&content["schema"])
        );
    }
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        let about = match response["$ref"].as_str() {
            Some(_) => "a <a href=\"#schema-Problem\">problem</a>".to_owned(),
            None => text(&response["description"]),
        };
        let content = response["content"].as_object().into_iter().flatten();
        let kinds: Vec<String> = content
            .map(|(_, content)| kind(&content["schema"]))
            .collect();
        let _ = writeln!(
            html,
            "<tr><th>{}</th><td>{about}</td><td>{}</td></tr>",
            escape(status),
            kinds.join(", ")
        );
    }
    html.push_str("</table>\n</section>\n");
}

fn render_schema(html: &mut String, name: &str, schema: &Value) {
    let shown = escape(name);
    let _ = writeln!(
        html,
        "<section id=\"schema-{shown}\">\n<h3><code>{shown}</code></h3>"
    );
    let _ = writeln!(html, "<p>{}</p>", text(&schema["description"]));
    let own = std::iter::once(schema);
    let parts = schema["allOf"].as_array().into_iter().flatten();
    html.push_str("<table>\n");
    for part in own.chain(parts) {
        if let Some(target) = part["$ref"].as_str() {
            let _ = writeln!(
                html,
                "<tr><th>everything of</th><td>{}</td><td></td></tr>",
                link(target)
            );
        }
        for (field, property) in part["properties"].as_object().into_iter().flatten() {
            let about = text(&property["description"]);
            let _ = writeln!(
                html,
                "<tr><th><code>{}</code></th><td>{}</td><td>{about}</td></tr>",
                escape(field),
                kind(property)
            );
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<String> = values
            .iter()
            .map(|value| format!("<code>{}</code>", text(value)))
            .collect();
        let _ = writeln!(
            html,
            "<tr><th>one of</th><td>{}</td><td></td></tr>",
            values.join(", ")
        );
    }
    html.push_str("</table>\n</section>\n");
}

/// What a value is, in a few words.
fn kind(schema: &Value) -> String {
    if let Some(target) = schema["$ref"].as_str() {
        return link(target);
    }
    for choice in ["oneOf", "anyOf"] {
        if let Some(choices) = schema[choice].as_array() {
            let kinds: Vec<String> = choices.iter().map(kind).collect();
            return kinds.join(" or ");
        }
    }
    match &schema["type"] {
        Value::String(one) if one == "array" => format!("list of {}", kind(&schema["items"])),
        Value::String(one) => escape(one),
        Value::Array(several) => several.iter().map(text).collect::<Vec<_>>().join(" or "),
        _ => "any value".to_owned(),
    }
}

fn link(target: &str) -> String {
    let name = escape(target.rsplit('/').next().unwrap_or(target));
    format!("<a href=\"#schema-{name}\">{name}</a>")
}

fn text(value: &Value) -> String {
    escape(value.as_str().unwrap_or_default())
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_description_says_cannot_become_markup() {
        let document = serde_json::json!({
            "info": {"version": "1", "description": "<script>"},
            "paths": {"/a": {"get": {"operationId": "a", "summary": "\"&'", "tags": ["t"], "responses": {}}}},
        });
        let page = render(&document);
        assert!(page.contains("&lt;script&gt;"));
        assert!(page.contains("&quot;&amp;&#39;"));
        assert!(!page.contains("<script"));
    }
}
