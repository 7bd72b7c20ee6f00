mod slow;

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use stead_core::command::{Command, Order};
use stead_core::facts::{
    ContainerFacts, ContainerState, Fact, FactKey, SourceFacts, SourceKind, SourceState,
};
use stead_core::time::Time;
use stead_ports::clock::SystemClock;
use stead_ports::disk::RealDisk;
use stead_protocol::agent::{Frame, FrameBody};
use tempfile::TempDir;
use tokio::sync::Notify;

use super::*;
use crate::board::Next;
use crate::spool::{self, Position, Spool};

const ID: &str = "aa";

/// A machine with containers whose restarts are counted, and whose watch tells of them a little later.
#[derive(Debug)]
struct Fake {
    board: Board,
    restarts: AtomicUsize,
    under_way: AtomicUsize,
    most: AtomicUsize,
    /// Each effect waits for this, where there is one.
    gate: Option<Arc<Notify>>,
}

fn container(started: i64) -> Fact {
    Fact::Container(ContainerFacts {
        id: ID.into(),
        state: ContainerState::Running,
        started_at: Some(Time(started)),
        ..Default::default()
    })
}

#[async_trait]
impl Hands for Fake {
    async fn carry_out(&self, order: &Order, _: Duration) -> Outcome {
        let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        if let Some(gate) = &self.gate {
            gate.notified().await;
        }
        let n = self.restarts.fetch_add(1, Ordering::SeqCst) + 1;
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        if let Command::ContainerRestart {
            container: name, ..
        } = &order.command
        {
            let (board, name) = (self.board.clone(), name.clone());
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(50)).await;
                board.apply(vec![(
                    FactKey::Container(name),
                    Some(container(1000 + n as i64)),
                )]);
            });
        }
        Outcome::Done {
            output: format!("restart {n}"),
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

struct Node {
    dir: TempDir,
    board: Board,
    fake: Arc<Fake>,
    desk: Desk,
}

fn node_in(dir: TempDir, gate: Option<Arc<Notify>>, read_only: bool) -> Node {
    let (spool, _) = Spool::open(
        Arc::new(RealDisk),
        &dir.path().join("spool"),
        spool::Options::default(),
        "b",
        [1; 16],
    )
    .expect("spool");
    let (journal, _) =
        Journal::open(Arc::new(RealDisk), &dir.path().join("journal")).expect("journal");
    let board = Board::new(spool, Arc::new(SystemClock::new()));
    let up = SourceFacts {
        state: SourceState::Up,
        version: String::new(),
        detail: String::new(),
    };
    let mut seen = vec![(FactKey::Source(SourceKind::Docker), Some(Fact::Source(up)))];
    for n in 0..9 {
        let name = format!("c{n}").parse().expect("name");
        seen.push((FactKey::Container(name), Some(container(1))));
    }
    board.apply(seen);
    board.set_ready();
    let fake = Arc::new(Fake {
        board: board.clone(),
        restarts: AtomicUsize::new(0),
        under_way: AtomicUsize::new(0),
        most: AtomicUsize::new(0),
        gate,
    });
    let rules = Rules {
        node: "piha".parse().expect("name"),
        read_only,
    };
    let desk = Desk::new(
        rules,
        journal,
        board.clone(),
        fake.clone(),
        Arc::new(SystemClock::new()),
    );
    Node {
        dir,
        board,
        fake,
        desk,
    }
}

fn node() -> Node {
    node_in(tempfile::tempdir().expect("dir"), None, false)
}

fn order(container: usize, occurrence: u32, token: u64) -> Order {
    Order {
        action: format!("container-restart-piha-c{container}"),
        occurrence,
        step: 0,
        attempt: 1,
        token,
        epoch: 0,
        lease_ms: 90_000,
        timeout_ms: 60_000,
        target: format!("container/piha/c{container}")
            .parse()
            .expect("subject"),
        automatic: true,
        per_hour: 3,
        command: Command::ContainerRestart {
            container: format!("c{container}").parse().expect("name"),
            id: ID.into(),
        },
    }
}

fn frames(board: &Board) -> Vec<Frame> {
    let (mut position, mut text) = (Position::after(0), Vec::new());
    while let Next::Lines(lines) = board.next(&mut position, &mut false, true) {
        text.extend_from_slice(&lines);
    }
    let text = String::from_utf8(text).expect("text");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a frame"))
        .collect()
}

fn results(board: &Board) -> Vec<(u32, Outcome)> {
    let result = |frame: Frame| match frame.body {
        FrameBody::Result {
            occurrence,
            outcome,
            ..
        } => Some((occurrence, outcome)),
        _ => None,
    };
    frames(board).into_iter().filter_map(result).collect()
}

async fn until(
    board: &Board,
    what: &str,
    done: impl Fn(&[(u32, Outcome)]) -> bool,
) -> Vec<(u32, Outcome)> {
    let mut news = board.news();
    let wait = async {
        loop {
            news.borrow_and_update();
            let results = results(board);
            if done(&results) {
                return results;
            }
            news.changed().await.expect("the board lives");
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait)
        .await
        .unwrap_or_else(|_| panic!("{what}: {:?}", results(board)))
}

/// Until an effect is under way.
async fn begun(node: &Node) {
    let wait = async {
        while node.fake.under_way.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait)
        .await
        .expect("an effect begins");
}

/// Until no order waits or is under way.
async fn idle(desk: &Desk, what: &str) {
    let wait = async {
        while !desk.queue().keys.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait)
        .await
        .expect(what);
}

fn code(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Refused { code, .. } | Outcome::Failed { code, .. } => code,
        Outcome::Done { .. } => "done",
        Outcome::Unknown { .. } => "unknown",
    }
}

#[tokio::test]
async fn a_repeated_order_gets_its_first_result_and_has_one_effect() {
    let node = node();
    assert_eq!(node.desk.submit(order(0, 1, 5)), Submitted::Accepted);
    assert_eq!(node.desk.submit(order(0, 1, 5)), Submitted::Joined);
    let first = until(&node.board, "a result", |r| !r.is_empty()).await;
    let again = Order {
        token: 9,
        ..order(0, 1, 5)
    };
    assert_eq!(
        node.desk.submit(again),
        Submitted::Ended(first[0].1.clone())
    );
    let both = until(&node.board, "it again", |r| r.len() == 2).await;
    assert_eq!(both[0], both[1]);
    assert_eq!(node.fake.restarts.load(Ordering::SeqCst), 1);
    // And by the next agent on this disk.
    node.desk.close(Duration::from_secs(5)).await;
    let node = node_in(node.dir, None, false);
    assert_eq!(
        node.desk.submit(order(0, 1, 5)),
        Submitted::Ended(first[0].1.clone())
    );
    assert_eq!(node.fake.restarts.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_shows_the_effect_comes_before_the_result() {
    let node = node();
    node.desk.submit(order(0, 1, 5));
    until(&node.board, "a result", |r| !r.is_empty()).await;
    let frames = frames(&node.board);
    let delta = frames
        .iter()
        .position(|f| matches!(f.body, FrameBody::Delta { .. }))
        .expect("a delta");
    let result = frames
        .iter()
        .position(|f| matches!(f.body, FrameBody::Result { .. }))
        .expect("a result");
    assert!(delta < result, "{frames:?}");
    assert!(frames.is_sorted_by(|a, b| a.cursor < b.cursor));
}

#[tokio::test]
async fn a_stale_token_a_read_only_agent_and_a_foreign_target_are_refused_without_effect() {
    let node = node();
    node.desk.submit(Order {
        automatic: false,
        ..order(0, 1, 50)
    });
    until(&node.board, "a result", |r| r.len() == 1).await;
    node.desk.submit(Order {
        automatic: false,
        ..order(0, 2, 49)
    });
    let results = until(&node.board, "a refusal", |r| r.len() == 2).await;
    assert_eq!(code(&results[1].1), "stale-token");
    let mut other = order(1, 3, 50);
    other.target = "container/piha/c2".parse().expect("subject");
    node.desk.submit(other);
    let results = until(&node.board, "a refusal", |r| r.len() == 3).await;
    assert_eq!(code(&results[2].1), "wrong-target");
    assert_eq!(node.fake.restarts.load(Ordering::SeqCst), 1);
    node.desk.set_read_only(true);
    node.desk.submit(order(3, 4, 50));
    let results = until(&node.board, "a refusal", |r| r.len() == 4).await;
    assert_eq!(code(&results[3].1), "read-only");
    assert_eq!(node.fake.restarts.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_highest_token_and_the_count_per_hour_outlive_the_agent() {
    let mut node = node();
    for n in 1..=3 {
        node.desk.submit(order(0, n, u64::from(n)));
        until(&node.board, "a result", |r| r.iter().any(|(o, _)| *o == n)).await;
        node.desk.close(Duration::from_secs(5)).await;
        node = node_in(node.dir, None, false);
    }
    node.desk.submit(order(0, 4, 4));
    let results = until(&node.board, "a refusal", |r| r.iter().any(|(o, _)| *o == 4)).await;
    assert_eq!(
        results.iter().find(|(o, _)| *o == 4).map(|(_, o)| code(o)),
        Some("limit-per-hour")
    );
    let person = Order {
        automatic: false,
        ..order(0, 5, 2)
    };
    node.desk.submit(person);
    let results = until(&node.board, "a refusal", |r| r.iter().any(|(o, _)| *o == 5)).await;
    assert_eq!(
        results.iter().find(|(o, _)| *o == 5).map(|(_, o)| code(o)),
        Some("stale-token")
    );
    assert_eq!(node.fake.restarts.load(Ordering::SeqCst), 0);
}

/// F6: the agent was stopped past the lease's end and then continued.
#[tokio::test]
async fn an_order_whose_lease_ended_while_it_waited_is_refused() {
    let gate = Arc::new(Notify::new());
    let node = node_in(tempfile::tempdir().expect("dir"), Some(gate.clone()), false);
    node.desk.submit(order(0, 1, 5));
    // It came two minutes ago, as far as the steady clock knows, and is behind the first.
    node.desk.submit_at(
        order(0, 2, 5),
        SystemClock::new().up().saturating_sub(120_000),
    );
    gate.notify_one();
    let results = until(&node.board, "both", |r| r.len() == 2).await;
    assert_eq!(
        results.iter().map(|(_, o)| code(o)).collect::<Vec<_>>(),
        ["done", "lease-expired"]
    );
    assert_eq!(node.fake.restarts.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_newer_holder_of_the_lease_makes_a_waiting_order_stale() {
    let gate = Arc::new(Notify::new());
    let node = node_in(tempfile::tempdir().expect("dir"), Some(gate.clone()), false);
    node.desk.submit(order(0, 1, 5));
    begun(&node).await;
    node.desk.submit(order(0, 2, 6));
    node.desk.submit(order(0, 3, 7));
    gate.notify_one();
    let results = until(&node.board, "two", |r| r.len() == 2).await;
    assert_eq!(
        results.iter().map(|(_, o)| code(o)).collect::<Vec<_>>(),
        ["done", "stale-token"]
    );
    gate.notify_one();
    let results = until(&node.board, "three", |r| r.len() == 3).await;
    assert_eq!(code(&results[2].1), "done");
}

fn led(epoch: u64, order: Order) -> Order {
    Order { epoch, ..order }
}

/// F6, F8: what a server that was deposed still had under way.
#[tokio::test]
async fn a_delayed_order_of_a_deposed_server_is_not_taken_even_for_a_target_nobody_touched() {
    let node = node();
    node.desk.heed(7).await.expect("a leader");
    node.desk.heed(9).await.expect("the next one");
    assert_eq!(
        node.desk.heed(8).await.expect_err("deposed").code,
        "stale-epoch"
    );
    for epoch in [0, 7, 8] {
        let submitted = node.desk.submit(led(epoch, order(3, 1, 50)));
        assert!(matches!(submitted, Submitted::Stale(_)), "{submitted:?}");
    }
    node.desk.close(Duration::from_secs(5)).await;
    let node = node_in(node.dir, None, false);
    let submitted = node.desk.submit(led(8, order(3, 1, 50)));
    assert!(
        matches!(submitted, Submitted::Stale(_)),
        "it outlives the agent: {submitted:?}"
    );
    assert_eq!(
        node.desk.submit(led(9, order(3, 1, 50))),
        Submitted::Accepted
    );
    let results = until(&node.board, "a result", |r| !r.is_empty()).await;
    assert_eq!(code(&results[0].1), "done");
    assert_eq!(node.fake.restarts.load(Ordering::SeqCst), 1);
    assert_eq!(results.len(), 1, "nothing was said about the others");
}

#[tokio::test]
async fn an_order_that_waits_while_the_lead_changes_is_carried_out_once_for_the_new_leader() {
    let gate = Arc::new(Notify::new());
    let node = node_in(tempfile::tempdir().expect("dir"), Some(gate.clone()), false);
    node.desk.submit(led(7, order(0, 1, 5)));
    begun(&node).await;
    node.desk.submit(led(7, order(0, 2, 6)));
    node.desk.submit(led(7, order(0, 3, 6)));
    node.desk.heed(8).await.expect("the next leader");
    // It finds the second one in its log and gives it again; of the third it knows that it was cancelled.
    assert_eq!(node.desk.submit(led(8, order(0, 2, 6))), Submitted::Joined);
    gate.notify_one();
    until(&node.board, "the first", |r| r.len() == 1).await;
    begun(&node).await;
    gate.notify_one();
    let results = until(&node.board, "the second", |r| r.len() == 2).await;
    let ended: Vec<_> = results.iter().map(|(o, r)| (*o, code(r))).collect();
    assert_eq!(ended, [(1, "done"), (2, "done")]);
    idle(&node.desk, "the third is dropped").await;
    // The third was dropped without a word, and would be carried out for who leads now.
    assert_eq!(
        node.desk.submit(led(8, order(0, 3, 6))),
        Submitted::Accepted
    );
    begun(&node).await;
    gate.notify_one();
    until(&node.board, "the third", |r| r.len() == 3).await;
    assert_eq!(node.fake.restarts.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn one_order_at_a_time_per_target_and_four_in_all() {
    let gate = Arc::new(Notify::new());
    let node = node_in(tempfile::tempdir().expect("dir"), Some(gate.clone()), false);
    for n in 0..9 {
        assert_eq!(node.desk.submit(order(n, 1, 5)), Submitted::Accepted);
        assert_eq!(node.desk.submit(order(n, 2, 5)), Submitted::Accepted);
    }
    for done in 1..=18 {
        begun(&node).await;
        gate.notify_one();
        until(&node.board, "the next", |r| r.len() >= done).await;
    }
    assert!(node.fake.most.load(Ordering::SeqCst) <= AT_ONCE);
    assert!(
        node.fake.most.load(Ordering::SeqCst) > 1,
        "different targets do not wait for each other"
    );
    assert_eq!(node.fake.restarts.load(Ordering::SeqCst), 18);
}

#[tokio::test]
async fn more_than_the_bound_is_not_taken() {
    let gate = Arc::new(Notify::new());
    let node = node_in(tempfile::tempdir().expect("dir"), Some(gate), false);
    for n in 0..WAITING as u32 {
        assert_eq!(node.desk.submit(order(0, n, 5)), Submitted::Accepted);
    }
    assert_eq!(node.desk.submit(order(0, 1000, 5)), Submitted::Full);
}

async fn cut_short(dir: &TempDir, order: &Order) {
    let (journal, _) =
        Journal::open(Arc::new(RealDisk), &dir.path().join("journal")).expect("journal");
    let evidence = Evidence {
        containers: [("c0".parse().expect("name"), (ID.to_owned(), Some(Time(1))))].into(),
        unit: None,
    };
    let stamp = Stamp::of(&SystemClock::new());
    let intent = Intent {
        order: order.clone(),
        evidence,
        stamp: stamp.clone(),
    };
    journal
        .write(Entry::Intent(Box::new(intent)), &stamp)
        .await
        .expect("write");
}

/// F18: crash between effect and record.
#[tokio::test]
async fn an_effect_that_is_seen_after_a_crash_is_done_and_not_done_again() {
    let dir = tempfile::tempdir().expect("dir");
    cut_short(&dir, &order(0, 1, 5)).await;
    let node = node_in(dir, None, false);
    assert_eq!(node.desk.recover(), 1);
    assert_eq!(node.desk.submit(order(0, 1, 5)), Submitted::Joined);
    node.board.apply(vec![(
        FactKey::Container("c0".parse().expect("name")),
        Some(container(9)),
    )]);
    let results = until(&node.board, "a result", |r| !r.is_empty()).await;
    assert_eq!(code(&results[0].1), "done");
    assert_eq!(node.fake.restarts.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_never_happened_is_carried_out_once_when_it_is_ordered_again() {
    let dir = tempfile::tempdir().expect("dir");
    cut_short(&dir, &order(0, 1, 5)).await;
    let node = node_in(dir, None, false);
    node.desk.recover();
    assert_eq!(node.desk.submit(order(0, 1, 5)), Submitted::Joined);
    let results = until(&node.board, "a result", |r| !r.is_empty()).await;
    assert_eq!(code(&results[0].1), "done");
    assert_eq!(node.fake.restarts.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn nothing_is_repeated_that_nobody_orders_again_and_other_orders_of_the_target_wait() {
    let dir = tempfile::tempdir().expect("dir");
    cut_short(&dir, &order(0, 1, 5)).await;
    let node = node_in(dir, None, false);
    node.desk.recover();
    assert_eq!(node.desk.submit(order(0, 2, 5)), Submitted::Accepted);
    assert_eq!(node.fake.restarts.load(Ordering::SeqCst), 0);
    let results = until(&node.board, "a result", |r| !r.is_empty()).await;
    assert_eq!((results[0].0, code(&results[0].1)), (2, "done"));
    assert_eq!(node.fake.restarts.load(Ordering::SeqCst), 1);
}
