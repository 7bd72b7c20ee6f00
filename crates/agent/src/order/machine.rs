//! The hands that touch the machine: typed commands go through the adapters' one door, and nothing else does.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stead_adapters::act::{self, Adapters};
use stead_core::command::{Command, Order, Outcome};
use stead_core::desired::{Bundle, Node, ServiceKind};
use stead_core::time::Span;
use stead_ports::watch;
use tokio::sync::{mpsc, oneshot};

use super::hands::Hands;

/// A measurement of the node's disks takes this long at most.
const MEASURED_WITHIN: Duration = Duration::from_secs(5);

/// Asks the observer to measure now; answered once what it saw is on the board.
pub type Measure = mpsc::Sender<oneshot::Sender<()>>;

#[derive(Debug)]
pub struct Machine {
    pub adapters: Adapters,
    pub measure: Measure,
    /// Where the whole of a definition is: orders carry it without the values of its environment.
    pub bundle: watch::Receiver<Arc<Bundle>>,
}

/// The command with everything it needs; `None` where this node's files say something else by now.
fn whole(command: &Command, node: &Node) -> Option<Command> {
    let Command::ContainerRecreate {
        service,
        container,
        digest,
        replaces,
        ..
    } = command
    else {
        return Some(command.clone());
    };
    let ServiceKind::Container {
        definition: Some(definition),
        ..
    } = &node.services.get(service)?.kind
    else {
        return None;
    };
    (definition.digest() == *digest).then(|| Command::ContainerRecreate {
        service: service.clone(),
        container: container.clone(),
        definition: definition.clone(),
        digest: digest.clone(),
        replaces: replaces.clone(),
    })
}

#[async_trait]
impl Hands for Machine {
    async fn carry_out(&self, order: &Order, limit: Duration) -> Outcome {
        let whole = whole(&order.command, &self.bundle.borrow().node);
        match whole {
            Some(command) => act::run(&self.adapters, &command, limit).await,
            None => Outcome::Refused {
                code: "definition-changed".into(),
                why: "the definition that was approved is not the one in the fleet files any more"
                    .into(),
            },
        }
    }

    async fn look_again(&self, command: &Command) {
        if !matches!(command, Command::DiskCleanup { .. }) {
            // Engine and manager tell by themselves.
            return;
        }
        let (done, measured) = oneshot::channel();
        if self.measure.send(done).await.is_ok() {
            let _ = tokio::time::timeout(MEASURED_WITHIN, measured).await;
        }
    }

    async fn quiet(&self, command: &Command) -> Duration {
        match command {
            Command::ContainerRestart { container, .. }
            | Command::ContainerStop { container, .. }
            | Command::ContainerRecreate { container, .. } => self
                .adapters
                .docker
                .stop_timeout(container)
                .await
                .unwrap_or(Duration::from_secs(10)),
            _ => Duration::ZERO,
        }
    }

    fn claim(&self, command: &Command, length: Span) -> Box<dyn Send> {
        match command {
            Command::ContainerRestart { id, .. }
            | Command::ContainerStop { id, .. }
            | Command::CanaryKill { id, .. } => Box::new(self.adapters.docker.claim(id, length)),
            Command::ContainerRecreate {
                replaces: Some(id), ..
            } => Box::new(self.adapters.docker.claim(id, length)),
            _ => Box::new(()),
        }
    }
}
