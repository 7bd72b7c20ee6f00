//! What happened, to draw beside numbers: made from events of the log. Pure.

use stead_core::action::ActionKind;
use stead_core::event::{Body, Event};
use stead_core::insight::annotation::{Annotation, AnnotationKind};
use stead_protocol::api;

use super::word;

/// The kinds of events that annotations are made from.
pub const ANNOTATING: [&str; 3] = ["node_rebooted", "action_completed", "desired_loaded"];

/// `None`: nothing that moves a number.
pub fn annotated(event: &Event) -> Option<Annotation> {
    let (kind, what) = match &event.body {
        Body::NodeRebooted(_) => (AnnotationKind::Reboot, super::text(event)),
        Body::ActionCompleted(ended) => (done(&ended.action)?, super::text(event)),
        Body::DesiredLoaded(loaded) => {
            let what = match loaded.commit.as_deref() {
                Some(commit) => format!("commit {}", commit.get(..10).unwrap_or(commit)),
                None => "fleet files changed".to_string(),
            };
            (AnnotationKind::Config, what)
        }
        _ => return None,
    };
    Some(Annotation {
        at: event.at,
        kind,
        what,
        event: Some(event.seq),
    })
}

/// The same, as it is answered.
pub fn annotation(event: &Event) -> Option<api::Annotation> {
    let node = event.subject.node().map(ToString::to_string);
    Some(noted(&annotated(event)?, node))
}

pub(super) fn noted(annotation: &Annotation, node: Option<String>) -> api::Annotation {
    api::Annotation {
        at: annotation.at.to_string(),
        kind: word(annotation.kind),
        what: annotation.what.clone(),
        node,
        event: annotation.event.map(|seq| seq.0),
    }
}

/// What an action with this ID is to a number. An ID begins with the word of its kind.
fn done(id: &str) -> Option<AnnotationKind> {
    let is = |kind: &&ActionKind| {
        let word = kind.word().replace('_', "-");
        id.strip_prefix(&word)
            .is_some_and(|rest| rest.starts_with('-'))
    };
    let kind = ActionKind::ALL.iter().find(is)?;
    Some(match kind {
        ActionKind::DiskCleanup => AnnotationKind::Cleanup,
        ActionKind::Redeploy => AnnotationKind::Deploy,
        ActionKind::Patch | ActionKind::AgentUpgrade => AnnotationKind::Update,
        ActionKind::Drill => return None,
        _ => AnnotationKind::Repair,
    })
}
