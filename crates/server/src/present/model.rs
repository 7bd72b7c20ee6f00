//! Language models as people see them, with what loading one would leave.

use std::collections::BTreeMap;

use stead_core::action::ActionKey;
use stead_core::facts::{Gpu, HostFacts, LoadedModel, ModelFacts, SourceKind, SourceState};
use stead_core::ids::{ModelName, NodeName};
use stead_core::insight::model_fit::{self, Fit, Need, Room};
use stead_core::subject::Subject;
use stead_core::world::NodeState;
use stead_protocol::{agent, api};

use super::node::evidence;
use super::{Look, at, node_names, word};

/// What an agent said just now, or why it did not.
pub type Now = BTreeMap<NodeName, Result<agent::ModelsNow, String>>;

/// The nodes whose file names an Ollama, or where one was seen.
pub fn asked_for_models(look: Look<'_>) -> Vec<NodeName> {
    let has = |name: &&NodeName| {
        let desired = look.world.fleet.nodes.get(*name);
        let seen = look.world.node(name);
        desired.is_some_and(|d| d.ollama.is_some())
            || seen.is_some_and(|s| s.source(SourceKind::Ollama).is_some())
    };
    node_names(look).into_iter().filter(has).cloned().collect()
}

/// Every model of `names`.
pub fn models(look: Look<'_>, names: &[NodeName], now: &Now) -> api::Models {
    let everywhere = asked_for_models(look);
    let measured = measured(look, &everywhere);
    let rooms = Rooms {
        look,
        nodes: &everywhere,
        measured: &measured,
    };
    let nodes = names.iter().map(|name| one(&rooms, name, now.get(name)));
    api::Models {
        nodes: nodes.collect(),
        at: look.now.at.to_string(),
    }
}

/// What each content took in memory, wherever it is loaded now.
fn measured<'a>(look: Look<'a>, nodes: &[NodeName]) -> BTreeMap<&'a str, LoadedModel> {
    let states = nodes.iter().filter_map(|name| look.world.node(name));
    let models = states.flat_map(NodeState::models);
    models
        .filter_map(|(_, facts)| Some((facts.digest.as_str(), facts.loaded?)))
        .collect()
}

struct Rooms<'a> {
    look: Look<'a>,
    nodes: &'a [NodeName],
    measured: &'a BTreeMap<&'a str, LoadedModel>,
}

impl Rooms<'_> {
    /// What loading `model` on `node` would do; `None`: its memory is not known, or it has no such model.
    fn fit(&self, node: &NodeName, model: &ModelName) -> Option<Fit> {
        let state = self.look.world.node(node)?;
        let sample = self.look.live.sample(node)?;
        let (facts, _) = state.model(model)?;
        let gpus = state.host().map_or(&[][..], |host| &host.gpus);
        let room = Room {
            total: sample.memory.total,
            available: sample.memory.available,
            gpu: !gpus.is_empty(),
            vram_free: vram_free(gpus, state),
            loaded: facts.loaded.is_some(),
        };
        let measured = self.measured.get(facts.digest.as_str()).copied();
        let disk = facts.size;
        Some(model_fit::fit(Need { disk, measured }, room))
    }

    /// The other nodes that have the model, are up and are known freshly.
    fn others(&self, node: &NodeName, model: &ModelName) -> Vec<(NodeName, Fit)> {
        let others = self.nodes.iter().filter(|other| *other != node);
        let ready = others.filter(|other| {
            let state = self.look.world.node(other);
            let up = |s: &NodeState| {
                s.source(SourceKind::Ollama)
                    .is_some_and(|source| source.state == SourceState::Up)
            };
            evidence(state) == "fresh" && state.is_some_and(up)
        });
        ready
            .filter_map(|other| Some((other.clone(), self.fit(other, model)?)))
            .collect()
    }

    fn shown(
        &self,
        node: &NodeName,
        model: &ModelName,
        facts: &ModelFacts,
    ) -> Option<api::ModelFit> {
        let fit = self.fit(node, model)?;
        let others = self.others(node, model);
        let better = model_fit::better(&fit, &others);
        Some(api::ModelFit {
            verdict: word(fit.verdict),
            speed: word(fit.speed),
            need: fit.need,
            ram: fit.ram,
            vram: fit.vram,
            leaves: fit.leaves,
            measured: self.measured.contains_key(facts.digest.as_str()),
            text: fit.text(),
            speed_text: fit.speed_text().to_string(),
            better: better.map(|(node, why)| api::ModelBetter {
                node: node.to_string(),
                why,
            }),
        })
    }
}

