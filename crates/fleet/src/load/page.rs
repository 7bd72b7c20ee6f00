//! `status_page:`, once it is enabled.

use stead_core::desired::StatusPage;
use stead_core::selector::Selector;

use super::report::Report;
use crate::grammar::page as grammar;
use crate::node::Cursor;
use crate::problem::Code;

/// Longest title and longest name shown, in characters.
const LONGEST: usize = 120;
/// Names given at most.
const NAMES: usize = 200;

/// The page, where it is enabled; checked whether it is or not.
pub(super) fn resolve(
    at: Cursor<'_>,
    file: &grammar::StatusPage,
    fleet: &str,
    report: &mut Report,
) -> Option<StatusPage> {
    let at = at.get("status_page");
    let services = file.services.as_deref().unwrap_or("").trim().to_owned();
    if let Err(problem) = services.parse::<Selector>()
        && file.services.is_some()
    {
        report.value(
            at.get("services"),
            Code::BadSelector,
            problem.detail,
            problem.remedy,
        );
    }
    let short = |text: &String| text.chars().count() <= LONGEST;
    let all = file.title.iter().chain(file.names.values());
    if !all.into_iter().all(short) || file.names.len() > NAMES {
        report.value(
            at,
            Code::OutOfRange,
            format!(
                "a title or name has {LONGEST} characters at most, and {NAMES} names may be given"
            ),
            "shorten it",
        );
    }
    file.enabled.then(|| StatusPage {
        title: file.title.clone().unwrap_or_else(|| fleet.to_owned()),
        services,
        names: file.names.clone(),
    })
}
