//! From the log back to the world: the newest sound snapshot (or base), and every event after it.

use std::collections::BTreeMap;
use std::sync::Arc;

use stead_core::desired::Fleet;
use stead_core::event::{self as events, Body, Encoded, Event};
use stead_core::ids::{NodeName, Seq, digest};
use stead_core::world::{NodeState, World};
use stead_ports::log::{self, Base, EventLog, Record, Snapshot};
use stead_ports::planted::{self, Bug};

/// Records read at a time.
const CHUNK: usize = 10_000;
/// Shard of everything but the nodes.
const REST: &str = "world";
const NODE: &str = "node/";
/// The one kind of event that names a document.
const DESIRED_LOADED: &str = "desired_loaded";

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
    world.planted = planted::planted();
    if snapshots
        && let Some(cached) = of_snapshots(log).await?
        && cached.head > world.head
    {
        world = cached;
        world.planted = planted::planted();
    }
    let from = world.head;
    let mut folded = 0;
    loop {
        let records = log.read(world.head, CHUNK).await?;
        let last = records.len() < CHUNK;
        let fleets = Fleets::named_in(log, &records).await?;
        for record in records {
            world.apply(&fleets.complete(decode(record)?)?);
            if planted::on(Bug::ReplayDecides) {
                let open = world.actions.open.values_mut();
                open.for_each(|a| a.state = stead_core::action::State::Approved);
            }
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

/// The world of the latest snapshots; `None` where there is no consistent set of them.
pub(crate) async fn of_snapshots(log: &dyn EventLog) -> Result<Option<World>, log::Error> {
    let Some(mut world) = join(&log.snapshots().await?) else {
        return Ok(None);
    };
    if let Some(fleet) = fleet(log, &world.desired.digest).await? {
        world.fleet = fleet;
    }
    Ok(Some(world))
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
    events::decode(encoded).map_err(|e| log::Error::Corrupt {
        seq: e.seq,
        why: e.why,
    })
}

/// The documents that some records name, read once: with them their events can be applied wherever one is.
#[derive(Debug, Default)]
pub(crate) struct Fleets(BTreeMap<String, Arc<Fleet>>);

impl Fleets {
    pub(crate) async fn named_in(
        log: &dyn EventLog,
        records: &[Record],
    ) -> Result<Fleets, log::Error> {
        let mut named = BTreeMap::new();
        for record in records.iter().filter(|r| r.kind == DESIRED_LOADED) {
            if let Body::DesiredLoaded(loaded) = decode(record.clone())?.body
                && !named.contains_key(&loaded.digest)
                && let Some(found) = fleet(log, &loaded.digest).await?
            {
                named.insert(loaded.digest, found);
            }
        }
        Ok(Fleets(named))
    }

    /// The event with the document it names.
    pub(crate) fn complete(&self, mut event: Event) -> Result<Event, log::Error> {
        if let Body::DesiredLoaded(loaded) = &mut event.body {
            loaded.fleet = self.0.get(&loaded.digest).cloned();
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
