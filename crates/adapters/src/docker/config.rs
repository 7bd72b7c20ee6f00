//! Where the engine is and how patient its callers are. Pure but for reading `DOCKER_HOST`.

use std::path::PathBuf;
use std::time::Duration;

use super::Error;

pub const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// Where an engine listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    Unix(PathBuf),
    /// `HOST:PORT`, without TLS.
    Tcp(String),
}

impl Address {
    /// Reads `unix:///PATH`, `tcp://HOST:PORT`, `http://HOST:PORT` or a bare absolute path.
    pub fn parse(text: &str) -> Result<Address, Error> {
        let text = text.trim();
        let bad = |why: &str| {
            Err(Error::Address {
                text: text.to_owned(),
                why: why.to_owned(),
            })
        };
        if let Some(path) = text
            .strip_prefix("unix://")
            .or(text.starts_with('/').then_some(text))
        {
            return if path.starts_with('/') {
                Ok(Address::Unix(PathBuf::from(path)))
            } else {
                bad("the socket's path must be absolute")
            };
        }
        if let Some(rest) = text
            .strip_prefix("tcp://")
            .or_else(|| text.strip_prefix("http://"))
        {
            let rest = rest.trim_end_matches('/');
            return if rest.is_empty() || rest.contains(['/', '@', '?', '#', ' ']) {
                bad("write tcp://HOST:PORT")
            } else if rest
                .rsplit_once(':')
                .is_some_and(|(_, port)| port.parse::<u16>().is_ok())
            {
                Ok(Address::Tcp(rest.to_owned()))
            } else {
                Ok(Address::Tcp(format!("{rest}:2375")))
            };
        }
        if text.starts_with("https://") {
            return bad(
                "TLS to an engine is not supported; use its socket, or run the agent on that machine",
            );
        }
        if text.starts_with("ssh://") {
            return bad("ssh is not supported here; run the agent on that machine");
        }
        bad("write unix:///PATH or tcp://HOST:PORT")
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Address::Unix(path) => write!(f, "unix://{}", path.display()),
            Address::Tcp(host) => write!(f, "tcp://{host}"),
        }
    }
}

/// How to reach an engine and how long to wait for it.
#[derive(Debug, Clone)]
pub struct Options {
    pub address: Address,
    /// Somebody named the address: a socket that is not there is trouble, not absence.
    pub named: bool,
    /// Each question must be answered within this.
    pub call_limit: Duration,
    /// The engine is asked for a sign of life this often. With `call_limit` it bounds how long a hang goes unnoticed.
    pub ping_every: Duration,
    /// Containers are listed again this often, in case the engine dropped an event for a slow reader.
    pub list_every: Duration,
    /// Questions in flight at once.
    pub at_once: usize,
}

impl Options {
    pub fn at(address: Address) -> Options {
        Options {
            address,
            named: true,
            call_limit: Duration::from_millis(2500),
            ping_every: Duration::from_secs(2),
            list_every: Duration::from_secs(60),
            at_once: 4,
        }
    }

    /// `DOCKER_HOST` if it is set, else the usual socket.
    pub fn from_env() -> Result<Options, Error> {
        match std::env::var("DOCKER_HOST") {
            Ok(text) if !text.trim().is_empty() => Ok(Options::at(Address::parse(&text)?)),
            _ => Ok(Options {
                named: false,
                ..Options::at(Address::Unix(PathBuf::from(DEFAULT_SOCKET)))
            }),
        }
    }

    /// Whether an engine is known to belong here although its socket is not there.
    pub(super) fn expected(&self) -> bool {
        const PROGRAMS: [&str; 2] = ["dockerd", "podman"];
        self.named
            || !matches!(self.address, Address::Unix(_))
            || crate::program::find(&PROGRAMS).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_docker_writes_them() {
        let unix = |p: &str| Address::Unix(PathBuf::from(p));
        assert_eq!(
            Address::parse("unix:///run/podman/podman.sock").unwrap(),
            unix("/run/podman/podman.sock")
        );
        assert_eq!(
            Address::parse("/x/docker.sock").unwrap(),
            unix("/x/docker.sock")
        );
        assert_eq!(
            Address::parse("tcp://10.0.0.2:2375").unwrap(),
            Address::Tcp("10.0.0.2:2375".into())
        );
        assert_eq!(
            Address::parse("tcp://box").unwrap(),
            Address::Tcp("box:2375".into())
        );
        for bad in [
            "unix://relative",
            "https://x:2376",
            "ssh://me@x",
            "",
            "tcp://a/b",
            "ftp://x",
        ] {
            let error = Address::parse(bad).expect_err(bad);
            assert_eq!(error.code(), "engine-address", "{bad}");
        }
    }
}
