use serde::{Deserialize, Serialize};
use tsc_core::Label;

/// How well a fallback names known labels. Samples it would abstain on still count with their winner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FallbackEvaluation {
    /// Samples asked.
    pub n_samples: usize,
    /// Every how many samples one was asked; 1 if all were.
    pub stride: usize,
    /// Share of samples whose winner is their label.
    pub accuracy: f64,
    /// Share of samples it would have left noise.
    pub abstain_ratio: f64,
    /// Scores of each label, ascending.
    pub per_label: Vec<LabelScore>,
    /// `confusion[i][j]`: samples of the i-th label whose winner is the j-th.
    pub confusion: Vec<Vec<usize>>,
}

/// Scores of one label.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LabelScore {
    /// The label.
    pub label: Label,
    /// Samples that have it.
    pub n_samples: usize,
    /// Of the samples it won, the share that have it; `None` if it won none.
    pub precision: Option<f64>,
    /// Of the samples that have it, the share it won; `None` if there is none.
    pub recall: Option<f64>,
}

/// Counts (true code, winner's code, abstained) into an evaluation.
pub(crate) fn tally(
    labels: &[Label],
    outcomes: &[(usize, usize, bool)],
    stride: usize,
) -> Option<FallbackEvaluation> {
    if outcomes.is_empty() {
        return None;
    }
    let mut confusion = vec![vec![0usize; labels.len()]; labels.len()];
    for &(known, won, _) in outcomes {
        confusion[known][won] += 1;
    }
    let n = outcomes.len();
    let ratio = |count: usize, of: usize| (of > 0).then(|| count as f64 / of as f64);
    let per_label = labels.iter().enumerate().map(|(i, &label)| {
        let n_samples: usize = confusion[i].iter().sum();
        let won: usize = confusion.iter().map(|row| row[i]).sum();
        let right = confusion[i][i];
        LabelScore { label, n_samples, precision: ratio(right, won), recall: ratio(right, n_samples) }
    });
    let per_label: Vec<LabelScore> = per_label.collect();
    let right: usize = (0..labels.len()).map(|i| confusion[i][i]).sum();
    let abstained = outcomes.iter().filter(|o| o.2).count();
    Some(FallbackEvaluation {
        n_samples: n,
        stride,
        accuracy: right as f64 / n as f64,
        abstain_ratio: abstained as f64 / n as f64,
        per_label,
        confusion,
    })
}
