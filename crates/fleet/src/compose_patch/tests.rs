use super::*;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use std::io::Write as _;
use std::process::{Command, Stdio};

const MIB: u64 = 1 << 20;

fn want(service: &str) -> Memory<'_> {
    Memory {
        service,
        limit: 512 * MIB,
        reservation: Some(224 * MIB),
    }
}

fn patch(text: &str, service: &str) -> Patch {
    memory_patch("compose.yaml", text, &want(service)).unwrap_or_else(|e| panic!("{e}\nof\n{text}"))
}

fn refused(text: &str, service: &str) -> ByHand {
    memory_patch("compose.yaml", text, &want(service)).expect_err("by hand")
}

/// What `git apply` makes of `text` with the patch.
fn applied(text: &str, diff: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("compose.yaml");
    std::fs::write(&file, text).expect("written");
    let mut git = Command::new("git")
        .args(["apply", "--whitespace=nowarn", "-"])
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .spawn()
        .expect("git");
    git.stdin
        .take()
        .expect("piped")
        .write_all(diff.as_bytes())
        .expect("taken");
    assert!(
        git.wait().expect("ended").success(),
        "git refuses\n{diff}\nof\n{text}"
    );
    std::fs::read_to_string(&file).expect("read back")
}

const SHOP: &str = "\
# The shop. Do not touch before Monday.
services:
  web:               # the front
    image: shop/web:1.4
    restart: unless-stopped
    ports:
    - \"80:80\"

    # Prices come from here.
    environment:
      PRICES: |
        a=1
        # b=2

  # The store of it all.
  db:
    image: postgres:17
volumes: {}
";

#[test]
fn two_lines_go_to_the_end_of_the_service_and_nothing_else_changes() {
    let patch = patch(SHOP, "web");
    assert_eq!(patch.style, Style::MemLimit);
    assert_eq!(
        patch.diff,
        "\
--- a/compose.yaml
+++ b/compose.yaml
@@ -11,6 +11,8 @@
       PRICES: |
         a=1
         # b=2
+    mem_limit: 512m
+    mem_reservation: 224m
 
   # The store of it all.
   db:
"
    );
    assert_eq!(applied(SHOP, &patch.diff), patch.text);
    let db = super::memory_patch(
        "compose.yaml",
        SHOP,
        &Memory {
            reservation: None,
            ..want("db")
        },
    )
    .expect("certain");
    assert!(
        db.text
            .contains("image: postgres:17\n    mem_limit: 512m\nvolumes"),
        "{}",
        db.text
    );
}

#[test]
fn a_limit_that_is_there_is_replaced_where_it_stands_with_its_quotes_and_comment() {
    let text = "services:\n  web:\n    mem_limit: '256m'   # was enough once\n    image: x\n    a: 1\n    b: 2\n    c: 3\n    d: 4\n    e: 5\n    f: 6\n    g: 7\n";
    let patch = patch(text, "web");
    assert!(patch.text.starts_with(
        "services:\n  web:\n    mem_limit: '512m'   # was enough once\n    image: x\n"
    ));
    assert!(
        patch
            .text
            .ends_with("    g: 7\n    mem_reservation: 224m\n")
    );
    assert_eq!(patch.diff.matches("@@ -").count(), 2, "{}", patch.diff);
    assert_eq!(applied(text, &patch.diff), patch.text);
    let bytes = "services:\n  web:\n    mem_limit: 268435456\n    mem_reservation: \"1m\"\n";
    assert_eq!(
        super::tests::patch(bytes, "web").text,
        "services:\n  web:\n    mem_limit: 512m\n    mem_reservation: \"224m\"\n"
    );
}

#[test]
fn the_style_of_the_service_counts_then_that_of_the_file() {
    let deploy = "\
services:
    web:
        image: x
        deploy:
            replicas: 2
            resources:
                limits:
                    cpus: '0.5'
                    memory: 256M # old
            restart_policy: {condition: any}
    api:
        image: y
";
    let web = patch(deploy, "web");
    assert_eq!(web.style, Style::Deploy);
    let expected = deploy.replace(
        "256M # old",
        "512m # old\n                reservations:\n                    memory: 224m",
    );
    assert_eq!(web.text, expected);
    assert_eq!(applied(deploy, &web.diff), web.text);
    let api = patch(deploy, "api");
    assert!(
        api.text.ends_with(
            "        image: y\n        deploy:\n            resources:\n                limits:\n                    memory: 512m\n                reservations:\n                    memory: 224m\n"
        ),
        "{}",
        api.text
    );
    assert_eq!(applied(deploy, &api.diff), api.text);
}

