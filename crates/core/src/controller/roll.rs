//! Rolling work: one action per target, a batch at a time, paused on failure. Row R11.

use super::Controller;
use super::decide::{Command, Refusal, Reply, refuse};
use crate::policy::Now;

impl Controller {
    pub(super) fn roll(&mut self, _now: Now, _command: Command) -> Result<Reply, Refusal> {
        Err(refuse(
            "no-targets",
            "nothing is selected",
            "give a selector that matches something",
        ))
    }
}
