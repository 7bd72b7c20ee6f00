//! A panic inside a task ends that task alone and is easily missed: here it is a finding.

use std::cell::RefCell;
use std::panic;
use std::sync::Once;

thread_local! {
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
    static WATCHED: RefCell<bool> = const { RefCell::new(false) };
}

static HOOK: Once = Once::new();

/// Panics of this thread are kept while it lives.
#[derive(Debug)]
pub struct Watch(());

/// Begins to watch this thread.
pub fn watch() -> Watch {
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if WATCHED.with_borrow(|w| *w) {
                LAST.with_borrow_mut(|last| {
                    last.get_or_insert_with(|| info.to_string()).truncate(2_000)
                });
            } else {
                before(info);
            }
        }));
    });
    LAST.with_borrow_mut(|last| *last = None);
    WATCHED.with_borrow_mut(|w| *w = true);
    Watch(())
}

impl Watch {
    /// The first panic since the last call.
    pub fn take(&self) -> Option<String> {
        LAST.with_borrow_mut(Option::take)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        WATCHED.with_borrow_mut(|w| *w = false);
    }
}
