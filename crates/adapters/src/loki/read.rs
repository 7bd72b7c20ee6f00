//! Lines as the search shows them: of which node, whose, when.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use stead_core::desired;
use stead_core::ids::{ContainerName, NodeName, UnitName};
use stead_core::time::Time;
use stead_ports::clock::Clock;
use stead_ports::secrets::Secrets;

use super::client::{Client, Entry, Period, Stream};
use super::error::Error;
use super::label::{self, Labels};
use super::logql;
use crate::door::{self, Absence, WITHIN};
use crate::names::Names;
use crate::redact::{cut, redact};

pub use super::label::Of;

/// Longest line that is read, and the longest part of one that is handed out.
const LINE: usize = 8 * 1024;
/// Of a longer line this much is read for redaction: a secret is not recognised once half of it is gone.
const KEPT: usize = 2 * LINE;
const SHOWN: usize = 2 * 1024;
/// Lines that are asked for where those of a whole answer are too long.
const FEW: usize = 20;
/// Questions for lines that one search asks.
const QUESTIONS: usize = 12;
/// Values of a label that are looked at.
const VALUES: usize = 10_000;
/// Names that a sentence holds.
const NAMED: usize = 5;

/// A Loki that is read.
#[derive(Debug)]
pub struct Loki {
    client: Client,
    labels: desired::LokiLabels,
    names: Names,
    clock: Arc<dyn Clock>,
    absence: Absence,
}

/// What is looked for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Plain text; case does not matter. `None`: every line.
    pub text: Option<String>,
    pub nodes: BTreeSet<NodeName>,
    /// `None`: no container's; empty: every container's.
    pub containers: Option<Vec<ContainerName>>,
    /// `None`: no unit's; empty: every unit's.
    pub units: Option<Vec<UnitName>>,
    pub from: Time,
    pub to: Time,
    /// The newest lines.
    pub most: usize,
}

/// A line that Loki has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub node: NodeName,
    pub of: Of,
    /// RFC 3339, with nine digits of a second.
    pub at: String,
    pub error: bool,
    pub text: String,
}

/// What it has, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    pub lines: Vec<Line>,
    /// Why there may be more, a sentence each; empty: that is all.
    pub limits: Vec<String>,
}

/// Lines before they are written for people: nanoseconds since 1970 in front, to sort by.
type Found = Vec<(i64, Line)>;

impl Loki {
    pub fn new(
        of: &desired::Loki,
        names: Names,
        secrets: Arc<dyn Secrets>,
        clock: Arc<dyn Clock>,
    ) -> Result<Loki, Error> {
        let client = Client::new(of.door.clone(), of.tenant.clone(), secrets);
        Ok(Loki {
            client: client.map_err(|error| Error::Away {
                at: of.door.url.clone(),
                since: clock.wall(),
                why: error.to_string(),
            })?,
            labels: of.labels.clone(),
            names,
            clock,
            absence: Absence::default(),
        })
    }

    /// The address as people may see it.
    pub fn shown(&self) -> String {
        self.client.shown()
    }

