//! `policy:`: what may happen without asking.

use std::collections::{BTreeMap, BTreeSet};

use stead_core::desired::{Automatic, Calendar, Limits, Match, Policy, RepairRule, Rule, Says};
use stead_core::ids::NodeName;

use super::piece::Named;
use super::report::Report;
use crate::grammar::policy as grammar;
use crate::node::Cursor;
use crate::problem::Code;
use crate::shape::shorten;

/// Every kind of action, with whether it destroys.
pub(super) const ACTIONS: [(&str, bool); 18] = [
    ("lock_clear", false),
    ("dns_publish", false),
    ("proxy_register", false),
    ("container_restart", false),
    ("unit_restart", false),
    ("agent_restart", false),
    ("loop_restart", false),
    ("workload_start", false),
    ("workload_stop", false),
    ("redeploy", false),
    ("disk_cleanup", false),
    ("agent_upgrade", false),
    ("provision", false),
    ("patch", false),
    ("drill", false),
    ("restore", true),
    ("rebuild", true),
    ("destroy", true),
];

/// Every kind of drift.
const DRIFTS: [&str; 14] = [
    "missing_service",
    "unhealthy_service",
    "unexpected_service",
    "changed_service",
    "suspended_but_running",
    "disk_pressure",
    "agent_offline",
    "stale_lock",
    "missing_dns",
    "missing_registration",
    "stuck_action",
    "backup_missed",
    "reboot_required",
    "updates_pending",
];

/// Everything that can start a trouble.
const TRIGGERS: [&str; 21] = [
    "containers_not_running",
    "container_unhealthy",
    "mqtt_unreachable",
    "check_failed",
    "unit_failed",
    "unit_inactive",
    "process_absent",
    "absent",
    "image_changed",
    "compose_changed",
    "definition_changed",
    "unit_file_changed",
    "disk_full",
    "agent_silent",
    "reboot_required",
    "not_in_any_file",
    "suspended",
    "reported",
    "person",
    "no_progress",
    "holder_silent",
];

pub(super) fn resolve(
    at: Cursor<'_>,
    policy: &grammar::Policy,
    known: &BTreeMap<String, NodeName>,
    names: &[Named],
    report: &mut Report,
) -> Policy {
    let at = at.get("policy");
    let defaults = (Automatic::default(), Limits::default());
    let limits = &policy.limits;
    let services: BTreeSet<&str> = names.iter().map(|n| n.service.as_str()).collect();
    let rules = policy.rules.iter().enumerate();
    let repairs = policy.repairs.iter().enumerate();
    Policy {
        automatic: Automatic {
            max_level: policy.automatic.max_level.unwrap_or(defaults.0.max_level),
        },
        rules: rules
            .filter_map(|(n, r)| rule(at.get("rules").item(n), r, known, &services, report))
            .collect(),
        limits: Limits {
            per_target_per_hour: limits
                .per_target_per_hour
                .unwrap_or(defaults.1.per_target_per_hour),
            concurrent: limits.concurrent.unwrap_or(defaults.1.concurrent),
            concurrent_per_node: limits
                .concurrent_per_node
                .unwrap_or(defaults.1.concurrent_per_node),
            mass_drift: limits.mass_drift.map_or(defaults.1.mass_drift, |p| p.0),
            mass_drift_large: defaults.1.mass_drift_large,
            back_off: limits.back_off.map_or(defaults.1.back_off, |d| d.0),
        },
        repairs: repairs
            .filter_map(|(n, r)| repair(at.get("repairs").item(n), r, report))
            .collect(),
        calendar: Calendar::default(),
    }
}

fn rule(
    at: Cursor<'_>,
    rule: &grammar::Rule,
    known: &BTreeMap<String, NodeName>,
    services: &BTreeSet<&str>,
    report: &mut Report,
) -> Option<Rule> {
    let (Some(matches), Some(automatic)) = (&rule.matches, rule.automatic) else {
        return None;
    };
    let here = at.get("match");
    let fields = [&matches.action, &matches.node, &matches.service];
    if fields
        .iter()
        .all(|f| f.as_deref().is_none_or(|t| t.trim().is_empty()))
    {
        if !here.damaged() {
            let help =
                "give it `action`, `node` or `service`; `\"*\"` matches everything and says so";
            report.key(
                here,
                Code::EmptyMatch,
                "the rule has an empty match, so it matches nothing",
                help,
            );
        }
        return None;
    }
    for (key, text) in ["action", "node", "service"].into_iter().zip(fields) {
        if text.as_deref().is_some_and(|t| t.trim().is_empty()) {
            report.value(
                here.get(key),
                Code::EmptyMatch,
                format!("`{key}` is empty, so the rule matches nothing"),
                "remove the key, or name something",
            );
        }
    }
    if let Some(text) = &matches.action {
        action(here.get("action"), text, automatic, report);
    }
    if let Some(text) = &matches.node {
        unmatched(
            here.get("node"),
            text,
            "node",
            known.keys().map(String::as_str),
            report,
        );
    }
    if let Some(text) = &matches.service {
        unmatched(
            here.get("service"),
            text,
            "service",
            services.iter().copied(),
            report,
        );
    }
    Some(Rule {
        matches: Match {
            action: matches.action.clone(),
            node: matches.node.clone(),
            service: matches.service.clone(),
        },
        says: Says::Automatic(automatic),
        between: rule.between.map(|w| w.0),
        days: None,
        hours: None,
    })
}

