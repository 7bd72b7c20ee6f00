//! Where the server is. Until enrolment exists only a server on the same machine is accepted: the token must not travel.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;

use crate::Error;

/// Port of a server where none is said.
const PORT: u16 = 18180;

/// A server on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// Tried in this order.
    Tcp(Vec<SocketAddr>),
    Unix(PathBuf),
}

impl Address {
    /// Reads `unix:///PATH`, or `http://` or `ws://` with a host that is loopback or of which `is_ours` says that it is
    /// this machine.
    pub fn parse(url: &str, is_ours: impl Fn(IpAddr) -> bool) -> Result<Address, Error> {
        let bad = |why| Error::Address {
            url: shown(url),
            why,
        };
        if let Some(path) = url.strip_prefix("unix://") {
            let absolute = path.starts_with('/');
            return if absolute {
                Ok(Address::Unix(path.into()))
            } else {
                Err(bad("the path must be absolute"))
            };
        }
        let (scheme, rest) = url
            .split_once("://")
            .ok_or_else(|| bad("it has no scheme"))?;
        if matches!(scheme, "https" | "wss") {
            return Err(Error::Tls { url: shown(url) });
        }
        if !matches!(scheme, "http" | "ws") {
            return Err(bad("its scheme is none of http, ws, unix"));
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(bad("it holds a user or password; the token is given apart"));
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (
                host,
                port.parse().map_err(|_| bad("its port is no number"))?,
            ),
            _ => (authority, PORT),
        };
        // The name is not looked up: whoever answers for it might be elsewhere.
        let ips: Vec<IpAddr> = match host.trim_start_matches('[').trim_end_matches(']') {
            "localhost" => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
            host => host.parse().into_iter().collect(),
        };
        if ips.is_empty() || ips.iter().any(|ip| !ip.is_loopback() && !is_ours(*ip)) {
            return Err(Error::NotLocal { url: shown(url) });
        }
        Ok(Address::Tcp(
            ips.into_iter()
                .map(|ip| SocketAddr::new(ip, port))
                .collect(),
        ))
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Address::Tcp(all) => match all.first() {
                Some(one) => write!(f, "http://{one}"),
                None => f.write_str("nowhere"),
            },
            Address::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

/// Whether `ip` is an address of this machine: what goes there leaves from there. Nothing is sent.
pub fn is_ours(ip: IpAddr) -> bool {
    let any: IpAddr = if ip.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    let from = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect((ip, 9))?;
        socket.local_addr()
    });
    from.is_ok_and(|from| from.ip() == ip)
}

fn shown(url: &str) -> String {
    stead_adapters::redact::redact(url, 200)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9));

    #[test]
    fn this_machine_knows_its_own_addresses() {
        assert!(is_ours(Ipv4Addr::LOCALHOST.into()));
        assert!(!is_ours(Ipv4Addr::new(192, 0, 2, 1).into()));
        assert!(!is_ours(Ipv4Addr::UNSPECIFIED.into()));
    }

    #[test]
    fn only_a_server_on_this_machine_is_accepted() {
        let tcp = |url: &str| match Address::parse(url, |ip| ip == OURS) {
            Ok(Address::Tcp(all)) => all.iter().map(ToString::to_string).collect::<Vec<_>>(),
            other => panic!("{url}: {other:?}"),
        };
        assert_eq!(tcp("http://127.0.0.1:18180"), ["127.0.0.1:18180"]);
        assert_eq!(tcp("ws://localhost/"), ["127.0.0.1:18180", "[::1]:18180"]);
        assert_eq!(tcp("http://[::1]:99/x"), ["[::1]:99"]);
        assert_eq!(tcp("http://192.0.2.9:99"), ["192.0.2.9:99"]);
        assert_eq!(
            Address::parse("unix:///run/s.sock", |_| false).ok(),
            Some(Address::Unix("/run/s.sock".into()))
        );
        let code = |url: &str| Address::parse(url, |ip| ip == OURS).expect_err(url).code();
        assert_eq!(code("http://192.0.2.7:18180"), "server-not-local");
        assert_eq!(code("http://example.org"), "server-not-local");
        assert_eq!(code("http://127.0.0.1.example.org"), "server-not-local");
        assert_eq!(code("https://127.0.0.1"), "server-tls");
        assert_eq!(code("http://a:b@127.0.0.1"), "server-address");
        assert_eq!(code("unix://relative"), "server-address");
        assert_eq!(code("127.0.0.1:1"), "server-address");
        assert_eq!(code("ftp://127.0.0.1"), "server-address");
        assert_eq!(code("http://127.0.0.1:x"), "server-address");
    }
}
