//! The command line of self-restraint: locks, the brake, why, messages, rolling work, drills. No behaviour.

use clap::{Args, Subcommand};

use super::Moment;

#[derive(Debug, Clone, Args)]
pub struct Lock {
    /// fleet, node/NAME, service/NODE/NAME, container/NODE/NAME or unit/NODE/NAME
    pub target: String,
    /// How long: 2h, 90m, 3d
    #[arg(
        long = "for",
        value_name = "LENGTH",
        conflicts_with = "until",
        required_unless_present = "until"
    )]
    pub lasts: Option<String>,
    /// Until when: RFC 3339
    #[arg(long, value_name = "INSTANT")]
    pub until: Option<String>,
    /// What goes on there, for whoever wonders
    #[arg(long, default_value = "", value_name = "TEXT")]
    pub why: String,
    /// maintenance keeps Stead from acting by itself; backup and restore keep off everybody
    #[arg(long, default_value = "maintenance", value_parser = ["maintenance", "backup", "restore"])]
    pub kind: String,
    /// The holder gives a sign at least this often (POST /api/v1/locks/beat); without one the lock becomes stale
    #[arg(long, value_name = "LENGTH")]
    pub heartbeat: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub struct Unlock {
    /// As it was given to `stead lock`
    pub target: String,
    /// Only the lock of this kind [default: all of them]
    #[arg(long, value_parser = ["maintenance", "window", "backup", "restore"])]
    pub kind: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub struct Brake {
    #[command(subcommand)]
    pub command: Option<BrakeCommand>,
    #[command(flatten)]
    pub moment: Moment,
}

#[derive(Debug, Clone, Subcommand)]
pub enum BrakeCommand {
    /// Let automatic repair go on; what drifts now does not engage the brake again
    Release,
}

#[derive(Debug, Clone, Args)]
pub struct Why {
    /// An action (ID or ID#3), a subject (service/NODE/NAME, node/NAME, fleet), or the name of a service or node
    pub about: String,
    #[command(flatten)]
    pub moment: Moment,
}

#[derive(Debug, Clone, Args)]
pub struct Alerts {
    /// Ended ones as well
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub moment: Moment,
}

#[derive(Debug, Clone, Args)]
pub struct Messages {
    #[arg(long)]
    pub channel: Option<String>,
    /// waiting, delivered, failed
    #[arg(long, value_parser = ["waiting", "delivered", "failed"])]
    pub state: Option<String>,
    /// At most this many, the newest
    #[arg(long, short = 'n', default_value_t = 50, value_name = "N")]
    pub limit: usize,
    #[command(flatten)]
    pub moment: Moment,
}

#[derive(Debug, Clone, Args)]
pub struct Notify {
    #[command(subcommand)]
    pub command: NotifyCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub enum NotifyCommand {
    /// Send a message to one channel and wait until it has arrived
    Test {
        channel: String,
        /// Do not wait
        #[arg(long)]
        no_wait: bool,
    },
    /// Where would this event go?
    Where {
        /// service_unhealthy, node_offline, disk_pressure, …
        kind: String,
        /// service/NODE/NAME, node/NAME, fleet
        subject: String,
        /// info, warning, critical
        #[arg(long, default_value = "warning")]
        severity: String,
    },
    /// The channels that can be used
    Channels,
}

#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Roll {
    #[command(subcommand)]
    pub command: Option<RollCommand>,
    /// container_restart, redeploy, unit_restart, disk_cleanup
    #[arg(required = true)]
    pub kind: Option<String>,
    /// What to work on: 'service/*/web-*', 'node/pi*', 'label:site=home'; a space is "and", a comma is "or"
    #[arg(long, value_name = "SELECTOR", required = true)]
    pub select: Option<String>,
    /// How many at once: a number, or a share such as 25%
    #[arg(long, default_value = "1", value_name = "N|N%")]
    pub batch: String,
    /// Pause once this many have failed
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub max_failures: u32,
    #[arg(long)]
    pub note: Option<String>,
    /// Only say what it would touch
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long, short = 'y')]
    pub yes: bool,
    /// Wait until it has ended or pauses
    #[arg(long)]
    pub wait: bool,
}

#[derive(Debug, Clone, Subcommand)]
pub enum RollCommand {
    /// Bring what works to its end and begin nothing more
    Pause { id: String },
    /// Go on; what failed is tried again
    Resume { id: String },
    /// Begin nothing more, and end it
    Cancel { id: String },
    /// One with all its targets
    Show { id: String },
}

#[derive(Debug, Clone, Args)]
pub struct Rolls {
    #[command(flatten)]
    pub moment: Moment,
}

#[derive(Debug, Clone, Args)]
pub struct Drill {
    #[command(subcommand)]
    pub command: DrillCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub enum DrillCommand {
    /// Break the canary and follow how it is noticed, mended and told
    Run,
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::super::{Cli, Command};
    use super::*;

    fn read(line: &str) -> Result<Command, clap::Error> {
        let words = line.split_whitespace();
        Cli::try_parse_from(words).map(|cli| cli.command)
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_rollout_is_started_or_turned_but_never_both() {
        let started = read("stead roll redeploy --select service/*/web --batch 25%").unwrap();
        assert!(matches!(started, Command::Roll(r) if r.command.is_none() && r.batch == "25%"));
        let paused = read("stead roll pause roll-3").unwrap();
        assert!(
            matches!(paused, Command::Roll(r) if matches!(r.command, Some(RollCommand::Pause { .. })))
        );
        assert!(
            read("stead roll redeploy").is_err(),
            "without a selector nothing is meant"
        );
        assert!(read("stead roll").is_err());
    }

    #[test]
    fn a_lock_has_one_end() {
        assert!(read("stead lock node/a --for 2h --why disk").is_ok());
        assert!(read("stead lock node/a --until 2026-11-26T12:00:00Z").is_ok());
        assert!(read("stead lock node/a").is_err(), "it would be forgotten");
        assert!(read("stead lock node/a --for 2h --until 2026-11-26T12:00:00Z").is_err());
        assert!(
            read("stead lock node/a --for 2h --kind window").is_err(),
            "windows come from files"
        );
    }
}
