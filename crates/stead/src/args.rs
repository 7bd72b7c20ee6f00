//! The command line: every command, option and example. No behaviour.

use std::path::PathBuf;

mod autonomy;
mod containers;
mod inventory;
mod look;

pub use autonomy::*;
pub use containers::*;
pub use inventory::*;
pub use look::*;

use clap::{Args, Parser, Subcommand, ValueHint};

/// Runs your fleet in your stead: observes every machine, compares what is with what should be, repairs what is safe,
/// asks before what is not.
#[derive(Debug, Parser)]
#[command(
    name = "stead",
    version,
    propagate_version = true,
    after_help = "\
Examples:
  stead init fleet                 write a first fleet directory from what runs on this machine
  stead up --fleet fleet           server and agent of this machine, web UI on http://127.0.0.1:18180
  stead status                     is all well?
  stead actions                    what waits for you
  stead actions approve ID         let it happen

Exit codes: 0 done, 1 failed, 2 usage, 3 refused by policy, 4 not found, 5 server unreachable"
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Address of the server
    #[arg(
        long,
        global = true,
        env = "STEAD_URL",
        value_name = "URL",
        help_heading = "Connection"
    )]
    pub url: Option<String>,
    /// Access token; without it the admin token of the data directory is used
    #[arg(
        long,
        global = true,
        env = "STEAD_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN",
        help_heading = "Connection"
    )]
    pub token: Option<String>,
    /// Print JSON
    #[arg(long, global = true, help_heading = "Output")]
    pub json: bool,
    /// When to use colours
    #[arg(
        long,
        global = true,
        env = "STEAD_COLOR",
        default_value = "auto",
        value_name = "WHEN",
        help_heading = "Output"
    )]
    pub color: Color,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Server and agent of this machine in one process, on the embedded store
    #[command(
        after_help = "Examples:\n  stead up --fleet ./fleet\n  stead up --fleet git+https://example.org/fleet.git#main --data /var/lib/stead"
    )]
    Up(Up),
    /// The server alone; agents dial in
    #[command(
        after_help = "Example:\n  stead server --fleet ./fleet --data ./data --listen 127.0.0.1:18180"
    )]
    Server(ServerArgs),
    /// The agent of this machine
    #[command(
        after_help = "Examples:\n  stead agent --server http://127.0.0.1:18180 --data ./data\n  stead agent --server unix:///run/stead.sock --read-only"
    )]
    Agent(AgentArgs),
    /// Write a first fleet directory from what runs on this machine
    #[command(
        after_help = "Example:\n  stead init fleet && stead check fleet && stead up --fleet fleet"
    )]
    Init(Init),
    /// Check a fleet directory: all problems at once, with file, line and remedy
    #[command(
        after_help = "Examples:\n  stead check fleet\n  stead check fleet --json\n  stead check --schema services > services.schema.json"
    )]
    Check(Check),
    /// Is all well?
    #[command(after_help = "Examples:\n  stead status\n  stead status --at 'yesterday 03:00'")]
    Status(Moment),
    /// Is all well, what needs you, what was done while you did not look
    #[command(
        after_help = "Examples:\n  stead overview\n  stead overview --since night\n  stead overview --since 'yesterday 18:00' --json"
    )]
    Overview(Overview),
    /// The machines
    #[command(
        after_help = "Examples:\n  stead nodes\n  stead nodes piha --json\n  stead nodes --at 2h"
    )]
    Nodes(Nodes),
    /// The services, desired beside actual
    #[command(
        after_help = "Examples:\n  stead services\n  stead services --node piha --state unhealthy\n  stead services piha/zigbee2mqtt\n  stead services piha/zigbee2mqtt --at 2026-11-21T08:30:00Z"
    )]
    Services(Services),
    /// The containers of all nodes: list, one in detail, restart of unhealthy ones
    #[command(
        after_help = "Examples:\n  stead containers\n  stead containers --unhealthy\n  stead containers --stack shop --no-limit --json\n  stead containers piha/z2m --range 7d\n  stead containers restart --unhealthy --dry-run"
    )]
    Containers(Containers),
    /// Logs where they lie: last lines, follow, and a search over all nodes
    #[command(
        after_help = "Examples:\n  stead logs piha/z2m\n  stead logs -f -n 200 piha/z2m\n  stead logs unit/piha/nginx.service\n  stead logs --search 'connection refused' --since 2h\n  stead logs --search 'Failed to start' --kind unit --since yesterday\n  stead logs --search error --nodes piha,vps --containers web --json"
    )]
    Logs(Logs),
    /// What to change so that things fit: memory limits, from measured use
    #[command(
        after_help = "Examples:\n  stead advise memory\n  stead advise memory piha/web > web.patch"
    )]
    Advise(Advise),
    /// Where the world differs from the fleet directory, and why nothing is done where nothing is
    #[command(after_help = "Examples:\n  stead drift\n  stead drift --node piha --at 3d")]
    Drift(Drift),
    /// How good it is, 0 to 100: each lost point with what it is about and what to do
    #[command(
        after_help = "Examples:\n  stead score\n  stead score piha\n  stead score piha --json"
    )]
    Score(Score),
    /// Where a number leads: drawn, with its slope and when bounds are reached
    #[command(
        after_help = "Examples:\n  stead trend disk\n  stead trend memory --node piha --range 30d\n  stead trend stead_node_load1 --range 24h --json"
    )]
    Trend(Trend),
    /// The language models: on disk, in memory; load and unload
    #[command(
        after_help = "Examples:\n  stead models\n  stead models --node gpu1 --json\n  stead models load gpu1 gemma3:4b\n  stead models load pi4 gemma3:4b --yes     although it will be tight\n  stead models unload gpu1 gemma3:4b"
    )]
    Models(Models),
    /// Everything there is: machines, stacks, containers, units, models, images
    #[command(
        after_help = "Examples:\n  stead inventory\n  stead inventory --kind container\n  stead inventory --images\n  stead inventory --costs\n  stead inventory --format csv > inventory.csv\n  stead inventory --format markdown > inventory.md"
    )]
    Inventory(Inventory),
    /// What happened
    #[command(
        after_help = "Examples:\n  stead events -f\n  stead events --node piha --severity warning --limit 20\n  stead events --kind action_completed --json\n  stead events --since 2d --until 'yesterday 03:00'"
    )]
    Events(Events),
    /// What Stead does and proposes: list, show, why, approve, reject, start
    #[command(
        after_help = "Examples:\n  stead actions\n  stead actions why container-restart-piha-z2m\n  stead actions approve container-restart-piha-z2m --note 'go ahead'\n  stead actions start container_restart service/piha/z2m\n  stead actions --at 2h"
    )]
    Actions(Actions),
    /// Why something was done, or why nothing is: the whole chain, or all that was considered
    #[command(
        after_help = "Examples:\n  stead why container-restart-piha-z2m\n  stead why service/piha/z2m\n  stead why z2m\n  stead why node/piha --at 'yesterday 03:00'"
    )]
    Why(Why),
    /// Keep repairs off a target for a time; it ends by itself
    #[command(
        after_help = "Examples:\n  stead lock node/piha --for 2h --why 'new disk'\n  stead lock service/piha/db --for 30m --kind backup --why 'nightly copy'\n  stead lock fleet --until 2026-11-21T18:00:00Z --why moving"
    )]
    Lock(Lock),
    /// Release the locks on a target
    #[command(after_help = "Example:\n  stead unlock node/piha")]
    Unlock(Unlock),
    /// The locks that hold
    #[command(after_help = "Example:\n  stead locks")]
    Locks(Moment),
    /// Whether all automatic repair is stopped because much drifts at once
    #[command(after_help = "Examples:\n  stead brake\n  stead brake release")]
    Brake(Brake),
    /// What is wrong now, and what was told of it
    #[command(after_help = "Examples:\n  stead alerts\n  stead alerts --all --json")]
    Alerts(Alerts),
    /// The messages and how their delivery stands
    #[command(
        after_help = "Examples:\n  stead messages\n  stead messages --state failed --channel critical"
    )]
    Messages(Messages),
    /// Channels: test one, or ask where an event would go
    #[command(
        after_help = "Examples:\n  stead notify channels\n  stead notify test critical\n  stead notify where service_unhealthy service/piha/z2m --severity critical"
    )]
    Notify(Notify),
    /// Work on many targets, a batch at a time, paused on failure
    #[command(
        after_help = "Examples:\n  stead roll container_restart --select 'service/*/web-*' --dry-run\n  stead roll redeploy --select 'service/*/web-* label:site=home' --batch 25% --max-failures 2\n  stead roll resume roll-3"
    )]
    Roll(Roll),
    /// Rolling work: what runs, is paused, has ended
    #[command(visible_alias = "rollouts", after_help = "Example:\n  stead rolls")]
    Rolls(Rolls),
    /// Break Stead's own canary: does it notice, mend and tell?
    #[command(
        after_help = "Example:\n  stead drill run     exit code 1 when something was missing"
    )]
    Drill(Drill),
    /// What the drills proved
    #[command(after_help = "Example:\n  stead drills")]
    Drills(Moment),
    /// What may happen without asking; what another policy would have done
    #[command(
        after_help = "Examples:\n  stead policy show\n  stead policy show service/piha/z2m container_restart\n  stead policy test --since 30d fleet\n  stead policy test --since 30d --until 1d new-stead.yaml --json\n  stead policy test --since 30d fleet --data /var/lib/stead     while no server runs"
    )]
    Policy(Policy),
    /// Print a new one-time login link for the web UI
    Login,
    /// Replay the event log from nothing and write the checkpoint anew (server stopped)
    Rebuild(Rebuild),
    /// Version of this binary, and of the server if it answers
    Version,
    /// Completion script for a shell
    #[command(after_help = "Example:\n  stead completions bash > /etc/bash_completion.d/stead")]
    Completions { shell: clap_complete::Shell },
}

