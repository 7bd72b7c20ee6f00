//! `events`: the past, and with `-f` what comes.

use stead_protocol::api::{Event, EventPage, Feed};

use super::lists::segment;
use crate::args;
use crate::client::Client;
use crate::failure::{Exit, Failure};
use crate::output::{Output, line, safe};

/// Events asked for at a time.
const PAGE: usize = 500;

pub async fn run(client: &Client, out: Output, args: args::Events) -> Result<(), Failure> {
    let severity = match args.severity.as_deref() {
        None => None,
        Some(word @ ("info" | "warning" | "critical")) => Some(word),
        Some(other) => {
            let what = format!("{other:?} is no severity");
            return Err(Failure::new(
                Exit::Usage,
                "bad-severity",
                what,
                "use info, warning or critical",
            ));
        }
    };
    let (events, head) = past(client, &args, severity, out.json).await?;
    for event in events.iter().rev() {
        print(out, event);
    }
    if !args.follow {
        if events.is_empty() && !out.json {
            line("Nothing happened that matches.");
        }
        return Ok(());
    }
    let least = rank(severity.unwrap_or("info"));
    client
        .follow(head, |kind, data| {
            match serde_json::from_str::<Feed>(data) {
                Ok(Feed::Event { event }) if kind == "event" => {
                    if fits(&args, &event) && rank(&event.severity) >= least {
                        print(out, &event);
                    }
                    Some(event.seq)
                }
                Ok(Feed::Alive { head, .. } | Feed::Resync { head }) => Some(head),
                _ => None,
            }
        })
        .await
}

/// Newest first, page by page, and where the log ended.
async fn past(
    client: &Client,
    args: &args::Events,
    severity: Option<&str>,
    all: bool,
) -> Result<(Vec<Event>, u64), Failure> {
    let most = args.limit.unwrap_or(if all { usize::MAX } else { 50 });
    let filter = query(args, severity)?;
    let (mut events, mut head, mut before) = (Vec::new(), 0, None);
    loop {
        let page = (most - events.len()).min(PAGE);
        let from = before.map_or(String::new(), |b: u64| format!("&before={b}"));
        let mut got: EventPage = client
            .get(&format!("/api/v1/events?{filter}&limit={page}{from}"))
            .await?;
        head = head.max(got.head);
        events.append(&mut got.events);
        before = got.next;
        if before.is_none() || events.len() >= most {
            return Ok((events, head));
        }
    }
}

fn query(args: &args::Events, severity: Option<&str>) -> Result<String, Failure> {
    let mut query = Vec::new();
    let mut add = |key: &str, value: Option<&str>| -> Result<(), Failure> {
        if let Some(value) = value {
            // Slashes are allowed in a query, names in it are not taken apart.
            let value: Result<Vec<String>, Failure> = value.split('/').map(segment).collect();
            query.push(format!("{key}={}", value?.join("%2F")));
        }
        Ok(())
    };
    add("node", args.node.as_deref())?;
    add("subject", args.subject.as_deref())?;
    add("severity", severity)?;
    add("q", args.query.as_deref())?;
    add("since", args.since.as_deref())?;
    add("until", args.until.as_deref())?;
    if !args.kind.is_empty() {
        add("kind", Some(&args.kind.join(",")))?;
    }
    if let Some(after) = args.after {
        query.push(format!("after={after}"));
    }
    Ok(query.join("&"))
}

fn fits(args: &args::Events, event: &Event) -> bool {
    let has = |text: &str| {
        let text = text.to_lowercase();
        event.text.to_lowercase().contains(&text)
            || event.subject.to_lowercase().contains(&text)
            || event.kind.contains(&text)
            || event.data.to_string().to_lowercase().contains(&text)
    };
    args.node
        .as_ref()
        .is_none_or(|n| event.node.as_ref() == Some(n))
        && args.subject.as_ref().is_none_or(|s| event.subject == *s)
        && (args.kind.is_empty() || args.kind.contains(&event.kind))
        && args.query.as_deref().is_none_or(has)
}

fn rank(severity: &str) -> u8 {
    match severity {
        "critical" => 2,
        "warning" => 1,
        _ => 0,
    }
}

fn print(out: Output, event: &Event) {
    if out.json {
        line(&serde_json::to_string(event).unwrap_or_default());
        return;
    }
    let severity = if event.severity == "info" {
        out.dim("info")
    } else {
        out.state(&event.severity)
    };
    let at = event.at.get(..19).unwrap_or(&event.at).replace('T', " ");
    line(&format!(
        "{} {severity:<8} {}  {}  {}",
        out.dim(&at),
        event.kind,
        event.subject,
        safe(&event.text)
    ));
}
