//! From the log back to the world: the newest sound snapshot (or base), and every event after it.

use std::sync::Arc;

use stead_core::desired::Fleet;
use stead_core::event::{self as events, Body, Encoded, Event};
use stead_core::ids::{NodeName, Seq, digest};
use stead_core::world::{NodeState, World};
use stead_ports::log::{self, Base, EventLog, Record, Snapshot};

/// Records read at a time.
const CHUNK: usize = 10_000;
/// Shard of everything but the nodes.
const REST: &str = "world";
const NODE: &str = "node/";

/// A world and how it came about.
#[derive(Debug)]
pub struct Replayed {
    pub world: World,
    /// Events folded; the rest came from a snapshot or base.
    pub folded: u64,
    pub from: Seq,
}

/// Rebuilds the world. `snapshots: false`: from the beginning (or the base) on, believing no cache.
pub async fn replay(log: &dyn EventLog, snapshots: bool) -> Result<Replayed, log::Error> {
    let mut world = of_base(log, log.base().await?).await?;
    if snapshots
        && let Some(cached) = join(&log.snapshots().await?)
        && cached.head > world.head
    {
        world = cached;
        if let Some(fleet) = fleet(log, &world.desired.digest).await? {
            world.fleet = fleet;
        }
    }
    let from = world.head;
    let mut folded = 0;
    loop {
        let records = log.read(world.head, CHUNK).await?;
        let last = records.len() < CHUNK;
        for record in records {
            world.apply(&event(log, record).await?);
            folded += 1;
        }
        if last {
            return Ok(Replayed {
                world,
                folded,
                from,
            });
        }
    }
}

/// The world a base record holds; the empty one where there is none.
pub(crate) async fn of_base(log: &dyn EventLog, base: Option<Base>) -> Result<World, log::Error> {
    let mut world = match base {
        Some(base) => decode_world(base.seq, &base.bytes)?,
        None => World::default(),
    };
    if let Some(fleet) = fleet(log, &world.desired.digest).await? {
        world.fleet = fleet;
    }
    Ok(world)
}

/// Content address of a world: two replays of one log give the same.
pub fn world_digest(world: &World) -> String {
    digest(&serde_json::to_vec(world).unwrap_or_default())
}

fn decode_world(seq: Seq, bytes: &[u8]) -> Result<World, log::Error> {
    serde_json::from_slice(bytes).map_err(|e| log::Error::Corrupt {
        seq,
        why: format!("the base record: {e}"),
    })
}

/// The world as shards: one per node, one for the rest.
pub fn split(world: &World) -> Vec<Snapshot> {
    let shard = |shard: String, bytes: Vec<u8>| Snapshot {
        shard,
        seq: world.head,
        bytes,
    };
    let mut shards: Vec<Snapshot> = world
        .nodes
        .iter()
        .map(|(name, node)| {
            shard(
                format!("{NODE}{name}"),
                serde_json::to_vec(node).unwrap_or_default(),
            )
        })
        .collect();
    let rest = world.without_nodes();
    shards.push(shard(
        REST.to_string(),
        serde_json::to_vec(&rest).unwrap_or_default(),
    ));
    shards
}

/// The world back from its shards; `None` where they are not one consistent set: they are only a cache.
fn join(shards: &[Snapshot]) -> Option<World> {
    let rest = shards.iter().find(|s| s.shard == REST)?;
    let mut world: World = serde_json::from_slice(&rest.bytes).ok()?;
    for shard in shards.iter().filter(|s| s.shard != REST) {
        let name = NodeName::new(shard.shard.strip_prefix(NODE)?).ok()?;
        let node: NodeState = serde_json::from_slice(&shard.bytes).ok()?;
        if shard.seq != rest.seq {
            return None;
        }
        world.nodes.insert(name, node);
    }
    (world.head == rest.seq).then_some(world)
}

/// What the log keeps of an event.
pub fn encode(event: &Event) -> Record {
    let e = events::encode(event);
    Record {
        seq: e.seq,
        id: e.id,
        at: e.at,
        version: e.version,
        node: e.node,
        subject: e.subject,
        kind: e.kind,
        severity: e.severity,
        body: e.body,
    }
}

/// An event back from the log.
pub fn decode(r: Record) -> Result<Event, log::Error> {
    let encoded = Encoded {
        seq: r.seq,
        id: r.id,
        at: r.at,
        version: r.version,
        node: r.node,
        subject: r.subject,
        kind: r.kind,
        severity: r.severity,
        body: r.body,
    };
    events::decode(&encoded).map_err(|e| log::Error::Corrupt {
        seq: e.seq,
        why: e.why,
    })
}

/// An event as it can be applied: with the documents it names.
pub(crate) async fn event(log: &dyn EventLog, record: Record) -> Result<Event, log::Error> {
    let mut event = decode(record)?;
    if let Body::DesiredLoaded(loaded) = &mut event.body {
        loaded.fleet = fleet(log, &loaded.digest).await?;
        if loaded.fleet.is_none() {
            let why = format!(
                "the desired state {} it names is not in the log",
                loaded.digest
            );
            return Err(log::Error::Corrupt {
                seq: event.seq,
                why,
            });
        }
    }
    Ok(event)
}

async fn fleet(log: &dyn EventLog, digest: &str) -> Result<Option<Arc<Fleet>>, log::Error> {
    if digest.is_empty() {
        return Ok(None);
    }
    let Some(bytes) = log.get_document(digest).await? else {
        return Ok(None);
    };
    let fleet = serde_json::from_slice(&bytes).map_err(|e| {
        log::Error::Read(format!("the desired state {digest} kept in the log: {e}"))
    })?;
    Ok(Some(Arc::new(fleet)))
}