#[derive(Debug, Clone, Args)]
pub struct ServerArgs {
    /// Fleet directory, or a git source: git+https://…#branch, git+ssh://…, git+file:///…
    #[arg(
        long,
        env = "STEAD_FLEET",
        default_value = "fleet",
        value_name = "DIR|SOURCE"
    )]
    pub fleet: String,
    /// Read exactly this commit or tag of a git source
    #[arg(long, env = "STEAD_PIN", value_name = "COMMIT")]
    pub pin: Option<String>,
    /// Fast-forward a checkout that is behind its upstream, each minute
    #[arg(long, env = "STEAD_PULL")]
    pub pull: bool,
    /// Where Stead keeps its own data
    #[arg(long, env = "STEAD_DATA", default_value_os_t = default_data(), value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data: PathBuf,
    /// Address to listen on
    #[arg(
        long,
        env = "STEAD_LISTEN",
        default_value = "127.0.0.1:18180",
        value_name = "ADDR"
    )]
    pub listen: std::net::SocketAddr,
    /// Where the live mirror of plain files lies [default: <data>/files]
    #[arg(long, env = "STEAD_FILES", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub files: Option<PathBuf>,
    /// Further host names the web UI is reached by (behind a reverse proxy)
    #[arg(
        long = "allow-host",
        env = "STEAD_ALLOW_HOST",
        value_delimiter = ',',
        value_name = "NAME"
    )]
    pub allow_hosts: Vec<String>,
    /// Store; only the embedded one so far
    #[arg(long, env = "STEAD_STORE", value_name = "URL")]
    pub store: Option<String>,
    /// Minutes your time of day is ahead of UTC, for `between:` in rules [default: this machine's]
    #[arg(
        long,
        env = "STEAD_UTC_OFFSET",
        value_name = "MINUTES",
        allow_negative_numbers = true
    )]
    pub utc_offset: Option<i64>,
    /// JSON object of further node aliases: {"node-1":"piha"}
    #[arg(long, env = "NODE_ALIAS_MAP", value_name = "JSON", hide = true)]
    pub node_alias_map: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub struct Up {
    #[command(flatten)]
    pub server: ServerArgs,
    #[command(flatten)]
    pub node: NodeArgs,
}

