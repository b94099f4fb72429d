use std::fmt;

/// Share of noise above which a fit gets a note.
const MUCH_NOISE: f64 = 0.9;
/// Share of the clustered samples above which their largest cluster gets a note.
const ONE_BLOB: f64 = 0.9;

/// Something the fit did otherwise than asked, or a result that is seldom what was wanted.
///
/// As text: what was found, and what to try.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum FitNote {
    /// `min_samples` is more than the other samples there are.
    MinSamplesClipped {
        /// Neighbours asked for.
        asked: usize,
        /// Neighbours used.
        used: usize,
    },
    /// All samples are noise.
    NoCluster,
    /// More than 0.9 of the samples are noise.
    AlmostAllNoise {
        /// Noise among the samples, 0..=1.
        share: f64,
    },
    /// One cluster holds more than 0.9 of the samples that are not noise.
    OneBlob {
        /// Its share of them, 0..=1.
        share: f64,
    },
}

impl FitNote {
    /// What the sizes of the clusters of `n_samples` samples say.
    pub(crate) fn of_sizes(n_samples: usize, sizes: &[usize]) -> Option<FitNote> {
        let clustered: usize = sizes.iter().sum();
        let Some(&largest) = sizes.iter().max() else { return Some(FitNote::NoCluster) };
        let noise = (n_samples - clustered) as f64 / n_samples as f64;
        let largest = largest as f64 / clustered as f64;
        if noise > MUCH_NOISE {
            Some(FitNote::AlmostAllNoise { share: noise })
        } else {
            (largest > ONE_BLOB).then_some(FitNote::OneBlob { share: largest })
        }
    }

    /// What to try, in one sentence.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            FitNote::MinSamplesClipped { .. } => "add samples or lower min_samples",
            FitNote::NoCluster => {
                "lower min_samples, then min_cluster_size; give the clusterer fewer features or components; \
                 where all samples may be one cluster, set allow_single_cluster with an epsilon"
            }
            FitNote::AlmostAllNoise { .. } => {
                "lower min_samples, then min_cluster_size; give the clusterer fewer features or components; \
                 scale features of different units"
            }
            FitNote::OneBlob { .. } => {
                "set cluster_selection_method to leaf, or max_cluster_size, or n_clusters; lower \
                 min_cluster_size; choose features in which groups differ"
            }
        }
    }
}

impl fmt::Display for FitNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |share: &f64| 100.0 * share;
        match self {
            FitNote::MinSamplesClipped { asked, used } => {
                write!(f, "min_samples asks for {asked} other samples, there are {used}")?;
            }
            FitNote::NoCluster => f.write_str("no cluster was found, all samples are noise")?,
            FitNote::AlmostAllNoise { share } => {
                write!(f, "{:.1} % of the samples are noise", percent(share))?
            }
            FitNote::OneBlob { share } => {
                write!(f, "one cluster holds {:.1} % of the clustered samples", percent(share))?;
            }
        }
        write!(f, "; {}", self.advice())
    }
}
