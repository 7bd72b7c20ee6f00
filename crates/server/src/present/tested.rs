//! A backtest, for people.

use stead_core::action::ActionKind;
use stead_core::backtest::{Decision, Report, Sum};
use stead_protocol::api;

/// The whole answer.
pub fn tested(report: &Report) -> api::PolicyTested {
    let rows = |list: &[Decision]| list.iter().map(decision).collect();
    api::PolicyTested {
        summary: format!("would have {}", summary(&report.would.sum)),
        since: report.since.to_string(),
        until: report.until.to_string(),
        events: report.events,
        given: report.given,
        would: sum(&report.would.sum),
        was: sum(&report.was.sum),
        would_list: rows(&report.would.list),
        would_unlisted: report.would.unlisted,
        was_list: rows(&report.was.list),
        was_unlisted: report.was.unlisted,
    }
}

/// `restarted 14, asked 3, paged 1, refused 2 by limit`.
fn summary(sum: &Sum) -> String {
    let is_restart =
        |kind: &ActionKind| matches!(kind, ActionKind::ContainerRestart | ActionKind::UnitRestart);
    let restarted: u64 = sum
        .automatic
        .iter()
        .filter(|(kind, _)| is_restart(kind))
        .map(|(_, n)| n)
        .sum();
    let mut parts = vec![format!("restarted {restarted}")];
    let others = sum.automatic.iter().filter(|(kind, _)| !is_restart(kind));
    parts.extend(others.map(|(kind, n)| format!("done {kind} {n}")));
    parts.push(format!("asked {}", sum.asked));
    parts.push(format!("paged {}", sum.paged));
    parts.push(format!("refused {} by limit", sum.refused()));
    if sum.braked > 0 {
        parts.push(format!("braked {}", sum.braked));
    }
    parts.join(", ")
}

fn sum(sum: &Sum) -> api::PolicySum {
    let by_kind = sum.automatic.iter().map(|(k, n)| (k.to_string(), *n));
    api::PolicySum {
        automatic: sum.automatic(),
        by_kind: by_kind.collect(),
        verified: sum.verified,
        failed: sum.failed,
        asked: sum.asked,
        refused: sum.refused(),
        by_limit: sum.refused.clone(),
        waited: sum.waited,
        paged: sum.paged,
        messages: sum.messages,
        braked: sum.braked,
    }
}

fn decision(d: &Decision) -> api::PolicyDecision {
    api::PolicyDecision {
        at: d.at.to_string(),
        subject: d.subject.to_string(),
        action: d.kind.to_string(),
        occurrence: d.occurrence,
        reason: d.reason.clone(),
        answer: d.answer.word().to_string(),
        rule: d.rule.clone(),
        limit: d.limit.clone(),
        outcome: d.outcome.clone(),
    }
}
