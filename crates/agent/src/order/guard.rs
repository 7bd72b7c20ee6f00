//! Whether a command is about the target its order names. Pure.

use stead_core::command::{Command, Order};
use stead_core::desired::CANARY;
use stead_core::subject::Subject;

use crate::journal::ledger::Refusal;

/// A lease for one thing is no right to touch another.
pub fn bound(order: &Order) -> Result<(), Refusal> {
    let fits = match (&order.target, &order.command) {
        (Subject::Container(_, name), Command::ContainerRestart { container, .. }) => {
            name == container
        }
        (Subject::Container(_, name), Command::ContainerRecreate { container, .. }) => {
            name == container
        }
        (Subject::Unit(_, name), Command::UnitRestart { unit }) => name == unit,
        (Subject::Service(_, name), Command::ContainerRecreate { service, .. }) => name == service,
        (
            Subject::Service(..),
            Command::ContainerRestart { .. }
            | Command::ContainerStop { .. }
            | Command::UnitStop { .. }
            | Command::ComposeUp { .. }
            | Command::UnitRestart { .. },
        ) => true,
        (Subject::Node(_), Command::DiskCleanup { .. }) => true,
        (
            Subject::Model(_, name),
            Command::ModelLoad { model, .. } | Command::ModelUnload { model },
        ) => name == model,
        // A drill is bound to its node, and breaks nothing there but the canary.
        (Subject::Node(_), Command::CanaryKill { container, .. }) => *container == CANARY,
        _ => false,
    };
    if fits {
        return Ok(());
    }
    let why = format!(
        "the command is not about {}; nothing was done",
        order.target
    );
    Err(Refusal {
        code: "wrong-target",
        why,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(target: &str, command: Command) -> bool {
        let order = Order {
            action: "a".into(),
            occurrence: 1,
            step: 0,
            attempt: 1,
            token: 1,
            epoch: 0,
            lease_ms: 1,
            timeout_ms: 1,
            target: target.parse().expect("subject"),
            automatic: false,
            per_hour: 3,
            command,
        };
        bound(&order).is_err()
    }

    #[test]
    fn a_lease_for_one_thing_is_no_right_to_touch_another() {
        let restart = || Command::ContainerRestart {
            container: "web".parse().expect("name"),
            id: "a".into(),
        };
        let unit = || Command::UnitRestart {
            unit: "nginx.service".parse().expect("name"),
        };
        let clean = || Command::DiskCleanup {
            build_cache: true,
            dangling_images: true,
        };
        assert!(!refused("container/n/web", restart()));
        assert!(refused("container/n/db", restart()));
        assert!(!refused("service/n/anything", restart()));
        assert!(refused("node/n", restart()));
        assert!(!refused("unit/n/nginx.service", unit()));
        assert!(refused("unit/n/ssh.service", unit()));
        assert!(!refused("node/n", clean()));
        assert!(refused("service/n/web", clean()));
        let load = |model: &str| Command::ModelLoad {
            model: model.parse().expect("name"),
            digest: "a".into(),
        };
        assert!(!refused("model/n/team/gemma3:4b", load("team/gemma3:4b")));
        assert!(refused("model/n/gemma3:4b", load("gemma3:12b")));
        assert!(refused("node/n", load("gemma3:4b")));
        let kill = |container: &str| Command::CanaryKill {
            container: container.parse().expect("name"),
            id: "a".into(),
        };
        assert!(!refused("node/n", kill("stead-canary")));
        assert!(refused("node/n", kill("web")), "not even with its label");
        assert!(refused("service/n/stead-canary", kill("stead-canary")));
        assert!(refused("container/n/web", kill("web")));
        let stop = |id: &str| Command::ContainerStop {
            container: "web".parse().expect("name"),
            id: id.into(),
        };
        assert!(!refused("service/n/web", stop("a")));
        assert!(refused("node/n", stop("a")));
        let lock = Command::LockRelease {
            lock: stead_core::lock::LockKind::Backup,
            seq: stead_core::ids::Seq(1),
        };
        assert!(refused("node/n", lock), "the server's own");
    }
}
