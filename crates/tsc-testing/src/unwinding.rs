use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `f`; the panic's message if it panicked.
pub(crate) fn panic_message<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|payload| {
        payload
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| payload.downcast_ref::<&str>().map(|s| (*s).to_owned()))
            .unwrap_or_default()
    })
}

/// Demands that `f` panics: a caller's mistake that the docs declare a panic.
#[track_caller]
pub(crate) fn must_panic<T>(claim: &str, f: impl FnOnce() -> T) {
    assert!(panic_message(f).is_err(), "{claim}: it did not panic");
}

/// Demands that `suite` fails with a message that holds `claim`: how a suite is shown to catch a fault.
#[cfg(test)]
#[track_caller]
pub(crate) fn must_fail(claim: &str, suite: impl FnOnce()) {
    let message =
        panic_message(suite).expect_err(&format!("the suite accepts an implementation that breaks: {claim}"));
    assert!(message.contains(claim), "the suite fails for another reason than {claim:?}: {message}");
}
