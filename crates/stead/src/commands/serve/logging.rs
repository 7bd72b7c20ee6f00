//! What the long-running commands say on standard error: `STEAD_LOG` filters it, `STEAD_LOG_FORMAT=json` is for
//! machines.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

pub fn start() {
    let filter =
        EnvFilter::try_from_env("STEAD_LOG").unwrap_or_else(|_| EnvFilter::new("warn,stead=info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // Somebody else's subscriber (a test's) stays.
    let _ = if std::env::var("STEAD_LOG_FORMAT").is_ok_and(|f| f == "json") {
        builder.json().try_init()
    } else {
        builder
            .with_target(false)
            .with_ansi(std::io::stderr().is_terminal())
            .try_init()
    };
}
