use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tsc_core::{Event, Observer};

/// Observers, shared by the clones of a pipeline.
#[derive(Clone, Default)]
pub(crate) struct Observers(Arc<Mutex<Vec<Box<dyn Observer>>>>);

impl Observers {
    pub(crate) fn add(&self, observer: impl Observer + 'static) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(observer));
    }

    pub(crate) fn tell(&self, event: &Event<'_>) {
        for observer in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            observer.on_event(event);
        }
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observers(..)")
    }
}
