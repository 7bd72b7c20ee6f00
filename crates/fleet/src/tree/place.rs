//! Which file of a tree is what.

use stead_core::ids::nearest;

use crate::grammar::FileKind;

/// What a path is to a fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A file of the grammar, and the folder's name under `hosts/` where it lies in one.
    File(FileKind, Option<String>),
    /// Not read, but it looks as if it should be: what to do.
    Odd(String),
    /// None of our business.
    Elsewhere,
}

const KNOWN: [(&str, FileKind); 3] = [
    ("node", FileKind::Node),
    ("services", FileKind::Services),
    ("jobs", FileKind::Jobs),
];

/// Names that people keep beside their services, and that are not for Stead.
const FOREIGN: [&str; 4] = [
    "compose",
    "docker-compose",
    "compose.override",
    "docker-compose.override",
];

/// What `path` (relative, with `/`) is.
pub fn place(path: &str) -> Place {
    let parts: Vec<&str> = path.split('/').collect();
    if parts.iter().any(|p| p.starts_with('.') || p.is_empty()) {
        return Place::Elsewhere;
    }
    let Some(stem) = parts.last().and_then(|name| yaml_stem(name)) else {
        return Place::Elsewhere;
    };
    match parts.as_slice() {
        [_] if stem == "stead" => Place::File(FileKind::Stead, None),
        [name] => match nearest(stem, ["stead"]) {
            Some(_) => Place::Odd("did you mean `stead.yaml`?".into()),
            None if KNOWN.iter().any(|(known, _)| *known == stem) => Place::Odd(format!(
                "move it into its node's folder: `hosts/<node>/{name}`"
            )),
            None => Place::Elsewhere,
        },
        ["runbooks", _] => Place::File(FileKind::Runbook, None),
        ["hosts", _] => Place::Odd(format!(
            "a node is a folder: `hosts/{stem}/services.yaml` and `hosts/{stem}/node.yaml`"
        )),
        ["hosts", host, name] => match KNOWN.iter().find(|(known, _)| *known == stem) {
            Some((_, kind)) => Place::File(*kind, Some((*host).to_owned())),
            None if FOREIGN.contains(&stem) => Place::Elsewhere,
            None => {
                let words = "node.yaml, services.yaml, jobs.yaml";
                match nearest(name, ["node.yaml", "services.yaml", "jobs.yaml"]) {
                    Some(near) => Place::Odd(format!("did you mean `{near}`? Read here: {words}")),
                    None => Place::Odd(format!("read here: {words}")),
                }
            }
        },
        _ => Place::Elsewhere,
    }
}

/// The name without `.yaml` or `.yml`.
pub(crate) fn yaml_stem(name: &str) -> Option<&str> {
    name.strip_suffix(".yaml")
        .or_else(|| name.strip_suffix(".yml"))
        .filter(|s| !s.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        assert_eq!(place("stead.yml"), Place::File(FileKind::Stead, None));
        assert_eq!(
            place("hosts/piha/jobs.yaml"),
            Place::File(FileKind::Jobs, Some("piha".into()))
        );
        assert_eq!(
            place("runbooks/move.yaml"),
            Place::File(FileKind::Runbook, None)
        );
        for elsewhere in [
            "README.md",
            "mkdocs.yml",
            ".ci/x.yaml",
            "hosts/piha/compose.yaml",
            "hosts/piha/x/services.yaml",
            "a/b.yaml",
        ] {
            assert_eq!(place(elsewhere), Place::Elsewhere, "{elsewhere}");
        }
        for (odd, near) in [
            ("staed.yaml", "stead.yaml"),
            ("services.yaml", "hosts/<node>/services.yaml"),
            ("hosts/piha/service.yaml", "services.yaml"),
            ("hosts/piha.yaml", "hosts/piha/services.yaml"),
        ] {
            assert!(
                matches!(place(odd), Place::Odd(help) if help.contains(near)),
                "{odd}"
            );
        }
    }
}
