//! The node's own seconds: asked for over both ways in, kept through a kill, and never in the way of anything else.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use stead_agent::history::{History, Question};
use stead_core::facts::{Fact, FactKey};
use stead_core::sample::HostSample;
use stead_core::time::{Span, Time};
use stead_history::selector;
use stead_history::store::Options;
use stead_ports::clock::{Clock, ManualClock, SystemClock};
use stead_ports::disk::memory::Loss;
use stead_ports::disk::{Disk, MemoryDisk, Open, RealDisk};
use stead_ports::history::Error;
use stead_protocol::agent::{Frame, FrameBody, Kept};
use tokio_util::sync::CancellationToken;

use crate::kill::victim;
use crate::server::{Agent, Frames, LIMIT, NODE, Server, Session, options};
use crate::session::curl;

const LOAD: &str = "/v1/history?match=stead_node_load1";
/// A time at which a step of every length begins.
const START: i64 = 20_000 * 86_400_000;

/// Asks once a second until `wanted` is so.
async fn kept(
    session: &Session,
    frames: &mut Frames,
    path: &str,
    wanted: impl Fn(&Kept) -> bool,
) -> Kept {
    let asking = async {
        loop {
            let second = |f: &Frame| matches!(f.body, FrameBody::Sample { .. }).then_some(());
            frames.until("the next second", second).await;
            let answer = session.request("GET", path, vec![]).await;
            if answer.status() == 200 {
                let kept: Kept = session.get(path).await;
                if wanted(&kept) {
                    return kept;
                }
            }
        }
    };
    let kept = tokio::time::timeout(LIMIT, asking).await;
    kept.unwrap_or_else(|_| panic!("{path}: not what was wanted within {LIMIT:?}"))
}

fn times(kept: &Kept) -> Vec<i64> {
    let points = kept.series.iter().flat_map(|s| &s.points);
    points.map(|p| p.0).collect()
}

