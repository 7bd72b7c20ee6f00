//! `advise`: memory limits that fit what was measured, and the patch that carries one out.

use stead_protocol::agent::ComposePatch;
use stead_protocol::api::{MemoryAdvice, MemoryAdvices};

use super::containers::named;
use crate::args::{self, AdviseCommand, AdviseMemory};
use crate::client::{Client, escaped};
use crate::failure::{Exit, Failure};
use crate::output::{Output, bytes, line, safe};

pub async fn run(client: &Client, out: Output, args: args::Advise) -> Result<(), Failure> {
    match args.command {
        AdviseCommand::Memory(memory) => match &memory.container {
            Some(name) => patch(client, out, name).await,
            None => list(client, out, &memory).await,
        },
    }
}

/// The patch alone on standard output, so that it can be piped; what there is to say beside it on standard error.
async fn patch(client: &Client, out: Output, name: &str) -> Result<(), Failure> {
    let (node, container) = named(name)?;
    let path = format!("/api/v1/advice/memory/{node}/{container}/patch");
    let made: ComposePatch = client.get(&path).await?;
    if out.json {
        out.json(&made);
        return Ok(());
    }
    if made.why.is_empty() {
        made.diff.lines().for_each(line);
        eprintln!(
            "# {}: apply it there, then: docker-compose up -d {}",
            safe(&made.file),
            safe(&made.service)
        );
        return Ok(());
    }
    let what = format!("{} is left to you: {}", safe(&made.file), safe(&made.why));
    made.put.lines().for_each(line);
    Err(Failure::new(
        Exit::Failed,
        "no-advice",
        what,
        "write the lines above by hand",
    ))
}

async fn list(client: &Client, out: Output, args: &AdviseMemory) -> Result<(), Failure> {
    let query = args
        .node
        .as_deref()
        .map_or_else(String::new, |n| format!("?node={}", escaped(n)));
    let found: MemoryAdvices = client.get(&format!("/api/v1/advice/memory{query}")).await?;
    if out.json {
        out.json(&found);
        return Ok(());
    }
    let many = |word: &str| found.containers.iter().filter(|a| a.advice == word).count();
    let (change, fits, refused) = (many("change"), many("fits"), many("refused"));
    let head = format!("{change} limits to change, {fits} fit, nothing to say of {refused}");
    line(&out.bold(&head));
    let shown = found
        .containers
        .iter()
        .filter(|a| args.all || a.advice == "change" || a.watch.is_some());
    for advice in shown {
        one(out, advice);
    }
    if change == 0 && refused > 0 && !args.all {
        let why = found.containers.iter().find(|a| a.advice == "refused");
        let why = why
            .and_then(|a| a.why.first())
            .map_or_else(String::new, |w| safe(w));
        line(&out.dim(&format!("  for instance: {why}; --all shows each")));
    }
    Ok(())
}

fn one(out: Output, a: &MemoryAdvice) {
    let name = out.bold(&format!("{}/{}", a.node, safe(&a.container)));
    let was = if a.was_limit == 0 {
        "none".to_string()
    } else {
        bytes(a.was_limit)
    };
    match a.advice.as_str() {
        "change" => line(&format!(
            "{name}  limit {was} → {}, reservation {}",
            bytes(a.limit),
            bytes(a.reservation)
        )),
        "fits" => line(&format!("{name}  limit {was} fits")),
        _ => line(&format!("{name}  {}", out.dim("nothing is advised"))),
    }
    for why in &a.why {
        line(&format!("    {}", safe(why)));
    }
    if let Some(watch) = &a.watch {
        line(&format!(
            "    limit of {}: {}, {}",
            bytes(watch.limit),
            watch.verdict,
            safe(&watch.text)
        ));
    }
    if a.advice == "change" && a.compose {
        line(&out.dim(&format!(
            "    stead advise memory {}/{} prints the patch",
            a.node,
            safe(&a.container)
        )));
    }
}