/// Free video memory, where every processor shows how much it has.
fn vram_free(gpus: &[Gpu], state: &NodeState) -> Option<u64> {
    if gpus.is_empty() {
        return None;
    }
    let all: Option<u64> = gpus.iter().map(|gpu| gpu.memory_bytes).sum();
    let taken: u64 = state
        .models()
        .filter_map(|(_, facts)| facts.loaded)
        .map(|loaded| loaded.vram)
        .sum();
    Some(all?.saturating_sub(taken))
}

/// `host`: what the agent told of the machine, if anything.
fn gpu_text(host: Option<&HostFacts>) -> String {
    let Some(HostFacts { gpus, .. }) = host else {
        return "not known yet".to_string();
    };
    if gpus.is_empty() {
        return "none: inference will be slow".to_string();
    }
    let names: Vec<&str> = gpus.iter().map(|gpu| gpu.name.as_str()).collect();
    names.join(", ")
}

fn one(
    rooms: &Rooms<'_>,
    name: &NodeName,
    now: Option<&Result<agent::ModelsNow, String>>,
) -> api::ModelNode {
    let look = rooms.look;
    let state = look.world.node(name);
    let desired = look.world.fleet.nodes.get(name);
    let source = state.and_then(|s| s.source(SourceKind::Ollama));
    let memory = look.live.sample(name).map(|sample| sample.memory);
    let gpus = state.and_then(NodeState::host).map_or(&[][..], |h| &h.gpus);
    let live = now.and_then(|now| now.as_ref().ok());
    let models = state.into_iter().flat_map(NodeState::models);
    api::ModelNode {
        node: name.to_string(),
        url: desired
            .and_then(|d| d.ollama.as_ref())
            .map(|o| o.url.clone())
            .unwrap_or_default(),
        state: source.map_or_else(|| "unknown".to_string(), |s| word(s.state)),
        version: source.map(|s| s.version.clone()).unwrap_or_default(),
        detail: source.map(|s| s.detail.clone()).unwrap_or_default(),
        evidence: evidence(state).to_string(),
        memory_total: memory.map(|m| m.total),
        memory_available: memory.map(|m| m.available),
        gpus: gpus
            .iter()
            .map(|gpu| api::ModelGpu {
                name: gpu.name.clone(),
                driver: gpu.driver.clone(),
                memory: gpu.memory_bytes,
            })
            .collect(),
        gpu_text: gpu_text(state.and_then(NodeState::host)),
        live_problem: now.and_then(|now| now.as_ref().err().cloned()),
        models: models
            .map(|(model, facts)| shown(rooms, name, model, facts, live))
            .collect(),
    }
}

fn shown(
    rooms: &Rooms<'_>,
    node: &NodeName,
    model: &ModelName,
    facts: &ModelFacts,
    live: Option<&agent::ModelsNow>,
) -> api::Model {
    let subject = Subject::Model(node.clone(), model.clone());
    let total = rooms.look.live.sample(node).map(|s| s.memory.total);
    let expires =
        live.and_then(|live| live.in_memory.iter().find(|m| m.name == *model)?.expires_at);
    let used = live.and_then(|live| live.last_used.get(model).copied());
    let open = &rooms.look.world.actions.open;
    let action = open.range(ActionKey::all_of(&subject)).next();
    api::Model {
        node: node.to_string(),
        name: model.to_string(),
        digest: facts.digest.clone(),
        size: facts.size,
        family: facts.family.clone(),
        parameters: facts.parameters.clone(),
        quantization: facts.quantization.clone(),
        modified_at: at(facts.modified_at),
        loaded: facts.loaded.map(|loaded| api::ModelLoaded {
            size: loaded.size,
            ram: loaded.ram(),
            vram: loaded.vram,
            cpu_percent: loaded.cpu_percent(),
            memory_share: total.map(|total| share(loaded.ram(), total)),
            context: loaded.context,
            expires_at: at(expires),
        }),
        last_used: at(used),
        fit: rooms.shown(node, model, facts),
        action: action.map(|(_, action)| action.label()),
        subject: subject.to_string(),
    }
}

