//! Which crate may lean on which: arrows point towards core, and outside systems stay behind their own crate.

use crate::process;
use anyhow::{Context, Result};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// (crate, the members of this workspace it may depend on). A crate that is not here may not exist.
const ARROWS: &[(&str, &[&str])] = &[
    ("stead-core", &[]),
    ("stead-ports", &["stead-core"]),
    ("stead-protocol", &["stead-core"]),
    ("stead-fleet", &["stead-core"]),
    ("stead-engine", &["stead-core", "stead-ports"]),
    ("stead-store", &["stead-core", "stead-ports"]),
    ("stead-history", &["stead-core", "stead-ports"]),
    ("stead-adapters", &["stead-core", "stead-ports"]),
    (
        "stead-agent",
        &[
            "stead-core",
            "stead-ports",
            "stead-protocol",
            "stead-engine",
            "stead-adapters",
            "stead-history",
        ],
    ),
    (
        "stead-server",
        &[
            "stead-core",
            "stead-ports",
            "stead-protocol",
            "stead-fleet",
            "stead-engine",
            "stead-store",
            "stead-history",
            "stead-adapters",
            "stead-agent",
        ],
    ),
    (
        "stead",
        &[
            "stead-core",
            "stead-ports",
            "stead-protocol",
            "stead-fleet",
            "stead-engine",
            "stead-store",
            "stead-adapters",
            "stead-agent",
            "stead-server",
        ],
    ),
    (
        "stead-month",
        &[
            "stead-core",
            "stead-ports",
            "stead-fleet",
            "stead-engine",
            "stead-store",
            "stead-history",
            "stead-agent",
            "stead-server",
            "stead-sim",
        ],
    ),
    (
        "stead-sim",
        &[
            "stead-core",
            "stead-ports",
            "stead-protocol",
            "stead-fleet",
            "stead-engine",
            "stead-agent",
            "stead-server",
        ],
    ),
    ("xtask", &[]),
];

/// The only crate whose build may have bugs planted, when it is asked to (docs/adr/0046), and who passes that on.
const SIMULATOR: &[&str] = &["stead-sim", "stead-ports"];

/// (library, the only crates that may name it)
const BEHIND: &[(&str, &[&str])] = &[
    ("sqlx", &["stead-store", "stead-history"]),
    ("tsink", &["stead-history"]),
    ("bollard", &["stead-adapters"]),
    ("zbus", &["stead-adapters"]),
    ("zbus_systemd", &["stead-adapters"]),
];

/// What a crate of plain types must not pull in, unless a feature asks for it.
const TYPES_ONLY: &[&str] = &["stead-core", "stead-protocol"];
const RUNTIMES: &[&str] = &["tokio", "axum", "hyper", "reqwest", "tower"];

pub fn findings(root: &Path) -> Result<Vec<String>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let text = process::quiet(Command::new(cargo).current_dir(root).args([
        "metadata",
        "--no-deps",
        "--format-version",
        "1",
        "--offline",
    ]))?;
    in_metadata(&serde_json::from_str(&text).context("cargo metadata")?)
}

fn in_metadata(metadata: &Value) -> Result<Vec<String>> {
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata without packages")?;
    let members: Vec<&str> = packages
        .iter()
        .filter_map(|package| package["name"].as_str())
        .collect();
    let mut found = Vec::new();
    for package in packages {
        let name = package["name"]
            .as_str()
            .context("a package without a name")?;
        let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| *known == name) else {
            found.push(format!(
                "{name}: not in the table of crates (xtask/src/tidy/arrows.rs)"
            ));
            continue;
        };
        let dependencies = package["dependencies"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        found.extend(plants(name, package));
        // Test dependencies may point anywhere.
        for dependency in dependencies
            .iter()
            .filter(|dependency| dependency["kind"].as_str() != Some("dev"))
        {
            let on = dependency["name"].as_str().unwrap_or_default();
            let chosen = dependency["optional"].as_bool() == Some(true);
            if has_planted(dependency) {
                found.push(format!(
                    "{name} asks {on} for planted bugs: only a feature of the simulator may"
                ));
            }
            if let Some(why) = refused(name, on, chosen, allowed, &members) {
                found.push(format!("{name} must not depend on {on}: {why}"));
            }
        }
    }
    Ok(found)
}

