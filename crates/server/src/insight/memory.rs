//! Memory advice: what limit fits each container, and whether a new one holds. Row R10.
//!
//! Asked for by a person and computed then, from the recorded use; nothing here changes a limit.

use std::collections::BTreeMap;

use stead_core::desired::Insight;
use stead_core::event::{Body, Event};
use stead_core::facts::{ContainerState, Fact};
use stead_core::ids::{ContainerName, NodeName};
use stead_core::insight::memory_advice::{Advice, Container, Used, advise};
use stead_core::insight::oom_watch::{self, Seen};
use stead_core::subject::Subject;
use stead_core::time::{Span, Time};
use stead_ports::history::{Op, Range, Reader, Selector, Series};
use stead_ports::log::Filter;
use stead_protocol::api;

use crate::history::series;
use crate::http::{App, Problem, find, reader};
use crate::present;

/// How finely it is looked at, and how many such stretches back: a week.
const WIDTH: Span = Span::mins(15);
const STRETCHES: u64 = 672;
/// Events read of each sort, the newest.
const EVENTS: usize = 2000;

/// Stretches of use: a quarter of an hour, shorter where advice takes less than an hour.
fn width(least: Span) -> Span {
    WIDTH.min(Span(least.0 / 4).max(Span::secs(10)))
}

/// What is known of one container beside its use.
struct Known {
    node: NodeName,
    name: ContainerName,
    image: String,
    service: Option<String>,
    stack: Option<String>,
    compose: bool,
    limit: u64,
    node_memory: u64,
}

/// Advice for every running container, of one node or of all.
pub async fn advise_all(app: &App, only: Option<&NodeName>) -> Result<api::MemoryAdvices, Problem> {
    let (now, insight) = app.look(|look| (look.now.at, look.world.fleet.insight.clone()));
    let known = app.each_node(|look, node| {
        let wanted = only.is_none_or(|only| only == node);
        if wanted {
            containers(look, node)
        } else {
            Vec::new()
        }
    });
    let known = known.await;
    let used = used(app, only, now, insight.memory.least).await?;
    let events = events(app, only, now, &insight).await?;
    let about = by_subject(&events);
    let nothing = Vec::new();
    let mut list: Vec<api::MemoryAdvice> = Vec::with_capacity(known.len());
    for one in &known {
        let subject = Subject::Container(one.node.clone(), one.name.clone());
        let key = (one.node.to_string(), one.name.to_string());
        let of_node = Subject::Node(one.node.clone());
        let told = |subject: &Subject| about.get(subject).unwrap_or(&nothing).clone();
        let mut story = told(&subject);
        let watch = watch(&story, &told(&of_node), now, insight.oom_watch);
        story.retain(|e| killed_at_limit(e).is_some());
        let container = Container {
            name: one.name.as_str(),
            image: &one.image,
            used: used.get(&key).map_or(&[], Vec::as_slice),
            width: width(insight.memory.least),
            limit: one.limit,
            reservation: 0,
            killed: u32::try_from(story.len()).unwrap_or(u32::MAX),
            node_memory: one.node_memory,
        };
        let advice = advise(&container, now, &insight.memory);
        list.push(shown(one, advice, watch));
        tokio::task::yield_now().await;
    }
    list.sort_by(|a, b| {
        let rank = |a: &api::MemoryAdvice| {
            ["change", "fits"]
                .iter()
                .position(|w| *w == a.advice)
                .unwrap_or(2)
        };
        (rank(a), &a.node, &a.container).cmp(&(rank(b), &b.node, &b.container))
    });
    Ok(api::MemoryAdvices {
        least_ms: insight.memory.least.0,
        headroom: insight.memory.headroom,
        exclude: insight.memory.exclude,
        containers: list,
    })
}

fn containers(look: present::Look<'_>, node: &NodeName) -> Vec<Known> {
    let Some(state) = look.world.node(node) else {
        return Vec::new();
    };
    let owned = present::owners(state, look.world.fleet.nodes.get(node));
    let node_memory = state.host().map_or(0, |h| h.memory_bytes);
    let running = state
        .containers()
        .filter(|(_, c, _)| c.state == ContainerState::Running);
    let known = |(name, c, _): (&ContainerName, &stead_core::facts::ContainerFacts, _)| Known {
        node: node.clone(),
        name: name.clone(),
        image: c.image.clone(),
        service: owned.get(name).map(ToString::to_string),
        stack: present::stack(c).map(ToString::to_string),
        compose: c
            .labels
            .contains_key("com.docker.compose.project.config_files"),
        limit: c.memory_limit,
        node_memory,
    };
    running.map(known).collect()
}

