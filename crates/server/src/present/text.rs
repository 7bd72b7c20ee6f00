//! One line for people per event: a table over every known kind. Kinds nobody knows are shown by their own words.

use serde_json::{Map, Value};
use stead_core::event::{Body, Event, LevelNote, ServiceNote};
use stead_core::facts::{
    ContainerFacts, Fact, FactKey, Health, LevelFacts, SourceState, UnitFacts, Verdict,
};
use stead_core::insight::amount::bytes;
use stead_core::subject::Subject;
use stead_core::time::Span;

use super::{told, word};

/// Longest line; whatever a reporter wrote is cut there.
const LONGEST: usize = 300;

pub fn text(event: &Event) -> String {
    let line = line(event);
    cut(&line, LONGEST)
}

/// One line of at most `most` characters.
pub(super) fn cut(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= most {
        return line;
    }
    let mut cut: String = line.chars().take(most.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// The name of what an event is about, without its kind.
fn name(subject: &Subject) -> String {
    match subject {
        Subject::Fleet => "the fleet".to_string(),
        Subject::Node(n) => n.to_string(),
        Subject::Service(_, s) => s.to_string(),
        Subject::Container(_, c) => c.to_string(),
        Subject::Unit(_, u) => u.to_string(),
        Subject::Job(_, j) => j.to_string(),
        Subject::Model(_, m) => m.to_string(),
        Subject::Instance(_, i) => i.clone(),
    }
}

/// `z2m on piha`.
pub(super) fn on(subject: &Subject) -> String {
    let name = name(subject);
    match subject.node() {
        Some(node) if node.as_str() != name => format!("{name} on {node}"),
        _ => name,
    }
}

fn line(event: &Event) -> String {
    let name = name(&event.subject);
    match &event.body {
        Body::ServerStarted(data) => match data.get("version").and_then(Value::as_str) {
            Some(version) => format!("Stead {version} started"),
            None => "Stead started".to_string(),
        },
        Body::ServerStopped(_) => "Stead stopped".to_string(),
        Body::ClockJumped(by) => {
            let way = if *by < 0 { "back" } else { "forward" };
            format!(
                "The clock was set {way} by {}",
                span(Span(by.unsigned_abs()))
            )
        }
        Body::DesiredLoaded(d) => {
            let commit = d
                .commit
                .as_deref()
                .map(|c| format!(" at {}", short(c)))
                .unwrap_or_default();
            format!(
                "Desired state loaded{commit}: {} nodes, {} services",
                d.nodes, d.services
            )
        }
        Body::DesiredRejected(d) => format!(
            "The fleet files are broken, the last good ones stay: {}",
            d.first
        ),
        Body::AgentConnected(_) => format!("the agent of {name} connected"),
        Body::NodeSynced(d) => format!("{name} told everything it sees ({} facts)", d.facts),
        Body::NodeUp(_) => format!("{name} is up"),
        Body::NodeStale(_) => {
            format!("{name} has not been heard lately: what is known of it is stale")
        }
        Body::NodeOffline(_) => format!("{name} is silent"),
        Body::NodeRebooted(d) => {
            let how = match d.clean {
                Some(true) => ", after an orderly shutdown",
                Some(false) => ", without an orderly shutdown",
                None => "",
            };
            let away = d.away_ms.map(|away| format!(", away for {}", span(away)));
            format!("{name} rebooted{how}{}", away.unwrap_or_default())
        }
        Body::ServiceHealthy(n) => with(format!("{name} is well"), n),
        Body::ServiceUnhealthy(n) => with(format!("{name} is unhealthy"), n),
        Body::ServiceRecovered(n) => match n.after_ms {
            Some(after) => format!("{name} is well again, after {}", span(after)),
            None => format!("{name} is well again"),
        },
        Body::ServiceMissing(n) => with(format!("{name} is missing"), n),
        Body::ServiceStarting(n) => with(format!("{name} is starting"), n),
        Body::ServiceUnknown(n) => with(format!("nobody can say how {name} is"), n),
        Body::ContainersNotRunning(n) => with(format!("{name} does not run"), n),
        Body::MqttUnreachable(n) => with(format!("{name} does not answer MQTT"), n),
        Body::DiskPressure(n) => format!("{} on {name} is {:.0} % full", what(n), n.value),
        Body::DiskRecovered(n) => format!(
            "{} on {name} has room again ({:.0} % full)",
            what(n),
            n.value
        ),
        Body::LevelRaised(n) => format!(
            "{} of {name} is {}: {}",
            what(n),
            n.level,
            reading(&n.metric, n.value)
        ),
        Body::LevelLowered(n) => format!("{} of {name} is back to {}", what(n), n.level),
        Body::OomKill(data) => oom(&name, data),
        Body::SpoolGap(data) => {
            let dropped = data.get("dropped").and_then(Value::as_u64).unwrap_or(0);
            format!(
                "{name} was cut off for so long that {dropped} events were dropped; a full look followed"
            )
        }
        Body::Observed(key, fact) => observed(&name, key, fact),
        Body::Gone(key) => gone(&name, key),
        other => action(&name, other)
            .or_else(|| told::line(&name, event))
            .unwrap_or_else(|| foreign(&name, event, &other.data())),
    }
}

/// What happened to an action.
fn action(name: &str, body: &Body) -> Option<String> {
    Some(match body {
        Body::ActionProposed(e) => format!(
            "{} proposed for {name}: {}",
            title(e.key.kind.word()),
            e.reason
        ),
        Body::ActionPlanChanged(e) => format!("{} needs a new look: {}", e.action, e.reason),
        Body::ActionApproved(e) => match (&e.note, &e.rule) {
            (Some(note), _) => format!("{} approved by {}: {note}", e.action, e.by),
            (None, Some(rule)) => format!("{} approved by {} ({rule})", e.action, e.by),
            (None, None) => format!("{} approved by {}", e.action, e.by),
        },
        Body::ActionRejected(e) => match &e.note {
            Some(note) => format!("{} rejected by {}: {note}", e.action, e.by),
            None => format!("{} rejected by {}", e.action, e.by),
        },
        Body::ActionCancelled(e) => format!("{} cancelled: {}", e.action, cancelled(&e.reason)),
        Body::ActionStarted(e) => format!("{} started", e.action),
        Body::ActionStepStarted(e) => format!("{}: step {} ordered", e.action, e.step + 1),
        Body::ActionStepEnded(e) => {
            format!("{}: step {} {}", e.action, e.step + 1, outcome(&e.outcome))
        }
        Body::ActionCompleted(e) => match e.freed {
            Some(freed) => format!("{} completed, {} freed", e.action, bytes(freed)),
            None => format!("{} completed: {}", e.action, e.detail),
        },
        Body::ActionFailed(e) => format!("{} failed: {}", e.action, e.detail),
        _ => return None,
    })
}

fn with(start: String, note: &ServiceNote) -> String {
    let said = note
        .extra
        .get("message")
        .and_then(Value::as_str)
        .unwrap_or("");
    let detail = if note.detail.is_empty() {
        said
    } else {
        note.detail.as_str()
    };
    if detail.is_empty() {
        start
    } else {
        format!("{start}: {detail}")
    }
}

fn what(note: &LevelNote) -> &str {
    if note.what.is_empty() {
        &note.metric
    } else {
        &note.what
    }
}

pub(super) fn reading(metric: &str, value: f64) -> String {
    if metric.starts_with("swap") {
        bytes(value.max(0.0) as u64)
    } else {
        format!("{value:.1} %")
    }
}

fn oom(name: &str, data: &Map<String, Value>) -> String {
    let who = ["comm", "container", "unit"]
        .iter()
        .find_map(|key| data.get(*key).and_then(Value::as_str));
    match who {
        Some(who) => format!("{name}: {} was killed for want of memory", short(who)),
        None => format!("{name}: a process was killed for want of memory"),
    }
}

fn title(kind: &str) -> &'static str {
    match kind {
        "container_restart" => "Container restart",
        "redeploy" => "Redeploy",
        "unit_restart" => "Unit restart",
        "disk_cleanup" => "Disk cleanup",
        "lock_clear" => "Clearing a stale lock",
        "workload_stop" => "Stop",
        "drill" => "Drill",
        _ => "Action",
    }
}

pub(super) fn cancelled(reason: &str) -> &str {
    match reason {
        "drift_resolved_auto" => "the trouble is gone by itself (drift_resolved_auto)",
        "service_removed_from_desired_state" => {
            "no file asks for the service any more (service_removed_from_desired_state)"
        }
        "cancelled_by_person" => "taken back by a person",
        "superseded" => "another repair answers the trouble now (superseded)",
        other => other,
    }
}

fn outcome(outcome: &stead_core::command::Outcome) -> String {
    use stead_core::command::Outcome::{Done, Failed, Refused, Unknown};
    match outcome {
        Done { .. } => "done".to_string(),
        Refused { why, .. } => format!("refused: {why}"),
        Failed { why, .. } => format!("failed: {why}"),
        Unknown { why } => format!("ended, nobody knows how: {why}"),
    }
}

fn observed(name: &str, key: &FactKey, fact: &Fact) -> String {
    match (key, fact) {
        (_, Fact::Host(host)) => format!(
            "{name} is {} ({}), agent {}",
            host.hostname, host.os, host.agent_version
        ),
        (_, Fact::Container(c)) => container(name, c),
        (_, Fact::Unit(u)) => unit(name, u),
        (FactKey::Check(_, check), Fact::Check(c)) => match c.verdict {
            Verdict::Passing => format!("check {check} of {name} passes"),
            Verdict::Failing => format!("check {check} of {name} fails: {}", c.answer),
            Verdict::Unknown => format!("check {check} of {name} cannot be asked: {}", c.answer),
        },
        (FactKey::Source(kind), Fact::Source(s)) => match s.state {
            SourceState::Up => format!("{} on {name} is up ({})", kind.word(), s.version),
            SourceState::Absent => format!("{} is not on {name}: {}", kind.word(), s.detail),
            SourceState::Down => format!("{} on {name} does not answer: {}", kind.word(), s.detail),
        },
        (_, Fact::Compose(c)) if c.error.is_empty() => {
            format!("compose file of {name} read: {} services", c.services.len())
        }
        (_, Fact::Compose(c)) => format!("compose file of {name} cannot be read: {}", c.error),
        (_, Fact::Model(m)) => match m.loaded {
            Some(loaded) => format!("model {name} is in memory ({})", bytes(loaded.size)),
            None => format!("model {name} is on disk ({})", bytes(m.size)),
        },
        (FactKey::Level(metric), Fact::Level(LevelFacts { level, value, what })) => {
            format!(
                "{what} of {name} is {}: {}",
                word(level),
                reading(metric, *value)
            )
        }
        _ => format!("{name} was seen"),
    }
}

fn container(name: &str, c: &ContainerFacts) -> String {
    let state = word(c.state);
    match c.health {
        Health::None => match c.exit_code {
            Some(code) if state == "exited" => format!("container {name} exited ({code})"),
            _ => format!("container {name} is {state}"),
        },
        health if state == "running" => format!("container {name} is running, {}", word(health)),
        _ => format!("container {name} is {state}"),
    }
}

fn unit(name: &str, u: &UnitFacts) -> String {
    if u.active == "failed" {
        format!("unit {name} failed ({})", u.result)
    } else {
        format!("unit {name} is {} ({})", u.active, u.sub)
    }
}

fn gone(name: &str, key: &FactKey) -> String {
    match key {
        FactKey::Host => format!("{name} is gone"),
        FactKey::Source(kind) => format!("{} of {name} is gone", kind.word()),
        FactKey::Container(c) => format!("container {c} is gone"),
        FactKey::Unit(u) => format!("unit {u} is gone"),
        FactKey::Check(_, check) => format!("check {check} of {name} is asked no more"),
        FactKey::Model(m) => format!("model {m} is on disk no more"),
        FactKey::Compose(_) => format!("compose file of {name} is read no more"),
        FactKey::Level(metric) => format!("{metric} of {name} is measured no more"),
    }
}

/// A kind this build does not know: its own words, and the first thing in it that reads like a message.
fn foreign(name: &str, event: &Event, data: &Value) -> String {
    let kind = event.kind();
    let words = kind.as_str().replace(['_', '.', '-'], " ");
    let said = ["text", "message", "detail", "summary", "reason"]
        .iter()
        .find_map(|key| data.get(*key).and_then(Value::as_str))
        .filter(|said| !said.trim().is_empty());
    match said {
        Some(said) => format!("{name}: {words}: {said}"),
        None => format!("{name}: {words}"),
    }
}

/// The first characters of an identifier nobody reads to its end.
fn short(id: &str) -> String {
    id.trim_start_matches("sha256:").chars().take(12).collect()
}

/// `3 min`, `2 h 5 min`: as people say it, two parts at most.
pub fn span(span: Span) -> String {
    let s = span.0 / 1000;
    match s {
        0 => format!("{} ms", span.0),
        1..=119 => format!("{s} s"),
        120..=7199 => format!("{} min", s / 60),
        7200..=172_799 => match (s / 3600, s % 3600 / 60) {
            (h, 0) => format!("{h} h"),
            (h, m) => format!("{h} h {m} min"),
        },
        _ => format!("{} days", s / 86_400),
    }
}
