//! LightGBM and linear models per cluster with a pooled model behind them.
