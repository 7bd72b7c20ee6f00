//! Delivery of messages: tried until taken or given up, and never in anybody's way.

use std::sync::Arc;
use std::time::Duration;

use stead_core::action::Principal;
use stead_core::controller::{Command, Effect, Input};
use stead_core::desired::{Channel, Fleet, Match, Ping, Route, RouteMatch, Rule, Says, Webhook};
use stead_core::event::{DesiredLoaded, Severity};
use stead_core::facts::{Health, Level};
use stead_core::time::Time;
use stead_engine::notify::{self, ATTEMPTS, CHANNEL_SILENT, IN_FLIGHT, Notifier};
use stead_engine::{Engine, Handle, Options, replay};
use stead_ports::clock::ManualClock;
use stead_ports::log::EventLog;
use stead_ports::log::memory::{Disk, Faults};
use stead_ports::notify::memory::{Post, Way};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

struct Office {
    handle: Handle,
    post: Arc<Post>,
    orders: UnboundedReceiver<Effect>,
    stop: CancellationToken,
    engine: JoinHandle<()>,
}

/// Engine and notifier over `log`; in a runtime whose time is paused, all of it moves with that.
async fn open(log: Arc<dyn EventLog>, post: Arc<Post>) -> Office {
    let head = log.head().await.expect("a head");
    let world = replay(&*log, true).await.expect("a world").world;
    let clock = Arc::new(ManualClock::with_timers(Time(1_795_000_000_000)));
    let (engine, handle, effects) =
        Engine::new(log, clock, &head.log_id, world, Options::default());
    let stop = CancellationToken::new();
    let running = engine.run(stop.clone());
    let engine = tokio::spawn(async move {
        running.await.expect("stopped well");
    });
    let (orders, messages) = notify::part(effects);
    let notifier = Notifier::new(handle.clone(), post.clone());
    tokio::spawn(notifier.run(messages, stop.clone()));
    Office {
        handle,
        post,
        orders,
        stop,
        engine,
    }
}

fn fleet(channels: &[&str]) -> Fleet {
    let mut fleet = Fleet::clone(&super::fleet());
    for channel in channels {
        let webhook = Channel::Webhook(Webhook::default());
        fleet.channels.insert((*channel).to_owned(), webhook);
    }
    fleet.routes.push(Route {
        name: "all".to_owned(),
        matches: RouteMatch {
            severity: Some(Severity::Warning),
            ..RouteMatch::default()
        },
        to: channels.iter().map(|c| (*c).to_owned()).collect(),
        ping: Ping::Never,
    });
    fleet.policy.rules.push(Rule {
        matches: Match {
            action: Some("*".to_owned()),
            ..Match::default()
        },
        says: Says::Automatic(true),
        between: None,
        days: None,
        hours: None,
    });
    fleet
}

impl Office {
    async fn new(channels: &[&str]) -> Office {
        let log = super::open(&Disk::default(), &Faults::default());
        let office = open(log, Arc::default()).await;
        office.load(fleet(channels)).await;
        office
    }

    async fn load(&self, fleet: Fleet) {
        let loaded = DesiredLoaded {
            origin: "test".into(),
            ..Default::default()
        };
        let loaded = self.handle.desired(loaded, Arc::new(fleet)).await;
        loaded.expect("loaded");
    }

    async fn test(&self, channel: &str) -> String {
        let by = Principal::User("anna".into());
        let channel = channel.to_owned();
        let command = Command::TestMessage { channel, by };
        let reply = self.handle.command(command).await.expect("queued");
        reply.id().to_owned()
    }

