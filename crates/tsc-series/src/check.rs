//! The rules of [`SeriesParams`].

use tsc_core::{ResourceKind, Violation};

use crate::grid::Grid;
use crate::panel::WindowStat;
use crate::params::{FeatureSet, MAX_STEPS, Rows, SeriesParams, TargetSpec};

impl SeriesParams {
    /// Every broken rule, with key path, value and bound; empty if the settings can be used.
    #[must_use]
    pub fn check(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        self.check_rows(&mut found);
        self.check_features(&mut found);
        self.check_panel(&mut found);
        self.check_target(&mut found);
        found
    }

    fn check_rows(&self, found: &mut Vec<Violation>) {
        let mut durations = vec![("recent", self.recent)];
        match self.rows {
            Rows::PerPatient { cut } => durations.push(("rows.cut", cut)),
            Rows::PerStep { from, every } => durations.extend([("rows.from", from), ("rows.every", every)]),
            Rows::Panel { from, every } => {
                for (path, count) in [("rows.from", from), ("rows.every", every)] {
                    if count == 0 {
                        found.push(Violation::new(path, "is 0, must be at least 1"));
                    }
                }
            }
        }
        durations.extend(self.window.map(|window| ("window", window)));
        if let Grid::Every(width) = self.grid {
            durations.push(("grid", width));
        }
        for (path, duration) in durations {
            if duration.0 == 0 || i64::try_from(duration.0).is_err() {
                found.push(Violation::new(path, format!("is {duration}, must be above 0")));
            }
        }
    }

