//! The watch for write anomalies. Row O6.
//!
//! Now and then the recorded block writes of every container are compared with that container's own past; where one began or
//! ended to be out of the ordinary the controller is told, and it says so once. What is held is in the world, so that a
//! restart neither forgets nor repeats.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use stead_core::controller::{Input, WritesTurn};
use stead_core::desired::WriteInsight;
use stead_core::facts::ContainerState;
use stead_core::ids::{ContainerName, NodeName};
use stead_core::insight::annotation::Annotation;
use stead_core::insight::anomaly::{Anomaly, Bucket, Verdict, Written, judge};
use stead_core::sample::Filesystem;
use stead_core::subject::Subject;
use stead_core::time::{Span, Time};
use stead_core::world::EvidenceState;
use stead_ports::history::{Range, Reader, Selector, Series};
use tokio_util::sync::CancellationToken;

use super::past;
use crate::history::series;
use crate::http::{App, Problem};

/// So many times the past that a verdict takes is looked at.
const PASTS: u64 = 7;
/// How often it looks: a tenth of a bucket, within these bounds.
const LEAST: Duration = Duration::from_secs(5);
const MOST: Duration = Duration::from_secs(300);
/// Where engines keep what containers write, unless somebody moved it.
const ENGINE: &str = "/var/lib/docker";

/// Looks until `stop`.
pub async fn run(app: App, stop: CancellationToken) {
    loop {
        let bucket = app.look(|look| look.world.fleet.insight.writes.bucket);
        let wait = Duration::from_millis(bucket.0 / 10).clamp(LEAST, MOST);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => return,
        }
        if let Err(problem) = look(&app).await {
            // The history's own trouble is told by whoever records it.
            tracing::debug!(
                code = problem.code,
                detail = problem.detail,
                "no verdict on writes"
            );
        }
    }
}

/// What is known of one container's writing.
struct One {
    subject: Subject,
    node: NodeName,
    buckets: Vec<Bucket>,
    held: Option<Anomaly>,
    unusual: VecDeque<(Time, Time)>,
    free: Option<u64>,
    /// It does not run since then.
    stopped: Option<Time>,
}

/// Looks once at every container.
pub async fn look(app: &App) -> Result<(), Problem> {
    let Some(reader) = app.history.reader() else {
        return Ok(());
    };
    let (now, insight) = app.look(|look| (look.now.at, look.world.fleet.insight.writes.clone()));
    let width = Span(insight.bucket.0.max(1));
    let to = Time(now.0 - now.0.rem_euclid(width.0 as i64));
    let back = insight.judged.least_past.0.saturating_mul(PASTS);
    let range = Range {
        selector: Selector::metric(series::BLOCK_WRITE),
        from: Time(to.0.saturating_sub(back as i64)),
        to,
        step: width,
    };
    let found = reader.range(&range).await?;
    let mut latest = BTreeMap::new();
    let gone = gone(app);
    for one in known(app, found, width) {
        if gone.contains(&one.subject) {
            continue;
        }
        let Some((turn, anomaly)) = verdict(app, &one, now, &insight).await? else {
            continue;
        };
        latest.extend(anomaly.map(|a| (one.subject.clone(), a)));
        if let Some(turn) = turn {
            tell(app, one.subject, turn).await?;
        }
        tokio::task::yield_now().await;
    }
    for subject in gone {
        tell(app, subject, WritesTurn::Gone).await?;
    }
    app.latest.set(latest);
    Ok(())
}

async fn tell(app: &App, subject: Subject, turn: WritesTurn) -> Result<(), Problem> {
    app.handle.tell(Input::Writes { subject, turn }).await?;
    Ok(())
}

/// Containers whose anomaly is held and that are there no more, on fresh evidence.
fn gone(app: &App) -> Vec<Subject> {
    app.look(|look| {
        let open = look.world.writes.open.keys();
        let gone = open.filter(|subject| {
            let Subject::Container(node, name) = subject else {
                return true;
            };
            let state = look.world.node(node);
            let fresh = state.filter(|s| s.evidence.state == EvidenceState::Fresh);
            fresh.is_some_and(|s| s.container(name).is_none())
        });
        gone.cloned().collect()
    })
}

fn known(app: &App, found: Vec<Series>, width: Span) -> Vec<One> {
    app.look(|look| {
        let one = |series: Series| {
            let node: NodeName = series.labels.get(series::NODE)?.parse().ok()?;
            let name: ContainerName = series.labels.get(series::CONTAINER)?.parse().ok()?;
            let state = look.world.node(&node)?;
            let facts = state.container(&name)?;
            let fresh = state.evidence.state == EvidenceState::Fresh;
            let ended = matches!(facts.state, ContainerState::Exited | ContainerState::Dead);
            let stopped = facts.finished_at.filter(|_| fresh && ended);
            let subject = Subject::Container(node.clone(), name);
            let sample = look.live.sample(&node);
            Some(One {
                buckets: buckets(&series, width),
                held: look.world.writes.open.get(&subject).map(|(a, _)| a.clone()),
                unusual: look
                    .world
                    .writes
                    .past
                    .get(&subject)
                    .cloned()
                    .unwrap_or_default(),
                free: sample.and_then(|s| free(&s.filesystems)),
                stopped,
                node,
                subject,
            })
        };
        found.into_iter().filter_map(one).collect()
    })
}

