//! Exact nearest neighbours and distance kernels.
