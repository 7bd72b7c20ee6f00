//! The loop that delivers messages: one worker per channel, each message tried until it is taken or given up.
//!
//! The outbox is in the log, so nothing is lost with the process and nothing is decided here: how a delivery ended goes
//! back as an input. A receiver that swallows everything holds up its own channel and nothing else; repairs do not even
//! know of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stead_core::controller::{Effect, Input};
use stead_core::time::Span;
use stead_ports::notify::{Error, Letter, Notify};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::handle::Handle;

/// A receiver that has not answered by then does not answer.
pub const ATTEMPT: Duration = Duration::from_secs(10);
/// Between the first two attempts; doubles with each.
pub const BACK_OFF: Duration = Duration::from_secs(1);
pub const BACK_OFF_AT_MOST: Duration = Duration::from_secs(15 * 60);
/// A message is given up after so many attempts by one process …
pub const ATTEMPTS: u32 = 20;
/// … or when it is this old: nobody needs yesterday's alarm.
pub const TOO_OLD: Span = Span::hours(24);
/// Attempts under way at the same time, over all channels.
pub const IN_FLIGHT: usize = 8;
/// Messages that wait for one worker: as many as the outbox holds, so that it is never the queue that is full.
const QUEUE: usize = stead_core::alert::Alerts::MAX_OUTBOX;
/// Code of the trouble while a channel takes nothing.
pub const CHANNEL_SILENT: &str = "channel-silent";

/// Parts effects: messages to the notifier, everything else to the agents. Neither waits for the other.
pub fn part(
    mut effects: mpsc::UnboundedReceiver<Effect>,
) -> (
    mpsc::UnboundedReceiver<Effect>,
    mpsc::UnboundedReceiver<String>,
) {
    let (orders, orders_out) = mpsc::unbounded_channel();
    let (messages, messages_out) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(effect) = effects.recv().await {
            // Whoever stopped listening is stopping as a whole.
            let _ = match effect {
                Effect::Message { id } => messages.send(id).is_ok(),
                other => orders.send(other).is_ok(),
            };
        }
    });
    (orders_out, messages_out)
}

/// Delivers what the log says is to be delivered.
#[derive(Debug)]
pub struct Notifier {
    shared: Arc<Shared>,
    workers: BTreeMap<String, mpsc::Sender<Waiting>>,
    /// Messages handed on so far: their order.
    handed: u64,
}

#[derive(Debug)]
struct Shared {
    handle: Handle,
    notify: Arc<dyn Notify>,
    in_flight: Semaphore,
    /// Channels that take nothing now, with why.
    silent: Mutex<BTreeMap<String, String>>,
}

impl Notifier {
    pub fn new(handle: Handle, notify: Arc<dyn Notify>) -> Notifier {
        Notifier {
            shared: Arc::new(Shared {
                handle,
                notify,
                in_flight: Semaphore::new(IN_FLIGHT),
                silent: Mutex::default(),
            }),
            workers: BTreeMap::new(),
            handed: 0,
        }
    }

    /// Takes the IDs of messages in the world's outbox, until `stop` or until nobody sends any more.
    pub async fn run(
        mut self,
        mut messages: mpsc::UnboundedReceiver<String>,
        stop: CancellationToken,
    ) {
        loop {
            let id = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                id = messages.recv() => id,
            };
            let Some(id) = id else { return };
            self.hand_on(id, &stop).await;
        }
    }

    async fn hand_on(&mut self, id: String, stop: &CancellationToken) {
        let found = self.shared.handle.read(|v| {
            let message = v.world().alerts.outbox.get(&id);
            message.map(|m| (m.what.channel.clone(), m.what.thread.clone()))
        });
        // Given up meanwhile.
        let Some((channel, thread)) = found else {
            return;
        };
        self.handed += 1;
        let waiting = Waiting {
            id,
            thread,
            place: self.handed,
            attempts: 0,
        };
        let worker = self.workers.entry(channel).or_insert_with(|| {
            let (queue, waiting) = mpsc::channel(QUEUE);
            let worker = Worker {
                shared: Arc::clone(&self.shared),
                due: BTreeMap::new(),
                known: BTreeSet::new(),
            };
            tokio::spawn(worker.run(waiting, stop.clone()));
            queue
        });
        if let Err(full) = worker.try_send(waiting) {
            let id = full.into_inner().id;
            self.shared
                .ended(&id, 0, "too many messages wait for this channel")
                .await;
        }
    }
}

impl Shared {
    async fn ended(&self, id: &str, attempts: u32, why: impl Into<String>) {
        let input = Input::Delivered {
            id: id.to_owned(),
            attempts,
            why: why.into(),
        };
        // An engine that has stopped delivers it again after its next start.
        let _ = self.handle.tell(input).await;
    }

    /// Says for people which channels take nothing; `why` is empty where one does again.
    fn heard(&self, channel: &str, why: &str) {
        let text = {
            let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
            let before = silent.len();
            if why.is_empty() {
                silent.remove(channel);
            } else {
                silent.insert(channel.to_owned(), why.to_owned());
            }
            if before == 0 && silent.is_empty() {
                return;
            }
            let each = silent.iter().map(|(name, why)| format!("{name}: {why}"));
            each.collect::<Vec<_>>().join("; ")
        };
        if text.is_empty() {
            self.handle.relieved(CHANNEL_SILENT);
        } else {
            let text = format!("Messages cannot be delivered. {text}");
            let remedy = "They are tried again by themselves; correct the channel in stead.yaml where it is wrong, and \
                          `stead notify test CHANNEL` shows whether it works.";
            self.handle.trouble(CHANNEL_SILENT, text, remedy);
        }
    }
}

