//! Portainer's answers as what the inventory shows. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Environments, stacks and containers of one environment that are taken; the rest is left out.
const ENVIRONMENTS: usize = 200;
const STACKS: usize = 2000;
const CONTAINERS: usize = 5000;
/// Of a name or image this much is kept.
const TEXT: usize = 255;

/// `GET /api/endpoints`, one of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Endpoint {
    id: u64,
    name: String,
    /// 1, 2 and 4: a Docker engine, asked directly, by an agent, by an edge agent.
    r#type: u64,
    /// 1 up, 2 down.
    status: u64,
}

/// `GET /api/stacks`, one of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct StackSummary {
    name: String,
    endpoint_id: u64,
    /// 1 active, 2 inactive, 3 deploying, 4 failed.
    status: u64,
    /// 1 swarm, 2 compose, 3 Kubernetes.
    r#type: u64,
}

/// `GET /containers/json` of Docker, one of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct ContainerSummary {
    names: Vec<String>,
    image: String,
    state: String,
    labels: Option<BTreeMap<String, String>>,
}

/// Everything one Portainer knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    pub environments: Vec<Environment>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    pub id: u64,
    pub name: String,
    /// `docker`, `docker by agent`, `kubernetes`, …
    pub kind: &'static str,
    /// `up`, `down`, `unknown`.
    pub state: &'static str,
    /// Whether it has containers that can be listed.
    pub has_containers: bool,
    pub stacks: Vec<Stack>,
    pub containers: Vec<Container>,
    /// Why its containers are not known; empty where they are.
    pub problem: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stack {
    pub name: String,
    pub state: &'static str,
    /// `swarm`, `compose`, `kubernetes`.
    pub kind: &'static str,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Container {
    pub name: String,
    pub image: String,
    pub state: String,
    /// The compose project or swarm stack it belongs to.
    pub stack: String,
    pub labels: BTreeMap<String, String>,
}

fn text(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(TEXT)
        .collect()
}

pub(super) fn seen(endpoints: &[Endpoint], stacks: &[StackSummary]) -> Seen {
    let environments = endpoints.iter().take(ENVIRONMENTS).map(|endpoint| {
        let (kind, docker) = match endpoint.r#type {
            1 => ("docker", true),
            2 => ("docker by agent", true),
            4 => ("docker by edge agent", true),
            3 => ("azure", false),
            5..=7 => ("kubernetes", false),
            _ => ("unknown", false),
        };
        let state = match endpoint.status {
            1 => "up",
            2 => "down",
            _ => "unknown",
        };
        let own = stacks.iter().filter(|s| s.endpoint_id == endpoint.id);
        Environment {
            id: endpoint.id,
            name: text(&endpoint.name),
            kind,
            state,
            // An edge agent answers by and by, if at all: what is down is not asked.
            has_containers: docker && state == "up",
            stacks: own.take(STACKS).map(stack).collect(),
            ..Environment::default()
        }
    });
    Seen {
        environments: environments.collect(),
    }
}

fn stack(summary: &StackSummary) -> Stack {
    Stack {
        name: text(&summary.name),
        state: match summary.status {
            1 => "active",
            2 => "inactive",
            3 => "deploying",
            4 => "failed",
            _ => "unknown",
        },
        kind: match summary.r#type {
            1 => "swarm",
            2 => "compose",
            3 => "kubernetes",
            _ => "unknown",
        },
    }
}

pub(super) fn containers(summaries: &[ContainerSummary]) -> Vec<Container> {
    let one = |summary: &ContainerSummary| {
        let name = summary.names.first()?.trim_start_matches('/');
        let labels = summary.labels.clone().unwrap_or_default();
        let stack = ["com.docker.compose.project", "com.docker.stack.namespace"];
        let stack = stack.iter().find_map(|key| labels.get(*key));
        let stack = stack.map(|s| text(s)).unwrap_or_default();
        (!name.is_empty()).then(|| Container {
            name: text(name),
            image: text(&summary.image),
            state: text(&summary.state),
            stack,
            labels,
        })
    };
    summaries.iter().filter_map(one).take(CONTAINERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_odd_is_left_out_and_hurts_nothing_else() {
        let endpoints = r#"[{"Id":1,"Name":"home\u0000lab","Type":1,"Status":1},{"Id":2,"Type":99},{"Id":3,"Name":"k","Type":5,"Status":2}]"#;
        let stacks = r#"[{"Name":"media","EndpointId":1,"Status":1,"Type":2,"Env":[{"name":"TOKEN","value":"hunter2"}]},{"EndpointId":77}]"#;
        let endpoints: Vec<Endpoint> = serde_json::from_str(endpoints).expect("endpoints");
        let stacks: Vec<StackSummary> = serde_json::from_str(stacks).expect("stacks");
        let seen = seen(&endpoints, &stacks);
        let shown: Vec<_> = seen
            .environments
            .iter()
            .map(|e| (e.name.as_str(), e.kind, e.state, e.has_containers))
            .collect();
        assert_eq!(
            shown,
            [
                ("homelab", "docker", "up", true),
                ("", "unknown", "unknown", false),
                ("k", "kubernetes", "down", false),
            ]
        );
        let media = Stack {
            name: "media".into(),
            state: "active",
            kind: "compose",
        };
        assert_eq!(seen.environments[0].stacks, [media]);
        assert!(
            !format!("{seen:?}").contains("hunter2"),
            "no environment leaves here"
        );
        let summaries =
            r#"[{"Names":[],"Image":"x"},{"Names":["/a"],"Labels":null,"State":"running"}]"#;
        let summaries: Vec<ContainerSummary> = serde_json::from_str(summaries).expect("containers");
        assert_eq!(containers(&summaries).len(), 1);
    }
}
