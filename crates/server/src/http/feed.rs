//! The live feed: server-sent events that a reader can resume.
//!
//! ```text
//! subscribe ─► (resume from the log after Last-Event-ID) ─► live ─┬─► lagging a little: catch up from the log
//!                                                                 └─► lagging a lot:    Resync
//! ```
//!
//! Nothing is buffered per reader but the batch it is being told: a reader that does not read falls behind in the
//! engine's own bounded channel. Every message carries as `id` the last event the reader has been told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::sse::{Event as Message, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt, stream};
use http::HeaderMap;
use http::header::HeaderValue;
use serde::Deserialize;
use stead_core::event::Event;
use stead_core::ids::Seq;
use stead_engine::Feed;
use stead_protocol::api;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use utoipa::IntoParams;

use super::App;
use super::extract::Ask;
use super::guard::Caller;
use super::problem::Problem;
use crate::present;

/// Feeds of one user, and of everybody (S8).
const PER_USER: usize = 32;
const IN_ALL: usize = 256;
/// Events a reader may be behind and still be told each of them; beyond that loading anew is cheaper for both.
const CATCH_UP: u64 = 2000;
/// Events read from the log at a time.
const PAGE: usize = 500;
const ALIVE_EVERY: Duration = Duration::from_secs(15);

/// Who has how many feeds open.
#[derive(Debug, Default)]
pub struct Feeds(Mutex<BTreeMap<String, usize>>);

impl Feeds {
    pub fn open(&self) -> usize {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .sum()
    }

    fn take(self: &Arc<Feeds>, user: &str) -> Option<Seat> {
        let mut users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_user = users.get(user).copied().unwrap_or(0);
        if of_user >= PER_USER || users.values().sum::<usize>() >= IN_ALL {
            return None;
        }
        users.insert(user.to_string(), of_user + 1);
        Some(Seat {
            feeds: Arc::clone(self),
            user: user.to_string(),
        })
    }
}

/// One open feed; gives its place back when it is dropped.
#[derive(Debug)]
pub struct Seat {
    feeds: Arc<Feeds>,
    user: String,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut users = self.feeds.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = users.get_mut(&self.user) {
            *open -= 1;
            if *open == 0 {
                users.remove(&self.user);
            }
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct What {
    /// Resume after this event; the header `Last-Event-ID` says the same and wins.
    after: Option<u64>,
    /// Live numbers of which nodes: `all` (unless told), `none`, or names separated by commas.
    samples: Option<String>,
}

/// Everything as it happens, as server-sent events. Resumes after `Last-Event-ID`.
#[utoipa::path(get, path = "/api/v1/feed", operation_id = "get_feed", tag = "events", params(What),
    responses((status = 200, body = api::Feed, content_type = "text/event-stream")))]
pub async fn get_feed(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Ask(what): Ask<What>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let seat = seat(&app, &caller)?;
    let last = headers
        .get("last-event-id")
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.trim().parse().ok());
    // Subscribed before the head is read: what happens in between is seen twice and told once.
    let live = app.handle.subscribe();
    let head = app.handle.log().head().await?;
    let mut reader = Reader::new(
        app.clone(),
        live,
        Wanted::read(what.samples.as_deref()),
        seat,
    );
    reader.start(last.or(what.after), head.seq.0, head.first.0);
    let end = ended(&app, &caller);
    let messages = messages(reader).take_until(end);
    let mut response = Sse::new(messages).into_response();
    // Some proxies hold back what they think is a page.
    response
        .headers_mut()
        .insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// A place among the feeds; whatever streams takes one (S8).
pub fn seat(app: &App, caller: &Caller) -> Result<Seat, Problem> {
    app.feeds.take(&caller.user).ok_or_else(|| {
        let detail = format!("{PER_USER} feeds of one user, {IN_ALL} in all may be open");
        let remedy = "close pages and scripts that listen, then try again";
        Problem {
            retry_after: Some(30),
            ..Problem::new("too-many-feeds", detail, remedy)
        }
    })
}

/// When the session ends, or Stead does (S11).
pub fn ended(app: &App, caller: &Caller) -> impl Future<Output = ()> + Send + 'static {
    let (stop, closed) = (app.stop.clone(), caller.closed.clone());
    let left = caller
        .expires_at
        .map(|at| Duration::from_millis(at.since(app.handle.now().at).0));
    async move {
        let expired = async {
            match left {
                Some(left) => tokio::time::sleep(left).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! { () = stop.cancelled() => {}, () = closed.cancelled() => {}, () = expired => {} }
    }
}

fn messages(reader: Reader) -> impl Stream<Item = Result<Message, Infallible>> {
    stream::unfold(reader, |mut reader| async move {
        let told = reader.next().await?;
        let tag = match &told {
            api::Feed::Event { .. } => "event",
            api::Feed::Sample { .. } => "sample",
            api::Feed::Alive { .. } => "alive",
            api::Feed::Resync { .. } => "resync",
        };
        let message = Message::default().event(tag).id(reader.told.to_string());
        let message = message
            .json_data(&told)
            .unwrap_or_else(|_| Message::default().comment("unreadable"));
        Some((Ok(message), reader))
    })
}

/// Whose numbers a reader wants.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    Of(BTreeSet<String>),
}