fn action(at: Cursor<'_>, text: &str, automatic: bool, report: &mut Report) {
    let names = ACTIONS.iter().map(|(name, _)| *name);
    if !text.is_empty() && !names.clone().any(|name| glob(text, name)) {
        let all = names.clone().collect::<Vec<_>>().join(", ");
        let help = match report.near(text, names) {
            Some(near) => format!("did you mean `{near}`? Known: {all}"),
            None => format!("known: {all}"),
        };
        report.value(
            at,
            Code::UnknownAction,
            format!("there is no action {:?}", shorten(text)),
            help,
        );
    }
    if automatic
        && ACTIONS
            .iter()
            .any(|(name, destroys)| *destroys && *name == text)
    {
        let message = format!("`{text}` destroys something, so it is always asked");
        report.value(
            at,
            Code::DestructiveAutomatic,
            message,
            "remove the rule; approve such actions one by one",
        );
    }
}

/// A warning where a name without wildcards matches nothing that the files know.
fn unmatched<'a>(
    at: Cursor<'_>,
    text: &str,
    what: &str,
    known: impl Iterator<Item = &'a str> + Clone,
    report: &mut Report,
) {
    // A pattern may well be written for what is to come.
    let pattern = text.contains(['*', '?']);
    if pattern || text.trim().is_empty() || known.clone().any(|name| name == text) {
        return;
    }
    let code = if what == "node" {
        Code::UnmatchedNode
    } else {
        Code::UnmatchedService
    };
    let help = match report.near(text, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("name a {what} that a file under hosts/ has, or remove the rule"),
    };
    report.value(
        at,
        code,
        format!("no {what} matches {:?}", shorten(text)),
        help,
    );
}

/// Whether `name` matches `pattern` with `*` and `?`.
fn glob(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

fn repair(at: Cursor<'_>, repair: &grammar::Repair, report: &mut Report) -> Option<RepairRule> {
    let (Some(drift), Some(to)) = (&repair.drift, &repair.action) else {
        return None;
    };
    if !DRIFTS.contains(&drift.as_str()) {
        let all = DRIFTS.join(", ");
        let help = match report.near(drift, DRIFTS) {
            Some(near) => format!("did you mean `{near}`? Known: {all}"),
            None => format!("known: {all}"),
        };
        report.value(
            at.get("drift"),
            Code::UnknownDrift,
            format!("there is no drift {:?}", shorten(drift)),
            help,
        );
    }
    if let Some(trigger) = &repair.trigger
        && !TRIGGERS.contains(&trigger.as_str())
    {
        let all = TRIGGERS.join(", ");
        let help = match report.near(trigger, TRIGGERS) {
            Some(near) => format!("did you mean `{near}`? Known: {all}"),
            None => format!("known: {all}"),
        };
        let message = format!("there is no trigger {:?}", shorten(trigger));
        report.value(at.get("trigger"), Code::UnknownTrigger, message, help);
    }
    if to != "none" {
        if to.contains(['*', '?']) {
            let message = format!("{:?} names more than one action", shorten(to));
            report.value(
                at.get("action"),
                Code::UnknownAction,
                message,
                "name one action, or `none` to only tell",
            );
        } else {
            action(at.get("action"), to, false, report);
        }
    }
    Some(RepairRule {
        drift: drift.clone(),
        trigger: repair.trigger.clone(),
        kind: repair.kind.map(|k| k.word().to_owned()),
        action: to.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::{ACTIONS, DRIFTS, TRIGGERS, glob};
    use stead_core::action::{ActionKind, Trigger};
    use stead_core::drift::DriftKind;

    #[test]
    fn the_words_are_those_of_the_core() {
        for kind in ActionKind::ALL {
            assert!(
                ACTIONS.iter().any(|(name, _)| *name == kind.word()),
                "{kind}"
            );
        }
        for word in DRIFTS {
            assert!(
                serde_json::from_value::<DriftKind>(word.into()).is_ok(),
                "{word}"
            );
        }
        for word in TRIGGERS {
            assert!(
                serde_json::from_value::<Trigger>(word.into()).is_ok(),
                "{word}"
            );
        }
    }

    #[test]
    fn globs() {
        for (pattern, name, wanted) in [
            ("web-*", "web-1", true),
            ("*", "", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*b*", "abc", true),
            ("*_restart", "container_restart", true),
            ("", "x", false),
            ("a*b*c", "aXbYbZc", true),
        ] {
            assert_eq!(glob(pattern, name), wanted, "{pattern} {name}");
        }
    }
}
