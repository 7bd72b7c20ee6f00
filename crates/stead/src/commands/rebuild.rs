//! `rebuild`: the world from nothing but the log.

use std::time::Instant;

use stead_engine::{replay, split, world_digest};

use crate::args;
use crate::failure::{Exit, Failure};
use crate::output::{Output, line};

pub async fn run(out: Output, args: &args::Rebuild) -> Result<(), Failure> {
    let log = super::serve::open_log(&args.data, false).await?;
    let began = Instant::now();
    let sound = log.verify().await.map_err(super::serve::log_failure)?;
    let cached = replay(&*log, true)
        .await
        .map_err(super::serve::log_failure)?;
    let fresh = replay(&*log, false)
        .await
        .map_err(super::serve::log_failure)?;
    let (before, after) = (world_digest(&cached.world), world_digest(&fresh.world));
    if !args.check {
        log.put_snapshots(split(&fresh.world))
            .await
            .map_err(super::serve::log_failure)?;
    }
    let same = before == after;
    let took = began.elapsed().as_millis();
    if out.json {
        out.json(&serde_json::json!({
            "records": sound, "folded": fresh.folded, "head": fresh.world.head, "digest": after,
            "same_as_checkpoint": same, "ms": u64::try_from(took).unwrap_or(u64::MAX),
        }));
    } else {
        line(&format!(
            "{sound} records are sound; {} folded in {took} ms",
            fresh.folded
        ));
        line(&format!("world {after}"));
    }
    if same {
        return Ok(());
    }
    let what = "the checkpoint did not say what the log says";
    let remedy = if args.check {
        "run `stead rebuild` without --check to write it anew"
    } else {
        "it was written anew"
    };
    if args.check {
        Err(Failure::new(
            Exit::Failed,
            "checkpoint-differs",
            what,
            remedy,
        ))
    } else {
        line(what);
        Ok(())
    }
}
