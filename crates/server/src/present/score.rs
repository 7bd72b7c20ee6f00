//! The score card as people see it. Row S2.
//!
//! A node is scored from what its agent says now: evidence that is not fresh is no reading, and without a single sample
//! there is no card, so that nothing of the past is scored by half of what was known.

use stead_core::action::{ActionKey, ActionKind, State};
use stead_core::ids::NodeName;
use stead_core::insight::score::{
    Card, Cleanup, Dimension, FleetCard, Kind, Readings, ScoreSettings, Upkeep, card, fleet,
};
use stead_core::subject::Subject;
use stead_core::world::EvidenceState;
use stead_protocol::api;

use super::{Look, counts, word};

/// Cards listed with the fleet's.
const CARDS: usize = 500;

/// The card of a node; every dimension without data where nothing fresh is known.
pub fn score_card(look: Look<'_>, node: &NodeName) -> Card {
    let readings = readings(look, node).unwrap_or_default();
    card(node, &readings, &ScoreSettings::default(), look.now.at)
}

/// `None`: no agent says anything now.
fn readings(look: Look<'_>, node: &NodeName) -> Option<Readings> {
    let state = look.world.node(node)?;
    if state.evidence.state != EvidenceState::Fresh || !look.live.is_connected(node) {
        return None;
    }
    let sample = look.live.sample(node)?;
    let counts = counts(Some(state), look.world.fleet.nodes.get(node));
    let fullest = sample.filesystems.iter().map(|f| f.used_percent);
    Some(Readings {
        steal: look.live.steal(node),
        memory_available: Some(sample.memory.available),
        disk_used: fullest.reduce(f32::max).map(f64::from),
        unhealthy: unwell(&counts),
        upkeep: Some(Upkeep {
            last: last_cleanup(look, node),
        }),
        llm_free: Some(sample.memory.available),
    })
}

/// Services that are not well. As long as nothing is known of some and nothing is wrong with the others, nobody can say
/// that all are well, and there is no number.
fn unwell(counts: &api::ServiceCounts) -> Option<u32> {
    let unwell = counts.unhealthy + counts.missing;
    let hidden = counts.unknown + counts.stale;
    let said = unwell > 0 || hidden == 0;
    said.then(|| u32::try_from(unwell).unwrap_or(u32::MAX))
}

/// The last cleanup that ended well: Stead's own, or that of a script which tells of it.
fn last_cleanup(look: Look<'_>, node: &NodeName) -> Option<Cleanup> {
    let host = look.world.node(node).and_then(|state| state.host());
    let seen = host.and_then(|host| host.last_cleanup).map(|seen| Cleanup {
        at: seen.at,
        freed: seen.freed,
    });
    // A clock that was ahead when it was written would keep the points for ever.
    let seen = seen.filter(|seen| seen.at <= look.now.at);
    let done = own_cleanup(look, node);
    done.into_iter().chain(seen).max_by_key(|one| one.at)
}

/// The last that Stead did. What it freed is remembered as long as the action is.
fn own_cleanup(look: Look<'_>, node: &NodeName) -> Option<Cleanup> {
    let key = ActionKey {
        kind: ActionKind::DiskCleanup,
        subject: Subject::Node(node.clone()),
    };
    let actions = &look.world.actions;
    let at = actions.memory.get(&key)?.completed_at?;
    let ended = actions.ended.iter().rev();
    let freed = ended
        .filter(|a| a.key == key && a.state == State::Completed)
        .find_map(|a| a.freed);
    Some(Cleanup {
        at,
        freed: freed.unwrap_or(0),
    })
}

pub fn node_score(look: Look<'_>, node: &NodeName) -> api::NodeScore {
    let card = score_card(look, node);
    api::NodeScore {
        node: node.to_string(),
        score: card.score,
        points: card.points,
        weight: card.weight,
        partial: card.partial,
        dimensions: card.dimensions.into_iter().map(dimension).collect(),
        at: look.now.at.to_string(),
    }
}

fn dimension(d: Dimension) -> api::ScoreDimension {
    let trend = match d.kind {
        Kind::Cpu => Some("steal"),
        Kind::Memory | Kind::Llm => Some("memory"),
        Kind::Disk => Some("disk"),
        Kind::Services => Some("containers"),
        Kind::Maintenance => None,
    };
    api::ScoreDimension {
        lost: d.lost(),
        kind: d.kind.word().to_string(),
        title: d.title,
        weight: d.weight,
        points: d.points,
        value: d.value,
        measured: d.measured,
        next: d.next.map(|next| api::ScoreNext {
            points: next.points,
            wants: next.wants,
        }),
        fix: d.fix.map(|fix| api::ScoreFix {
            what: fix.what,
            page: fix.page,
            command: fix.command,
        }),
        trend: trend.map(str::to_string),
    }
}

/// One row of the fleet's card.
pub fn scored_node(node: &NodeName, card: &Card) -> api::ScoredNode {
    let lost = card.dimensions.iter().filter(|d| d.lost() > 0);
    // The first of those that lost as much.
    let most = lost.rev().max_by_key(|d| d.lost());
    api::ScoredNode {
        node: node.to_string(),
        score: card.score,
        partial: card.partial && card.score.is_some(),
        most_lost: most.map(|d| api::LostPoints {
            kind: word(d.kind),
            title: d.title.clone(),
            lost: d.lost(),
            measured: d.measured.clone(),
        }),
    }
}

