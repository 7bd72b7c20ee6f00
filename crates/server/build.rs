//! Lets the crate build before the UI was: a page that says how to get it stands in for `ui/dist`.

use std::fs;
use std::io;
use std::path::Path;

const PAGE: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<title>Stead</title>
<h1>Stead runs, but this build has no web UI inside</h1>
<p>Build it with <code>make build</code>. The API and the command line work without it:
<a href=\"/api/docs\">API</a>, <code>stead status</code>.</p>
</html>
";

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=../../ui/dist");
    println!("cargo:rerun-if-changed=../../docs/errors");
    println!("cargo:rerun-if-changed=build.rs");
    let dist = Path::new("../../ui/dist");
    if !dist.join("index.html").exists() {
        fs::create_dir_all(dist)?;
        fs::write(dist.join("index.html"), PAGE)?;
    }
    fs::create_dir_all("../../docs/errors")
}
