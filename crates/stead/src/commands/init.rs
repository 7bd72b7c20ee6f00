//! `init`: a first fleet directory from what runs on this machine.

use std::collections::BTreeSet;
use std::time::Duration;

use stead_adapters::docker::{self, Docker};
use stead_adapters::observation::{self, Observation};
use stead_adapters::systemd::{self, Systemd};
use stead_core::facts::{Fact, FactKey, Facts, SourceKind, SourceState};
use stead_core::ids::NodeName;
use stead_fleet::init::{self, Inventory};

use crate::args;
use crate::failure::{Exit, Failure};
use crate::output::{Output, line};

/// An engine or manager that has not listed everything by then is left out.
const LOOK_FOR: Duration = Duration::from_secs(8);

pub async fn run(out: Output, args: &args::Init) -> Result<(), Failure> {
    let name = args
        .node
        .node
        .clone()
        .unwrap_or_else(super::serve::host_name);
    let node = NodeName::new(&name).map_err(|e| {
        Failure::new(
            Exit::Usage,
            "bad-node-name",
            e.to_string(),
            "name this machine by --node NAME",
        )
    })?;
    let facts = look(args.node.docker_host.as_deref()).await?;
    let files = init::init(&Inventory::from_facts(node, &facts, None));
    let written = init::write(&args.dir, &files).map_err(|e| {
        Failure::new(
            Exit::Refused,
            e.code(),
            e.to_string(),
            "stead init ANOTHER-DIRECTORY",
        )
    })?;
    if out.json {
        out.json(&written);
        return Ok(());
    }
    let (containers, units) = count(&facts);
    line(&format!(
        "Seen: {containers} containers, {units} units. Written:"
    ));
    for path in written {
        line(&format!("  {}", path.display()));
    }
    let dir = args.dir.display();
    line(&format!(
        "Next: read them, then\n  stead check {dir}\n  stead up --fleet {dir}"
    ));
    Ok(())
}

fn count(facts: &Facts) -> (usize, usize) {
    let of = |wanted: fn(&FactKey) -> bool| facts.keys().filter(|k| wanted(k)).count();
    (
        of(|k| matches!(k, FactKey::Container(_))),
        of(|k| matches!(k, FactKey::Unit(_))),
    )
}

/// What the engine and the manager list, once.
async fn look(docker_host: Option<&str>) -> Result<Facts, Failure> {
    let refused = |e: docker::Error| Failure::new(Exit::Usage, e.code(), e.to_string(), e.remedy());
    let docker = match docker_host {
        Some(host) => Docker::new(docker::Options::at(
            docker::Address::parse(host).map_err(refused)?,
        )),
        None => Docker::from_env().map_err(refused)?,
    };
    let systemd = Systemd::new(systemd::Options::default());
    let (tell, mut told) = observation::channel();
    let watching = (docker.watch(tell.clone()), systemd.watch(tell));
    let mut facts = Facts::new();
    let listing = async {
        let mut waiting = BTreeSet::from([SourceKind::Docker, SourceKind::Systemd]);
        while !waiting.is_empty() {
            match told.recv().await {
                Some(Observation::Synced(kind)) => drop(waiting.remove(&kind)),
                Some(Observation::Put(key, fact)) => {
                    if let (FactKey::Source(kind), Fact::Source(source)) = (&key, &*fact)
                        && source.state != SourceState::Up
                    {
                        waiting.remove(kind);
                    }
                    facts.insert(key, *fact);
                }
                Some(_) => {}
                None => break,
            }
        }
    };
    tokio::select! {
        () = listing => {}
        _ = async { tokio::join!(watching.0, watching.1) } => {}
        () = tokio::time::sleep(LOOK_FOR) => {}
    }
    Ok(facts)
}
