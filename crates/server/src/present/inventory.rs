//! The inventory: machines, stacks, containers, units, models and images, in one table, with what each product takes up.
//!
//! What is not fresh is listed with that word as its state: it was there, and nobody knows whether it still is.

use std::collections::BTreeMap;

use stead_adapters::portainer;
use stead_core::container_sample::ContainerSample;
use stead_core::desired::Node;
use stead_core::facts::{ContainerFacts, ContainerState};
use stead_core::ids::{ContainerName, NodeName};
use stead_core::time::Time;
use stead_core::world::NodeState;
use stead_protocol::api::{
    Inventory, InventoryCost, InventoryImage, InventoryItem, InventorySource,
};

use super::node::evidence;
use super::{Look, at, owners, word};

const DAY: u64 = 86_400_000;

/// What one node has, ready to be put together.
#[derive(Debug, Default)]
pub struct Share {
    items: Vec<InventoryItem>,
    /// By image ID: its name, age, and how many containers use it here.
    images: BTreeMap<String, (String, Option<Time>, u64)>,
    costs: BTreeMap<String, InventoryCost>,
    node: String,
}

/// The inventory of `name`.
pub fn inventory_of(look: Look<'_>, name: &NodeName) -> Share {
    let mut share = Share {
        node: name.to_string(),
        ..Share::default()
    };
    let state = look.world.node(name);
    let desired = look.world.fleet.nodes.get(name);
    share.items.push(machine(look, name, state, desired));
    if let Some(state) = state {
        let here = Here {
            look,
            name,
            state,
            desired,
            evidence: evidence(Some(state)),
        };
        here.containers(&mut share);
        here.units(&mut share);
        here.models(&mut share);
    }
    share
}

fn machine(
    look: Look<'_>,
    name: &NodeName,
    state: Option<&NodeState>,
    desired: Option<&Node>,
) -> InventoryItem {
    let host = state.and_then(NodeState::host);
    let detail = host.map(|host| {
        let kind = match host.virtualization.as_str() {
            "" => "bare metal",
            kind => kind,
        };
        let memory = stead_core::insight::amount::bytes(host.memory_bytes);
        format!(
            "{} {}, {} CPUs, {memory}, {kind}",
            host.arch, host.kernel, host.cpus
        )
    });
    InventoryItem {
        kind: "machine".to_string(),
        node: name.to_string(),
        name: name.to_string(),
        source: "agent".to_string(),
        version: host.map(|h| h.os.clone()).unwrap_or_default(),
        state: evidence(state).to_string(),
        product: label(desired, &look.world.fleet.inventory.cost_label),
        detail: detail.unwrap_or_default(),
        ..InventoryItem::default()
    }
}

fn label(desired: Option<&Node>, key: &str) -> String {
    let value = desired.and_then(|d| d.labels.get(key));
    value.cloned().unwrap_or_default()
}

/// One node of which something is known.
struct Here<'a> {
    look: Look<'a>,
    name: &'a NodeName,
    state: &'a NodeState,
    desired: Option<&'a Node>,
    evidence: &'static str,
}