#[tokio::test]
async fn seconds_are_asked_for_over_both_ways_and_are_there_after_a_restart() {
    let (server, dir) = (Server::start().await, tempfile::tempdir().expect("dir"));
    let agent = Agent::start(options(&server.url(), dir.path()));
    let session = server.accept().await;
    let mut frames = session.frames(0).await;
    let three = |kept: &Kept| times(kept).len() >= 3;
    let first = kept(&session, &mut frames, LOAD, three).await;
    assert_eq!((first.step_ms, first.series.len()), (1_000, 1));
    assert_eq!(first.series[0].labels["node"], NODE);
    assert!(
        times(&first).is_sorted_by(|a, b| b - a >= 1_000),
        "{first:?}"
    );

    let cpu = r#"/v1/history?match=%7Bnode%3D%22piha%22%2Cmode%3D%22steal%22%7D&step=2000"#;
    let steal = kept(&session, &mut frames, cpu, |kept| !kept.series.is_empty()).await;
    assert_eq!(steal.step_ms, 2_000);
    assert_eq!(steal.series[0].metric, "stead_node_cpu_percent");
    let other: Kept = session
        .get("/v1/history?match=%7Bnode%3D%22attic%22%7D")
        .await;
    assert_eq!(other.series, [], "a node answers for itself alone");
    let refused = [
        ("/v1/history?match=%7B%7D", 400),
        ("/v1/history", 400),
        ("/v1/history?match=a&from=5&to=5", 400),
        (
            "/v1/history?match=%7Bnode%3D%22piha%22%7D&from=0&step=1000",
            422,
        ),
    ];
    for (path, status) in refused {
        let answer = session.request("GET", path, vec![]).await;
        assert_eq!(answer.status().as_u16(), status, "{path}");
    }
    let request = format!("GET {LOAD} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    let socket = curl(&dir.path().join("agent.sock"), request).await;
    assert!(socket.contains("stead_node_load1"), "{socket}");

    agent.stop().await.expect("a clean end");
    let agent = Agent::start(options(&server.url(), dir.path()));
    let session = server.accept().await;
    let mut frames = session.frames(0).await;
    let wanted = times(&first);
    let again = |kept: &Kept| {
        let there = times(kept);
        wanted.iter().all(|at| there.contains(at)) && there.last() > wanted.last()
    };
    kept(&session, &mut frames, LOAD, again).await;
    agent.stop().await.expect("a clean end");
}

#[tokio::test]
async fn a_history_that_cannot_be_opened_is_told_and_everything_else_goes_on() {
    let (server, dir) = (Server::start().await, tempfile::tempdir().expect("dir"));
    std::fs::create_dir_all(dir.path().join("agent")).expect("dir");
    std::fs::write(dir.path().join("agent/history"), "in the way").expect("file");
    let agent = Agent::start(options(&server.url(), dir.path()));
    let session = server.accept().await;
    let mut frames = session.frames(0).await;
    let limit = |fact: &Fact| match fact {
        Fact::Host(host) => host.limit.clone(),
        _ => None,
    };
    let told = |frame: &Frame| match &frame.body {
        FrameBody::Snapshot { facts, .. } | FrameBody::Delta { changed: facts, .. } => facts
            .iter()
            .find(|(key, _)| *key == FactKey::Host)
            .and_then(|(_, fact)| limit(fact)),
        _ => None,
    };
    let limit = frames.until("its limit", told).await;
    assert_eq!(limit.code, "history-io");
    assert!(!limit.text.is_empty() && !limit.remedy.is_empty());
    let sampled = |f: &Frame| matches!(f.body, FrameBody::Sample { .. }).then_some(());
    frames.until("a sample", sampled).await;
    let answer = session.request("GET", LOAD, vec![]).await;
    assert_eq!(answer.status(), 503);
    agent.stop().await.expect("a clean end");
}

#[tokio::test]
async fn an_agent_that_keeps_no_seconds_says_so() {
    let (server, dir) = (Server::start().await, tempfile::tempdir().expect("dir"));
    let mut options = options(&server.url(), dir.path());
    options.history = 0;
    let agent = Agent::start(options);
    let session = server.accept().await;
    let answer = session.request("GET", LOAD, vec![]).await;
    assert_eq!(answer.status(), 503);
    let no: serde_json::Value = session.get(LOAD).await;
    assert_eq!(no["remedy"], "start it without `--history-mib 0`");
    agent.stop().await.expect("a clean end");
    assert!(!dir.path().join("agent/history").exists());
}

/// A history on a disk in memory, and the recorder that keeps it.
struct Place {
    disk: MemoryDisk,
    clock: Arc<ManualClock>,
    stop: CancellationToken,
}

impl Place {
    fn new() -> Place {
        Place {
            disk: MemoryDisk::new(),
            clock: Arc::new(ManualClock::with_timers(Time(START))),
            stop: CancellationToken::new(),
        }
    }

    fn history(&self) -> (History, tokio::task::JoinHandle<()>) {
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&self.clock);
        let dir = Path::new("/agent/history");
        let (history, recorder) = History::new(self.disk.mount(), clock, dir, Options::node());
        (history, tokio::spawn(recorder.run(self.stop.child_token())))
    }

    /// A second goes by and is offered.
    async fn second(&self, history: &History) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        history.offer(&sample(self.clock.wall()), &[]);
        tokio::task::yield_now().await;
    }

    async fn load(&self, history: &History) -> Vec<i64> {
        let kept = ask(history, "stead_node_load1", 3_600).await;
        times(&kept.expect("an answer"))
    }

    /// The power goes; what it kept, opened anew.
    async fn again(&mut self) -> (History, tokio::task::JoinHandle<()>) {
        self.disk.cut_power(Loss::Unsynced);
        self.stop = CancellationToken::new();
        let (history, task) = self.history();
        while history.stats().is_none() {
            tokio::task::yield_now().await;
        }
        (history, task)
    }
}

/// What was kept of the first seconds.
async fn ask(history: &History, selector: &str, seconds: i64) -> Result<Kept, Error> {
    let question = Question {
        selector: selector::read(selector).expect("a selector"),
        from: Time(START),
        to: Time(START + seconds * 1_000),
        step: Span::secs(1),
    };
    let node = NODE.parse().expect("a name");
    history.ask(&node, question).await.expect("it is open")
}

