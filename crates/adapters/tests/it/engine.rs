//! The lab's engine and the containers a test makes in it.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use stead_adapters::docker::{Address, Docker, Options};
use stead_core::ids::ContainerName;

static NEXT: AtomicU32 = AtomicU32::new(0);

pub struct Engine {
    pub host: String,
    pub image: String,
}

impl Engine {
    /// The lab's engine, or `None` (said aloud) where there is no lab.
    pub fn lab() -> Option<Engine> {
        if std::env::var_os("STEAD_LAB").is_none() {
            eprintln!("needs the lab: make test");
            return None;
        }
        let must = |name: &str| {
            std::env::var(name).unwrap_or_else(|_| panic!("STEAD_LAB is set, {name} is not"))
        };
        Some(Engine {
            host: must("STEAD_LAB_DOCKER"),
            image: must("STEAD_LAB_IMAGE"),
        })
    }

    pub fn socket(&self) -> String {
        self.host.trim_start_matches("unix://").to_owned()
    }

    pub fn options(&self) -> Options {
        Options::at(Address::parse(&self.host).expect("the lab's address"))
    }

    pub fn handle(&self) -> Docker {
        Docker::new(self.options())
    }

    /// The command line client.
    pub fn try_docker(&self, args: &[&str]) -> Result<String, String> {
        let output = Command::new("docker")
            .env("DOCKER_HOST", &self.host)
            .env_remove("DOCKER_CONTEXT")
            .args(args)
            .output()
            .expect("the docker client");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stderr))
        }
    }

    pub fn docker(&self, args: &[&str]) -> String {
        self.try_docker(args)
            .unwrap_or_else(|error| panic!("docker {args:?}: {error}"))
    }

    /// A name no other test uses; whatever bears it is removed at the end.
    pub fn container(&self) -> Container<'_> {
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        Container {
            engine: self,
            name: format!("it-{}-{n}", std::process::id()),
        }
    }

    pub fn run(&self, options: &[&str], command: &[&str]) -> Container<'_> {
        let container = self.container();
        container.run(options, command);
        container
    }
}

pub struct Container<'a> {
    engine: &'a Engine,
    pub name: String,
}

impl Container<'_> {
    pub fn run(&self, options: &[&str], command: &[&str]) {
        let mut args = vec!["run", "-d", "--name", &self.name];
        args.extend(options);
        args.push(&self.engine.image);
        args.extend(command);
        self.engine.docker(&args);
    }

    pub fn id(&self) -> String {
        self.inspect("{{.Id}}")
    }

    pub fn inspect(&self, format: &str) -> String {
        self.engine.docker(&["inspect", "-f", format, &self.name])
    }

    pub fn named(&self) -> ContainerName {
        ContainerName::new(&self.name).expect("a name")
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        let _ = self.engine.try_docker(&["rm", "-f", "-v", &self.name]);
        let _ = self
            .engine
            .try_docker(&["rm", "-f", "-v", &format!("{}.stead-aside", self.name)]);
    }
}

/// Waits until `test` gives a value, at most `limit`.
pub async fn until<T>(what: &str, limit: Duration, mut test: impl FnMut() -> Option<T>) -> T {
    let end = tokio::time::Instant::now() + limit;
    loop {
        if let Some(value) = test() {
            return value;
        }
        assert!(
            tokio::time::Instant::now() < end,
            "{what}: not within {limit:?}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
