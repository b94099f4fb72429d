//! What people are told: the events of the alerts, less what need not be said, in a bounded queue.

mod matcher;
mod notifier;
mod sinks;
#[cfg(test)]
mod tests;

pub use matcher::{AlertMatcher, Silence};
pub use notifier::{Delivery, Notifier, NotifierParams, NotifierState};
pub use sinks::{ChannelSink, JsonLinesSink, LineSink};
