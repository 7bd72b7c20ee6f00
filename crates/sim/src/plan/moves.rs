//! What can happen to a fleet: troubles of its machines, faults of everything between, and people.

use stead_core::action::ActionKind;
use stead_core::ids::{ContainerName, NodeName, ServiceName, UnitName};
use stead_core::lock::LockKind;
use stead_core::subject::Subject;

/// Something that happens. Lengths are in milliseconds.
#[derive(Debug, Clone)]
pub enum What {
    Trouble { node: NodeName, trouble: Trouble },
    Fault(Fault),
    Deed(Deed),
}

/// What befalls a machine and what runs on it.
#[derive(Debug, Clone)]
pub enum Trouble {
    /// Its health check fails until it was restarted this often.
    Ill {
        container: ContainerName,
        restarts: u32,
    },
    /// It ends by itself with this code.
    Exits {
        container: ContainerName,
        code: i64,
    },
    /// Ill and well in turn, each second, for so long.
    Flaps {
        container: ContainerName,
        length: u64,
    },
    /// Somebody removes it.
    Removed {
        container: ContainerName,
    },
    /// Somebody stops it.
    StoppedByPerson {
        container: ContainerName,
    },
    StartedByPerson {
        container: ContainerName,
    },
    /// It was created anew by somebody: another immutable ID.
    Recreated {
        container: ContainerName,
    },
    UnitFails {
        unit: UnitName,
        restarts: u32,
    },
    UnitStops {
        unit: UnitName,
    },
    /// A check of the service is not answered for so long.
    Deaf {
        service: ServiceName,
        length: u64,
    },
    /// The disk is this full, in percent.
    Disk {
        percent: u8,
    },
    EngineDown {
        length: u64,
    },
    /// It takes orders and never answers.
    EngineHangs {
        length: u64,
    },
    /// The machine starts anew.
    Reboots {
        clean: bool,
        away: u64,
    },
    /// The agent starts anew, and for so long it sees an empty machine.
    Blind {
        length: u64,
    },
    /// Something that happened and is no state: a process killed for want of memory.
    Noted,
}

/// Who something happens to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    Server,
    Agent(NodeName),
}

/// What goes wrong with Stead's own processes, clocks, disks and wires.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The process is gone at once; what it wrote is there. It starts again after `down`.
    Killed {
        who: Who,
        down: u64,
    },
    /// The same, and what was not synced is lost.
    PowerCut {
        who: Who,
        down: u64,
    },
    /// Stopped by a signal and continued: nothing it does moves meanwhile.
    Paused {
        who: Who,
        length: u64,
    },
    /// The server is stopped by a signal while another one on the same store takes the lead; then it goes on.
    TakenOver {
        length: u64,
    },
    /// The wire breaks. What the agent sent still arrives `late` after, at the old session; none: it is lost, and the
    /// last message is torn.
    Cut {
        node: NodeName,
        late: Option<u64>,
    },
    /// Nothing gets through in either direction, and nobody is told.
    Partition {
        node: NodeName,
        length: u64,
    },
    /// The wall clock is moved.
    ClockJump {
        who: Who,
        by: i64,
    },
    /// The wall clock runs twice as fast.
    ClockFast {
        who: Who,
        length: u64,
    },
    /// The next sync of the log fails.
    LogBroken,
    /// The server dies within an append to the log, somewhere.
    LogTorn {
        bytes: u64,
    },
    LogFull {
        length: u64,
    },
    /// Each sync of the log takes this much longer.
    LogSlow {
        length: u64,
        by: u64,
    },
    AgentDiskFull {
        node: NodeName,
        length: u64,
    },
    AgentDiskBroken {
        node: NodeName,
        down: u64,
    },
    /// Each sync of the agent's disk takes this much longer.
    AgentDiskSlow {
        node: NodeName,
        length: u64,
        by: u64,
    },
    /// Something in between keeps each order for `by` and passes it on whatever became of the wire.
    OrdersLate {
        node: NodeName,
        length: u64,
        by: u64,
    },
}

/// What people do. `pick` chooses among what there is at that moment.
#[derive(Debug, Clone)]
pub enum Deed {
    /// `blind`: without saying which plan was read; `late`: by the plan that was read so long ago.
    Approve {
        pick: u64,
        blind: bool,
        late: u64,
    },
    Reject {
        pick: u64,
    },
    Cancel {
        pick: u64,
    },
    Start {
        kind: ActionKind,
        subject: Subject,
    },
    /// Another program reports trouble, perhaps twice.
    Report {
        subject: Subject,
        kind: &'static str,
        twice: bool,
    },
    /// Keeps repairs off for so long; `heartbeat`: the holder promises signs, and gives none.
    Lock {
        target: Subject,
        lock: LockKind,
        length: u64,
        heartbeat: Option<u64>,
    },
    Unlock {
        target: Subject,
    },
    ReleaseBrake,
    Fleet(FleetEdit),
}

/// A change of the fleet's files.
#[derive(Debug, Clone)]
pub enum FleetEdit {
    /// Nothing is left in it.
    Emptied,
    /// As it was at the beginning.
    Restored,
    /// A service is not in it any more.
    Without {
        node: NodeName,
        service: ServiceName,
    },
    /// A definition is another one.
    Redefined {
        node: NodeName,
        service: ServiceName,
    },
}

impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Who::Server => f.write_str("the server"),
            Who::Agent(node) => write!(f, "the agent of {node}"),
        }
    }
}
