//! The commands, one file each (or a few that show lists).

pub mod actions;
pub mod check;
pub mod events;
pub mod init;
pub mod lists;
pub mod rebuild;
pub mod serve;
pub mod version;
