//! The control loop on a log that breaks on request.

mod notify;
mod schedule;

use std::sync::Arc;
use std::time::Duration;

use stead_core::action::Principal;
use stead_core::controller::{Change, Command, Effect, ForeignEvent, Input};
use stead_core::desired::{Fleet, Node, Patience, Service, ServiceKind};
use stead_core::event::{DesiredLoaded, Kind, Source};
use stead_core::facts::{
    ContainerFacts, ContainerState, Fact, FactKey, Facts, Health, HostFacts, SourceFacts,
    SourceKind, SourceState,
};
use stead_core::time::Time;
use stead_engine::{Engine, Error, Handle, LOG_FULL, Options, compact, replay, world_digest};
use stead_ports::clock::SystemClock;
use stead_ports::log::memory::{Boundary, Disk, Fault, Faults, MemoryLog};
use stead_ports::log::{self, EventLog};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

struct Running {
    handle: Handle,
    effects: UnboundedReceiver<Effect>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), log::Error>>,
    log: Arc<dyn EventLog>,
}

fn open(disk: &Disk, faults: &Faults) -> Arc<dyn EventLog> {
    Arc::new(MemoryLog::open(disk, faults).expect("a sound log"))
}

async fn start(log: Arc<dyn EventLog>) -> Running {
    let head = log.head().await.expect("a head");
    let world = replay(&*log, true).await.expect("a world").world;
    let (engine, handle, effects) = Engine::new(
        Arc::clone(&log),
        Arc::new(SystemClock::new()),
        &head.log_id,
        world,
        Options::default(),
    );
    let stop = CancellationToken::new();
    let task = tokio::spawn(engine.run(stop.clone()));
    Running {
        handle,
        effects,
        stop,
        task,
        log,
    }
}

fn name<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().expect("a name")
}

fn fleet() -> Arc<Fleet> {
    let kind = ServiceKind::Container {
        container: name("z2m"),
        definition: None,
    };
    let service = Service {
        kind,
        monitor: true,
        suspended: false,
        needs: vec![],
        patience: Patience::default(),
        checks: vec![],
    };
    let node = Node {
        services: [(name("z2m"), service)].into(),
        ..Default::default()
    };
    Arc::new(Fleet {
        name: "t".into(),
        nodes: [(name("piha"), node)].into(),
        ..Default::default()
    })
}

fn z2m(health: Health) -> (FactKey, Fact) {
    let facts = ContainerFacts {
        id: "c1".into(),
        state: ContainerState::Running,
        health,
        ..Default::default()
    };
    (FactKey::Container(name("z2m")), Fact::Container(facts))
}

fn snapshot(health: Health, cursor: u64) -> Input {
    let docker = SourceFacts {
        state: SourceState::Up,
        version: String::new(),
        detail: String::new(),
    };
    let facts: Facts = [
        (
            FactKey::Host,
            Fact::Host(HostFacts {
                boot_id: "b".into(),
                ..Default::default()
            }),
        ),
        (FactKey::Source(SourceKind::Docker), Fact::Source(docker)),
        z2m(health),
    ]
    .into();
    Input::Snapshot {
        node: name("piha"),
        at: Time(1),
        facts,
        spool: "s".into(),
        cursor,
        digest: String::new(),
    }
}

fn observed(health: Health, cursor: u64) -> Input {
    let (key, fact) = z2m(health);
    Input::Observed {
        node: name("piha"),
        at: Time(2),
        cursor,
        changes: vec![Change::Seen(key, fact)],
    }
}

/// A level that no action answers.
fn steal(level: stead_core::facts::Level, cursor: u64) -> Input {
    let level = stead_core::facts::LevelFacts {
        level,
        value: 20.0,
        what: "steal".into(),
    };
    Input::Observed {
        node: name("piha"),
        at: Time(2),
        cursor,
        changes: vec![Change::Seen(
            FactKey::Level("steal".into()),
            Fact::Level(level),
        )],
    }
}

fn remark(n: u64) -> ForeignEvent {
    ForeignEvent {
        id: format!("x{n}"),
        at: Time(3),
        subject: name("node/piha"),
        kind: Kind::new("remark").expect("a kind"),
        severity: None,
        data: serde_json::json!({ "n": n }),
        source: Source::Inbox,
    }
}

const ID: &str = "container-restart-piha-z2m";

async fn with_pending(log: Arc<dyn EventLog>) -> Running {
    let running = start(log).await;
    let loaded = DesiredLoaded {
        origin: "test".into(),
        ..Default::default()
    };
    running
        .handle
        .desired(loaded, fleet())
        .await
        .expect("loaded");
    running
        .handle
        .submit(snapshot(Health::Healthy, 1))
        .await
        .expect("taken");
    running
        .handle
        .submit(observed(Health::Unhealthy, 2))
        .await
        .expect("taken");
    assert!(
        running
            .handle
            .read(|v| v.world().actions.by_id(ID).is_some())
    );
    running
}