/// Mean rates as what was written in each stretch.
fn buckets(series: &Series, width: Span) -> Vec<Bucket> {
    let seconds = width.0 as f64 / 1000.0;
    let bucket = |p: &stead_ports::history::Point| Bucket {
        at: p.at,
        bytes: (p.avg.max(0.0) * seconds) as u64,
    };
    series.points.iter().map(bucket).collect()
}

/// What is left where the engine keeps its data: on the file system with the longest mount above it.
fn free(filesystems: &[Filesystem]) -> Option<u64> {
    let holds = |f: &&Filesystem| {
        let mount = f.mount.trim_end_matches('/');
        ENGINE
            .strip_prefix(mount)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let found = filesystems.iter().filter(holds);
    found.max_by_key(|f| f.mount.len()).map(|f| f.available)
}

/// What to say of a container, if anything, and its anomaly as it is now.
async fn verdict(
    app: &App,
    one: &One,
    now: Time,
    insight: &WriteInsight,
) -> Result<Option<(Option<WritesTurn>, Option<Anomaly>)>, Problem> {
    let unusual: Vec<(Time, Time)> = one.unusual.iter().copied().collect();
    let given = |annotations: &[Annotation]| {
        let written = Written {
            buckets: &one.buckets,
            width: insight.bucket,
            unusual: &unusual,
            annotations,
            free: one.free,
        };
        judge(&written, one.held.as_ref(), now, &insight.judged)
    };
    Ok(match (given(&[]), &one.held) {
        (Verdict::Anomalous(anomaly), Some(_)) => Some((None, Some(anomaly))),
        (Verdict::Anomalous(found), None) => {
            // Read only now: most containers never get here.
            let from = Time(found.since.0 - Span::days(1).0 as i64);
            let annotations = past::annotations(app, &one.subject, &one.node, from).await?;
            match given(&annotations) {
                Verdict::Anomalous(anomaly) => {
                    Some((Some(WritesTurn::Began(anomaly.clone())), Some(anomaly)))
                }
                _ => None,
            }
        }
        (Verdict::Usual { rate, .. }, Some(_)) => Some((Some(WritesTurn::Calm { rate }), None)),
        // Nothing is read of what does not run: it writes nothing, for as long as calm takes.
        (Verdict::Unjudged { .. }, Some(_)) if is_over(one.stopped, now, insight) => {
            Some((Some(WritesTurn::Calm { rate: 0 }), None))
        }
        (Verdict::Unjudged { .. }, Some(held)) => Some((None, Some(held.clone()))),
        _ => None,
    })
}

/// Whether a container has been stopped for as long as it would have to be calm.
fn is_over(stopped: Option<Time>, now: Time, insight: &WriteInsight) -> bool {
    let calm = insight.bucket.0.saturating_mul(insight.judged.end as u64);
    stopped.is_some_and(|at| now.since(at).0 > calm)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(mount: &str, available: u64) -> Filesystem {
        Filesystem {
            mount: mount.into(),
            fs: "ext4".into(),
            device: "vda".into(),
            total: 100,
            used: 0,
            available,
            used_percent: 0.0,
            inodes_percent: None,
        }
    }

    #[test]
    fn what_was_stopped_is_over_after_its_calm() {
        let hourly = WriteInsight::default();
        let hour = |n: u64| Time(0) + Span::hours(n);
        assert!(
            !is_over(None, hour(100), &hourly),
            "it runs, or nobody knows"
        );
        assert!(!is_over(Some(hour(1)), hour(5), &hourly));
        assert!(is_over(Some(hour(1)), hour(6), &hourly));
    }

    #[test]
    fn the_disk_that_fills_is_the_one_the_engine_writes_to() {
        assert_eq!(free(&[]), None);
        assert_eq!(free(&[disk("/", 7), disk("/srv", 1)]), Some(7));
        let own = [
            disk("/", 7),
            disk("/var/lib/docker", 3),
            disk("/var/lib/dockery", 1),
        ];
        assert_eq!(free(&own), Some(3));
        let deepest_first = [disk("/var/lib", 5), disk("/var", 6), disk("/", 7)];
        assert_eq!(free(&deepest_first), Some(5));
        assert_eq!(free(&[disk("/srv", 1)]), None);
    }
}