#[test]
fn line_ends_and_a_missing_last_one_stay() {
    let dos = "services:\r\n  web:\r\n    image: x\r\n\r\n";
    let patch_dos = patch(dos, "web");
    assert_eq!(
        patch_dos.text,
        "services:\r\n  web:\r\n    image: x\r\n    mem_limit: 512m\r\n    mem_reservation: 224m\r\n\r\n"
    );
    let open = "services:\n  \"web\":\n    image: x";
    let patch_open = patch(open, "web");
    assert_eq!(
        patch_open.text,
        "services:\n  \"web\":\n    image: x\n    mem_limit: 512m\n    mem_reservation: 224m"
    );
    assert!(patch_open.diff.contains("\\ No newline at end of file"));
    assert_eq!(applied(open, &patch_open.diff), patch_open.text);
}

#[test]
fn a_file_that_says_it_already_needs_no_patch() {
    let text = "services:\n  web:\n    mem_limit: 512m\n    mem_reservation: 224m\n";
    assert_eq!(patch(text, "web").diff, "");
}

#[test]
fn what_is_merged_from_elsewhere_is_overridden_in_the_service_alone() {
    let text = "\
x-small: &small
  mem_limit: 64m
  restart: always
services:
  web:
    <<: *small
    image: x
  db:
    <<: *small
    image: y
";
    let patch = patch(text, "web");
    assert_eq!(
        patch.text,
        text.replace(
            "image: x\n",
            "image: x\n    mem_limit: 512m\n    mem_reservation: 224m\n"
        )
    );
}

#[test]
fn where_it_is_not_certain_a_person_is_told_what_and_why() {
    let cases = [
        (
            "services:\n  web: {image: x}\n",
            "`web` on line 2 is written in one line",
        ),
        (
            "services:\n  web:\n    image: x\n    mem_limit: ${WEB_MEM:-64m}\n",
            "`mem_limit` on line 4 comes from a variable: change that where it is set",
        ),
        (
            "services:\n  db:\n    image: x\n",
            "the file has no service `web`; it has: db",
        ),
        (
            "services:\n  web:\n    image: x\n    image: y\n",
            "line 4: `image` is given twice",
        ),
        (
            "x: &x\n  image: x\nservices:\n  web: *x\n",
            "`web` on line 4 is an alias",
        ),
        (
            "services:\n  web: &web\n    image: x\n  api: *web\n",
            "the change would reach further than this service: it is shared through an anchor or merged from elsewhere",
        ),
        (
            "services:\n  web: &web\n    image: x\n  api:\n    <<: *web\n",
            "the change would reach further than this service: it is shared through an anchor or merged from elsewhere",
        ),
        (
            "services:\n  web:\n    mem_limit: 1m\n    deploy: {resources: {limits: {memory: 1m}}}\n",
            "the service has both `mem_limit` and `deploy.resources`; keep one of the two",
        ),
        (
            "services:\n  web:\n    deploy: {resources: {limits: {memory: 1m}}}\n",
            "`deploy` on line 3 is written in one line",
        ),
        (
            "services:\n  web:\n    image: x\n    memswap_limit: 300m\n",
            "`memswap_limit` on line 4 is smaller than the new limit, and the engine refuses that; raise or remove it first",
        ),
        (
            "services:\n  web:\n    mem_limit:\n      64m\n",
            "`mem_limit` on line 3 goes on over several lines or is written in an unusual way",
        ),
        (
            "services:\n  web:\n",
            "`web` on line 2 has no lines of its own to add to",
        ),
        ("services:\n  web:\n    image: [\n", "line "),
        ("", "the file has no service `web`; it has: "),
    ];
    for (text, why) in cases {
        let answer = refused(text, "web");
        assert!(answer.why.starts_with(why), "{text}\n{}", answer.why);
        assert!(
            answer.put.starts_with("services:\n  web:\n"),
            "{}",
            answer.put
        );
    }
    let put = refused(cases[0].0, "web").put;
    assert_eq!(
        put,
        "services:\n  web:\n    mem_limit: 512m\n    mem_reservation: 224m\n"
    );
    let deploy = refused(cases[8].0, "web").put;
    assert_eq!(
        deploy,
        "services:\n  web:\n    deploy:\n      resources:\n        limits:\n          memory: 512m\n        reservations:\n          memory: 224m\n"
    );
}

