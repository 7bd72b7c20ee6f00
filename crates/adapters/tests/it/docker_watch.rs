use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use stead_adapters::docker::{Address, Docker, Options, Patience};
use stead_core::facts::{ContainerState, Health, SourceKind, SourceState};
use stead_core::time::Span;

use crate::engine::Engine;
use crate::proxy::{Mode, Proxy};
use crate::seen::Seen;

const SOON: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn containers_are_listed_then_followed() {
    let Some(engine) = Engine::lab() else { return };
    let one = engine.run(
        &[
            "--memory",
            "32m",
            "-e",
            "SECRET=hunter2",
            "--label",
            "team=blue",
        ],
        &[],
    );
    let mut seen = Seen::watch(&engine.handle());
    seen.synced().await;
    let source = seen.source(SourceKind::Docker).expect("a source");
    assert_eq!(source.state, SourceState::Up);
    assert!(!source.version.is_empty());
    let facts = seen.container(&one.named()).expect("listed").clone();
    assert_eq!(
        (facts.state, facts.health),
        (ContainerState::Running, Health::None)
    );
    assert_eq!((facts.id, facts.memory_limit), (one.id(), 32 << 20));
    assert_eq!(facts.labels["team"], "blue");
    assert!(
        !format!("{:?}", seen.facts).contains("hunter2"),
        "environments never leave"
    );

    let two = engine.run(&[], &[]);
    let name = two.named();
    let running = |seen: &Seen| {
        seen.container(&name)
            .filter(|c| c.state == ContainerState::Running)
            .map(drop)
    };
    seen.until("a new container", SOON, running).await;
    engine.docker(&["rename", &two.name, &format!("{}-b", two.name)]);
    seen.until("the old name goes", SOON, |seen| {
        seen.container(&name).is_none().then_some(())
    })
    .await;
    engine.docker(&["rename", &format!("{}-b", two.name), &two.name]);
    seen.until("it is back", SOON, running).await;
    engine.docker(&["rm", "-f", &two.name]);
    seen.until("it is gone", SOON, |seen| {
        seen.container(&name).is_none().then_some(())
    })
    .await;
}

fn probed<'a>(engine: &'a Engine, retries: &str) -> crate::engine::Container<'a> {
    let health = [
        "--health-cmd",
        "test -e /tmp/ok",
        "--health-interval",
        "300ms",
        "--health-retries",
        retries,
    ];
    let serve = "touch /tmp/ok; trap exit TERM; while :; do sleep 1 & wait $!; done";
    engine.run(&health, &["/bin/sh", "-c", serve])
}

fn patience(failures: u32, start: Span) -> Patience {
    Patience { failures, start }
}

