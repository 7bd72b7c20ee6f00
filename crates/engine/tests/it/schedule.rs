//! The calendar turned into commands, on a clock that goes as it is told.

use std::sync::Arc;
use std::time::Duration;

use stead_core::action::{ActionKind, Principal, State};
use stead_core::controller::{Command, Input};
use stead_core::desired::{Days, Drill, Fleet, Maintenance, Node, Window};
use stead_core::event::DesiredLoaded;
use stead_core::facts::{
    ContainerFacts, ContainerState, Fact, FactKey, Facts, HostFacts, SourceFacts, SourceKind,
    SourceState,
};
use stead_core::lock::{Lock, LockKey, LockKind};
use stead_core::subject::Subject;
use stead_core::time::{Span, Time};
use stead_engine::schedule::Schedule;
use stead_engine::{Engine, Handle, Options, replay, zone};
use stead_ports::clock::ManualClock;
use stead_ports::log::memory::{Disk, Faults};
use stead_ports::log::{self, EventLog};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{name, open};

/// An engine in Warsaw.
struct Town {
    clock: Arc<ManualClock>,
    handle: Handle,
    stop: CancellationToken,
    task: JoinHandle<Result<(), log::Error>>,
}

async fn town(log: Arc<dyn EventLog>, at: &str) -> Town {
    let clock = Arc::new(ManualClock::at(time(at)));
    let head = log.head().await.expect("a head");
    let world = replay(&*log, true).await.expect("a world").world;
    let options = Options {
        zone: zone::named("Europe/Warsaw").expect("a zone"),
        ..Options::default()
    };
    let (engine, handle, _effects) = Engine::new(
        Arc::clone(&log),
        clock.clone(),
        &head.log_id,
        world,
        options,
    );
    let stop = CancellationToken::new();
    let task = tokio::spawn(engine.run(stop.clone()));
    Town {
        clock,
        handle,
        stop,
        task,
    }
}

fn time(text: &str) -> Time {
    text.parse().expect("an instant")
}

/// Sundays from 01:00 to 05:00, if there is a `window`.
fn fleet(window: bool) -> Fleet {
    let maintenance = Maintenance {
        days: Days(0b100_0000),
        window: Window { from: 60, to: 300 },
        timezone: None,
    };
    let node = Node {
        maintenance: window.then_some(maintenance).into_iter().collect(),
        ..Node::default()
    };
    Fleet {
        name: "t".into(),
        nodes: [(name("nas"), node)].into(),
        ..Fleet::default()
    }
}

impl Town {
    async fn load(&self, fleet: Fleet) {
        let loaded = DesiredLoaded {
            origin: "test".into(),
            ..Default::default()
        };
        let done = self.handle.desired(loaded, Arc::new(fleet)).await;
        done.expect("loaded");
    }

    fn lock(&self) -> Option<Lock> {
        let key = LockKey {
            target: Subject::Node(name("nas")),
            lock: LockKind::Window,
        };
        self.handle.read(|v| v.world().locks.get(&key).cloned())
    }

    async fn at(&self, schedule: &mut Schedule, at: &str) {
        let by = time(at).since(self.handle.now().at);
        self.clock.advance(Duration::from_millis(by.0));
        self.handle.submit(Input::Tick).await.expect("taken");
        schedule.turn().await;
    }
}

#[tokio::test]
async fn a_window_locks_its_node_from_beginning_to_end_on_the_day_the_clock_is_set_too() {
    let (disk, faults) = (Disk::default(), Faults::default());
    // 2026-10-25: the wall shows 02:00 to 03:00 twice.
    let town = town(open(&disk, &faults), "2026-10-24T22:00:00Z").await;
    town.load(fleet(true)).await;
    let mut schedule = Schedule::new(town.handle.clone());
    schedule.turn().await;
    assert_eq!(town.lock(), None);
    town.at(&mut schedule, "2026-10-24T23:00:00Z").await;
    let lock = town.lock().expect("01:00 in Warsaw");
    assert_eq!(lock.until, time("2026-10-25T04:00:00Z"), "05:00, winter");
    assert_eq!(lock.by, Principal::Files);
    assert_eq!(lock.why, "maintenance window Sun 01:00-05:00");
    let taken = lock.seq;
    town.at(&mut schedule, "2026-10-25T03:59:50Z").await;
    assert_eq!(town.lock().map(|l| l.seq), Some(taken), "taken once");
    town.at(&mut schedule, "2026-10-25T04:00:00Z").await;
    assert_eq!(town.lock(), None, "it ends by itself");
    town.at(&mut schedule, "2026-11-01T00:00:00Z").await;
    let lock = town.lock().expect("the next Sunday");
    assert_eq!(lock.until, time("2026-11-01T04:00:00Z"));
    town.stop.cancel();
}

