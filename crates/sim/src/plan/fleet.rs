//! Random small fleets and policies.

use stead_core::desired::{
    Automatic, Check, ContainerDef, Fleet, Limits, Match, Node, Patience, Policy, Probe, Rule,
    Says, Service, ServiceKind, Window,
};
use stead_core::ids::{ContainerName, NodeName, ServiceName};
use stead_core::time::Span;

use super::Called;
use crate::chance::Chance;

const NODES: [&str; 5] = ["ant", "bee", "cat", "dog", "elk"];
const SERVICES: [&str; 6] = ["db", "mqtt", "web-1", "web-2", "z2m", "vpn"];

/// A name that is known to be one.
pub fn name<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().expect("a name of the simulator is a name")
}

/// One to five nodes with one to six services each, and who calls by which name.
pub fn any(chance: &mut Chance) -> (Fleet, Vec<Called>) {
    let mut fleet = Fleet {
        name: "sim".to_string(),
        policy: policy(chance),
        ..Fleet::default()
    };
    let mut called = Vec::new();
    let count = *chance.pick(&[1, 1, 2, 2, 2, 3, 3, 4, 5]);
    for node in &NODES[..count] {
        let node: NodeName = name(node);
        let by = if chance.percent(15) {
            let alias: NodeName = name(&format!("old-{node}"));
            fleet.aliases.insert(alias.clone(), node.clone());
            alias
        } else {
            node.clone()
        };
        called.push(Called {
            node: node.clone(),
            by,
        });
        fleet.nodes.insert(node, any_node(chance));
    }
    (fleet, called)
}

fn any_node(chance: &mut Chance) -> Node {
    let mut node = Node::default();
    let count = chance.between(1, SERVICES.len() as u64) as usize;
    for (i, service) in SERVICES[..count].iter().enumerate() {
        let mut made = any_service(chance, service);
        if i > 0 && chance.percent(25) {
            made.needs
                .push(name(SERVICES[chance.below(i as u64) as usize]));
        }
        node.services.insert(name::<ServiceName>(service), made);
    }
    node
}

fn any_service(chance: &mut Chance, called: &str) -> Service {
    let container: ContainerName = name(called);
    let kind = match chance.below(10) {
        0..4 => ServiceKind::Container {
            container,
            definition: None,
        },
        4..7 => ServiceKind::Container {
            container,
            definition: Some(definition(1)),
        },
        _ => ServiceKind::Systemd {
            unit: name(&format!("{called}.service")),
        },
    };
    let checks = if chance.percent(20) {
        vec![check()]
    } else {
        Vec::new()
    };
    Service {
        kind,
        monitor: true,
        suspended: false,
        needs: Vec::new(),
        patience: Patience {
            failures: *chance.pick(&[0, 1, 3]) as u32,
            time: Span::secs(*chance.pick(&[0, 0, 10])),
            ..Patience::default()
        },
        checks,
    }
}

/// What a container of the simulator is created from; `version` tells two apart.
pub fn definition(version: u32) -> ContainerDef {
    ContainerDef {
        image: format!("app:{version}"),
        ..ContainerDef::default()
    }
}

fn check() -> Check {
    Check {
        name: name("port"),
        probe: Probe::Tcp {
            host: "127.0.0.1".to_string(),
            port: 80,
        },
        every: Span::secs(10),
        timeout: Span::secs(5),
        failures: None,
    }
}

fn policy(chance: &mut Chance) -> Policy {
    let rules = (0..chance.below(4)).map(|_| rule(chance)).collect();
    Policy {
        automatic: Automatic {
            max_level: *chance.pick(&[0, 1, 1, 2, 2, 2]),
        },
        rules,
        limits: Limits {
            per_target_per_hour: *chance.pick(&[1, 2, 3, 3, 3]) as u32,
            concurrent: chance.between(1, 4) as u32,
            concurrent_per_node: chance.between(1, 2) as u32,
            back_off: Span::secs(*chance.pick(&[30, 120, 120, 300])),
            ..Limits::default()
        },
        ..Policy::default()
    }
}

fn rule(chance: &mut Chance) -> Rule {
    let action = *chance.pick(&[
        "container_restart",
        "unit_restart",
        "redeploy",
        "disk_cleanup",
        "*",
    ]);
    let service = chance.percent(30).then(|| "web-*".to_string());
    // It is six minutes past eleven when everything begins.
    let between = chance.percent(15).then_some(Window {
        from: 8 * 60,
        to: 11 * 60 + 15,
    });
    let says = match chance.below(10) {
        0..5 => Says::Automatic(true),
        5..7 => Says::Automatic(false),
        7..9 => Says::MaxLevel(chance.between(0, 2) as u8),
        _ => Says::Earn(chance.between(1, 2) as u32),
    };
    Rule {
        matches: Match {
            action: Some(action.to_string()),
            service,
            ..Match::default()
        },
        says,
        between,
        days: None,
        hours: None,
    }
}