#[tokio::test]
async fn an_approval_leads_to_an_order_and_both_are_durable_first() {
    let (disk, faults) = (Disk::default(), Faults::default());
    let mut running = with_pending(open(&disk, &faults)).await;
    let by = Principal::User("anna".into());
    let reply = running
        .handle
        .command(Command::Approve {
            id: ID.into(),
            digest: None,
            by,
            note: None,
        })
        .await;
    assert_eq!(reply.expect("approved").id(), ID);
    let order = loop {
        match running.effects.recv().await.expect("an effect") {
            Effect::Order { order, .. } => break order,
            Effect::Bundle { .. } | Effect::Message { .. } => {}
        }
    };
    let replayed = replay(&*running.log, false).await.expect("a world").world;
    let action = replayed.actions.by_id(ID).expect("the action");
    assert_eq!(
        action.token.0, order.token,
        "the intent was in the log before the order left"
    );
}

#[tokio::test]
async fn a_restart_gives_the_same_world_and_the_same_action() {
    let (disk, faults) = (Disk::default(), Faults::default());
    let running = with_pending(open(&disk, &faults)).await;
    running.stop.cancel();
    running.task.await.expect("joined").expect("stopped well");
    drop((running.handle, running.log));
    let log = open(&disk, &faults);
    let cached = replay(&*log, true).await.expect("a world");
    let folded = replay(&*log, false).await.expect("a world");
    assert_eq!(cached.folded, 0, "the snapshot covers everything");
    assert_eq!(world_digest(&cached.world), world_digest(&folded.world));
    assert_eq!(cached.world.actions.open.len(), 1);
    let again = start(log).await;
    again
        .handle
        .submit(snapshot(Health::Unhealthy, 3))
        .await
        .expect("taken");
    let open: Vec<String> = again.handle.read(|v| {
        v.world()
            .actions
            .open
            .values()
            .map(stead_core::action::Action::label)
            .collect()
    });
    assert_eq!(open, [ID], "the same drift never makes two open actions");
}

#[tokio::test]
async fn f1_a_crash_at_any_boundary_loses_nothing_acknowledged_and_doubles_nothing() {
    let boundaries = [
        Boundary::BeforeWrite,
        Boundary::TornWrite(20),
        Boundary::BeforeSync,
        Boundary::BeforeAcknowledge,
    ];
    for boundary in boundaries {
        for power_cut in [false, true] {
            let (disk, faults) = (Disk::default(), Faults::default());
            let running = start(open(&disk, &faults)).await;
            let mut acknowledged = Vec::new();
            for n in 0..20 {
                if n == 10 {
                    faults.arm(Fault::Crash(boundary));
                }
                if running.handle.foreign(remark(n)).await.is_ok() {
                    acknowledged.push(n);
                }
            }
            assert!(
                running.task.await.expect("joined").is_err(),
                "it does not go on after a failed write"
            );
            drop((running.handle, running.log));
            if power_cut {
                disk.cut_power(0);
            }
            let again = start(open(&disk, &faults)).await;
            for n in 0..20 {
                let recorded = again.handle.foreign(remark(n)).await.expect("recorded");
                assert!(
                    !(acknowledged.contains(&n) && recorded.new),
                    "{boundary:?}: {n} was acknowledged and lost"
                );
            }
            let filter = log::Filter {
                kinds: vec!["remark".into()],
                limit: 100,
                ..Default::default()
            };
            assert_eq!(
                again.log.query(filter).await.expect("found").len(),
                20,
                "{boundary:?}: each once"
            );
        }
    }
}

#[tokio::test]
async fn f2_a_failed_sync_stops_the_engine_and_acknowledges_nothing() {
    let (disk, faults) = (Disk::default(), Faults::default());
    let running = start(open(&disk, &faults)).await;
    running.handle.foreign(remark(1)).await.expect("recorded");
    faults.arm(Fault::SyncError);
    assert!(running.handle.foreign(remark(2)).await.is_err());
    assert!(matches!(
        running.task.await.expect("joined"),
        Err(log::Error::Fatal(_))
    ));
    assert!(matches!(
        running.handle.foreign(remark(3)).await,
        Err(Error::Stopped | Error::Storage(_))
    ));
}

