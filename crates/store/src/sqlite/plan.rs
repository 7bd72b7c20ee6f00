//! Where a query looks: a pure function from the filter and what the index knows to ranges of segments.
//!
//! The index maps terms (`n:NODE`, `s:SUBJECT`, `k:KIND`, `v:SEVERITY`, `late`) to segments, never to records: what a
//! segment holds is decided by the filter alone, on verified bytes.

use std::collections::BTreeSet;

use stead_core::ids::Seq;
use stead_ports::log::Filter;
use stead_ports::log::frame::View;

/// A record this much older than the newest time seen before it makes its segment late: milliseconds.
pub const LATENESS: i64 = 3_600_000;
pub const LATE: &str = "late";

/// A range of segment keys to walk, both ends included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    pub from: Seq,
    pub to: Seq,
    /// A segment must have one term of each group. Empty: walk them all.
    pub groups: Vec<Vec<String>>,
}

/// What was looked up before planning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Segments beginning up to here are in the index.
    pub indexed: Seq,
    /// The segment that holds the record after `filter.after`.
    pub start: Seq,
    /// The first indexed segment up to which some record is as new as `filter.since`.
    pub since: Option<Seq>,
    /// The first indexed segment up to which some record is newer than `filter.until` by [`LATENESS`]: what follows
    /// is late or too new.
    pub until: Option<Seq>,
}

/// The terms of the index that a filter needs, the most selective first.
fn groups(filter: &Filter) -> Vec<Vec<String>> {
    let mut groups = Vec::new();
    if let Some(subject) = &filter.subject {
        groups.push(vec![format!("s:{subject}")]);
    }
    if let Some(node) = &filter.node {
        groups.push(vec![format!("n:{node}")]);
    }
    if !filter.kinds.is_empty() {
        let kinds: BTreeSet<String> = filter
            .kinds
            .iter()
            .map(|kind| format!("k:{kind}"))
            .collect();
        groups.push(kinds.into_iter().collect());
    }
    if filter.min_severity > 0 {
        groups.push(vec![format!("v:{}", filter.min_severity.min(2))]);
    }
    groups
}

/// Adds the terms under which `view`'s segment is found.
pub fn note_terms(view: &View<'_>, newest_before: i64, terms: &mut BTreeSet<String>) {
    terms.insert(format!("s:{}", view.subject));
    terms.insert(format!("n:{}", view.node));
    terms.insert(format!("k:{}", view.kind));
    for level in 1..=view.severity.min(2) {
        terms.insert(format!("v:{level}"));
    }
    if view.at.0 < newest_before.saturating_sub(LATENESS) {
        terms.insert(LATE.to_owned());
    }
}

/// The passes in the order to walk them, which is the order of the records.
pub fn passes(filter: &Filter, known: Known) -> Vec<Pass> {
    let groups = groups(filter);
    let before = filter
        .before
        .map_or(u64::MAX, |before| before.0.saturating_sub(1));
    let mut from = known.start;
    if filter.since.is_some() {
        from = from.max(known.since.unwrap_or(known.indexed.next()));
    }
    let indexed = known.indexed.0.min(before);
    let (normal_to, late_from) = match known.until {
        Some(until) => (until.0.min(indexed), Some(from.max(until.next()))),
        None => (indexed, None),
    };
    let mut passes = vec![Pass {
        from,
        to: Seq(normal_to),
        groups: groups.clone(),
    }];
    if let Some(late_from) = late_from {
        let mut late = vec![vec![LATE.to_owned()]];
        late.extend(groups);
        passes.push(Pass {
            from: late_from,
            to: Seq(indexed),
            groups: late,
        });
    }
    passes.push(Pass {
        from: from.max(known.indexed.next()),
        to: Seq(before),
        groups: Vec::new(),
    });
    passes.retain(|pass| pass.from <= pass.to);
    if filter.newest_first {
        passes.reverse();
    }
    passes
}

#[cfg(test)]
mod tests {
    use super::*;
    use stead_core::time::Time;

    const KNOWN: Known = Known {
        indexed: Seq(100),
        start: Seq(0),
        since: None,
        until: None,
    };

    fn ranges(filter: &Filter, known: Known) -> Vec<(u64, u64, usize)> {
        let passes = passes(filter, known);
        passes
            .iter()
            .map(|p| (p.from.0, p.to.0, p.groups.len()))
            .collect()
    }

    #[test]
    fn the_indexed_part_and_the_tail_are_walked_in_the_order_asked() {
        let mut filter = Filter {
            node: Some("nas".into()),
            min_severity: 3,
            ..Filter::default()
        };
        assert_eq!(ranges(&filter, KNOWN), [(0, 100, 2), (101, u64::MAX, 0)]);
        filter.newest_first = true;
        filter.before = Some(Seq(151));
        assert_eq!(ranges(&filter, KNOWN), [(101, 150, 0), (0, 100, 2)]);
        filter.before = Some(Seq(51));
        assert_eq!(ranges(&filter, KNOWN), [(0, 50, 2)]);
    }

    #[test]
    fn times_narrow_the_walk_and_late_segments_are_looked_at_apart() {
        let filter = Filter {
            since: Some(Time(1)),
            until: Some(Time(2)),
            ..Filter::default()
        };
        let known = Known {
            since: Some(Seq(20)),
            until: Some(Seq(40)),
            ..KNOWN
        };
        assert_eq!(
            ranges(&filter, known),
            [(20, 40, 0), (41, 100, 1), (101, u64::MAX, 0)]
        );
        // Nothing indexed is new enough: only the tail is left.
        let known = Known {
            until: None,
            ..KNOWN
        };
        assert_eq!(ranges(&filter, known), [(101, u64::MAX, 0)]);
    }
}