#[test]
fn swap_without_a_bound_is_no_obstacle_and_comments_at_the_margin_end_no_service() {
    for swap in ["-1", "0", "\"2g\""] {
        let text = format!(
            "services:\n  web:\n    memswap_limit: {swap}\n# at the margin\n    image: x\n  # of db\n  db:\n    image: y\n"
        );
        let expected = text.replace(
            "image: x\n",
            "image: x\n    mem_limit: 512m\n    mem_reservation: 224m\n",
        );
        assert_eq!(patch(&text, "web").text, expected);
    }
}

#[test]
fn changes_that_are_near_share_a_hunk_and_ranges_of_nothing_name_the_line_before() {
    let near = "services:\n  web:\n    mem_limit: 1m\n    a: 1\n    b: 2\n    c: 3\n    d: 4\n    e: 5\n    f: 6\n";
    assert_eq!(patch(near, "web").diff.matches("@@ -").count(), 1);
    assert_eq!(
        diff::unified("f", "", "a\n"),
        "--- a/f\n+++ b/f\n@@ -0,0 +1,1 @@\n+a\n"
    );
    assert_eq!(
        diff::unified("f", "a\n", ""),
        "--- a/f\n+++ b/f\n@@ -1,1 +0,0 @@\n-a\n"
    );
}

#[test]
fn an_anchor_nobody_uses_is_no_obstacle() {
    let text = "services:\n  web: &web\n    image: x\n  api:\n    image: y\n";
    assert!(
        patch(text, "web")
            .text
            .contains("image: x\n    mem_limit: 512m\n")
    );
}

/// A service with some of the things people write.
fn service() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("image: x:1\n"),
        Just("restart: always   # so\n"),
        Just("# a word\n"),
        Just("\n"),
        Just("ports: [\"80:80\", '443:443']\n"),
        Just("command:\n  - a\n  - b: c\n"),
        Just("environment:\n- A=1\n- B=#2\n"),
        Just("labels:\n    deep:   \"x # y\"\n"),
        Just("entrypoint: >-\n  run\n  # no comment\n\n  more\n"),
        Just("mem_limit: 64m\n"),
        Just("mem_reservation: '32m' # r\n"),
        Just("deploy:\n  replicas: 1\n  resources:\n    limits: {cpus: '1'}\n"),
        Just("deploy:\n  resources:\n    limits:\n      memory: 1g\n"),
        Just("memswap_limit: -1\n"),
    ];
    prop::collection::vec(piece, 1..7).prop_map(|pieces| pieces.concat())
}

fn indented(text: &str, by: usize) -> String {
    let space = " ".repeat(by);
    let line = |line: &str| {
        if line.is_empty() {
            "\n".to_owned()
        } else {
            format!("{space}{line}\n")
        }
    };
    text.lines().map(line).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn a_patch_says_what_was_wanted_and_nothing_else_or_there_is_none(a in service(), b in service(), step in 1usize..5, last: bool) {
        let mut text = format!("services:\n{}", indented(&format!("web:\n{}db:\n{}", indented(&a, step), indented(&b, step)), step));
        if last {
            text.truncate(text.trim_end().len());
        }
        let Ok(patch) = memory_patch("compose.yaml", &text, &want("web")) else {
            return Ok(());
        };
        // Every line that was there is still there, in order, but for values that were replaced.
        let mut rest = patch.text.lines();
        for line in text.lines().filter(|line| !line.contains("mem_") && !line.contains("memory:")) {
            prop_assert!(rest.any(|after| after == line), "{line:?} is gone from\n{}", patch.text);
        }
        prop_assert_eq!(memory_patch("compose.yaml", &patch.text, &want("web")).map(|p| p.diff), Ok(String::new()));
        let db = |text: &str| { let mut tree = yaml::parse("f", text).expect("valid").0; tree.sort(); format!("{:?}", Cursor::root("f", &tree).get("services").get("db").keys()) };
        prop_assert_eq!(db(&text), db(&patch.text));
    }
}

#[test]
fn git_takes_patches_of_every_shape() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut taken = 0;
    for _ in 0..40 {
        let tree = service()
            .new_tree(&mut runner)
            .expect("a service")
            .current();
        let text = format!("services:\n  web:\n{}", indented(&tree, 4));
        if let Ok(patch) = memory_patch("compose.yaml", &text, &want("web"))
            && !patch.diff.is_empty()
        {
            assert_eq!(applied(&text, &patch.diff), patch.text);
            taken += 1;
        }
    }
    assert!(taken >= 10, "only {taken} were certain");
}