#[tokio::test(start_paused = true)]
async fn f3_while_the_disk_is_full_reads_live_on_and_then_it_goes_on() {
    let (disk, faults) = (Disk::default(), Faults::default());
    let mut running = with_pending(open(&disk, &faults)).await;
    while running.effects.try_recv().is_ok() {}
    faults.set_full(true);
    let by = Principal::User("anna".into());
    let approve = Command::Approve {
        id: ID.into(),
        digest: None,
        by,
        note: None,
    };
    let waiting = running
        .handle
        .send(Input::Command(approve))
        .await
        .expect("queued");
    while running.handle.read(|v| v.troubles().next().is_none()) {
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    assert!(
        running
            .handle
            .read(|v| v.troubles().any(|t| t.code == LOG_FULL))
    );
    assert!(
        matches!(
            running.handle.foreign(remark(1)).await,
            Err(Error::Storage(_))
        ),
        "said, not swallowed"
    );
    assert!(
        running.effects.try_recv().is_err(),
        "no effect leaves before its intent is durable"
    );
    assert_eq!(
        running.handle.read(|v| v.world().nodes.len()),
        1,
        "reads live on"
    );
    faults.set_full(false);
    waiting
        .await
        .expect("answered")
        .reply
        .expect("a reply")
        .expect("approved");
    assert!(running.handle.read(|v| v.troubles().next().is_none()));
    assert!(matches!(
        running.effects.recv().await,
        Some(Effect::Order { .. })
    ));
    running.handle.foreign(remark(1)).await.expect("recorded");
}

#[tokio::test]
async fn what_an_agent_says_again_is_recorded_once() {
    let (disk, faults) = (Disk::default(), Faults::default());
    let running = with_pending(open(&disk, &faults)).await;
    let head = running.log.head().await.expect("a head").seq;
    // The link broke before the acknowledgement: the spool gives it all again.
    running
        .handle
        .submit(observed(Health::Healthy, 1))
        .await
        .expect("taken");
    running
        .handle
        .submit(observed(Health::Unhealthy, 2))
        .await
        .expect("taken");
    assert_eq!(running.log.head().await.expect("a head").seq, head);
}

#[tokio::test]
async fn compaction_keeps_the_world_and_the_audit_trail() {
    let (disk, faults) = (Disk::default(), Faults::default());
    let running = with_pending(open(&disk, &faults)).await;
    for n in 0..50 {
        running.handle.foreign(remark(n)).await.expect("recorded");
    }
    running.stop.cancel();
    running.task.await.expect("joined").expect("stopped well");
    drop((running.handle, running.log));
    let log = open(&disk, &faults);
    let before = world_digest(&replay(&*log, false).await.expect("a world").world);
    let done = compact(&*log, Time(i64::MAX))
        .await
        .expect("compacted")
        .expect("something was old enough");
    assert!(done.removed >= 50);
    assert_eq!(
        world_digest(&replay(&*log, false).await.expect("a world").world),
        before
    );
    let filter = log::Filter {
        kinds: vec!["action_proposed".into()],
        limit: 10,
        ..Default::default()
    };
    assert_eq!(
        log.query(filter).await.expect("found").len(),
        1,
        "who proposed what is never forgotten"
    );
    log.verify().await.expect("still sound");
}

async fn leading(log: &Arc<dyn EventLog>) -> Running {
    let clock = Arc::new(SystemClock::new());
    let stop = CancellationToken::new();
    let lead = stead_engine::lead(&**log, clock.clone(), "test", &stop)
        .await
        .expect("the log works")
        .expect("nobody stops it");
    let head = log.head().await.expect("a head");
    let world = replay(&**log, true).await.expect("a world").world;
    let options = Options::default();
    let (engine, handle, effects) =
        Engine::new(Arc::clone(log), clock, &head.log_id, world, options);
    let task = tokio::spawn(engine.leading(lead).run(stop.clone()));
    Running {
        handle,
        effects,
        stop,
        task,
        log: Arc::clone(log),
    }
}

#[tokio::test]
async fn a_leader_says_so_in_the_log_and_gives_the_lead_back_when_it_stops() {
    let (disk, faults) = (Disk::default(), Faults::default());
    let mut epochs = Vec::new();
    for n in 0..3 {
        let log = open(&disk, &faults);
        let running = leading(&log).await;
        running.handle.foreign(remark(n)).await.expect("recorded");
        epochs.push(running.handle.read(|v| v.world().epoch));
        running.stop.cancel();
        running.task.await.expect("joined").expect("stopped well");
        let lease = open(&disk, &faults).lease().await.expect("a lease");
        assert!(lease.is_free() && Some(&lease.epoch) == epochs.last());
    }
    assert!(epochs.is_sorted_by(|a, b| a < b), "{epochs:?}");
}

#[tokio::test(start_paused = true)]
async fn f03_a_start_on_a_full_disk_shows_what_is_known_and_leads_when_there_is_room() {
    let (disk, faults) = (Disk::default(), Faults::default());
    let before = with_pending(open(&disk, &faults)).await;
    before.stop.cancel();
    before.task.await.expect("joined").expect("stopped well");
    faults.set_full(true);
    let log = open(&disk, &faults);
    let running = leading(&log).await;
    while running.handle.read(|v| v.troubles().next().is_none()) {
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    assert_eq!(running.handle.read(|v| v.world().actions.open.len()), 1);
    assert_eq!(log.lease().await.expect("a lease").epoch, 0);
    faults.set_full(false);
    let recorded = running.handle.send(Input::Foreign(remark(1))).await;
    recorded.expect("queued").await.expect("recorded");
    assert!(
        running
            .handle
            .read(|v| v.world().epoch > 0 && v.troubles().next().is_none())
    );
}
