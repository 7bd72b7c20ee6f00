//! The policy in force, as people see it.

use stead_core::action::{Action, ActionKey, ActionKind, Plan, Trigger};
use stead_core::brake;
use stead_core::controller::{self, GIVE_UP_AFTER};
use stead_core::desired::{Days, Hours, Rule, Says, Window};
use stead_core::event::Proposed;
use stead_core::policy;
use stead_core::subject::Subject;
use stead_core::time::Time;
use stead_protocol::api;

use super::Look;

pub fn policy_in_force(look: Look<'_>) -> api::Policy {
    let p = &look.world.fleet.policy;
    let limits = api::PolicyLimits {
        per_target_per_hour: p.limits.per_target_per_hour,
        concurrent: p.limits.concurrent,
        concurrent_per_node: p.limits.concurrent_per_node,
        mass_drift: brake::share(look.world),
        back_off_ms: p.limits.back_off.0,
        give_up_after: GIVE_UP_AFTER,
    };
    let calendar = api::PolicyCalendar {
        timezone: p.calendar.timezone.clone(),
        business: format!("{} {}", days(p.calendar.days), window(p.calendar.business)),
        holidays: p.calendar.holidays.iter().map(|d| date(*d)).collect(),
        is_business: p.calendar.is_business(look.now.day, look.now.minute),
    };
    api::Policy {
        max_level: p.automatic.max_level,
        kinds: ActionKind::ALL.into_iter().map(|k| kind(look, k)).collect(),
        rules: p
            .rules
            .iter()
            .enumerate()
            .map(|(i, r)| rule(look, i, r))
            .collect(),
        limits,
        calendar,
    }
}

/// What policy says now of an action of this kind that no rule names a node or service for.
fn kind(look: Look<'_>, kind: ActionKind) -> api::PolicyKind {
    let key = ActionKey {
        kind,
        subject: Subject::Fleet,
    };
    let verdict = policy::review(look.world, &candidate(key), look.now);
    let named = |r: &Rule| {
        let pattern = r.matches.action.as_deref().unwrap_or("*");
        policy::glob(pattern, kind.word())
    };
    let rules = &look.world.fleet.policy.rules;
    let naming = rules.iter().enumerate().filter(|(_, r)| named(r));
    api::PolicyKind {
        kind: kind.word().to_string(),
        level: kind.level(),
        risk: kind.risk().word().to_string(),
        verdict: super::restraint::shown(&verdict),
        rules: naming.map(|(i, _)| number(i)).collect(),
        available: is_available(kind),
    }
}

/// What policy says now of such an action on this very subject.
pub fn verdict_on(look: Look<'_>, key: ActionKey) -> api::Verdict {
    let verdict = policy::review(look.world, &candidate(key), look.now);
    super::restraint::shown(&verdict)
}

/// An action that nobody raised, for policy to look at.
fn candidate(key: ActionKey) -> Action {
    controller::preview(&Proposed {
        action: key.id(),
        occurrence: 1,
        plan: Plan::new(&key, Vec::new()),
        risk: key.kind.risk(),
        level: key.kind.level(),
        drift: String::new(),
        trigger: Trigger::Reported,
        reason: String::new(),
        policy: String::new(),
        direct: false,
        key,
    })
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Whether this build has a plan for any subject of the kind.
fn is_available(kind: ActionKind) -> bool {
    matches!(
        kind,
        ActionKind::ContainerRestart
            | ActionKind::Redeploy
            | ActionKind::UnitRestart
            | ActionKind::DiskCleanup
            | ActionKind::LockClear
            | ActionKind::WorkloadStop
            | ActionKind::Drill
    )
}

fn rule(look: Look<'_>, index: usize, r: &Rule) -> api::PolicyRule {
    let (says, bound) = match r.says {
        Says::Automatic(true) => ("automatic", None),
        Says::Automatic(false) => ("ask", None),
        Says::MaxLevel(level) => ("max_level", Some(u32::from(level))),
        Says::Earn(wanted) => ("earn", Some(wanted)),
    };
    let earns = matches!(r.says, Says::Earn(_));
    let earned = earns.then(|| policy::progress(look.world, r));
    let is_earned = earns.then(|| look.world.earned.contains(&r.digest()));
    let when = when(r);
    let calendar = &look.world.fleet.policy.calendar;
    let what = r.matches.action.as_deref().unwrap_or("anything");
    let on = match (&r.matches.service, &r.matches.node) {
        (None, None) => String::new(),
        (Some(service), None) => format!(" of {service}"),
        (None, Some(node)) => format!(" on {node}"),
        (Some(service), Some(node)) => format!(" of {service} on {node}"),
    };
    let said = match (r.says, earned, is_earned) {
        (Says::Automatic(true), ..) => "is automatic".to_string(),
        (Says::Automatic(false), ..) => "asks".to_string(),
        (Says::MaxLevel(level), ..) => {
            format!("is automatic up to level {level}, where the risk is low")
        }
        (Says::Earn(wanted), _, Some(true)) => {
            format!("earned it by {wanted} verified successes: automatic")
        }
        (Says::Earn(wanted), have, _) => {
            format!(
                "asks, until {wanted} in a row were verified ({} so far)",
                have.unwrap_or(0)
            )
        }
    };
    let hours = when.as_ref().map_or_else(String::new, |w| format!(", {w}"));
    api::PolicyRule {
        index: number(index),
        action: r.matches.action.clone(),
        node: r.matches.node.clone(),
        service: r.matches.service.clone(),
        says: says.to_string(),
        number: bound,
        holds_now: policy::rules::holds(r, calendar, look.now),
        earned,
        is_earned,
        text: format!("{what}{on} {said}{hours}"),
        when,
    }
}

/// When a rule holds, for people.
fn when(r: &Rule) -> Option<String> {
    let hours = r.hours.map(|h| match h {
        Hours::Business => "in business hours".to_string(),
        Hours::OutsideBusiness => "outside business hours".to_string(),
    });
    let parts: Vec<String> = [r.days.map(days), r.between.map(window), hours]
        .into_iter()
        .flatten()
        .collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

fn window(w: Window) -> String {
    let clock = |m: u16| format!("{:02}:{:02}", m / 60, m % 60);
    format!("{}-{}", clock(w.from), clock(w.to))
}

/// `Mon-Fri`, `Sat,Sun`.
fn days(days: Days) -> String {
    const NAMES: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for day in (0..7).filter(|d| days.0 & (1 << d) != 0) {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == day => *last = day,
            _ => runs.push((day, day)),
        }
    }
    let text = runs.into_iter().map(|(from, to)| match to - from {
        0 => NAMES[from].to_string(),
        1 => format!("{},{}", NAMES[from], NAMES[to]),
        _ => format!("{}-{}", NAMES[from], NAMES[to]),
    });
    text.collect::<Vec<_>>().join(",")
}

/// A day counted from 1970-01-01, as a date.
fn date(day: i32) -> String {
    Time(i64::from(day) * 86_400_000).day()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_windows_are_written_as_people_write_them() {
        assert_eq!(days(Days::WEEKDAYS), "Mon-Fri");
        assert_eq!(days(Days(0b110_0001)), "Mon,Sat,Sun");
        assert_eq!(
            window(Window {
                from: 22 * 60,
                to: 7 * 60 + 5
            }),
            "22:00-07:05"
        );
        assert_eq!(date(20_783), "2026-11-26");
    }
}
