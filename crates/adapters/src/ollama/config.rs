//! How often to look and how long to wait.

use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Options {
    /// A connection must be there within this.
    pub connect_limit: Duration,
    /// Each question must be answered within this; loading has its own limit.
    pub call_limit: Duration,
    /// Between two looks.
    pub look_every: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            connect_limit: Duration::from_secs(2),
            call_limit: Duration::from_secs(5),
            look_every: Duration::from_secs(10),
        }
    }
}
