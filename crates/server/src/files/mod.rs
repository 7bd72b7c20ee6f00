//! Row L14: the state as plain files, in both directions.
//!
//! ```text
//!  log ──► journal ─► events/YYYY-MM-DD/stead.jsonl          events/YYYY-MM-DD/others ──┐
//!  world ► state ───► world/*.json                            inbox/*.json(l) ──────────┼─► inbox ─► engine
//!        └ cards ───► actions/<state>/<id>.json ─ moved by a person ─► decision ────────┘
//!          checkpoint ► state/observer_checkpoint.json
//! ```
//!
//! The files are a copy: losing them loses nothing, and whatever goes wrong here (a full disk, a directory taken away)
//! is told and tried again while the rest of Stead works on. Whoever may write the directory may decide, as principal
//! `files`. Only regular files are read, never links, devices or pipes, and never more of one than its bound.

mod cards;
mod checkpoint;
mod decision;
mod inbox;
mod journal;
mod lines;
mod offsets;
mod record;
mod state;
mod tree;
mod why;

use std::path::PathBuf;
use std::time::Duration;

use stead_core::ids::Seq;
use stead_core::time::Time;
use stead_engine::{Feed, Handle};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use cards::Cards;
use checkpoint::Checkpoint;
use inbox::Inbox;
use journal::Journal;
use state::State;
use tree::Tree;

/// Code of the trouble while the files cannot be written.
const TROUBLE: &str = "files-unwritable";
/// Between looks at what others wrote, and the least time between two writes of the world.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Between rounds while files cannot be written.
const RETRY: Duration = Duration::from_secs(5);
/// Least time between two appends of events: a burst becomes one.
const GATHER: Duration = Duration::from_millis(50);

/// With no more open actions than this, their cards follow at once; else once a second, with the world.
const FEW: usize = 200;

/// Why the files are not what they should be now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{path}: {source}")]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(transparent)]
    Log(#[from] stead_ports::log::Error),
    /// A blocking task of the mirror died.
    #[error("a task of the mirror ended: {0}")]
    Task(String),
}

/// Keeps the mirror in `dir` until `stop`, then writes what is still to be written.
pub async fn run(dir: PathBuf, handle: Handle, stop: CancellationToken) {
    let mut feed = handle.subscribe();
    let mut mirror = Mirror::new(dir, handle.clone());
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut not_before = Instant::now();
    let mut news = true;
    loop {
        let full = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            _ = look.tick() => true,
            () = tokio::time::sleep_until(not_before), if news => false,
            received = feed.recv() => {
                match received {
                    Ok(Feed::Sample { .. }) => {}
                    Ok(Feed::Events(_)) | Err(RecvError::Lagged(_)) => news = true,
                    // The engine is gone: only the end is left to come.
                    Err(RecvError::Closed) => {
                        stop.cancelled().await;
                        break;
                    }
                }
                continue;
            }
        };
        news = false;
        let pause = if mirror.round(full).await {
            GATHER
        } else {
            RETRY
        };
        not_before = Instant::now() + pause;
        if pause == RETRY {
            look.reset_after(RETRY);
        }
    }
    mirror.round(true).await;
}

/// Everything the mirror remembers between rounds.
struct Mirror {
    handle: Handle,
    tree: Tree,
    /// `None` until the directory could be prepared.
    ready: Option<Ready>,
    state: State,
    cards: Cards,
    inbox: Inbox,
    /// Head of the world as it was last written.
    written: Option<Seq>,
}

/// What is known once the directory was looked at.
struct Ready {
    journal: Journal,
    checkpoint: Checkpoint,
}

impl Mirror {
    fn new(dir: PathBuf, handle: Handle) -> Mirror {
        let tree = Tree::new(dir);
        Mirror {
            state: State::default(),
            cards: Cards::default(),
            inbox: Inbox::new(tree.clone()),
            tree,
            handle,
            ready: None,
            written: None,
        }
    }

