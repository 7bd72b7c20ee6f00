//! From drift to a plan: which action answers it, and with which steps. A plan leaves its executor no choice.
//!
//! Where nothing says how to create a thing, there is no plan that pretends it could: [`NoRepair`] says what to add.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

mod words;

pub use words::{blast_radius, timeout, title};

use crate::action::{ActionKey, ActionKind, Plan};
use crate::assess;
use crate::command::Command;
use crate::desired::{RepairRule, Service, ServiceKind};
use crate::drift::{Drift, DriftKind};
use crate::facts::{ContainerState, Health, ModelFacts};
use crate::ids::{ModelName, NodeName, ServiceName};
use crate::lock::LockKey;
use crate::subject::Subject;
use crate::time::{Span, Time};
use crate::world::{EvidenceState, World};

/// An action that would mend a drift.
#[derive(Debug, Clone, PartialEq)]
pub struct Repair {
    pub key: ActionKey,
    pub plan: Plan,
    /// For people.
    pub reason: String,
}

/// Why nothing is proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoRepair {
    pub why: String,
    /// What to do about it.
    pub remedy: String,
}

fn none(why: impl Into<String>, remedy: impl Into<String>) -> NoRepair {
    NoRepair {
        why: why.into(),
        remedy: remedy.into(),
    }
}

/// A repair of the same kind that helped less than this long ago did not help for good: do more.
const SAME_AGAIN: Span = Span::hours(1);

/// A line of the built-in table: drift, trigger (absent: any), service kind (absent: any), action.
type Line = (
    &'static str,
    Option<&'static str>,
    Option<&'static str>,
    &'static str,
);

/// Kept as text that costs nothing to look through: every drift is held against it again and again.
const TABLE: [Line; 24] = [
    ("unhealthy_service", None, Some("systemd"), "unit_restart"),
    ("changed_service", None, Some("systemd"), "unit_restart"),
    ("missing_service", None, Some("systemd"), "none"),
    ("unhealthy_service", None, Some("process"), "none"),
    ("missing_service", None, Some("process"), "none"),
    ("changed_service", None, Some("process"), "none"),
    ("unhealthy_service", None, Some("external"), "none"),
    ("missing_service", None, Some("external"), "none"),
    ("changed_service", None, Some("external"), "none"),
    ("unhealthy_service", None, Some("loop"), "none"),
    ("missing_service", None, Some("loop"), "none"),
    ("changed_service", None, Some("loop"), "none"),
    ("unhealthy_service", None, Some("instance"), "none"),
    ("missing_service", None, Some("instance"), "none"),
    ("changed_service", None, Some("instance"), "none"),
    restarts("containers_not_running"),
    restarts("container_unhealthy"),
    restarts("mqtt_unreachable"),
    ("unhealthy_service", None, None, "redeploy"),
    ("missing_service", None, None, "redeploy"),
    ("changed_service", None, None, "redeploy"),
    ("disk_pressure", None, None, "disk_cleanup"),
    ("stale_lock", None, None, "lock_clear"),
    ("suspended_but_running", None, None, "workload_stop"),
];

const fn restarts(trigger: &'static str) -> Line {
    (
        "unhealthy_service",
        Some(trigger),
        None,
        "container_restart",
    )
}

/// The built-in table of row L9, in the order it is read. `policy.repairs` of the files is read before it.
pub fn table() -> Vec<RepairRule> {
    let rule = |(drift, trigger, kind, action): Line| RepairRule {
        drift: drift.to_string(),
        trigger: trigger.map(ToString::to_string),
        kind: kind.map(ToString::to_string),
        action: action.to_string(),
    };
    TABLE.into_iter().map(rule).collect()
}

/// The kind of action that answers `drift` now. Cheap: no plan is made.
pub fn answer(world: &World, drift: &Drift, now: Time) -> Result<ActionKind, NoRepair> {
    let kind_word = match &drift.subject {
        Subject::Service(n, s) => world.fleet.service(n, s).map(|s| s.kind.word()),
        _ => None,
    };
    let (word, trigger) = (drift.kind.word(), drift.trigger.word());
    let fits = |of: &str, by: Option<&str>, kind: Option<&str>| {
        of == word && by.is_none_or(|t| t == trigger) && kind.is_none_or(|k| Some(k) == kind_word)
    };
    let mut own = world.fleet.policy.repairs.iter();
    let action = own
        .find(|r| fits(&r.drift, r.trigger.as_deref(), r.kind.as_deref()))
        .map(|r| r.action.as_str())
        .or_else(|| {
            let line = TABLE.iter().find(|(of, by, kind, _)| fits(of, *by, *kind));
            line.map(|(.., action)| *action)
        });
    match action.and_then(ActionKind::from_word) {
        Some(kind) => Ok(escalate(world, drift, kind, now)),
        None => Err(only_told(drift, kind_word)),
    }
}

