//! MLflow tracking and model registry from Rust: embedded SQLite store and REST client.