#[derive(Debug, Clone, Args)]
pub struct NodeArgs {
    /// Name of this machine in the fleet [default: its host name]
    #[arg(long, env = "STEAD_NODE", value_name = "NAME")]
    pub node: Option<String>,
    /// Change nothing on this machine, whatever the server asks
    #[arg(long, env = "STEAD_READ_ONLY")]
    pub read_only: bool,
    /// Container engine [default: the local socket]
    #[arg(long, env = "DOCKER_HOST", value_name = "URL")]
    pub docker_host: Option<String>,
    /// MiB of disk for what is measured each second, kept here for a day; 0 keeps none
    #[arg(
        long,
        env = "STEAD_HISTORY_MIB",
        default_value_t = 64,
        value_name = "MIB"
    )]
    pub history_mib: u32,
}

#[derive(Debug, Clone, Args)]
pub struct AgentArgs {
    /// Server to dial: http://127.0.0.1:18180 or unix:///path
    #[arg(long, env = "STEAD_SERVER", value_name = "URL")]
    pub server: String,
    /// Where the agent keeps its spool and journal
    #[arg(long, env = "STEAD_DATA", default_value_os_t = default_data(), value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data: PathBuf,
    #[command(flatten)]
    pub node: NodeArgs,
}

#[derive(Debug, Clone, Args)]
pub struct Init {
    /// Directory to write; nothing in it is overwritten
    #[arg(default_value = "fleet", value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,
    #[command(flatten)]
    pub node: NodeArgs,
}

