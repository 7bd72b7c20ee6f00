//! A policy on trial: a `stead.yaml` that is not the fleet's, read by the same rules.

use stead_core::desired::{Fleet, Policy};

use super::{Options, load};
use crate::node::Cursor;
use crate::problem::{Code, Problem};
use crate::tree::Tree;
use crate::yaml;

/// The name under which problems are told.
const FILE: &str = "stead.yaml";

/// Reads the policy of `text`, a whole `stead.yaml`, for the nodes of `fleet`. Only errors come back: what would keep
/// that file from being loaded keeps it from being tried. A file without a policy is refused, never taken for the
/// defaults.
pub fn trial(text: &str, fleet: &Fleet) -> Result<Policy, Vec<Problem>> {
    let nodes = fleet.nodes.keys();
    let nodes = nodes.map(|node| (format!("hosts/{node}/node.yaml"), Vec::new()));
    let file = (FILE.to_owned(), text.as_bytes().to_vec());
    let loaded = load(&Tree::from_files(nodes.chain([file])), &Options::default());
    let errors: Vec<Problem> = loaded
        .problems
        .into_iter()
        .filter(Problem::is_error)
        .collect();
    if !errors.is_empty() {
        return Err(errors);
    }
    let says =
        yaml::parse(FILE, text).is_ok_and(|(node, _)| Cursor::root(FILE, &node).has("policy"));
    match loaded.fleet.filter(|_| says) {
        Some(read) => Ok(read.policy),
        None => Err(vec![Problem::of_file(
            FILE,
            Code::NoPolicy,
            "there is no `policy:` in it, so there is nothing to try",
            "write the policy to try under `policy:`, as in the fleet's own stead.yaml",
        )]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> Fleet {
        let node = "piha".parse().expect("a name");
        Fleet {
            nodes: [(node, Default::default())].into(),
            ..Fleet::default()
        }
    }

    #[test]
    fn a_policy_is_read_as_it_would_be_loaded() {
        let text = "fleet: home\npolicy:\n  automatic:\n    max_level: 2\n";
        assert_eq!(trial(text, &home()).map(|p| p.automatic.max_level), Ok(2));
    }

    #[test]
    fn errors_keep_their_place_and_nothing_is_not_everything() {
        let text = "policy:\n  automatic:\n    max_level: 7\n";
        let errors = trial(text, &home()).expect_err("level 7");
        assert_eq!((errors[0].file.as_str(), errors[0].line), (FILE, 3));
        for text in ["", "fleet: home\n", "# policy: none\n"] {
            let errors = trial(text, &home()).expect_err(text);
            assert_eq!(errors[0].code, Code::NoPolicy, "{text:?}");
        }
    }
}