/// The fleet's card from those of its nodes.
pub fn fleet_score(cards: &[(NodeName, Card)], at: stead_core::time::Time) -> api::FleetScore {
    let FleetCard {
        score,
        partial,
        worst,
        nodes,
        unscored,
    } = fleet(cards.iter().map(|(node, card)| (node, card)));
    let row = |(node, _): &(NodeName, u8)| {
        let found = cards.iter().find(|(name, _)| name == node);
        found.map(|(node, card)| scored_node(node, card))
    };
    let mut rows: Vec<api::ScoredNode> = cards
        .iter()
        .map(|(node, card)| scored_node(node, card))
        .collect();
    rows.sort_by(|a, b| {
        let rank = |row: &api::ScoredNode| row.score.unwrap_or(u8::MAX);
        rank(a).cmp(&rank(b)).then_with(|| a.node.cmp(&b.node))
    });
    rows.truncate(CARDS);
    api::FleetScore {
        score,
        partial,
        worst: worst.as_ref().and_then(row),
        nodes,
        unscored,
        cards: rows,
        at: at.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use stead_core::action::Action;
    use stead_core::facts::{CleanupSeen, Fact, FactKey, HostFacts};
    use stead_core::sample::{Filesystem, HostSample};
    use stead_core::time::Time;
    use stead_core::world::{Status, World};

    use super::super::tests::{Measured, NOW, an_action, piha, set, with, world};
    use super::*;

    #[test]
    fn what_is_not_known_is_not_well() {
        let of = |healthy, unhealthy, unknown| {
            unwell(&api::ServiceCounts {
                total: healthy + unhealthy + unknown,
                healthy,
                unhealthy,
                unknown,
                ..api::ServiceCounts::default()
            })
        };
        assert_eq!(of(3, 0, 0), Some(0));
        assert_eq!(of(0, 0, 0), Some(0), "no service is no trouble");
        assert_eq!(of(2, 0, 1), None, "all may be well, or not");
        assert_eq!(of(1, 2, 1), Some(2), "two at least");
    }

    fn live() -> Measured {
        let filesystem = |mount: &str, used_percent| Filesystem {
            mount: mount.into(),
            fs: "ext4".into(),
            device: "vda".into(),
            total: 100,
            used: 50,
            available: 50,
            used_percent,
            inodes_percent: None,
        };
        let sample = HostSample {
            filesystems: vec![filesystem("/", 30.0), filesystem("/srv", 60.0)],
            ..HostSample::default()
        };
        Measured {
            hosts: [(piha(), sample)].into(),
            ..Measured::default()
        }
    }

    fn scored(world: &World) -> api::NodeScore {
        with(world, &live(), |look| node_score(look, &piha()))
    }

    fn points(world: &World, kind: &str) -> Option<u8> {
        let all = scored(world).dimensions;
        all.iter().find(|d| d.kind == kind).expect(kind).points
    }

    #[test]
    fn a_node_that_is_not_heard_now_has_no_score() {
        let of = |state| {
            with(&world(state), &live(), |look| {
                node_score(look, &piha()).score
            })
        };
        assert!(of(EvidenceState::Fresh).is_some());
        assert_eq!(of(EvidenceState::Stale), None);
    }

    #[test]
    fn the_fullest_disk_and_missing_services_count_and_each_leads_to_its_numbers() {
        let mut world = world(EvidenceState::Fresh);
        assert_eq!(points(&world, "disk"), Some(5), "60 % of /srv");
        assert_eq!(points(&world, "services"), Some(20));
        let node = world.nodes.values_mut().next().expect("piha");
        node.services.values_mut().next().expect("web").status = Status::Missing;
        assert_eq!(points(&world, "services"), Some(15));
        let trends: Vec<Option<String>> = scored(&world)
            .dimensions
            .into_iter()
            .map(|d| d.trend)
            .collect();
        let expected = ["steal", "memory", "disk", "containers", "", "memory"];
        assert_eq!(
            trends,
            expected.map(|t| (!t.is_empty()).then(|| t.to_string()))
        );
    }

    #[test]
    fn a_cleanup_counts_whoever_did_it_and_none_of_the_future() {
        let day = |n: i64| Time(NOW.at.0 - n * 86_400_000);
        let told = |at, freed| {
            let mut world = world(EvidenceState::Fresh);
            let host = HostFacts {
                last_cleanup: Some(CleanupSeen { at, freed }),
                ..HostFacts::default()
            };
            set(&mut world, FactKey::Host, Fact::Host(host));
            world
        };
        let never = world(EvidenceState::Fresh);
        assert_eq!(points(&never, "maintenance"), Some(0));
        assert_eq!(points(&told(day(1), 5), "maintenance"), Some(15));
        assert_eq!(points(&told(day(1), 0), "maintenance"), Some(8));
        assert_eq!(points(&told(day(-1), 5), "maintenance"), Some(0));
        let mut own = world(EvidenceState::Fresh);
        let key = ActionKey {
            kind: ActionKind::DiskCleanup,
            subject: Subject::Node(piha()),
        };
        let memory = own.actions.memory.entry(key.clone()).or_default();
        memory.completed_at = Some(day(2));
        assert_eq!(points(&own, "maintenance"), Some(8), "freed: not known");
        own.actions.ended.push_back(Action {
            key,
            freed: Some(7),
            ..an_action(State::Completed)
        });
        assert_eq!(points(&own, "maintenance"), Some(15));
    }

    #[test]
    fn the_lowest_is_listed_first() {
        let card = |score| Card {
            score,
            points: 0,
            weight: 100,
            partial: false,
            dimensions: Vec::new(),
        };
        let cards = [("a", Some(90)), ("b", None), ("c", Some(40))];
        let cards = cards.map(|(name, score)| (name.parse().unwrap(), card(score)));
        let shown = fleet_score(&cards, NOW.at).cards;
        let order: Vec<&str> = shown.iter().map(|c| c.node.as_str()).collect();
        assert_eq!(order, ["c", "a", "b"]);
    }
}
