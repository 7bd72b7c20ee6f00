//! The score card, 0 to 100, of a node and of the fleet. Row S2.
//!
//! Six dimensions, each with its own reading, its bounds and its points. What has no reading is left out and the rest is
//! scaled to 100 and marked partial: unknown is never green, and never a loss either. Every lost point carries what was
//! measured, the bound that would have given more, and a fix. Nothing here weighs dimensions against each other beyond the
//! points of the settings, and nothing is smoothed: the same readings are the same card.

mod card;
mod fix;
mod scale;

pub use card::{Card, Cleanup, Dimension, FleetCard, Next, Readings, Upkeep, card, fleet};
pub use fix::Fix;
pub use scale::{InvalidScore, Kind, Scale, ScoreSettings, Side, Step};

#[cfg(test)]
mod tests;
