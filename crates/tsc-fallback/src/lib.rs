//! Labels for noise samples: k nearest neighbours with abstention, nearest centroid.
