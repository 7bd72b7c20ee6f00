//! The endless stream of frames: what was spooled, then everything as it is now, then what happens.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use stead_ports::watch;
use tokio_util::sync::CancellationToken;

use crate::board::{Board, Next, Reader};
use crate::spool::Position;

/// A reader hears something at least this often.
const HEARTBEAT: Duration = Duration::from_secs(2);

struct Frames {
    board: Board,
    position: Position,
    snapshot: bool,
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
    /// The next lines; `None` when the agent stops. A reader that takes nothing holds up nobody but itself.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            self.news.borrow_and_update();
            self.ready.borrow_and_update();
            if let Next::Lines(lines) = self.board.next(&mut self.position, &mut self.snapshot) {
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
