//! `roll`, `rolls`: work on many targets, a batch at a time.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use stead_protocol::api::{Batch, NewRollout, Rollout, RolloutPlan};

use super::lists::segment;
use crate::args::{self, RollCommand};
use crate::client::Client;
use crate::failure::{Exit, Failure};
use crate::output::{Output, ago, line, safe};

/// How often a rollout that is waited for is looked at.
const LOOK: Duration = Duration::from_millis(400);

pub async fn run(client: &Client, out: Output, args: args::Roll) -> Result<(), Failure> {
    let (id, word) = match &args.command {
        None => return start(client, out, args).await,
        Some(RollCommand::Show { id }) => {
            let rollout = one(client, id).await?;
            if out.json {
                out.json(&rollout);
            } else {
                show(out, &rollout);
            }
            return Ok(());
        }
        Some(RollCommand::Pause { id }) => (id, "pause"),
        Some(RollCommand::Resume { id }) => (id, "resume"),
        Some(RollCommand::Cancel { id }) => (id, "cancel"),
    };
    let path = format!("/api/v1/rollouts/{}/{word}", segment(id)?);
    let rollout: Rollout = client.post(&path, &()).await?;
    if out.json {
        out.json(&rollout);
    } else {
        head(out, &rollout);
    }
    Ok(())
}

async fn one(client: &Client, id: &str) -> Result<Rollout, Failure> {
    client
        .get(&format!("/api/v1/rollouts/{}", segment(id)?))
        .await
}

async fn start(client: &Client, out: Output, args: args::Roll) -> Result<(), Failure> {
    let mut asked = NewRollout {
        kind: args.kind.unwrap_or_default(),
        selector: args.select.unwrap_or_default(),
        batch: Batch::Share(args.batch),
        max_failures: Some(args.max_failures),
        note: args.note,
        dry_run: true,
    };
    if args.dry_run || !args.yes {
        let plan: RolloutPlan = client.post("/api/v1/rollouts", &asked).await?;
        if args.dry_run && out.json {
            out.json(&plan);
            return Ok(());
        }
        if !out.json {
            listed(out, &plan);
        }
        if args.dry_run {
            return Ok(());
        }
        confirm(out)?;
    }
    asked.dry_run = false;
    let started: RolloutPlan = client.post("/api/v1/rollouts", &asked).await?;
    let id = started.id.clone().unwrap_or_default();
    if args.wait {
        return follow(client, out, &id).await;
    }
    if out.json {
        out.json(&started);
    } else {
        line(&format!("{} began.", out.bold(&id)));
        line(&out.dim(&format!(
            "  stead roll show {id} · pause {id} · cancel {id}"
        )));
    }
    Ok(())
}

/// What it would touch, in order.
fn listed(out: Output, plan: &RolloutPlan) {
    let left_out = plan.targets.iter().filter(|t| t.state == "skipped").count();
    line(&format!(
        "{} on {} targets, {} at a time, pauses at {} failed:",
        out.bold(&plan.kind),
        plan.targets.len() - left_out,
        plan.batch,
        plan.max_failures
    ));
    for (i, target) in plan.targets.iter().enumerate() {
        let why = match target.state.as_str() {
            "skipped" => format!("  left out: {}", safe(&target.why)),
            _ => String::new(),
        };
        line(&format!(
            "  {:>3}. {}{}",
            i + 1,
            target.subject,
            out.dim(&why)
        ));
    }
}

/// Asks whoever sits at the terminal; without one the answer must be given beforehand.
pub(super) fn confirm(out: Output) -> Result<(), Failure> {
    let asks = std::io::stdin().is_terminal() && std::io::stdout().is_terminal() && !out.json;
    if !asks {
        return Err(Failure::new(
            Exit::Usage,
            "not-confirmed",
            "nobody is there to confirm what it will touch",
            "look with --dry-run, then give --yes",
        ));
    }
    print!("Go on? [y/N] ");
    let _ = std::io::stdout().flush();
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    let yes = matches!(answer.trim().to_lowercase().as_str(), "y" | "yes");
    if read.is_ok() && yes {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Failed,
        "not-confirmed",
        "it was not confirmed: nothing is touched",
        "",
    ))
}

