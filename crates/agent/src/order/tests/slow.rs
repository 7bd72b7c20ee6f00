//! A disk that takes its time: between the decision to begin and the intent on disk, what allowed it may end.

use std::path::Path;

use stead_ports::clock::ManualClock;
use stead_ports::disk::{HeldDisk, Hold, MemoryDisk};

use super::*;

/// Syncs only as often as it is let.
#[derive(Debug)]
struct Lets {
    waiting: AtomicUsize,
    lets: Semaphore,
}

#[async_trait]
impl Hold for Lets {
    async fn before(&self) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.lets.acquire().await.expect("it is open").forget();
    }
}

type SlowDisk = HeldDisk<Lets>;

struct Slow {
    disk: Arc<SlowDisk>,
    clock: Arc<ManualClock>,
    board: Board,
    fake: Arc<Fake>,
    desk: Desk,
}

fn slow() -> Slow {
    let disk = Arc::new(SlowDisk {
        inner: MemoryDisk::new().mount(),
        hold: Lets {
            waiting: AtomicUsize::new(0),
            lets: Semaphore::new(0),
        },
    });
    let clock = Arc::new(ManualClock::at(Time(1_795_000_000_000)));
    let (spool, _) = Spool::open(
        MemoryDisk::new().mount(),
        Path::new("/spool"),
        spool::Options::default(),
        "b",
        [1; 16],
    )
    .expect("spool");
    let (journal, _) =
        Journal::open(Arc::<SlowDisk>::clone(&disk), Path::new("/journal")).expect("journal");
    let board = Board::new(spool, Arc::<ManualClock>::clone(&clock));
    board.set_ready();
    let fake = Arc::new(Fake {
        board: board.clone(),
        restarts: AtomicUsize::new(0),
        under_way: AtomicUsize::new(0),
        most: AtomicUsize::new(0),
        gate: None,
    });
    let rules = Rules {
        node: "piha".parse().expect("name"),
        read_only: false,
    };
    let desk = Desk::new(
        rules,
        journal,
        board.clone(),
        Arc::<Fake>::clone(&fake),
        Arc::<ManualClock>::clone(&clock),
    );
    Slow {
        disk,
        clock,
        board,
        fake,
        desk,
    }
}

impl Slow {
    /// Until the disk has been asked to sync this often.
    async fn asked(&self, times: usize) {
        let wait = async {
            while self.disk.hold.waiting.load(Ordering::SeqCst) < times {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), wait)
            .await
            .expect("the disk is asked");
    }

    fn effects(&self) -> usize {
        self.fake.restarts.load(Ordering::SeqCst)
    }
}

/// F6: the disk held the intent past the end of the lease.
#[tokio::test]
async fn an_order_whose_lease_ends_while_its_intent_is_written_does_not_begin_and_counts_as_no_repair()
 {
    let slow = slow();
    let once = |occurrence, token| Order {
        per_hour: 1,
        ..order(0, occurrence, token)
    };
    slow.desk.submit(once(1, 5));
    slow.asked(1).await;
    slow.clock.advance(Duration::from_secs(91));
    slow.disk.hold.lets.add_permits(100);
    let results = until(&slow.board, "the first", |r| r.len() == 1).await;
    assert_eq!(code(&results[0].1), "lease-expired");
    assert_eq!(slow.effects(), 0);
    slow.desk.submit(once(2, 6));
    let results = until(&slow.board, "the second", |r| r.len() == 2).await;
    assert_eq!(code(&results[1].1), "done", "the hour's one repair is left");
}

/// F6, F8: another server took the lead while the disk held the intent.
#[tokio::test]
async fn an_order_of_a_server_deposed_while_its_intent_is_written_begins_only_when_the_new_one_gives_it()
 {
    let slow = slow();
    slow.desk.submit(led(7, order(0, 1, 5)));
    slow.asked(1).await;
    slow.desk.submit(led(8, order(1, 1, 5)));
    slow.disk.hold.lets.add_permits(100);
    let results = until(&slow.board, "the new leader's own", |r| r.len() == 1).await;
    assert_eq!(code(&results[0].1), "done");
    idle(&slow.desk, "the old order is dropped").await;
    assert_eq!(slow.effects(), 1, "the old order had no effect");
    assert_eq!(
        slow.desk.submit(led(8, order(0, 1, 5))),
        Submitted::Accepted
    );
    until(&slow.board, "given again", |r| r.len() == 2).await;
    assert_eq!(slow.effects(), 2);
}

/// The same, and the new leader gives it again before the disk is done: it goes on, once.
#[tokio::test]
async fn an_order_given_again_by_the_new_leader_while_its_intent_is_written_begins_once() {
    let slow = slow();
    slow.desk.submit(led(7, order(0, 1, 5)));
    slow.asked(1).await;
    assert_eq!(slow.desk.submit(led(8, order(0, 1, 5))), Submitted::Joined);
    slow.disk.hold.lets.add_permits(100);
    let results = until(&slow.board, "its result", |r| r.len() == 1).await;
    assert_eq!(code(&results[0].1), "done");
    assert_eq!(slow.effects(), 1);
}