#[derive(Debug, Clone, Args)]
pub struct Check {
    /// Fleet directory
    #[arg(default_value = "fleet", value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,
    /// Print the JSON Schema of one kind of file instead: stead, node, services, jobs, runbook
    #[arg(long, value_name = "FILE")]
    pub schema: Option<String>,
    #[arg(long, env = "NODE_ALIAS_MAP", hide = true)]
    pub node_alias_map: Option<String>,
}

/// An instant of the past.
#[derive(Debug, Clone, Args)]
pub struct Moment {
    /// As it was then: a span ago (2h, 3d), a time of day (03:00, 'yesterday 03:00') or RFC 3339
    #[arg(long, value_name = "INSTANT")]
    pub at: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub struct Nodes {
    /// One of them, in detail
    pub node: Option<String>,
    #[command(flatten)]
    pub moment: Moment,
}

#[derive(Debug, Clone, Args)]
pub struct Services {
    /// One of them, in detail: NODE/SERVICE
    pub service: Option<String>,
    #[arg(long)]
    pub node: Option<String>,
    /// healthy, unhealthy, missing, starting, unknown, stale
    #[arg(long)]
    pub state: Option<String>,
    /// What no file names as well
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub moment: Moment,
}

#[derive(Debug, Clone, Args)]
pub struct Drift {
    #[arg(long)]
    pub node: Option<String>,
    #[command(flatten)]
    pub moment: Moment,
}

#[derive(Debug, Clone, Args)]
pub struct Score {
    /// The card of this node; without it the fleet's
    pub node: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub struct Trend {
    /// disk, memory, swap, steal, containers, io, or the name of a metric
    pub metric: String,
    /// Of this node only
    #[arg(long)]
    pub node: Option<String>,
    /// How far back: 24h, 7d, 30d, 365d
    #[arg(long, default_value = "7d", value_name = "SPAN")]
    pub range: String,
}

#[derive(Debug, Clone, Args)]
pub struct Events {
    /// Follow: print new ones as they come
    #[arg(short, long)]
    pub follow: bool,
    #[arg(long)]
    pub node: Option<String>,
    /// service/NODE/NAME, container/NODE/NAME, …
    #[arg(long)]
    pub subject: Option<String>,
    /// Any of these kinds
    #[arg(long, value_delimiter = ',')]
    pub kind: Vec<String>,
    /// At least: info, warning, critical
    #[arg(long)]
    pub severity: Option<String>,
    /// Text to search for
    #[arg(long, short = 'q')]
    pub query: Option<String>,
    /// Only after this event
    #[arg(long, value_name = "SEQ")]
    pub after: Option<u64>,
    /// Not before this instant: 2h, 'yesterday 03:00', RFC 3339
    #[arg(long, value_name = "INSTANT")]
    pub since: Option<String>,
    /// Only before this instant
    #[arg(
        long,
        visible_alias = "at",
        value_name = "INSTANT",
        conflicts_with = "follow"
    )]
    pub until: Option<String>,
    /// At most this many, the newest [default: 50; with --json all]
    #[arg(long, short = 'n', value_name = "N")]
    pub limit: Option<usize>,
}

