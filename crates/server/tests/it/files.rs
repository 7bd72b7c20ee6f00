//! The mirror in both directions, in real directories.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use stead_server::files;
use tokio_util::sync::CancellationToken;

use crate::scene::{Scene, WITHIN, exists, running, until};

const ID: &str = "container-restart-piha-z2m";

/// A scene with its mirror.
struct Mirrored {
    scene: Scene,
    dir: PathBuf,
    stop: CancellationToken,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Mirrored {
    async fn new() -> Mirrored {
        let scene = Scene::well().await;
        let dir = scene.files();
        let mut mirrored = Mirrored {
            scene,
            dir,
            stop: CancellationToken::new(),
            task: None,
        };
        mirrored.start();
        mirrored.is_there("state/observer_checkpoint.json").await;
        mirrored
    }

    fn start(&mut self) {
        self.stop = CancellationToken::new();
        self.task = Some(tokio::spawn(files::run(
            self.dir.clone(),
            self.scene.handle.clone(),
            self.stop.clone(),
        )));
    }

    async fn end(&mut self) {
        self.stop.cancel();
        let task = self.task.take().unwrap();
        tokio::time::timeout(WITHIN, task)
            .await
            .expect("the mirror ends")
            .unwrap();
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.dir.join(relative)
    }

    async fn is_there(&self, relative: &str) -> String {
        until(relative, || async {
            fs::read_to_string(self.path(relative)).ok()
        })
        .await
    }

    async fn is_gone(&self, relative: &str) {
        until(&format!("{relative} gone"), || async {
            (!exists(&self.path(relative))).then_some(())
        })
        .await;
    }

    async fn json(&self, relative: &str) -> Value {
        serde_json::from_str(&self.is_there(relative).await).unwrap()
    }

    /// Puts a file in place whole, as `mv` does.
    fn put(&self, relative: &str, text: &str) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let part = path.with_file_name(".part");
        fs::write(&part, text).unwrap();
        fs::rename(part, path).unwrap();
    }

    /// Events of a kind.
    async fn events(&self, kind: &str) -> Vec<Value> {
        let found = self
            .scene
            .get(&format!("/api/v1/events?kind={kind}&order=asc&limit=1000"))
            .await;
        found["events"].as_array().unwrap().clone()
    }

    async fn recorded(&self, kind: &str) -> Value {
        until(kind, || async {
            self.events(kind).await.into_iter().next()
        })
        .await
    }

    /// Every line of Stead's own files.
    fn lines(&self) -> Vec<Value> {
        let mut lines = Vec::new();
        for day in fs::read_dir(self.path("events")).unwrap() {
            let text =
                fs::read_to_string(day.unwrap().path().join("stead.jsonl")).unwrap_or_default();
            lines.extend(
                text.lines()
                    .map(|l| serde_json::from_str::<Value>(l).unwrap()),
            );
        }
        lines.sort_by_key(|l| l["seq"].as_u64());
        lines
    }
}

