//! What a machine runs, as far as a first fleet directory needs to know.

use stead_core::facts::{Fact, FactKey, Facts, SourceKind, SourceState};
use stead_core::ids::{ContainerName, NodeName, ServiceName, UnitName};

/// What a machine runs.
#[derive(Debug, Clone)]
pub struct Inventory {
    pub node: NodeName,
    /// Whether a container engine answered.
    pub docker: bool,
    /// Where editors find the schemas: an address or a path without the file's name; absent: no such line is written.
    pub schemas: Option<String>,
    pub containers: Vec<SeenContainer>,
    pub units: Vec<SeenUnit>,
}

/// A container of the engine, running or not.
#[derive(Debug, Clone)]
pub struct SeenContainer {
    pub name: String,
    pub image: String,
    pub compose: Option<SeenCompose>,
}

/// Where Compose's labels say a container comes from.
#[derive(Debug, Clone)]
pub struct SeenCompose {
    pub project: String,
    pub folder: String,
    pub service: String,
}

/// A systemd unit.
#[derive(Debug, Clone)]
pub struct SeenUnit {
    /// With its suffix.
    pub name: String,
    pub enabled: bool,
    pub running: bool,
    pub failed: bool,
    /// Part of the operating system's own plumbing or of a package, rather than made by the owner.
    pub vendor: bool,
}

/// Units of distributions that people run on purpose.
const NOTABLE: [&str; 36] = [
    "apache2",
    "bind9",
    "caddy",
    "chrony",
    "containerd",
    "cron",
    "crond",
    "docker",
    "dovecot",
    "fail2ban",
    "grafana-server",
    "haproxy",
    "httpd",
    "influxdb",
    "lxd",
    "mariadb",
    "minidlna",
    "mosquitto",
    "mysql",
    "named",
    "nfs-server",
    "nginx",
    "postfix",
    "postgresql",
    "prometheus",
    "redis",
    "redis-server",
    "smbd",
    "ssh",
    "sshd",
    "tailscaled",
    "tor",
    "traefik",
    "transmission-daemon",
    "unbound",
    "victoria-metrics",
];

/// Plumbing of a distribution, by the beginning of the name.
const PLUMBING: [&str; 40] = [
    "systemd-",
    "getty@",
    "serial-getty@",
    "user@",
    "user-runtime-dir@",
    "container-getty@",
    "console-",
    "autovt@",
    "dbus",
    "polkit",
    "udisks2",
    "accounts-daemon",
    "cloud-",
    "networking",
    "network-manager",
    "NetworkManager",
    "ifup@",
    "apparmor",
    "apt-",
    "dpkg-",
    "e2scrub",
    "fstrim",
    "keyboard-setup",
    "kmod",
    "ldconfig",
    "logrotate",
    "man-db",
    "modprobe@",
    "nvmf",
    "plymouth",
    "rc-local",
    "rsyslog",
    "snapd",
    "snap.",
    "ufw",
    "unattended-upgrades",
    "blk-availability",
    "lvm2",
    "multipathd",
    "ModemManager",
];

impl Inventory {
    /// From what an agent has seen on its own node.
    pub fn from_facts(node: NodeName, facts: &Facts, schemas: Option<String>) -> Inventory {
        let mut inventory = Inventory {
            node,
            docker: false,
            schemas,
            containers: Vec::new(),
            units: Vec::new(),
        };
        for (key, fact) in facts {
            match (key, fact) {
                (FactKey::Source(SourceKind::Docker), Fact::Source(source)) => {
                    inventory.docker = source.state == SourceState::Up;
                }
                (FactKey::Container(name), Fact::Container(container)) => {
                    inventory.containers.push(SeenContainer {
                        name: name.as_str().to_owned(),
                        image: container.image.clone(),
                        compose: match (
                            container.compose_project(),
                            container.compose_folder(),
                            container.compose_service(),
                        ) {
                            (Some(project), Some(folder), Some(service)) => Some(SeenCompose {
                                project: project.to_owned(),
                                folder: folder.to_owned(),
                                service: service.to_owned(),
                            }),
                            _ => None,
                        },
                    })
                }
                (FactKey::Unit(name), Fact::Unit(unit)) => inventory.units.push(SeenUnit {
                    name: name.as_str().to_owned(),
                    enabled: unit.enabled == "enabled",
                    running: unit.active == "active",
                    failed: unit.active == "failed",
                    vendor: PLUMBING
                        .iter()
                        .any(|start| name.as_str().starts_with(start)),
                }),
                _ => {}
            }
        }
        inventory
    }

