//! Through the one door the agent uses.

use std::time::Duration;

use stead_adapters::act::{self, Adapters};
use stead_adapters::compose::{Compose, Options};
use stead_adapters::ollama::{self, Ollama};
use stead_adapters::systemd::{self, Systemd};
use stead_core::command::{Command, Outcome};
use stead_core::desired::{ContainerDef, DEFINITION_LABEL};
use stead_core::facts::ContainerState;
use stead_core::ids::{ServiceName, UnitName};

use crate::engine::Engine;
use crate::seen::Seen;

const LIMIT: Duration = Duration::from_secs(60);

fn adapters(engine: &Engine) -> Adapters {
    Adapters {
        docker: engine.handle(),
        compose: Compose::new(Options {
            engine: Some(engine.host.clone()),
            ..Options::default()
        }),
        systemd: Systemd::new(systemd::Options {
            marker: "/nowhere".into(),
            ..systemd::Options::default()
        }),
        ollama: Ollama::new(ollama::Options::default()),
    }
}

#[track_caller]
fn done(outcome: &Outcome) {
    assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_command_reaches_its_adapter_and_its_effect_shows_in_the_facts() {
    let Some(engine) = Engine::lab() else { return };
    let adapters = adapters(&engine);
    let container = engine.run(&[], &[]);
    let mut seen = Seen::watch(&adapters.docker);
    seen.synced().await;

    let name = container.named();
    let now = |seen: &Seen| {
        seen.container(&name)
            .filter(|c| c.state == ContainerState::Running)
            .cloned()
    };
    let before = now(&seen).expect("it runs");
    let restart = Command::ContainerRestart {
        container: name.clone(),
        id: before.id.clone(),
    };
    done(&act::run(&adapters, &restart, LIMIT).await);
    let anew = |seen: &Seen| {
        now(seen)
            .filter(|c| c.id == before.id && c.started_at > before.started_at)
            .map(drop)
    };
    seen.until("the restart is seen", LIMIT, anew).await;

    let definition = ContainerDef {
        image: engine.image.clone(),
        ..ContainerDef::default()
    };
    let recreate = Command::ContainerRecreate {
        service: ServiceName::new("web").expect("a name"),
        container: name.clone(),
        definition: definition.clone(),
        digest: definition.digest(),
        replaces: Some(before.id.clone()),
    };
    done(&act::run(&adapters, &recreate, LIMIT).await);
    let another = |seen: &Seen| {
        now(seen)
            .filter(|c| {
                c.id != before.id && c.labels.get(DEFINITION_LABEL) == Some(&definition.digest())
            })
            .map(drop)
    };
    seen.until("the recreation is seen", LIMIT, another).await;

    let unit = Command::UnitRestart {
        unit: UnitName::new("x.service").expect("a name"),
    };
    let outcome = act::run(&adapters, &unit, LIMIT).await;
    assert!(
        matches!(&outcome, Outcome::Failed { code, .. } if code == "systemd-absent"),
        "{outcome:?}"
    );
    done(
        &act::run(
            &adapters,
            &Command::DiskCleanup {
                build_cache: true,
                dangling_images: false,
            },
            LIMIT,
        )
        .await,
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_compose_stops_is_not_blamed_on_a_person() {
    let Some(engine) = Engine::lab() else { return };
    let adapters = adapters(&engine);
    let folder = tempfile::tempdir().expect("a folder");
    let image = &engine.image;
    let text = format!(
        "version: \"3\"\nservices:\n  web:\n    image: {image}\n    network_mode: none\n    restart: always\n"
    );
    std::fs::write(folder.path().join("docker-compose.yml"), text).expect("a file");
    let path = folder.path().to_str().expect("a path").to_owned();
    let up = Command::ComposeUp {
        path: path.clone(),
        file: None,
        project: None,
        services: vec!["web".into()],
    };
    let mut seen = Seen::watch(&adapters.docker);
    seen.synced().await;
    done(&act::run(&adapters, &up, LIMIT).await);
    let of = |seen: &Seen| {
        let mut all = seen
            .facts
            .iter()
            .filter_map(|(key, fact)| match (key, fact) {
                (
                    stead_core::facts::FactKey::Container(name),
                    stead_core::facts::Fact::Container(c),
                ) if c.compose_folder() == Some(&path) && c.state == ContainerState::Running => {
                    Some((name.clone(), c.id.clone()))
                }
                _ => None,
            });
        all.next()
    };
    let (name, first) = seen.until("it runs", LIMIT, of).await;
    done(&act::run(&adapters, &up, LIMIT).await);
    seen.until("another one runs", LIMIT, |seen| {
        of(seen).filter(|(_, id)| *id != first)
    })
    .await;
    let blamed = seen.told.iter().map(|told| format!("{told:?}"));
    let blamed: Vec<String> = blamed
        .filter(|told| told.contains(&first) && told.contains("stopped_by_person: true"))
        .collect();
    engine.docker(&["rm", "-f", name.as_str()]);
    assert_eq!(blamed, Vec::<String>::new());

    let odd = Command::ComposeUp {
        path: "../etc".into(),
        file: None,
        project: None,
        services: vec![],
    };
    let outcome = act::run(&adapters, &odd, LIMIT).await;
    assert!(
        matches!(&outcome, Outcome::Refused { code, .. } if code == "bad-target"),
        "{outcome:?}"
    );
}