    /// The newest lines that are wanted, unless Loki was tried in vain just now. All of it takes no longer than a request may.
    pub async fn search(&self, wanted: &Wanted) -> Result<Answer, Error> {
        if let Some(away) = self.absence.lately(&*self.clock) {
            return Err(self.away(away));
        }
        let answer = tokio::time::timeout(WITHIN, self.ask(wanted)).await;
        let late = || door::Error::Silent(format!("no answer within {} s", WITHIN.as_secs()));
        match answer.unwrap_or_else(|_| Err(late())) {
            Ok(answer) => {
                self.absence.over();
                Ok(answer)
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    fn away(&self, away: door::Away) -> Error {
        Error::Away {
            at: self.shown(),
            since: away.since,
            why: away.why,
        }
    }

    fn failed(&self, error: door::Error) -> Error {
        let (at, why) = (self.shown(), error.to_string());
        match error {
            // It is there: what it says of this question says nothing of the next one.
            door::Error::Refused {
                status: 400 | 422, ..
            } => {
                self.absence.over();
                Error::Refused { at, why }
            }
            door::Error::TooLarge | door::Error::Unreadable(_) => {
                self.absence.over();
                Error::Answer { at, why }
            }
            // Whoever refuses is left in peace for a while, as one who is silent.
            door::Error::Refused { status, .. } if status < 500 => {
                self.absence.begin(&*self.clock, why.clone());
                Error::Refused { at, why }
            }
            _ => self.away(self.absence.begin(&*self.clock, why)),
        }
    }

    async fn ask(&self, wanted: &Wanted) -> Result<Answer, door::Error> {
        let period = Period {
            from: wanted.from,
            to: wanted.to,
        };
        let there: BTreeSet<String> = self.client.labels(period).await?.into_iter().collect();
        let labels = Labels::choose(&self.labels, &there);
        let mut answer = Answer::default();
        let mut machines: Vec<(&str, Vec<String>)> = Vec::new();
        let mut strangers: BTreeSet<String> = BTreeSet::new();
        for label in labels.nodes.iter().filter(|label| there.contains(*label)) {
            let values = self.client.values(label, period).await?;
            let (own, others) = self.of_fleet(values, wanted);
            strangers.extend(others);
            if !own.is_empty() {
                machines.push((label, own));
            }
        }
        if machines.is_empty() {
            answer.limits.extend(nobody(&labels, &there, &strangers));
            return Ok(answer);
        }
        let mut questions: Vec<String> = Vec::new();
        for (label, values) in &machines {
            let of_node = logql::any_of(label, "", values.iter().map(String::as_str));
            questions.extend(
                kinds(&labels, &there, wanted)
                    .into_iter()
                    .map(|mut matchers| {
                        matchers.insert(0, of_node.clone());
                        logql::query(&matchers, wanted.text.as_deref())
                    }),
            );
        }
        if questions.len() > QUESTIONS {
            answer.limits.push(format!(
                "lines are told by {} pairs of labels, and only the first {QUESTIONS} were asked for: name them under `loki.labels`",
                questions.len()
            ));
            questions.truncate(QUESTIONS);
        }
        self.lines(&questions, wanted, period, &labels, &mut answer)
            .await?;
        Ok(answer)
    }

    /// Values that are wanted nodes of the fleet, and those that are none of its nodes.
    fn of_fleet(&self, values: Vec<String>, wanted: &Wanted) -> (Vec<String>, Vec<String>) {
        let (mut own, mut others) = (Vec::new(), Vec::new());
        for value in values.into_iter().take(VALUES) {
            match self.names.node(&value) {
                Some(node) if wanted.nodes.contains(node) => own.push(value),
                Some(_) => {}
                None => others.push(value),
            }
        }
        (own, others)
    }

    async fn lines(
        &self,
        questions: &[String],
        wanted: &Wanted,
        period: Period,
        labels: &Labels,
        answer: &mut Answer,
    ) -> Result<(), door::Error> {
        let mut found: Found = Vec::new();
        // A stream with two labels for its node is in the answers to two questions.
        let mut seen: HashSet<BTreeMap<String, String>> = HashSet::new();
        let mut full = false;
        for question in questions {
            let (streams, most) = self.some_lines(question, wanted, period, answer).await?;
            let count: usize = streams.iter().map(|s| s.values.len()).sum();
            full |= count >= most;
            for stream in streams {
                let Some(node) = self.node(&stream, labels, wanted) else {
                    continue;
                };
                if seen.insert(stream.stream.clone()) {
                    taken(stream, &node, labels, wanted, &mut found);
                }
            }
        }
        // Streams come one after the other, and what is in them in whatever order.
        found.sort_by(|a, b| (a.0, &a.1.node).cmp(&(b.0, &b.1.node)));
        let over = found.len().saturating_sub(wanted.most);
        answer.lines = found.drain(..).skip(over).map(|(_, line)| line).collect();
        if full || over > 0 {
            let newest = answer.lines.len();
            answer.limits.push(format!(
                "only the newest {newest} lines are told: say more, or a shorter time"
            ));
        }
        Ok(())
    }

    /// Streams, and how many lines were asked for. Where those are too long together, only a few.
    async fn some_lines(
        &self,
        question: &str,
        wanted: &Wanted,
        period: Period,
        answer: &mut Answer,
    ) -> Result<(Vec<Stream>, usize), door::Error> {
        let most = wanted.most.max(1);
        match self.client.lines(question, period, most).await {
            Err(door::Error::TooLarge) if most > FEW => {
                let streams = self.client.lines(question, period, FEW).await?;
                answer.limits.push(format!(
                    "its lines are so long that only the newest {FEW} of a kind were asked for"
                ));
                Ok((streams, FEW))
            }
            streams => streams.map(|streams| (streams, most)),
        }
    }

    fn node(&self, stream: &Stream, labels: &Labels, wanted: &Wanted) -> Option<NodeName> {
        let values = labels.nodes.iter().filter_map(|l| stream.stream.get(l));
        let mut nodes = values.filter_map(|value| self.names.node(value));
        nodes.find(|node| wanted.nodes.contains(*node)).cloned()
    }
}

/// Which streams of a node are wanted, each as matchers beside that of the node. None: all of them.
fn kinds(labels: &Labels, there: &BTreeSet<String>, wanted: &Wanted) -> Vec<Vec<String>> {
    let everything = |names: Option<usize>| names == Some(0);
    let containers = wanted.containers.as_ref();
    let units = wanted.units.as_ref();
    if everything(containers.map(Vec::len)) && everything(units.map(Vec::len)) {
        return vec![Vec::new()];
    }
    let mut kinds = Vec::new();
    let present = |all: &[String]| -> Vec<String> {
        let there = all.iter().filter(|label| there.contains(*label));
        there.cloned().collect()
    };
    if let Some(names) = containers {
        kinds.extend(present(&labels.containers).iter().map(|label| {
            vec![match names.is_empty() {
                true => logql::some(label),
                false => logql::any_of(label, "/?", names.iter().map(ContainerName::as_str)),
            }]
        }));
    }
    if let Some(names) = units {
        kinds.extend(present(&labels.units).iter().map(|label| {
            vec![match names.is_empty() {
                true => logql::some(label),
                false => logql::any_of(label, "", names.iter().map(UnitName::as_str)),
            }]
        }));
    }
    kinds
}

/// Why no line of any wanted node can be there.
fn nobody(
    labels: &Labels,
    there: &BTreeSet<String>,
    strangers: &BTreeSet<String>,
) -> Option<String> {
    if there.is_empty() {
        return None;
    }
    let listed = |names: &BTreeSet<String>| {
        let shown: Vec<String> = names
            .iter()
            .take(NAMED)
            .map(|name| redact(name, 60))
            .collect();
        let more = if names.len() > NAMED { ", …" } else { "" };
        format!("{}{more}", shown.join(", "))
    };
    if !labels.nodes.iter().any(|label| there.contains(label)) {
        return Some(format!(
            "no label of it says which machine a line is of: it has {}; name one under `loki.labels.node`",
            listed(there)
        ));
    }
    if strangers.is_empty() {
        return None;
    }
    Some(format!(
        "it has no line of these nodes; if one of {} is a node, say so under `loki.nodes`",
        listed(strangers)
    ))
}

fn taken(stream: Stream, node: &NodeName, labels: &Labels, wanted: &Wanted, found: &mut Found) {
    let of = labels.of(&stream.stream);
    if !is_wanted(&of, wanted) {
        return;
    }
    let error = label::is_error(&stream.stream);
    let needle = wanted.text.as_deref().map(str::to_lowercase);
    for Entry(at, text, _) in stream.values {
        let Ok(nanos) = at.parse::<i64>() else {
            continue;
        };
        let whole = text.len();
        let text = cut(text, KEPT);
        let text = redact(text.trim_end_matches(['\n', '\r']), LINE);
        // Loki looked at what was written, this looks at what is shown: nobody finds a secret by guessing at it.
        let shown = needle.as_deref();
        if shown.is_some_and(|needle| !text.to_lowercase().contains(needle)) {
            continue;
        }
        let mut text = cut(text, SHOWN);
        if whole > SHOWN {
            text.push_str(&format!(" (cut: the line has {whole} bytes)"));
        }
        let line = Line {
            node: node.clone(),
            of: of.clone(),
            at: stamp(nanos),
            error,
            text,
        };
        found.push((nanos, line));
    }
}

/// Streams with one of several labels may be others than those that were meant.
fn is_wanted(of: &Of, wanted: &Wanted) -> bool {
    match of {
        Of::Container(name) => {
            let names = wanted.containers.as_ref();
            names.is_some_and(|n| n.is_empty() || n.iter().any(|n| n.as_str() == name))
        }
        Of::Unit(name) => {
            let names = wanted.units.as_ref();
            names.is_some_and(|n| n.is_empty() || n.iter().any(|n| n.as_str() == name))
        }
        Of::Other(_) => {
            let all = |names: Option<usize>| names == Some(0);
            all(wanted.containers.as_ref().map(Vec::len))
                && all(wanted.units.as_ref().map(Vec::len))
        }
    }
}

fn stamp(nanos: i64) -> String {
    let whole = Time(nanos.div_euclid(1_000_000)).to_string();
    format!(
        "{}{:06}Z",
        whole.trim_end_matches('Z'),
        nanos.rem_euclid(1_000_000)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_told_to_the_nanosecond() {
        assert_eq!(
            stamp(1_795_000_000_123_456_789),
            "2026-11-18T11:06:40.123456789Z"
        );
        assert_eq!(stamp(7), "1970-01-01T00:00:00.000000007Z");
    }
}
