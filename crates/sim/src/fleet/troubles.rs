//! What befalls machines and what runs on them. Whatever is in trouble is noted as having suffered.

use std::time::Duration;

use stead_core::desired::ServiceKind;
use stead_core::event::{Kind, Severity};
use stead_core::ids::{ContainerName, NodeName, UnitName};
use stead_core::subject::Subject;
use stead_ports::clock::Clock;

use super::{Job, Running};
use crate::machine::{Illness, State};
use crate::plan::moves::{Trouble, Who};
use crate::truth::Note;

impl Running {
    pub(super) fn services_of(&self, node: &NodeName, container: &ContainerName) -> Vec<Subject> {
        let named = |kind: &ServiceKind| matches!(kind, ServiceKind::Container { container: c, .. } if c == container);
        let all = &self.plan.fleet.nodes[node].services;
        let ours = all.iter().filter(|(_, s)| named(&s.kind));
        ours.map(|(name, _)| Subject::Service(node.clone(), name.clone()))
            .collect()
    }

    pub(super) fn suffers(&self, subjects: Vec<Subject>) {
        self.truth.note(|h| h.suffered.extend(subjects));
    }

    /// Changes a container that is in trouble from now on.
    pub(super) fn befall(
        &self,
        node: &NodeName,
        container: &ContainerName,
        change: impl FnOnce(&mut State, &ContainerName),
    ) {
        self.suffers(self.services_of(node, container));
        self.sites[node].machine.change(|s| change(s, container));
    }

    pub(super) async fn trouble(&mut self, node: &NodeName, trouble: Trouble) {
        self.truth.tell(|| format!("{node}: {trouble:?}"));
        let now = self.truth.now();
        let wall = self.sites[node].clock.wall();
        match trouble {
            Trouble::Ill {
                container,
                restarts,
            } => self.befall(node, &container, |s, c| {
                if let Some(c) = s.containers.get_mut(c) {
                    c.ill = Some(Illness {
                        since: now,
                        restarts,
                    });
                }
            }),
            Trouble::Exits { container, code } => self.befall(node, &container, |s, c| {
                if let Some(c) = s.containers.get_mut(c) {
                    c.running = false;
                    c.exit_code = code;
                }
            }),
            Trouble::Flaps { container, length } => self.befall(node, &container, |s, c| {
                if let Some(c) = s.containers.get_mut(c) {
                    c.flaps_until = now + length;
                }
            }),
            Trouble::Removed { container } => self.befall(node, &container, |s, c| {
                s.containers.remove(c);
            }),
            Trouble::StoppedByPerson { container } => self.befall(node, &container, |s, c| {
                if let Some(c) = s.containers.get_mut(c) {
                    c.running = false;
                    c.exit_code = 143;
                    c.stopped_by_person = true;
                }
            }),
            Trouble::StartedByPerson { container } => self.befall(node, &container, |s, c| {
                if let Some(c) = s.containers.get_mut(c) {
                    c.restart(now, wall);
                }
            }),
            Trouble::Recreated { container } => self.befall(node, &container, |s, c| {
                s.create(c, None, now, wall);
            }),
            other => self.other_trouble(node, other).await,
        }
    }

    pub(super) async fn other_trouble(&mut self, node: &NodeName, trouble: Trouble) {
        let now = self.truth.now();
        let machine = self.sites[node].machine.clone();
        match trouble {
            Trouble::UnitFails { unit, restarts } => {
                self.unit_suffers(node, &unit);
                machine.change(|s| {
                    if let Some(u) = s.units.get_mut(&unit) {
                        u.active = "failed";
                        u.ill = Some(Illness {
                            since: now,
                            restarts,
                        });
                    }
                });
            }
            Trouble::UnitStops { unit } => {
                self.unit_suffers(node, &unit);
                machine.change(|s| {
                    if let Some(u) = s.units.get_mut(&unit) {
                        u.active = "inactive";
                    }
                });
            }
            Trouble::Deaf { service, length } => {
                self.suffers(vec![Subject::Service(node.clone(), service.clone())]);
                machine.change(|s| {
                    s.deaf.insert(service, now + length);
                });
            }
            Trouble::Disk { percent } => {
                self.suffers(vec![Subject::Node(node.clone())]);
                machine.change(|s| s.disk = percent);
            }
            Trouble::EngineDown { length } => machine.change(|s| s.down_until = now + length),
            Trouble::EngineHangs { length } => machine.change(|s| s.hung_until = now + length),
            Trouble::Blind { length } => {
                machine.change(|s| s.blind_until = now + length);
                self.end(&Who::Agent(node.clone()), 200, false);
            }
            Trouble::Reboots { clean, away } => self.shut_down(node, clean, away).await,
            Trouble::Noted => self.note(node),
            _ => {}
        }
    }

    pub(super) fn unit_suffers(&self, node: &NodeName, unit: &UnitName) {
        let named =
            |kind: &ServiceKind| matches!(kind, ServiceKind::Systemd { unit: u } if u == unit);
        let all = &self.plan.fleet.nodes[node].services;
        let ours = all.iter().filter(|(_, s)| named(&s.kind));
        let ours = ours.map(|(name, _)| Subject::Service(node.clone(), name.clone()));
        self.suffers(ours.collect());
    }

    /// The machine goes down; the agent with it, in order or not.
    pub(super) async fn shut_down(&mut self, node: &NodeName, clean: bool, away: u64) {
        let Some(agent) = self.agents.get(node) else {
            return;
        };
        if clean && !agent.life.is_paused() {
            agent.desk.close(Duration::from_millis(500)).await;
            let _ = agent.board.close();
        }
        self.end_agent(node, true);
        // What was under way on it is over.
        self.sites[node].machine.change(|s| s.boot += 1);
        self.truth.down(node);
        self.plan_in(
            away,
            Job::Boots {
                node: node.clone(),
                clean,
            },
        );
    }

    pub(super) fn boot(&mut self, node: &NodeName, clean: bool) {
        let now = self.truth.now();
        let site = &self.sites[node];
        let wall = site.clock.wall();
        let boot = site.machine.change(|s| {
            s.reboot(clean, now, wall);
            format!("{node}-{}", s.boot)
        });
        site.clock.reboot(&boot);
        self.truth.tell(|| format!("{node}: booted"));
        self.start_agent(node);
    }

    /// Something happens that is no state; it must reach the log once it was acknowledged.
    pub(super) fn note(&mut self, node: &NodeName) {
        let Some(agent) = self.agents.get(node) else {
            return;
        };
        let board = &agent.board;
        let (_, _, before) = board.spool();
        let kind = Kind::new("oom_kill").expect("a kind of the simulator is one");
        let subject = Subject::Node(self.sites[node].called.clone());
        board.note(
            kind,
            subject,
            Severity::Warning,
            serde_json::json!({"process": "java"}),
        );
        let (spool, _, cursor) = board.spool();
        if cursor == before + 1 && !self.full.contains(node) {
            let note = Note {
                node: node.clone(),
                id: format!("{spool}-{cursor}"),
                spool,
                cursor,
            };
            self.truth.note(|h| h.notes.push(note));
        }
    }
}
