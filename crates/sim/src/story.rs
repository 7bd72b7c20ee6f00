//! What happened, for people: a line per event, and the end of it when an invariant does not hold.

use std::fmt::Write;

use stead_core::event::{Body, Event};
use stead_core::facts::Fact;

use crate::invariant::Finding;
use crate::truth::{self, Line};

/// Lines shown before the finding, unless all are asked for.
const LAST: usize = 40;

/// An event in one line.
pub fn event(event: &Event) -> String {
    let what = match &event.body {
        Body::ActionProposed(p) => format!(
            "{}#{}: {} [{}] → {}",
            p.action,
            p.occurrence,
            p.reason,
            p.policy,
            steps(&p.plan.steps)
        ),
        Body::ActionPlanChanged(p) => {
            format!(
                "{}#{}: {} → {}",
                p.action,
                p.occurrence,
                p.reason,
                steps(&p.plan.steps)
            )
        }
        Body::ActionApproved(a) => {
            let rule = a
                .rule
                .as_ref()
                .map_or_else(String::new, |r| format!(" ({r})"));
            format!("{}#{} by {}{rule}", a.action, a.occurrence, a.by)
        }
        Body::ActionStepStarted(s) => {
            format!(
                "{}#{} step {} attempt {}",
                s.action, s.occurrence, s.step, s.attempt
            )
        }
        Body::ActionStepEnded(s) => {
            format!(
                "{}#{} step {} attempt {}: {:?}",
                s.action, s.occurrence, s.step, s.attempt, s.outcome
            )
        }
        Body::ActionCompleted(e) | Body::ActionFailed(e) => {
            format!("{}#{} {} {}", e.action, e.occurrence, e.code, e.detail)
        }
        Body::ActionCancelled(c) => format!("{}#{} {}", c.action, c.occurrence, c.reason),
        Body::Observed(_, fact) => seen(fact),
        other => shortened(&other.data().to_string()),
    };
    let cause = event.cause.map_or_else(String::new, |c| format!(" ← {c}"));
    format!(
        "  {}{cause} {} {}: {what}",
        event.seq,
        event.kind(),
        event.subject
    )
}

/// A fact without what never changes in a simulation.
fn seen(fact: &Fact) -> String {
    match fact {
        Fact::Container(c) => format!(
            "{} {:?} {:?} started {}{}",
            c.id,
            c.state,
            c.health,
            c.started_at.map_or_else(String::new, |at| at.to_string()),
            if c.stopped_by_person {
                ", stopped by a person"
            } else {
                ""
            }
        ),
        Fact::Unit(u) => format!("{} {}", u.load, u.active),
        Fact::Host(h) => format!("boot {}", h.boot_id),
        Fact::Source(s) => format!("{:?}", s.state),
        Fact::Level(l) => format!("{} {:?}", l.value, l.level),
        Fact::Check(c) => format!("{:?}: {}", c.verdict, c.answer),
        other => shortened(&format!("{other:?}")),
    }
}

fn steps(steps: &[stead_core::command::Command]) -> String {
    let steps: Vec<String> = steps.iter().map(truth::command).collect();
    steps.join(", then ")
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(200).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// `12:34.567` after the beginning.
pub fn clock(at: u64) -> String {
    format!("{:02}:{:02}.{:03}", at / 60_000, at / 1000 % 60, at % 1000)
}

/// The story of a run that ended in a finding.
pub fn told(
    seed: u64,
    dropped: &[u32],
    lines: &[Line],
    finding: &(u64, Finding),
    all: bool,
) -> String {
    let mut text = String::new();
    let from = if all {
        0
    } else {
        lines.len().saturating_sub(LAST)
    };
    if from > 0 {
        let _ = writeln!(text, "… {from} lines before (--story shows them)");
    }
    for line in &lines[from..] {
        let _ = writeln!(text, "{} {}", clock(line.at), line.text);
    }
    let (at, finding) = finding;
    let _ = writeln!(text, "\n{} broken: {}", clock(*at), finding.name);
    let _ = writeln!(text, "  {}", finding.sentence);
    let _ = writeln!(text, "  expected: {}", finding.breach.expected);
    let _ = writeln!(text, "  found:    {}", finding.breach.found);
    let drop = if dropped.is_empty() {
        String::new()
    } else {
        let numbers: Vec<String> = dropped.iter().map(ToString::to_string).collect();
        format!(" --drop {}", numbers.join(","))
    };
    let _ = writeln!(
        text,
        "\nagain: cargo xtask sim --seed {seed:#x}{drop} --story"
    );
    text
}
