//! Chores that other programs run: their crontabs and the log of a cleanup script, read as they lie.
//!
//! Nothing here runs or changes anything. Files are read whole or not at all, and only where they are what they should be:
//! a link, a device, a file that is too large or is no text is refused, with the reason.
//!
//! | file | what |
//! |---|---|
//! | `cleanup` | runs told in `vm-cleanup.log` |
//! | `cron` | lines of crontabs |

mod cleanup;
mod cron;

pub use crate::plain::Refused;
pub use cleanup::{CleanupLog, cleanup_log, last_cleanup};
pub use cron::{Crontabs, crontabs};

/// Largest file read: years of chores, and nothing that could fill the memory of a small machine.
const LARGEST: u64 = 8 * 1024 * 1024;