/// A message that is to be tried.
#[derive(Debug)]
struct Waiting {
    id: String,
    thread: Option<String>,
    /// In the order in which they were decided.
    place: u64,
    attempts: u32,
}

/// A message of the outbox.
struct Found {
    channel: String,
    /// `None`: the fleet's files do not have the channel any more.
    letter: Option<Letter>,
}

/// One channel's worker: one attempt at a time, the one that is due first.
struct Worker {
    shared: Arc<Shared>,
    /// At most [`QUEUE`]: what is not in the outbox any more is dropped when its turn comes.
    due: BTreeMap<(Instant, u64), Waiting>,
    known: BTreeSet<String>,
}

impl Worker {
    async fn run(mut self, mut queue: mpsc::Receiver<Waiting>, stop: CancellationToken) {
        loop {
            let next = self.due.first_key_value().map(|((at, _), _)| *at);
            let wait = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            // What waits is tried before more is taken in, beyond what the outbox holds.
            let room = self.due.len() < QUEUE;
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                waiting = queue.recv(), if room => match waiting {
                    Some(waiting) if self.known.insert(waiting.id.clone()) => {
                        self.wait(Instant::now(), waiting);
                    }
                    Some(_) => {}
                    None => return,
                },
                () = wait => {
                    let Some((_, waiting)) = self.due.pop_first() else { continue };
                    tokio::select! {
                        biased;
                        () = stop.cancelled() => return,
                        () = self.attempt(waiting) => {}
                    }
                }
            }
        }
    }

    fn wait(&mut self, at: Instant, waiting: Waiting) {
        self.due.insert((at, waiting.place), waiting);
    }

    /// When the message is tried that its thread said before `waiting`: nobody hears of an end before the beginning.
    fn before(&self, waiting: &Waiting) -> Option<Instant> {
        waiting.thread.as_ref()?;
        let mut due = self.due.iter();
        due.find(|(_, other)| other.thread == waiting.thread && other.place < waiting.place)
            .map(|((at, _), _)| *at)
    }

    async fn attempt(&mut self, mut waiting: Waiting) {
        if let Some(at) = self.before(&waiting) {
            return self.wait(at, waiting);
        }
        let Some(Found { channel, letter }) = self.find(&waiting.id) else {
            self.known.remove(&waiting.id);
            return;
        };
        let Some(letter) = letter else {
            self.shared.heard(&channel, "");
            let why = format!("the fleet's files have no channel {channel} any more");
            return self.end(waiting, &why).await;
        };
        waiting.attempts += 1;
        let outcome = {
            let Ok(_permit) = self.shared.in_flight.acquire().await else {
                return;
            };
            tokio::time::timeout(ATTEMPT, self.shared.notify.deliver(&letter)).await
        };
        let why = match outcome {
            Ok(Ok(())) => {
                self.shared.heard(&channel, "");
                return self.end(waiting, "").await;
            }
            Ok(Err(Error::Never(why))) => {
                self.shared.heard(&channel, &why);
                return self.end(waiting, &why).await;
            }
            Ok(Err(Error::Later(why))) => why,
            Err(_) => format!("no answer within {} s", ATTEMPT.as_secs()),
        };
        tracing::debug!(channel, %why, attempts = waiting.attempts, "a message was not taken");
        self.shared.heard(&channel, &why);
        let old = self.shared.handle.now().at.since(letter.at) >= TOO_OLD;
        // Whoever tests a channel looks at the answer now.
        if waiting.attempts >= ATTEMPTS || old || letter.sort == "test" {
            return self.end(waiting, &why).await;
        }
        let at = Instant::now() + back_off(waiting.attempts);
        self.wait(at, waiting);
    }

    /// The message as it is to be sent now. `None`: nobody waits for it any more.
    fn find(&self, id: &str) -> Option<Found> {
        self.shared.handle.read(|v| {
            let world = v.world();
            let message = world.alerts.outbox.get(id)?;
            let channel = message.what.channel.clone();
            let found = world.fleet.channels.get(&channel);
            let letter = found.map(|c| Letter::new(message, c.clone(), &world.fleet.name));
            Some(Found { channel, letter })
        })
    }

    async fn end(&mut self, waiting: Waiting, why: &str) {
        self.known.remove(&waiting.id);
        self.shared.ended(&waiting.id, waiting.attempts, why).await;
    }
}

/// The pause after so many attempts.
fn back_off(attempts: u32) -> Duration {
    let doubled = 2u32.saturating_pow(attempts.saturating_sub(1));
    BACK_OFF.saturating_mul(doubled).min(BACK_OFF_AT_MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound() {
        let pauses: Vec<u64> = (1..=12).map(|n| back_off(n).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
        assert_eq!(back_off(u32::MAX), BACK_OFF_AT_MOST);
    }
}
