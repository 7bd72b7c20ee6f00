//! Where the manager listens and how long to wait for it.

use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Options {
    /// Exists where systemd is the init of this machine.
    pub marker: PathBuf,
    /// The system bus. (The manager's private socket would serve root without a bus, but it signs its messages with a
    /// name the client library takes for invalid.)
    pub bus: PathBuf,
    /// Each question must be answered within this.
    pub call_limit: Duration,
    /// The manager is asked for a sign of life this often.
    pub ping_every: Duration,
    /// Unit files are looked at this often: editing one is no signal.
    pub look_every: Duration,
    /// Questions in flight at once.
    pub at_once: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            marker: PathBuf::from("/run/systemd/system"),
            bus: PathBuf::from("/run/dbus/system_bus_socket"),
            call_limit: Duration::from_millis(2500),
            ping_every: Duration::from_secs(2),
            look_every: Duration::from_secs(60),
            at_once: 2,
        }
    }
}
