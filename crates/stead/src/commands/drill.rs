//! `drill run`, `drills`: does Stead notice, mend and tell?

use std::time::Duration;

use stead_core::time::Time;
use stead_protocol::api::{Accepted, Action, Drill, Drills, Event, EventPage};

use super::lists::segment;
use crate::client::Client;
use crate::failure::{Exit, Failure};
use crate::output::{Output, ago, line, safe, took};

/// How often the running drill is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// Starts a drill and follows it to its end.
pub async fn run(client: &Client, out: Output) -> Result<(), Failure> {
    let before: EventPage = client.get("/api/v1/events?limit=1").await?;
    let accepted: Accepted = client.post("/api/v1/drills", &()).await?;
    let canary = client.get::<Drills>("/api/v1/drills").await?.canary;
    let subject = canary.map(|c| c.subject).unwrap_or_default();
    let mut story = Story {
        out,
        action: accepted.id.clone(),
        subject,
        head: before.head,
        broken: None,
    };
    if !out.json {
        line(&format!(
            "{} breaks {}",
            out.bold(&accepted.id),
            story.subject
        ));
    }
    let ended = loop {
        story.go_on(client).await?;
        if let Some(ended) = result(client, &accepted).await? {
            // What was said between the two looks.
            story.go_on(client).await?;
            break ended;
        }
        tokio::time::sleep(LOOK).await;
    };
    if out.json {
        out.json(&ended);
    } else {
        report(out, &ended);
    }
    if ended.ok {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Failed,
        "drill-failed",
        format!("the drill failed: {}", safe(&ended.detail)),
        format!("stead why {}", accepted.id),
    ))
}

/// What the drill proved, once it has ended.
async fn result(client: &Client, of: &Accepted) -> Result<Option<Drill>, Failure> {
    let drills: Drills = client.get("/api/v1/drills").await?;
    let mut all = drills.drills.into_iter();
    if let Some(ended) = all.find(|d| d.action == of.id && d.occurrence == of.occurrence) {
        return Ok(Some(ended));
    }
    let path = format!(
        "/api/v1/actions/{}?occurrence={}",
        segment(&of.id)?,
        of.occurrence
    );
    let action: Action = client.get(&path).await?;
    let open = matches!(action.state.as_str(), "pending" | "approved" | "running");
    // It ended before anything was broken: cancelled, or refused by the agent.
    Ok((!open).then(|| Drill {
        action: of.id.clone(),
        occurrence: of.occurrence,
        at: action.updated_at,
        detail: format!(
            "it is {}: {}",
            action.state,
            action.outcome.unwrap_or_default()
        ),
        ..Drill::default()
    }))
}

/// What is told while it runs.
struct Story {
    out: Output,
    action: String,
    subject: String,
    head: u64,
    /// When the canary was broken.
    broken: Option<Time>,
}

impl Story {
    async fn go_on(&mut self, client: &Client) -> Result<(), Failure> {
        let path = format!("/api/v1/events?order=asc&limit=500&after={}", self.head);
        let page: EventPage = client.get(&path).await?;
        for event in &page.events {
            self.head = self.head.max(event.seq);
            self.tell(event);
        }
        Ok(())
    }

    fn tell(&mut self, event: &Event) {
        let of_drill = event.data.get("action").and_then(|a| a.as_str()) == Some(&self.action);
        let at: Option<Time> = event.at.parse().ok();
        let word = match event.kind.as_str() {
            "action_step_started" if of_drill => {
                self.broken = at;
                "broken"
            }
            "containers_not_running" | "service_unhealthy" | "service_missing"
                if event.subject == self.subject && self.broken.is_some() =>
            {
                "noticed"
            }
            "action_started" if event.subject == self.subject => "repair",
            "action_completed" if event.subject == self.subject => "mended",
            "message_delivered" if event.subject == self.subject => "told",
            _ => return,
        };
        if self.out.json {
            return;
        }
        let text = match word {
            "broken" => self.subject.as_str(),
            _ => event.text.as_str(),
        };
        let after = at
            .zip(self.broken)
            .map_or(0, |(at, broken)| at.since(broken).0);
        line(&format!(
            "  {} {word:<8} {}",
            self.out.dim(&format!("{:>8}", took(after))),
            safe(text)
        ));
    }
}

fn report(out: Output, drill: &Drill) {
    let word = if drill.ok { "passed" } else { "failed" };
    line(&format!(
        "The drill {}: {}",
        out.state(word),
        safe(&drill.detail)
    ));
    for (what, ms) in spans(drill) {
        line(&format!("  {what:<8} {}", ms.map_or("-".to_string(), took)));
    }
}

fn spans(drill: &Drill) -> [(&'static str, Option<u64>); 3] {
    [
        ("noticed", drill.detected_ms),
        ("mended", drill.repaired_ms),
        ("told", drill.told_ms),
    ]
}

pub async fn list(client: &Client, out: Output) -> Result<(), Failure> {
    let drills: Drills = client.get("/api/v1/drills").await?;
    if out.json {
        out.json(&drills);
        return Ok(());
    }
    out.moment(client.told_at());
    match &drills.canary {
        Some(canary) => {
            let schedule = canary.schedule.as_deref().unwrap_or("only by hand");
            let within = took(canary.within_ms);
            line(&format!(
                "{} ({schedule}), within {within}",
                out.bold(&canary.subject)
            ));
        }
        None => line("No drill is named. Add `drill: { node: NODE, image: IMAGE }` to stead.yaml."),
    }
    if let Some(running) = &drills.running {
        line(&format!("  {} {running}", out.state("running")));
    }
    let rows = drills.drills.iter().map(|d| {
        let word = if d.ok { "passed" } else { "failed" };
        let mut row = vec![ago(&d.at), out.state(word)];
        row.extend(spans(d).map(|(_, ms)| ms.map_or("-".to_string(), took)));
        row.push(safe(&d.detail));
        row
    });
    if !drills.drills.is_empty() {
        out.table(
            &["when", "result", "noticed", "mended", "told", "detail"],
            rows.collect(),
        );
    }
    Ok(())
}
