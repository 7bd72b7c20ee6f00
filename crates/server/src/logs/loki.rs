//! The owner's Loki: made by what the files say, asked beside the nodes, and instead of one that does not answer.
//!
//! It holds nobody up: it has the time of one request, and after it failed nobody waits for it again within seconds.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use stead_adapters::loki::{Answer, Error, Line, Loki, Of, Wanted};
use stead_adapters::names::Names;
use stead_core::desired;
use stead_core::ids::{ContainerName, NodeName, UnitName};
use stead_core::time::{Span, Time};
use stead_ports::clock::SystemClock;
use stead_ports::secrets::Secrets;
use stead_protocol::api::{LogFound, LokiSearched};

use super::Search;
use crate::http::App;
use crate::present;
use crate::secrets::FileSecrets;

/// How far back last lines are looked for: Loki itself takes no question about more unless it is told to.
const BACK: Span = Span::days(30);
/// A shipper's clock may be ahead of this one.
const AHEAD: i64 = 60_000;
const LOKI: &str = "loki";

/// The Loki that the files name, if they do.
#[derive(Debug)]
pub struct Lokis {
    secrets: Arc<dyn Secrets>,
    held: Mutex<Option<Held>>,
}

#[derive(Debug)]
struct Held {
    of: desired::Loki,
    names: Names,
    loki: Arc<Loki>,
}

/// What Loki has of a search.
#[derive(Debug, Default)]
pub struct Part {
    pub lines: Vec<LogFound>,
    pub limits: Vec<String>,
    pub searched: LokiSearched,
}

impl Lokis {
    /// `data`: the server's data directory, where secrets are.
    pub fn of(data: &Path) -> Lokis {
        Lokis {
            secrets: Arc::new(FileSecrets::of(data)),
            held: Mutex::default(),
        }
    }

    /// It as the files say now. What it remembers of its absence ends with what they say of it.
    fn now(&self, app: &App) -> Option<Result<Arc<Loki>, Error>> {
        let (named, names) = app.look(|look| {
            let fleet = &look.world.fleet;
            let loki = fleet.loki.clone()?;
            let names = Names::new(present::node_names(look), &fleet.aliases, &loki.nodes);
            Some((loki, names))
        })?;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = &*held
            && (&held.of, &held.names) == (&named, &names)
        {
            return Some(Ok(Arc::clone(&held.loki)));
        }
        let secrets = Arc::clone(&self.secrets);
        let made = Loki::new(&named, names.clone(), secrets, Arc::new(SystemClock::new()));
        Some(made.map(|loki| {
            let loki = Arc::new(loki);
            *held = Some(Held {
                of: named,
                names,
                loki: Arc::clone(&loki),
            });
            loki
        }))
    }
}

/// What it has of a search; `None` where there is none.
pub async fn ask(app: &App, search: &Search) -> Option<Part> {
    let loki = app.lokis.now(app)?;
    let wanted = Wanted {
        text: Some(search.text.clone()),
        nodes: search.nodes.iter().cloned().collect(),
        containers: search.containers.clone(),
        units: search.units.clone(),
        from: search.since,
        to: Time(app.handle.now().at.0 + AHEAD),
        most: search.most,
    };
    let (url, answer) = match loki {
        Ok(loki) => (loki.shown(), loki.search(&wanted).await),
        Err(error) => (String::new(), Err(error)),
    };
    Some(match answer {
        Ok(Answer { lines, limits }) => Part {
            lines: lines.into_iter().map(found).collect(),
            limits,
            searched: LokiSearched {
                url,
                ..LokiSearched::default()
            },
        },
        Err(error) => Part {
            searched: LokiSearched {
                url,
                problem: Some(error.sentence()),
                code: Some(error.code().to_owned()),
                ..LokiSearched::default()
            },
            ..Part::default()
        },
    })
}

fn found(line: Line) -> LogFound {
    let mut found = LogFound {
        at: line.at,
        node: line.node.to_string(),
        error: line.error,
        text: line.text,
        from: LOKI.to_owned(),
        ..LogFound::default()
    };
    match line.of {
        Of::Container(name) => found.container = name,
        Of::Unit(name) => found.unit = name,
        Of::Other(name) => found.stream = name,
    }
    found
}

/// The last lines of a container or a unit that Loki has, as a node would tell them; `None` where there is no Loki or it has none,
/// an error where it does not say.
pub async fn last(
    app: &App,
    node: &NodeName,
    container: Option<&ContainerName>,
    unit: Option<&UnitName>,
    tail: u32,
) -> Option<Result<String, Error>> {
    let loki = match app.lokis.now(app)? {
        Ok(loki) => loki,
        Err(error) => return Some(Err(error)),
    };
    let now = app.handle.now().at.0;
    let wanted = Wanted {
        text: None,
        nodes: [node.clone()].into(),
        containers: container.map(|name| vec![name.clone()]),
        units: unit.map(|name| vec![name.clone()]),
        from: Time(now - BACK.0 as i64),
        to: Time(now + AHEAD),
        most: tail.max(1) as usize,
    };
    let answer = match loki.search(&wanted).await {
        Ok(answer) => answer,
        Err(error) => return Some(Err(error)),
    };
    let lines = answer
        .lines
        .iter()
        .map(|l| format!("{} {}\n", l.at, l.text));
    let text: String = lines.collect();
    (!text.is_empty()).then_some(Ok(text))
}
