/// From the raw score to the scale of the target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Transform {
    Identity,
    /// `reg_sqrt`: the model was trained on signed square roots.
    SignedSquare,
    Exp,
    Sigmoid(f64),
}

impl Transform {
    /// From the `objective=` line of the text.
    pub(super) fn named(line: &str) -> Result<Self, String> {
        let mut words = line.split(' ').filter(|w| !w.is_empty());
        let name = words.next().unwrap_or_default();
        let options: Vec<&str> = words.collect();
        match name {
            "regression" | "regression_l1" | "huber" | "fair" | "quantile" | "mape" => {
                Ok(if options.contains(&"sqrt") { Self::SignedSquare } else { Self::Identity })
            }
            "poisson" | "gamma" | "tweedie" => Ok(Self::Exp),
            "cross_entropy" => Ok(Self::Sigmoid(1.0)),
            "binary" => {
                let sigmoid = options.iter().find_map(|o| o.strip_prefix("sigmoid:"));
                match sigmoid.and_then(|text| text.parse::<f64>().ok()) {
                    Some(value) if value.is_finite() && value > 0.0 => Ok(Self::Sigmoid(value)),
                    _ => Err("objective binary without a sigmoid above 0".into()),
                }
            }
            other => Err(format!("objective {other:?} is not scored here")),
        }
    }

    pub(super) fn apply(self, raw: f64) -> f64 {
        match self {
            Self::Identity => raw,
            Self::SignedSquare => {
                let sign = if raw > 0.0 {
                    1.0
                } else if raw < 0.0 {
                    -1.0
                } else {
                    0.0
                };
                sign * raw * raw
            }
            Self::Exp => raw.exp(),
            Self::Sigmoid(steepness) => 1.0 / (1.0 + (-steepness * raw).exp()),
        }
    }
}
