//! Answers as one: by time, the newest lines, and what was left out. Pure.

use std::collections::BTreeMap;

use stead_core::ids::NodeName;
use stead_core::time::Time;
use stead_protocol::api::{LogFound, LogSearch, LogSearched};

use super::loki;
use super::node::Part;

/// Sentences about what was left out.
const LIMITS: usize = 50;
/// A shipper that takes its own time for a line's takes it so much later or earlier, in milliseconds.
const APART: u64 = 2_000;

/// What came in so far.
#[derive(Debug)]
pub struct Whole {
    told: LogSearch,
    most: usize,
    /// Lines that are older than those that stay.
    over: usize,
    /// What Loki has, until all nodes have answered.
    theirs: Vec<LogFound>,
}

impl Whole {
    /// `most`: lines that stay.
    pub fn new(most: usize) -> Whole {
        Whole {
            told: LogSearch::default(),
            most,
            over: 0,
            theirs: Vec::new(),
        }
    }

    /// Takes what Loki has; `None` where there is none.
    pub fn take_loki(&mut self, part: Option<loki::Part>) {
        let Some(part) = part else {
            return;
        };
        let limits = part
            .limits
            .into_iter()
            .map(|limit| format!("Loki: {limit}"));
        self.told.limits.extend(limits);
        self.told.limits.truncate(LIMITS);
        self.told.loki = Some(part.searched);
        self.theirs = part.lines;
    }

    /// Takes a node's answer; says how far the search got there.
    pub fn take(&mut self, node: &NodeName, part: Part) -> LogSearched {
        let searched = LogSearched {
            node: node.to_string(),
            containers: part.containers,
            of: part.of,
            units: part.units,
            found: part.lines.len() as u64,
            problem: part.problem,
        };
        let told = &mut self.told;
        told.looked_at += part.looked_at;
        told.bytes += part.bytes;
        let limits = part
            .limits
            .into_iter()
            .map(|limit| format!("{node}: {limit}"));
        told.limits.extend(limits);
        told.limits.truncate(LIMITS);
        told.lines.extend(part.lines);
        self.bound();
        self.told.nodes.push(searched.clone());
        searched
    }

    fn bound(&mut self) {
        let lines = &mut self.told.lines;
        lines.sort_by(|a, b| (&a.at, &a.node).cmp(&(&b.at, &b.node)));
        let over = lines.len().saturating_sub(self.most);
        lines.drain(..over);
        self.over += over;
    }

    pub fn end(mut self) -> LogSearch {
        let theirs = without(std::mem::take(&mut self.theirs), &self.told.lines);
        if let Some(loki) = &mut self.told.loki {
            loki.found = theirs.len() as u64;
        }
        self.told.lines.extend(theirs);
        self.bound();
        let mut told = self.told;
        told.nodes.sort_by(|a, b| a.node.cmp(&b.node));
        if self.over > 0 {
            told.limits.truncate(LIMITS - 1);
            let left_out = format!("{} older lines were found and left out", self.over);
            told.limits.push(left_out);
        }
        told
    }
}

/// Loki's lines without those that a node told: each line of a node stands for one of Loki's, of the same container or unit, at
/// about the same time, that says the same or holds it in an envelope of its shipper's.
fn without(theirs: Vec<LogFound>, nodes: &[LogFound]) -> Vec<LogFound> {
    let of = |line: &LogFound| [&line.node, &line.container, &line.unit].map(String::clone);
    let mut told: BTreeMap<[String; 3], Vec<(i64, &str, bool)>> = BTreeMap::new();
    for line in nodes {
        if let Some(at) = instant(line) {
            let told = told.entry(of(line)).or_default();
            told.push((at, line.text.trim(), false));
        }
    }
    let mut is_told = |line: &LogFound| {
        let (Some(at), Some(told)) = (instant(line), told.get_mut(&of(line))) else {
            return false;
        };
        let text = line.text.trim();
        let enveloped = text.starts_with('{');
        let same =
            |said: &str| said == text || (enveloped && !said.is_empty() && text.contains(said));
        let near = told
            .iter_mut()
            .filter(|(when, said, used)| !used && when.abs_diff(at) <= APART && same(said));
        match near.min_by_key(|(when, ..)| when.abs_diff(at)) {
            Some((_, _, used)) => {
                *used = true;
                true
            }
            None => false,
        }
    };
    theirs.into_iter().filter(|line| !is_told(line)).collect()
}

