//! When to read a fleet again: whenever its directory changes, and every minute in any case.
//!
//! Ticks carry nothing: what is true is in the directory, and a tick that is missed is made up for by the next. One tick
//! is kept at most, so a slow reader never gets behind.

use notify::event::{AccessKind, AccessMode, MetadataKind, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::{Instant, sleep_until, timeout_at};

/// Editors write, rename and write again: changes within this time are one.
pub const DEBOUNCE: Duration = Duration::from_millis(200);
/// A change that never ends is told all the same.
const LONGEST_DEBOUNCE: Duration = Duration::from_secs(2);
/// Read again at least this often: some file systems tell nothing.
pub const INTERVAL: Duration = Duration::from_secs(60);

/// Why to read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Something below the directory changed.
    Touched,
    /// A minute has passed.
    Due,
}

/// How often and how patiently. The defaults are for the server; tests go faster.
#[derive(Debug, Clone, Copy)]
pub struct Rhythm {
    pub debounce: Duration,
    pub interval: Duration,
}

impl Default for Rhythm {
    fn default() -> Self {
        Self {
            debounce: DEBOUNCE,
            interval: INTERVAL,
        }
    }
}

/// Gives ticks until it is dropped.
#[derive(Debug)]
pub struct Watch {
    ticks: Receiver<Change>,
    task: tokio::task::JoinHandle<()>,
}

impl Watch {
    /// Starts to watch `directory`, which need not exist yet; `None` only keeps the interval. Where the system gives no
    /// more watches, the interval remains: see [`Watch::next`].
    pub fn start(directory: Option<&Path>, rhythm: Rhythm) -> Watch {
        let (tell, ticks) = mpsc::channel(1);
        let directory = directory.map(|d| std::path::absolute(d).unwrap_or_else(|_| d.to_owned()));
        let task = tokio::spawn(run(directory, rhythm, tell));
        Watch { ticks, task }
    }

    /// The next tick.
    pub async fn next(&mut self) -> Option<Change> {
        self.ticks.recv().await
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(directory: Option<PathBuf>, rhythm: Rhythm, tell: Sender<Change>) {
    // One pending note is enough: it says "something", and what follows is the same.
    let (note, mut notes) = mpsc::channel::<()>(1);
    let mut eyes = directory.map(|directory| Eyes {
        directory,
        note,
        watcher: None,
        seen: None,
        torn: Arc::default(),
    });
    let mut due = Instant::now() + rhythm.interval;
    loop {
        if let Some(eyes) = &mut eyes {
            eyes.renew();
        }
        // A directory that was swapped or is not there yet is looked for between the minutes, too.
        let look = due.min(Instant::now() + Duration::from_secs(2));
        let change = tokio::select! {
            Some(()) = notes.recv(), if eyes.is_some() => {
                settle(&mut notes, rhythm.debounce).await;
                Change::Touched
            }
            () = sleep_until(look) => match Instant::now() >= due {
                true => Change::Due,
                false => match eyes.as_mut().is_some_and(Eyes::renew) {
                    true => Change::Touched,
                    false => continue,
                },
            },
            () = tell.closed() => return,
        };
        if change == Change::Due {
            due = Instant::now() + rhythm.interval;
        }
        // Full means that a tick is waiting, and that one says it all.
        if let Err(mpsc::error::TrySendError::Closed(_)) = tell.try_send(change) {
            return;
        }
    }
}

/// Waits until nothing happened for `quiet`, but not forever.
async fn settle(notes: &mut Receiver<()>, quiet: Duration) {
    let end = Instant::now() + LONGEST_DEBOUNCE;
    loop {
        let until = end.min(Instant::now() + quiet);
        match timeout_at(until, notes.recv()).await {
            Ok(Some(())) if Instant::now() < end => {}
            _ => return,
        }
    }
}

/// A watcher on the directory that is there now.
struct Eyes {
    directory: PathBuf,
    note: Sender<()>,
    watcher: Option<RecommendedWatcher>,
    /// Which directory is watched: its device and number, so that a swapped one is noticed.
    seen: Option<(u64, u64)>,
    /// The path itself was renamed, removed or made: the watches may be gone even where the same directory is back.
    torn: Arc<AtomicBool>,
}

impl Eyes {
    /// Watches anew where the path leads elsewhere than before; true if it does.
    fn renew(&mut self) -> bool {
        use std::os::unix::fs::MetadataExt;
        let now = std::fs::metadata(&self.directory)
            .ok()
            .filter(|m| m.is_dir())
            .map(|m| (m.dev(), m.ino()));
        let torn = self.torn.swap(false, Ordering::AcqRel);
        if !torn && now == self.seen && (self.watcher.is_some() || now.is_none()) {
            return false;
        }
        let first = self.watcher.is_none() && self.seen.is_none();
        self.watcher = now.and_then(|_| self.open());
        let changed = now != self.seen;
        self.seen = now;
        changed && !first
    }

    fn open(&self) -> Option<RecommendedWatcher> {
        let note = self.note.clone();
        let directory = self.directory.clone();
        let torn = Arc::clone(&self.torn);
        let mut watcher =
            notify::recommended_watcher(move |event: Result<Event, notify::Error>| {
                let Ok(event) = event else { return };
                if is_itself(&event, &directory) {
                    torn.store(true, Ordering::Release);
                }
                if matters(&event, &directory) {
                    let _ = note.try_send(());
                }
            })
            .ok()?;
        watcher
            .watch(&self.directory, RecursiveMode::Recursive)
            .ok()?;
        // The parent tells when the directory itself is renamed away or a link is turned.
        if let Some(parent) = self.directory.parent() {
            let _ = watcher.watch(parent, RecursiveMode::NonRecursive);
        }
        Some(watcher)
    }
}

impl std::fmt::Debug for Eyes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Eyes")
            .field("directory", &self.directory)
            .field("seen", &self.seen)
            .finish_non_exhaustive()
    }
}

/// Whether the directory's own name was given, taken or moved.
fn is_itself(event: &Event, directory: &Path) -> bool {
    let named = matches!(
        event.kind,
        EventKind::Create(_) | EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_))
    );
    named && event.paths.iter().any(|p| p == directory)
}

/// Reading a file is no change, and neither is most of what git does to its own folder.
fn matters(event: &Event, directory: &Path) -> bool {
    let kind = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        EventKind::Modify(ModifyKind::Metadata(MetadataKind::AccessTime)) => false,
        _ => true,
    };
    // The parent is watched, too, for the directory itself; its other entries are none of our business.
    let within = |path: &&PathBuf| path.starts_with(directory);
    // A new commit moves HEAD or a branch, and the commit is shown; the rest of .git is git's own business.
    let told = |path: &PathBuf| match path
        .strip_prefix(directory)
        .ok()
        .filter(|rest| rest.starts_with(".git"))
    {
        None => true,
        Some(rest) => {
            rest.ends_with("HEAD") && !rest.ends_with("FETCH_HEAD")
                || rest.starts_with(".git/refs/heads")
        }
    };
    kind && (event.paths.is_empty() || event.paths.iter().filter(within).any(told))
}