/// What each container used, by node and name.
async fn used(
    app: &App,
    only: Option<&NodeName>,
    now: Time,
    least: Span,
) -> Result<BTreeMap<(String, String), Vec<Used>>, Problem> {
    let mut selector = Selector::metric(series::CONTAINER_MEMORY);
    if let Some(node) = only {
        selector = selector.with(series::NODE, Op::Equal, node.as_str());
    }
    let step = width(least);
    let back = (step.0 * STRETCHES).max(least.0);
    let range = Range {
        selector,
        from: Time(now.0 - back as i64),
        to: now,
        step,
    };
    let found = reader(app)?.range(&range).await?;
    let one = |s: &Series| {
        let key = (
            s.labels.get(series::NODE)?.to_string(),
            s.labels.get(series::CONTAINER)?.to_string(),
        );
        let used = s.points.iter().map(|p| Used {
            at: p.at,
            max: p.max.max(0.0) as u64,
            average: p.avg.max(0.0) as u64,
        });
        Some((key, used.collect()))
    };
    Ok(found.iter().filter_map(one).collect())
}

/// What the log says of limits, kills and of nodes that were not heard.
async fn events(
    app: &App,
    only: Option<&NodeName>,
    now: Time,
    insight: &Insight,
) -> Result<Vec<Event>, Problem> {
    let back = (WIDTH.0 * STRETCHES).max(insight.oom_watch.0 * 2);
    let mut all = Vec::new();
    for kinds in [
        &["container_observed", "container_gone"][..],
        &["oom_kill"],
        &["node_stale", "node_offline", "node_synced", "node_up"],
    ] {
        let filter = Filter {
            since: Some(Time(now.0 - back as i64)),
            node: only.map(ToString::to_string),
            kinds: kinds.iter().map(ToString::to_string).collect(),
            newest_first: true,
            limit: EVENTS,
            ..Filter::default()
        };
        all.extend(find(app, filter).await?);
    }
    all.sort_by_key(|e| e.seq);
    Ok(all)
}

fn by_subject(events: &[Event]) -> BTreeMap<&Subject, Vec<&Event>> {
    let mut about: BTreeMap<&Subject, Vec<&Event>> = BTreeMap::new();
    for event in events {
        about.entry(&event.subject).or_default().push(event);
    }
    about
}

/// When the container's own limit killed in it.
fn killed_at_limit(event: &Event) -> Option<Time> {
    let Body::OomKill(data) = &event.body else {
        return None;
    };
    let limit = data.get("limit").and_then(serde_json::Value::as_bool);
    limit.unwrap_or(false).then_some(event.at)
}

/// How the latest change of a limit does; `None` where none was seen.
fn watch(story: &[&Event], of_node: &[&Event], now: Time, length: Span) -> Option<api::LimitWatch> {
    let mut limits: Vec<(Time, u64)> = Vec::new();
    for event in story {
        if let Body::Observed(_, fact) = &event.body
            && let Fact::Container(c) = &**fact
            && limits
                .last()
                .is_none_or(|(_, limit)| *limit != c.memory_limit)
        {
            limits.push((event.at, c.memory_limit));
        }
    }
    // The first is how it was, not a change.
    let (since, limit) = *limits.get(1..)?.last().filter(|(_, limit)| *limit > 0)?;
    let mut seen: Vec<Seen> = story
        .iter()
        .filter_map(|e| killed_at_limit(e).map(|at| Seen::OomKill { at, limit: true }))
        .collect();
    let mut silent = None;
    for event in of_node {
        match &event.body {
            Body::NodeStale(_) | Body::NodeOffline(_) => {
                silent.get_or_insert(event.at);
            }
            Body::NodeSynced(_) | Body::NodeUp(_) => {
                seen.extend(
                    silent
                        .take()
                        .map(|from| Seen::Unseen { from, to: event.at }),
                );
            }
            _ => {}
        }
    }
    seen.extend(silent.map(|from| Seen::Unseen { from, to: now }));
    let verdict = oom_watch::watch(since, length, &seen, now);
    let (word, at, kills, text) = match verdict {
        oom_watch::Verdict::Watching { until } => (
            "watching",
            until,
            0,
            format!("no kill so far; watched until {until}"),
        ),
        oom_watch::Verdict::Held { at } => (
            "held",
            at,
            0,
            format!("it was watched for {length} and nothing was killed"),
        ),
        oom_watch::Verdict::Killed { at, kills } => (
            "killed",
            at,
            kills,
            format!(
                "it is too low: the kernel killed {kills} times, first at {at}; raise it, or go back"
            ),
        ),
        oom_watch::Verdict::Replaced { at } => (
            "replaced",
            at,
            0,
            "another limit took its place".to_string(),
        ),
    };
    Some(api::LimitWatch {
        verdict: word.to_string(),
        since: since.to_string(),
        at: at.to_string(),
        limit,
        kills,
        text,
    })
}

