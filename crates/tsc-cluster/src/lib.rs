//! Exact HDBSCAN* with strengths and prediction, scaling and quality scores.
