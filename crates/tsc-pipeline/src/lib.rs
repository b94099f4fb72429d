//! The tsc pipeline: segmentation, per-cluster models, monitoring and retraining as one value.
