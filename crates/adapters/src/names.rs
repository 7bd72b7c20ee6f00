//! Which machine somebody else's series or lines are of: by the fleet's own names, and by what the owner says of addresses. Pure.

use std::collections::BTreeMap;

use stead_core::ids::NodeName;

/// Values of the label that tells machines apart, each with its node. Without a port a value means any port.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names(BTreeMap<String, NodeName>);

impl Names {
    /// `nodes` and `aliases` of the fleet mean themselves; what is in `told` goes before them.
    pub fn new<'a>(
        nodes: impl IntoIterator<Item = &'a NodeName>,
        aliases: &BTreeMap<NodeName, NodeName>,
        told: &BTreeMap<String, NodeName>,
    ) -> Names {
        let own = nodes
            .into_iter()
            .map(|node| (node.as_str().to_owned(), node.clone()));
        let also = aliases
            .iter()
            .map(|(alias, node)| (alias.as_str().to_owned(), node.clone()));
        let told = told
            .iter()
            .map(|(value, node)| (value.clone(), node.clone()));
        Names(own.chain(also).chain(told).collect())
    }

    /// The node of a value; none where it is nobody's.
    pub fn node(&self, value: &str) -> Option<&NodeName> {
        let whole = self.0.get(value);
        whole.or_else(|| self.0.get(without_port(value)?))
    }

    /// An expression that fits every value of the nodes that `wanted` takes; none where it takes none.
    pub fn expression(&self, wanted: impl Fn(&NodeName) -> bool) -> Option<String> {
        let values: Vec<String> = self
            .0
            .iter()
            .filter(|(_, node)| wanted(node))
            .map(|(value, _)| {
                let port = if without_port(value).is_some() {
                    ""
                } else {
                    "(:[0-9]+)?"
                };
                format!("{}{port}", regex::escape(value))
            })
            .collect();
        (!values.is_empty()).then(|| values.join("|"))
    }
}

/// `10.0.0.5:9100` without its port; none where there is none.
fn without_port(value: &str) -> Option<&str> {
    let (host, port) = value.rsplit_once(':')?;
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    // What has more colons is an address of its own, unless it stands in brackets.
    let whole = !host.contains(':') || host.ends_with(']');
    (digits && whole && !host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> NodeName {
        text.parse().unwrap()
    }

    #[test]
    fn a_machine_is_known_by_name_alias_and_address() {
        let aliases = BTreeMap::from([(name("old"), name("piha"))]);
        let told = BTreeMap::from([
            ("10.0.0.5".to_owned(), name("piha")),
            ("10.0.0.6:9100".to_owned(), name("attic")),
        ]);
        let names = Names::new(&[name("piha"), name("attic")], &aliases, &told);
        for (value, node) in [
            ("piha", Some("piha")),
            ("piha:9100", Some("piha")),
            ("old:9100", Some("piha")),
            ("10.0.0.5:8080", Some("piha")),
            ("10.0.0.6:9100", Some("attic")),
            ("10.0.0.6:8080", None),
            ("piha.lan:9100", None),
            ("", None),
            (":9100", None),
            ("fd00::5", None),
        ] {
            assert_eq!(names.node(value).map(NodeName::as_str), node, "{value}");
        }
        let fits = names.expression(|node| *node == "attic").unwrap();
        assert_eq!(fits, r"10\.0\.0\.6:9100|attic(:[0-9]+)?");
        assert_eq!(names.expression(|_| false), None);
    }
}