#[tokio::test]
async fn a_start_inside_a_window_takes_it_and_files_without_it_release_it() {
    let (disk, faults) = (Disk::default(), Faults::default());
    let first = town(open(&disk, &faults), "2026-11-29T02:00:00Z").await;
    first.load(fleet(true)).await;
    let mut schedule = Schedule::new(first.handle.clone());
    schedule.turn().await;
    let taken = first.lock().expect("03:00 in Warsaw").seq;
    // Another server goes on from the log: it knows the lock already.
    first.stop.cancel();
    first.task.await.expect("joined").expect("stopped well");
    drop((first.handle, schedule));
    let again = town(open(&disk, &faults), "2026-11-29T02:10:00Z").await;
    let mut schedule = Schedule::new(again.handle.clone());
    schedule.turn().await;
    assert_eq!(again.lock().map(|l| l.seq), Some(taken));
    again.load(fleet(false)).await;
    schedule.turn().await;
    assert_eq!(again.lock(), None, "the window left the files");
    again.stop.cancel();
}

#[tokio::test]
async fn a_window_that_somebody_released_early_is_not_taken_again() {
    let (disk, faults) = (Disk::default(), Faults::default());
    let town = town(open(&disk, &faults), "2026-11-29T02:00:00Z").await;
    town.load(fleet(true)).await;
    let mut schedule = Schedule::new(town.handle.clone());
    schedule.turn().await;
    let unlock = Command::Unlock {
        target: name("node/nas"),
        lock: None,
        by: Principal::User("anna".into()),
    };
    town.handle.command(unlock).await.expect("released");
    town.at(&mut schedule, "2026-11-29T02:10:00Z").await;
    assert_eq!(town.lock(), None);
    town.at(&mut schedule, "2026-12-06T00:00:00Z").await;
    assert!(town.lock().is_some(), "but a week later");
    town.stop.cancel();
}

#[tokio::test]
async fn a_drill_begins_on_schedule_by_the_schedule() {
    let (disk, faults) = (Disk::default(), Faults::default());
    let town = town(open(&disk, &faults), "2026-11-30T07:59:50Z").await;
    let drill = Drill {
        node: name("nas"),
        image: "app:1".into(),
        command: None,
        schedule: Some("0 9 * * 1".into()),
        within: Span::mins(2),
    };
    let mut fleet = fleet(false);
    let (service, desired) = drill.service().expect("a service");
    let node = fleet.nodes.get_mut("nas").expect("the node");
    node.services.insert(service, desired);
    fleet.drill = Some(drill);
    town.load(fleet).await;
    town.handle.submit(canary_runs()).await.expect("taken");
    let mut schedule = Schedule::new(town.handle.clone());
    assert_eq!(schedule.turn().await, Duration::from_secs(10));
    let drill = || {
        town.handle
            .read(|v| v.world().actions.by_id("drill-nas").cloned())
    };
    assert!(drill().is_none());
    town.at(&mut schedule, "2026-11-30T08:00:00Z").await;
    let action = drill().expect("nine o'clock in Warsaw");
    assert_eq!(action.key.kind, ActionKind::Drill);
    assert_eq!(action.approved_by, Some(Principal::User("schedule".into())));
    assert_eq!(action.state, State::Running);
    town.stop.cancel();
}

fn canary_runs() -> Input {
    let docker = SourceFacts {
        state: SourceState::Up,
        version: String::new(),
        detail: String::new(),
    };
    let canary = ContainerFacts {
        id: "k1".into(),
        image: "app:1".into(),
        state: ContainerState::Running,
        ..Default::default()
    };
    let facts: Facts = [
        (FactKey::Host, Fact::Host(HostFacts::default())),
        (FactKey::Source(SourceKind::Docker), Fact::Source(docker)),
        (
            FactKey::Container(name("stead-canary")),
            Fact::Container(canary),
        ),
    ]
    .into();
    Input::Snapshot {
        node: name("nas"),
        at: Time(1),
        facts,
        spool: "s".into(),
        cursor: 1,
        digest: String::new(),
    }
}