impl Drop for Mirrored {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[tokio::test]
async fn the_world_the_events_and_the_checkpoint_are_plain_files() {
    let m = Mirrored::new().await;
    m.scene.fall_ill().await;
    m.is_there(&format!("actions/pending/{ID}.json")).await;
    for list in [
        "nodes",
        "services",
        "containers",
        "units",
        "drift",
        "actions",
    ] {
        assert!(
            m.json(&format!("world/{list}.json")).await.is_array(),
            "{list}"
        );
    }
    assert_eq!(m.json("world/desired.json").await["source"], "/srv/fleet");
    until("the world follows", || async {
        (m.json("world/drift.json").await[0]["kind"] == "unhealthy_service").then_some(())
    })
    .await;
    let head = m.scene.get("/api/v1/events?limit=1").await["head"]
        .as_u64()
        .unwrap();
    until("every event is a line", || async {
        (m.lines().len() as u64 == head).then_some(())
    })
    .await;
    let numbers: Vec<u64> = m
        .lines()
        .iter()
        .map(|l| l["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (1..=head).collect::<Vec<_>>());
    let log_id = m.scene.handle.log().head().await.unwrap().log_id;
    let checkpoint = until("the checkpoint follows", || async {
        Some(m.json("state/observer_checkpoint.json").await).filter(|c| c["seq"] == head)
    })
    .await;
    assert_eq!(checkpoint["log_id"], log_id.as_str());
    assert!(checkpoint["digest"].as_str().unwrap().len() == 64);
}

#[tokio::test]
async fn moving_the_card_approves_and_the_card_moves_on() {
    let m = Mirrored::new().await;
    m.scene.fall_ill().await;
    m.is_there(&format!("actions/pending/{ID}.json")).await;
    fs::rename(
        m.path(&format!("actions/pending/{ID}.json")),
        m.path(&format!("actions/approved/{ID}.json")),
    )
    .unwrap();
    let action = until("it is approved", || async {
        Some(m.scene.get(&format!("/api/v1/actions/{ID}")).await)
            .filter(|a| a["state"] != "pending")
    })
    .await;
    assert_eq!(action["decided_by"], "files");
    m.is_gone(&format!("actions/pending/{ID}.json")).await;
    m.is_gone(&format!("actions/approved/{ID}.json")).await;
    m.is_there(&format!("actions/running/{ID}.json")).await;
}

#[tokio::test]
async fn moving_the_card_rejects_and_a_closed_card_bears_its_occurrence() {
    let m = Mirrored::new().await;
    m.scene.fall_ill().await;
    m.is_there(&format!("actions/pending/{ID}.json")).await;
    fs::rename(
        m.path(&format!("actions/pending/{ID}.json")),
        m.path(&format!("actions/rejected/{ID}.json")),
    )
    .unwrap();
    let closed = m.json(&format!("actions/rejected/{ID}.1.json")).await;
    assert_eq!(
        (closed["state"].as_str(), closed["decided_by"].as_str()),
        (Some("rejected"), Some("files"))
    );
    m.is_gone(&format!("actions/rejected/{ID}.json")).await;
    m.is_gone(&format!("actions/pending/{ID}.json")).await;
}

#[tokio::test]
async fn an_old_card_decides_nothing_and_the_true_one_comes_back_with_the_reason() {
    let m = Mirrored::new().await;
    m.scene.fall_ill().await;
    let old = m.is_there(&format!("actions/pending/{ID}.json")).await;
    m.scene.observe("z2m", running()).await;
    m.is_there(&format!("actions/cancelled/{ID}.1.json")).await;
    m.scene.fall_ill().await;
    until("raised again", || async {
        Some(m.json(&format!("actions/pending/{ID}.json")).await).filter(|c| c["occurrence"] == 2)
    })
    .await;
    fs::remove_file(m.path(&format!("actions/pending/{ID}.json"))).unwrap();
    m.put(&format!("actions/approved/{ID}.json"), &old);
    let why = m.is_there(&format!("actions/pending/{ID}.json.why")).await;
    assert!(
        why.contains("plan-changed") && why.contains("earlier"),
        "{why}"
    );
    let back = m.json(&format!("actions/pending/{ID}.json")).await;
    assert_eq!(
        (back["occurrence"].as_u64(), back["state"].as_str()),
        (Some(2), Some("pending"))
    );
    assert_eq!(
        m.scene.get(&format!("/api/v1/actions/{ID}")).await["state"],
        "pending"
    );
    m.is_gone(&format!("actions/approved/{ID}.json")).await;

    // Another plan than the one in force, in a card that is otherwise right.
    let mut edited = back.clone();
    edited["digest"] = json!("another");
    m.put(&format!("actions/approved/{ID}.json"), &edited.to_string());
    m.is_gone(&format!("actions/approved/{ID}.json")).await;
    assert_eq!(
        m.scene.get(&format!("/api/v1/actions/{ID}")).await["state"],
        "pending"
    );
    // The true card, moved, decides; and the reason goes with it.
    fs::rename(
        m.path(&format!("actions/pending/{ID}.json")),
        m.path(&format!("actions/approved/{ID}.json")),
    )
    .unwrap();
    until("approved", || async {
        Some(m.scene.get(&format!("/api/v1/actions/{ID}")).await)
            .filter(|a| a["state"] != "pending")
    })
    .await;
    m.is_gone(&format!("actions/pending/{ID}.json.why")).await;
}

#[tokio::test]
async fn a_link_in_approved_decides_nothing() {
    let m = Mirrored::new().await;
    m.scene.fall_ill().await;
    m.is_there(&format!("actions/pending/{ID}.json")).await;
    symlink(
        m.path(&format!("actions/pending/{ID}.json")),
        m.path(&format!("actions/approved/{ID}.json")),
    )
    .unwrap();
    let why = m.is_there(&format!("actions/pending/{ID}.json.why")).await;
    assert!(why.contains("a link"), "{why}");
    assert_eq!(
        m.scene.get(&format!("/api/v1/actions/{ID}")).await["state"],
        "pending"
    );
}

#[tokio::test]
async fn inbox_files_are_recorded_once_by_content_and_follow_aliases() {
    let m = Mirrored::new().await;
    let event =
        json!({"node": "node-1", "kind": "cache_warmed", "data": {"entries": 7}}).to_string();
    m.put("inbox/one.json", &event);
    let found = m.recorded("cache_warmed").await;
    assert_eq!(
        (found["node"].as_str(), found["source"].as_str()),
        (Some("piha"), Some("inbox"))
    );
    m.is_there("inbox/done/one.json").await;
    m.put("inbox/same.json", &event);
    m.is_there("inbox/done/same.json").await;
    m.put(
        "inbox/many.jsonl",
        "{\"node\":\"piha\",\"kind\":\"a_1\"}\n\n{\"node\":\"piha\",\"kind\":\"a_2\"}\n",
    );
    m.is_there("inbox/done/many.jsonl").await;
    assert_eq!(m.events("cache_warmed").await.len(), 1);
    assert_eq!(m.events("a_1,a_2").await.len(), 2);
}

#[tokio::test]
async fn a_partly_written_file_is_left_alone_until_it_is_whole() {
    let m = Mirrored::new().await;
    let part = m.path("inbox/.slow.json.part");
    let mut file = fs::File::create(&part).unwrap();
    file.write_all(b"{\"node\": \"piha\", ").unwrap();
    // Lines that grow: what is whole is read, the rest waits.
    let path = m.path("events/2026-11-18/app.jsonl");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut growing = fs::File::create(&path).unwrap();
    growing
        .write_all(b"{\"node\":\"piha\",\"kind\":\"b_1\"}\n{\"node\":\"piha\",")
        .unwrap();
    m.recorded("b_1").await;
    file.write_all(b"\"kind\": \"slow\"}").unwrap();
    drop(file);
    assert!(m.events("slow").await.is_empty());
    fs::rename(part, m.path("inbox/slow.json")).unwrap();
    m.recorded("slow").await;
    growing.write_all(b"\"kind\":\"b_2\"}\n").unwrap();
    m.recorded("b_2").await;
    assert_eq!(m.events("b_1").await.len(), 1);
    assert!(exists(&path), "it stays where its writer has it");
    assert!(
        !exists(&m.path("inbox/refused/2026-11-18.app.jsonl.why")),
        "nothing was wrong with it"
    );
}

#[tokio::test]
async fn files_beside_steads_own_in_a_days_folder_are_read_and_its_own_are_not() {
    let m = Mirrored::new().await;
    m.put(
        "events/2026-11-18/backup.json",
        &json!({"node": "piha", "kind": "backup_done"}).to_string(),
    );
    m.put(
        "events/2026-11-18/stead.other.jsonl",
        "{\"node\":\"piha\",\"kind\":\"not_ours\"}\n",
    );
    m.put(
        "events/2026-11-18/bad.jsonl",
        "{\"node\":\"piha\",\"kind\":\"fine\"}\nnonsense\n",
    );
    m.recorded("backup_done").await;
    m.recorded("fine").await;
    let why = m.is_there("inbox/refused/2026-11-18.bad.jsonl.why").await;
    assert!(why.contains("line 2"), "{why}");
    assert!(m.events("not_ours").await.is_empty());
    assert!(exists(&m.path("events/2026-11-18/backup.json")));
}

#[tokio::test]
async fn what_cannot_be_an_event_is_refused_with_place_cause_and_remedy_and_the_rest_goes_on() {
    let m = Mirrored::new().await;
    m.put("inbox/broken.json", "{ \"node\": \"piha\", \"kind\": ");
    m.put("inbox/nameless.json", "{\"kind\": \"x\"}");
    m.put(
        "inbox/mixed.jsonl",
        "{\"node\":\"piha\",\"kind\":\"good_one\"}\n{oops}\n",
    );
    m.put("inbox/empty.jsonl", "\n\n");
    let outside = m.scene.data.path().join("outside.json");
    fs::write(
        &outside,
        json!({"node": "piha", "kind": "smuggled"}).to_string(),
    )
    .unwrap();
    symlink(&outside, m.path("inbox/link.json")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        m.path("inbox/pipe.json"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let huge = m.path("inbox/.huge.part");
    fs::File::create(&huge).unwrap().set_len(100 << 20).unwrap();
    fs::rename(&huge, m.path("inbox/huge.json")).unwrap();
    m.put(
        "inbox/good.json",
        &json!({"node": "piha", "kind": "after_all_that"}).to_string(),
    );

    m.recorded("after_all_that").await;
    m.recorded("good_one").await;
    for (name, said) in [
        ("broken.json", "line 1, column 2"),
        ("nameless.json", "`node` is missing"),
        ("mixed.jsonl", "line 2, column 2"),
        ("link.json", "a link"),
        ("pipe.json", "a pipe"),
        ("huge.json", "104857600 bytes"),
    ] {
        let why = m.is_there(&format!("inbox/refused/{name}.why")).await;
        assert!(why.contains(said), "{name}: {why}");
        assert!(why.contains("\ndo:    "), "{name}: {why}");
        assert!(
            exists(&m.path(&format!("inbox/refused/{name}"))),
            "{name} is not lost"
        );
    }
    assert!(
        m.is_there("inbox/refused/mixed.jsonl.why")
            .await
            .contains("1 other events of it were recorded")
    );
    assert!(m.events("smuggled").await.is_empty());
    assert!(exists(&outside), "the link went, what it points to stayed");
}

#[tokio::test]
async fn a_restart_tells_nothing_twice_and_a_removed_checkpoint_tells_only_what_is_missing() {
    let mut m = Mirrored::new().await;
    m.scene.fall_ill().await;
    m.is_there(&format!("actions/pending/{ID}.json")).await;
    m.end().await;
    let before = m.lines().len();
    // Written while the mirror was away; and a line torn by a crash.
    m.scene
        .observe(
            "web",
            crate::scene::container(
                stead_core::facts::ContainerState::Exited,
                stead_core::facts::Health::None,
            ),
        )
        .await;
    let day = fs::read_dir(m.path("events"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let mut own = fs::OpenOptions::new()
        .append(true)
        .open(day.join("stead.jsonl"))
        .unwrap();
    own.write_all(b"{\"seq\":999,\"id\":\"to").unwrap();
    drop(own);
    for removed in [false, true] {
        if removed {
            fs::remove_file(m.path("state/observer_checkpoint.json")).unwrap();
        }
        m.start();
        let head = m.scene.get("/api/v1/events?limit=1").await["head"]
            .as_u64()
            .unwrap();
        until("every event is a line", || async {
            Some(()).filter(|()| {
                exists(&m.path("state/observer_checkpoint.json")) && text_lines(&day) == head
            })
        })
        .await;
        m.end().await;
        let numbers: Vec<u64> = m
            .lines()
            .iter()
            .map(|l| l["seq"].as_u64().unwrap())
            .collect();
        assert_eq!(
            numbers,
            (1..=head).collect::<Vec<_>>(),
            "removed: {removed}"
        );
        assert!(head as usize > before);
    }
}

fn text_lines(day: &Path) -> u64 {
    let mut lines = 0;
    for day in fs::read_dir(day.parent().unwrap()).unwrap().flatten() {
        lines += fs::read_to_string(day.path().join("stead.jsonl"))
            .unwrap_or_default()
            .lines()
            .count() as u64;
    }
    lines
}

#[tokio::test]
async fn a_checkpoint_removed_while_stead_runs_stays_removed_until_the_restart() {
    let mut m = Mirrored::new().await;
    fs::remove_file(m.path("state/observer_checkpoint.json")).unwrap();
    m.scene.fall_ill().await;
    m.is_there(&format!("actions/pending/{ID}.json")).await;
    m.end().await;
    assert!(
        !exists(&m.path("state/observer_checkpoint.json")),
        "the next start is to replay"
    );
    m.start();
    m.is_there("state/observer_checkpoint.json").await;
}

#[tokio::test]
async fn files_that_cannot_be_written_trouble_nobody_else_and_catch_up() {
    let scene = Scene::well().await;
    let dir = scene.files();
    // A file where the directory should be.
    fs::write(&dir, "in the way").unwrap();
    let stop = CancellationToken::new();
    let task = tokio::spawn(files::run(dir.clone(), scene.handle.clone(), stop.clone()));
    let trouble = until("it is said", || async {
        let overview = scene.get("/api/v1/overview").await;
        overview["troubles"]
            .as_array()
            .unwrap()
            .iter()
            .find(|t| t["code"] == "files-unwritable")
            .cloned()
    })
    .await;
    assert!(trouble["remedy"].as_str().unwrap().contains("disk"));
    scene.fall_ill().await;
    assert_eq!(
        scene.get(&format!("/api/v1/actions/{ID}")).await["state"],
        "pending",
        "the rest works on"
    );
    fs::remove_file(&dir).unwrap();
    until("it catches up", || async {
        exists(&dir.join(format!("actions/pending/{ID}.json"))).then_some(())
    })
    .await;
    until("it is over", || async {
        let overview = scene.get("/api/v1/overview").await;
        (overview["troubles"] == json!([])).then_some(())
    })
    .await;
    stop.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn a_large_fleet_has_one_file_a_node_and_only_those_of_touched_nodes_are_written() {
    let m = Mirrored::new().await;
    let mut fleet = crate::scene::fleet();
    for i in 0..150 {
        let services =
            (0..40).map(|s| (format!("s{s}").parse().unwrap(), crate::scene::service("x")));
        let node = stead_core::desired::Node {
            services: services.collect(),
            ..Default::default()
        };
        fleet
            .nodes
            .insert(format!("far-{i}").parse().unwrap(), node);
    }
    m.scene.desire(fleet).await;
    let far = m.json("world/nodes/far-149.json").await;
    assert_eq!(far["services"].as_array().unwrap().len(), 40);
    assert_eq!(far["node"]["evidence"], "unknown");
    let index = until("the lists say where to look", || async {
        Some(m.json("world/services.json").await).filter(|i| i["split_by_node"] == true)
    })
    .await;
    assert!(
        index["files"]
            .as_array()
            .unwrap()
            .contains(&json!("world/nodes/piha.json"))
    );
    let inode = |name: &str| {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(m.path(&format!("world/nodes/{name}.json")))
            .unwrap()
            .ino()
    };
    m.is_there("world/nodes/piha.json").await;
    let (far, near) = (inode("far-149"), inode("piha"));
    m.scene.fall_ill().await;
    until("piha is written", || async {
        (inode("piha") != near).then_some(())
    })
    .await;
    assert_eq!(inode("far-149"), far, "nothing happened there");
    // A node that left the fleet leaves no ghost.
    m.scene.desire(crate::scene::fleet()).await;
    m.is_gone("world/nodes/far-149.json").await;
}
