//! `actions`: what Stead does and proposes, and what you decide about it.

use std::time::Duration;

use stead_protocol::api::{Accepted, Action, Decision, StartAction};

use super::lists::segment;
use crate::args::{self, ActionCommand, Decide};
use crate::client::Client;
use crate::failure::{Exit, Failure};
use crate::output::{Output, ago, bytes, line, safe};

pub async fn run(client: &Client, out: Output, args: args::Actions) -> Result<(), Failure> {
    match args.command {
        None => list(client, out, args.state, args.all).await,
        Some(ActionCommand::Approve(decide)) => decision(client, out, "approve", decide).await,
        Some(ActionCommand::Reject(decide)) => decision(client, out, "reject", decide).await,
        Some(ActionCommand::Cancel { id }) => {
            let path = format!("/api/v1/actions/{}/cancel", segment(&id)?);
            let done: Accepted = client.post(&path, &Decision::default()).await?;
            accepted(out, &done);
            Ok(())
        }
        Some(ActionCommand::Show { id }) => show(client, out, &id).await,
        Some(ActionCommand::Why { id }) => {
            let path = format!("/api/v1/actions/{}/why", segment(&id)?);
            super::why::show(client, out, &path).await
        }
        Some(ActionCommand::Start {
            kind,
            subject,
            note,
            wait,
        }) => {
            let done: Accepted = client
                .post(
                    "/api/v1/actions",
                    &StartAction {
                        kind,
                        subject,
                        note,
                    },
                )
                .await?;
            finish(client, out, &done, wait).await
        }
    }
}

async fn list(
    client: &Client,
    out: Output,
    state: Option<String>,
    all: bool,
) -> Result<(), Failure> {
    const STATES: [&str; 7] = [
        "pending",
        "approved",
        "running",
        "completed",
        "failed",
        "rejected",
        "cancelled",
    ];
    if let Some(state) = &state
        && !STATES.contains(&state.as_str())
    {
        let what = format!("{state:?} is no state of an action");
        return Err(Failure::new(
            Exit::Usage,
            "bad-state",
            what,
            format!("use {}", STATES.join(", ")),
        ));
    }
    let query = state
        .as_deref()
        .map_or(String::new(), |s| format!("?state={s}"));
    let mut actions: Vec<Action> = client.get(&format!("/api/v1/actions{query}")).await?;
    if out.json {
        out.json(&actions);
        return Ok(());
    }
    out.moment(client.told_at());
    if state.is_none() && !all {
        actions.retain(|a| matches!(a.state.as_str(), "pending" | "approved" | "running"));
    }
    if actions.is_empty() {
        line("Nothing is pending. `stead actions --all` shows what was done.");
        return Ok(());
    }
    let rows = actions.iter().map(|a| {
        let waits = a
            .outcome
            .clone()
            .or_else(|| a.waits_for.clone())
            .unwrap_or_default();
        vec![
            label(a),
            out.state(&a.state),
            a.risk.clone(),
            ago(&a.created_at),
            safe(&a.reason),
            safe(&waits),
        ]
    });
    out.table(
        &["id", "state", "risk", "raised", "reason", "outcome"],
        rows.collect(),
    );
    Ok(())
}

fn label(action: &Action) -> String {
    if action.occurrence > 1 {
        format!("{}#{}", action.id, action.occurrence)
    } else {
        action.id.clone()
    }
}

async fn decision(client: &Client, out: Output, word: &str, decide: Decide) -> Result<(), Failure> {
    let body = Decision {
        digest: decide.digest,
        note: decide.note,
    };
    let done: Accepted = client
        .post(
            &format!("/api/v1/actions/{}/{word}", segment(&decide.id)?),
            &body,
        )
        .await?;
    finish(client, out, &done, decide.wait).await
}

fn accepted(out: Output, done: &Accepted) {
    if out.json {
        out.json(done);
    } else {
        line(&format!("{} is {}", done.id, out.state(&done.state)));
    }
}

/// Says what was accepted; with `--wait` follows it to its end.
pub(super) async fn finish(
    client: &Client,
    out: Output,
    done: &Accepted,
    wait: bool,
) -> Result<(), Failure> {
    if !wait {
        accepted(out, done);
        return Ok(());
    }
    let path = format!(
        "/api/v1/actions/{}?occurrence={}",
        segment(&done.id)?,
        done.occurrence
    );
    let mut said = String::new();
    loop {
        let action: Action = client.get(&path).await?;
        let now = match &action.phase {
            Some(phase) => format!("{} ({phase})", action.state),
            None => action.state.clone(),
        };
        if now != said && !out.json {
            line(&format!(
                "{}  {}",
                now,
                action.waits_for.as_deref().map(safe).unwrap_or_default()
            ));
            said = now;
        }
        if !matches!(action.state.as_str(), "pending" | "approved" | "running") {
            if out.json {
                out.json(&action);
            } else if let Some(outcome) = &action.outcome {
                line(&safe(outcome));
            }
            return match action.state.as_str() {
                "failed" => {
                    let remedy = format!("stead actions why {}", action.id);
                    Err(Failure::new(
                        Exit::Failed,
                        "action-failed",
                        format!("{} failed", action.id),
                        remedy,
                    ))
                }
                _ => Ok(()),
            };
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

async fn show(client: &Client, out: Output, id: &str) -> Result<(), Failure> {
    let action: Action = client
        .get(&format!("/api/v1/actions/{}", segment(id)?))
        .await?;
    if out.json {
        out.json(&action);
        return Ok(());
    }
    line(&format!(
        "{} {}",
        out.bold(&label(&action)),
        out.state(&action.state)
    ));
    line(&format!(
        "  {} of {} · level {} · risk {}",
        action.kind, action.subject, action.level, action.risk
    ));
    line(&format!("  because {}", safe(&action.reason)));
    for step in &action.steps {
        line(&format!(
            "  {}. {} [{}]",
            step.index + 1,
            safe(&step.title),
            step.state
        ));
        for text in step.output.lines().take(20) {
            line(&format!("       {}", safe(text)));
        }
    }
    for touched in &action.blast_radius {
        line(&format!("  touches: {}", safe(touched)));
    }
    if let Some(bytes_) = action.would_free {
        line(&format!("  would free about {}", bytes(bytes_)));
    }
    if let Some(bytes_) = action.freed {
        line(&format!("  freed {}", bytes(bytes_)));
    }
    if let Some(verdict) = &action.verdict {
        line(&format!("  policy: {}", safe(&verdict.text)));
    }
    if let Some(held) = &action.held {
        line(&format!("  {}: {}", out.state("locked"), safe(&held.text)));
    }
    if let Some(waits) = &action.waits_for {
        line(&format!("  waits for {}", safe(waits)));
    }
    if let Some(outcome) = &action.outcome {
        line(&format!("  outcome: {}", safe(outcome)));
    }
    line(&out.dim(&format!("  plan {}", action.digest)));
    if action.state == "pending" {
        line(&out.dim(&format!(
            "  stead actions approve {0} · stead actions reject {0}",
            action.id
        )));
    }
    Ok(())
}
