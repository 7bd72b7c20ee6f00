//! Ollama's answers as facts. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;
use stead_core::facts::{LoadedModel, ModelFacts};
use stead_core::ids::ModelName;
use stead_core::time::Time;

/// Models told of one server; the rest is left out.
const MOST: usize = 512;
/// Of a word about a model this much is kept.
const WORD: usize = 64;

/// `GET /api/version`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Version {
    pub version: String,
}

/// `GET /api/tags`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Tags {
    models: Vec<Tag>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Tag {
    name: String,
    modified_at: String,
    size: u64,
    digest: String,
    details: Option<Details>,
    /// It is computed elsewhere: there is nothing to load here.
    remote_model: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Details {
    family: String,
    parameter_size: String,
    quantization_level: String,
}

/// `GET /api/ps`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Running {
    models: Vec<Run>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Run {
    name: String,
    size: u64,
    size_vram: u64,
    context_length: u64,
    expires_at: String,
}

/// The end of `POST /api/generate`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Generated {
    pub done: bool,
}

/// A model in memory, as whoever looks now sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InMemory {
    pub name: ModelName,
    pub loaded: LoadedModel,
    /// When it leaves by itself; `None`: not by itself.
    pub expires_at: Option<Time>,
    /// Its last use as far as this agent has seen.
    pub last_used: Option<Time>,
}

fn word(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(WORD)
        .collect()
}

/// What keeps for ever is given an instant centuries away.
fn leaves(text: &str) -> Option<Time> {
    const CENTURY: i64 = 100 * 365 * 86_400_000;
    let at: Time = text.parse().ok()?;
    // An instant before 1970 is how it says "never set".
    (at.0 > 0 && at.0 < CENTURY + 1_700_000_000_000).then_some(at)
}

/// Those in memory, by name; what has no name that can be is left out.
pub(super) fn in_memory(running: &Running) -> Vec<InMemory> {
    let models = running.models.iter().filter_map(|run| {
        Some(InMemory {
            name: ModelName::new(&run.name).ok()?,
            loaded: LoadedModel {
                size: run.size,
                vram: run.size_vram.min(run.size),
                context: run.context_length,
            },
            expires_at: leaves(&run.expires_at),
            last_used: None,
        })
    });
    models.take(MOST).collect()
}

/// Every model on disk, with what is in memory of it.
pub(super) fn models(tags: &Tags, running: &Running) -> BTreeMap<ModelName, ModelFacts> {
    let in_memory: BTreeMap<ModelName, LoadedModel> = in_memory(running)
        .into_iter()
        .map(|model| (model.name, model.loaded))
        .collect();
    let here = tags
        .models
        .iter()
        .filter(|tag| tag.remote_model.as_deref().is_none_or(str::is_empty));
    let found = here.filter_map(|tag| {
        let name = ModelName::new(&tag.name).ok()?;
        let none = Details::default();
        let details = tag.details.as_ref().unwrap_or(&none);
        let facts = ModelFacts {
            digest: word(&tag.digest),
            size: tag.size,
            modified_at: tag.modified_at.parse().ok(),
            family: word(&details.family),
            parameters: word(&details.parameter_size),
            quantization: word(&details.quantization_level),
            loaded: in_memory.get(&name).copied(),
        };
        Some((name, facts))
    });
    found.take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(name: &str) -> String {
        let path = format!(
            "{}/tests/fixtures/ollama/{name}",
            env!("CARGO_MANIFEST_DIR")
        );
        std::fs::read_to_string(&path).expect(name)
    }

    fn read<T: serde::de::DeserializeOwned>(name: &str) -> T {
        serde_json::from_str(&published(name)).expect(name)
    }

    #[test]
    fn the_published_answers_are_read_whole() {
        let models = models(&read("tags.json"), &read("ps.json"));
        let gemma: ModelName = "gemma4".parse().expect("name");
        let facts = &models[&gemma];
        assert_eq!(facts.size, 9_608_350_245);
        assert_eq!(
            (
                facts.family.as_str(),
                facts.parameters.as_str(),
                facts.quantization.as_str()
            ),
            ("gemma4", "8.0B", "Q4_K_M")
        );
        assert_eq!(
            facts.modified_at.map(|at| at.to_string()).as_deref(),
            Some("2025-10-04T06:34:03.409Z")
        );
        let loaded = facts.loaded.expect("in memory");
        assert_eq!(
            (loaded.size, loaded.vram, loaded.context),
            (6_591_830_464, 5_333_539_264, 4096)
        );
        assert_eq!((loaded.ram(), loaded.cpu_percent()), (1_258_291_200, 19));
        let running = in_memory(&read("ps.json"));
        let leaves = running[0].expires_at.map(|at| at.to_string());
        assert_eq!(leaves.as_deref(), Some("2025-10-17T23:47:07.933Z"));
        assert_eq!(read::<Version>("version.json").version, "0.12.6");
        assert!(read::<Generated>("load.json").done);
        assert!(read::<Generated>("unload.json").done);
    }

    #[test]
    fn what_is_odd_is_left_out_and_hurts_nothing_else() {
        let tags = r#"{"models":[
            {"name":"../../etc/passwd","size":1},
            {"name":"cloud","remote_model":"x","size":1},
            {"name":"<b>bold</b>","size":1},
            {"name":"plain","details":null,"extra":[1]}]}"#;
        let ps = r#"{"models":[{"name":"plain","size":10,"size_vram":99,"expires_at":"2318-01-01T00:00:00Z"}]}"#;
        let (tags, ps): (Tags, Running) = (
            serde_json::from_str(tags).expect("tags"),
            serde_json::from_str(ps).expect("ps"),
        );
        let found = models(&tags, &ps);
        assert_eq!(
            found.keys().map(ModelName::as_str).collect::<Vec<_>>(),
            ["plain"]
        );
        let running = in_memory(&ps);
        assert_eq!(running[0].expires_at, None, "kept for ever");
        assert_eq!(
            (running[0].loaded.ram(), running[0].loaded.vram),
            (0, 10),
            "no more in video memory than there is of it"
        );
        let empty: Tags = serde_json::from_str("{}").expect("empty");
        assert!(models(&empty, &Running::default()).is_empty());
    }
}
