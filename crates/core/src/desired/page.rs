//! The page that anybody may read.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::ids::{NodeName, ServiceName};
use crate::selector::Selector;
use crate::subject::Subject;
use crate::world::World;

/// What `/status` shows. Its absence is the page's absence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusPage {
    pub title: String,
    /// A selector; what it selects besides services is not shown.
    pub services: String,
    /// What services are called there, by their own name.
    #[serde(default)]
    pub names: BTreeMap<String, String>,
}

impl StatusPage {
    /// Names that are shown, with the watched services behind each. Parts of the selector that match nothing add nothing:
    /// a page that is public must not fall silent because one service left.
    pub fn services(&self, world: &World) -> BTreeMap<String, Vec<(NodeName, ServiceName)>> {
        let mut shown: BTreeMap<String, Vec<(NodeName, ServiceName)>> = BTreeMap::new();
        for part in self.services.split(',') {
            let found = part.parse::<Selector>().and_then(|s| s.select(world));
            for subject in found.unwrap_or_default() {
                let Subject::Service(node, service) = subject else {
                    continue;
                };
                let watched = world.fleet.service(&node, &service);
                if !watched.is_some_and(|s| s.monitor) {
                    continue;
                }
                let own = service.as_str().to_string();
                let called = self.names.get(&own).cloned().unwrap_or(own);
                let behind = shown.entry(called).or_default();
                if !behind.contains(&(node.clone(), service.clone())) {
                    behind.push((node, service));
                }
            }
        }
        shown
    }
}
