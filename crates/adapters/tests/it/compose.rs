use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use stead_adapters::compose::{Compose, Flavor, Options, Target};
use stead_core::command::Outcome;
use stead_core::facts::{ComposeFacts, Fact, FactKey, SourceKind, SourceState};
use stead_core::ids::ServiceName;

use crate::engine::Engine;
use crate::seen::Seen;

const LIMIT: Duration = Duration::from_secs(60);

fn handle(engine: &Engine) -> Compose {
    Compose::new(Options {
        engine: Some(engine.host.clone()),
        ..Options::default()
    })
}

fn service() -> ServiceName {
    ServiceName::new("shop").expect("a name")
}

fn watch(compose: &Compose, target: &Target) -> Seen {
    compose.set_services(BTreeMap::from([(service(), target.clone())]));
    let compose = compose.clone();
    Seen::of(|out| async move { compose.watch(out).await })
}

fn facts(seen: &Seen) -> Option<ComposeFacts> {
    match seen.facts.get(&FactKey::Compose(service()))? {
        Fact::Compose(facts) => Some(facts.clone()),
        _ => None,
    }
}

fn write(folder: &Path, image: &str, greeting: &str) {
    let text = format!(
        "version: \"3\"\nservices:\n  web:\n    image: {image}\n    network_mode: none\n    environment:\n      GREETING: \
         {greeting}\n  db:\n    image: {image}\n    network_mode: none\n"
    );
    std::fs::write(folder.join("docker-compose.yml"), text).expect("a file");
}

/// Takes the project down at the end, whatever happened.
struct Project<'a>(&'a Engine, tempfile::TempDir);

impl Drop for Project<'_> {
    fn drop(&mut self) {
        let filter = format!(
            "label=com.docker.compose.project.working_dir={}",
            self.1.path().display()
        );
        let ids = self
            .0
            .try_docker(&["ps", "-aq", "--filter", &filter])
            .unwrap_or_default();
        for id in ids.lines() {
            let _ = self.0.try_docker(&["rm", "-f", "-v", id]);
        }
    }
}

