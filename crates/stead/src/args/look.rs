//! The commands that look: the first page, logs.

use clap::Args;

use super::Moment;

#[derive(Debug, Clone, Args)]
pub struct Overview {
    /// When you last looked: a span ago (8h), a time of day ('yesterday 22:00'), RFC 3339, or `night`: the last one, 22:00
    /// to 07:00 where the owner lives [default: a day ago]
    #[arg(long, value_name = "INSTANT")]
    pub since: Option<String>,
    #[command(flatten)]
    pub moment: Moment,
}
