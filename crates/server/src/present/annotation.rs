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
pub fn noted(annotation: &Annotation, node: Option<String>) -> api::Annotation {
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

#[cfg(test)]
mod tests {
    use stead_core::event::{ActionEnded, DesiredLoaded, NodeRebooted, Severity, Source};
    use stead_core::ids::Seq;
    use stead_core::time::Time;

    use super::*;

    fn noted(body: Body) -> Option<Annotation> {
        annotated(&Event {
            seq: Seq(7),
            id: String::new(),
            at: Time(5),
            subject: "node/piha".parse().expect("a subject"),
            severity: Severity::Info,
            cause: None,
            source: Source::Server,
            cursor: 0,
            body,
        })
    }

    #[test]
    fn deploys_updates_reboots_repairs_cleanups_and_commits_are_told_apart() {
        let kind = |body| noted(body).map(|a| a.kind);
        let rebooted = noted(Body::NodeRebooted(NodeRebooted::default())).expect("told");
        assert_eq!(rebooted.kind, AnnotationKind::Reboot);
        assert_eq!((rebooted.at, rebooted.event), (Time(5), Some(Seq(7))));
        for (action, expected) in [
            ("disk-cleanup-piha", Some(AnnotationKind::Cleanup)),
            ("redeploy-piha-web", Some(AnnotationKind::Deploy)),
            ("agent-upgrade-piha", Some(AnnotationKind::Update)),
            ("patch-piha", Some(AnnotationKind::Update)),
            ("container-restart-piha-web", Some(AnnotationKind::Repair)),
            ("drill-piha", None),
        ] {
            let ended = ActionEnded {
                action: action.into(),
                occurrence: 1,
                code: String::new(),
                detail: String::new(),
                freed: None,
            };
            assert_eq!(kind(Body::ActionCompleted(ended)), expected, "{action}");
        }
        let loaded = |commit: Option<&str>| {
            let loaded = DesiredLoaded {
                commit: commit.map(str::to_string),
                ..DesiredLoaded::default()
            };
            noted(Body::DesiredLoaded(loaded)).expect("told")
        };
        assert_eq!(loaded(None).what, "fleet files changed");
        let commit = loaded(Some("3f2a1c9d8e7b6a5f"));
        assert_eq!(commit.kind, AnnotationKind::Config);
        assert_eq!(commit.what, "commit 3f2a1c9d8e");
        assert_eq!(kind(Body::ServerStopped(serde_json::Map::new())), None);
    }
}
