//! Closed sets of LightGBM, with the spellings it accepts.

macro_rules! choices {
    ($(#[$doc:meta])* $name:ident { $($(#[$item:meta])* $variant:ident = $canonical:literal $(| $alias:literal)*,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum $name { $($(#[$item])* $variant,)+ }

        impl $name {
            /// All of them, in the order of this documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Canonical LightGBM name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $canonical,)+ }
            }

            /// From any spelling LightGBM accepts.
            #[must_use]
            pub fn named(text: &str) -> Option<Self> {
                match text {
                    $($canonical $(| $alias)* => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

choices! {
    /// What training minimises.
    Objective {
        /// Squared error.
        Regression = "regression" | "regression_l2" | "l2" | "mean_squared_error" | "mse" | "l2_root"
            | "root_mean_squared_error" | "rmse",
        /// Absolute error.
        RegressionL1 = "regression_l1" | "l1" | "mean_absolute_error" | "mae",
        /// Huber loss, with threshold `alpha`.
        Huber = "huber",
        /// Fair loss, with `fair_c`.
        Fair = "fair",
        /// Poisson; targets >= 0.
        Poisson = "poisson",
        /// Pinball loss at level `alpha`.
        Quantile = "quantile",
        /// Percentage error.
        Mape = "mape" | "mean_absolute_percentage_error",
        /// Gamma; targets > 0.
        Gamma = "gamma",
        /// Tweedie; targets >= 0.
        Tweedie = "tweedie",
        /// Log loss; targets 0 or 1, predictions are probabilities.
        Binary = "binary",
        /// Cross entropy; targets in [0, 1].
        CrossEntropy = "cross_entropy" | "xentropy",
    }
}

choices! {
    /// What is measured after each round on the tuning rows.
    Metric {
        /// Mean absolute error.
        L1 = "l1" | "mean_absolute_error" | "mae" | "regression_l1",
        /// Mean squared error.
        L2 = "l2" | "mean_squared_error" | "mse" | "regression_l2" | "regression",
        /// Root mean squared error.
        Rmse = "rmse" | "root_mean_squared_error" | "l2_root",
        /// Pinball loss at level `alpha`.
        Quantile = "quantile",
        /// Mean absolute percentage error.
        Mape = "mape" | "mean_absolute_percentage_error",
        /// Huber loss.
        Huber = "huber",
        /// Fair loss.
        Fair = "fair",
        /// Negative log likelihood of Poisson.
        Poisson = "poisson",
        /// Negative log likelihood of gamma.
        Gamma = "gamma",
        /// Deviance of gamma.
        GammaDeviance = "gamma_deviance",
        /// Negative log likelihood of Tweedie.
        Tweedie = "tweedie",
        /// Coefficient of determination.
        R2 = "r2",
        /// Log loss.
        BinaryLogloss = "binary_logloss" | "binary",
        /// Error rate.
        BinaryError = "binary_error",
        /// Area under the ROC curve.
        Auc = "auc",
        /// Average precision.
        AveragePrecision = "average_precision",
        /// Cross entropy.
        CrossEntropy = "cross_entropy" | "xentropy",
    }
}

choices! {
    /// How trees are combined.
    Boosting {
        /// Gradient boosting.
        Gbdt = "gbdt" | "gbrt",
        /// Random forest.
        Rf = "rf" | "random_forest",
        /// Boosting with dropped trees; excludes early stopping.
        Dart = "dart",
        /// Gradient boosting with one-side sampling.
        Goss = "goss",
    }
}

impl Metric {
    /// Whether larger is better; declared here, never guessed from a name.
    #[must_use]
    pub fn larger_is_better(self) -> bool {
        matches!(self, Self::R2 | Self::Auc | Self::AveragePrecision)
    }
}

impl Objective {
    /// The metric that goes with the objective when none is asked for.
    #[must_use]
    pub fn metric(self) -> Metric {
        match self {
            Self::Regression => Metric::Rmse,
            Self::RegressionL1 => Metric::L1,
            Self::Huber => Metric::Huber,
            Self::Fair => Metric::Fair,
            Self::Poisson => Metric::Poisson,
            Self::Quantile => Metric::Quantile,
            Self::Mape => Metric::Mape,
            Self::Gamma => Metric::Gamma,
            Self::Tweedie => Metric::Tweedie,
            Self::Binary => Metric::BinaryLogloss,
            Self::CrossEntropy => Metric::CrossEntropy,
        }
    }
}
