use tsc_core::{
    ArtifactKind, FoldSpec, Folds, Load, MemoryArtifacts, Millis, Save, Split, StoredKind, Targets, folds,
};

use super::*;
use crate::PerClusterParams;

/// The least squares line on the only feature, in closed form.
#[derive(Clone, Copy, Debug)]
struct Line;

#[derive(Clone, Debug)]
struct FittedLine {
    slope: f64,
    level: f64,
}

impl Regressor for Line {
    type Fitted = FittedLine;

    fn fit(&self, x: Features<'_>, y: Targets<'_>) -> Result<FittedLine> {
        let n = y.len() as f64;
        let (mean_x, mean_y) = (x.as_slice().iter().sum::<f64>() / n, y.as_slice().iter().sum::<f64>() / n);
        let pairs = || x.as_slice().iter().zip(y.as_slice());
        let products: f64 = pairs().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
        let squares: f64 = x.as_slice().iter().map(|x| (x - mean_x).powi(2)).sum();
        Ok(FittedLine { slope: products / squares, level: mean_y - products / squares * mean_x })
    }

    fn restore(&self, stored: &StoredKind, source: &dyn ArtifactSource) -> Result<FittedLine> {
        tsc_core::restore(stored, source)
    }
}

impl FittedRegressor for FittedLine {
    fn n_features(&self) -> usize {
        1
    }

    fn predict_into(&self, x: Features<'_>, out: &mut [f64]) -> Result<()> {
        for (value, x) in out.iter_mut().zip(x.as_slice()) {
            *value = self.level + self.slope * x;
        }
        Ok(())
    }
}

impl Save for FittedLine {
    fn kind(&self) -> ArtifactKind {
        Self::KIND
    }

    fn save(&self, sink: &mut dyn ArtifactSink) -> Result<()> {
        sink.put("line.bin", &[self.slope.to_le_bytes(), self.level.to_le_bytes()].concat())
    }
}

impl Load for FittedLine {
    const KIND: ArtifactKind = ArtifactKind { name: "line", version: 1 };

    fn load(_: u32, source: &dyn ArtifactSource) -> Result<Self> {
        let bytes = source.get("line.bin")?;
        let number = |at: usize| bytes[at..at + 8].try_into().map(f64::from_le_bytes).unwrap();
        Ok(Self { slope: number(0), level: number(8) })
    }
}

struct Stays {
    cells: Vec<f64>,
    labels: Vec<Label>,
    days: Vec<f64>,
    beds: Vec<f64>,
    folds: Folds,
}

fn stays() -> Stays {
    let n = 120;
    let cells: Vec<f64> = (0..n).map(|row| f64::from(row * 37 % 120) / 40.0).collect();
    let labels = Label::from_ids(&(0..n).map(|row| row % 2).collect::<Vec<_>>());
    let days = cells.iter().map(|v| v.exp() - 1.0).collect();
    let beds = cells.iter().map(|v| 30.0 - 4.0 * v).collect();
    let spec = FoldSpec { split: Split::Auto, holdout: 0.2, folds: 3, gap: Millis(0), seed: 42 };
    Stays { cells, labels, days, beds, folds: folds(n as usize, None, None, &spec).unwrap() }
}

impl Stays {
    fn rows(&self) -> SegmentedRows<'_> {
        SegmentedRows {
            x: Features::new(&self.cells, 1).unwrap(),
            labels: &self.labels,
            n_clusters: 2,
            groups: None,
            folds: &self.folds,
            references: &[],
        }
    }

    fn fit(
        &self,
        resources: &ResourceTargets<'_>,
    ) -> Result<(FittedResources<FittedLine>, Vec<ResourceReport>)> {
        self.fit_with(resources, &ResourceParams::default())
    }

    fn fit_with(
        &self,
        resources: &ResourceTargets<'_>,
        params: &ResourceParams,
    ) -> Result<(FittedResources<FittedLine>, Vec<ResourceReport>)> {
        let heads = PerCluster::new(Line, PerClusterParams::default())?;
        fit_resources(&heads, &self.rows(), resources, params, &Watch::NONE)
    }
}