impl Here<'_> {
    fn item(&self, kind: &str, name: &str, source: &str, state: String) -> InventoryItem {
        let known = self.evidence == "fresh";
        InventoryItem {
            kind: kind.to_string(),
            node: self.name.to_string(),
            name: name.to_string(),
            source: source.to_string(),
            state: if known {
                state
            } else {
                self.evidence.to_string()
            },
            product: label(self.desired, &self.look.world.fleet.inventory.cost_label),
            ..InventoryItem::default()
        }
    }

    fn containers(&self, share: &mut Share) {
        let owners = owners(self.state, self.desired);
        let samples = self.look.live.container_samples(self.name);
        let mut stacks: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for (name, facts, _) in self.state.containers() {
            let mut item = self.item("container", name.as_str(), "docker", word(facts.state));
            item.version = tag(&facts.image).to_string();
            item.image.clone_from(&facts.image);
            item.stack = stack(facts).unwrap_or_default().to_string();
            item.image_age_days = age(facts.image_created_at, self.look.now.at);
            item.service = owners
                .get(name)
                .map_or_else(String::new, ToString::to_string);
            if let Some(own) = facts
                .labels
                .get(&self.look.world.fleet.inventory.cost_label)
            {
                item.product.clone_from(own);
            }
            if !item.stack.is_empty() {
                let (all, running) = stacks.entry(item.stack.clone()).or_default();
                *all += 1;
                *running += u64::from(facts.state == ContainerState::Running);
            }
            self.image(share, facts);
            self.cost(share, &item.product, name, samples);
            share.items.push(item);
        }
        for (stack, (all, running)) in stacks {
            let mut item = self.item("stack", &stack, "docker", format!("{running} of {all} run"));
            item.detail = format!("{all} containers");
            share.items.push(item);
        }
    }

    fn image(&self, share: &mut Share, facts: &ContainerFacts) {
        let image = share.images.entry(facts.image_id.clone());
        let image = image.or_insert_with(|| (facts.image.clone(), facts.image_created_at, 0));
        if facts.image < image.0 {
            image.0.clone_from(&facts.image);
        }
        image.1 = image.1.or(facts.image_created_at);
        image.2 += 1;
    }

    fn cost(
        &self,
        share: &mut Share,
        product: &str,
        name: &ContainerName,
        samples: &[ContainerSample],
    ) {
        let cost = share.costs.entry(product.to_string()).or_default();
        cost.containers += 1;
        if self.evidence != "fresh" {
            return;
        }
        if let Some(sample) = samples.iter().find(|s| s.name == *name) {
            cost.measured += 1;
            cost.memory_bytes += sample.memory_bytes;
            cost.cpu_percent += sample.cpu_percent;
            cost.block_write_bytes += sample.block_write_per_s as u64;
        }
    }

    fn units(&self, share: &mut Share) {
        for (name, facts, _) in self.state.units() {
            let mut item = self.item("unit", name.as_str(), "systemd", facts.active.clone());
            item.detail.clone_from(&facts.description);
            let named = |service: &&stead_core::desired::Service| matches!(&service.kind, stead_core::desired::ServiceKind::Systemd { unit } if unit == name);
            let owner = self
                .desired
                .and_then(|d| d.services.iter().find(|(_, s)| named(s)));
            item.service = owner.map_or_else(String::new, |(name, _)| name.to_string());
            share.items.push(item);
        }
    }

    fn models(&self, share: &mut Share) {
        for (name, facts) in self.state.models() {
            let loaded = if facts.loaded.is_some() {
                "in memory"
            } else {
                "on disk"
            };
            let mut item = self.item("model", name.as_str(), "ollama", loaded.to_string());
            item.version.clone_from(&facts.quantization);
            item.detail = format!(
                "{} {}",
                stead_core::insight::amount::bytes(facts.size),
                facts.parameters
            );
            share.items.push(item);
        }
    }
}

fn stack(facts: &ContainerFacts) -> Option<&str> {
    let swarm = facts.labels.get("com.docker.stack.namespace");
    facts.compose_project().or(swarm.map(String::as_str))
}

/// Of `registry:5000/team/app:1.4@sha256:…` it is `1.4`; nothing where none is written.
pub(super) fn tag(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or("");
    let last = name.rsplit('/').next().unwrap_or("");
    last.split_once(':').map_or("", |(_, tag)| tag)
}

fn age(created: Option<Time>, now: Time) -> Option<u64> {
    created.map(|created| now.since(created).0 / DAY)
}

