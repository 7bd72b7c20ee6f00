//! One node's answer: its agent looks into containers and into the journals of units, at the same time.

use serde::Deserialize;
use stead_core::ids::NodeName;
use stead_protocol::api::LogFound;

use super::Search;
use crate::http::App;
use crate::present::segment as escaped;
use crate::proxy::ProxyError;

/// Where a line was read.
const NODE: &str = "node";

/// What a node found, and what of it could not be searched.
#[derive(Debug, Default)]
pub struct Part {
    pub lines: Vec<LogFound>,
    pub containers: u32,
    pub of: u32,
    /// Whether its units' journals were looked into.
    pub units: bool,
    pub looked_at: u64,
    pub bytes: u64,
    pub limits: Vec<String>,
    /// Why nothing could be searched.
    pub problem: Option<String>,
}

/// An agent's answer about its containers, or about its units: what is not of one is not in it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    found: Vec<Line>,
    containers: u32,
    of: u32,
    lines: u64,
    bytes: u64,
    limits: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Line {
    container: String,
    unit: String,
    at: String,
    error: bool,
    text: String,
}

impl Part {
    fn take(&mut self, node: &NodeName, answer: Answer) {
        self.containers += answer.containers;
        self.of += answer.of;
        self.looked_at += answer.lines;
        self.bytes += answer.bytes;
        self.limits.extend(answer.limits);
        let found = |line: Line| LogFound {
            at: line.at,
            node: node.to_string(),
            from: NODE.to_owned(),
            container: line.container,
            unit: line.unit,
            error: line.error,
            text: line.text,
            ..LogFound::default()
        };
        self.lines.extend(answer.found.into_iter().map(found));
    }
}

/// Why one half of a node could not be searched.
#[derive(Debug, PartialEq, Eq)]
enum Unsearched {
    /// The machine has none of it, which leaves nothing out.
    Nothing(String),
    /// The agent is of a version that cannot do it.
    Older,
    Failed(String),
}

pub async fn ask(app: &App, node: &NodeName, search: &Search) -> Part {
    let (text, since, most) = (escaped(&search.text), search.since.0, search.most);
    let path = |route: &str, key: &str, names: Vec<String>| {
        let names = names.join(",");
        format!("/v1/{route}/search?text={text}&{key}={names}&since={since}&most={most}")
    };
    let containers = search.containers.as_ref().map(|names| {
        let names = names.iter().map(|n| escaped(n.as_str())).collect();
        path("logs", "containers", names)
    });
    let units = search.units.as_ref().map(|names| {
        let names = names.iter().map(|n| escaped(n.as_str())).collect();
        path("units", "units", names)
    });
    let (containers, units) = futures::join!(half(app, node, containers), half(app, node, units),);
    part(node, containers, units)
}

/// `None`: it was not asked for.
async fn half(
    app: &App,
    node: &NodeName,
    path: Option<String>,
) -> Option<Result<Answer, Unsearched>> {
    let answer = app.agents.get(node, &path?).await;
    Some(answer.map_err(unsearched).and_then(|bytes| {
        let other = |e| Unsearched::Failed(format!("its agent answered something else: {e}"));
        serde_json::from_slice(&bytes).map_err(other)
    }))
}

fn unsearched(error: ProxyError) -> Unsearched {
    match error {
        ProxyError::Answered { code, detail, .. }
            if matches!(code.as_str(), "engine-absent" | "systemd-absent") =>
        {
            Unsearched::Nothing(detail)
        }
        ProxyError::Answered { status: 404, .. } => Unsearched::Older,
        other => Unsearched::Failed(other.to_string()),
    }
}

fn part(
    node: &NodeName,
    containers: Option<Result<Answer, Unsearched>>,
    units: Option<Result<Answer, Unsearched>>,
) -> Part {
    let mut part = Part {
        units: matches!(units, Some(Ok(_))),
        ..Part::default()
    };
    let mut left_out: Vec<(&str, Unsearched)> = Vec::new();
    let mut searched = false;
    for (what, half) in [("containers", containers), ("units", units)] {
        match half {
            Some(Ok(answer)) => {
                searched = true;
                part.take(node, answer);
            }
            Some(Err(why)) => left_out.push((what, why)),
            None => {}
        }
    }
    let told = left_out.into_iter().filter_map(|(what, why)| match why {
        // What is not there is told only where nothing else was searched.
        Unsearched::Nothing(_) if searched => None,
        Unsearched::Nothing(why) => Some(why),
        Unsearched::Older => Some(format!(
            "its agent is older and does not search {what}: update it"
        )),
        Unsearched::Failed(why) if searched => Some(format!("{what} were not searched: {why}")),
        Unsearched::Failed(why) => Some(why),
    });
    let mut told: Vec<String> = told.collect();
    told.dedup();
    if searched {
        part.limits.extend(told);
    } else {
        part.problem = Some(told.join("; "));
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, code: &str) -> Unsearched {
        let detail = format!("{{\"code\":\"{code}\",\"detail\":\"no\"}}");
        unsearched(ProxyError::answered(status, detail.as_bytes()))
    }

    fn told(
        containers: Option<Result<Answer, Unsearched>>,
        units: Option<Result<Answer, Unsearched>>,
    ) -> (Vec<String>, Option<String>) {
        let part = part(&"piha".parse().unwrap(), containers, units);
        (part.limits, part.problem)
    }

    #[test]
    fn what_could_not_be_searched_is_said_and_what_is_not_there_is_not() {
        let containers = || Some(Ok(Answer::default()));
        let units = || Some(Ok(Answer::default()));
        let older = || Some(Err(refused(404, "no-such-route")));
        assert_eq!(told(containers(), units()), (vec![], None));
        let (limits, problem) = told(containers(), older());
        assert_eq!(
            (limits, problem),
            (
                vec!["its agent is older and does not search units: update it".to_owned()],
                None
            )
        );
        let none = Some(Err(refused(503, "engine-absent")));
        assert_eq!(
            told(none, units()),
            (vec![], None),
            "a machine without containers"
        );
        let none = Some(Err(refused(503, "engine-absent")));
        assert_eq!(told(none, None), (vec![], Some("no".to_owned())));
        let hangs = Some(Err(refused(504, "engine-hangs")));
        let (limits, _) = told(hangs, units());
        assert_eq!(limits, ["containers were not searched: no"]);
        let gone = || Unsearched::Failed("no agent of piha is connected".to_owned());
        let (_, problem) = told(Some(Err(gone())), Some(Err(gone())));
        assert_eq!(
            problem.as_deref(),
            Some("no agent of piha is connected"),
            "once"
        );
    }
}
