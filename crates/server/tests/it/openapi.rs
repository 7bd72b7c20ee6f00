//! The checked-in description of the API is the one the routes have. `UPDATE=1` writes it anew.

use std::path::Path;

use stead_server::http::description;

#[test]
fn openapi_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let now = format!(
        "{}\n",
        serde_json::to_string_pretty(&description()).unwrap()
    );
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    assert!(
        kept == now,
        "docs/openapi.json is not what the routes say: run `make openapi`"
    );
}

#[test]
fn every_operation_has_a_name_a_summary_and_says_how_its_errors_look() {
    let api = serde_json::to_value(description()).unwrap();
    assert!(api["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut names = std::collections::BTreeSet::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = operation["operationId"]
                .as_str()
                .unwrap_or_else(|| panic!("{method} {path} has no name"));
            assert!(names.insert(name.to_string()), "{name} twice");
            assert!(operation["summary"].is_string(), "{name} has no summary");
            let problem = &operation["responses"]["default"]["content"]["application/problem+json"];
            assert!(
                problem["schema"]["$ref"].is_string(),
                "{name} does not say how its errors look"
            );
        }
    }
    assert!(names.len() >= 27, "{names:?}");
    // What is referred to is there.
    let text = api.to_string();
    for part in text.split("#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(
            api["components"]["schemas"][name].is_object(),
            "{name} is referred to but not described"
        );
    }
}
