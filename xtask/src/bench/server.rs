//! A Stead to measure: a fleet directory, a server, and an agent of its own process, all on loopback.

use super::containers;
use crate::process;
use anyhow::{Context, Result};
use serde_json::Value;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub const NODE: &str = "bench";

/// Ended when it is dropped, each process by its own number.
pub struct Stead {
    binary: PathBuf,
    dir: PathBuf,
    url: String,
    server: Option<Child>,
    agent: Option<Child>,
}

/// A port nobody listens on now.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl Stead {
    pub fn start(binary: &Path, dir: &Path, stead_yaml: &str, services: &str) -> Result<Stead> {
        let hosts = [(NODE.to_owned(), services.to_owned())];
        let mut stead = Stead::serve(binary, dir, stead_yaml, &hosts)?;
        stead.start_agent()?;
        Ok(stead)
    }

    /// A server alone, of a fleet with these nodes and their services.
    pub fn serve(
        binary: &Path,
        dir: &Path,
        stead_yaml: &str,
        hosts: &[(String, String)],
    ) -> Result<Stead> {
        let fleet = dir.join("fleet");
        for (node, services) in hosts {
            let host = fleet.join("hosts").join(node);
            fs::create_dir_all(&host)?;
            fs::write(host.join("node.yaml"), "access: operator\n")?;
            fs::write(host.join("services.yaml"), services)?;
        }
        fs::write(fleet.join("stead.yaml"), stead_yaml)?;
        process::quiet(Command::new(binary).arg("check").arg(&fleet))?;
        let mut stead = Stead {
            binary: binary.to_owned(),
            dir: dir.to_owned(),
            url: format!("http://127.0.0.1:{}", free_port()?),
            server: None,
            agent: None,
        };
        stead.start_server()?;
        stead.answers()?;
        Ok(stead)
    }

    /// Begins the server, which must not run; on the same data and the same port each time.
    pub fn start_server(&mut self) -> Result<()> {
        let listen = self.listens().to_owned();
        let child = command(&self.binary, &self.dir.join("server.log"))?
            .args(["server", "--listen", &listen])
            .arg("--fleet")
            .arg(self.dir.join("fleet"))
            .arg("--data")
            .arg(self.data())
            .spawn()
            .context("stead server")?;
        self.server = Some(child);
        Ok(())
    }

    /// Begins the agent, which must not run.
    pub fn start_agent(&mut self) -> Result<()> {
        let token = self.agent_token()?;
        let child = command(&self.binary, &self.dir.join("agent.log"))?
            .args(["agent", "--node", NODE, "--server", &self.url])
            .arg("--data")
            .arg(self.dir.join("agent"))
            .env("STEAD_TOKEN", token)
            .env("DOCKER_HOST", containers::address())
            .spawn()
            .context("stead agent")?;
        self.agent = Some(child);
        Ok(())
    }

    /// SIGKILL, now.
    pub fn kill_server(&mut self) -> Result<()> {
        kill(&mut self.server)
    }

    pub fn kill_agent(&mut self) -> Result<()> {
        kill(&mut self.agent)
    }

    /// Asks both to end and waits until they have.
    pub fn end(&mut self) {
        for child in self.agent.iter_mut().chain(&mut self.server) {
            end(child);
        }
    }

    /// Where the server keeps its things.
    pub fn data(&self) -> PathBuf {
        self.dir.join("server")
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it listens: address and port.
    pub fn listens(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    pub fn port(&self) -> Result<u16> {
        let (_, port) = self.listens().rsplit_once(':').context("no port")?;
        Ok(port.parse()?)
    }

    /// What an agent shows to get in.
    pub fn agent_token(&self) -> Result<String> {
        let token = fs::read_to_string(self.data().join("agent.token")).context("agent.token")?;
        Ok(token.trim().to_owned())
    }

    /// Signs a browser in, once.
    pub fn login_link(&self) -> Result<String> {
        let said = self.ask(&["login"])?;
        let path = said["path"].as_str().context("no login link")?;
        Ok(format!("{}{path}", self.url))
    }

    /// What an administrator shows.
    pub fn admin_token(&self) -> Result<String> {
        let token =
            fs::read_to_string(self.dir.join("server/admin.token")).context("admin.token")?;
        Ok(token.trim().to_owned())
    }

    /// Waits until the server answers.
    pub fn answers(&self) -> Result<()> {
        process::until(
            Duration::from_secs(30),
            "the server does not answer",
            || self.dir.join("server/agent.token").exists() && self.ask(&["status"]).is_ok(),
        )
    }

    /// `stead … --json`, as an administrator.
    pub fn ask(&self, args: &[&str]) -> Result<Value> {
        let said = process::quiet(
            Command::new(&self.binary)
                .args(args)
                .arg("--json")
                .env("STEAD_URL", &self.url)
                .env("STEAD_TOKEN", self.admin_token()?),
        )?;
        serde_json::from_str(&said).with_context(|| format!("not JSON: {said}"))
    }

    /// Waits until so many services are healthy.
    pub fn healthy(&self, count: u64) -> Result<()> {
        process::until(
            Duration::from_secs(60),
            "the services do not become healthy",
            || {
                self.ask(&["status"])
                    .is_ok_and(|status| status["services"]["healthy"].as_u64() == Some(count))
            },
        )
    }

    pub fn agent(&self) -> u32 {
        self.agent.as_ref().map_or(0, Child::id)
    }

    pub fn server(&self) -> u32 {
        self.server.as_ref().map_or(0, Child::id)
    }
}

impl Drop for Stead {
    fn drop(&mut self) {
        self.end();
    }
}

fn kill(child: &mut Option<Child>) -> Result<()> {
    if let Some(mut child) = child.take() {
        child.kill()?;
        child.wait()?;
    }
    Ok(())
}

/// Asks a process of ours to end, and makes it end when it does not.
pub fn end(child: &mut Child) {
    let pid = i32::try_from(child.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
    for _ in 0..500 {
        if matches!(child.try_wait(), Ok(Some(_)) | Err(_)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
}

fn command(binary: &Path, log: &Path) -> Result<Command> {
    let out = fs::File::options().create(true).append(true).open(log)?;
    let mut command = Command::new(binary);
    command
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("STEAD_")) {
        command.env_remove(name);
    }
    Ok(command)
}
