//! The engine's words into facts. Pure; never reads a container's environment.

use std::collections::BTreeMap;

use bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum as Status, HealthStatusEnum,
    HealthcheckResult, PortMap,
};
use stead_core::facts::{ContainerFacts, ContainerState, ProbeOutput};
use stead_core::ids::ContainerName;
use stead_core::time::Time;

use crate::redact::{cut, redact};

/// Bounds on what is kept of a container.
const LABELS: usize = 64;
const LABEL_BYTES: usize = 256;
const PORTS: usize = 64;
const OUTPUTS: usize = 3;
const OUTPUT_BYTES: usize = 1024;

/// A health-check as the engine sees it, before any patience.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Probed {
    pub status: ProbedStatus,
    pub streak: u32,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum ProbedStatus {
    #[default]
    None,
    Starting,
    Healthy,
    Unhealthy,
}

/// One inspected container. `facts.health` and `facts.stopped_by_person` are still to be judged.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    pub id: String,
    /// Without the leading slash; not yet checked.
    pub raw_name: String,
    pub name: Option<ContainerName>,
    pub pid: u32,
    pub probed: Probed,
    /// The engine could not start it.
    pub start_failed: bool,
    pub facts: ContainerFacts,
}

/// `None`: an answer without ID or name.
pub(super) fn seen(answer: ContainerInspectResponse) -> Option<Seen> {
    let id = answer.id?;
    let raw_name = answer.name?.trim_start_matches('/').to_owned();
    let state = answer.state.unwrap_or_default();
    let config = answer.config.unwrap_or_default();
    let host = answer.host_config.unwrap_or_default();
    let health = state.health.unwrap_or_default();
    let running = state.running.unwrap_or(false);
    let live_ports = answer
        .network_settings
        .and_then(|n| n.ports)
        .filter(|p| running && !p.is_empty());
    let ended = state.finished_at.as_deref().and_then(instant).is_some();
    let policy = host.restart_policy.unwrap_or_default().name;
    let facts = ContainerFacts {
        id: id.clone(),
        image: config.image.unwrap_or_default(),
        image_id: answer.image.unwrap_or_default(),
        created_at: answer
            .created
            .and_then(|at| instant(&at))
            .unwrap_or_default(),
        state: status(state.status),
        started_at: state.started_at.and_then(|at| instant(&at)),
        finished_at: state.finished_at.and_then(|at| instant(&at)),
        exit_code: state.exit_code.filter(|_| !running && ended),
        oom_killed: state.oom_killed.unwrap_or(false),
        restart_count: answer
            .restart_count
            .and_then(|n| u32::try_from(n).ok())
            .unwrap_or(0),
        failing_streak: streak(health.failing_streak),
        health_log: outputs(health.log.unwrap_or_default()),
        labels: labels(config.labels.unwrap_or_default()),
        ports: ports(&live_ports.or(host.port_bindings).unwrap_or_default()),
        memory_limit: host.memory.and_then(|n| u64::try_from(n).ok()).unwrap_or(0),
        restart_policy: policy
            .map(|p| p.to_string())
            .filter(|p| !p.is_empty())
            .unwrap_or_else(|| "no".into()),
        ..ContainerFacts::default()
    };
    Some(Seen {
        name: ContainerName::new(&raw_name).ok(),
        raw_name,
        pid: state
            .pid
            .and_then(|pid| u32::try_from(pid).ok())
            .unwrap_or(0),
        probed: Probed {
            status: probed(health.status),
            streak: facts.failing_streak,
        },
        start_failed: state.error.is_some_and(|e| !e.is_empty()),
        id,
        facts,
    })
}

fn status(status: Option<Status>) -> ContainerState {
    match status {
        Some(Status::CREATED) => ContainerState::Created,
        Some(Status::RUNNING | Status::STOPPING) => ContainerState::Running,
        Some(Status::PAUSED) => ContainerState::Paused,
        Some(Status::RESTARTING) => ContainerState::Restarting,
        Some(Status::REMOVING) => ContainerState::Removing,
        Some(Status::DEAD) => ContainerState::Dead,
        Some(Status::EXITED | Status::EMPTY) | None => ContainerState::Exited,
    }
}

fn probed(status: Option<HealthStatusEnum>) -> ProbedStatus {
    match status {
        Some(HealthStatusEnum::STARTING) => ProbedStatus::Starting,
        Some(HealthStatusEnum::HEALTHY) => ProbedStatus::Healthy,
        Some(HealthStatusEnum::UNHEALTHY) => ProbedStatus::Unhealthy,
        Some(HealthStatusEnum::NONE | HealthStatusEnum::EMPTY) | None => ProbedStatus::None,
    }
}

fn streak(n: Option<i64>) -> u32 {
    n.and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
}

/// The engine writes year 1 for "never".
pub(super) fn instant(text: &str) -> Option<Time> {
    text.parse::<Time>().ok().filter(|at| at.0 > 0)
}

/// The last outputs, newest last.
fn outputs(log: Vec<HealthcheckResult>) -> Vec<ProbeOutput> {
    let skip = log.len().saturating_sub(OUTPUTS);
    let output = |entry: HealthcheckResult| ProbeOutput {
        at: entry
            .end
            .or(entry.start)
            .and_then(|at| instant(&at))
            .unwrap_or_default(),
        exit_code: entry.exit_code.unwrap_or_default(),
        output: redact(entry.output.unwrap_or_default().trim_end(), OUTPUT_BYTES),
    };
    log.into_iter().skip(skip).map(output).collect()
}

