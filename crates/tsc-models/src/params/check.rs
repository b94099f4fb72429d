//! Every broken rule of a parameter table at once.

use tsc_core::Violation;

use super::aliases::{self, Kind, Parameter};
use super::scalar::Convert;
use super::{Boosting, GbmParams, Objective, Scalar};

impl GbmParams {
    /// Every broken rule: unknown and refused names, types, ranges, spellings that disagree, contradictions.
    ///
    /// Paths are the keys as they were written, else the canonical names.
    #[must_use]
    pub fn check(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        self.check_ranges(&mut found);
        self.check_extra(&mut found);
        if self.boosting == Some(Boosting::Dart) && self.early_stopping_round.is_some_and(|n| n > 0) {
            found.push(Violation::new(
                "early_stopping_round",
                "must be 0 with boosting dart: later rounds rescale earlier trees, so a model cannot be cut",
            ));
        }
        found.sort();
        found
    }

    fn check_ranges(&self, found: &mut Vec<Violation>) {
        let mut real = |name: &str, value: Option<f64>, low: f64, open: bool, high: f64| {
            let Some(value) = value else { return };
            let inside = if open { value > low } else { value >= low } && value <= high;
            if !inside || !value.is_finite() {
                let left = if open { '(' } else { '[' };
                let bound = match (open, high == f64::INFINITY) {
                    (_, true) => format!("must be at least {low} and finite"),
                    _ => format!("must be in {left}{low}, {high}]"),
                };
                found.push(Violation::new(name, format!("is {value}, {bound}")));
            }
        };
        real("learning_rate", self.learning_rate, 0.001, false, 1.0);
        real("feature_fraction", self.feature_fraction, 0.0, true, 1.0);
        real("bagging_fraction", self.bagging_fraction, 0.0, true, 1.0);
        real("lambda_l1", self.lambda_l1, 0.0, false, f64::INFINITY);
        real("lambda_l2", self.lambda_l2, 0.0, false, f64::INFINITY);
        real("min_sum_hessian_in_leaf", self.min_sum_hessian_in_leaf, 0.0, false, f64::INFINITY);
        let alpha = self.extra_value("alpha").and_then(f64::from_scalar);
        if self.objective() == Objective::Quantile && alpha.is_some_and(|a| !(a > 0.0 && a < 1.0)) {
            let alpha = alpha.unwrap_or_default();
            found.push(Violation::new("alpha", format!("is {alpha}, must be in (0, 1) for a quantile")));
        }
        let mut whole = |name: &str, value: Option<u32>, low: u32, high: u32| {
            let Some(value) = value else { return };
            if value < low {
                found.push(Violation::new(name, format!("is {value}, must be at least {low}")));
            } else if value > high {
                found.push(Violation::new(name, format!("is {value}, must be at most {high}")));
            }
        };
        whole("num_leaves", self.num_leaves, 2, 131_072);
        whole("num_iterations", self.num_iterations, 1, 1_000_000);
        whole("min_data_in_leaf", self.min_data_in_leaf, 1, i32::MAX as u32);
        whole("min_data_in_bin", self.min_data_in_bin, 1, i32::MAX as u32);
        whole("max_bin", self.max_bin, 2, 65_535);
        whole("bagging_freq", self.bagging_freq, 0, i32::MAX as u32);
        whole("early_stopping_round", self.early_stopping_round, 0, i32::MAX as u32);
        if self.metric.as_ref().is_some_and(Vec::is_empty) {
            found.push(Violation::new("metric", "is empty, needs at least one metric"));
        }
    }

    fn check_extra(&self, found: &mut Vec<Violation>) {
        let fields = self.fields();
        for (name, value) in &self.extra {
            let Some(parameter) = aliases::find(name) else {
                let hint =
                    aliases::nearest(name).map_or(String::new(), |near| format!(", did you mean {near}"));
                found.push(Violation::new(name, format!("is no LightGBM parameter{hint}")));
                continue;
            };
            if let Some(why) = parameter.refused {
                found.push(Violation::new(name, format!("cannot be set: {why}")));
            } else if let Some((_, field)) = fields.iter().find(|(field, _)| *field == parameter.name) {
                found.push(Violation::new(
                    name,
                    format!("is {}, but {} is {}", value.render(), parameter.name, field.render()),
                ));
            } else if let Some((other, differs)) = self.extra.iter().find(|(other, differs)| {
                *other < name && *differs != value && parameter.aliases.contains(&other.as_str())
                    || *other == parameter.name && *other != name && *differs != value
            }) {
                found.push(Violation::new(
                    name,
                    format!("is {}, but {other} is {}", value.render(), differs.render()),
                ));
            } else if let Some(problem) = problem(parameter, value) {
                found.push(Violation::new(name, format!("is {}, {problem}", value.render())));
            }
        }
    }
}

fn problem(parameter: &Parameter, value: &Scalar) -> Option<String> {
    let choices = |names: Vec<&str>| Some(format!("must be one of {}", names.join(", ")));
    // A field's name here means that its value did not convert.
    match parameter.name {
        "objective" => return choices(Objective::ALL.iter().map(|c| c.name()).collect()),
        "metric" => return choices(super::Metric::ALL.iter().map(|c| c.name()).collect()),
        "boosting" => return choices(Boosting::ALL.iter().map(|c| c.name()).collect()),
        "deterministic" if *value != Scalar::Bool(true) => {
            return Some("must be true: equal input gives equal models".into());
        }
        "use_quantized_grad" if *value == Scalar::Bool(true) => {
            return Some("must be false: rounded gradients are random".into());
        }
        _ => {}
    }
    match parameter.kind {
        Kind::Bool if !matches!(value, Scalar::Bool(_)) => Some("must be true or false".into()),
        Kind::Int => match i32::from_scalar(value) {
            Some(whole) if unsigned(parameter.name) && whole < 0 => Some("must be at least 0".into()),
            Some(_) => None,
            None => Some("must be a whole number".into()),
        },
        Kind::Float => match f64::from_scalar(value) {
            Some(number) if number.is_finite() => None,
            _ => Some("must be a finite number".into()),
        },
        Kind::Text | Kind::List if !plain(&value.render()) => {
            Some("must not hold spaces, quotes, = or control characters".into())
        }
        _ => None,
    }
}

fn unsigned(name: &str) -> bool {
    !matches!(name, "max_depth" | "verbosity" | "max_drop") && !name.ends_with("seed")
}

// Anything else could end the value inside the parameter string and start another parameter.
fn plain(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+' | '.' | ',' | ':' | '[' | ']'))
}