/// The action that answers `drift` now, with its plan.
pub fn repair(world: &World, drift: &Drift, now: Time) -> Result<Repair, NoRepair> {
    let kind = answer(world, drift, now)?;
    let repair = plan(world, kind, &drift.subject);
    match (repair, kind) {
        // More than a restart cannot be done, so a restart is what is left: the limit per hour bounds it.
        (Err(no), ActionKind::Redeploy) if drift.kind == DriftKind::UnhealthyService => {
            plan(world, ActionKind::ContainerRestart, &drift.subject)
                .ok()
                .filter(|r| has_known_target(&r.plan))
                .ok_or(no)
        }
        (other, _) => other,
    }
    .map(|mut repair| {
        repair.reason = drift.detail.clone();
        repair
    })
}

fn only_told(drift: &Drift, kind: Option<&str>) -> NoRepair {
    let what = kind.unwrap_or("this kind");
    match drift.kind {
        DriftKind::MissingService if kind == Some("systemd") => none(
            "the unit does not exist on the node",
            "install the unit, or correct `unit:` in services.yaml",
        ),
        DriftKind::AgentOffline => none(
            "nothing can be repaired on a node whose agent is silent",
            "look at the machine: is it up, is its network there, does `systemctl status stead-agent` run?",
        ),
        DriftKind::RebootRequired => none(
            "Stead does not reboot machines by itself",
            "reboot it when it suits you",
        ),
        DriftKind::UnexpectedService => none(
            "Stead never removes what it was not told to",
            "add it to services.yaml, or stop it yourself",
        ),
        DriftKind::StuckAction => none(
            "its outcome is not known, and it is not repeated blindly",
            "look at the machine, then start the repair yourself",
        ),
        _ => none(
            format!(
                "no repair is known for {} of a service of kind {what}",
                drift.kind.word()
            ),
            "add a line under `policy.repairs` in stead.yaml, or mend it by hand",
        ),
    }
}

/// The same trouble again within the hour: a restart did not last.
fn escalate(world: &World, drift: &Drift, kind: ActionKind, now: Time) -> ActionKind {
    if kind != ActionKind::ContainerRestart {
        return kind;
    }
    let key = ActionKey {
        kind,
        subject: drift.subject.clone(),
    };
    let lately = world
        .actions
        .memory
        .get(&key)
        .and_then(|m| m.completed_at)
        .is_some_and(|at| now.since(at) < SAME_AGAIN);
    if lately { ActionKind::Redeploy } else { kind }
}

/// Whether every step names the immutable ID it touches.
pub fn has_known_target(plan: &Plan) -> bool {
    plan.steps
        .iter()
        .all(|s| !matches!(s, Command::ContainerRestart { id, .. } if id.is_empty()))
}

/// Whether two plans work on the same container or unit.
pub fn overlaps(a: &Plan, b: &Plan) -> bool {
    let part = |command: &Command| match command {
        Command::ContainerRestart { container, .. }
        | Command::ContainerRecreate { container, .. }
        | Command::ContainerStop { container, .. }
        | Command::CanaryKill { container, .. } => Some(container.as_str().to_string()),
        Command::UnitRestart { unit } | Command::UnitStop { unit } => {
            Some(unit.as_str().to_string())
        }
        _ => None,
    };
    let mut parts = a.steps.iter().filter_map(part);
    parts.any(|p| b.steps.iter().filter_map(part).any(|q| p == q))
}

