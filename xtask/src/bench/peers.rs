//! What others use to watch a machine, started by hand beside Stead: own settings, own folders, loopback only.

use super::server::{end, free_port};
use crate::process;
use anyhow::{Context, Result};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A running peer.
pub struct Peer {
    pub name: &'static str,
    /// Where it answers; 0 where it does not.
    pub port: u16,
    /// Where it writes what it knows.
    file: Option<PathBuf>,
    child: Child,
}

impl Peer {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How many numbers it tells, where that can be counted: series of an exposition, columns of a table.
    pub fn numbers(&self) -> Option<f64> {
        let at = |path| get(self.port, path, "").ok();
        match self.name {
            "node_exporter" => at("/metrics").map(|text| series(&text)),
            "Netdata" => at("/api/v1/allmetrics?format=prometheus").map(|text| series(&text)),
            "Glances" => {
                let text = fs::read_to_string(self.file.as_ref()?).ok()?;
                text.lines()
                    .next()
                    .map(|head| head.split(',').count() as f64)
            }
            _ => None,
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn start(name: &'static str, command: &mut Command, log: &Path) -> Result<Peer> {
    let out = fs::File::create(log)?;
    let child = command
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out)
        .spawn();
    Ok(Peer {
        name,
        port: 0,
        file: None,
        child: child.with_context(|| name.to_owned())?,
    })
}

/// node_exporter, and who asks it each second.
pub fn node_exporter(dir: &Path) -> Result<(Peer, Scraper)> {
    let port = free_port()?;
    let mut command = Command::new("prometheus-node-exporter");
    command
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--log.level=error");
    let log = dir.join("node_exporter.log");
    let mut peer = start("node_exporter", &mut command, &log)?;
    peer.port = port;
    answers(port, "node_exporter")?;
    Ok((peer, Scraper::each_second(port)))
}

/// Monit with a cycle of one second and two checks: the machine and its disk.
pub fn monit(dir: &Path) -> Result<Peer> {
    let home = dir.join("monit");
    fs::create_dir_all(&home)?;
    let at = home.display();
    let control = format!(
        "set daemon 1\nset log {at}/log\nset pidfile {at}/pid\nset idfile {at}/id\nset statefile {at}/state\n\
         check system bench\n  if loadavg (1min) > 1000 then alert\n  if memory usage > 99% then alert\n\
         check filesystem root with path /\n  if space usage > 99% then alert\n"
    );
    let file = home.join("monitrc");
    fs::write(&file, control)?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o700))?;
    start(
        "Monit",
        Command::new("monit").args(["-I", "-c"]).arg(&file),
        &dir.join("monit.log"),
    )
}

/// Netdata as Debian ships it, each second, with its collectors.
pub fn netdata(dir: &Path) -> Result<Peer> {
    let home = dir.join("netdata");
    for folder in ["cache", "lib", "log"] {
        fs::create_dir_all(home.join(folder))?;
    }
    let port = free_port()?;
    let at = home.display();
    let settings = format!(
        "[global]\n  run as user = root\n  hostname = bench\n\
         [directories]\n  cache = {at}/cache\n  lib = {at}/lib\n  log = {at}/log\n\
         [logs]\n  debug = none\n  error = {at}/log/error\n  access = none\n\
         [db]\n  update every = 1\n\
         [web]\n  bind to = 127.0.0.1\n  default port = {port}\n"
    );
    let file = home.join("netdata.conf");
    fs::write(&file, settings)?;
    let mut command = Command::new("netdata");
    command
        .arg("-D")
        .arg("-c")
        .arg(&file)
        .arg("-P")
        .arg(home.join("pid"));
    let mut peer = start("Netdata", &mut command, &dir.join("netdata.log"))?;
    peer.port = port;
    answers(port, "netdata")?;
    Ok(peer)
}

/// Glances without a screen, each second; what it knows goes into a table, as it does for a database.
pub fn glances(dir: &Path) -> Result<Peer> {
    let file = dir.join("glances.csv");
    let mut command = Command::new("glances");
    command
        .args([
            "--quiet",
            "--time",
            "1",
            "--export",
            "csv",
            "--export-csv-file",
        ])
        .arg(&file)
        .args(["--disable-check-update", "--config", "/dev/null"]);
    let mut peer = start("Glances", &mut command, &dir.join("glances.log"))?;
    peer.file = Some(file.clone());
    process::until(Duration::from_secs(30), "glances exports nothing", || {
        fs::metadata(&file).is_ok_and(|file| file.len() > 0)
    })?;
    Ok(peer)
}

