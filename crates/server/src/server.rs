//! The server as a whole: listens, serves, mirrors to files, and ends when told.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use stead_engine::Handle;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::{self, Tokens};
use crate::agents::Agents;
use crate::http::{self, App, FleetProblems, Hosts, Parts, Problem};
use crate::{files, insight, listen};

/// How the server runs.
#[derive(Debug, Clone)]
pub struct Options {
    pub listen: SocketAddr,
    /// Tokens and sessions live here.
    pub data: PathBuf,
    /// The mirror of row L14; absent: none is kept now, and whoever serves the same data later makes it up.
    pub files: Option<PathBuf>,
    /// Host names it answers to beside addresses of this machine.
    pub allow_hosts: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Access(#[from] access::Error),
    #[error("{address} cannot be listened on: {source}")]
    Listen {
        address: SocketAddr,
        source: std::io::Error,
    },
}

impl Error {
    pub fn code(&self) -> &'static str {
        match self {
            Error::Access(error) => error.code(),
            Error::Listen { .. } => "cannot-listen",
        }
    }
    pub fn remedy(&self) -> &'static str {
        match self {
            Error::Access(error) => error.remedy(),
            Error::Listen { .. } => {
                "another program may have the port: choose one with --listen ADDRESS:PORT"
            }
        }
    }
}

/// The running server.
pub struct Server {
    app: App,
    address: SocketAddr,
    tasks: TaskTracker,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Makes or reads the tokens, takes the address, and serves until `stop`, which ends live feeds too.
    pub async fn start(
        options: Options,
        handle: Handle,
        agents: Arc<Agents>,
        problems: FleetProblems,
        stop: CancellationToken,
    ) -> Result<Server, Error> {
        let tokens = Tokens::open(&options.data)?;
        let failed = |source| Error::Listen {
            address: options.listen,
            source,
        };
        let listener = TcpListener::bind(options.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let hosts = Hosts {
            loopback_only: address.ip().is_loopback(),
            allowed: options.allow_hosts,
        };
        let door = agents.router();
        let history = agents.history().clone();
        let recording = history
            .clone()
            .record(options.data.clone(), handle.clone(), stop.clone());
        let parts = Parts {
            handle: handle.clone(),
            agents,
            tokens,
            data: options.data,
            hosts,
            problems,
            history,
            stop: stop.clone(),
        };
        let app = App::new(parts);
        let router = http::router(app.clone(), door);
        let tasks = TaskTracker::new();
        tasks.spawn(listen::serve(
            listener,
            router,
            listen::CONNECTIONS,
            stop.clone(),
        ));
        tasks.spawn(recording);
        tasks.spawn(insight::writes::run(app.clone(), stop.clone()));
        if let Some(files) = options.files {
            tasks.spawn(files::run(files, handle, stop));
        }
        tasks.close();
        Ok(Server {
            app,
            address,
            tasks,
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where a browser on this machine finds it.
    pub fn url(&self) -> String {
        let host = match self.address.ip() {
            ip if ip.is_unspecified() => "127.0.0.1".to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
            ip => ip.to_string(),
        };
        format!("http://{host}:{}", self.address.port())
    }

    /// A one-time login link. Works once, for 15 minutes.
    pub fn login_link(&self) -> Result<String, Problem> {
        Ok(format!(
            "{}{}",
            self.url(),
            http::mint_link(&self.app)?.path
        ))
    }

    /// Waits until everything has ended after `stop`: answers under way, files still to be written.
    pub async fn stopped(&self) {
        self.tasks.wait().await;
    }
}
