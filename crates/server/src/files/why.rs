//! The `.why` beside what was refused: place, cause, remedy.

use super::tree::{READ_MAX, Unreadable};

/// Faults of one file that its `.why` lists.
const LISTED: usize = 20;

/// A fault in a file, for its `.why`.
#[derive(Debug)]
pub struct Fault {
    pub place: String,
    pub why: String,
    pub remedy: String,
}

/// What kept a file from being read, as its fault.
pub fn unread(why: &Unreadable) -> Fault {
    let (why, remedy) = match why {
        Unreadable::NotRegular(what) => (
            format!("it is {what}"),
            "put the file itself there: only regular files are read",
        ),
        Unreadable::TooLarge(size) => (
            format!("it is too large: {size} bytes, {READ_MAX} (1 MiB) are allowed"),
            "split it into smaller files",
        ),
        Unreadable::Io(error) => (error.to_string(), "check who may read it, and the disk"),
        Unreadable::Gone => ("it is gone".to_string(), "put it there again"),
    };
    Fault {
        place: "the whole file".into(),
        why,
        remedy: remedy.into(),
    }
}

/// A line nobody needs to read to its end.
pub fn too_long(line: usize) -> Fault {
    Fault {
        place: format!("line {line}"),
        why: format!("the line is too long: more than {READ_MAX} bytes (1 MiB)"),
        remedy: "one event a line, each with less data".into(),
    }
}

/// The text for a file of events; `recorded`: how many of its events were good.
pub fn explain_all(path: &str, faults: &[Fault], recorded: Option<usize>) -> String {
    let mut text = format!("{path} was refused (code bad-event, see docs/errors/bad-event.md)\n");
    if let Some(good) = recorded {
        text.push_str(&format!(
            "{good} other events of it were recorded; correct and put back only the rest.\n"
        ));
    }
    for fault in faults.iter().take(LISTED) {
        text.push_str(&format!(
            "\nwhere: {}\nwhy:   {}\ndo:    {}\n",
            fault.place, fault.why, fault.remedy
        ));
    }
    if faults.len() > LISTED {
        text.push_str(&format!("\nand {} more\n", faults.len() - LISTED));
    }
    text.push_str("\nEvents look like {\"node\": \"piha\", \"kind\": \"service_unhealthy\", \"service\": \"z2m\"}. Put \
                   the corrected file back into inbox/.\n");
    text
}

/// The text of a `.why` for anything else that was refused.
pub fn explain(path: &str, code: &str, place: &str, why: &str, remedy: &str) -> String {
    let place = if place.is_empty() {
        "the whole file"
    } else {
        place
    };
    format!(
        "{path} was refused (code {code}, see docs/errors/{code}.md)\n\nwhere: {place}\nwhy:   {why}\ndo:    {remedy}\n"
    )
}
