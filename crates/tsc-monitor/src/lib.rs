//! Batch metrics, drift, thresholds, alerts and health of a running pipeline.
