//! Retention: what is older than the owner wants to keep becomes a base record; what was decided and done stays.

use stead_core::event::Body;
use stead_core::ids::Seq;
use stead_core::time::Time;
use stead_core::world::World;
use stead_ports::log::{self, Base, Compacted, EventLog};

use crate::replay;

/// Records read at a time.
const CHUNK: usize = 10_000;

/// Folds everything before `cutoff` into a base record and removes it, but for the audit trail. `None`: nothing is old
/// enough.
pub async fn compact(log: &dyn EventLog, cutoff: Time) -> Result<Option<Compacted>, log::Error> {
    let Some(world) = world_before(log, cutoff).await? else {
        return Ok(None);
    };
    let bytes = serde_json::to_vec(&world).map_err(|e| log::Error::Read(e.to_string()))?;
    let base = Base {
        seq: world.head,
        bytes,
    };
    log.compact(base, &Body::audit_kinds()).await.map(Some)
}

/// The world as it was at the last event before `cutoff`.
async fn world_before(log: &dyn EventLog, cutoff: Time) -> Result<Option<World>, log::Error> {
    let base = log.base().await?;
    let start = base.as_ref().map_or(Seq::ZERO, |b| b.seq);
    let mut world = replay::of_base(log, base).await?;
    loop {
        let records = log.read(world.head, CHUNK).await?;
        let last = records.len() < CHUNK;
        let fleets = replay::Fleets::named_in(log, &records).await?;
        for record in records {
            if record.at >= cutoff {
                return Ok((world.head > start).then_some(world));
            }
            world.apply(&fleets.complete(replay::decode(record)?)?);
        }
        if last {
            return Ok((world.head > start).then_some(world));
        }
    }
}
