//! Bugs planted on purpose in what is around the core: [`stead_core::planted`] says why. Without the feature `planted`
//! there is nothing here but a constant.
//!
//! A simulation runs on one thread, so the bug of a simulation is the thread's: no shell has to carry it.

pub use stead_core::planted::{Bug, Planted};

#[cfg(feature = "planted")]
mod thread {
    use std::cell::Cell;

    use stead_core::planted::{Bug, Planted};

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Plants `bug` in whatever runs on this thread; none: what there is is taken out.
    pub fn plant(bug: Option<Bug>) {
        PLANTED.set(bug);
    }

    /// For a world on this thread.
    pub fn planted() -> Planted {
        Planted::with(PLANTED.get())
    }

    /// Whether `bug` is planted on this thread.
    pub fn on(bug: Bug) -> bool {
        planted().on(bug)
    }
}

#[cfg(feature = "planted")]
pub use thread::{on, plant, planted};

/// Whether `bug` is planted: never.
#[cfg(not(feature = "planted"))]
pub const fn on(_: Bug) -> bool {
    false
}

/// For a world on this thread: nothing.
#[cfg(not(feature = "planted"))]
pub fn planted() -> Planted {
    Planted::default()
}
