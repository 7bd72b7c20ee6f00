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
        fields.values_mut().for_each(settle);
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