fn shown(one: &Known, advice: Advice, watch: Option<api::LimitWatch>) -> api::MemoryAdvice {
    let mut shown = api::MemoryAdvice {
        node: one.node.to_string(),
        container: one.name.to_string(),
        image: one.image.clone(),
        service: one.service.clone(),
        stack: one.stack.clone(),
        was_limit: one.limit,
        compose: one.compose,
        watch,
        ..api::MemoryAdvice::default()
    };
    match advice {
        Advice::Change(change) => {
            shown.advice = "change".to_string();
            shown.limit = change.limit;
            shown.reservation = change.reservation;
            shown.peak = change.peak;
            shown.lines = Some(format!(
                "mem_limit: {}\nmem_reservation: {}",
                stead_core::insight::memory_advice::compose_size(change.limit),
                stead_core::insight::memory_advice::compose_size(change.reservation)
            ));
            shown.why = change.why;
        }
        Advice::Fits { peak, why } => {
            shown.advice = "fits".to_string();
            shown.limit = one.limit;
            shown.peak = peak;
            shown.why = vec![why];
        }
        Advice::Refused { why } => {
            shown.advice = "refused".to_string();
            shown.why = vec![why.to_string()];
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Map, json};
    use stead_core::event::{NodeSynced, Severity, Source};
    use stead_core::facts::{ContainerFacts, FactKey};
    use stead_core::ids::Seq;

    use super::*;

    const START: i64 = 1_795_000_000_000;

    fn hour(n: i64) -> Time {
        Time(START + n * 3_600_000)
    }

    fn event(at: i64, body: Body) -> Event {
        Event {
            seq: Seq(1),
            id: String::new(),
            at: hour(at),
            subject: Subject::Fleet,
            severity: Severity::Info,
            source: Source::Server,
            cause: None,
            cursor: 0,
            body,
        }
    }

    fn limited(at: i64, memory_limit: u64) -> Event {
        let facts = ContainerFacts {
            memory_limit,
            ..ContainerFacts::default()
        };
        let key = FactKey::Container("web".parse().unwrap());
        event(at, Body::Observed(key, Arc::new(Fact::Container(facts))))
    }

    fn kill(at: i64, limit: bool) -> Event {
        let data = json!({"count": 1, "limit": limit});
        event(
            at,
            Body::OomKill(data.as_object().cloned().unwrap_or_default()),
        )
    }

    fn told(story: &[Event], of_node: &[Event], now: i64) -> Option<(String, Time, u32)> {
        let story: Vec<&Event> = story.iter().collect();
        let of_node: Vec<&Event> = of_node.iter().collect();
        let found = watch(&story, &of_node, hour(now), oom_watch::WATCHED)?;
        Some((found.verdict, found.at.parse().unwrap(), found.kills))
    }

    #[test]
    fn a_new_limit_is_watched_for_two_days_in_which_its_node_was_heard() {
        let rolled = [limited(0, 0), limited(1, 64), limited(2, 64)];
        for first in [&rolled[..1], &rolled[1..2]] {
            assert_eq!(told(first, &[], 3), None, "how it was is no change");
        }
        let until = |word: &str, at| Some((word.to_string(), hour(at), 0));
        assert_eq!(told(&rolled, &[], 3), until("watching", 49));
        assert_eq!(told(&rolled, &[], 60), until("held", 49));
        let silent = [
            event(10, Body::NodeStale(Map::new())),
            event(11, Body::NodeOffline(Map::new())),
            event(20, Body::NodeSynced(NodeSynced::default())),
        ];
        assert_eq!(told(&rolled, &silent, 50), until("watching", 59));
        let lasts = &silent[..2];
        assert_eq!(told(&rolled, lasts, 50), until("watching", 89));
    }

    #[test]
    fn only_a_kill_at_its_own_limit_speaks_against_it() {
        let mut story = vec![limited(0, 0), limited(1, 64), kill(5, false)];
        assert_eq!(told(&story, &[], 60).unwrap().0, "held");
        story.push(kill(7, true));
        let killed = Some(("killed".to_string(), hour(7), 1));
        assert_eq!(told(&story, &[], 60), killed);
        story.push(limited(70, 0));
        assert_eq!(told(&story, &[], 71), None, "the limit was taken away");
    }
}
