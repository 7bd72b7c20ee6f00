//! `insight:`: how numbers are judged, with the defaults where the file says nothing.

use stead_core::desired::Insight;
use stead_core::time::Span;

use super::report::Report;
use crate::grammar::insight as grammar;
use crate::node::Cursor;
use crate::problem::Code;

/// What the server records; nothing shorter can be compared.
const LEAST_BUCKET: Span = Span::secs(10);
/// Compared stretches that a past must have to be one, and may have.
const LEAST_BUCKETS: u64 = 4;
const MOST_BUCKETS: u64 = 1000;

pub(super) fn resolve(at: Cursor<'_>, file: &grammar::Insight, report: &mut Report) -> Insight {
    let mut insight = Insight::default();
    let (writes, given) = (&mut insight.writes, &file.writes);
    writes.bucket = given.bucket.map_or(writes.bucket, |d| d.0);
    let judged = &mut writes.judged;
    judged.least_past = given.past.map_or(judged.least_past, |d| d.0);
    judged.times = given.times.map_or(judged.times, f64::from);
    judged.floor_per_hour = given.floor.map_or(judged.floor_per_hour, |s| s.0);
    let count = |n: Option<u32>, default: usize| n.map_or(default, |n| n as usize);
    judged.begin = count(given.begin, judged.begin);
    judged.end = count(given.end, judged.end);
    let past = writes.judged.least_past.0;
    let fits = (past / MOST_BUCKETS)..=(past / LEAST_BUCKETS);
    let here = at.get("insight").get("writes");
    if writes.bucket < LEAST_BUCKET || !fits.contains(&writes.bucket.0) {
        report.value(
            here.get("bucket"),
            Code::OutOfRange,
            format!(
                "`bucket` is {}: it must be at least 10s, and between a thousandth and a quarter of `past` ({})",
                writes.bucket, writes.judged.least_past
            ),
            "leave both out for 1h and 24h",
        );
    }
    let (memory, given) = (&mut insight.memory, &file.memory);
    memory.least = given.least.map_or(memory.least, |d| d.0);
    memory.headroom = given.headroom.map_or(memory.headroom, u64::from);
    if let Some(exclude) = &given.exclude {
        memory.exclude.clone_from(exclude);
    }
    insight.oom_watch = given.watch.map_or(insight.oom_watch, |d| d.0);
    insight
}
