//! `overview`: is all well, what needs you, what did Stead do meanwhile.

use stead_protocol::api::{Did, Need, Overview};

use crate::args;
use crate::client::{Client, escaped};
use crate::failure::Failure;
use crate::output::{Output, ago, clock, line, safe};

/// Lines of what was done; `--json` and `stead actions` have the rest.
const LINES: usize = 30;

pub async fn run(client: &Client, out: Output, args: args::Overview) -> Result<(), Failure> {
    let path = match args.since.as_deref() {
        Some(since) => format!("/api/v1/overview?since={}", escaped(since)),
        None => "/api/v1/overview".to_string(),
    };
    let overview: Overview = client.get(&path).await?;
    if out.json {
        out.json(&overview);
        return Ok(());
    }
    out.moment(client.told_at());
    line(&out.bold(&safe(&overview.sentence)));
    line("");
    line(&out.bold("Needs you"));
    if overview.needs.is_empty() {
        line("  nothing");
    }
    needs(out, &overview.needs);
    if overview.needs_unlisted > 0 {
        line(&out.dim(&format!("  and {} more", overview.needs_unlisted)));
    }
    line("");
    did(out, &overview.did);
    Ok(())
}

/// Each with its next step.
pub fn needs(out: Output, needs: &[Need]) {
    for need in needs {
        let since = need.since.as_deref().map(ago).unwrap_or_default();
        line(&format!(
            "  {}  {}  {}",
            out.state(&need.severity),
            safe(&need.text),
            out.dim(&since)
        ));
        let command = need.command.as_deref().map(|c| format!(": {c}"));
        line(&format!(
            "    next: {}{}",
            safe(&need.next),
            safe(&command.unwrap_or_default())
        ));
    }
}

fn did(out: Output, did: &Did) {
    let until = did.until.as_deref().map(|at| format!(" to {}", clock(at)));
    let title = format!(
        "Since {}{} UTC",
        clock(&did.since),
        until.unwrap_or_default()
    );
    line(&format!("{}  {}", out.bold(&title), safe(&did.sentence)));
    for entry in did.entries.iter().take(LINES) {
        let why = entry.why.as_deref().map(|why| format!(" ({why})"));
        line(&format!(
            "  {}  {:<11} {}{}",
            clock(&entry.at),
            entry.kind.replace('_', " "),
            safe(&entry.text),
            safe(&why.unwrap_or_default())
        ));
    }
    if did.entries.len() > LINES || did.truncated {
        line(&out.dim("  there is more: stead actions, stead events"));
    }
}
