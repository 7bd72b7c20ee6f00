//! `why`: the chain of an action, or why nothing happens to a subject, as a tree.

use stead_protocol::api::{Considered, Message, Why, WhyLink};

use crate::args;
use crate::client::{Client, escaped};
use crate::failure::Failure;
use crate::output::{Output, ago, clock, line, safe};

pub async fn run(client: &Client, out: Output, args: &args::Why) -> Result<(), Failure> {
    show(
        client,
        out,
        &format!("/api/v1/why/{}", escaped(&args.about)),
    )
    .await
}

/// Prints what `path` answers.
pub async fn show(client: &Client, out: Output, path: &str) -> Result<(), Failure> {
    let why: Why = client.get(path).await?;
    if out.json {
        out.json(&why);
        return Ok(());
    }
    out.moment(client.told_at());
    line(&out.bold(&safe(&why.summary)));
    if !why.considered.is_empty() {
        line(&format!(
            "{} is {}",
            safe(&why.subject),
            out.state(&why.state)
        ));
        considered(out, &why.considered);
        heading(out, "what happened, latest last");
    }
    chain(out, &why.links);
    if !why.actions.is_empty() {
        heading(out, "its actions");
        for action in &why.actions {
            let outcome = action.outcome.as_deref().or(action.waits_for.as_deref());
            line(&format!(
                "  {} {}#{} {} {}",
                out.dim(&clock(&action.updated_at)),
                action.id,
                action.occurrence,
                out.state(&action.state),
                safe(outcome.unwrap_or(""))
            ));
        }
    }
    if !why.considered.is_empty() && !why.messages.is_empty() {
        heading(out, "who was told");
        why.messages.iter().for_each(|m| message(out, m));
    }
    Ok(())
}

fn heading(out: Output, text: &str) {
    line("");
    line(&out.bold(text));
}

/// What was considered; the first that does not pass is the reason.
fn considered(out: Output, rows: &[Considered]) {
    let reason = rows.iter().position(|row| !row.passes);
    for (i, row) in rows.iter().enumerate() {
        let word = if row.passes { "yes" } else { "no" };
        let text = safe(&row.text);
        let text = if reason == Some(i) {
            out.bold(&text)
        } else {
            text
        };
        let answer = format!("{}{}", out.state(word), " ".repeat(3 - word.len()));
        line(&format!("  {answer} {} {text}", out.dim(&row.question)));
        if let Some(remedy) = row.remedy.as_ref().filter(|_| !row.passes) {
            line(&format!("        next: {}", safe(remedy)));
        }
    }
}

fn chain(out: Output, links: &[WhyLink]) {
    let day = |link: &WhyLink| {
        link.at
            .as_deref()
            .and_then(|at| at.get(..10))
            .map(str::to_string)
    };
    let mut shown = None;
    for (i, link) in links.iter().enumerate() {
        // The day is said once, where it changes.
        if day(link).is_some() && day(link) != shown {
            shown = day(link);
            line(&out.dim(&format!("  {}", shown.as_deref().unwrap_or(""))));
        }
        let branch = if i + 1 == links.len() {
            "└─"
        } else {
            "├─"
        };
        let now = if link.stage == "waiting" {
            "   now  "
        } else {
            "        "
        };
        let at = link.at.as_deref().and_then(|a| a.get(11..19));
        let rule = link.rule.as_ref();
        let rule = rule.map_or(String::new(), |r| out.dim(&format!(" [{}]", safe(r))));
        line(&format!(
            "  {} {} {:<9} {}{rule}",
            out.dim(branch),
            out.dim(at.unwrap_or(now)),
            link.stage,
            safe(&link.text)
        ));
    }
}

fn message(out: Output, m: &Message) {
    line(&format!(
        "  {} {} {} {}",
        out.dim(&ago(&m.queued_at)),
        m.channel,
        out.state(&m.state),
        safe(&m.title)
    ));
}