/// Prometheus with a target `/metrics/NAME` at `port` of this machine for each name, each second.
pub fn prometheus(dir: &Path, scraped: u16, names: &[String]) -> Result<Peer> {
    let home = dir.join("prometheus");
    fs::create_dir_all(&home)?;
    let mut settings =
        String::from("global: { scrape_interval: 1s, scrape_timeout: 1s }\nscrape_configs:\n");
    for name in names {
        settings.push_str(&format!(
            "- {{ job_name: {name}, metrics_path: /metrics/{name}, static_configs: [ {{ targets: [ 'localhost:{scraped}' ] }} ] }}\n"
        ));
    }
    let file = home.join("prometheus.yml");
    fs::write(&file, settings)?;
    let port = free_port()?;
    let mut command = Command::new("prometheus");
    command
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.tsdb.path={}/data", home.display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"));
    let mut peer = start("Prometheus", &mut command, &dir.join("prometheus.log"))?;
    peer.port = port;
    answers(port, "prometheus")?;
    Ok(peer)
}

fn answers(port: u16, name: &str) -> Result<()> {
    process::until(
        Duration::from_secs(30),
        &format!("{name} does not answer"),
        || TcpStream::connect(("127.0.0.1", port)).is_ok(),
    )
}

/// Asks for `/metrics` each second until it is dropped.
pub struct Scraper {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<u64>>,
}

impl Scraper {
    fn each_second(port: u16) -> Scraper {
        let stop = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let (mut answered, mut next) = (0, Instant::now());
            while !ended.load(Ordering::Relaxed) {
                answered += u64::from(scrape(port).is_ok());
                next += Duration::from_secs(1);
                std::thread::sleep(next.saturating_duration_since(Instant::now()));
            }
            answered
        });
        Scraper {
            stop,
            thread: Some(thread),
        }
    }

    /// Ends it; how often it got an answer.
    pub fn end(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread
            .take()
            .and_then(|thread| thread.join().ok())
            .unwrap_or(0)
    }
}

impl Drop for Scraper {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn scrape(port: u16) -> Result<()> {
    get(port, "/metrics", "").map(drop)
}

/// What is answered at `path`, with its head, to whoever shows `token`. HTTP/1.0, so that it comes in one piece.
pub fn get(port: u16, path: &str, token: &str) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let shown = match token {
        "" => String::new(),
        token => format!("Authorization: Bearer {token}\r\n"),
    };
    let head = format!(
        "GET {path} HTTP/1.0\r\nHost: localhost:{port}\r\n{shown}Connection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    let mut body = Vec::new();
    stream.read_to_end(&mut body)?;
    anyhow::ensure!(
        body.starts_with(b"HTTP/1.0 200") || body.starts_with(b"HTTP/1.1 200"),
        "no {path}"
    );
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// The sum over the labels of a metric.
pub fn metric(text: &str, name: &str) -> Result<f64> {
    let lines = text.lines().filter_map(|line| line.strip_prefix(name));
    let values: Vec<f64> = lines
        .filter(|rest| rest.starts_with([' ', '{']))
        .filter_map(|rest| rest.split_whitespace().last()?.parse().ok())
        .collect();
    anyhow::ensure!(!values.is_empty(), "no metric {name}");
    Ok(values.iter().sum())
}

/// How many series stand in an exposition.
fn series(text: &str) -> f64 {
    let body = text.split_once("\r\n\r\n").map_or(text, |(_, body)| body);
    let lines = body
        .lines()
        .filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()) && line.contains(' '));
    lines.count() as f64
}

#[cfg(test)]
mod tests {
    use super::{metric, series};

    const TEXT: &str = "HTTP/1.1 200 OK\r\nx: y\r\n\r\n# HELP a_total x\na_total_more 7\na_total{x=\"1\"} 2\na_total{x=\"2\"} 3\n";

    #[test]
    fn a_metric_is_found_by_its_whole_name() {
        assert!((metric(TEXT, "a_total").unwrap() - 5.0).abs() < 1e-9);
        assert!(metric(TEXT, "a").is_err());
    }

    #[test]
    fn series_are_counted_and_comments_and_heads_are_not() {
        assert!((series(TEXT) - 3.0).abs() < 1e-9);
    }
}
