//! `lock`, `unlock`, `locks`, `brake`: what keeps Stead from acting by itself.

use stead_protocol::api::{Brake, Lock, NewLock};

use crate::args::{self, BrakeCommand};
use crate::client::{Client, escaped};
use crate::failure::Failure;
use crate::output::{Output, ago, clock, line, safe};

pub async fn lock(client: &Client, out: Output, args: args::Lock) -> Result<(), Failure> {
    let asked = NewLock {
        target: args.target,
        lock: Some(args.kind),
        lasts: args.lasts,
        until: args.until,
        why: args.why,
        heartbeat: args.heartbeat,
    };
    let lock: Lock = client.post("/api/v1/locks", &asked).await?;
    if out.json {
        out.json(&lock);
        return Ok(());
    }
    line(&format!(
        "{} is locked until {} UTC.",
        out.bold(&lock.target),
        clock(&lock.until)
    ));
    let holds = match lock.lock.as_str() {
        "backup" | "restore" => "Nothing is changed there until then, whoever asks.",
        _ => "Stead does nothing there by itself until then; what you start is done.",
    };
    line(&format!("  {holds}"));
    line(&out.dim(&format!("  sooner: stead unlock {}", lock.target)));
    Ok(())
}

pub async fn unlock(client: &Client, out: Output, args: args::Unlock) -> Result<(), Failure> {
    let kind = args
        .kind
        .map_or(String::new(), |kind| format!("?lock={kind}"));
    let path = format!("/api/v1/locks/{}{kind}", escaped(&args.target));
    let still: Vec<Lock> = client.delete(&path).await?;
    if out.json {
        out.json(&still);
        return Ok(());
    }
    line(&format!("{} is unlocked.", out.bold(&safe(&args.target))));
    for lock in &still {
        line(&format!("  still held by {}", safe(&lock.text)));
    }
    Ok(())
}

pub async fn locks(client: &Client, out: Output) -> Result<(), Failure> {
    let locks: Vec<Lock> = client.get("/api/v1/locks").await?;
    if out.json {
        out.json(&locks);
        return Ok(());
    }
    out.moment(client.told_at());
    if locks.is_empty() {
        line(
            "Nothing is locked. `stead lock node/NAME --for 2h --why …` keeps repairs off a target.",
        );
        return Ok(());
    }
    let rows = locks.iter().map(|l| {
        let stale = l
            .stale
            .as_deref()
            .map(|at| format!("no sign of its holder, {}", ago(at)));
        let why: Vec<String> = [Some(safe(&l.why)).filter(|w| !w.is_empty()), stale]
            .into_iter()
            .flatten()
            .collect();
        vec![
            l.target.clone(),
            out.state(&l.lock),
            clock(&l.until),
            safe(&l.by),
            why.join("; "),
        ]
    });
    out.table(
        &["target", "lock", "until (utc)", "by", "why"],
        rows.collect(),
    );
    Ok(())
}

pub async fn brake(client: &Client, out: Output, args: &args::Brake) -> Result<(), Failure> {
    let brake: Brake = match args.command {
        None => client.get("/api/v1/brake").await?,
        Some(BrakeCommand::Release) => client.post("/api/v1/brake/release", &()).await?,
    };
    if out.json {
        out.json(&brake);
        return Ok(());
    }
    out.moment(client.told_at());
    if args.command.is_some() {
        line("The brake is released: automatic repair goes on.");
        return Ok(());
    }
    if brake.engaged {
        line(&format!("{}: {}", out.state("engaged"), safe(&brake.text)));
    } else {
        line(&safe(&brake.text));
    }
    if let Some(remedy) = &brake.remedy {
        line(&format!("  next: {}", safe(remedy)));
    }
    if let Some(at) = &brake.released_at {
        line(&out.dim(&format!("  last released by a person {}", ago(at))));
    }
    Ok(())
}