    /// One round; `full`: files of others are looked at and the world is written too. False: something failed and was
    /// told, the next round tries again.
    async fn round(&mut self, full: bool) -> bool {
        let mut failed = None;
        let mut keep = |result: Result<(), Error>| {
            if let Err(error) = result {
                failed.get_or_insert(error);
            }
        };
        keep(self.prepare().await);
        keep(self.tell_events().await);
        if full {
            // Decisions first: what a person moved is read before anything is put in its place.
            keep(decision::look(&self.handle, &self.tree, &mut self.cards).await);
            keep(self.inbox.look(&self.handle).await);
            keep(self.tell_events().await);
            keep(self.tell_state().await);
        } else if self.actions_moved() {
            keep(self.tell_actions().await);
        }
        match failed {
            None => {
                self.handle.relieved(TROUBLE);
                true
            }
            Some(error) => {
                tracing::warn!(%error, "the files are not up to date");
                let text = format!(
                    "The files of {} are not up to date: {error}",
                    self.tree.root().display()
                );
                let remedy =
                    "Check the disk and who owns that directory; Stead catches up by itself.";
                self.handle.trouble(TROUBLE, text, remedy);
                false
            }
        }
    }

    /// Whether cards are to follow at once.
    fn actions_moved(&mut self) -> bool {
        let few = self.handle.read(|v| v.world().actions.open.len()) <= FEW;
        few && self
            .ready
            .as_mut()
            .is_some_and(|r| r.journal.take_actions())
    }

    /// Makes the directories and finds out how far the files go.
    async fn prepare(&mut self) -> Result<(), Error> {
        if self.ready.is_some() {
            return Ok(());
        }
        let head = self.handle.log().head().await?;
        let tree = self.tree.clone();
        let ready = blocking(move || {
            tree.make()?;
            let (checkpoint, from) = Checkpoint::open(&tree, &head);
            let journal = Journal::open(&tree, &head, from)?;
            Ok(Ready {
                journal,
                checkpoint,
            })
        })
        .await?;
        self.ready = Some(ready);
        Ok(())
    }

    /// Appends what the log has and the files have not.
    async fn tell_events(&mut self) -> Result<(), Error> {
        let Some(ready) = self.ready.take() else {
            return Ok(());
        };
        let Ready {
            journal,
            mut checkpoint,
        } = ready;
        let (journal, told) = journal.follow(&self.handle, &self.tree).await;
        checkpoint.reached(&journal);
        self.ready = Some(Ready {
            journal,
            checkpoint,
        });
        told
    }

    /// Writes world, actions and checkpoint where they changed.
    async fn tell_state(&mut self) -> Result<(), Error> {
        let now = self.handle.now().at;
        let head = self.handle.read(|v| v.world().head);
        let changed = self.written != Some(head);
        if changed || self.cards.is_due(now) {
            self.tell_actions().await?;
        }
        if changed && let Some(ready) = &mut self.ready {
            let touched = ready.journal.take_touched();
            let state = std::mem::take(&mut self.state);
            let (state, done) = state.follow(&self.handle, &self.tree, &touched).await;
            self.state = state;
            if done.is_err() {
                ready.journal.put_back(touched);
            }
            done?;
            self.written = Some(head);
        }
        self.keep_checkpoint(now).await
    }

    /// Writes the cards of actions where they changed.
    async fn tell_actions(&mut self) -> Result<(), Error> {
        let now = self.handle.now().at;
        let cards = self.cards.wanted(&self.handle);
        let (tree, mut kept) = (self.tree.clone(), std::mem::take(&mut self.cards));
        let (kept, done) = blocking(move || {
            let done = kept.write(&tree, cards, now);
            Ok((kept, done))
        })
        .await?;
        self.cards = kept;
        done
    }

    async fn keep_checkpoint(&mut self, now: Time) -> Result<(), Error> {
        let Some(Ready {
            journal,
            mut checkpoint,
        }) = self.ready.take()
        else {
            return Ok(());
        };
        let tree = self.tree.clone();
        let (checkpoint, done) = blocking(move || {
            let done = checkpoint.keep(&tree, now);
            Ok((checkpoint, done))
        })
        .await?;
        self.ready = Some(Ready {
            journal,
            checkpoint,
        });
        done
    }
}

/// File work away from the threads that answer people.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| Error::Task(e.to_string()))?
}