/// A feature that plants bugs where none may be.
fn plants(name: &str, package: &Value) -> Option<String> {
    let features = package["features"].as_object()?;
    let asks = |list: &Value| {
        let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter()
            .filter_map(Value::as_str)
            .any(|f| f.ends_with("planted"))
    };
    let bad = |(feature, list): &(&String, &Value)| {
        asks(list) && (*feature == "default" || !SIMULATOR.contains(&name))
    };
    let (feature, _) = features.iter().find(bad)?;
    Some(format!(
        "the feature {feature} of {name} plants bugs: only one of the simulator may, and never by default"
    ))
}

fn has_planted(dependency: &Value) -> bool {
    let features = dependency["features"].as_array();
    features.is_some_and(|all| all.iter().any(|feature| feature == "planted"))
}

fn refused(
    name: &str,
    on: &str,
    chosen: bool,
    allowed: &[&str],
    members: &[&str],
) -> Option<String> {
    if members.contains(&on) && !allowed.contains(&on) {
        return Some(if allowed.is_empty() {
            "it stands alone".into()
        } else {
            format!("only on {}", allowed.join(", "))
        });
    }
    if let Some((_, owners)) = BEHIND.iter().find(|(library, _)| *library == on)
        && !owners.contains(&name)
    {
        return Some(format!("it stays inside {}", owners.join(", ")));
    }
    (TYPES_ONLY.contains(&name) && RUNTIMES.contains(&on) && !chosen)
        .then(|| "plain types need no runtime".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn workspace(from: &str, on: &str, kind: Option<&str>) -> Vec<String> {
        let member =
            |name: &str, dependencies: Value| json!({ "name": name, "dependencies": dependencies });
        let metadata = json!({ "packages": [
            member("stead-core", json!([])),
            member("stead-server", json!([])),
            member(from, json!([{ "name": on, "kind": kind }])),
        ]});
        in_metadata(&metadata).unwrap()
    }

    #[test]
    fn an_arrow_away_from_core_is_found() {
        assert_eq!(workspace("stead-ports", "stead-server", None).len(), 1);
        assert!(workspace("stead-ports", "stead-core", None).is_empty());
    }

    #[test]
    fn test_dependencies_may_point_anywhere() {
        assert!(workspace("stead-ports", "stead-server", Some("dev")).is_empty());
    }

    #[test]
    fn a_library_outside_its_crate_is_found() {
        assert_eq!(workspace("stead-engine", "sqlx", None).len(), 1);
        assert!(workspace("stead-store", "sqlx", None).is_empty());
        assert_eq!(workspace("stead-protocol", "tokio", None).len(), 1);
    }

    #[test]
    fn a_feature_may_bring_a_runtime_to_plain_types() {
        let none: &[&str] = &[];
        assert!(refused("stead-protocol", "tokio", true, none, none).is_none());
        assert!(refused("stead-protocol", "tokio", false, none, none).is_some());
    }

    #[test]
    fn bugs_are_planted_by_a_feature_of_the_simulator_alone() {
        let found = |package: Value| {
            in_metadata(&json!({ "packages": [package] }))
                .unwrap()
                .len()
        };
        let with = |name: &str, feature: &str| json!({ "name": name, "dependencies": [], "features": { feature: ["stead-core/planted"] } });
        assert_eq!(found(with("stead-engine", "bugs")), 1);
        assert_eq!(found(with("stead-sim", "default")), 1);
        assert_eq!(found(with("stead-sim", "planted")), 0);
        let asks = json!([{ "name": "stead-core", "features": ["planted"] }]);
        let metadata = json!({ "packages": [
            { "name": "stead-core", "dependencies": [] },
            { "name": "stead-sim", "dependencies": asks },
        ]});
        assert_eq!(in_metadata(&metadata).unwrap().len(), 1);
    }

    #[test]
    fn a_crate_that_nobody_placed_is_found() {
        assert_eq!(workspace("stead-utils", "serde", None).len(), 1);
    }
}
