//! Two servers on one event log, and a real desk that carries out what it is told.
//!
//! The first server is stopped as SIGSTOP stops one: its runtime is not driven, while the log, the clock and everybody
//! else go on. Later it is continued in the middle of what it believed.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use stead_agent::board::{Board, Next};
use stead_agent::journal::Journal;
use stead_agent::journal::ledger::Rules;
use stead_agent::order::hands::Hands;
use stead_agent::order::{Desk, Submitted};
use stead_agent::spool::{self, Position, Spool};
use stead_core::action::Principal;
use stead_core::command::{Command, Order, Outcome};
use stead_core::controller::{self, Effect, ForeignEvent, Input};
use stead_core::desired::{Fleet, Node, Patience, Service, ServiceKind};
use stead_core::event::{DesiredLoaded, Kind, Source};
use stead_core::facts::{
    ContainerFacts, ContainerState, Fact, FactKey, Health, HostFacts, SourceFacts, SourceKind,
    SourceState,
};
use stead_core::time::{Span, Time};
use stead_engine::{Engine, Handle, Options, lead, replay};
use stead_ports::clock::{Clock, ManualClock};
use stead_ports::disk::RealDisk;
use stead_ports::log::memory::{Disk, Faults, MemoryLog};
use stead_ports::log::{self, EventLog};
use stead_protocol::agent::{Frame, FrameBody};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const ID: &str = "container-restart-piha-z2m";

/// One server on a runtime of its own: it runs only while something waits in [`Server::run`].
struct Server {
    runtime: Runtime,
    log: Arc<dyn EventLog>,
    handle: Handle,
    effects: UnboundedReceiver<Effect>,
    task: Option<JoinHandle<Result<(), log::Error>>>,
}

impl Server {
    /// Waits for the lead, then replays, then decides, as `stead server` does.
    fn start(disk: &Disk, clock: &Arc<ManualClock>, holder: &str) -> Server {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let log: Arc<dyn EventLog> =
            Arc::new(MemoryLog::open(disk, &Faults::default()).expect("a sound log"));
        let (handle, effects, task) = runtime.block_on(async {
            let time: Arc<dyn Clock> = Arc::clone(clock) as _;
            let stop = CancellationToken::new();
            let leads = lead(&*log, Arc::clone(&time), holder, &stop);
            let passes = async {
                loop {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    clock.advance(Duration::from_secs(1));
                }
            };
            let lead = tokio::select! {
                lead = leads => lead.expect("the log works").expect("nobody stops it"),
                () = passes => unreachable!("time never ends"),
            };
            let head = log.head().await.expect("a head");
            let world = replay(&*log, true).await.expect("a world").world;
            let options = Options::default();
            let (engine, handle, effects) =
                Engine::new(Arc::clone(&log), time, &head.log_id, world, options);
            let task = tokio::spawn(engine.leading(lead).run(stop));
            (handle, effects, task)
        });
        Server {
            runtime,
            log,
            handle,
            effects,
            task: Some(task),
        }
    }

    fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    fn order(&mut self) -> Order {
        let Server {
            runtime, effects, ..
        } = self;
        runtime.block_on(async {
            loop {
                if let Effect::Order { order, .. } = effects.recv().await.expect("an effect") {
                    return *order;
                }
            }
        })
    }
}

/// Hands that count.
#[derive(Debug, Default)]
struct Counter(AtomicUsize);

#[async_trait]
impl Hands for Counter {
    async fn carry_out(&self, _: &Order, _: Duration) -> Outcome {
        self.0.fetch_add(1, Ordering::SeqCst);
        Outcome::Done {
            output: String::new(),
            freed: None,
        }
    }
    async fn look_again(&self, _: &Command) {}
    async fn quiet(&self, _: &Command) -> Duration {
        Duration::ZERO
    }
    fn claim(&self, _: &Command, _: Span) -> Box<dyn Send> {
        Box::new(())
    }
}

fn desk(dir: &Path, clock: &Arc<ManualClock>, hands: &Arc<Counter>) -> (Desk, Board) {
    let disk = || Arc::new(RealDisk);
    let spool = dir.join("spool");
    let (spool, _) =
        Spool::open(disk(), &spool, spool::Options::default(), "b", [1; 16]).expect("a spool");
    let (journal, _) = Journal::open(disk(), &dir.join("journal")).expect("a journal");
    let board = Board::new(spool, Arc::clone(clock) as _);
    board.apply(
        facts(Health::Unhealthy)
            .into_iter()
            .map(|(k, f)| (k, Some(f)))
            .collect(),
    );
    board.set_ready();
    let rules = Rules {
        node: "piha".parse().expect("a name"),
        read_only: false,
    };
    let (hands, clock) = (Arc::clone(hands) as _, Arc::clone(clock) as _);
    (
        Desk::new(rules, journal, board.clone(), hands, clock),
        board,
    )
}

fn facts(health: Health) -> Vec<(FactKey, Fact)> {
    let host = HostFacts {
        boot_id: "b".into(),
        ..Default::default()
    };
    let docker = SourceFacts {
        state: SourceState::Up,
        version: String::new(),
        detail: String::new(),
    };
    let container = ContainerFacts {
        id: "c1".into(),
        state: ContainerState::Running,
        health,
        ..Default::default()
    };
    vec![
        (FactKey::Host, Fact::Host(host)),
        (FactKey::Source(SourceKind::Docker), Fact::Source(docker)),
        (
            FactKey::Container("z2m".parse().expect("a name")),
            Fact::Container(container),
        ),
    ]
}