fn health_is(
    name: &stead_core::ids::ContainerName,
    health: Health,
) -> impl FnMut(&Seen) -> Option<u32> + use<> {
    let name = name.clone();
    move |seen| {
        seen.container(&name)
            .filter(|c| c.health == health)
            .map(|c| c.failing_streak)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unhealthy_is_told_within_milliseconds_of_the_engines_event() {
    let Some(engine) = Engine::lab() else { return };
    let container = probed(&engine, "1");
    let name = container.named();
    let docker = engine.handle();
    docker.set_patience(BTreeMap::from([(name.clone(), patience(0, Span::ZERO))]));
    let mut seen = Seen::watch(&docker);
    seen.until("healthy", SOON, health_is(&name, Health::Healthy))
        .await;
    engine.docker(&["exec", &container.name, "rm", "/tmp/ok"]);
    seen.until("unhealthy", SOON, health_is(&name, Health::Unhealthy))
        .await;
    let told = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_nanos();
    let filter = format!("container={}", container.name);
    let until = (told / 1_000_000_000 + 2).to_string();
    let args = [
        "events",
        "--since",
        "1m",
        "--until",
        &until,
        "--filter",
        &filter,
        "--filter",
        "event=health_status",
    ];
    let events = engine.docker(&[&args[..], &["--format", "{{.TimeNano}} {{.Status}}"]].concat());
    let last = events
        .lines()
        .rfind(|line| line.contains("unhealthy"))
        .expect("the engine's event");
    let at: u128 = last
        .split(' ')
        .next()
        .expect("a time")
        .parse()
        .expect("nanoseconds");
    let delay = Duration::from_nanos(u64::try_from(told.saturating_sub(at)).expect("small"));
    eprintln!("unhealthy event to fact: {delay:?}");
    assert!(delay < Duration::from_millis(250), "{delay:?}");
    let detail = docker.health_detail(&name).await.expect("a drill-down");
    assert!(
        detail.failing_streak >= 1 && detail.health == Health::Unhealthy,
        "{detail:?}"
    );
    assert!((1..=3).contains(&detail.outputs.len()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failing_waits_for_its_patience_and_probes_are_no_news() {
    let Some(engine) = Engine::lab() else { return };
    let container = probed(&engine, "1");
    let name = container.named();
    let docker = engine.handle();
    docker.set_patience(BTreeMap::from([(name.clone(), patience(4, Span::ZERO))]));
    let mut seen = Seen::watch(&docker);
    seen.until("healthy", SOON, health_is(&name, Health::Healthy))
        .await;
    let quiet = seen.puts(&name);
    seen.during(Duration::from_secs(2)).await;
    assert_eq!(
        seen.puts(&name),
        quiet,
        "six probes later there is nothing to tell"
    );
    engine.docker(&["exec", &container.name, "rm", "/tmp/ok"]);
    let streak = seen
        .until("failing", SOON, health_is(&name, Health::Failing))
        .await;
    assert!(streak < 4, "{streak}");
    let streak = seen
        .until("unhealthy", SOON, health_is(&name, Health::Unhealthy))
        .await;
    assert!(streak >= 4, "{streak}");
    let puts = seen.puts(&name);
    seen.during(Duration::from_secs(2)).await;
    assert_eq!(seen.puts(&name), puts, "a growing streak is no news");
    engine.docker(&["exec", &container.name, "touch", "/tmp/ok"]);
    seen.until("healthy again", SOON, health_is(&name, Health::Healthy))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_in_its_start_period_is_starting_and_then_unhealthy() {
    let Some(engine) = Engine::lab() else { return };
    let container = probed(&engine, "1");
    let name = container.named();
    let docker = engine.handle();
    docker.set_patience(BTreeMap::from([(name.clone(), patience(1, Span::secs(8)))]));
    let mut seen = Seen::watch(&docker);
    seen.until("healthy", SOON, health_is(&name, Health::Healthy))
        .await;
    let started = seen.container(&name).and_then(|c| c.started_at);
    engine.docker(&["exec", &container.name, "rm", "/tmp/ok"]);
    seen.until("starting", SOON, health_is(&name, Health::Starting))
        .await;
    seen.until("unhealthy", SOON * 2, health_is(&name, Health::Unhealthy))
        .await;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    let started = u128::try_from(started.expect("it started").0).expect("after 1970");
    assert!(now.as_millis() - started >= 8_000, "not before its time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_by_a_person_is_recognised_and_other_ends_are_not() {
    let Some(engine) = Engine::lab() else { return };
    let (stopped, killed, died, ours) = (
        engine.run(&[], &[]),
        engine.run(&[], &[]),
        engine.run(&[], &["sleep", "3"]),
        engine.run(&[], &[]),
    );
    let docker = engine.handle();
    let mut seen = Seen::watch(&docker);
    seen.synced().await;
    let started = seen.container(&ours.named()).expect("listed").started_at;
    engine.docker(&["stop", "-t", "2", &stopped.name]);
    engine.docker(&["kill", &killed.name]);
    let outcome = docker
        .restart(&ours.named(), &ours.id(), Duration::from_secs(20))
        .await;
    assert!(
        matches!(outcome, stead_core::command::Outcome::Done { .. }),
        "{outcome:?}"
    );
    for (container, person) in [(&stopped, true), (&killed, true), (&died, false)] {
        let name = container.named();
        let ended = |seen: &Seen| {
            seen.container(&name)
                .filter(|c| c.state == ContainerState::Exited && c.stopped_by_person == person)
                .map(drop)
        };
        seen.until(
            if person {
                "a person's stop"
            } else {
                "its own end"
            },
            SOON,
            ended,
        )
        .await;
    }
    let name = ours.named();
    let again = |seen: &Seen| {
        seen.container(&name)
            .filter(|c| c.state == ContainerState::Running && c.started_at != started)
            .map(drop)
    };
    seen.until("it runs again", SOON, again).await;
    let blamed = seen.told.iter().any(|told| {
        let text = format!("{told:?}");
        text.contains(&ours.name) && text.contains("stopped_by_person: true")
    });
    assert!(!blamed, "our own restart is not a person's stop");
    engine.docker(&["start", &stopped.name]);
    let name = stopped.named();
    let cleared = |seen: &Seen| {
        seen.container(&name)
            .filter(|c| !c.stopped_by_person)
            .map(drop)
    };
    seen.until("it runs and the stop is forgotten", SOON, cleared)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_before_the_watch_began_is_known_from_the_engine_or_from_memory() {
    let Some(engine) = Engine::lab() else { return };
    let kept = engine.run(&["--restart", "unless-stopped"], &[]);
    let plain = engine.run(&[], &[]);
    engine.docker(&["stop", "-t", "2", &kept.name, &plain.name]);
    let mut seen = Seen::watch(&engine.handle());
    seen.synced().await;
    for container in [&kept, &plain] {
        assert!(
            seen.container(&container.named())
                .expect("listed")
                .stopped_by_person
        );
        assert_eq!(
            seen.puts(&container.named()),
            1,
            "known from the start, not corrected later"
        );
    }
    // The engine forgets after 256 events; what an earlier run of the agent knew still holds.
    let health = ["--health-cmd", "true", "--health-interval", "10ms"];
    let noisy: Vec<_> = (0..4).map(|_| engine.run(&health, &[])).collect();
    let begun = std::time::Instant::now();
    while !forgotten(&engine, &plain.name) {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "the engine's memory does not fill"
        );
        seen.during(Duration::from_millis(500)).await;
    }
    drop(noisy);
    let mut without = Seen::watch(&engine.handle());
    without.synced().await;
    assert!(
        !without
            .container(&plain.named())
            .expect("listed")
            .stopped_by_person
    );
    assert!(
        without
            .container(&kept.named())
            .expect("listed")
            .stopped_by_person,
        "its policy tells"
    );
    let docker = engine.handle();
    docker.remember(&seen.facts);
    let mut again = Seen::watch(&docker);
    again.synced().await;
    assert!(
        again
            .container(&plain.named())
            .expect("listed")
            .stopped_by_person
    );
}

fn forgotten(engine: &Engine, name: &str) -> bool {
    let filter = format!("container={name}");
    engine
        .docker(&[
            "events", "--since", "1h", "--until", "0s", "--filter", &filter,
        ])
        .is_empty()
}

/// F16.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_stream_is_resumed_within_a_second_with_nothing_missed_and_nothing_doubled() {
    let Some(engine) = Engine::lab() else { return };
    let proxy = Proxy::of(&engine);
    let (stays, goes) = (engine.run(&[], &[]), engine.run(&[], &[]));
    let mut seen = Seen::watch(&proxy.handle());
    seen.synced().await;
    for round in 0..3 {
        proxy.cut().await;
        let comes = engine.run(&[], &[]);
        if round == 0 {
            engine.docker(&["rm", "-f", &goes.name]);
        }
        let syncs = seen.synced;
        proxy.set(Mode::Pass);
        seen.until("a full listing", SOON, |seen| {
            (seen.synced > syncs).then_some(())
        })
        .await;
        assert!(
            seen.container(&comes.named()).is_some(),
            "what came meanwhile is known"
        );
        assert!(
            seen.container(&goes.named()).is_none(),
            "what went meanwhile is gone"
        );
        assert_eq!(
            seen.source(SourceKind::Docker).expect("told").state,
            SourceState::Up
        );
    }
    assert_eq!(
        seen.puts(&stays.named()),
        1,
        "what did not change was told once"
    );
}

/// F16.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drop_without_an_outage_resyncs_within_a_second_and_is_no_news() {
    let Some(engine) = Engine::lab() else { return };
    let proxy = Proxy::of(&engine);
    let container = engine.run(&[], &[]);
    let name = container.named();
    let mut seen = Seen::watch(&proxy.handle());
    seen.synced().await;
    // The first return after a long session is at once; before that the watch would back off.
    seen.during(Duration::from_secs(6)).await;
    let syncs = seen.synced;
    proxy.drop_all();
    let begun = tokio::time::Instant::now();
    seen.until("a full listing", SOON, |seen| {
        (seen.synced > syncs).then_some(())
    })
    .await;
    eprintln!("resynced {:?} after the cut", begun.elapsed());
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(seen.puts(&name), 1, "nothing doubled");
    let sources = |seen: &Seen| {
        seen.told
            .iter()
            .filter(|told| format!("{told:?}").contains("Source("))
            .count()
    };
    assert_eq!(sources(&seen), 1, "no outage was told");
    engine.docker(&["stop", "-t", "2", &container.name]);
    let stopped = |seen: &Seen| {
        seen.container(&name)
            .filter(|c| c.state == ContainerState::Exited)
            .map(drop)
    };
    seen.until("the stop", SOON, stopped).await;
    assert!(seen.container(&name).expect("told").stopped_by_person);
}

/// F17.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hanging_engine_is_down_within_six_seconds_and_comes_back_by_itself() {
    let Some(engine) = Engine::lab() else { return };
    let proxy = Proxy::of(&engine);
    let container = engine.run(&[], &[]);
    let docker = proxy.handle();
    let mut seen = Seen::watch(&docker);
    seen.synced().await;
    proxy.set(Mode::Hang);
    let begun = tokio::time::Instant::now();
    let down = |seen: &Seen| {
        seen.source(SourceKind::Docker)
            .filter(|s| s.state == SourceState::Down)
            .cloned()
    };
    let source = seen.until("down", Duration::from_secs(6), down).await;
    eprintln!("a hang was noticed after {:?}", begun.elapsed());
    assert!(
        source.detail.contains("did not answer") && source.detail.contains("journalctl"),
        "{source:?}"
    );
    assert!(
        seen.container(&container.named()).is_some(),
        "what it told before is left to be unknown, not gone"
    );
    let outcome = docker
        .restart(&container.named(), &container.id(), Duration::from_secs(3))
        .await;
    assert!(
        matches!(&outcome, stead_core::command::Outcome::Failed { code, .. } if code == "engine-hangs"),
        "nothing was begun, so it is certain: {outcome:?}"
    );
    let two = engine.run(&[], &[]);
    proxy.set(Mode::Pass);
    seen.until("up", SOON, |seen| {
        seen.source(SourceKind::Docker)
            .filter(|s| s.state == SourceState::Up)
            .map(drop)
    })
    .await;
    assert!(
        seen.container(&two.named()).is_some(),
        "up is told after the listing"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_is_not_there_is_said_to_be_so_with_a_remedy() {
    let folder = tempfile::tempdir().expect("a folder");
    let nowhere = folder.path().join("none.sock");
    let dead = folder.path().join("dead.sock");
    drop(std::os::unix::net::UnixListener::bind(&dead).expect("a socket"));
    for (path, word) in [(nowhere, "no container engine"), (dead, "nobody listens")] {
        let docker = Docker::new(Options::at(Address::Unix(path)));
        let mut seen = Seen::watch(&docker);
        let told = |seen: &Seen| seen.source(SourceKind::Docker).cloned();
        let source = seen.until("the source", SOON, told).await;
        assert_eq!(source.state, SourceState::Down, "it was asked for by name");
        assert!(
            source.detail.contains(word) && source.detail.contains("systemctl start docker"),
            "{source:?}"
        );
    }
}

/// What Stead kills or stops itself is no person's doing: else a drill would prove nothing, and nothing would ever be
/// started again that was suspended for a while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stead_kills_or_stops_was_not_stopped_by_a_person() {
    let Some(engine) = Engine::lab() else { return };
    let docker = engine.handle();
    let canary = engine.run(&["--label", "stead.canary=true"], &[]);
    let suspended = engine.run(&["--stop-timeout", "1"], &[]);
    let mut seen = Seen::watch(&docker);
    seen.synced().await;
    docker
        .kill_canary(&canary.named(), &canary.id(), SOON)
        .await;
    docker.stop(&suspended.named(), &suspended.id(), SOON).await;
    for (container, code) in [(&canary, 137), (&suspended, 143)] {
        let name = container.named();
        let ended = |seen: &Seen| {
            seen.container(&name)
                .filter(|c| c.state == ContainerState::Exited)
                .cloned()
        };
        let facts = seen.until("it ended", SOON, ended).await;
        assert!(!facts.stopped_by_person, "{facts:?}");
        assert_eq!(facts.exit_code, Some(code), "killed, and asked to end");
    }
}
