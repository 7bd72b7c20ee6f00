//! The arguments of `inventory` and `models`.

use clap::{Args, Subcommand};

use super::Moment;

#[derive(Debug, Clone, Args)]
pub struct Inventory {
    /// Write a file of this kind instead of a table
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<InventoryFormat>,
    /// Only things of this kind: machine, environment, stack, container, unit, model
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
    /// The images in use and how old they are
    #[arg(long, conflicts_with_all = ["kind", "format"])]
    pub images: bool,
    /// What each value of the cost label takes up
    #[arg(long, conflicts_with_all = ["kind", "format", "images"])]
    pub costs: bool,
    #[command(flatten)]
    pub moment: Moment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum InventoryFormat {
    Json,
    Csv,
    Markdown,
}

#[derive(Debug, Clone, Args)]
pub struct Models {
    /// Only on this node
    #[arg(long, value_name = "NODE")]
    pub node: Option<String>,
    #[command(subcommand)]
    pub command: Option<ModelCommand>,
}

#[derive(Debug, Clone, Subcommand)]
pub enum ModelCommand {
    /// Bring a model into memory
    Load(LoadModel),
    /// Take a model out of memory
    Unload(UnloadModel),
}

#[derive(Debug, Clone, Args)]
pub struct LoadModel {
    pub node: String,
    pub model: String,
    /// Load it although swap pressure is likely or it will not fit
    #[arg(long)]
    pub yes: bool,
    /// Note kept with the action
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub struct UnloadModel {
    pub node: String,
    pub model: String,
    /// Note kept with the action
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
}