    /// The node's folder under `hosts/`. Folders that start with a dot are not read.
    pub(super) fn folder(&self) -> &str {
        match self.node.as_str().trim_start_matches('.') {
            "" => "node",
            name => name,
        }
    }
}

impl SeenCompose {
    /// Whether the labels lead to a folder and a service that a file may name.
    pub(super) fn is_usable(&self) -> bool {
        let folder = self.folder.starts_with('/')
            && self.folder.len() <= 4096
            && self.folder.split('/').all(|part| part != "..")
            && !self.folder.chars().any(char::is_control);
        folder && ServiceName::new(&self.service).is_ok()
    }

    /// Whether Compose would choose another project name by itself. Only a valid name is worth writing.
    pub(super) fn needs_project(&self) -> bool {
        let own: String = self
            .folder
            .trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase()
            .chars()
            .filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-' || *c == '_')
            .collect();
        let own = own.trim_start_matches(['-', '_']);
        let valid = self
            .project
            .starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && self
                .project
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b));
        valid && self.project != own
    }
}

impl SeenContainer {
    pub(super) fn is_nameable(&self) -> bool {
        ContainerName::new(&self.name).is_ok()
            && self.name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && self
                .name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
    }

    /// Whether the image can stand in a comment.
    pub(super) fn image_is_plain(&self) -> bool {
        !self.image.is_empty()
            && self
                .image
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-/:@".contains(&b))
    }
}

impl SeenUnit {
    /// Enabled, and either running or failed, and either the owner's own or one that people run on purpose.
    pub(super) fn is_worth_watching(&self) -> bool {
        let Some(stem) = self.name.strip_suffix(".service") else {
            return false;
        };
        let notable = NOTABLE.contains(&stem.split('@').next().unwrap_or(stem));
        self.enabled
            && (self.running || self.failed)
            && (notable || !self.vendor)
            && !stem.is_empty()
            && UnitName::new(&self.name).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stead_core::facts::{ContainerFacts, SourceFacts, UnitFacts};

    #[test]
    fn what_an_agent_saw_becomes_an_inventory() {
        let compose = |key: &str| format!("com.docker.compose.{key}");
        let container = ContainerFacts {
            image: "eclipse-mosquitto:2".into(),
            labels: [
                (compose("project"), "broker".to_owned()),
                (compose("service"), "mosquitto".to_owned()),
                (compose("project.working_dir"), "/srv/broker".to_owned()),
            ]
            .into(),
            ..ContainerFacts::default()
        };
        let unit = |active: &str| UnitFacts {
            active: active.into(),
            enabled: "enabled".into(),
            ..UnitFacts::default()
        };
        let up = SourceFacts {
            state: SourceState::Up,
            version: "27".into(),
            detail: String::new(),
        };
        let name = |text: &str| UnitName::new(text).expect("name");
        let facts: Facts = [
            (FactKey::Source(SourceKind::Docker), Fact::Source(up)),
            (
                FactKey::Container(ContainerName::new("broker-mosquitto-1").expect("name")),
                Fact::Container(container),
            ),
            (
                FactKey::Unit(name("ssh.service")),
                Fact::Unit(unit("active")),
            ),
            (
                FactKey::Unit(name("shop.service")),
                Fact::Unit(unit("failed")),
            ),
            (
                FactKey::Unit(name("systemd-resolved.service")),
                Fact::Unit(unit("active")),
            ),
        ]
        .into();
        let inventory = Inventory::from_facts(NodeName::new("piha").expect("name"), &facts, None);
        assert!(inventory.docker);
        let seen = inventory.containers[0].compose.as_ref().expect("compose");
        assert!(seen.is_usable() && !seen.needs_project());
        let watched: Vec<&str> = inventory
            .units
            .iter()
            .filter(|u| u.is_worth_watching())
            .map(|u| u.name.as_str())
            .collect();
        assert_eq!(watched, ["shop.service", "ssh.service"]);
    }
}
