//! What happens in the month, told from its end: an entry of 500 hours ago is left out of a week. Pure.

use stead_core::time::{Span, Time};

/// Something that happens to a machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum What {
    /// A container's health check fails until somebody restarts it.
    Ill {
        container: &'static str,
        why: &'static str,
    },
    /// It fails, and gets well by itself after so many minutes.
    Passing {
        container: &'static str,
        why: &'static str,
        minutes: u64,
    },
    /// A person puts a newer image there.
    Deploy {
        container: &'static str,
        image: &'static str,
    },
    /// From now on it writes so many bytes a second.
    Writes {
        container: &'static str,
        rate: f64,
    },
    /// The kernel kills it for its memory; the engine starts it again.
    OutOfMemory {
        container: &'static str,
    },
    UnitFails {
        unit: &'static str,
    },
    UnitWell {
        unit: &'static str,
    },
    /// A newer kernel waits for a reboot.
    RebootWanted,
    /// Down for so many minutes, then back; with the newest kernel.
    Reboot {
        minutes: u64,
        kernel: &'static str,
    },
    PowerCut {
        minutes: u64,
    },
    /// The network is away; the machine runs on.
    Away {
        minutes: u64,
    },
    /// The owner's own script ran.
    Cleanup {
        gib: f64,
    },
    Load {
        model: &'static str,
    },
    Unload {
        model: &'static str,
    },
}

/// When, where, what.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entry {
    pub at: Time,
    pub node: &'static str,
    pub what: What,
}

const ZIGBEE: &str = "connect ECONNREFUSED: the adapter at /dev/ttyUSB0 does not answer";
const BLOG: &str = "GET /ghost/api/ took 10.0 s: timed out";
const SHOP: &str = "GET /health answered 503: the pool of connections is used up";

/// Hours before the end, node, what.
#[rustfmt::skip]
const TOLD: &[(f64, &str, What)] = &[
    (691.0, "nas", What::Deploy { container: "immich-server", image: "ghcr.io/immich-app/immich-server:v2.2.1" }),
    (655.5, "web-1", What::Ill { container: "shop", why: SHOP }),
    (640.0, "web-1", What::RebootWanted),
    (598.2, "web-1", What::Deploy { container: "shop", image: "registry.home.arpa/shop:1.42" }),
    (545.0, "web-2", What::OutOfMemory { container: "matomo" }),
    (520.6, "web-1", What::Passing { container: "blog", why: BLOG, minutes: 6 }),
    (455.0, "web-1", What::Reboot { minutes: 2, kernel: "6.1.0-37-cloud-amd64" }),
    (402.3, "web-2", What::Away { minutes: 37 }),
    (377.0, "piha", What::PowerCut { minutes: 11 }),
    (340.4, "web-1", What::Ill { container: "blog", why: BLOG }),
    (311.0, "nas", What::Deploy { container: "immich-machine-learning", image: "ghcr.io/immich-app/immich-machine-learning:v2.2.1" }),
    (300.0, "web-2", What::UnitFails { unit: "certbot.service" }),
    (291.5, "web-2", What::UnitWell { unit: "certbot.service" }),
    (266.0, "web-1", What::Deploy { container: "shop", image: "registry.home.arpa/shop:1.43" }),
    (240.0, "nas", What::RebootWanted),
    (205.0, "web-1", What::Ill { container: "shop", why: SHOP }),
    (168.2, "web-2", What::OutOfMemory { container: "matomo" }),
    (40.0, "web-2", What::RebootWanted),
    (36.7, "web-1", What::Ill { container: "blog", why: BLOG }),
    (30.0, "web-1", What::Deploy { container: "shop", image: "registry.home.arpa/shop:1.44" }),
    (20.0, "nas", What::Deploy { container: "immich-machine-learning", image: "ghcr.io/immich-app/immich-machine-learning:v2.3.0" }),
    (19.9, "nas", What::Writes { container: "immich-machine-learning", rate: 270_000.0 }),
    (7.5, "gpu", What::Load { model: "llama3.1:8b" }),
    (5.2, "piha", What::Ill { container: "zigbee2mqtt", why: ZIGBEE }),
    (3.4, "shed", What::Away { minutes: 100_000 }),
    (2.8, "web-2", What::UnitFails { unit: "certbot.service" }),
    (0.4, "web-1", What::Ill { container: "shop", why: SHOP }),
];

/// The course of the time of that `length` which ends at `end`, in order.
pub fn course(end: Time, length: Span) -> Vec<Entry> {
    let ago = |hours: f64| Time(end.0 - (hours * 3_600_000.0) as i64);
    let entry = |(hours, node, what): (f64, &'static str, What)| Entry {
        at: ago(hours),
        node,
        what,
    };
    let mut all: Vec<Entry> = TOLD.iter().copied().map(entry).collect();
    for day in 0..length.0.div_ceil(Span::hours(24).0) {
        let night = (day * 24) as f64;
        // What comes again and again.
        if day % 4 == 2 {
            all.push(entry((
                night + 11.3,
                "piha",
                What::Ill {
                    container: "zigbee2mqtt",
                    why: ZIGBEE,
                },
            )));
        }
        if day % 7 == 1 {
            all.push(entry((night + 12.0, "nas", What::Cleanup { gib: 1.9 })));
            all.push(entry((night + 12.4, "web-1", What::Cleanup { gib: 0.8 })));
        }
        if day % 5 == 3 {
            all.push(entry((
                night + 3.0,
                "gpu",
                What::Load {
                    model: "qwen2.5-coder:14b",
                },
            )));
            all.push(entry((
                night + 0.5,
                "gpu",
                What::Unload {
                    model: "qwen2.5-coder:14b",
                },
            )));
        }
    }
    let begin = Time(end.0 - length.0 as i64);
    all.retain(|entry| entry.at > begin && entry.at < end);
    all.sort_by_key(|entry| entry.at);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::places::PLACES;

    const DAYS_30: Span = Span::hours(30 * 24);
    const END: Time = Time(1_795_000_000_000);

    #[test]
    fn whatever_happens_happens_to_something_that_is_there() {
        for entry in course(END, DAYS_30) {
            let place = PLACES.iter().find(|p| p.name == entry.node);
            let place = place.expect("a place");
            let there = match entry.what {
                What::Ill { container, .. }
                | What::Passing { container, .. }
                | What::Deploy { container, .. }
                | What::Writes { container, .. }
                | What::OutOfMemory { container } => {
                    place.tenants.iter().any(|t| t.name == container)
                }
                What::UnitFails { unit } | What::UnitWell { unit } => {
                    place.units.iter().any(|(name, _)| *name == unit)
                }
                What::Load { model } | What::Unload { model } => {
                    place.models.iter().any(|(name, ..)| *name == model)
                }
                _ => true,
            };
            assert!(there, "{entry:?}");
        }
    }

    #[test]
    fn a_shorter_month_is_the_end_of_a_longer_one() {
        let (week, month) = (course(END, Span::hours(7 * 24)), course(END, DAYS_30));
        assert!(week.len() > 5 && month.len() > 2 * week.len());
        assert!(month.ends_with(&week));
        assert_eq!(course(END, DAYS_30), month, "told twice it is the same");
    }
}