    fn check_features(&self, found: &mut Vec<Violation>) {
        let mut add = |path: &str, message: String| found.push(Violation::new(path, message));
        if self.features.is_empty() {
            add("features", "is empty, must name at least one family".into());
        }
        let mut seen = self.features.clone();
        seen.sort();
        if seen.windows(2).any(|pair| pair[0] == pair[1]) {
            add("features", "names a family twice".into());
        }
        if self.features.contains(&FeatureSet::Panel) && !matches!(self.rows, Rows::Panel { .. }) {
            add("features", "names panel, which needs rows of kind panel".into());
        }
        for (path, globs) in
            [("cluster_columns", &self.cluster_columns), ("feature_columns", &self.feature_columns)]
        {
            for glob in globs {
                let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '*' | '?');
                if glob.is_empty() || !glob.chars().all(plain) {
                    add(path, format!("holds {glob:?}, must be letters, digits, _ . - * and ? only"));
                }
            }
        }
        let [low, high] = self.missing_ratio;
        if !(0.0 <= low && low <= high && high <= 1.0) {
            add("missing_ratio", format!("is [{low}, {high}], must be two rising shares in 0..=1"));
        }
    }

    fn check_panel(&self, found: &mut Vec<Violation>) {
        let mut add = |path: &str, message: String| found.push(Violation::new(path, message));
        let windows = |stat: WindowStat| {
            let asked = self.rolling.iter().filter(move |rolling| rolling.stat == stat);
            asked.map(|rolling| rolling.window).collect::<Vec<usize>>()
        };
        let counts = [
            ("lags", &self.lags, 1),
            ("rolling", &windows(WindowStat::Mean), 1),
            ("rolling", &windows(WindowStat::Std), 2),
            ("rolling", &windows(WindowStat::Min), 1),
            ("rolling", &windows(WindowStat::Max), 1),
            ("differences", &self.differences, 1),
            ("trends", &self.trends, 2),
            ("season", &self.season.into_iter().collect(), 2),
            ("horizon", &self.horizon, 1),
            ("scale.window", &vec![self.scale.window], 1),
            ("landmarks", &vec![self.landmarks], 1),
        ];
        for (path, counts, least) in counts {
            if let Some(count) = counts.iter().find(|count| !(least..=MAX_STEPS).contains(count)) {
                add(path, format!("holds {count}, must be in {least}..={MAX_STEPS}"));
            }
            let mut sorted = counts.clone();
            sorted.sort_unstable();
            if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
                add(path, format!("holds {} twice", pair[0]));
            }
        }
        if !self.horizon.is_sorted() || self.horizon.is_empty() {
            add("horizon", "must be rising steps, at least one".into());
        }
        if let Some(alpha) = self.ewm.iter().find(|alpha| !(0.0..=1.0).contains(*alpha)) {
            add("ewm", format!("holds {alpha}, must be in 0..=1"));
        }
        if (1..self.ewm.len()).any(|at| self.ewm[..at].contains(&self.ewm[at])) {
            add("ewm", "holds a weight twice".into());
        }
        if (1..self.expanding.len()).any(|at| self.expanding[..at].contains(&self.expanding[at])) {
            add("expanding", "names a number twice".into());
        }
        let floor = self.scale.floor;
        if !(floor > 0.0 && floor.is_finite()) {
            add("scale.floor", format!("is {floor}, must be above 0"));
        }
    }

    fn check_target(&self, found: &mut Vec<Violation>) {
        let mut add = |path: &str, message: String| found.push(Violation::new(path, message));
        match (&self.target, self.rows) {
            (Some(TargetSpec::Lead { .. }), Rows::Panel { .. }) => {
                add("target.kind", "is lead, must be forecast with rows of kind panel".into());
            }
            (Some(TargetSpec::Forecast { .. }), Rows::PerPatient { .. } | Rows::PerStep { .. }) => {
                add("target.kind", "is forecast, which needs rows of kind panel".into());
            }
            (Some(TargetSpec::Lead { from, to, .. }), rows) => {
                if let Rows::PerPatient { cut } = rows
                    && *from < cut
                {
                    add("target.from", format!("is {from}, must be at least the cut {cut}"));
                }
                if to <= from || i64::try_from(to.0).is_err() {
                    add("target.to", format!("is {to}, must be above target.from {from}"));
                }
            }
            _ => (),
        }
        let mut names = std::collections::BTreeSet::new();
        for resource in &self.resources {
            if let Err(error) = ResourceKind::named(&resource.name) {
                add("resources.name", format!("is {:?}: {error}", resource.name));
            }
            if !names.insert(&resource.name) {
                add("resources.name", format!("is {:?} twice", resource.name));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tsc_core::Millis;

    use super::*;
    use crate::Aggregate;
    use crate::params::HOUR;

    #[track_caller]
    fn check(change: impl FnOnce(&mut SeriesParams), expected: &str) {
        let mut params = SeriesParams::icu();
        change(&mut params);
        let found: Vec<String> = params.check().iter().map(ToString::to_string).collect();
        assert_eq!(found.join("; "), expected);
    }

    #[test]
    fn each_broken_rule_names_key_value_and_bound() {
        check(|_| (), "");
        check(|p| p.rows = Rows::PerPatient { cut: Millis(0) }, "rows.cut is 0s, must be above 0");
        check(|p| p.features.clear(), "features is empty, must name at least one family");
        check(|p| p.features = vec![FeatureSet::Stats; 2], "features names a family twice");
        check(
            |p| p.cluster_columns = vec!["HR mean".into()],
            "cluster_columns holds \"HR mean\", must be letters, digits, _ . - * and ? only",
        );
        check(
            |p| p.missing_ratio = [0.5, 0.1],
            "missing_ratio is [0.5, 0.1], must be two rising shares in 0..=1",
        );
        check(
            |p| p.missing_ratio = [f64::NAN, 0.1],
            "missing_ratio is [NaN, 0.1], must be two rising shares in 0..=1",
        );
        check(
            |p| {
                let hour = |h: u64| Millis(h * HOUR);
                let aggregate = Aggregate::Mean;
                p.target =
                    Some(TargetSpec::Lead { variable: "HR".into(), from: hour(41), to: hour(41), aggregate });
            },
            "target.from is 41h, must be at least the cut 42h; target.to is 41h, must be above target.from 41h",
        );
        check(|p| p.resources.push(p.resources[0].clone()), "resources.name is \"length_of_stay\" twice");
    }

    #[test]
    fn settings_read_from_toml_and_an_unknown_key_is_an_error() {
        let text = r#"
            rows = { kind = "per_patient", cut = "42h" }
            features = ["stats"]
            cluster_columns = ["HR.*"]
            target = { kind = "lead", variable = "HR", from = "42h", to = "48h" }
            resources = [{ name = "length_of_stay", outcome = "Length_of_stay" }]
        "#;
        let params: SeriesParams = toml::from_str(text).unwrap();
        assert_eq!((params.rows, params.target), (SeriesParams::icu().rows, SeriesParams::icu().target));
        assert!(toml::from_str::<SeriesParams>("cluster_colums = []").is_err());
        assert!(toml::from_str::<SeriesParams>(r#"rows = { kind = "per_patient", cut = 42 }"#).is_err());
        assert!(
            toml::from_str::<SeriesParams>(r#"rows = { kind = "per_patient", cut = "4h", x = 1 }"#).is_err()
        );
    }
}
