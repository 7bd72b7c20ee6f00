//! JSON Schemas of the files, made from the types of [`crate::grammar`].
//!
//! The schemas that editors get are the ones `stead check` judges shapes by: one source, no drift between the two.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

use crate::grammar::FileKind;
use crate::grammar::{
    job::JobsFile, node::NodeFile, runbook::RunbookFile, service::ServicesFile, stead::SteadFile,
};

/// The schema of each kind of file, by its word: `stead`, `node`, `services`, `jobs`, `runbook`.
pub fn schema() -> BTreeMap<&'static str, Value> {
    FileKind::ALL
        .into_iter()
        .map(|kind| (kind.word(), of(kind)))
        .collect()
}

pub(crate) fn of(kind: FileKind) -> Value {
    let settings = SchemaSettings::draft07()
        .with(|s| s.inline_subschemas = true)
        .for_deserialize();
    let generator = settings.into_generator();
    let schema = match kind {
        FileKind::Stead => generator.into_root_schema_for::<SteadFile>(),
        FileKind::Node => generator.into_root_schema_for::<NodeFile>(),
        FileKind::Services => generator.into_root_schema_for::<ServicesFile>(),
        FileKind::Jobs => generator.into_root_schema_for::<JobsFile>(),
        FileKind::Runbook => generator.into_root_schema_for::<RunbookFile>(),
    };
    let mut value = schema.to_value();
    settle(&mut value);
    if let Value::Object(root) = &mut value {
        root.insert("title".into(), json!(format!("Stead: {}", kind.place())));
        // A place for anchors, as Compose has it.
        root.insert("patternProperties".into(), json!({ "^x-": true }));
    }
    value
}

/// Turns what derives say about Rust into what is true of the files: an absent key is left out and never written as
/// null, while an empty map or list may be written as nothing at all.
fn settle(value: &mut Value) {
    let Value::Object(map) = value else { return };
    without_null_choice(map);
    map.remove("format");
    map.remove("default");
    if let Some(Value::Array(words)) = map.get_mut("enum") {
        words.retain(|w| !w.is_null());
    }
    if let Some(types) = map.get("type") {
        let settled = settled_types(types);
        map.insert("type".into(), settled);
    }
    if let Some(Value::Object(fields)) = map.get_mut("properties") {
        let must = |field: &mut Value| {
            field
                .as_object_mut()
                .and_then(|f| f.remove("x-must"))
                .is_some()
        };
        let required: Vec<Value> = fields
            .iter_mut()
            .filter_map(|(key, field)| must(field).then(|| json!(key)))
            .collect();
        fields.values_mut().for_each(settle);
        if !required.is_empty() {
            map.insert("required".into(), json!(required));
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = map.get_mut(key) {
            settle(inner);
        }
    }
}

fn without_null_choice(map: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = map.get_mut("anyOf") else {
        return;
    };
    choices.retain(|c| c.get("type") != Some(&json!("null")));
    if choices.len() != 1 {
        return;
    }
    let only = choices.pop();
    map.remove("anyOf");
    if let Some(Value::Object(only)) = only {
        for (key, value) in only {
            map.entry(key).or_insert(value);
        }
    }
}

fn settled_types(types: &Value) -> Value {
    let mut words: Vec<String> = match types {
        Value::Array(many) => many
            .iter()
            .filter_map(|t| t.as_str().map(str::to_owned))
            .collect(),
        Value::String(one) => vec![one.clone()],
        _ => Vec::new(),
    };
    words.retain(|w| w != "null");
    if words.iter().any(|w| w == "object") || words.iter().all(|w| w == "array") {
        words.push("null".into());
    }
    match words.as_slice() {
        [one] => json!(one),
        many => json!(many),
    }
}

/// The reference of every key, as Markdown, from the same schemas.
pub fn reference() -> String {
    let mut out = String::new();
    for kind in FileKind::ALL {
        let schema = of(kind);
        out.push_str(&format!("\n## `{}`\n\n", kind.place()));
        out.push_str(schema["description"].as_str().unwrap_or_default());
        out.push_str("\n\n| key | takes | meaning |\n|---|---|---|\n");
        rows("", &schema, &mut out);
    }
    out
}

fn rows(prefix: &str, schema: &Value, out: &mut String) {
    let required = |key: &str| {
        schema["required"]
            .as_array()
            .is_some_and(|r| r.iter().any(|k| k == key))
    };
    for (key, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{prefix}{key}");
        let must = if required(key) {
            " (must be given)"
        } else {
            ""
        };
        let meaning = field["description"]
            .as_str()
            .unwrap_or_default()
            .replace('\n', " ")
            .replace('|', "\\|");
        out.push_str(&format!(
            "| `{path}` | {}{must} | {meaning} |\n",
            takes(field)
        ));
        rows(&format!("{path}."), field, out);
        if field["items"].is_object() {
            rows(&format!("{path}[]."), &field["items"], out);
        }
        if field["additionalProperties"].is_object() {
            rows(
                &format!("{path}.<name>."),
                &field["additionalProperties"],
                out,
            );
        }
    }
}

fn takes(field: &Value) -> String {
    if let Some(form) = field["x-stead"].as_str() {
        let example = field["examples"][0].as_str().unwrap_or_default();
        return format!("{form}, `{example}`");
    }
    let mut words: Vec<&str> = field["enum"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    words.extend(
        field["oneOf"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|c| c["const"].as_str()),
    );
    if !words.is_empty() {
        return words
            .iter()
            .map(|w| format!("`{w}`"))
            .collect::<Vec<_>>()
            .join(" ");
    }
    let types: Vec<&str> = match &field["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    };
    let of_items = |inner: &Value| match inner["type"].as_str() {
        Some("object") | None => "",
        Some(_) => " of texts",
    };
    let words = types.into_iter().filter_map(|t| match t {
        "string" => Some("text".to_owned()),
        "integer" => Some("whole number".to_owned()),
        "number" => Some("number".to_owned()),
        "boolean" => Some("true or false".to_owned()),
        "array" => Some(format!("list{}", of_items(&field["items"]))),
        "object" => Some("map".to_owned()),
        _ => None,
    });
    words.collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_refers_to_elsewhere_and_every_key_of_a_file_is_closed() {
        fn walk(path: &str, schema: &Value, visit: &mut dyn FnMut(&str, &Value)) {
            visit(path, schema);
            for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
                walk(&format!("{path}/{key}"), inner, visit);
            }
            for inner in [&schema["items"], &schema["additionalProperties"]] {
                if inner.is_object() {
                    walk(&format!("{path}/*"), inner, visit);
                }
            }
        }
        for (word, schema) in schema() {
            walk(word, &schema, &mut |path, at| {
                for odd in ["$ref", "anyOf", "allOf", "format", "default"] {
                    assert!(at.get(odd).is_none(), "{path} has {odd}: {at}");
                }
                if at.get("properties").is_some() {
                    assert_eq!(at["additionalProperties"], json!(false), "{path}");
                }
                assert!(
                    at.get("type").is_some() || at.get("oneOf").is_some(),
                    "{path}: {at}"
                );
            });
        }
    }
}
