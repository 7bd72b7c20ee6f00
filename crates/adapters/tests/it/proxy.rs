//! Stands between adapter and engine, and misbehaves on command.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use stead_adapters::docker::{Address, Docker, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::engine::{Engine, until};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Pass,
    /// Connections are ended, new ones as well.
    Cut,
    /// Nothing is answered any more, on old and new connections.
    Hang,
    /// Requests whose head contains this are passed on, their answers are not.
    Mute(&'static str),
}

pub struct Proxy {
    mode: watch::Sender<Mode>,
    /// Raised to end the connections there are, and only those.
    drops: watch::Sender<u32>,
    live: Arc<AtomicUsize>,
    pub socket: PathBuf,
    task: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    pub fn of(engine: &Engine) -> Proxy {
        Proxy::to(&engine.socket())
    }

    pub fn to(target: &str) -> Proxy {
        let target = target.to_owned();
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("engine.sock");
        let listener = UnixListener::bind(&socket).expect("a socket");
        let (mode, drops) = (watch::Sender::new(Mode::Pass), watch::Sender::new(0));
        let live = Arc::new(AtomicUsize::new(0));
        let (modes, ends, count) = (mode.clone(), drops.clone(), live.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (target, mode, count) = (target.clone(), modes.subscribe(), count.clone());
                let mut end = ends.subscribe();
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    tokio::select! {
                        () = carry(stream, target, mode) => {}
                        _ = end.changed() => {}
                    }
                    count.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Proxy {
            mode,
            drops,
            live,
            socket,
            task,
            _folder: folder,
        }
    }

    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Ends the connections there are; new ones pass.
    pub fn drop_all(&self) {
        self.drops.send_modify(|n| *n += 1);
    }

    /// Ends all connections and refuses new ones, until another mode is set.
    pub async fn cut(&self) {
        self.set(Mode::Cut);
        let none = || (self.live.load(Ordering::SeqCst) == 0).then_some(());
        until("all connections end", Duration::from_secs(5), none).await;
    }

    pub fn handle(&self) -> Docker {
        Docker::new(Options::at(Address::Unix(self.socket.clone())))
    }
}

async fn carry(mut near: UnixStream, target: String, mut mode: watch::Receiver<Mode>) {
    let Ok(mut far) = UnixStream::connect(target).await else {
        return;
    };
    let (mut up, mut down) = ([0u8; 16384], [0u8; 16384]);
    let mut muted = false;
    loop {
        let now = *mode.borrow_and_update();
        match now {
            Mode::Cut => return,
            Mode::Hang => {
                if mode.changed().await.is_err() {
                    return;
                }
                continue;
            }
            Mode::Pass | Mode::Mute(_) => {}
        }
        tokio::select! {
            _ = mode.changed() => {}
            read = near.read(&mut up) => match read {
                Ok(n) if n > 0 => {
                    if let Mode::Mute(word) = now {
                        muted |= String::from_utf8_lossy(&up[..n]).contains(word);
                    }
                    if far.write_all(&up[..n]).await.is_err() {
                        return;
                    }
                }
                _ => return,
            },
            read = far.read(&mut down) => match read {
                Ok(n) if n > 0 => {
                    if !muted && near.write_all(&down[..n]).await.is_err() {
                        return;
                    }
                }
                _ => return,
            },
        }
    }
}