impl Project<'_> {
    fn ids(&self, service: &str) -> Vec<String> {
        let folder = format!(
            "label=com.docker.compose.project.working_dir={}",
            self.1.path().display()
        );
        let service = format!("label=com.docker.compose.service={service}");
        let ids = self.0.docker(&[
            "ps",
            "-q",
            "--no-trunc",
            "--filter",
            &folder,
            "--filter",
            &service,
        ]);
        ids.lines().map(ToOwned::to_owned).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_file_is_resolved_brought_up_and_read_again_when_it_changes() {
    let Some(engine) = Engine::lab() else { return };
    let project = Project(&engine, tempfile::tempdir().expect("a folder"));
    let folder = project.1.path();
    write(folder, &engine.image, "hello");
    let target = Target::new(folder.to_str().expect("a path"), None, None).expect("valid");
    let compose = handle(&engine);
    let mut seen = watch(&compose, &target);
    let first = seen.until("the file's services", LIMIT, facts).await;
    assert_eq!(
        first.services.keys().collect::<Vec<_>>(),
        ["db", "web"],
        "{first:?}"
    );
    assert_eq!(
        seen.source(SourceKind::Compose).expect("told").state,
        SourceState::Up
    );

    let outcome = compose.up(&target, &["web".into()], LIMIT).await;
    assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    let web = project.ids("web");
    assert_eq!(
        (web.len(), project.ids("db").len()),
        (1, 0),
        "only what was named"
    );
    let label = "{{index .Config.Labels \"com.docker.compose.config-hash\"}}";
    assert_eq!(
        engine.docker(&["inspect", "-f", label, &web[0]]),
        first.services["web"],
        "the same digest as compose's"
    );
    let label = "{{index .Config.Labels \"com.docker.compose.project\"}}";
    assert_eq!(
        engine.docker(&["inspect", "-f", label, &web[0]]),
        first.project
    );

    let outcome = compose.up(&target, &[], LIMIT).await;
    assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    assert_eq!((project.ids("web").len(), project.ids("db").len()), (1, 1));
    assert_ne!(project.ids("web"), web, "recreated by force");

    write(folder, &engine.image, "good-bye");
    let changed = |seen: &Seen| {
        facts(seen).filter(|facts| facts.services.get("web") != first.services.get("web"))
    };
    let second = seen.until("the change", LIMIT, changed).await;
    assert_eq!(
        second.services["db"], first.services["db"],
        "the other service did not change"
    );

    std::fs::write(folder.join("docker-compose.yml"), "services: [broken\n").expect("a file");
    let broken = |seen: &Seen| facts(seen).filter(|facts| !facts.error.is_empty());
    let third = seen.until("the error", LIMIT, broken).await;
    assert!(
        third.services.is_empty() && third.error.contains("docker-compose.yml"),
        "{third:?}"
    );
    let outcome = compose.up(&target, &[], LIMIT).await;
    assert!(
        matches!(&outcome, Outcome::Failed { code, .. } if code == "compose-failed"),
        "{outcome:?}"
    );
    compose.set_services(BTreeMap::new());
    seen.until("it is gone", LIMIT, |seen| {
        facts(seen).is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_folder_without_a_file_and_names_that_are_options_are_refused() {
    let Some(engine) = Engine::lab() else { return };
    let compose = handle(&engine);
    let above = tempfile::tempdir().expect("a folder");
    write(above.path(), &engine.image, "hello");
    let below = above.path().join("empty");
    std::fs::create_dir(&below).expect("a folder");
    let target = Target::new(below.to_str().expect("a path"), None, None).expect("valid");
    let outcome = compose.up(&target, &[], LIMIT).await;
    let missing =
        matches!(&outcome, Outcome::Refused { code, .. } if code == "compose-file-missing");
    assert!(
        missing,
        "compose would have taken the parent folder's file: {outcome:?}"
    );
    let target = Target::new(above.path().to_str().expect("a path"), None, None).expect("valid");
    let outcome = compose.up(&target, &["--help".into()], LIMIT).await;
    assert!(
        matches!(&outcome, Outcome::Refused { code, .. } if code == "bad-target"),
        "{outcome:?}"
    );
}

/// The v2 plugin cannot be installed here; this stands in with its published command line.
fn plugin(folder: &Path, body: &str) -> Options {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join("docker-compose");
    let script =
        format!("#!/bin/sh\ncase \"$*\" in\n  'version --short') echo v2.24.5;;\n{body}\nesac\n");
    std::fs::write(&path, script).expect("a file");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("executable");
    Options {
        programs: vec![path.to_str().expect("a path").into()],
        engine: None,
        ..Options::default()
    }
}

#[tokio::test]
async fn the_v2_plugin_is_called_by_its_own_grammar_and_a_hang_is_unknown() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "x:1", "hello");
    let body = "  '-f docker-compose.yml -p shop config --hash *') echo web 9f86d081884c7d659a2feaa0c55ad015;;
  '-f docker-compose.yml -p shop up -d --build --force-recreate web') echo token=hunter2 up;;
  *up*) echo begun; sleep 600 & wait;;";
    let compose = Compose::new(plugin(folder.path(), body));
    let program = compose.program().await.expect("found");
    assert_eq!(
        (program.flavor, program.version.as_str()),
        (Flavor::V2, "2.24.5")
    );
    let path = folder.path().to_str().expect("a path");
    let target = Target::new(path, Some("docker-compose.yml"), Some("shop")).expect("valid");
    let mut seen = watch(&compose, &target);
    let found = seen.until("the file's services", LIMIT, facts).await;
    assert_eq!((found.services.len(), found.project.as_str()), (1, "shop"));
    let outcome = compose.up(&target, &["web".into()], LIMIT).await;
    let Outcome::Done { output, .. } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(output, "token=*** up");
    let outcome = compose
        .up(&target, &["slow".into()], Duration::from_millis(500))
        .await;
    let Outcome::Unknown { why } = outcome else {
        panic!("{outcome:?}")
    };
    assert!(why.contains("begun"), "{why}");
}

#[tokio::test]
async fn a_node_without_compose_says_what_to_install() {
    let compose = Compose::new(Options {
        programs: vec!["no-such-compose".into()],
        ..Options::default()
    });
    let target = Target::new("/srv/shop", None, None).expect("valid");
    let mut seen = watch(&compose, &target);
    let source = seen
        .until("the source", LIMIT, |seen| {
            seen.source(SourceKind::Compose).cloned()
        })
        .await;
    assert_eq!(source.state, SourceState::Absent);
    assert!(
        source.detail.contains("docker-compose-plugin"),
        "{source:?}"
    );
    let outcome = compose.up(&target, &[], LIMIT).await;
    assert!(
        matches!(&outcome, Outcome::Failed { code, .. } if code == "compose-absent"),
        "{outcome:?}"
    );
}
