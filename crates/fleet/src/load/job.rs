//! `jobs.yaml` and runbooks: reviewed whole, though nothing of them enters the fleet yet.

use std::collections::BTreeMap;

use stead_core::ids::{JobName, NodeName};

use super::report::Report;
use super::{check, syntax, when};
use crate::grammar::check::Check;
use crate::grammar::job::JobsFile;
use crate::grammar::runbook::RunbookFile;
use crate::node::Cursor;
use crate::problem::Code;
use crate::shape::shorten;

pub(super) fn review(at: Cursor<'_>, file: &JobsFile, report: &mut Report) {
    for (name, job) in &file.jobs {
        let here = at.get("jobs").get(name);
        job_name(here, name, report);
        one_of(here, &["run", "cleanup"], report);
        one_of(here, &["schedule", "every"], report);
        if let Some(run) = &job.run {
            syntax::words(here.get("run"), run, report);
        }
        if let Some(zone) = &job.timezone {
            when::zone(here.get("timezone"), zone, report);
        }
        if let Some(user) = &job.user {
            syntax::plain(here.get("user"), user, "the user", report);
        }
        if let Some(environment) = &job.environment {
            syntax::pairs(here.get("environment"), environment, "environment", report);
        }
    }
    for (name, backup) in &file.backups {
        let here = at.get("backups").get(name);
        job_name(here, name, report);
        if let Some(path) = backup.files.as_ref().and_then(|f| f.path.as_deref()) {
            syntax::absolute_path(here.get("files").get("path"), path, report);
        }
    }
}

fn job_name(at: Cursor<'_>, name: &str, report: &mut Report) {
    if let Err(error) = JobName::new(name) {
        let message = format!("{:?} is not a valid name: {}", shorten(name), error.why);
        report.key(
            at,
            Code::BadName,
            message,
            "use letters, digits, `-`, `_` and `.`; no `/`, no `..`, no leading `-`",
        );
    }
}

fn one_of(at: Cursor<'_>, keys: &[&str], report: &mut Report) {
    let given: Vec<&str> = at.keys().into_iter().filter(|k| keys.contains(k)).collect();
    let choice = keys.join("`, `");
    match given.as_slice() {
        [_] => {}
        [] if at.damaged() => {}
        [] => report.key(
            at,
            Code::OneOf,
            format!("none of `{choice}` is given"),
            format!("give it exactly one of `{choice}`"),
        ),
        [_, second, ..] => {
            let message = format!("more than one of `{choice}` is given");
            report.key(at.get(second), Code::OneOf, message, "keep one of them");
        }
    }
}

pub(super) fn review_runbook(
    at: Cursor<'_>,
    file: &RunbookFile,
    known: &BTreeMap<String, NodeName>,
    report: &mut Report,
) {
    checks(at.get("preconditions"), &file.preconditions, report);
    for (index, step) in file.steps.iter().enumerate() {
        let here = at.get("steps").item(index);
        one_of(
            here,
            &["run", "action", "approve", "ask", "wait", "check"],
            report,
        );
        if let Some(node) = &step.node
            && !known.contains_key(node)
            && !node.contains("{{")
        {
            let help = match report.near(node, known.keys().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "name a node that has a folder under hosts/".to_owned(),
            };
            let message = format!("there is no node {:?} under hosts/", shorten(node));
            report.value(here.get("node"), Code::UnknownNode, message, help);
        }
        if let Some(action) = &step.action {
            let names = super::policy::ACTIONS.iter().map(|(name, _)| *name);
            if !names.clone().any(|name| name == action) {
                let help = report
                    .near(action, names.clone())
                    .map(|near| format!("did you mean `{near}`?"))
                    .unwrap_or_else(|| format!("known: {}", names.collect::<Vec<_>>().join(", ")));
                let message = format!("there is no action {:?}", shorten(action));
                report.value(here.get("action"), Code::UnknownAction, message, help);
            }
        }
        for (key, words) in [("run", &step.run), ("rollback", &step.rollback)] {
            if let Some(words) = words {
                syntax::words(here.get(key), words, report);
            }
        }
        if let Some(single) = &step.check {
            one_check(here.get("check"), single, report);
        }
        checks(here.get("verify"), &step.verify, report);
    }
}

fn checks(at: Cursor<'_>, list: &[Check], report: &mut Report) {
    for (index, single) in list.iter().enumerate() {
        one_check(at.item(index), single, report);
    }
}

fn one_check(at: Cursor<'_>, single: &Check, report: &mut Report) {
    if check::exactly_one(at, report)
        && let Some(word) = at.keys().first().copied()
    {
        check::probe(at.get(word), single, report);
    }
}