fn snapshot(health: Health, cursor: u64) -> Input {
    Input::Snapshot {
        node: "piha".parse().expect("a name"),
        at: Time(1),
        facts: facts(health).into_iter().collect(),
        spool: "s".into(),
        cursor,
        digest: String::new(),
    }
}

fn fleet() -> Arc<Fleet> {
    let service = Service {
        kind: ServiceKind::Container {
            container: "z2m".parse().expect("a name"),
            definition: None,
        },
        monitor: true,
        suspended: false,
        needs: vec![],
        patience: Patience::default(),
        checks: vec![],
    };
    let node = Node {
        services: [("z2m".parse().expect("a name"), service)].into(),
        ..Default::default()
    };
    Arc::new(Fleet {
        name: "t".into(),
        nodes: [("piha".parse().expect("a name"), node)].into(),
        ..Default::default()
    })
}

fn remark(id: &str) -> ForeignEvent {
    ForeignEvent {
        id: id.into(),
        at: Time(3),
        subject: "node/piha".parse().expect("a subject"),
        kind: Kind::new("remark").expect("a kind"),
        severity: None,
        data: serde_json::json!({}),
        source: Source::Inbox,
    }
}

fn approve() -> controller::Command {
    controller::Command::Approve {
        id: ID.into(),
        digest: None,
        by: Principal::User("anna".into()),
        note: None,
    }
}

/// How many orders ended, as the stream tells it.
fn ended(board: &Board) -> usize {
    let (mut position, mut lines) = (Position::after(0), Vec::new());
    while let Next::Lines(more) = board.next(&mut position, &mut false, true) {
        lines.extend_from_slice(&more);
    }
    let text = String::from_utf8(lines).expect("text");
    let frames = text
        .lines()
        .map(|line| serde_json::from_str::<Frame>(line).expect("a frame"));
    frames
        .filter(|frame| matches!(frame.body, FrameBody::Result { .. }))
        .count()
}

#[test]
fn f08_two_servers_on_one_store_only_one_decides() {
    let (disk, clock) = (Disk::default(), Arc::new(ManualClock::at(Time(1_000))));
    let dir = tempfile::tempdir().expect("a directory");
    let hands = Arc::new(Counter::default());

    // The first one leads, and an order of its leaves; then it is stopped, with that order on its way.
    let mut first = Server::start(&disk, &clock, "first");
    first.run(async {
        let loaded = DesiredLoaded::default();
        first.handle.desired(loaded, fleet()).await.expect("loaded");
        first
            .handle
            .submit(snapshot(Health::Healthy, 1))
            .await
            .expect("taken");
        first
            .handle
            .submit(snapshot(Health::Unhealthy, 2))
            .await
            .expect("taken");
        first.handle.command(approve()).await.expect("approved");
        first
            .handle
            .foreign(remark("before"))
            .await
            .expect("recorded");
    });
    let delayed = first.order();

    // The second one waits until the lease stood still long enough, knows everything, and gives the order again.
    let mut second = Server::start(&disk, &clock, "second");
    second.run(async {
        let known = second
            .handle
            .foreign(remark("before"))
            .await
            .expect("recorded");
        assert!(!known.new, "what the first one acknowledged is there");
        let linked = Input::Linked {
            node: "piha".parse().expect("a name"),
            spool: "s".into(),
            version: String::new(),
        };
        second.handle.submit(linked).await.expect("taken");
        second
            .handle
            .submit(snapshot(Health::Unhealthy, 3))
            .await
            .expect("taken");
    });
    let again = second.order();
    assert_eq!(delayed.key(), again.key());
    assert!(again.epoch > delayed.epoch && delayed.epoch > 0);
    let (desk, board) = second.run(async {
        let (desk, board) = desk(dir.path(), &clock, &hands);
        // Each request of a server names its epoch.
        desk.heed(again.epoch).await.expect("it leads");
        assert!(matches!(desk.submit(delayed.clone()), Submitted::Stale(_)));
        assert_eq!(desk.submit(again.clone()), Submitted::Accepted);
        let mut news = board.news();
        while ended(&board) == 0 {
            news.changed().await.expect("the board lives");
        }
        (desk, board)
    });

    // The first one goes on as if nothing had been, and nothing of it counts.
    let task = first.task.take().expect("it runs");
    let refused = first.run(async {
        first
            .handle
            .foreign(remark("after"))
            .await
            .expect_err("not acknowledged");
        task.await.expect("no panic")
    });
    let error = refused.expect_err("it stops");
    assert!(matches!(error, log::Error::Fenced { .. }), "{error}");
    second.run(async {
        assert!(matches!(desk.submit(delayed), Submitted::Stale(_)));
        assert!(
            second
                .handle
                .foreign(remark("after"))
                .await
                .expect("recorded")
                .new
        );
        second
            .handle
            .foreign(remark("later"))
            .await
            .expect("recorded");
        let filter = log::Filter {
            kinds: vec!["leader_elected".into(), "remark".into()],
            limit: 99,
            ..Default::default()
        };
        let found = second.log.query(filter).await.expect("found");
        let kinds: Vec<&str> = found.iter().map(|record| record.kind.as_str()).collect();
        let led = "leader_elected";
        assert_eq!(kinds, [led, "remark", led, "remark", "remark"]);
        second.log.verify().await.expect("one whole log");
    });
    assert_eq!(ended(&board), 1);
    assert_eq!(hands.0.load(Ordering::SeqCst), 1, "one order, one effect");
}