impl Wanted {
    fn read(text: Option<&str>) -> Wanted {
        match text.map(str::trim) {
            None | Some("" | "all") => Wanted::All,
            Some("none") => Wanted::Of(BTreeSet::new()),
            Some(names) => Wanted::Of(names.split(',').map(|n| n.trim().to_string()).collect()),
        }
    }
    fn has(&self, node: &str) -> bool {
        match self {
            Wanted::All => true,
            Wanted::Of(names) => names.contains(node),
        }
    }
}

/// One reader of the feed.
struct Reader {
    app: App,
    live: Receiver<Feed>,
    wanted: Wanted,
    /// Last event the reader was told.
    told: u64,
    /// There is more in the log than the reader was told.
    behind: bool,
    /// What is said before anything else: two messages at most.
    first: VecDeque<api::Feed>,
    /// The batch being told, and how far.
    batch: (Arc<[Event]>, usize),
    alive: Interval,
    _seat: Seat,
}

impl Reader {
    fn new(app: App, live: Receiver<Feed>, wanted: Wanted, seat: Seat) -> Reader {
        let mut alive = tokio::time::interval_at(Instant::now() + ALIVE_EVERY, ALIVE_EVERY);
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let batch = (Arc::from([]), 0);
        Reader {
            app,
            live,
            wanted,
            told: 0,
            behind: false,
            first: VecDeque::new(),
            batch,
            alive,
            _seat: seat,
        }
    }

    /// `last`: the event the reader saw last. `head` and `first` of the log.
    fn start(&mut self, last: Option<u64>, head: u64, first: u64) {
        self.told = head;
        self.first.push_back(self.sign_of_life());
        match last {
            None => {}
            // Another log, gone, or too far back.
            Some(last) if last > head || last + 1 < first || head - last > CATCH_UP => {
                self.first.push_back(api::Feed::Resync { head });
            }
            Some(last) => {
                self.told = last;
                self.behind = last < head;
            }
        }
    }

    fn sign_of_life(&self) -> api::Feed {
        api::Feed::Alive {
            head: self.app.handle.read(|v| v.world().head.0),
            at: self.app.handle.now().at.to_string(),
            version: env!("CARGO_PKG_VERSION").to_string(),
        }
    }

    /// The next message; `None` when the engine is gone or the log cannot be read (the reader comes back and resumes).
    async fn next(&mut self) -> Option<api::Feed> {
        loop {
            if let Some(first) = self.first.pop_front() {
                return Some(first);
            }
            if let Some(event) = self.next_of_batch() {
                return Some(event);
            }
            if self.behind {
                self.catch_up().await?;
                continue;
            }
            let received = tokio::select! {
                received = self.live.recv() => received,
                _ = self.alive.tick() => return Some(self.sign_of_life()),
            };
            match received {
                Ok(Feed::Events(events)) => self.take(events),
                Ok(Feed::Sample { node, sample }) if self.wanted.has(node.as_str()) => {
                    return Some(api::Feed::Sample {
                        node: node.to_string(),
                        sample: present::sample(&sample),
                    });
                }
                Ok(Feed::Sample { .. }) => {}
                Err(RecvError::Lagged(_)) => {
                    if let Some(resync) = self.lagged().await? {
                        return Some(resync);
                    }
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }

    fn next_of_batch(&mut self) -> Option<api::Feed> {
        loop {
            let event = self.batch.0.get(self.batch.1)?;
            self.batch.1 += 1;
            if event.seq.0 > self.told {
                self.told = event.seq.0;
                return Some(api::Feed::Event {
                    event: present::event(event),
                });
            }
        }
    }

    fn take(&mut self, events: Arc<[Event]>) {
        // Numbers have no gaps; if there is one here, the rest is in the log.
        match events.first() {
            Some(first) if first.seq.0 > self.told + 1 => self.behind = true,
            _ => self.batch = (events, 0),
        }
    }

    async fn catch_up(&mut self) -> Option<()> {
        let records = self
            .app
            .handle
            .log()
            .read(Seq(self.told), PAGE)
            .await
            .ok()?;
        self.behind = records.len() == PAGE;
        let events: Vec<Event> = records
            .into_iter()
            .map(stead_engine::decode)
            .collect::<Result<_, _>>()
            .ok()?;
        self.batch = (events.into(), 0);
        Some(())
    }

    /// Messages were lost to this reader.
    async fn lagged(&mut self) -> Option<Option<api::Feed>> {
        let head = self.app.handle.log().head().await.ok()?.seq.0;
        if head.saturating_sub(self.told) > CATCH_UP {
            self.told = head;
            return Some(Some(api::Feed::Resync { head }));
        }
        self.behind = head > self.told;
        Some(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feeds_are_capped_per_user_and_in_all_and_given_back() {
        let feeds = Arc::new(Feeds::default());
        let mut seats: Vec<Seat> = (0..PER_USER).map(|_| feeds.take("ann").unwrap()).collect();
        assert!(feeds.take("ann").is_none());
        assert!(feeds.take("bob").is_some(), "others have their own");
        seats.pop();
        assert!(feeds.take("ann").is_some());
        let more: Vec<Seat> = (0..IN_ALL)
            .filter_map(|n| feeds.take(&format!("user-{n}")))
            .collect();
        assert_eq!(feeds.open(), IN_ALL);
        drop((more, seats));
        assert_eq!(feeds.open(), 0);
    }

    #[test]
    fn a_reader_says_whose_numbers_it_wants() {
        assert!(Wanted::read(None).has("piha"));
        assert!(!Wanted::read(Some("none")).has("piha"));
        let two = Wanted::read(Some("piha, nas"));
        assert!(two.has("nas") && !two.has("pi"));
    }
}
