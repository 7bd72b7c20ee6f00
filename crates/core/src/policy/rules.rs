//! Which rule of the files speaks about an action, and what it says. Row R1; earned autonomy is row R7.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Now, Verdict};
use crate::action::{Action, ActionKey, Risk};
use crate::desired::{CANARY, Calendar, Hours, Match, Rule, Says};
use crate::ids::Seq;
use crate::planted::Bug;
use crate::subject::Subject;
use crate::world::World;

/// What the rules say about `action` at `now`: the first that matches decides, else the level.
pub(super) fn permit(world: &World, action: &Action, now: Now) -> Verdict {
    let policy = &world.fleet.policy;
    let hit = policy.rules.iter().enumerate().find(|(_, rule)| {
        matches(&rule.matches, &action.key) && holds(rule, &policy.calendar, now)
    });
    match hit {
        Some((i, rule)) => by_rule(world, i, rule, action),
        None if world.planted.on(Bug::LevelIgnored) => Verdict::ready("any level"),
        None => by_level(
            action,
            policy.automatic.max_level,
            "policy.automatic.max_level",
        ),
    }
}

fn by_rule(world: &World, index: usize, rule: &Rule, action: &Action) -> Verdict {
    let name = format!("policy.rules[{index}]");
    match rule.says {
        Says::Automatic(true) => Verdict::ready(name),
        Says::Automatic(false) => Verdict::ask(name),
        Says::MaxLevel(level) => by_level(action, level, &format!("{name}.max_level")),
        Says::Earn(wanted) if world.earned.contains(&rule.digest()) => {
            Verdict::ready(format!("{name} earned it by {wanted} verified successes"))
        }
        Says::Earn(wanted) => {
            let have = progress(world, rule);
            Verdict::ask(format!(
                "{name} has earned {have} of {wanted} verified successes"
            ))
        }
    }
}

fn by_level(action: &Action, max: u8, bound: &str) -> Verdict {
    if action.level > max {
        return Verdict::ask(format!("level {} is above {bound} {max}", action.level));
    }
    if action.risk != Risk::Low {
        return Verdict::ask(format!(
            "no rule names it, and its risk is {}",
            action.risk.word()
        ));
    }
    Verdict::ready(format!("{bound} {max} covers level {}", action.level))
}

/// Whether `rule` speaks at this time.
pub fn holds(rule: &Rule, calendar: &Calendar, now: Now) -> bool {
    let hours = rule.hours.is_none_or(|hours| {
        calendar.is_business(now.day, now.minute) == (hours == Hours::Business)
    });
    // A window over midnight belongs to the day on which it began.
    let began = match rule.between {
        Some(window) if window.from > window.to && now.minute < window.to => now.day - 1,
        _ => now.day,
    };
    hours
        && rule.between.is_none_or(|w| w.contains(now.minute))
        && rule.days.is_none_or(|days| days.contains(began))
}

/// Whether a match is about `key`. An empty match is about nothing.
pub fn matches(m: &Match, key: &ActionKey) -> bool {
    if m.action.is_none() && m.node.is_none() && m.service.is_none() {
        return false;
    }
    let node = key.subject.node().map_or("", |n| n.as_str());
    let service = key.subject.service().map_or("", |s| s.as_str());
    let fits =
        |pattern: &Option<String>, text: &str| pattern.as_deref().is_none_or(|p| glob(p, text));
    fits(&m.action, key.kind.word()) && fits(&m.node, node) && fits(&m.service, service)
}

/// Verified successes in a row under `rule`: those of everything it matches, since the last failure of any of it. What
/// drills do to the canary is practice: it earns nothing and costs nothing.
pub fn progress(world: &World, rule: &Rule) -> u32 {
    let about = || {
        world
            .actions
            .memory
            .iter()
            .filter(|(key, _)| matches(&rule.matches, key) && !is_practice(world, &key.subject))
            .map(|(_, memory)| memory)
    };
    let failed: Seq = about().map(|m| m.failed_seq).max().unwrap_or_default();
    let since = about()
        .flat_map(|m| m.successes.iter())
        .filter(|seq| **seq > failed)
        .count();
    u32::try_from(since).unwrap_or(u32::MAX)
}

/// Whether `subject` is the canary.
pub(super) fn is_practice(world: &World, subject: &Subject) -> bool {
    let node = world.fleet.drill.as_ref().map(|drill| &drill.node);
    matches!(subject, Subject::Service(n, s) if Some(n) == node && *s == CANARY)
}

/// Whether `text` matches `pattern`, where `*` is any text and `?` any character.
pub fn glob(pattern: &str, text: &str) -> bool {
    let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut i, mut j, mut star) = (0, 0, None);
    while j < t.len() {
        if i < p.len() && p[i] == '*' {
            star = Some((i, j));
            i += 1;
        } else if i < p.len() && (p[i] == '?' || p[i] == t[j]) {
            i += 1;
            j += 1;
        } else if let Some((si, sj)) = star {
            i = si + 1;
            j = sj + 1;
            star = Some((si, sj + 1));
        } else {
            return false;
        }
    }
    p[i..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::{Days, Window};

    #[test]
    fn globs_match_as_people_expect() {
        assert!(glob("web-*", "web-1"));
        assert!(glob("*", ""));
        assert!(glob("a?c*e", "abcde"));
        assert!(!glob("web-*", "db-web-1"));
        assert!(!glob("", "x"));
    }

    #[test]
    fn a_night_belongs_to_the_day_it_began_on() {
        // 2026-11-28 is a Saturday.
        let saturday = 20_785;
        let rule = Rule {
            matches: Match::default(),
            says: Says::Automatic(true),
            between: Some(Window {
                from: 22 * 60,
                to: 6 * 60,
            }),
            days: Some(Days(0b010_0000)),
            hours: None,
        };
        let at = |day, hour: u16| Now {
            day,
            minute: hour * 60,
            ..Now::default()
        };
        let calendar = Calendar::default();
        assert!(holds(&rule, &calendar, at(saturday, 23)));
        assert!(holds(&rule, &calendar, at(saturday + 1, 5)));
        assert!(!holds(&rule, &calendar, at(saturday, 5)));
        assert!(!holds(&rule, &calendar, at(saturday + 1, 23)));
    }

    #[test]
    fn business_hours_are_the_calendars() {
        let rule = |hours| Rule {
            matches: Match::default(),
            says: Says::Automatic(true),
            between: None,
            days: None,
            hours: Some(hours),
        };
        // 2026-11-26 is a Thursday.
        let noon = Now {
            day: 20_783,
            minute: 720,
            ..Now::default()
        };
        let calendar = Calendar::default();
        assert!(holds(&rule(Hours::Business), &calendar, noon));
        assert!(!holds(&rule(Hours::OutsideBusiness), &calendar, noon));
        let sunday = Now {
            day: 20_786,
            ..noon
        };
        assert!(holds(&rule(Hours::OutsideBusiness), &calendar, sunday));
    }
}
