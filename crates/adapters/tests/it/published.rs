//! What others publish about their interfaces, to hold stand-ins to.

use serde_json::Value;

/// A published description with nothing allowed that it does not name.
pub struct Description(Value);

pub fn fixture(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect(name);
    serde_json::from_str(&text).expect(name)
}

pub fn closed(name: &str) -> Description {
    let mut document = fixture(name);
    close(&mut document["components"]["schemas"]);
    Description(document)
}

fn close(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if map.contains_key("properties") {
                map.insert("additionalProperties".into(), false.into());
            }
            map.values_mut().for_each(close);
        }
        Value::Array(list) => list.iter_mut().for_each(close),
        _ => {}
    }
}

impl Description {
    #[track_caller]
    pub fn fits(&self, schema: &str, value: &Value) {
        let mut document = self.0.clone();
        document["$ref"] = format!("#/components/schemas/{schema}").into();
        let validator = jsonschema::validator_for(&document).expect(schema);
        let wrong: Vec<String> = validator
            .iter_errors(value)
            .map(|e| e.to_string())
            .collect();
        assert!(wrong.is_empty(), "{schema}: {wrong:?} in {value}");
    }
}