fn sample(at: Time) -> HostSample {
    HostSample {
        at,
        load1: 0.5,
        ..HostSample::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_costs_what_comes_meanwhile_is_told_and_passes_by_itself() {
    let place = Place::new();
    let (history, task) = place.history();
    for _ in 0..20 {
        place.second(&history).await;
    }
    assert_eq!(place.load(&history).await.len(), 20);
    assert_eq!(history.limit(), None);
    place.disk.set_room(Some(0));
    for _ in 0..100 {
        place.second(&history).await;
    }
    let limit = history.limit().expect("it is told");
    assert_eq!(limit.code, "history-full");
    assert_eq!(place.load(&history).await.len(), 20, "reading goes on");
    assert_eq!(history.dropped(), 0, "nobody waited");
    place.disk.set_room(None);
    for _ in 0..20 {
        place.second(&history).await;
    }
    assert_eq!(history.limit(), None);
    assert_eq!(place.load(&history).await.len(), 40);
    place.stop.cancel();
    task.await.expect("it ends");
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_hangs_costs_samples_and_holds_up_nobody() {
    let place = Place::new();
    let (history, task) = place.history();
    place.second(&history).await;
    // Nobody takes what is offered: as many wait as may.
    for second in 0..100 {
        history.offer(&sample(Time(START + 10_000 + second * 1_000)), &[]);
    }
    assert_eq!(history.dropped(), 84);
    place.stop.cancel();
    task.await.expect("it ends");
}

#[tokio::test(start_paused = true)]
async fn what_was_measured_until_it_stopped_outlives_the_power() {
    let mut place = Place::new();
    let (history, task) = place.history();
    for _ in 0..5 {
        place.second(&history).await;
    }
    // What nobody took yet is kept too.
    for second in 6..11 {
        history.offer(&sample(Time(START + second * 1_000)), &[]);
    }
    place.stop.cancel();
    task.await.expect("it ends");
    let (history, task) = place.again().await;
    let all: Vec<i64> = (1..11).map(|second| START + second * 1_000).collect();
    assert_eq!(place.load(&history).await, all);
    place.stop.cancel();
    task.await.expect("it ends");
}

#[tokio::test(start_paused = true)]
async fn what_is_due_is_done_and_a_power_cut_takes_no_more_than_a_minute_or_so() {
    let mut place = Place::new();
    let (history, task) = place.history();
    for _ in 0..625 {
        place.second(&history).await;
    }
    let stats = history.stats().expect("it is open");
    assert!(stats.parts > 0, "after ten minutes: {stats:?}");
    let (history, again) = place.again().await;
    let kept = place.load(&history).await.len();
    assert!((550..=625).contains(&kept), "{kept}");
    place.stop.cancel();
    again.await.expect("it ends");
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn what_comes_while_it_cannot_be_opened_is_counted() {
    let place = Place::new();
    let disk = place.disk.mount();
    disk.create_dir(Path::new("/agent")).expect("a folder");
    disk.open(Path::new("/agent/history"), Open::Empty)
        .expect("a file in the way");
    let (history, task) = place.history();
    for _ in 0..3 {
        place.second(&history).await;
    }
    assert_eq!(history.limit().expect("it is told").code, "history-io");
    assert_eq!(history.dropped(), 3);
    place.stop.cancel();
    task.await.expect("it ends");
}

#[tokio::test(start_paused = true)]
async fn an_answer_has_no_more_points_than_it_may() {
    let place = Place::new();
    let (history, task) = place.history();
    for _ in 0..3 {
        place.second(&history).await;
    }
    let all = format!("{{node=\"{NODE}\"}}");
    let few = ask(&history, &all, 5).await.expect("an answer");
    let series = few.series.len() as i64;
    assert!(series > 4, "one alone has a bound of its own: {few:?}");
    let most = 40_000 / series - 1;
    assert!(ask(&history, &all, most).await.is_ok());
    let more = ask(&history, &all, most + 1).await;
    let Err(Error::TooMuch { what, limit, .. }) = more else {
        panic!("{more:?}")
    };
    assert_eq!((what, limit), ("points", 40_000));
    place.stop.cancel();
    task.await.expect("it ends");
}

/// Keeps seconds until it is killed; says how many are kept.
#[tokio::test]
async fn history_victim() {
    let Some(dir) = std::env::var_os("STEAD_TEST_DIR") else {
        return;
    };
    let (history, recorder) = real(&PathBuf::from(dir));
    tokio::spawn(recorder.run(CancellationToken::new()));
    let now = SystemClock::new().wall().0;
    for second in 0.. {
        let before = history.stats().map_or(0, |stats| stats.samples);
        let at = Time(now - 20_000_000 + second * 1_000);
        history.offer(&sample(at), &[]);
        while history.stats().is_none_or(|stats| stats.samples == before) {
            tokio::task::yield_now().await;
        }
        println!("kept {}", at.0);
    }
}

fn real(dir: &Path) -> (History, stead_agent::history::Recorder) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    History::new(disk, clock, &dir.join("history"), Options::node())
}

#[tokio::test]
async fn killed_at_any_moment_it_has_every_second_it_took() {
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().to_str().expect("a path");
    let mut child = victim("history::history_victim", &[("STEAD_TEST_DIR", path)]);
    let said = BufReader::new(child.output()).lines().map_while(Result::ok);
    let mut kept = said.filter_map(|line| line.strip_prefix("kept ")?.parse::<i64>().ok());
    let mut all: Vec<i64> = kept.by_ref().take(500).collect();
    child.kill();
    all.extend(kept);
    let (history, recorder) = real(dir.path());
    let stop = CancellationToken::new();
    let task = tokio::spawn(recorder.run(stop.clone()));
    let opened = async {
        while history.stats().is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, opened).await.expect("it opens");
    let question = Question {
        selector: selector::read("stead_node_load1").expect("a selector"),
        from: Time(all[0]),
        to: Time(all[all.len() - 1] + 1),
        step: Span::secs(1),
    };
    let node = NODE.parse().expect("a name");
    let answer = history.ask(&node, question).await.expect("it is open");
    assert_eq!(times(&answer.expect("an answer")).len(), all.len());
    stop.cancel();
    task.await.expect("it ends");
}
