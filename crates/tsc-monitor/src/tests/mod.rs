mod alerts;
mod drift;
mod export;
mod faults;
mod health;
mod state;
mod stream;

pub(crate) use stream::normal;

/// Whether simulations run at their full size; without it they are short.
pub(crate) fn full() -> bool {
    std::env::var("TSC_FULL").is_ok_and(|v| v == "true")
}