fn instant(line: &LogFound) -> Option<i64> {
    line.at.parse::<Time>().ok().map(|at| at.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(ats: &[&str]) -> Part {
        let line = |at: &&str| LogFound {
            container: "web".to_string(),
            at: at.to_string(),
            text: "<b>bold</b>".to_string(),
            ..LogFound::default()
        };
        Part {
            lines: ats.iter().map(line).collect(),
            looked_at: 10,
            limits: vec!["web: cut".to_owned()],
            ..Part::default()
        }
    }

    #[test]
    fn answers_are_merged_by_time_and_the_newest_stay() {
        let mut whole = Whole::new(3);
        let node = |text: &str| text.parse::<NodeName>().unwrap();
        whole.take(&node("b"), part(&["1", "4", "3"]));
        whole.take(&node("a"), part(&["2", "3"]));
        let silent = Part {
            problem: Some("not connected".to_string()),
            ..Part::default()
        };
        whole.take(&node("c"), silent);
        let whole = whole.end();
        let order: Vec<&str> = whole.lines.iter().map(|l| l.at.as_str()).collect();
        assert_eq!(order, ["3", "3", "4"]);
        assert_eq!(whole.lines[0].text, "<b>bold</b>", "as it was written");
        assert_eq!(
            whole.limits,
            [
                "b: web: cut",
                "a: web: cut",
                "2 older lines were found and left out"
            ]
        );
        assert_eq!(whole.looked_at, 20);
        assert_eq!(whole.nodes[2].problem.as_deref(), Some("not connected"));
    }

    #[test]
    fn sentences_are_bounded_and_the_last_one_stays() {
        let mut whole = Whole::new(1);
        for n in 0..200 {
            let node = format!("n{n}").parse().unwrap();
            whole.take(&node, part(&["1", "2"]));
        }
        let whole = whole.end();
        assert_eq!((whole.limits.len(), whole.lines.len()), (LIMITS, 1));
        assert_eq!(
            whole.limits[LIMITS - 1],
            "399 older lines were found and left out"
        );
    }

    fn line(at: &str, of: (&str, &str), text: &str) -> LogFound {
        LogFound {
            at: format!("2026-11-21T08:30:{at}Z"),
            node: "piha".to_owned(),
            container: of.0.to_owned(),
            unit: of.1.to_owned(),
            text: text.to_owned(),
            ..LogFound::default()
        }
    }

    #[test]
    fn what_a_node_and_loki_both_have_is_told_once_and_nothing_else_is_lost() {
        const WEB: (&str, &str) = ("web", "");
        let nodes = [
            line("01.000000000", WEB, "tick"),
            line("01.100000000", WEB, "tick"),
            line("05.000000000", WEB, "refused: x"),
            line("09.000000000", ("", "ssh.service"), "tick"),
        ];
        let theirs = vec![
            line("00.500000000", WEB, "tick"),
            line("01.000000000", WEB, "tick"),
            line("01.900000000", WEB, "tick"),
            line(
                "05.000000001",
                WEB,
                "{\"log\":\"refused: x\",\"stream\":\"stderr\"}",
            ),
            line("07.500000000", WEB, "refused: x"),
            line("09.000000000", ("", "cron.service"), "tick"),
            line("09.000000000", ("", "ssh.service"), "tick "),
        ];
        let left = without(theirs, &nodes);
        let left: Vec<(&str, &str)> = left
            .iter()
            .map(|l| (&l.at[17..], l.text.as_str()))
            .collect();
        assert_eq!(
            left,
            [
                // Three were written, a node told two of them.
                ("01.900000000Z", "tick"),
                ("07.500000000Z", "refused: x"),
                ("09.000000000Z", "tick"),
            ]
        );
        let mut whole = Whole::new(3);
        whole.take(
            &"piha".parse().unwrap(),
            Part {
                lines: nodes.to_vec(),
                ..Part::default()
            },
        );
        whole.take_loki(Some(loki::Part {
            lines: vec![
                line("00.000000000", WEB, "old"),
                line("08.000000000", WEB, "new"),
            ],
            ..loki::Part::default()
        }));
        let whole = whole.end();
        let texts: Vec<&str> = whole.lines.iter().map(|l| l.text.as_str()).collect();
        assert_eq!(texts, ["refused: x", "new", "tick"]);
        assert_eq!(whole.loki.unwrap().found, 2);
    }
}
