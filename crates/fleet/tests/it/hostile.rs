//! Input that means harm or no sense: nothing panics, nothing takes long, no half fleet comes out.

use proptest::prelude::*;
use stead_fleet::{Options, Tree, load, render};

const PATHS: [&str; 6] = [
    "stead.yaml",
    "hosts/a/node.yaml",
    "hosts/a/services.yaml",
    "hosts/a/jobs.yaml",
    "runbooks/r.yaml",
    "hosts/a-b/services.yaml",
];

/// Words that bring a generator deep into the grammar.
const WORDS: [&str; 52] = [
    "services",
    "kind",
    "container",
    "compose",
    "systemd",
    "checks",
    "http",
    "url",
    "every",
    "10s",
    "needs",
    "policy",
    "rules",
    "match",
    "action",
    "automatic",
    "between",
    "22:00-07:00",
    "aliases",
    "jobs",
    "run",
    "schedule",
    "steps",
    "thresholds",
    "disk",
    "warn",
    "70%",
    "path",
    "/srv/a",
    "unit",
    "image",
    "ports",
    "environment",
    "mem_limit",
    "64m",
    "file:///etc/passwd",
    "-rf",
    "../..",
    "x",
    "true",
    "null",
    "~",
    "&a",
    "*a",
    "<<",
    "!!binary",
    "|",
    ">",
    "1e999",
    "0x7f",
    "é",
    "log",
];

fn yamlish() -> impl Strategy<Value = String> {
    let word = prop::sample::select(WORDS.to_vec());
    let token = prop_oneof![
        6 => word.prop_map(str::to_owned),
        2 => prop::sample::select(vec![": ", ":\n  ", ":\n    ", "\n", "\n  ", "\n    - ", "- ", "{", "}", "[", "]", ", ", "\"", "'", "#", "---\n"])
            .prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(token, 0..60).prop_map(|t| t.concat())
}

fn whole(path: usize, bytes: Vec<u8>) -> Result<(), TestCaseError> {
    let tree = Tree::from_files([
        ("stead.yaml".to_owned(), b"fleet: x\n".to_vec()),
        (PATHS[path].to_owned(), bytes),
    ]);
    let loaded = load(&tree, &Options::default());
    prop_assert_eq!(
        loaded.fleet.is_none(),
        loaded.problems.iter().any(|p| p.is_error())
    );
    for problem in &loaded.problems {
        prop_assert!(
            !problem.message.is_empty() && !problem.help.is_empty(),
            "{:?}",
            problem
        );
    }
    let _ = render(&loaded.problems, &tree, false);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_survived(path in 0..PATHS.len(), bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        whole(path, bytes)?;
    }

    #[test]
    fn anything_like_yaml_is_survived(path in 0..PATHS.len(), text in yamlish()) {
        whole(path, text.into_bytes())?;
    }

    #[test]
    fn any_alias_map_is_survived(text in "\\PC{0,80}") {
        let tree = Tree::from_files([("stead.yaml", "fleet: x\n")]);
        let loaded = load(&tree, &Options { node_alias_map: Some(text) });
        prop_assert_eq!(loaded.fleet.is_none(), loaded.problems.iter().any(|p| p.is_error()));
    }
}

#[test]
fn an_alias_bomb_in_a_file_is_refused_quickly() {
    let mut text = String::from("x-0: &a0 [y, y, y, y, y, y, y, y]\n");
    for n in 1..20 {
        text.push_str(&format!(
            "x-{n}: &a{n} [{}]\n",
            vec![format!("*a{}", n - 1); 8].join(", ")
        ));
    }
    text.push_str("services: {}\n");
    let started = tokio::time::Instant::now();
    let tree = Tree::from_files([
        ("stead.yaml", "fleet: x\n".to_owned()),
        ("hosts/a/services.yaml", text),
    ]);
    let loaded = load(&tree, &Options::default());
    assert!(loaded.fleet.is_none());
    assert_eq!(loaded.problems[0].code.as_str(), "yaml-limits");
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}

#[test]
fn a_megabyte_of_mistakes_ends_in_a_bounded_list() {
    let mut text = String::from("services:\n");
    for n in 0..40_000 {
        text.push_str(&format!("  s{n}: {{kid: x}}\n"));
    }
    let tree = Tree::from_files([
        ("stead.yaml", "fleet: x\n".to_owned()),
        ("hosts/a/services.yaml", text),
    ]);
    let loaded = load(&tree, &Options::default());
    assert!(loaded.fleet.is_none());
    assert!(loaded.problems.len() <= stead_fleet::problem::MAX_PROBLEMS + 1);
    assert!(
        loaded
            .problems
            .iter()
            .any(|p| p.code.as_str() == "too-many-problems")
    );
}

/// S14.
#[test]
fn links_pipes_and_giants_are_named_and_never_followed() {
    let root = tempfile::tempdir().expect("tempdir");
    let at = |p: &str| root.path().join(p);
    std::fs::create_dir_all(at("hosts/real")).expect("mkdir");
    std::fs::create_dir_all(at("elsewhere")).expect("mkdir");
    std::fs::write(at("elsewhere/services.yaml"), "services: {}\n").expect("write");
    std::fs::write(at("stead.yaml"), "fleet: x\n").expect("write");
    std::fs::write(at("hosts/real/jobs.yaml"), vec![b'#'; 1024 * 1024 + 1]).expect("write");
    std::os::unix::fs::symlink("/etc/passwd", at("hosts/real/services.yaml")).expect("link");
    std::os::unix::fs::symlink("../elsewhere", at("hosts/linked")).expect("link");
    std::os::unix::fs::symlink("elsewhere", at("runbooks")).expect("link");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        at("hosts/real/node.yaml"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .expect("fifo");
    let loaded = load(&Tree::from_dir(root.path()), &Options::default());
    let found: Vec<(&str, &str)> = loaded
        .problems
        .iter()
        .map(|p| (p.file.as_str(), p.code.as_str()))
        .collect();
    for wanted in [
        ("hosts/real/services.yaml", "symlink"),
        ("hosts/linked", "symlink"),
        ("runbooks", "symlink"),
        ("hosts/real/node.yaml", "not-a-file"),
        ("hosts/real/jobs.yaml", "file-too-large"),
    ] {
        assert!(found.contains(&wanted), "{wanted:?} in {found:?}");
    }
    assert!(loaded.fleet.is_none());
    assert!(loaded.files.iter().all(|f| f.path == "stead.yaml"));
}

#[test]
fn an_empty_directory_and_a_missing_one_are_no_fleet() {
    let root = tempfile::tempdir().expect("tempdir");
    let empty = load(&Tree::from_dir(root.path()), &Options::default());
    assert!(empty.fleet.is_none());
    assert_eq!(empty.problems[0].code.as_str(), "no-stead-yaml");
    assert!(empty.problems[0].help.contains("stead init"));
    let missing = load(
        &Tree::from_dir(&root.path().join("nowhere")),
        &Options::default(),
    );
    assert!(missing.fleet.is_none());
    assert_eq!(missing.problems[0].code.as_str(), "unreadable");
    assert!(missing.problems[0].help.contains("stead init"));
}