/// Percent with one decimal.
fn share(part: u64, total: u64) -> f64 {
    if total == 0 {
        return 0.0;
    }
    (part as f64 / total as f64 * 1000.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use stead_core::facts::{Fact, FactKey, SourceFacts};
    use stead_core::sample::{HostSample, Memory};
    use stead_core::time::Time;
    use stead_core::world::{EvidenceState, Seen, World};

    use super::super::tests::{Measured, piha, with, world};
    use super::*;

    const GIB: u64 = 1 << 30;

    fn attic() -> NodeName {
        "attic".parse().unwrap()
    }

    fn put(world: &mut World, node: &NodeName, key: FactKey, fact: Fact) {
        let seen = Seen {
            fact: fact.into(),
            at: Time(0),
            seq: stead_core::ids::Seq(5),
        };
        let state = world.nodes.get_mut(node).unwrap();
        state.facts.insert(key, seen);
    }

    fn has(world: &mut World, node: &NodeName, loaded: Option<LoadedModel>) {
        let model = ModelFacts {
            digest: "d".into(),
            size: 5 * GIB,
            loaded,
            ..ModelFacts::default()
        };
        let key = FactKey::Model("mistral:7b".parse().unwrap());
        put(world, node, key, Fact::Model(model));
    }

    fn answers(world: &mut World, node: &NodeName, state: SourceState) {
        let source = SourceFacts {
            state,
            version: String::new(),
            detail: String::new(),
        };
        let key = FactKey::Source(SourceKind::Ollama);
        put(world, node, key, Fact::Source(source));
    }

    /// `piha` has 7 GiB to give and `attic` 20; both have a model of 5 GiB on disk.
    fn two() -> (World, Measured) {
        let mut world = world(EvidenceState::Fresh);
        let state = world.nodes[&piha()].clone();
        world.nodes.insert(attic(), state);
        let mut live = Measured::default();
        for (node, total, available) in [(piha(), 8, 7), (attic(), 32, 20)] {
            has(&mut world, &node, None);
            answers(&mut world, &node, SourceState::Up);
            let memory = Memory {
                total: total * GIB,
                available: available * GIB,
                ..Memory::default()
            };
            let sample = HostSample {
                memory,
                ..HostSample::default()
            };
            live.hosts.insert(node, sample);
        }
        (world, live)
    }

    fn shown(world: &World, live: &Measured) -> api::ModelNode {
        let mut all = with(world, live, |look| models(look, &[piha()], &Now::new()));
        all.nodes.remove(0)
    }

    fn fit(world: &World, live: &Measured) -> api::ModelFit {
        shown(world, live).models.remove(0).fit.expect("measured")
    }

    #[test]
    fn before_loading_it_says_what_is_left_and_which_node_fits_better() {
        let (mut world, live) = two();
        let here = fit(&world, &live);
        assert_eq!(here.text, "leaves 512 MiB: swap pressure likely");
        assert!(!here.measured);
        let better = here.better.expect("attic");
        assert_eq!(
            (better.node.as_str(), better.why.as_str()),
            ("attic", "leaves 13.5 GiB free")
        );
        answers(&mut world, &attic(), SourceState::Down);
        assert_eq!(fit(&world, &live).better, None, "its Ollama is down");
        answers(&mut world, &attic(), SourceState::Up);
        world.nodes.get_mut(&attic()).unwrap().evidence.state = EvidenceState::Stale;
        assert_eq!(fit(&world, &live).better, None, "nobody hears it");
    }

    #[test]
    fn what_it_took_elsewhere_counts_more_than_its_size_on_disk() {
        let (mut world, live) = two();
        let loaded = LoadedModel {
            size: 6 * GIB,
            vram: 2 * GIB,
            context: 4096,
        };
        has(&mut world, &attic(), Some(loaded));
        let here = fit(&world, &live);
        assert!(here.measured);
        assert_eq!(here.need, 6 * GIB);
        has(&mut world, &piha(), Some(loaded));
        let own = shown(&world, &live).models.remove(0).loaded.unwrap();
        assert_eq!(own.memory_share, Some(50.0), "4 of 8 GiB");
    }

    #[test]
    fn video_memory_is_what_others_leave_of_it_and_no_processor_is_said_only_where_it_is_known() {
        let (mut world, live) = two();
        assert_eq!(shown(&world, &live).gpu_text, "not known yet");
        let host = |gpus| {
            Fact::Host(HostFacts {
                gpus,
                ..HostFacts::default()
            })
        };
        put(&mut world, &piha(), FactKey::Host, host(Vec::new()));
        assert_eq!(
            shown(&world, &live).gpu_text,
            "none: inference will be slow"
        );
        let gpu = Gpu {
            name: "RX 7900".into(),
            driver: "amdgpu".into(),
            memory_bytes: Some(8 * GIB),
        };
        put(&mut world, &piha(), FactKey::Host, host(vec![gpu]));
        assert_eq!(
            (fit(&world, &live).ram, fit(&world, &live).vram),
            (0, 6 * GIB + GIB / 2)
        );
        let other = ModelFacts {
            digest: "other".into(),
            loaded: Some(LoadedModel {
                size: 5 * GIB,
                vram: 5 * GIB,
                context: 0,
            }),
            ..ModelFacts::default()
        };
        let key = FactKey::Model("other:1".parse().unwrap());
        put(&mut world, &piha(), key, Fact::Model(other));
        assert_eq!(fit(&world, &live).vram, 3 * GIB);
    }

    #[test]
    fn a_node_is_asked_where_an_ollama_was_seen_though_no_file_names_one() {
        let (world, live) = two();
        let asked = with(&world, &live, asked_for_models);
        assert_eq!(asked, [attic(), piha()]);
    }
}
