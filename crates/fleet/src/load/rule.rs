//! `policy.rules`: what each says, and which of them can never say it.
//!
//! Nothing here guesses: a rule is called dead only where that is certain. A rule that is silently passed over is worse
//! than none, because its owner believes in it.

use std::collections::{BTreeMap, BTreeSet};

use stead_core::desired::{Calendar, Days, Hours, Match, Rule, Says};
use stead_core::ids::NodeName;
use stead_core::policy::glob;

use super::policy::ACTIONS;
use super::report::Report;
use super::when::{self, Week};
use crate::grammar::policy as grammar;
use crate::node::Cursor;
use crate::problem::Code;
use crate::shape::shorten;

pub(super) fn resolve(
    at: Cursor<'_>,
    rule: &grammar::Rule,
    known: &BTreeMap<String, NodeName>,
    services: &BTreeSet<&str>,
    report: &mut Report,
) -> Option<Rule> {
    when::not_empty(at.get("between"), report);
    if let Some(days) = rule.days
        && days.0 == Days(0)
    {
        report.value(
            at.get("days"),
            Code::EmptyWindow,
            "`days` is an empty list, so the rule never holds",
            "name days, or remove the key: then it holds on every day",
        );
    }
    let says = says(at, rule, report);
    let matches = rule.matches.as_ref()?;
    if !matching(at.get("match"), matches, says, known, services, report) {
        return None;
    }
    Some(Rule {
        matches: Match {
            action: matches.action.clone(),
            node: matches.node.clone(),
            service: matches.service.clone(),
        },
        says: says?,
        between: rule.between.map(|w| w.0),
        days: rule.days.map(|d| d.0),
        hours: rule.hours.map(|h| match h {
            grammar::Hours::Business => Hours::Business,
            grammar::Hours::OutsideBusiness => Hours::OutsideBusiness,
        }),
    })
}

/// The one thing it says.
fn says(at: Cursor<'_>, rule: &grammar::Rule, report: &mut Report) -> Option<Says> {
    let given: Vec<(&str, Says)> = [
        rule.automatic
            .map(|yes| ("automatic", Says::Automatic(yes))),
        rule.max_level.map(|l| ("max_level", Says::MaxLevel(l.0))),
        rule.earn.map(|n| ("earn", Says::Earn(n))),
    ]
    .into_iter()
    .flatten()
    .collect();
    match given.as_slice() {
        [(_, one)] => Some(*one),
        [] if at.damaged() => None,
        [] => {
            let message = "the rule says none of `automatic`, `max_level` and `earn`";
            let help = "add `automatic: false` to always ask, or `automatic: true` to never ask";
            report.key(at, Code::RuleAnswer, message, help);
            None
        }
        [(first, _), (second, _), ..] => {
            let message = format!("the rule says `{first}` and `{second}` at once");
            report.key(
                at.get(second),
                Code::RuleAnswer,
                message,
                "keep one of the two, or make two rules of it",
            );
            None
        }
    }
}

fn matching(
    here: Cursor<'_>,
    matches: &grammar::Match,
    says: Option<Says>,
    known: &BTreeMap<String, NodeName>,
    services: &BTreeSet<&str>,
    report: &mut Report,
) -> bool {
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
        return false;
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
        action(here.get("action"), text, report);
        if matches!(says, Some(Says::Automatic(true) | Says::Earn(_))) {
            destructive(here.get("action"), text, report);
        }
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
    true
}

/// Whether there is such an action.
pub(super) fn action(at: Cursor<'_>, text: &str, report: &mut Report) {
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
}

