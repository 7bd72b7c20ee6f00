//! What compose itself reads from a file after the patch. Needs the lab's compose; it starts nothing.

use std::process::Command;

use stead_fleet::compose_patch::{Memory, Style, memory_patch};

/// The file as compose understands it, or nothing outside the lab.
fn understood(text: &str) -> Option<String> {
    if std::env::var_os("STEAD_LAB").is_none() {
        eprintln!("needs the lab: run `cargo xtask test`");
        return None;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("compose.yaml");
    std::fs::write(&file, text).expect("written");
    let out = Command::new("docker-compose")
        .arg("-f")
        .arg(&file)
        .arg("config")
        .output()
        .expect("the lab has docker-compose");
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "compose refuses: {said}\n{text}");
    Some(String::from_utf8_lossy(&out.stdout).into_owned())
}

fn patched(text: &str, style: Style) -> String {
    let memory = Memory {
        service: "web",
        limit: 512 << 20,
        reservation: Some(256 << 20),
    };
    let patch = memory_patch("compose.yaml", text, &memory).expect("certain");
    assert_eq!(patch.style, style);
    patch.text
}

#[test]
fn compose_reads_the_new_limits_in_either_style() {
    let short = "version: '2.4'\nservices:\n  web:\n    image: x  # the shop\n  db:\n    image: z\n    mem_limit: 64m\n";
    let Some(config) = understood(&patched(short, Style::MemLimit)) else {
        return;
    };
    let web = config.split("  web:").nth(1).expect("the service");
    assert!(
        web.contains("mem_limit: 512m") && web.contains("mem_reservation: 256m"),
        "{config}"
    );
    assert!(config.contains("mem_limit: 64m"), "{config}");

    let deploy = "version: '3.8'\nservices:\n  web:\n    image: x\n    deploy:\n      resources:\n        limits: \n          memory: 64M\n";
    let config = understood(&patched(deploy, Style::Deploy)).expect("the lab");
    let limits = config.split("limits:").nth(1).expect("limits");
    assert!(limits.trim_start().starts_with("memory: 512m"), "{config}");
    let reservations = config.split("reservations:").nth(1).expect("reservations");
    assert!(
        reservations.trim_start().starts_with("memory: 256m"),
        "{config}"
    );
}
