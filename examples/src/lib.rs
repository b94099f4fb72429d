//! Seeded data that the examples share.