/// The plan of `kind` for `subject`, as the world is now.
pub fn plan(world: &World, kind: ActionKind, subject: &Subject) -> Result<Repair, NoRepair> {
    let key = ActionKey {
        kind,
        subject: subject.clone(),
    };
    let steps = match (kind, subject) {
        (ActionKind::ContainerRestart, Subject::Service(n, s)) => restart_service(world, n, s)?,
        (ActionKind::ContainerRestart, Subject::Container(n, c)) => {
            let facts = world.node(n).and_then(|state| state.container(c));
            let facts = facts.ok_or_else(|| {
                none(
                    format!("there is no container {c} on {n}"),
                    "see `stead nodes`",
                )
            })?;
            vec![Command::ContainerRestart {
                container: c.clone(),
                id: facts.id.clone(),
            }]
        }
        (ActionKind::Redeploy, Subject::Service(n, s)) => redeploy(world, n, s)?,
        (ActionKind::UnitRestart, Subject::Service(n, s)) => {
            match world.fleet.service(n, s).map(|s| &s.kind) {
                Some(ServiceKind::Systemd { unit }) => {
                    vec![Command::UnitRestart { unit: unit.clone() }]
                }
                _ => {
                    return Err(none(
                        format!("{subject} is not a systemd service"),
                        "restart it by its own kind",
                    ));
                }
            }
        }
        (ActionKind::UnitRestart, Subject::Unit(n, u)) => {
            let known = world.node(n).and_then(|state| state.unit(u)).is_some();
            if !known {
                return Err(none(
                    format!("there is no unit {u} on {n}"),
                    "see `stead nodes`",
                ));
            }
            vec![Command::UnitRestart { unit: u.clone() }]
        }
        (ActionKind::ModelLoad, Subject::Model(n, m)) => load_model(world, n, m)?,
        (ActionKind::ModelUnload, Subject::Model(n, m)) => unload_model(world, n, m)?,
        (ActionKind::WorkloadStop, Subject::Service(n, s)) => stop_service(world, n, s)?,
        (ActionKind::LockClear, target) => clear_lock(world, target)?,
        (ActionKind::Drill, Subject::Node(node)) => break_canary(world, node)?,
        (ActionKind::DiskCleanup, Subject::Node(_)) => {
            vec![Command::DiskCleanup {
                build_cache: true,
                dangling_images: true,
            }]
        }
        _ => {
            let remedy = "container_restart and redeploy take service/NODE/NAME, unit_restart unit/NODE/NAME, \
                          disk_cleanup and drill node/NAME, model_load and model_unload model/NODE/NAME, \
                          lock_clear the target of a stale lock";
            return Err(none(format!("{kind} cannot be done to {subject}"), remedy));
        }
    };
    let plan = Plan::new(&key, steps);
    Ok(Repair {
        key,
        plan,
        reason: String::new(),
    })
}

fn desired<'a>(
    world: &'a World,
    node: &NodeName,
    service: &ServiceName,
) -> Result<&'a Service, NoRepair> {
    world.fleet.service(node, service).ok_or_else(|| {
        none(
            format!("no file names service/{node}/{service}"),
            format!("add it to hosts/{node}/services.yaml"),
        )
    })
}

fn restart_service(
    world: &World,
    node: &NodeName,
    name: &ServiceName,
) -> Result<Vec<Command>, NoRepair> {
    let service = desired(world, node, name)?;
    let found = world
        .node(node)
        .map(|state| assess::containers(state, name, service))
        .unwrap_or_default();
    let ill = |state: ContainerState, health: Health| {
        state != ContainerState::Running || matches!(health, Health::Unhealthy | Health::Failing)
    };
    let some_ill = found.iter().any(|(_, f, _)| ill(f.state, f.health));
    let steps: Vec<Command> = found
        .iter()
        .filter(|(_, f, _)| !some_ill || ill(f.state, f.health))
        .map(|(c, f, _)| Command::ContainerRestart {
            container: (*c).clone(),
            id: f.id.clone(),
        })
        .collect();
    if !steps.is_empty() {
        return Ok(steps);
    }
    if world
        .node(node)
        .is_some_and(|state| state.evidence.state == EvidenceState::Fresh)
    {
        return Err(none(
            format!("{name} has no container on {node} to restart"),
            "it has to be created: see its drift",
        ));
    }
    // Nobody has seen its containers yet: the ID is filled in, and asked for again, once an agent has.
    match &service.kind {
        ServiceKind::Container { container, .. } => Ok(vec![Command::ContainerRestart {
            container: container.clone(),
            id: String::new(),
        }]),
        ServiceKind::Compose { .. } => match crate::ids::ContainerName::new(name.as_str()) {
            Ok(container) => Ok(vec![Command::ContainerRestart {
                container,
                id: String::new(),
            }]),
            Err(e) => Err(none(e.to_string(), "rename the service")),
        },
        other => Err(none(
            format!("a service of kind {} has no containers", other.word()),
            "see its kind",
        )),
    }
}

