use std::time::Duration;

use futures::StreamExt;
use stead_adapters::docker::{ASIDE, Cleanup, Docker};
use stead_core::command::Outcome;
use stead_core::desired::{ContainerDef, DEFINITION_LABEL};
use stead_core::ids::{ContainerName, ServiceName};

use crate::engine::{Container, Engine, until};
use crate::proxy::{Mode, Proxy};

const LIMIT: Duration = Duration::from_secs(30);

#[track_caller]
fn done(outcome: Outcome) -> String {
    match outcome {
        Outcome::Done { output, .. } => output,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn refused(outcome: Outcome, expected: &str) {
    match outcome {
        Outcome::Refused { code, why } => assert_eq!(code, expected, "{why}"),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn failed(outcome: Outcome, expected: &str) -> String {
    match outcome {
        Outcome::Failed { code, why, .. } => {
            assert_eq!(code, expected, "{why}");
            why
        }
        other => panic!("{other:?}"),
    }
}

fn service() -> ServiceName {
    ServiceName::new("web").expect("a name")
}

fn definition(engine: &Engine) -> ContainerDef {
    ContainerDef {
        image: engine.image.clone(),
        command: Some(
            [
                "/bin/sh",
                "-c",
                "trap exit TERM; while :; do sleep 1 & wait $!; done",
            ]
            .map(Into::into)
            .into(),
        ),
        mem_limit: Some(32 << 20),
        environment: [("GREETING".to_owned(), "hello".to_owned())].into(),
        ..ContainerDef::default()
    }
}

async fn recreate(
    docker: &Docker,
    container: &Container<'_>,
    def: &ContainerDef,
    old: Option<&str>,
) -> Outcome {
    docker
        .recreate(&service(), &container.named(), def, old, LIMIT)
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_starts_the_same_container_again() {
    let Some(engine) = Engine::lab() else { return };
    let container = engine.run(&[], &[]);
    let (id, started) = (container.id(), container.inspect("{{.State.StartedAt}}"));
    done(
        engine
            .handle()
            .restart(&container.named(), &id, LIMIT)
            .await,
    );
    assert_eq!(container.id(), id);
    assert_ne!(container.inspect("{{.State.StartedAt}}"), started);
    assert_eq!(container.inspect("{{.State.Running}}"), "true");
}

/// S4, and the plan's immutable target.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_anything_but_the_planned_container_is_refused() {
    let Some(engine) = Engine::lab() else { return };
    let docker = engine.handle();
    let container = engine.run(&[], &[]);
    let stale = container.id();
    engine.docker(&["rm", "-f", &container.name]);
    refused(
        docker.restart(&container.named(), &stale, LIMIT).await,
        "target-changed",
    );
    container.run(&[], &[]);
    let started = container.inspect("{{.State.StartedAt}}");
    refused(
        docker.restart(&container.named(), &stale, LIMIT).await,
        "target-changed",
    );
    let other = engine.run(&[], &[]);
    refused(
        docker.restart(&container.named(), &other.id(), LIMIT).await,
        "target-changed",
    );
    for id in ["", &stale[..12], "../../images/prune?x=", &container.name] {
        refused(
            docker.restart(&container.named(), id, LIMIT).await,
            "bad-target",
        );
    }
    let odd = ContainerName::new("a?force=1").expect("names allow more than the engine");
    refused(
        docker.restart(&odd, &container.id(), LIMIT).await,
        "bad-target",
    );
    assert_eq!(
        container.inspect("{{.State.StartedAt}}"),
        started,
        "nothing was touched"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_whose_answer_never_comes_is_unknown() {
    let Some(engine) = Engine::lab() else { return };
    let proxy = Proxy::of(&engine);
    let container = engine.run(&[], &[]);
    let (id, started) = (container.id(), container.inspect("{{.State.StartedAt}}"));
    proxy.set(Mode::Mute("/restart"));
    let outcome = proxy
        .handle()
        .restart(&container.named(), &id, Duration::from_secs(2))
        .await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    until("it took effect all the same", LIMIT, || {
        (container.inspect("{{.State.Running}} {{.State.StartedAt}}") != format!("true {started}"))
            .then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_is_created_from_its_definition_and_replaced_when_that_changes() {
    let Some(engine) = Engine::lab() else { return };
    let docker = engine.handle();
    let container = engine.container();
    let mut def = definition(&engine);
    let output = done(recreate(&docker, &container, &def, None).await);
    assert!(!output.contains("Pulled"), "the image is here: {output}");
    let first = container.id();
    assert_eq!(
        container.inspect(&format!(
            "{{{{index .Config.Labels {DEFINITION_LABEL:?}}}}}"
        )),
        def.digest()
    );
    assert_eq!(
        container.inspect("{{.HostConfig.Memory}}"),
        (32 << 20).to_string()
    );
    assert!(
        container
            .inspect("{{.Config.Env}}")
            .contains("GREETING=hello")
    );
    refused(
        recreate(&docker, &container, &def, None).await,
        "target-changed",
    );
    def.mem_limit = Some(48 << 20);
    done(recreate(&docker, &container, &def, Some(&first)).await);
    assert_ne!(container.id(), first);
    assert_eq!(
        container.inspect("{{.HostConfig.Memory}}"),
        (48 << 20).to_string()
    );
    refused(
        recreate(&docker, &container, &def, Some(&first)).await,
        "target-changed",
    );
    let left = engine.docker(&["ps", "-aq", "--filter", &format!("name={}", container.name)]);
    assert_eq!(left.lines().count(), 1, "the old one is gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_container_that_does_not_start_gives_way_to_the_old_one() {
    let Some(engine) = Engine::lab() else { return };
    let docker = engine.handle();
    let container = engine.run(&[], &[]);
    let id = container.id();
    let with = |command: &[&str]| ContainerDef {
        command: Some(command.iter().map(|word| (*word).to_owned()).collect()),
        ..definition(&engine)
    };
    for bad in [
        with(&["/no/such/program"]),
        with(&["/bin/sh", "-c", "exit 3"]),
    ] {
        let why = failed(
            recreate(&docker, &container, &bad, Some(&id)).await,
            "start-failed",
        );
        assert!(why.contains("put back"), "{why}");
        assert_eq!(
            container.inspect("{{.Id}} {{.State.Running}}"),
            format!("{id} true")
        );
    }
    let missing = ContainerDef {
        image: "no-such-image.invalid/x:1".into(),
        ..definition(&engine)
    };
    failed(
        recreate(&docker, &container, &missing, Some(&id)).await,
        "image-missing",
    );
    let broken = ContainerDef {
        volumes: vec!["../etc:/etc".into()],
        ..definition(&engine)
    };
    refused(
        recreate(&docker, &container, &broken, Some(&id)).await,
        "bad-definition",
    );
    let busy = ContainerDef {
        network_mode: Some("no-such-network".into()),
        ..definition(&engine)
    };
    let outcome = recreate(&docker, &container, &busy, Some(&id)).await;
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
    assert_eq!(
        container.inspect("{{.Id}} {{.State.Running}}"),
        format!("{id} true")
    );
    let aside = format!("{}{ASIDE}", container.name);
    assert!(
        engine.try_docker(&["inspect", &aside]).is_err(),
        "nothing is left aside"
    );
}

/// F18: cut short after the old one was put aside, and after the new one was made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_attempt_cut_short_left_behind_is_set_right() {
    let Some(engine) = Engine::lab() else { return };
    let docker = engine.handle();
    let def = definition(&engine);
    let container = engine.run(&[], &[]);
    let old = container.id();
    let aside = format!("{}{ASIDE}", container.name);
    engine.docker(&["rename", &container.name, &aside]);
    let output = done(recreate(&docker, &container, &def, Some(&old)).await);
    assert!(output.contains("cut short"), "{output}");
    let second = container.id();
    engine.docker(&["rename", &container.name, &aside]);
    engine.docker(&["create", "--name", &container.name, &engine.image]);
    done(recreate(&docker, &container, &def, Some(&second)).await);
    assert_eq!(container.inspect("{{.State.Running}}"), "true");
    assert!(
        engine.try_docker(&["inspect", &aside]).is_err(),
        "nothing is left aside"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cleanup_frees_what_was_estimated_and_nothing_that_is_named_or_used() {
    let Some(engine) = Engine::lab() else { return };
    let docker = engine.handle();
    let container = engine.run(&[], &[]);
    let folder = tempfile::tempdir().expect("a folder");
    let mut noise = vec![0u8; 3 << 20];
    let mut state = u64::from(std::process::id());
    for byte in &mut noise {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        *byte = (state >> 33) as u8;
    }
    std::fs::write(folder.path().join("noise"), &noise).expect("a file");
    let tar = folder.path().join("image.tar");
    let made = std::process::Command::new("tar")
        .args([
            "-C",
            folder.path().to_str().expect("a path"),
            "-cf",
            tar.to_str().expect("a path"),
            "noise",
        ])
        .status();
    assert!(made.expect("tar").success());
    let image = engine.docker(&["import", tar.to_str().expect("a path")]);
    let estimate = docker.cleanup_estimate(LIMIT).await.expect("an estimate");
    assert!(
        estimate.images >= 1 && estimate.dangling_images >= 3 << 20,
        "{estimate:?}"
    );
    let what = Cleanup {
        build_cache: true,
        dangling_images: true,
    };
    let outcome = docker.cleanup(what, LIMIT).await;
    let Outcome::Done {
        freed: Some(freed),
        output,
    } = outcome
    else {
        panic!("{outcome:?}")
    };
    eprintln!("estimated {estimate:?}, freed {freed}: {output}");
    assert_eq!(freed, estimate.dangling_images + estimate.build_cache);
    assert!(
        engine.try_docker(&["image", "inspect", &image]).is_err(),
        "it is gone"
    );
    assert_eq!(
        docker
            .cleanup_estimate(LIMIT)
            .await
            .expect("an estimate")
            .images,
        0
    );
    engine.docker(&["image", "inspect", &engine.image]);
    assert_eq!(container.inspect("{{.State.Running}}"), "true");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_are_read_and_followed() {
    let Some(engine) = Engine::lab() else { return };
    let docker = engine.handle();
    let script = "echo one; echo password=hunter2 >&2; sleep 2; echo three; sleep 60";
    let container = engine.run(&[], &["/bin/sh", "-c", script]);
    let mut lines = docker
        .logs(&container.named(), 10, true)
        .await
        .expect("a log");
    let mut all = String::new();
    let read = async {
        while let Some(line) = lines.next().await {
            all.push_str(&line.expect("a line").text);
            if all.contains("three") {
                return;
            }
        }
    };
    tokio::time::timeout(LIMIT, read)
        .await
        .expect("the third line");
    assert!(
        all.contains("one") && all.contains("password=***") && !all.contains("hunter2"),
        "{all}"
    );
    assert!(all.contains("three"), "what came later: {all}");
    let absent = ContainerName::new("no-such-container").expect("a name");
    let error = docker
        .logs(&absent, 10, false)
        .await
        .err()
        .expect("an error");
    assert_eq!(error.code(), "container-not-found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_last_lines_are_told_than_may_be() {
    let Some(engine) = Engine::lab() else { return };
    let docker = engine.handle();
    let container = engine.run(&[], &["/bin/sh", "-c", "seq 6000; sleep 60"]);
    let read = async |tail: u32, follow: bool| {
        let name = container.named();
        let lines = docker.logs(&name, tail, follow).await.expect("a log");
        let texts = lines.map(|line| line.expect("a line").text[31..].to_owned());
        texts.take_while(|text| futures::future::ready(text != "6000"))
    };
    let reading = async {
        // All of it is written once the last line is.
        read(1, true).await.count().await;
        read(9999, false).await.collect::<Vec<String>>().await
    };
    let told = tokio::time::timeout(LIMIT, reading).await.expect("in time");
    assert_eq!((told.len(), told[0].as_str()), (4999, "1001"));
}

/// Row R9: the only container that is broken on purpose.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_bears_the_canarys_label_is_killed() {
    let Some(engine) = Engine::lab() else { return };
    let docker = engine.handle();
    for labels in [&[][..], &["--label", "stead.canary=false"]] {
        let other = engine.run(labels, &[]);
        let outcome = docker.kill_canary(&other.named(), &other.id(), LIMIT).await;
        refused(outcome, "no-canary");
        assert_eq!(other.inspect("{{.State.Running}}"), "true");
    }
    let canary = engine.run(&["--label", "stead.canary=true"], &[]);
    let other = engine.run(&["--label", "stead.canary=true"], &[]);
    let outcome = docker
        .kill_canary(&canary.named(), &other.id(), LIMIT)
        .await;
    refused(outcome, "target-changed");
    done(
        docker
            .kill_canary(&canary.named(), &canary.id(), LIMIT)
            .await,
    );
    let ended = canary.inspect("{{.State.Running}} {{.State.ExitCode}}");
    assert_eq!(ended, "false 137");
    let again = docker
        .kill_canary(&canary.named(), &canary.id(), LIMIT)
        .await;
    assert!(!matches!(again, Outcome::Done { .. }), "{again:?}");
    assert_eq!(other.inspect("{{.State.Running}}"), "true");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_stops_the_planned_container_and_may_be_done_again() {
    let Some(engine) = Engine::lab() else { return };
    let docker = engine.handle();
    let container = engine.run(&["--stop-timeout", "1"], &[]);
    let stale = "a1".repeat(32);
    refused(
        docker.stop(&container.named(), &stale, LIMIT).await,
        "target-changed",
    );
    assert_eq!(container.inspect("{{.State.Running}}"), "true");
    for _ in 0..2 {
        done(
            docker
                .stop(&container.named(), &container.id(), LIMIT)
                .await,
        );
        assert_eq!(container.inspect("{{.State.Running}}"), "false");
    }
}
