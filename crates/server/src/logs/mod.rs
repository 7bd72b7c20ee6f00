//! A text looked for in the logs of the whole fleet, where they lie. Nothing is kept here.
//!
//! | module | its noun |
//! |---|---|
//! | [`node`] | one node's answer, from its agent |
//! | [`loki`] | what the owner's Loki has, and whether there is one |
//! | [`whole`] | all answers as one, by time; pure |
//!
//! A few nodes are asked at a time and only the newest lines stay. Whoever is asked bounds what it reads; what could not be
//! searched is said.

mod loki;
mod node;
mod whole;

pub use loki::{Lokis, last};

use futures::{Stream, StreamExt, stream};
use stead_core::ids::{ContainerName, NodeName, UnitName};
use stead_core::time::Time;
use stead_protocol::api::LogSearchLine;

use crate::http::App;
use whole::Whole;

/// Nodes that are asked at the same time.
const AT_ONCE: usize = 16;

/// What is looked for, and where.
#[derive(Debug, Clone)]
pub struct Search {
    /// Plain text; case does not matter.
    pub text: String,
    pub nodes: Vec<NodeName>,
    /// `None`: in no container; empty: in all of them.
    pub containers: Option<Vec<ContainerName>>,
    /// `None`: in no unit; empty: in all of them.
    pub units: Option<Vec<UnitName>>,
    pub since: Time,
    /// Lines of the answer, the newest.
    pub most: usize,
}

/// Somebody's answer.
enum Answer {
    Node(NodeName, node::Part),
    Loki(Option<loki::Part>),
}

/// Each node as it answers, then the whole. Loki is asked meanwhile.
pub fn search(app: App, search: Search) -> impl Stream<Item = LogSearchLine> {
    let of = u32::try_from(search.nodes.len()).unwrap_or(u32::MAX);
    let whole = Whole::new(search.most);
    let nodes = search.nodes.clone();
    let theirs = {
        let (app, search) = (app.clone(), search.clone());
        async move { Answer::Loki(loki::ask(&app, &search).await) }
    };
    let answers = stream::iter(nodes).map(move |node| {
        let (app, search) = (app.clone(), search.clone());
        async move {
            let part = node::ask(&app, &node, &search).await;
            Answer::Node(node, part)
        }
    });
    let answers = stream::select(answers.buffer_unordered(AT_ONCE), stream::once(theirs));
    let state = Some((Box::pin(answers), whole, 0_u32));
    stream::unfold(state, move |state| async move {
        let (mut answers, mut whole, done) = state?;
        loop {
            match answers.next().await {
                None => return Some((LogSearchLine::Found(whole.end()), None)),
                Some(Answer::Loki(part)) => whole.take_loki(part),
                Some(Answer::Node(node, part)) => {
                    let node = whole.take(&node, part);
                    let done = done + 1;
                    let line = LogSearchLine::Progress { done, of, node };
                    return Some((line, Some((answers, whole, done))));
                }
            }
        }
    })
}
