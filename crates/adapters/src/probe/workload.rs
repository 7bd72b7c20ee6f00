//! Containers and units, from what the agent saw of them last: no question of its own.

use stead_core::facts::{ContainerFacts, ContainerState, Health, UnitFacts};

use super::{Found, Miss, Sighting};

/// The container runs and is not unhealthy.
pub(super) fn container(seen: &Sighting<ContainerFacts>) -> Found {
    let facts = match seen {
        Sighting::Seen(facts) => facts,
        Sighting::Absent => return Err(Miss::Failed("there is no such container".into())),
        Sighting::Unknown(why) => return Err(Miss::Unknown(why.clone())),
    };
    let state = format!("{:?}", facts.state).to_lowercase();
    if facts.state != ContainerState::Running {
        let code = facts
            .exit_code
            .map(|code| format!(" with exit code {code}"))
            .unwrap_or_default();
        return Err(Miss::Failed(format!("{state}{code}")));
    }
    match facts.health {
        // Its own patience is over, or the check's patience counts from here.
        Health::Unhealthy | Health::Failing => {
            let output = facts
                .health_log
                .last()
                .map_or("", |last| last.output.trim());
            Err(Miss::Failed(format!("running, unhealthy: {output}")))
        }
        Health::None => Ok(state),
        Health::Starting => Ok("running, starting".into()),
        Health::Healthy => Ok("running, healthy".into()),
    }
}

/// The unit is active.
pub(super) fn unit(seen: &Sighting<UnitFacts>) -> Found {
    let facts = match seen {
        Sighting::Seen(facts) => facts,
        Sighting::Absent => return Err(Miss::Failed("there is no such unit".into())),
        Sighting::Unknown(why) => return Err(Miss::Unknown(why.clone())),
    };
    let state = format!("{} ({})", facts.active, facts.sub);
    match facts.active.as_str() {
        "active" | "reloading" => Ok(state),
        _ if facts.load == "not-found" => Err(Miss::Failed("there is no such unit".into())),
        _ => Err(Miss::Failed(format!("{state}, result {}", facts.result))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Sighting::{Absent, Seen, Unknown};

    fn failed<T>(found: Result<T, Miss>) -> String {
        match found {
            Err(Miss::Failed(why)) => why,
            _ => panic!("not failed"),
        }
    }

    #[test]
    fn a_container_must_run_and_not_be_unhealthy() {
        let of = |state, health| {
            Seen(ContainerFacts {
                state,
                health,
                exit_code: Some(3),
                ..Default::default()
            })
        };
        assert_eq!(
            container(&of(ContainerState::Running, Health::None)),
            Ok("running".into())
        );
        assert_eq!(
            container(&of(ContainerState::Running, Health::Starting)),
            Ok("running, starting".into())
        );
        assert_eq!(
            failed(container(&of(ContainerState::Exited, Health::None))),
            "exited with exit code 3"
        );
        assert!(
            failed(container(&of(ContainerState::Running, Health::Unhealthy)))
                .contains("unhealthy")
        );
        assert!(container(&Absent).is_err());
        assert_eq!(
            container(&Unknown("docker is away".into())),
            Err(Miss::Unknown("docker is away".into()))
        );
    }

    #[test]
    fn a_unit_must_be_active() {
        let of = |active: &str| {
            Seen(UnitFacts {
                active: active.into(),
                sub: "x".into(),
                result: "exit-code".into(),
                ..Default::default()
            })
        };
        assert!(unit(&of("active")).is_ok());
        assert_eq!(failed(unit(&of("failed"))), "failed (x), result exit-code");
        assert!(unit(&Absent).is_err());
        assert!(matches!(
            unit(&Unknown("no bus".into())),
            Err(Miss::Unknown(_))
        ));
    }
}
