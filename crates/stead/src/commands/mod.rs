//! The commands, one file each (or a few that show lists).

pub mod actions;
pub mod advise;
pub mod check;
pub mod containers;
pub mod drill;
pub mod events;
pub mod init;
pub mod insight;
pub mod inventory;
pub mod lists;
pub mod logs;
pub mod messages;
pub mod models;
pub mod overview;
pub mod policy;
pub mod rebuild;
pub mod restraint;
pub mod roll;
pub mod serve;
pub mod version;
pub mod why;
