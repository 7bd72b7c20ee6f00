//! Drawing the moves of a plan: troubles first, then faults and people near them, since that is where things meet.

use stead_core::action::ActionKind;
use stead_core::desired::{Fleet, ServiceKind};
use stead_core::ids::{ContainerName, NodeName, ServiceName};
use stead_core::lock::LockKind;
use stead_core::subject::Subject;

use super::Move;
use super::moves::{Deed, Fault, FleetEdit, Trouble, What, Who};
use crate::chance::Chance;

struct Draw<'a> {
    chance: &'a mut Chance,
    fleet: &'a Fleet,
    nodes: Vec<NodeName>,
}

/// Moves for `fleet` over `length` milliseconds.
pub fn any(chance: &mut Chance, fleet: &Fleet, length: u64) -> Vec<Move> {
    let nodes: Vec<NodeName> = fleet.nodes.keys().cloned().collect();
    let mut draw = Draw {
        chance,
        fleet,
        nodes,
    };
    let troubles = draw.chance.between(2, 10);
    let faults = *draw.chance.pick(&[0, 1, 2, 3, 4, 6]);
    let deeds = draw.chance.between(0, 8);
    let mut all: Vec<(u64, What)> = Vec::new();
    for _ in 0..troubles {
        let at = draw.chance.between(5_000, length);
        let (node, trouble) = draw.trouble();
        all.push((at, What::Trouble { node, trouble }));
    }
    if draw.chance.percent(10) {
        draw.epidemic(&mut all, length);
    }
    for _ in 0..faults {
        let at = draw.near(&all, length);
        let fault = draw.fault();
        draw.beside(&mut all, at, &fault);
        all.push((at, What::Fault(fault)));
    }
    for _ in 0..deeds {
        let at = draw.near(&all, length);
        let deed = draw.deed();
        draw.meanwhile(&mut all, at, &deed);
        draw.twin(&mut all, at, &deed);
        all.push((at, What::Deed(deed)));
    }
    all.sort_by_key(|(at, _)| *at);
    let number = |(i, (at, what)): (usize, (u64, What))| Move {
        number: i as u32,
        at,
        what,
    };
    all.into_iter().enumerate().map(number).collect()
}