/// Stead's and Compose's labels first, then the others in order, all bounded. Values that look like secrets are masked.
fn labels(all: std::collections::HashMap<String, String>) -> BTreeMap<String, String> {
    let ours = |key: &str| key.starts_with("com.docker.compose.") || key.starts_with("stead.");
    let mut list: Vec<(String, String)> = all
        .into_iter()
        .filter(|(key, _)| key.len() <= LABEL_BYTES)
        .collect();
    list.sort_by(|a, b| ours(&b.0).cmp(&ours(&a.0)).then_with(|| a.0.cmp(&b.0)));
    list.truncate(LABELS);
    let value = |key: &str, value: String| {
        if ours(key) {
            return cut(value, 4 * LABEL_BYTES);
        }
        // Key and value together, so that a telling key masks its value.
        let line = redact(&format!("{key}={value}"), key.len() + 1 + LABEL_BYTES);
        line.get(key.len() + 1..).unwrap_or_default().to_owned()
    };
    list.into_iter()
        .map(|(key, v)| {
            let v = value(&key, v);
            (key, v)
        })
        .collect()
}

/// `0.0.0.0:8080->80/tcp`, or `80/tcp` where it is not published.
fn ports(map: &PortMap) -> Vec<String> {
    let mut list = Vec::new();
    for (inside, bindings) in map {
        let bindings = bindings.as_deref().unwrap_or_default();
        if bindings.is_empty() {
            list.push(inside.clone());
        }
        for binding in bindings {
            let host = binding
                .host_ip
                .as_deref()
                .filter(|ip| !ip.is_empty())
                .unwrap_or("0.0.0.0");
            let port = binding.host_port.as_deref().unwrap_or_default();
            list.push(format!("{host}:{port}->{inside}"));
        }
    }
    list.sort();
    list.dedup();
    list.truncate(PORTS);
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture() -> Seen {
        let text = include_str!("fixtures/inspect.json");
        seen(serde_json::from_str(text).expect("an inspect answer")).expect("a container")
    }

    #[test]
    fn an_answer_becomes_facts_without_its_environment() {
        let seen = fixture();
        assert_eq!(seen.name.as_ref().expect("a valid name").as_str(), "web");
        assert_eq!(seen.facts.state, ContainerState::Running);
        assert_eq!(
            seen.probed,
            Probed {
                status: ProbedStatus::Unhealthy,
                streak: 4
            }
        );
        assert_eq!(seen.facts.memory_limit, 33_554_432);
        assert_eq!(seen.facts.ports, ["0.0.0.0:8080->80/tcp", "443/tcp"]);
        assert_eq!(seen.facts.restart_policy, "unless-stopped");
        assert_eq!(seen.facts.finished_at, None, "year 1 is never");
        assert_eq!(seen.facts.exit_code, None, "it runs");
        assert_eq!(
            (seen.facts.restart_count, seen.facts.oom_killed),
            (2, false)
        );
        assert_eq!(seen.facts.compose_project(), Some("shop"));
        let sent = serde_json::to_string(&seen.facts).expect("json");
        assert!(
            !sent.contains("hunter2"),
            "neither environment nor secret label may leave: {sent}"
        );
    }

    #[test]
    fn the_last_three_outputs_are_kept_redacted_and_bounded() {
        let log = &fixture().facts.health_log;
        assert_eq!(log.len(), 3);
        assert!(
            log.windows(2).all(|pair| pair[0].at <= pair[1].at),
            "newest last"
        );
        assert!(log[2].output.contains("password=***"), "{:?}", log[2]);
        assert!(log.iter().all(|entry| entry.output.len() <= OUTPUT_BYTES));
    }

    #[test]
    fn labels_are_bounded_and_compose_comes_first() {
        let many = (0..500).map(|n| (format!("a{n:03}"), "x".repeat(9000)));
        let compose = ("com.docker.compose.project".to_owned(), "shop".to_owned());
        let kept = labels(many.chain([compose]).collect());
        assert_eq!(kept.len(), LABELS);
        assert_eq!(kept["com.docker.compose.project"], "shop");
        assert!(kept.values().all(|value| value.len() <= LABEL_BYTES));
    }

    #[test]
    fn what_the_kernel_killed_says_so_with_how_it_ended() {
        let mut answer: ContainerInspectResponse =
            serde_json::from_str(include_str!("fixtures/inspect.json")).expect("json");
        let state = answer.state.as_mut().expect("a state");
        (state.running, state.oom_killed) = (Some(false), Some(true));
        (state.status, state.exit_code) = (Some(Status::EXITED), Some(137));
        state.finished_at = Some("2026-11-21T08:30:00Z".into());
        let facts = seen(answer).expect("seen").facts;
        assert_eq!((facts.oom_killed, facts.exit_code), (true, Some(137)));
    }

    #[test]
    fn a_name_no_path_may_hold_is_no_name() {
        let mut answer: ContainerInspectResponse =
            serde_json::from_str(include_str!("fixtures/inspect.json")).expect("json");
        answer.name = Some("/../etc".into());
        assert_eq!(seen(answer).expect("seen").name, None);
    }
}
