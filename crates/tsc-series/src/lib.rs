//! Patient time series to feature matrices: the preprocessing stage.
