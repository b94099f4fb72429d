use serde::{Deserialize, Serialize};
use tsc_core::{ClusterId, Label};

use super::check_columns;
use crate::text::plain;

/// Importance of the features of one model; the ten largest are shown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Importance {
    /// Whose model; `None` for the pooled one.
    pub cluster: Option<ClusterId>,
    /// What the values are: `gain` or `split`.
    pub measure: String,
    /// Names of the features.
    pub features: Vec<String>,
    /// Importance of each, not negative.
    pub values: Vec<f64>,
}

const SHOWN: usize = 10;

impl Importance {
    /// The ten largest that are above 0, largest first; equal ones in the order of the features.
    pub(crate) fn top(&self) -> Vec<(&str, f64)> {
        let pairs = self.features.iter().map(String::as_str).zip(self.values.iter().copied());
        let mut pairs: Vec<(&str, f64)> = pairs.filter(|(_, value)| *value > 0.0).collect();
        pairs.sort_by(|a, b| b.1.total_cmp(&a.1));
        pairs.truncate(SHOWN);
        pairs
    }

    /// Such as `cluster 3` or `pooled model`.
    pub(crate) fn model(&self) -> String {
        self.cluster.map_or("pooled model".into(), |cluster| format!("cluster {cluster}"))
    }

    /// Share of the total that `value` is, 0..=1.
    pub(crate) fn share(&self, value: f64) -> f64 {
        value / self.values.iter().sum::<f64>()
    }

    /// The model's cluster as a label, for its colour.
    pub(super) fn label(&self) -> Option<Label> {
        self.cluster.map(Label::of)
    }

    pub(super) fn missing(&self) -> Option<String> {
        check_columns("feature", &[("importance", &self.values)], self.features.len())
            .or_else(|| self.values.iter().any(|v| *v < 0.0).then(|| "an importance is negative".into()))
            .or_else(|| self.top().is_empty().then(|| format!("the {} uses no feature", self.model())))
    }

    pub(super) fn caption(&self) -> String {
        let used = self.values.iter().filter(|v| **v > 0.0).count();
        let measure = plain(&self.measure, 40);
        let (shown, all) = (self.top().len(), self.features.len());
        let used = if used == all { format!("{all}") } else { format!("{used} used (of {all})") };
        format!("The {shown} most important of {used} features, by their share of the total {measure}.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ten_largest_are_shown_and_unused_features_are_not() {
        let importance = Importance {
            cluster: None,
            measure: "gain".into(),
            features: (0..30).map(|i| format!("f{i}")).collect(),
            values: (0..30).map(|i| f64::from(i % 15)).collect(),
        };
        let top = importance.top();
        assert_eq!((top.len(), top[0], top[1], top[2]), (10, ("f14", 14.0), ("f29", 14.0), ("f13", 13.0)));
        assert_eq!(importance.share(21.0), 0.1);
        let expected = "The 10 most important of 28 used (of 30) features, by their share of the total gain.";
        assert_eq!(importance.caption(), expected);
    }

    #[test]
    fn a_model_that_never_splits_has_nothing_to_draw() {
        let constant = Importance { features: vec!["a".into()], values: vec![0.0], ..Importance::default() };
        assert_eq!(constant.missing().unwrap(), "the pooled model uses no feature");
        assert_eq!(Importance::default().missing().unwrap(), "there is no feature");
        let negative = Importance { values: vec![-1.0], ..constant };
        assert_eq!(negative.missing().unwrap(), "an importance is negative");
    }
}
