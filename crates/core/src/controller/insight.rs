//! What somebody measured and judged by the core's own functions becomes a fact: it began, or it ended. Said once.

use alloc::string::ToString;

use super::Controller;
use crate::event::{Body, Severity, Source, WritesAnomalous, WritesUsual};
use crate::insight::anomaly::Anomaly;
use crate::policy::Now;
use crate::subject::Subject;

/// How a container's writing turned.
#[derive(Debug, Clone, PartialEq)]
pub enum WritesTurn {
    Began(Anomaly),
    /// Bytes an hour.
    Calm {
        rate: u64,
    },
    /// The container is no more.
    Gone,
}

impl Controller {
    pub(super) fn writes_turned(&mut self, now: Now, subject: Subject, turn: WritesTurn) {
        let held = self.world().writes.open.get(&subject).cloned();
        match (turn, held) {
            (WritesTurn::Began(anomaly), None) if matches!(subject, Subject::Container(..)) => {
                self.cause = anomaly.before.as_ref().and_then(|before| before.event);
                let body = Body::WritesAnomalous(WritesAnomalous { anomaly });
                self.emit(now.at, subject, Severity::Warning, Source::Server, body);
            }
            (WritesTurn::Calm { rate }, Some((held, _))) => {
                self.writes_ended(now, subject, &held, rate, "calm");
            }
            (WritesTurn::Gone, Some((held, _))) => {
                self.writes_ended(now, subject, &held, 0, "gone");
            }
            _ => {}
        }
    }

    fn writes_ended(
        &mut self,
        now: Now,
        subject: Subject,
        held: &Anomaly,
        rate: u64,
        reason: &str,
    ) {
        self.cause = self.world().writes.open.get(&subject).map(|(_, seq)| *seq);
        let body = WritesUsual {
            since: held.since,
            rate,
            usual: held.usual,
            reason: reason.to_string(),
        };
        self.tell(now, subject, Body::WritesUsual(body));
    }
}