fn los() -> ResourceKind {
    ResourceKind::named("length_of_stay").unwrap()
}

fn beds() -> ResourceKind {
    ResourceKind::named("beds_used").unwrap()
}

fn log1p() -> ResourceParams {
    serde_json::from_str(r#"{"length_of_stay": {"transform": "log1p"}}"#).unwrap()
}

/// F-04, M-23: no column, no head; other columns change nothing; the unit is kept.
#[test]
fn a_head_stands_on_its_own_column() {
    let stays = stays();
    let (none, reports) = stays.fit(&ResourceTargets::new()).unwrap();
    assert_eq!((none.heads().len(), reports.len()), (0, 0));

    let alone = ResourceTargets::new().with(los(), Unit::Days, &stays.days).unwrap();
    let both = ResourceTargets::new()
        .with(beds(), Unit::Beds, &stays.beds)
        .unwrap()
        .with(los(), Unit::Days, &stays.days)
        .unwrap();
    let (alone, _) = stays.fit(&alone).unwrap();
    let (both, reports) = stays.fit(&both).unwrap();
    let predict = |fitted: &FittedResources<_>| {
        fitted.predict(stays.rows().x, &stays.labels, &stays.labels, NoiseValue::Pooled).unwrap()
    };
    let (one, two) = (predict(&alone), predict(&both));
    let of = |all: &[ResourcePrediction], kind: &ResourceKind| {
        all.iter().find(|p| p.kind == *kind).cloned().unwrap()
    };
    assert_eq!(of(&one, &los()), of(&two, &los()), "another column changes nothing");
    assert_eq!((of(&two, &los()).unit, of(&two, &beds()).unit), (Unit::Days, Unit::Beds));
    assert_eq!(reports.iter().map(|r| r.unit.clone()).collect::<Vec<_>>(), [Unit::Beds, Unit::Days]);
    // Beds fall where stays grow: two models, not one score times constants.
    let (a, b) = (of(&two, &los()).values, of(&two, &beds()).values);
    assert!(a[0] < a[13] && b[0] > b[13], "{} {} {} {}", a[0], a[13], b[0], b[13]);
}

/// A log head is fitted on log(1 + days) and reports days.
#[test]
fn a_log_head_answers_in_days() {
    let stays = stays();
    let resources = ResourceTargets::new().with(los(), Unit::Days, &stays.days).unwrap();
    let (fitted, reports) = stays.fit_with(&resources, &log1p()).unwrap();
    let predicted =
        &fitted.predict(stays.rows().x, &stays.labels, &stays.labels, NoiseValue::Pooled).unwrap()[0];
    let scores = &fitted.evaluate(std::slice::from_ref(predicted), &resources).unwrap()[0].1;
    // log(1 + days) is exactly the feature, so the line fits it without error.
    assert!(scores.max_error.unwrap() < 1e-6, "{scores:?}");
    assert!(reports[0].models.holdout.served.max_error.unwrap() < 1e-6, "scores of the report are in days");
    let (_, plain) = stays.fit(&resources).unwrap();
    assert!(plain[0].models.holdout.served.max_error.unwrap() > 0.5);

    let mut days = stays.days.clone();
    days[17] = -1.0;
    let negative = ResourceTargets::new().with(los(), Unit::Days, &days).unwrap();
    let error = stays.fit_with(&negative, &log1p()).unwrap_err();
    assert_eq!((error.code(), error.stage()), ("TSC-RES-001", Stage::ResourceModel));
    assert_eq!(
        error.to_string(),
        "resource length_of_stay is negative at row 17, and log1p needs values of at least 0"
    );
}

/// M-23: a missing cell takes its row out of that head only.
#[test]
fn missing_cells_leave_their_head_only() {
    let stays = stays();
    let mut days = stays.days.clone();
    days[..30].fill(f64::NAN);
    let resources = ResourceTargets::new()
        .with(beds(), Unit::Beds, &stays.beds)
        .unwrap()
        .with(los(), Unit::Days, &days)
        .unwrap();
    let (_, reports) = stays.fit(&resources).unwrap();
    assert_eq!((reports[0].missing, reports[1].missing), (0, 30));
    assert_eq!(reports[0].models.fit_rows, stays.folds.fit.len() as u64);
    let known = stays.folds.fit.iter().filter(|&&row| row >= 30).count() as u64;
    assert_eq!(reports[1].models.fit_rows, known);
}

#[test]
fn units_are_never_mixed() {
    let stays = stays();
    let resources = ResourceTargets::new().with(los(), Unit::Days, &stays.days).unwrap();
    let (fitted, _) = stays.fit(&resources).unwrap();
    let hours = ResourceTargets::new().with(los(), Unit::Hours, &stays.days).unwrap();
    let error = fitted.check_units(&hours).unwrap_err();
    assert_eq!(error.to_string(), "resource length_of_stay is given in hours, the model was fitted in days");
    let predicted = fitted.predict(stays.rows().x, &stays.labels, &stays.labels, NoiseValue::Pooled).unwrap();
    assert_eq!(fitted.evaluate(&predicted, &hours).unwrap_err().code(), "TSC-RES-002");
    let other = ResourceTargets::new().with(beds(), Unit::Beds, &stays.beds).unwrap();
    assert_eq!(fitted.evaluate(&predicted, &other).unwrap(), []);
    let unknown = ResourceParams([("beds_used".into(), ResourceHeadParams::default())].into());
    assert_eq!(stays.fit_with(&resources, &unknown).unwrap_err().code(), "TSC-RES-003");
}

#[test]
fn a_repeated_extreme_and_negative_predictions_are_told() {
    let stays = stays();
    let mut days = stays.days.clone();
    days[40..50].fill(-999_999.0);
    let resources = ResourceTargets::new().with(los(), Unit::Days, &days).unwrap();
    let (_, reports) = stays.fit(&resources).unwrap();
    let told: Vec<&FitWarning> = reports[0].models.warnings.iter().map(|w| &w.warning).collect();
    assert!(told.contains(&&FitWarning::SuspectedSentinel { value: -999_999.0, count: 10 }), "{told:?}");
    assert!(told.iter().any(|w| matches!(w, FitWarning::NegativePredictions { count } if *count > 0)));
    assert_eq!(suspected_sentinel(&stays.days), None);
    // Zeros of a count are no code: the next value is as near as the others among themselves.
    assert_eq!(suspected_sentinel(&[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0]), None);
    assert_eq!(suspected_sentinel(&[]), None);
    assert_eq!(suspected_sentinel(&[1.0; 9]), None);
}

#[test]
fn stored_heads_answer_the_same() {
    let stays = stays();
    let resources = ResourceTargets::new()
        .with(beds(), Unit::Beds, &stays.beds)
        .unwrap()
        .with(los(), Unit::Days, &stays.days)
        .unwrap();
    let (fitted, _) = stays.fit_with(&resources, &log1p()).unwrap();
    let mut files = MemoryArtifacts::new();
    fitted.save(&mut files).unwrap();
    assert!(files.files().contains_key("length_of_stay/index.json"), "{:?}", files.files().keys());
    let again = FittedResources::restore(&Line, &files).unwrap();
    let predict = |fitted: &FittedResources<_>| {
        fitted.predict(stays.rows().x, &stays.labels, &stays.labels, NoiseValue::Pooled).unwrap()
    };
    assert_eq!(predict(&again), predict(&fitted));
    assert_eq!(again.heads()[1].transform(), Transform::Log1p);
}
