//! `policy:`: what may happen without asking.

use std::collections::{BTreeMap, BTreeSet};

use stead_core::desired::{Automatic, Limits, Policy, RepairRule};
use stead_core::ids::NodeName;

use super::piece::Named;
use super::report::Report;
use super::{rule, when};
use crate::grammar::policy as grammar;
use crate::node::Cursor;
use crate::problem::Code;
use crate::shape::shorten;

/// Every kind of action, with whether it destroys.
pub(super) const ACTIONS: [(&str, bool); 20] = [
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
    ("model_load", false),
    ("model_unload", false),
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
    let services: BTreeSet<&str> = names.iter().map(|n| n.service.as_str()).collect();
    let rules = policy.rules.iter().enumerate();
    let repairs = policy.repairs.iter().enumerate();
    let max_level = policy.automatic.max_level.map(|l| l.0);
    let calendar = when::calendar(at.get("calendar"), &policy.calendar, report);
    let rules: Vec<_> = rules
        .filter_map(|(n, r)| {
            let here = at.get("rules").item(n);
            Some((here, rule::resolve(here, r, known, &services, report)?))
        })
        .collect();
    rule::contradictions(&rules, &calendar, report);
    Policy {
        automatic: Automatic {
            max_level: max_level.unwrap_or(Automatic::default().max_level),
        },
        rules: rules.into_iter().map(|(_, rule)| rule).collect(),
        limits: limits(at.get("limits"), &policy.limits, report),
        repairs: repairs
            .filter_map(|(n, r)| repair(at.get("repairs").item(n), r, report))
            .collect(),
        calendar,
    }
}

fn limits(at: Cursor<'_>, given: &grammar::Limits, report: &mut Report) -> Limits {
    let defaults = Limits::default();
    let settled = Limits {
        per_target_per_hour: given
            .per_target_per_hour
            .unwrap_or(defaults.per_target_per_hour),
        concurrent: given.concurrent.unwrap_or(defaults.concurrent),
        concurrent_per_node: given
            .concurrent_per_node
            .unwrap_or(defaults.concurrent_per_node),
        mass_drift: given.mass_drift.map_or(defaults.mass_drift, |p| p.0),
        mass_drift_large: given
            .mass_drift_large
            .map_or(defaults.mass_drift_large, |p| p.0),
        back_off: given.back_off.map_or(defaults.back_off, |d| d.0),
    };
    if settled.concurrent_per_node > settled.concurrent {
        let default = |key: &str| if at.has(key) { "" } else { " (the default)" };
        let message = format!(
            "`concurrent_per_node` is {}{}, but `concurrent`, for the whole fleet, is {}{}",
            settled.concurrent_per_node,
            default("concurrent_per_node"),
            settled.concurrent,
            default("concurrent"),
        );
        let here = ["concurrent_per_node", "concurrent"]
            .into_iter()
            .find(|key| at.has(key));
        report.value(
            here.map_or(at, |key| at.get(key)),
            Code::LimitsContradict,
            message,
            "raise `concurrent`, or lower `concurrent_per_node`",
        );
    }
    settled
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
            rule::action(at.get("action"), to, report);
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
    use super::{ACTIONS, DRIFTS, TRIGGERS};
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
}
