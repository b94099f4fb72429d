//! LightGBM parameters: names, defaults by size, checks and the one rendering.

mod aliases;
mod check;
mod choices;
mod scalar;
mod sizes;

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tsc_core::Loss;

pub use choices::{Boosting, Metric, Objective};
pub use scalar::Scalar;

use scalar::Convert;

#[cfg(all(test, feature = "lightgbm"))]
pub(crate) use aliases::PARAMETERS;

/// Which of the seed's two parameter sets fills keys that nobody set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Head {
    /// `lgb_timeseries_params`.
    #[default]
    TimeSeries,
    /// `lgb_resource_params`.
    Resource,
}

macro_rules! gbm_params {
    ($($(#[$doc:meta])* $field:ident: $type:ty,)+) => {
        /// LightGBM parameters under their canonical names; `None` means the default for the training size.
        ///
        /// Read from and written to a table whose keys may be any LightGBM name or alias. Whatever does not
        /// become a field (a parameter without one, an unknown name, a second spelling) stands in `extra` as
        /// it was written, so that [`GbmParams::check`] can name it.
        ///
        /// Defaults are the seed's where `auto_size` is off. With it on, keys that nobody set follow the
        /// training rows of each model (leaves, rows per leaf, bins, L2 and bagging).
        ///
        /// # Examples
        ///
        /// ```
        /// use tsc_models::GbmParams;
        /// let params: GbmParams = serde_json::from_str(r#"{"max_leaves": 7, "eta": 0.2}"#).unwrap();
        /// assert!(params.check().is_empty());
        /// assert_eq!((params.num_leaves, params.learning_rate), (Some(7), Some(0.2)));
        /// assert_eq!(params.resolved(400)["num_leaves"], "7");
        /// assert_eq!(params.resolved(400)["max_depth"], "5");
        /// ```
        #[derive(Clone, Debug, PartialEq)]
        pub struct GbmParams {
            $($(#[$doc])* pub $field: Option<$type>,)+
            /// Parameters without a field, as they were written.
            pub extra: BTreeMap<String, Scalar>,
            /// Whether keys that nobody set follow the training rows.
            pub auto_size: bool,
            /// Which defaults fill keys that nobody set.
            pub head: Head,
        }

        impl GbmParams {
            fn with_defaults_of(head: Head) -> Self {
                Self { $($field: None,)+ extra: BTreeMap::new(), auto_size: true, head }
            }

            // Gives the value back if it must stay in `extra`.
            fn set_field(&mut self, canonical: &str, value: Scalar) -> Option<Scalar> {
                match canonical {
                    $(stringify!($field) => match (&self.$field, <$type>::from_scalar(&value)) {
                        (None, Some(converted)) => {
                            self.$field = Some(converted);
                            None
                        }
                        (Some(old), Some(new)) if *old == new => None,
                        _ => Some(value),
                    },)+
                    _ => Some(value),
                }
            }

            fn fields(&self) -> Vec<(&'static str, Scalar)> {
                let mut fields = Vec::new();
                $(if let Some(value) = &self.$field {
                    fields.push((stringify!($field), value.to_scalar()));
                })+
                fields
            }
        }
    };
}

gbm_params! {
    /// What training minimises; default regression.
    objective: Objective,
    /// What the tuning rows are measured by; default rmse, or the objective's own.
    metric: Vec<Metric>,
    /// How trees are combined; default gbdt.
    boosting: Boosting,
    /// Rounds at most, >= 1; default 100.
    num_iterations: u32,
    /// Shrinkage, 0.001..=1; smaller learns slower and needs more rounds. Default .05 (resource .1).
    learning_rate: f64,
    /// Leaves of a tree, 2..=131072; larger fits finer. Default 31 (resource 15).
    num_leaves: u32,
    /// Depth of a tree, -1 = no limit.
    max_depth: i32,
    /// Rows of a leaf at least, >= 1; larger smooths. Default 20.
    min_data_in_leaf: u32,
    /// Rows of a histogram bin at least, >= 1; default 3.
    min_data_in_bin: u32,
    /// Hessian sum of a leaf at least, >= 0; default 0.001.
    min_sum_hessian_in_leaf: f64,
    /// Share of the features each tree sees, (0, 1]; default .9 (resource .8).
    feature_fraction: f64,
    /// Share of the rows each bag holds, (0, 1]; default .8 (resource .7).
    bagging_fraction: f64,
    /// Rounds between two bags, 0 = no bagging; default 5.
    bagging_freq: u32,
    /// L1 penalty of leaf values, >= 0; default 0.
    lambda_l1: f64,
    /// L2 penalty of leaf values, >= 0; default 0.
    lambda_l2: f64,
    /// Histogram bins of a feature, 2..=65535; fewer is faster. Default 255.
    max_bin: u32,
    /// Patience on the tuning rows in rounds, 0 = never stop early; default 50.
    early_stopping_round: u32,
    /// Seed of everything random; default 42.
    seed: i32,
    /// LightGBM's log level; default -1. Messages go to `tracing`, never to standard output.
    verbosity: i32,
}

impl Default for GbmParams {
    fn default() -> Self {
        Self::time_series()
    }
}

impl GbmParams {
    /// The seed's defaults for the target: 31 leaves, rate .05, features .9, bagging .8 every 5, seed 42.
    #[doc(alias = "lgb_timeseries_params")]
    #[must_use]
    pub fn time_series() -> Self {
        Self::with_defaults_of(Head::TimeSeries)
    }

    /// The seed's defaults for resource columns: 15 leaves, rate .1, features .8, bagging .7 every 5, seed 42.
    #[doc(alias = "lgb_resource_params")]
    #[must_use]
    pub fn resource() -> Self {
        Self::with_defaults_of(Head::Resource)
    }

    /// The same keys over the other set of defaults.
    #[must_use]
    pub fn for_head(mut self, head: Head) -> Self {
        self.head = head;
        self
    }

    /// The same keys with defaults that follow the training rows, or not.
    #[must_use]
    pub fn with_auto_size(mut self, auto_size: bool) -> Self {
        self.auto_size = auto_size;
        self
    }

    /// Sets a parameter by any of its names; [`GbmParams::check`] judges name and value.
    pub fn set(&mut self, name: &str, value: impl Into<Scalar>) {
        let canonical = aliases::find(name).map_or(name, |p| p.name);
        if let Some(value) = self.set_field(canonical, value.into()) {
            self.extra.insert(name.to_owned(), value);
        }
    }

    /// The canonical LightGBM name of a name or alias, `None` if LightGBM does not know it.
    #[must_use]
    pub fn canonical_name(name: &str) -> Option<&'static str> {
        aliases::find(name).map(|p| p.name)
    }

    pub(crate) fn objective(&self) -> Objective {
        self.objective.unwrap_or(Objective::Regression)
    }

    #[cfg(feature = "lightgbm")]
    pub(crate) fn metrics(&self, loss: Loss) -> Vec<Metric> {
        match (loss, &self.metric) {
            (Loss::Quantile(_), _) => vec![Metric::Quantile],
            // LightGBM takes a repeated metric once.
            (_, Some(metrics)) if !metrics.is_empty() => {
                let first = |&i: &usize| !metrics[..i].contains(&metrics[i]);
                (0..metrics.len()).filter(first).map(|i| metrics[i]).collect()
            }
            _ => vec![self.objective().metric()],
        }
    }

    pub(crate) fn extra_value(&self, canonical: &str) -> Option<&Scalar> {
        self.extra.iter().find(|(name, _)| Self::canonical_name(name) == Some(canonical)).map(|(_, v)| v)
    }

    /// Every parameter a model of `n_rows` training rows is given, by canonical name.
    #[must_use]
    pub fn resolved(&self, n_rows: usize) -> BTreeMap<String, String> {
        self.resolved_for(n_rows, Loss::Configured)
    }

    pub(crate) fn resolved_for(&self, n_rows: usize, loss: Loss) -> BTreeMap<String, String> {
        let mut all = sizes::defaults(self, n_rows);
        for (name, value) in self.fields() {
            all.insert(name.to_owned(), value.render());
        }
        for (name, value) in &self.extra {
            if let Some(canonical) = Self::canonical_name(name) {
                all.insert(canonical.to_owned(), value.render());
            }
        }
        // Row-wise histograms exclude column-wise ones; LightGBM stops on both.
        if all.get("force_row_wise").is_some_and(|v| v == "true") {
            all.remove("force_col_wise");
        }
        if let Loss::Quantile(level) = loss {
            all.insert("objective".into(), Objective::Quantile.name().into());
            all.insert("metric".into(), Metric::Quantile.name().into());
            all.insert("alpha".into(), level.to_string());
        }
        all
    }

    /// The one string that Dataset and Booster get, sorted by key.
    ///
    /// Rounds and patience belong to the training loop: LightGBM's round function reads neither.
    #[cfg(any(feature = "lightgbm", test))]
    pub(crate) fn render(&self, n_rows: usize, loss: Loss) -> String {
        const LOOP: [&str; 3] = ["num_iterations", "early_stopping_round", "early_stopping_min_delta"];
        let all = self.resolved_for(n_rows, loss);
        let pairs = all.iter().filter(|(name, _)| !LOOP.contains(&name.as_str()));
        pairs.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    }
}

impl Serialize for GbmParams {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = self.fields();
        let fields = fields.iter().map(|(name, value)| (*name, value));
        serializer.collect_map(fields.chain(self.extra.iter().map(|(name, value)| (name.as_str(), value))))
    }
}

impl<'de> Deserialize<'de> for GbmParams {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut params = Self::default();
        let table = BTreeMap::<String, Scalar>::deserialize(deserializer)?;
        // Canonical names first, so that a disagreement is reported at the alias.
        let (canonical, aliases): (Vec<_>, Vec<_>) =
            table.into_iter().partition(|(name, _)| Self::canonical_name(name) == Some(name));
        for (name, value) in canonical.into_iter().chain(aliases) {
            params.set(&name, value);
        }
        Ok(params)
    }
}

#[cfg(test)]
mod tests;