/// Refuses a pattern that names nothing but what destroys.
fn destructive(at: Cursor<'_>, text: &str, report: &mut Report) {
    let mut named = ACTIONS
        .iter()
        .filter(|(name, _)| glob(text, name))
        .peekable();
    if named.peek().is_none() || !named.all(|(_, destroys)| *destroys) {
        return;
    }
    report.value(
        at,
        Code::DestructiveAutomatic,
        format!(
            "`{}` destroys something, so it is always asked",
            shorten(text)
        ),
        "remove the rule; approve such actions one by one",
    );
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

/// Names rules that can never apply.
pub(super) fn contradictions(
    rules: &[(Cursor<'_>, Rule)],
    calendar: &Calendar,
    report: &mut Report,
) {
    let weeks: Vec<Week> = rules.iter().map(|(_, rule)| when::week(rule)).collect();
    let business = when::business_week(calendar);
    for (index, (at, rule)) in rules.iter().enumerate() {
        // Without a day it never holds either; that has been said.
        if weeks[index].is_empty() {
            continue;
        }
        if never(rule, &weeks[index], &business, calendar) {
            report.key(
                *at,
                Code::RuleNeverApplies,
                format!("policy.rules[{index}] never holds: its times and `hours` have no minute in common"),
                "widen `between` or `days`, or remove `hours`",
            );
            continue;
        }
        let before = rules[..index].iter().zip(&weeks).enumerate();
        let shadow = before
            .map(|(n, ((_, earlier), week))| (n, earlier, week))
            .find(|(_, earlier, week)| {
                earlier.says != rule.says
                    && wider(&earlier.matches, &rule.matches)
                    && (earlier.hours.is_none() || earlier.hours == rule.hours)
                    && weeks[index].within(week)
            });
        if let Some((first, earlier, _)) = shadow {
            let message = format!(
                "policy.rules[{index}] can never apply: policy.rules[{first}] matches all of it and says {}, not {}",
                word(earlier.says),
                word(rule.says)
            );
            let help = format!(
                "put it before policy.rules[{first}], give that one narrower times, or remove one of the two"
            );
            report.key(*at, Code::RuleNeverApplies, message, help);
        }
    }
}

fn word(says: Says) -> String {
    match says {
        Says::Automatic(yes) => format!("`automatic: {yes}`"),
        Says::MaxLevel(level) => format!("`max_level: {level}`"),
        Says::Earn(count) => format!("`earn: {count}`"),
    }
}

/// Whether a rule's own times exclude each other. A holiday is outside business hours, so with one it may hold.
fn never(rule: &Rule, week: &Week, business: &Week, calendar: &Calendar) -> bool {
    match rule.hours {
        Some(Hours::Business) => !week.meets(business),
        Some(Hours::OutsideBusiness) => calendar.holidays.is_empty() && week.within(business),
        None => false,
    }
}

/// Whether `wide` matches everything that `narrow` matches.
fn wider(wide: &Match, narrow: &Match) -> bool {
    let actions = |m: &Match, name: &str| m.action.as_deref().is_none_or(|p| glob(p, name));
    ACTIONS
        .iter()
        .all(|(name, _)| !actions(narrow, name) || actions(wide, name))
        && covers(wide.node.as_deref(), narrow.node.as_deref())
        && covers(wide.service.as_deref(), narrow.service.as_deref())
}

/// Whether each text that `narrow` matches is matched by `wide`. Where it cannot be told, it is not.
fn covers(wide: Option<&str>, narrow: Option<&str>) -> bool {
    let Some(wide) = wide else { return true };
    let Some(narrow) = narrow else {
        return !wide.is_empty() && wide.bytes().all(|b| b == b'*');
    };
    // A `*` of the narrow one may be any text, so only a `*` of the wide one takes it.
    let (wide, narrow): (Vec<char>, Vec<char>) = (wide.chars().collect(), narrow.chars().collect());
    let takes = |w: char, n: char| n != '*' && (w == '?' || (w == n && n != '?'));
    let mut reach = vec![false; narrow.len() + 1];
    reach[0] = true;
    for w in wide {
        if w == '*' {
            let mut open = false;
            for slot in &mut reach {
                open |= *slot;
                *slot = open;
            }
        } else {
            for end in (0..narrow.len()).rev() {
                reach[end + 1] = reach[end] && takes(w, narrow[end]);
            }
            reach[0] = false;
        }
    }
    reach[narrow.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_another_only_where_that_is_certain() {
        for (wide, narrow, wanted) in [
            ("*", "web-*", true),
            ("web-*", "web-1", true),
            ("web-*", "web-a*b", true),
            ("web-?", "web-1", true),
            ("web-?", "web-?", true),
            ("web-?", "web-*", false),
            ("web-1", "web-?", false),
            ("*-db", "web-*", false),
            ("*b*", "abc", true),
            ("a*c", "a?c", true),
            ("web", "web", true),
            ("web", "db", false),
        ] {
            assert_eq!(covers(Some(wide), Some(narrow)), wanted, "{wide} {narrow}");
        }
        assert!(covers(None, None) && covers(None, Some("x")) && covers(Some("*"), None));
        assert!(
            !covers(Some("x*"), None),
            "what names no service is not covered by a name"
        );
    }
}
