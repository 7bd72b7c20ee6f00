//! The command line of containers and their logs. No behaviour.

use clap::{Args, Subcommand};

use super::Moment;

#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Containers {
    #[command(subcommand)]
    pub command: Option<ContainersCommand>,
    /// One of them, in detail: NODE/CONTAINER
    pub container: Option<String>,
    /// Only on this node
    #[arg(long)]
    pub node: Option<String>,
    /// Only of this compose project or swarm stack
    #[arg(long)]
    pub stack: Option<String>,
    /// running, exited, restarting, paused, created, dead
    #[arg(long)]
    pub state: Option<String>,
    /// none, starting, healthy, failing, unhealthy
    #[arg(long)]
    pub health: Option<String>,
    /// Only those a person should look at
    #[arg(long)]
    pub unhealthy: bool,
    /// Only those that run without a memory limit
    #[arg(long)]
    pub no_limit: bool,
    /// Text in name, image, stack, ports or labels
    #[arg(long, short = 'q')]
    pub query: Option<String>,
    /// How far back the history of one's health goes
    #[arg(long, default_value = "24h", value_name = "SPAN")]
    pub range: String,
    #[command(flatten)]
    pub moment: Moment,
}

#[derive(Debug, Clone, Subcommand)]
pub enum ContainersCommand {
    /// Restart one, or all that are unhealthy; it says what it will touch and asks
    #[command(
        after_help = "Examples:\n  stead containers restart piha/z2m\n  stead containers restart --unhealthy --dry-run\n  stead containers restart --unhealthy --stack shop --yes --wait"
    )]
    Restart(RestartContainers),
}

#[derive(Debug, Clone, Args)]
pub struct RestartContainers {
    /// This one: NODE/CONTAINER
    #[arg(conflicts_with = "unhealthy", required_unless_present = "unhealthy")]
    pub container: Option<String>,
    /// All that are unhealthy
    #[arg(long)]
    pub unhealthy: bool,
    /// Of those, only on this node
    #[arg(long, requires = "unhealthy")]
    pub node: Option<String>,
    /// Of those, only of this stack
    #[arg(long, requires = "unhealthy")]
    pub stack: Option<String>,
    /// The rest waits once this many have failed
    #[arg(long, requires = "unhealthy", default_value_t = 3, value_name = "N")]
    pub max_failures: u32,
    /// Only say what it would touch
    #[arg(long, requires = "unhealthy")]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    #[arg(long)]
    pub note: Option<String>,
    /// Wait until it has ended
    #[arg(long)]
    pub wait: bool,
}

#[derive(Debug, Clone, Args)]
pub struct Advise {
    #[command(subcommand)]
    pub command: AdviseCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub enum AdviseCommand {
    /// Memory limits that fit what was measured, with reasons; for one container also the patch to its compose file
    #[command(
        after_help = "Examples:\n  stead advise memory\n  stead advise memory --node piha --all\n  stead advise memory piha/web                 the patch to its compose file\n  stead advise memory --json"
    )]
    Memory(AdviseMemory),
}

#[derive(Debug, Clone, Args)]
pub struct AdviseMemory {
    /// The patch for this one: NODE/CONTAINER
    pub container: Option<String>,
    /// Only on this node
    #[arg(long)]
    pub node: Option<String>,
    /// Those whose limit fits and those nothing is said of as well
    #[arg(long)]
    pub all: bool,
}

#[derive(Debug, Clone, Args)]
pub struct Logs {
    /// Whose: NODE/CONTAINER, or unit/NODE/UNIT
    #[arg(conflicts_with = "search", required_unless_present = "search")]
    pub of: Option<String>,
    /// Last lines
    #[arg(long, short = 'n', default_value_t = 50, value_name = "N")]
    pub tail: u32,
    /// And those that come
    #[arg(long, short)]
    pub follow: bool,
    /// Look for this text in the logs of all containers and units instead, where they lie
    #[arg(long, short, value_name = "TEXT")]
    pub search: Option<String>,
    /// Search only these nodes
    #[arg(long, value_delimiter = ',', requires = "search", value_name = "NODE")]
    pub nodes: Vec<String>,
    /// Search only these containers
    #[arg(long, value_delimiter = ',', requires = "search", value_name = "NAME")]
    pub containers: Vec<String>,
    /// Search only these units
    #[arg(long, value_delimiter = ',', requires = "search", value_name = "UNIT")]
    pub units: Vec<String>,
    /// Search only in containers, or only in units
    #[arg(long, requires = "search", value_name = "KIND", value_parser = ["container", "unit"])]
    pub kind: Option<String>,
    /// Search only lines from then on: 2h, 'yesterday 03:00', RFC 3339
    #[arg(
        long,
        default_value = "1h",
        requires = "search",
        value_name = "INSTANT"
    )]
    pub since: String,
    /// At most this many found lines, the newest
    #[arg(long, default_value_t = 200, requires = "search", value_name = "N")]
    pub limit: usize,
}
