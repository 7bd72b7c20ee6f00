//! Where a connection may go: public addresses, and those that the channel allows.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::OnceLock;

use ipnet::IpNet;

/// Networks that are not the public Internet: this machine, networks at home, links, what has no single receiver, and
/// what stands for an IPv4 address in other clothes is judged as that address.
const NOT_PUBLIC: [&str; 22] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/127",
    "100::/64",
    "2001:db8::/32",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
    "5f00::/16",
];

fn not_public() -> &'static [IpNet] {
    static NETS: OnceLock<Vec<IpNet>> = OnceLock::new();
    NETS.get_or_init(|| {
        NOT_PUBLIC
            .iter()
            .filter_map(|net| net.parse().ok())
            .collect()
    })
}

/// The IPv4 address inside an IPv6 one, where it stands for one: mapped, NAT64, 6to4.
fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    if let Some(v4) = v6.to_ipv4_mapped() {
        return v4.into();
    }
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match [a, b, c, d, e, f] {
        [0x64, 0xff9b, 0, 0, 0, 0] => v4(g, h),
        [0x2002, high, low, ..] => v4(high, low),
        // The old way to write an IPv4 address; `::` and `::1` are none.
        [0, 0, 0, 0, 0, 0] if g != 0 => v4(g, h),
        _ => address,
    }
}

/// Networks as the channel names them; the first that is none, otherwise.
pub(super) fn networks(allow: &[String]) -> Result<Vec<IpNet>, String> {
    let parse = |text: &String| {
        let whole = || text.parse::<IpAddr>().map(IpNet::from);
        text.parse::<IpNet>()
            .or_else(|_| whole())
            .map_err(|_| text.chars().take(60).collect())
    };
    allow.iter().map(parse).collect()
}

/// Whether `address` may be connected to.
pub(super) fn may_go(address: IpAddr, allow: &[IpNet]) -> bool {
    let plain = plain(address);
    let within = |nets: &[IpNet]| {
        nets.iter()
            .any(|net| net.contains(&plain) || net.contains(&address))
    };
    within(allow) || !within(not_public())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_network_of_the_table_is_one() {
        assert_eq!(not_public().len(), NOT_PUBLIC.len());
    }

    #[test]
    fn private_addresses_are_refused_in_every_spelling() {
        for bad in [
            "127.0.0.1",
            "127.8.9.1",
            "0.0.0.0",
            "10.1.2.3",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.100.100.100",
            "255.255.255.255",
            "224.0.0.1",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::7f00:1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "fe80::1",
            "fd12::1",
            "ff02::1",
        ] {
            assert!(!may_go(bad.parse().unwrap(), &[]), "{bad}");
        }
        for good in [
            "1.1.1.1",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
        ] {
            assert!(may_go(good.parse().unwrap(), &[]), "{good}");
        }
    }

    #[test]
    fn what_the_channel_allows_is_allowed_and_no_more() {
        let allow = networks(&[
            "192.168.7.0/24".into(),
            "127.0.0.1".into(),
            "fd12::/16".into(),
        ]);
        let allow = allow.expect("networks");
        for good in ["192.168.7.9", "127.0.0.1", "::ffff:192.168.7.9", "fd12::5"] {
            assert!(may_go(good.parse().unwrap(), &allow), "{good}");
        }
        for bad in ["192.168.8.9", "127.0.0.2", "fd13::5"] {
            assert!(!may_go(bad.parse().unwrap(), &allow), "{bad}");
        }
        assert_eq!(networks(&["home".into()]), Err("home".into()));
    }
}