fn redeploy(world: &World, node: &NodeName, name: &ServiceName) -> Result<Vec<Command>, NoRepair> {
    let service = desired(world, node, name)?;
    match &service.kind {
        ServiceKind::Compose {
            path,
            service,
            project,
            file,
        } => {
            let services = match world.node(node) {
                Some(state) => assess::compose_services(state, name, service.as_deref()),
                None => service.iter().cloned().collect(),
            };
            Ok(vec![Command::ComposeUp {
                path: path.clone(),
                file: file.clone(),
                project: project.clone(),
                services,
            }])
        }
        ServiceKind::Container {
            container,
            definition: Some(definition),
        } => {
            let replaces = world
                .node(node)
                .and_then(|s| s.container(container))
                .map(|c| c.id.clone());
            Ok(vec![Command::ContainerRecreate {
                service: name.clone(),
                container: container.clone(),
                definition: definition.redacted(),
                digest: definition.digest(),
                replaces,
            }])
        }
        ServiceKind::Container {
            container,
            definition: None,
        } => Err(none(
            format!("no file says how to create {container}"),
            format!("add `image:` (and ports, volumes, …) to {name} in hosts/{node}/services.yaml"),
        )),
        other => Err(none(
            format!("a service of kind {} cannot be redeployed", other.word()),
            "mend it by hand, or give it a kind that Stead can create",
        )),
    }
}

/// Stops what a suspended service still runs.
fn stop_service(
    world: &World,
    node: &NodeName,
    name: &ServiceName,
) -> Result<Vec<Command>, NoRepair> {
    let service = desired(world, node, name)?;
    if !service.suspended {
        return Err(none(
            format!("{name} is not suspended"),
            format!("set `suspended: true` for it in hosts/{node}/services.yaml"),
        ));
    }
    if let ServiceKind::Systemd { unit } = &service.kind {
        return Ok(vec![Command::UnitStop { unit: unit.clone() }]);
    }
    let steps: Vec<Command> = world
        .node(node)
        .map(|state| assess::containers(state, name, service))
        .unwrap_or_default()
        .into_iter()
        .filter(|(_, facts, _)| facts.state == ContainerState::Running)
        .map(|(container, facts, _)| Command::ContainerStop {
            container: container.clone(),
            id: facts.id.clone(),
        })
        .collect();
    if steps.is_empty() {
        return Err(none(
            format!("nothing of {name} runs on {node}"),
            "there is nothing to stop",
        ));
    }
    Ok(steps)
}

/// Releases the stale locks of `target`.
fn clear_lock(world: &World, target: &Subject) -> Result<Vec<Command>, NoRepair> {
    let stale: Vec<Command> = world
        .locks
        .range(LockKey::all_of(target))
        .filter(|(_, lock)| lock.stale.is_some())
        .map(|(key, lock)| Command::LockRelease {
            lock: key.lock,
            seq: lock.seq,
        })
        .collect();
    if stale.is_empty() {
        return Err(none(
            format!("no lock on {target} is stale"),
            format!("release one yourself: stead unlock {target}"),
        ));
    }
    Ok(stale)
}

fn model<'a>(
    world: &'a World,
    node: &NodeName,
    name: &ModelName,
) -> Result<&'a ModelFacts, NoRepair> {
    let found = world.node(node).and_then(|state| state.model(name));
    found.map(|(facts, _)| facts).ok_or_else(|| {
        none(
            format!("there is no model {name} on {node}"),
            format!("see `stead models`; to have it there: ollama pull {name}"),
        )
    })
}

fn load_model(world: &World, node: &NodeName, name: &ModelName) -> Result<Vec<Command>, NoRepair> {
    Ok(vec![Command::ModelLoad {
        model: name.clone(),
        digest: model(world, node, name)?.digest.clone(),
    }])
}

fn unload_model(
    world: &World,
    node: &NodeName,
    name: &ModelName,
) -> Result<Vec<Command>, NoRepair> {
    if model(world, node, name)?.loaded.is_none() {
        return Err(none(
            format!("{name} is not in memory on {node}"),
            "there is nothing to unload",
        ));
    }
    Ok(vec![Command::ModelUnload {
        model: name.clone(),
    }])
}

/// Kills the canary of `node`.
fn break_canary(world: &World, node: &NodeName) -> Result<Vec<Command>, NoRepair> {
    let remedy = "name a node and an image under `drill:` in stead.yaml";
    let drill = world.fleet.drill.as_ref().filter(|d| d.node == *node);
    if drill.is_none() {
        return Err(none(format!("no canary is kept on {node}"), remedy));
    }
    let name = crate::ids::ContainerName::new(crate::desired::CANARY)
        .map_err(|e| none(e.to_string(), remedy))?;
    let running = world
        .node(node)
        .and_then(|state| state.container(&name))
        .filter(|c| c.state == ContainerState::Running)
        .ok_or_else(|| {
            none(
                format!("the canary of {node} does not run"),
                "wait until Stead has (re)created it: see `stead why service/NODE/stead-canary`",
            )
        })?;
    Ok(vec![Command::CanaryKill {
        container: name,
        id: running.id.clone(),
    }])
}
