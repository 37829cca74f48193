//! Calls into code that may panic, turned into errors.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `call`; a panic becomes `Err` with its message and prints nothing.
///
/// For libraries that panic on bad input or on a lost device. What `call` was changing when it
/// panicked must not be used again.
pub fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    // The hook is process-wide, so it stays and asks the panicking thread; swapping it for the
    // length of a call would race with other threads.
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let outer = take_hook();
        set_hook(Box::new(move |info| {
            if !QUIET.get() {
                outer(info);
            }
        }));
    });
    let before = QUIET.replace(true);
    let result = catch_unwind(AssertUnwindSafe(call));
    QUIET.set(before);
    result.map_err(|payload| {
        let text = payload.downcast_ref::<&str>().map(|s| (*s).to_owned());
        text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic without a message".into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message() {
        assert_eq!(guarded(|| 3), Ok(3));
        assert_eq!(guarded(|| -> i32 { panic!("lost {}", 7) }), Err("lost 7".into()));
        assert_eq!(guarded(|| -> i32 { panic!("plain") }), Err("plain".into()));
        assert!(!QUIET.get());
        let inside = guarded(|| guarded(|| -> i32 { panic!("inner") }).is_err() && QUIET.get());
        assert_eq!(inside, Ok(true));
    }
}