/// Says what becomes of each target until it has ended or pauses.
pub(super) async fn follow(client: &Client, out: Output, id: &str) -> Result<(), Failure> {
    let mut said: Vec<String> = Vec::new();
    loop {
        let rollout = one(client, id).await?;
        said.resize(rollout.targets.len(), "waiting".to_string());
        for (target, said) in rollout.targets.iter().zip(&mut said) {
            if target.state != *said && !out.json {
                line(&format!(
                    "  {} {} {}",
                    out.state(&target.state),
                    target.subject,
                    safe(&target.why)
                ));
            }
            said.clone_from(&target.state);
        }
        if rollout.state != "running" {
            if out.json {
                out.json(&rollout);
            } else {
                head(out, &rollout);
            }
            if rollout.state == "completed" && rollout.counts.failed == 0 {
                return Ok(());
            }
            let what = format!("{id} is {}: {}", rollout.state, safe(&rollout.why));
            let remedy = format!("stead roll show {id}; then stead roll resume {id}");
            return Err(Failure::new(Exit::Failed, "rollout-stopped", what, remedy));
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn counted(rollout: &Rollout) -> String {
    let c = &rollout.counts;
    let parts = [
        (c.done, "done"),
        (c.working, "working"),
        (c.waiting, "waiting"),
        (c.failed, "failed"),
        (c.skipped, "left out"),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, word)| format!("{n} {word}"))
        .collect();
    parts.join(", ")
}

fn head(out: Output, rollout: &Rollout) {
    let why = match rollout.state.as_str() {
        "paused" | "cancelled" => format!(" ({})", safe(&rollout.why)),
        _ => String::new(),
    };
    line(&format!(
        "{} {}{why}: {}",
        out.bold(&rollout.id),
        out.state(&rollout.state),
        counted(rollout)
    ));
}

fn show(out: Output, rollout: &Rollout) {
    head(out, rollout);
    line(&format!(
        "  {} of {} · {} at a time, pauses at {} failed · by {} {}",
        rollout.kind,
        safe(&rollout.selector),
        rollout.batch,
        rollout.max_failures,
        safe(&rollout.by),
        ago(&rollout.started_at)
    ));
    for (i, target) in rollout.targets.iter().enumerate() {
        line(&format!(
            "  {:>3}. {} {} {} {}",
            i + 1,
            out.state(&target.state),
            target.subject,
            out.dim(target.action.as_deref().unwrap_or("")),
            safe(&target.why)
        ));
    }
    match rollout.state.as_str() {
        "running" => line(&out.dim(&format!("  stead roll pause {0} · cancel {0}", rollout.id))),
        "paused" => line(&out.dim(&format!("  stead roll resume {0} · cancel {0}", rollout.id))),
        _ => {}
    }
}

pub async fn list(client: &Client, out: Output) -> Result<(), Failure> {
    let rollouts: Vec<Rollout> = client.get("/api/v1/rollouts").await?;
    if out.json {
        out.json(&rollouts);
        return Ok(());
    }
    out.moment(client.told_at());
    if rollouts.is_empty() {
        line(
            "No rolling work yet. Try: stead roll container_restart --select 'service/*/NAME' --dry-run",
        );
        return Ok(());
    }
    let rows = rollouts.iter().map(|r| {
        vec![
            r.id.clone(),
            r.kind.clone(),
            safe(&r.selector),
            out.state(&r.state),
            counted(r),
            ago(&r.started_at),
            safe(&r.why),
        ]
    });
    let head = ["id", "kind", "selector", "state", "targets", "began", "why"];
    out.table(&head, rows.collect());
    Ok(())
}