    /// Waits until `met`, for a day at most.
    async fn until(&self, what: &str, met: impl Fn(&Office) -> bool) {
        let day = Duration::from_secs(86_400 * 2);
        let waited = tokio::time::timeout(day, async {
            while !met(self) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        assert!(waited.await.is_ok(), "never: {what}");
    }

    fn waiting(&self) -> usize {
        self.handle.read(|v| v.world().alerts.outbox.len())
    }

    /// The latest messages whose delivery ended: attempts, and why not.
    fn ended(&self) -> Vec<(u32, String)> {
        let all = |v: &stead_engine::View<'_>| {
            let log = &v.world().alerts.log;
            log.iter().map(|m| (m.attempts, m.why.clone())).collect()
        };
        self.handle.read(all)
    }

    fn trouble(&self) -> Option<String> {
        self.handle.read(|v| {
            let mut troubles = v.troubles();
            troubles
                .find(|t| t.code == CHANNEL_SILENT)
                .map(|t| t.text.clone())
        })
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_is_delivered_once_and_said_so() {
    let office = Office::new(&["ops"]).await;
    let id = office.test("ops").await;
    office.until("delivered", |o| o.waiting() == 0).await;
    assert_eq!(office.ended(), [(1, String::new())]);
    let received = office.post.received();
    assert_eq!((received.len(), &received[0].id), (1, &id));
    assert_eq!(office.trouble(), None);
}

async fn alarm(office: &Office) {
    let snapshot = super::snapshot(Health::Healthy, 1);
    office.handle.submit(snapshot).await.expect("taken");
    let steal = super::steal(Level::Critical, 2);
    office.handle.submit(steal).await.expect("taken");
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_tried_again_and_then_given_up() {
    let office = Office::new(&["ops"]).await;
    office.post.once(Way::Fail);
    office.post.once(Way::TakeAndLoseAnswer);
    alarm(&office).await;
    office.until("delivered", |o| o.waiting() == 0).await;
    assert_eq!(office.ended(), [(3, String::new())]);
    let ids: Vec<String> = office.post.received().into_iter().map(|l| l.id).collect();
    assert_eq!(ids.len(), 2, "the receiver may see it twice");
    assert_eq!(ids[0], ids[1], "and knows it by its ID");

    let office = Office::new(&["ops"]).await;
    office.post.always(Way::Fail);
    alarm(&office).await;
    office.until("trouble", |o| o.trouble().is_some()).await;
    office.until("given up", |o| o.waiting() == 0).await;
    // The node's silence is told of as well, meanwhile.
    for end in office.ended() {
        assert_eq!(end, (ATTEMPTS, "the receiver failed".to_owned()));
    }
    assert!(office.post.received().is_empty());

    let office = Office::new(&["ops"]).await;
    office.post.always(Way::Refuse);
    alarm(&office).await;
    office.until("given up", |o| o.waiting() == 0).await;
    assert_eq!(office.ended(), [(1, "the receiver refuses".to_owned())]);
    office.post.always(Way::Take);
    office.test("ops").await;
    office.until("relieved", |o| o.trouble().is_none()).await;
}

#[tokio::test(start_paused = true)]
async fn f20_a_notification_black_hole_delays_no_repair() {
    let mut office = Office::new(&["ops", "pager"]).await;
    office.post.always(Way::BlackHole);
    alarm(&office).await;
    office.until("swallowed", |o| o.post.attempts() >= 2).await;
    let ill = super::observed(Health::Unhealthy, 3);
    let begun = tokio::time::Instant::now();
    office.handle.submit(ill).await.expect("taken");
    loop {
        if let Effect::Order { .. } = office.orders.recv().await.expect("an effect") {
            break;
        }
    }
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
    // Nobody answers for hours: what waits is bounded, and so is what is under way.
    for _ in 0..1_200 {
        office.test("ops").await;
    }
    office.until("hours", |o| o.post.attempts() > 100).await;
    assert!(office.waiting() <= stead_core::alert::Alerts::MAX_OUTBOX);
    assert!(office.post.most_at_once() <= IN_FLIGHT);
    assert!(office.post.received().is_empty());
    // It comes back: what is still wanted arrives.
    office.post.always(Way::Take);
    office.until("empty", |o| o.waiting() == 0).await;
    assert!(!office.post.received().is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_black_hole_holds_up_its_own_channel_only() {
    let office = Office::new(&["hole", "ops"]).await;
    office.post.once(Way::BlackHole);
    office.test("hole").await;
    office.until("swallowed", |o| o.post.attempts() == 1).await;
    let begun = tokio::time::Instant::now();
    office.test("ops").await;
    office
        .until("delivered", |o| o.post.received().len() == 1)
        .await;
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_what_was_not_delivered_is_tried_again_with_the_same_id() {
    let (disk, faults) = (Disk::default(), Faults::default());
    let office = open(super::open(&disk, &faults), Arc::default()).await;
    office.load(fleet(&["ops"])).await;
    office.post.always(Way::BlackHole);
    alarm(&office).await;
    office.until("swallowed", |o| o.post.attempts() == 1).await;
    let before: Vec<String> = office
        .handle
        .read(|v| v.world().alerts.outbox.keys().cloned().collect());
    assert_eq!(before.len(), 1);
    office.stop.cancel();
    office.engine.await.expect("stopped");
    drop(office.handle);
    let again = open(super::open(&disk, &faults), Arc::default()).await;
    again.until("delivered", |o| o.waiting() == 0).await;
    let received: Vec<String> = again.post.received().into_iter().map(|l| l.id).collect();
    assert_eq!(received, before);
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_leaves_the_files_ends_its_messages() {
    let office = Office::new(&["ops"]).await;
    office.post.always(Way::Fail);
    alarm(&office).await;
    office.until("tried", |o| o.post.attempts() >= 1).await;
    office.load(fleet(&[])).await;
    office.until("ended", |o| o.waiting() == 0).await;
    let (_, why) = office.ended().remove(0);
    assert!(why.contains("no channel ops"), "{why}");
    office.handle.submit(Input::Tick).await.expect("taken");
}

#[tokio::test(start_paused = true)]
async fn nobody_hears_of_an_end_before_the_beginning() {
    let office = Office::new(&["ops"]).await;
    office.post.always(Way::Fail);
    alarm(&office).await;
    office
        .until("in a long pause", |o| o.post.attempts() >= 7)
        .await;
    let over = super::steal(Level::Ok, 3);
    office.handle.submit(over).await.expect("taken");
    let about = |l: &stead_ports::notify::Letter| l.title.contains("steal");
    office
        .until("the end waits", |o| {
            let waits = |v: &stead_engine::View<'_>| {
                let mut outbox = v.world().alerts.outbox.values();
                outbox.any(|m| m.what.sort == "closed")
            };
            o.handle.read(waits)
        })
        .await;
    office.post.always(Way::Take);
    office.until("delivered", |o| o.waiting() == 0).await;
    let received = office.post.received();
    let sorts: Vec<&str> = received
        .iter()
        .filter(|l| about(l))
        .map(|l| l.sort.as_str())
        .collect();
    assert_eq!(sorts, ["opened", "closed"]);
}
