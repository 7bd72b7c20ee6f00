//! What goes wrong with processes, clocks, disks and wires, and that it ends.

use std::sync::atomic::{AtomicU64, Ordering};

use stead_core::ids::NodeName;
use stead_ports::clock::TRUE_RATE;
use stead_ports::disk::memory::Fault as DiskFault;
use stead_ports::log::memory::{Boundary, Fault as LogFault};

use super::{AGAIN, Job, Running};
use crate::agent::Delays;
use crate::plan::moves::{Fault, FleetEdit, What, Who};

impl Running {
    pub(super) fn fault(&mut self, fault: Fault) {
        self.truth.tell(|| format!("fault: {fault:?}"));
        match fault {
            Fault::Killed { who, down } => self.end(&who, down, false),
            Fault::PowerCut { who, down } => self.end(&who, down, true),
            Fault::Paused { who, length } => self.pause(who, length),
            Fault::TakenOver { length } => self.take_over(length),
            Fault::Cut { node, late } => self.net.cut(&node, late),
            Fault::Partition { node, length } => {
                self.net.part(&node, true);
                self.plan_in(length, Job::Join(node));
            }
            Fault::ClockJump { who, by } => self.clock_of(&who).step_wall(by),
            Fault::ClockFast { who, length } => {
                self.clock_of(&who).set_rate(2 * TRUE_RATE);
                self.plan_in(length, Job::ClockTrue(who));
            }
            Fault::LogBroken => self.ground.shelf.faults.arm(LogFault::SyncError),
            Fault::LogTorn { bytes } => {
                let boundary = match bytes % 4 {
                    0 => Boundary::BeforeWrite,
                    1 => Boundary::BeforeSync,
                    2 => Boundary::BeforeAcknowledge,
                    _ => Boundary::TornWrite(bytes as usize),
                };
                self.ground.shelf.faults.arm(LogFault::Crash(boundary));
            }
            Fault::LogFull { length } => {
                self.ground.shelf.faults.set_full(true);
                self.plan_in(length, Job::LogRoom);
            }
            Fault::LogSlow { length, by } => {
                self.ground.shelf.slower.store(by, Ordering::Relaxed);
                self.plan_in(length, Job::LogQuick);
            }
            Fault::AgentDiskFull { node, length } => {
                self.sites[&node].disk.set_room(Some(64));
                self.full.insert(node.clone());
                self.plan_in(length, Job::DiskRoom(node));
            }
            Fault::AgentDiskBroken { node, down } => {
                self.sites[&node].disk.arm(DiskFault::SyncError);
                self.plan_in(
                    down + AGAIN,
                    Job::Happens(What::Fault(Fault::Killed {
                        who: Who::Agent(node),
                        down: 0,
                    })),
                );
            }
            Fault::AgentDiskSlow { node, length, by } => {
                self.delay(&node, |delays| &delays.sync, by);
                self.plan_in(length, Job::DiskQuick(node));
            }
            Fault::OrdersLate { node, length, by } => {
                self.delay(&node, |delays| &delays.orders, by);
                self.plan_in(length, Job::OrdersPass(node));
            }
        }
    }

    pub(super) fn delay(&self, node: &NodeName, of: fn(&Delays) -> &AtomicU64, by: u64) {
        of(&self.sites[node].delays).store(by, Ordering::Relaxed);
    }

    pub(super) fn end(&mut self, who: &Who, down: u64, power: bool) {
        match who {
            Who::Server => {
                self.end_server();
                if power {
                    if let Some(slept) = self.asleep.take() {
                        slept.life.kill();
                    }
                    let keep = self.chance.below(200) as usize;
                    self.ground.shelf.disk.cut_power(keep);
                }
                self.falls_back();
                self.plan_in(down, Job::StartServer);
            }
            Who::Agent(node) => {
                if self.agents.contains_key(node) {
                    self.end_agent(node, power);
                    self.plan_in(down, Job::StartAgent(node.clone()));
                }
            }
        }
    }

    pub(super) fn pause(&mut self, who: Who, length: u64) {
        let Some(life) = self.life_of(&who) else {
            return;
        };
        if life.is_paused() {
            return;
        }
        life.pause(true);
        match &who {
            Who::Server => self.net.stall_all(true),
            Who::Agent(node) => self.net.part(node, true),
        }
        self.plan_in(length, Job::Resume(who));
    }

    /// The server is stopped by a signal, and another one on the same store takes the lead; then the first goes on.
    pub(super) fn take_over(&mut self, length: u64) {
        if self.asleep.is_some() {
            return;
        }
        let Some(server) = self.server.take() else {
            return;
        };
        server.life.pause(true);
        self.net.stall_all(true);
        self.net.listen(None);
        self.asleep = Some(server);
        self.start_server();
        self.plan_in(length, Job::Resume(Who::Server));
    }

    /// Every fault is over, and everybody is there.
    pub(super) fn heal(&mut self) {
        self.truth.tell(|| "every fault is over".to_string());
        for node in self.net.nodes_parted() {
            self.net.part(&node, false);
        }
        self.ground.shelf.faults.set_full(false);
        self.ground.shelf.slower.store(0, Ordering::Relaxed);
        let nodes: Vec<NodeName> = self.sites.keys().cloned().collect();
        for node in nodes {
            self.sites[&node].disk.set_room(None);
            self.sites[&node].disk.disarm();
            self.delay(&node, |delays| &delays.sync, 0);
            self.delay(&node, |delays| &delays.orders, 0);
            self.start_agent(&node);
        }
        self.full.clear();
        self.edit(&FleetEdit::Restored);
    }
}
