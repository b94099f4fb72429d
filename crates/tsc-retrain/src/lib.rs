//! Retraining policies, training window and champion/challenger gate.
