//! Who is trained on and who is streamed: a simulated cohort with a drift half-way, or real stays.

use tsc_pipeline::core::{GroupId, Label};
use tsc_pipeline::series::{
    Featurizer, FittedFeaturizer, Format, PatientIx, QualityReport, SeriesParams, SeriesTable, Source,
    TableSpec, simulate,
};
use tsc_pipeline::{PipelineConfig, Preset, SegmentParams};

use super::Watch;
use crate::DemoArgs;
use crate::data::Table;
use crate::failure::Failure;

/// Simulated stays.
const PATIENTS: usize = 3000;
const TRAINED: usize = 1500;
/// The drift begins in the middle of the stream.
const DRIFT_AT: f64 = 0.75;
/// Share of the real patients that is trained on.
const TRAIN_SHARE: f64 = 0.7;

#[derive(Debug)]
pub(crate) struct Cohort {
    pub(crate) name: &'static str,
    pub(crate) quality: QualityReport,
    pub(crate) featurizer: FittedFeaturizer,
    pub(crate) train: Table,
    pub(crate) stream: Table,
    /// Known group of each training row; `None` on real stays.
    pub(crate) truth: Option<Vec<Label>>,
    /// First row of the stream at which the drift has begun.
    pub(crate) drift_row: Option<usize>,
}

impl Cohort {
    pub(crate) fn load(args: &DemoArgs, watch: &mut Watch) -> Result<Self, Failure> {
        match &args.data {
            None => Self::simulated(args.seed, watch),
            Some(folder) => {
                let spec = TableSpec { format: Format::PhysioNet2012, ..TableSpec::default() };
                let table = SeriesTable::read(Source::Path(folder), &spec)?;
                watch.lap("read and clean");
                Self::real(&table, args.seed, watch)
            }
        }
    }

    fn simulated(seed: u64, watch: &mut Watch) -> Result<Self, Failure> {
        let cohort =
            simulate::Cohort { patients: PATIENTS, drift_at: Some(DRIFT_AT), seed, ..Default::default() };
        let simulated = cohort.simulate()?;
        watch.lap("simulate and clean");
        let all = |range: std::ops::Range<usize>| range.map(PatientIx).collect::<Vec<_>>();
        let truth = &simulated.truth;
        let ids: Vec<i32> = truth.groups[..TRAINED].iter().map(|&g| i32::try_from(g).unwrap_or(-1)).collect();
        let drift = truth.after_drift.iter().position(|&after| after).map(|row| row - TRAINED);
        let mut cohort = Self::of(
            "simulated cohort",
            &simulated.table,
            simulate::Cohort::params(),
            (&all(0..TRAINED), &all(TRAINED..PATIENTS)),
            watch,
        )?;
        cohort.truth = Some(Label::from_ids(&ids));
        cohort.drift_row = drift;
        Ok(cohort)
    }

    /// 70 % of the patients by the seeded hash of their id; the rest is streamed in file order.
    fn real(table: &SeriesTable, seed: u64, watch: &mut Watch) -> Result<Self, Failure> {
        let trained = |id: &str| (GroupId::of(id).seeded(seed) as f64) < TRAIN_SHARE * u64::MAX as f64;
        let (train, stream): (Vec<PatientIx>, Vec<PatientIx>) =
            (0..table.n_patients()).map(PatientIx).partition(|p| trained(&table.patients()[p.0]));
        Self::of("PhysioNet 2012 set-a", table, SeriesParams::icu(), (&train, &stream), watch)
    }

    fn of(
        name: &'static str,
        table: &SeriesTable,
        params: SeriesParams,
        (train, stream): (&[PatientIx], &[PatientIx]),
        watch: &mut Watch,
    ) -> Result<Self, Failure> {
        if train.is_empty() || stream.is_empty() {
            return Err(Failure::data(
                "TSC-CLI-011",
                format!("{} patients are too few to train and stream", table.n_patients()),
                "give more stays",
            ));
        }
        let train = table.select(train);
        let featurizer = Featurizer::new(params)?.fit(&train)?;
        let (train, stream) = (featurizer.transform(&train)?, featurizer.transform(&table.select(stream))?);
        let cohort = Self {
            name,
            quality: table.quality().clone(),
            train: Table::of_matrix(&train),
            stream: Table::of_matrix(&stream),
            featurizer,
            truth: None,
            drift_row: None,
        };
        watch.lap("featurise");
        Ok(cohort)
    }

    /// The medical preset, on real stays with segments as the icu preset sizes them, tracked in a store of its own.
    pub(crate) fn config(&self, args: &DemoArgs) -> PipelineConfig {
        let mut config = PipelineConfig::preset(Preset::Medical);
        config.random_state = args.seed;
        config.segments = SegmentParams { auto_size: self.truth.is_none(), ..SegmentParams::icu() };
        config.data.id = Some("id".into());
        config.tracking.uri = Some(format!("sqlite:///{}", args.out.join("mlflow.db").display()));
        config.resources.0.entry("length_of_stay".into()).or_default().transform =
            tsc_pipeline::models::Transform::Log1p;
        config
    }

    /// Predictions of the plain forecast: the last heart rate before the cut.
    pub(crate) fn last_value(&self) -> Option<Vec<f64>> {
        let column = self.stream.schema.position("HR.last")?;
        let d = self.stream.schema.n_features();
        Some(self.stream.values.iter().skip(column).step_by(d).copied().collect())
    }
}
