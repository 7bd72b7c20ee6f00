//! `alerts`, `messages`, `notify`: what is wrong, who was told, and where an event would go.

use std::time::Duration;

use stead_protocol::api::{Alert, Alerts, Channel, Message, RouteAnswer, RouteQuestion};

use super::lists::segment;
use crate::args::{self, NotifyCommand};
use crate::client::{Client, escaped};
use crate::failure::{Exit, Failure};
use crate::output::{Output, ago, line, safe};

/// How often the delivery of a test is looked at, and how long.
const LOOK: Duration = Duration::from_millis(250);
const LOOKS: u32 = 240;

pub async fn alerts(client: &Client, out: Output, args: &args::Alerts) -> Result<(), Failure> {
    let alerts: Alerts = client.get("/api/v1/alerts").await?;
    if out.json {
        let mut shown = alerts.open;
        if args.all {
            shown.extend(alerts.ended);
        }
        out.json(&shown);
        return Ok(());
    }
    out.moment(client.told_at());
    if alerts.open.is_empty() {
        line("No alert is open.");
    }
    alerts.open.iter().for_each(|alert| show(out, alert));
    if args.all {
        alerts.ended.iter().for_each(|alert| show(out, alert));
    }
    Ok(())
}

fn show(out: Output, alert: &Alert) {
    let state = match (&alert.closed_at, &alert.well_since) {
        (Some(_), _) => out.dim(&alert.reason),
        (None, Some(_)) => out.dim("over"),
        (None, None) => out.state(&alert.severity),
    };
    line(&format!(
        "{state}  {}  {}  {}",
        out.bold(&safe(&alert.title)),
        alert.subject,
        ago(&alert.opened_at)
    ));
    if !alert.text.is_empty() {
        line(&format!("  {}", safe(&alert.text)));
    }
    if !alert.joined.is_empty() {
        let shown = alert
            .joined
            .iter()
            .take(5)
            .map(String::as_str)
            .collect::<Vec<_>>();
        let more = if alert.joined.len() > 5 { ", …" } else { "" };
        line(&format!(
            "  with {} more: {}{more}",
            alert.joined.len(),
            shown.join(", ")
        ));
    }
    match alert.messages.last() {
        Some(last) => line(&format!(
            "  told {} ({}) {}",
            last.channel,
            out.state(&last.state),
            ago(&last.queued_at)
        )),
        None => line(&out.dim("  nobody was told: no route takes it, or its time has not come")),
    }
}

pub async fn messages(client: &Client, out: Output, args: &args::Messages) -> Result<(), Failure> {
    let mut path = format!("/api/v1/messages?limit={}", args.limit);
    for (key, value) in [("channel", &args.channel), ("state", &args.state)] {
        if let Some(value) = value {
            path.push_str(&format!("&{key}={}", escaped(value)));
        }
    }
    let messages: Vec<Message> = client.get(&path).await?;
    if out.json {
        out.json(&messages);
        return Ok(());
    }
    out.moment(client.told_at());
    if messages.is_empty() {
        line(
            "No message yet. Channels and routes stand in stead.yaml; `stead notify channels` lists them.",
        );
        return Ok(());
    }
    let rows = messages.iter().map(|m| {
        vec![
            ago(&m.queued_at),
            m.channel.clone(),
            out.state(&m.state),
            m.attempts.to_string(),
            m.sort.clone(),
            safe(&m.title),
            safe(&m.why),
        ]
    });
    let head = [
        "queued", "channel", "state", "tries", "sort", "title", "why",
    ];
    out.table(&head, rows.collect());
    Ok(())
}

pub async fn notify(client: &Client, out: Output, command: NotifyCommand) -> Result<(), Failure> {
    match command {
        NotifyCommand::Test { channel, no_wait } => test(client, out, &channel, no_wait).await,
        NotifyCommand::Where {
            kind,
            subject,
            severity,
        } => {
            let asked = RouteQuestion {
                kind,
                subject,
                severity: Some(severity),
            };
            let answers: Vec<RouteAnswer> = client.post("/api/v1/routes/simulate", &asked).await?;
            where_to(out, &answers);
            Ok(())
        }
        NotifyCommand::Channels => channels(client, out).await,
    }
}

fn where_to(out: Output, answers: &[RouteAnswer]) {
    if out.json {
        out.json(&answers);
        return;
    }
    if answers.is_empty() {
        line("There are no routes. Add them under `routes:` in stead.yaml.");
        return;
    }
    for answer in answers {
        let ping = if answer.ping { ", with a ping" } else { "" };
        let text = match &answer.against {
            None => format!("→ {}{ping}", answer.to.join(", ")),
            Some(field) => format!("does not take it: its {field} does not match"),
        };
        let word = if answer.takes { "yes" } else { "no" };
        line(&format!(
            "  {:<4} {}  {}",
            out.state(word),
            out.bold(&answer.route),
            safe(&text)
        ));
    }
    if !answers.iter().any(|answer| answer.takes) {
        line("No route takes it: nobody would be told.");
    }
}

async fn channels(client: &Client, out: Output) -> Result<(), Failure> {
    let channels: Vec<Channel> = client.get("/api/v1/channels").await?;
    if out.json {
        out.json(&channels);
        return Ok(());
    }
    if channels.is_empty() {
        line("There are no channels. Add one under `channels:` in stead.yaml.");
        return Ok(());
    }
    let rows = channels.iter().map(|c| {
        let last = c.last.as_ref();
        vec![
            c.name.clone(),
            c.kind.clone(),
            c.routes.join(", "),
            c.waiting.to_string(),
            last.map_or_else(
                || "never".to_string(),
                |m| format!("{} {}", out.state(&m.state), ago(&m.queued_at)),
            ),
        ]
    });
    out.table(
        &["channel", "kind", "routes", "waiting", "last"],
        rows.collect(),
    );
    Ok(())
}

/// Sends a message, and says whether it arrived.
async fn test(client: &Client, out: Output, channel: &str, no_wait: bool) -> Result<(), Failure> {
    let path = format!("/api/v1/channels/{}/test", segment(channel)?);
    let mut sent: Message = client.post(&path, &()).await?;
    let look = format!("/api/v1/messages?limit=1000&channel={}", escaped(channel));
    let mut looks = if no_wait { LOOKS } else { 0 };
    while sent.state == "waiting" && looks < LOOKS {
        tokio::time::sleep(LOOK).await;
        let all: Vec<Message> = client.get(&look).await?;
        sent = all.into_iter().find(|m| m.id == sent.id).unwrap_or(sent);
        looks += 1;
    }
    if out.json {
        out.json(&sent);
    } else {
        let state = out.state(&sent.state);
        line(&format!("{} to {}: {state}", sent.id, out.bold(channel)));
    }
    match sent.state.as_str() {
        "failed" => Err(undelivered(channel, &sent.why)),
        "waiting" if !no_wait => Err(undelivered(channel, "it is still being tried")),
        _ => Ok(()),
    }
}

fn undelivered(channel: &str, why: &str) -> Failure {
    Failure::new(
        Exit::Failed,
        "not-delivered",
        format!("the message to {channel} has not arrived: {}", safe(why)),
        format!("stead messages --channel {channel}"),
    )
}
