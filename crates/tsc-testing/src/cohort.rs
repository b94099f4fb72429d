use fastrand::Rng;
use tsc_core::{Batch, Features, GroupId, Label};

/// Rows of simulated patients: groups that lie apart, each with its own line from feature to target.
///
/// The first feature of a group is the only one its target follows, with a slope that differs from group to
/// group, so one straight line over all groups fits badly and one per group fits to a deviation of 0.1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cohort {
    /// Features, row-major, `Cohort::WIDTH` a row.
    pub values: Vec<f64>,
    /// Target of each row.
    pub targets: Vec<f64>,
    /// A patient of its own for each row.
    pub groups: Vec<GroupId>,
    /// True group of each row.
    pub truth: Vec<Label>,
}

impl Cohort {
    /// Features of a row.
    pub const WIDTH: usize = 3;
    /// Centres of the three groups of [`Cohort::new`].
    pub const CENTERS: [[f64; Self::WIDTH]; 3] = [[30.0, 0.0, 5.0], [60.0, 20.0, -5.0], [90.0, -20.0, 0.0]];

    /// `n` rows dealt in turn to three groups.
    #[must_use]
    pub fn new(n: usize, seed: u64) -> Self {
        Self::around(&Self::CENTERS, n, seed)
    }

    /// `n` rows dealt in turn to groups of deviation 1 around `centers`.
    #[must_use]
    pub fn around(centers: &[[f64; Self::WIDTH]], n: usize, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let slopes = [2.0, -3.0, 0.5, 4.0];
        let mut cohort = Self::default();
        for row in 0..n {
            let group = row % centers.len();
            let offsets: Vec<f64> = (0..Self::WIDTH).map(|_| crate::generators::normal(&mut rng)).collect();
            cohort.values.extend(centers[group].iter().zip(&offsets).map(|(center, offset)| center + offset));
            let target = 10.0 * group as f64 + slopes[group % 4] * offsets[0];
            cohort.targets.push(target + 0.1 * crate::generators::normal(&mut rng));
            cohort.groups.push(GroupId::of(&format!("{seed}-{row}")));
            cohort.truth.push(crate::generators::label(group));
        }
        cohort
    }

    /// `n` rows far from every group, with targets nobody can predict.
    #[must_use]
    pub fn far(n: usize, seed: u64) -> Self {
        let mut cohort = Self::around(&[[1e4, -1e4, 1e4]], n, seed);
        cohort.truth.fill(Label::NOISE);
        cohort
    }

    /// The rows of both.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.values.extend(&other.values);
        self.targets.extend(&other.targets);
        self.groups.extend(&other.groups);
        self.truth.extend(&other.truth);
        self
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// The features.
    #[must_use]
    pub fn x(&self) -> Features<'_> {
        Features::new(&self.values, Self::WIDTH).expect("a test cohort is finite and not empty")
    }

    /// Features, targets and groups.
    #[must_use]
    pub fn batch(&self) -> Batch<'_> {
        Batch::new(self.x())
            .with_targets(&self.targets)
            .and_then(|batch| batch.with_groups(&self.groups))
            .expect("every column has one entry per row")
    }
}