impl Draw<'_> {
    /// Soon after something else more often than not: that is where things meet.
    fn near(&mut self, all: &[(u64, What)], length: u64) -> u64 {
        if self.chance.percent(70) && !all.is_empty() {
            let spread = *self.chance.pick(&[50, 500, 5_000, 60_000, 200_000]);
            let (at, _) = self.chance.pick(all);
            (*at + self.chance.below(spread)).min(length)
        } else {
            self.chance.between(1_000, length)
        }
    }

    /// Most of what runs falls ill within seconds: the fault is probably not theirs.
    fn epidemic(&mut self, all: &mut Vec<(u64, What)>, length: u64) {
        let at = self.chance.between(20_000, length);
        for node in self.nodes.clone() {
            for service in self.fleet.nodes[&node].services.values() {
                let trouble = match &service.kind {
                    ServiceKind::Systemd { unit } => Trouble::UnitFails {
                        unit: unit.clone(),
                        restarts: 1,
                    },
                    ServiceKind::Container { container, .. } => Trouble::Ill {
                        container: container.clone(),
                        restarts: 1,
                    },
                    _ => continue,
                };
                if self.chance.percent(85) {
                    let at = at + self.chance.below(20_000);
                    let node = node.clone();
                    all.push((at, What::Trouble { node, trouble }));
                }
            }
        }
    }

    /// What breaks the way of a message is worth a message, and what holds up an order is worth an order.
    fn beside(&mut self, all: &mut Vec<(u64, What)>, at: u64, fault: &Fault) {
        let node = match fault {
            Fault::TakenOver { .. } => return self.order_under_way(all, at),
            Fault::AgentDiskSlow { node, .. } | Fault::OrdersLate { node, .. } => {
                let node = node.clone();
                return self.falls_ill(all, at, node);
            }
            Fault::Cut { node, .. } | Fault::Partition { node, .. } => node.clone(),
            Fault::Killed {
                who: Who::Server, ..
            }
            | Fault::PowerCut {
                who: Who::Server, ..
            }
            | Fault::LogBroken
            | Fault::LogTorn { .. }
            | Fault::LogSlow { .. } => self.node(),
            _ => return,
        };
        let trouble = Trouble::Noted;
        let at = at.saturating_sub(20) + self.chance.below(400);
        all.push((at, What::Trouble { node, trouble }));
    }

    /// Half of the times that the lead changes, an order is on its way.
    fn order_under_way(&mut self, all: &mut Vec<(u64, What)>, at: u64) {
        let node = self.node();
        if self.chance.percent(50) {
            let fault = Fault::OrdersLate {
                node: node.clone(),
                length: 60_000,
                by: *self.chance.pick(&[20_000, 40_000, 60_000]),
            };
            let at = at.saturating_sub(15_000);
            all.push((at, What::Fault(fault)));
            self.falls_ill(all, at, node);
        }
    }

    /// A container of `node` needs one restart from about then on.
    fn falls_ill(&mut self, all: &mut Vec<(u64, What)>, at: u64, node: NodeName) {
        if let (_, ServiceKind::Container { container, .. }) = self.service(&node) {
            let trouble = Trouble::Ill {
                container,
                restarts: 1,
            };
            let at = at + self.chance.below(12_000);
            all.push((at, What::Trouble { node, trouble }));
        }
    }

    /// While somebody thinks about a plan, the world goes on.
    fn meanwhile(&mut self, all: &mut Vec<(u64, What)>, at: u64, deed: &Deed) {
        let Deed::Approve { late, .. } = deed else {
            return;
        };
        if *late == 0 || !self.chance.percent(60) {
            return;
        }
        let node = self.node();
        if let (_, ServiceKind::Container { container, .. }) = self.service(&node) {
            let at = at + self.chance.below(*late);
            let again = Trouble::Recreated {
                container: container.clone(),
            };
            let ill = Trouble::Ill {
                container,
                restarts: 1,
            };
            for (at, trouble) in [(at, again), (at + 10, ill)] {
                let node = node.clone();
                all.push((at, What::Trouble { node, trouble }));
            }
        }
    }

    /// Somebody else starts something else on the same target at the same time.
    fn twin(&mut self, all: &mut Vec<(u64, What)>, at: u64, deed: &Deed) {
        let Deed::Start { kind, subject } = deed else {
            return;
        };
        let kind = match kind {
            ActionKind::ContainerRestart => ActionKind::Redeploy,
            ActionKind::Redeploy => ActionKind::ContainerRestart,
            _ => return,
        };
        if self.chance.percent(50) {
            let at = at + self.chance.below(4_000);
            let subject = subject.clone();
            all.push((at, What::Deed(Deed::Start { kind, subject })));
        }
    }

    fn node(&mut self) -> NodeName {
        self.chance.pick(&self.nodes).clone()
    }

    fn service(&mut self, node: &NodeName) -> (ServiceName, ServiceKind) {
        let services = &self.fleet.nodes[node].services;
        let n = self.chance.below(services.len() as u64) as usize;
        let (name, service) = services.iter().nth(n).expect("a node has a service");
        (name.clone(), service.kind.clone())
    }

    fn who(&mut self) -> Who {
        if self.chance.percent(40) {
            Who::Server
        } else {
            Who::Agent(self.node())
        }
    }

    fn trouble(&mut self) -> (NodeName, Trouble) {
        let node = self.node();
        let trouble = match self.chance.below(100) {
            0..72 => self.service_trouble(&node),
            72..79 => Trouble::Disk {
                percent: *self.chance.pick(&[60, 75, 90, 96]),
            },
            79..83 => Trouble::EngineDown {
                length: self.chance.between(500, 120_000),
            },
            83..86 => Trouble::EngineHangs {
                length: self.chance.between(500, 200_000),
            },
            86..90 => Trouble::Reboots {
                clean: self.chance.percent(50),
                away: self.chance.between(2_000, 120_000),
            },
            90..94 => Trouble::Blind {
                length: self.chance.between(100, 60_000),
            },
            _ => Trouble::Noted,
        };
        (node, trouble)
    }

    fn service_trouble(&mut self, node: &NodeName) -> Trouble {
        let (service, kind) = self.service(node);
        if self.chance.percent(8) {
            let length = self.chance.between(5_000, 200_000);
            return Trouble::Deaf { service, length };
        }
        match kind {
            ServiceKind::Systemd { unit } if self.chance.percent(75) => Trouble::UnitFails {
                unit,
                restarts: *self.chance.pick(&[0, 1, 1, 2, 9]),
            },
            ServiceKind::Systemd { unit } => Trouble::UnitStops { unit },
            ServiceKind::Container { container, .. } => self.container_trouble(container),
            _ => Trouble::Noted,
        }
    }

    fn container_trouble(&mut self, container: ContainerName) -> Trouble {
        match self.chance.below(100) {
            0..45 => Trouble::Ill {
                container,
                restarts: *self.chance.pick(&[0, 1, 1, 1, 2, 9]),
            },
            45..60 => Trouble::Exits {
                container,
                code: *self.chance.pick(&[0, 1, 137]),
            },
            60..68 => Trouble::Flaps {
                container,
                length: self.chance.between(10_000, 600_000),
            },
            68..77 => Trouble::Removed { container },
            77..90 => Trouble::StoppedByPerson { container },
            90..95 => Trouble::StartedByPerson { container },
            _ => Trouble::Recreated { container },
        }
    }

    fn fault(&mut self) -> Fault {
        let c = self.chance.below(100);
        let down = *self.chance.pick(&[0, 300, 3_000, 30_000, 100_000]);
        match c {
            0..14 => Fault::Killed {
                who: self.who(),
                down,
            },
            14..24 => Fault::PowerCut {
                who: self.who(),
                down,
            },
            24..28 => Fault::TakenOver {
                length: *self.chance.pick(&[5_000, 16_000, 18_000, 30_000, 100_000]),
            },
            28..34 => Fault::Paused {
                who: self.who(),
                length: *self.chance.pick(&[1_000, 20_000, 43_000, 100_000, 300_000]),
            },
            34..52 => Fault::Cut {
                node: self.node(),
                late: self
                    .chance
                    .percent(50)
                    .then(|| self.chance.between(0, 20_000)),
            },
            52..64 => Fault::Partition {
                node: self.node(),
                length: *self
                    .chance
                    .pick(&[2_000, 12_000, 43_000, 43_000, 120_000, 300_000]),
            },
            64..67 => Fault::ClockFast {
                who: self.who(),
                length: self.chance.between(10_000, 300_000),
            },
            67..70 => Fault::ClockJump {
                who: self.who(),
                by: *self
                    .chance
                    .pick(&[-3_600_000, -60_000, -6_000, 6_000, 60_000, 3_600_000]),
            },
            _ => self.disk_fault(c, down),
        }
    }

    fn disk_fault(&mut self, c: u64, down: u64) -> Fault {
        match c {
            70..72 => Fault::AgentDiskSlow {
                node: self.node(),
                length: self.chance.between(30_000, 120_000),
                by: *self.chance.pick(&[300, 5_000, 60_000, 200_000]),
            },
            72..74 => self.orders_late(),
            74..79 => Fault::LogBroken,
            79..84 => Fault::LogTorn {
                bytes: self.chance.below(2_000),
            },
            84..88 => Fault::LogFull {
                length: self.chance.between(500, 60_000),
            },
            88..93 => Fault::LogSlow {
                length: self.chance.between(500, 60_000),
                by: *self.chance.pick(&[20, 200, 2_000, 9_000]),
            },
            93..97 => Fault::AgentDiskFull {
                node: self.node(),
                length: self.chance.between(500, 60_000),
            },
            _ => Fault::AgentDiskBroken {
                node: self.node(),
                down,
            },
        }
    }

    fn orders_late(&mut self) -> Fault {
        Fault::OrdersLate {
            node: self.node(),
            length: self.chance.between(30_000, 120_000),
            by: *self.chance.pick(&[500, 20_000, 60_000]),
        }
    }

    fn deed(&mut self) -> Deed {
        let pick = self.chance.draw();
        match self.chance.below(100) {
            0..36 => Deed::Approve {
                pick,
                blind: self.chance.percent(30),
                late: *self.chance.pick(&[0, 0, 10_000, 120_000]),
            },
            36..44 => Deed::Reject { pick },
            44..50 => Deed::Cancel { pick },
            50..62 => self.start(),
            62..76 => self.lock(),
            76..80 => Deed::Unlock {
                target: self.lockable(),
            },
            80..82 => Deed::ReleaseBrake,
            82..92 => {
                let node = self.node();
                let (service, _) = self.service(&node);
                let kind = *self.chance.pick(&[
                    "service_unhealthy",
                    "containers_not_running",
                    "mqtt_unreachable",
                    "service_recovered",
                ]);
                Deed::Report {
                    subject: Subject::Service(node, service),
                    kind,
                    twice: self.chance.percent(50),
                }
            }
            _ => Deed::Fleet(self.edit()),
        }
    }

    fn lockable(&mut self) -> Subject {
        let node = self.node();
        match self.chance.below(10) {
            0 => Subject::Fleet,
            1..4 => Subject::Node(node),
            _ => {
                let (service, _) = self.service(&node);
                Subject::Service(node, service)
            }
        }
    }

    fn lock(&mut self) -> Deed {
        let lock = *self.chance.pick(&[
            LockKind::Maintenance,
            LockKind::Maintenance,
            LockKind::Backup,
            LockKind::Restore,
        ]);
        Deed::Lock {
            target: self.lockable(),
            lock,
            length: self.chance.between(20_000, 900_000),
            heartbeat: self.chance.percent(20).then_some(30_000),
        }
    }

    fn start(&mut self) -> Deed {
        let node = self.node();
        let (service, kind) = self.service(&node);
        let kind = match kind {
            _ if self.chance.percent(10) => {
                return Deed::Start {
                    kind: ActionKind::DiskCleanup,
                    subject: Subject::Node(node),
                };
            }
            ServiceKind::Systemd { .. } => ActionKind::UnitRestart,
            _ if self.chance.percent(30) => ActionKind::Redeploy,
            _ => ActionKind::ContainerRestart,
        };
        Deed::Start {
            kind,
            subject: Subject::Service(node, service),
        }
    }

    fn edit(&mut self) -> FleetEdit {
        let node = self.node();
        let (service, _) = self.service(&node);
        match self.chance.below(4) {
            0 => FleetEdit::Emptied,
            1 => FleetEdit::Restored,
            2 => FleetEdit::Without { node, service },
            _ => FleetEdit::Redefined { node, service },
        }
    }
}