/// All shares as one table. `more`: what others than the agents told of.
pub fn inventory(
    look: Look<'_>,
    shares: Vec<Share>,
    more: Vec<InventoryItem>,
    sources: Vec<InventorySource>,
) -> Inventory {
    let settings = &look.world.fleet.inventory;
    let max_age = settings.image_max_age.0 / DAY;
    let mut images: BTreeMap<String, InventoryImage> = BTreeMap::new();
    let mut costs: BTreeMap<String, InventoryCost> = BTreeMap::new();
    let mut items = more;
    for share in shares {
        for (id, (name, created, containers)) in share.images {
            let image = images.entry(id.clone()).or_insert_with(|| InventoryImage {
                image: name.clone(),
                image_id: id,
                ..InventoryImage::default()
            });
            if name < image.image {
                image.image = name;
            }
            if image.created_at.is_none() {
                image.created_at = at(created);
                image.age_days = age(created, look.now.at);
            }
            image.stale = image.age_days.is_some_and(|days| days > max_age);
            image.containers += containers;
            image.nodes.push(share.node.clone());
        }
        for (value, cost) in share.costs {
            let sum = costs.entry(value.clone()).or_default();
            sum.value = value;
            sum.containers += cost.containers;
            sum.nodes += 1;
            sum.measured += cost.measured;
            sum.memory_bytes += cost.memory_bytes;
            sum.cpu_percent = ((sum.cpu_percent + cost.cpu_percent) * 10.0).round() / 10.0;
            sum.block_write_bytes += cost.block_write_bytes;
        }
        items.extend(share.items);
    }
    items.sort_by(|a, b| order(a).cmp(&order(b)));
    let mut images: Vec<InventoryImage> = images.into_values().collect();
    images.sort_by(|a, b| b.age_days.cmp(&a.age_days).then(a.image.cmp(&b.image)));
    let mut costs: Vec<InventoryCost> = costs.into_values().collect();
    costs.sort_by(|a, b| {
        b.memory_bytes
            .cmp(&a.memory_bytes)
            .then(a.value.cmp(&b.value))
    });
    Inventory {
        items,
        images,
        costs,
        sources,
        cost_label: settings.cost_label.clone(),
        image_max_age_days: max_age,
        at: look.now.at.to_string(),
    }
}

fn order(item: &InventoryItem) -> (usize, &str, &str, &str) {
    const KINDS: [&str; 6] = [
        "machine",
        "environment",
        "stack",
        "container",
        "unit",
        "model",
    ];
    let kind = KINDS.iter().position(|kind| *kind == item.kind);
    let kind = kind.unwrap_or(KINDS.len());
    (kind, &item.node, &item.name, &item.source)
}

/// What a Portainer manages. `name`: what the files call it. An environment stands where a node's name would.
pub fn portainer_items(name: &str, seen: &portainer::Seen, label: &str) -> Vec<InventoryItem> {
    let source = format!("portainer:{name}");
    let mut items = Vec::new();
    for environment in &seen.environments {
        let item = |kind: &str, name: &str, state: &str| InventoryItem {
            kind: kind.to_string(),
            node: environment.name.clone(),
            name: name.to_string(),
            source: source.clone(),
            state: state.to_string(),
            ..InventoryItem::default()
        };
        let mut own = item("environment", &environment.name, environment.state);
        own.detail = match environment.problem.as_str() {
            "" => environment.kind.to_string(),
            problem => format!("{}: {problem}", environment.kind),
        };
        items.push(own);
        items.extend(environment.stacks.iter().map(|stack| {
            let mut shown = item("stack", &stack.name, stack.state);
            shown.detail = stack.kind.to_string();
            shown
        }));
        items.extend(environment.containers.iter().map(|container| {
            let mut shown = item("container", &container.name, &container.state);
            shown.version = tag(&container.image).to_string();
            shown.image.clone_from(&container.image);
            shown.stack.clone_from(&container.stack);
            shown.product = container.labels.get(label).cloned().unwrap_or_default();
            shown
        }));
    }
    items
}

#[cfg(test)]
mod tests {
    use stead_core::desired::ServiceKind;
    use stead_core::facts::{Fact, FactKey, UnitFacts};
    use stead_core::world::EvidenceState;

    use super::super::tests::{Measured, piha, set, with, world};
    use super::*;

    #[test]
    fn a_tag_is_read_off_an_image_however_it_is_written() {
        for (image, tag_of) in [
            ("nginx", ""),
            ("nginx:1.27", "1.27"),
            ("registry:5000/team/app", ""),
            ("registry:5000/team/app:1.4", "1.4"),
            ("app:2@sha256:abc", "2"),
            ("sha256:abc", "abc"),
            ("", ""),
        ] {
            assert_eq!(tag(image), tag_of, "{image}");
        }
    }

