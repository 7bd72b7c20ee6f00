//! The endless stream of frames: what was spooled, then everything as it is now, then what happens.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use stead_ports::planted::{self, Bug};
use stead_ports::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::board::{Board, Next, Reader};
use crate::spool::Position;

/// A reader hears something at least this often.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// Between two gaps that one reader is told of. On a full disk each frame is one, and the snapshot after it may bring the
/// next: what was ordered and cannot be recorded is ordered again.
const GAP_EVERY: Duration = Duration::from_secs(2);

struct Frames {
    board: Board,
    position: Position,
    snapshot: bool,
    /// When the last gap was told.
    gap: Option<Instant>,
    news: watch::Receiver<u64>,
    samples: watch::Receiver<Option<Bytes>>,
    ready: watch::Receiver<bool>,
    stop: CancellationToken,
    _reader: Reader,
}

/// The frames after `position`, line by line. `server`: whoever reads will acknowledge.
pub fn stream(
    board: Board,
    position: Position,
    server: bool,
    stop: CancellationToken,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
    let frames = Frames {
        position,
        snapshot: true,
        gap: None,
        news: board.news(),
        samples: board.samples(),
        ready: board.ready(),
        stop,
        _reader: board.reader(server),
        board,
    };
    futures::stream::unfold(frames, |mut frames| async move {
        let lines = frames.next().await?;
        Some((Ok(lines), frames))
    })
}

impl Frames {
    /// What can be told now.
    fn told(&mut self) -> Option<Bytes> {
        let recent = self.gap.is_some_and(|at| at.elapsed() < GAP_EVERY);
        let gaps = !recent || planted::on(Bug::GapsUnpaced);
        match self
            .board
            .next(&mut self.position, &mut self.snapshot, gaps)
        {
            Next::Lines(lines) => Some(lines),
            Next::Gap(line) => {
                self.gap = Some(Instant::now());
                Some(line)
            }
            Next::Nothing => None,
        }
    }

    /// The next lines; `None` when the agent stops. A reader that takes nothing holds up nobody but itself.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            self.news.borrow_and_update();
            self.ready.borrow_and_update();
            if let Some(lines) = self.told() {
                return Some(lines);
            }
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return None,
                changed = self.news.changed() => changed.ok()?,
                changed = self.ready.changed(), if self.snapshot => changed.ok()?,
                changed = self.samples.changed(), if !self.snapshot => {
                    changed.ok()?;
                    if let Some(line) = self.samples.borrow_and_update().clone() {
                        return Some(line);
                    }
                }
                () = tokio::time::sleep(HEARTBEAT) => return Some(self.board.heartbeat().into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use futures::StreamExt;
    use stead_core::event::{Kind, Severity};
    use stead_core::subject::Subject;
    use stead_core::time::Time;
    use stead_ports::clock::ManualClock;
    use stead_ports::disk::MemoryDisk;
    use stead_protocol::agent::{Frame, FrameBody};

    use super::*;
    use crate::spool::{self, Spool};

    /// On a full disk every frame is lost; were each told at once, whatever a snapshot brings about would tell the next.
    #[tokio::test(start_paused = true)]
    async fn on_a_full_disk_the_reader_is_told_of_gaps_but_not_of_each() {
        let disk = MemoryDisk::new();
        let options = spool::Options::default();
        let (spool, _) =
            Spool::open(disk.mount(), Path::new("/spool"), options, "b", [1; 16]).expect("spool");
        let clock = Arc::new(ManualClock::at(Time(1_795_000_000_000)));
        let board = Board::new(spool, clock);
        board.set_ready();
        disk.set_room(Some(0));
        let stop = CancellationToken::new();
        let mut frames = Box::pin(stream(board.clone(), Position::after(0), true, stop));
        let began = Instant::now();
        let (mut gaps, mut snapshots) = (0, 0);
        while began.elapsed() < Duration::from_secs(60) {
            let lines = frames
                .next()
                .await
                .expect("it goes on")
                .expect("it cannot fail");
            for line in lines.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
                let frame: Frame = serde_json::from_slice(line).expect("a frame");
                gaps += u32::from(matches!(frame.body, FrameBody::Gap { .. }));
                if matches!(frame.body, FrameBody::Snapshot { .. }) {
                    snapshots += 1;
                    // What a snapshot brings about: something else that cannot be kept.
                    board.note(
                        Kind::new("oom_kill").expect("a kind"),
                        Subject::Fleet,
                        Severity::Warning,
                        serde_json::json!({}),
                    );
                }
            }
        }
        assert!((25..=31).contains(&gaps), "{gaps} gaps in a minute");
        assert_eq!(snapshots, gaps + 1, "each gap brings a snapshot");
    }
}
