//! Waiting for what nobody tells of, with an end.

use kernel::bindings;
use kernel::time::{Instant, Monotonic};

/// How often one looks, in ms.
const INTERVAL_MS: u32 = 5;

/// What `look` finds, as soon as it finds something; `None` if that is not within so many ms. It
/// looks once at least. May sleep.
pub(crate) fn until_some<T>(ms: i64, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::<Monotonic>::now();
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if start.elapsed().as_millis() >= ms {
            return None;
        }
        // SAFETY: The callers may sleep, as this function's doc demands.
        unsafe { bindings::msleep(INTERVAL_MS) };
    }
}

/// Waits until `is_so`; whether that is within so many ms. May sleep.
pub(crate) fn until(ms: i64, mut is_so: impl FnMut() -> bool) -> bool {
    until_some(ms, || is_so().then_some(())).is_some()
}