    #[test]
    fn an_age_is_whole_days_and_never_negative() {
        assert_eq!(age(None, Time(0)), None);
        assert_eq!(age(Some(Time(0)), Time(DAY as i64 * 31 - 1)), Some(30));
        assert_eq!(age(Some(Time(5)), Time(0)), Some(0));
    }

    /// The inventory of `piha`, whose files give it a product.
    fn shown(state: EvidenceState) -> Inventory {
        let mut world = world(state);
        let fleet = std::sync::Arc::make_mut(&mut world.fleet);
        let node = fleet.nodes.values_mut().next().expect("piha");
        node.labels.insert("product".into(), "shop".into());
        let wanted = ServiceKind::Systemd {
            unit: "ssh.service".parse().unwrap(),
        };
        let mut ssh = node.services.values().next().expect("one").clone();
        ssh.kind = wanted;
        node.services.insert("ssh".parse().unwrap(), ssh);
        let unit = UnitFacts {
            active: "active".into(),
            ..UnitFacts::default()
        };
        let key = FactKey::Unit("ssh.service".parse().unwrap());
        set(&mut world, key, Fact::Unit(unit));
        let sample = ContainerSample {
            name: "web".parse().unwrap(),
            cpu_percent: 2.0,
            memory_bytes: 30,
            memory_limit: 0,
            net_rx_per_s: None,
            net_tx_per_s: None,
            block_read_per_s: 0.0,
            block_write_per_s: 4.0,
        };
        let live = Measured {
            containers: vec![sample],
            ..Measured::default()
        };
        with(&world, &live, |look| {
            let share = inventory_of(look, &piha());
            inventory(look, vec![share], Vec::new(), Vec::new())
        })
    }

    #[test]
    fn what_a_product_takes_up_is_told_of_what_is_known_now() {
        let now = shown(EvidenceState::Fresh);
        let item = |all: &Inventory, kind: &str, name: &str| {
            let mut items = all.items.iter();
            let found = items.find(|i| i.kind == kind && i.name == name);
            found.expect(name).clone()
        };
        assert_eq!(item(&now, "container", "web").state, "running");
        let ssh = item(&now, "unit", "ssh.service");
        assert_eq!(
            (
                ssh.state.as_str(),
                ssh.service.as_str(),
                ssh.product.as_str()
            ),
            ("active", "ssh", "shop")
        );
        let [cost] = &now.costs[..] else {
            panic!("one product: {:?}", now.costs)
        };
        assert_eq!(
            (cost.value.as_str(), cost.containers, cost.measured),
            ("shop", 2, 1)
        );
        assert_eq!(
            (cost.memory_bytes, cost.cpu_percent, cost.block_write_bytes),
            (30, 2.0, 4)
        );
        assert_eq!(now.images[0].nodes, ["piha"]);
        let old = shown(EvidenceState::Stale);
        assert_eq!(item(&old, "container", "web").state, "stale");
        assert_eq!((old.costs[0].containers, old.costs[0].measured), (2, 0));
    }

    #[test]
    fn what_a_portainer_manages_stands_beside_the_rest() {
        let seen = portainer::Seen {
            environments: vec![portainer::Environment {
                name: "attic".into(),
                kind: "docker",
                state: "up",
                stacks: vec![portainer::Stack {
                    name: "shop".into(),
                    state: "active",
                    kind: "compose",
                }],
                containers: vec![portainer::Container {
                    name: "db".into(),
                    image: "postgres:17".into(),
                    state: "running".into(),
                    stack: "shop".into(),
                    labels: [("product".to_string(), "shop".to_string())].into(),
                }],
                ..portainer::Environment::default()
            }],
        };
        let items = portainer_items("main", &seen, "product");
        let told: Vec<[&str; 6]> = items
            .iter()
            .map(|i| {
                let own = [&i.kind, &i.node, &i.name, &i.state, &i.version, &i.product];
                own.map(String::as_str)
            })
            .collect();
        assert_eq!(
            told,
            [
                ["environment", "attic", "attic", "up", "", ""],
                ["stack", "attic", "shop", "active", "", ""],
                ["container", "attic", "db", "running", "17", "shop"],
            ]
        );
        assert!(items.iter().all(|i| i.source == "portainer:main"));
    }
}