#[derive(Debug, Clone, Args)]
pub struct Actions {
    #[command(subcommand)]
    pub command: Option<ActionCommand>,
    /// pending, approved, running, completed, failed, rejected, cancelled
    #[arg(long)]
    pub state: Option<String>,
    /// Ended ones as well
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub moment: Moment,
}

#[derive(Debug, Clone, Subcommand)]
pub enum ActionCommand {
    /// Let it happen
    Approve(Decide),
    /// Do not let it happen
    Reject(Decide),
    /// Take back what has not begun
    Cancel { id: String },
    /// Plan, state and steps of one
    Show { id: String },
    /// The chain from the first event to the outcome
    Why { id: String },
    /// Start one yourself: it is approved by you
    Start {
        /// container_restart, redeploy, unit_restart, disk_cleanup
        kind: String,
        /// service/NODE/NAME, container/NODE/NAME, unit/NODE/NAME or node/NAME
        subject: String,
        #[arg(long)]
        note: Option<String>,
        /// Wait until it has ended
        #[arg(long)]
        wait: bool,
    },
}

#[derive(Debug, Clone, Args)]
pub struct Decide {
    pub id: String,
    #[arg(long)]
    pub note: Option<String>,
    /// The plan that was read (its digest); refused when it is another by now
    #[arg(long)]
    pub digest: Option<String>,
    /// Wait until it has ended
    #[arg(long)]
    pub wait: bool,
}

#[derive(Debug, Clone, Args)]
pub struct Policy {
    #[command(subcommand)]
    pub command: PolicyCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub enum PolicyCommand {
    /// The policy in force as a table; with subject and action, the verdict now
    Show(PolicyShow),
    /// Try a policy on what was recorded: what would it have done?
    Test(PolicyTest),
}

#[derive(Debug, Clone, Args)]
pub struct PolicyShow {
    /// service/NODE/NAME, node/NAME, …
    pub subject: Option<String>,
    /// container_restart, redeploy, unit_restart, disk_cleanup, …
    #[arg(requires = "subject")]
    pub action: Option<String>,
    #[command(flatten)]
    pub moment: Moment,
}

#[derive(Debug, Clone, Args)]
pub struct PolicyTest {
    /// A stead.yaml, or a fleet directory: its `policy:` is tried
    #[arg(value_name = "FILE|DIR", value_hint = ValueHint::AnyPath)]
    pub file: PathBuf,
    /// Where the period begins: 30d, 'yesterday 03:00', RFC 3339
    #[arg(long, value_name = "INSTANT")]
    pub since: String,
    /// Where it ends [default: now]
    #[arg(long, value_name = "INSTANT")]
    pub until: Option<String>,
    /// Every decision, and those that were made
    #[arg(long)]
    pub all: bool,
    /// Read this data directory instead of asking the server (which must not run on it)
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub struct Rebuild {
    #[arg(long, env = "STEAD_DATA", default_value_os_t = default_data(), value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data: PathBuf,
    /// Only check: read every record, compare, write nothing
    #[arg(long)]
    pub check: bool,
}

/// `~/.local/share/stead`, or `/var/lib/stead` where there is no home.
pub fn default_data() -> PathBuf {
    let base = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".local/share"));
    base.or(home)
        .map_or_else(|| PathBuf::from("/var/lib/stead"), |dir| dir.join("stead"))
}
