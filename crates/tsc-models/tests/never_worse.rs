//! M-20: clusters that share one function cost nothing against one global model, clusters that differ gain.
//!
//! Ten clusters of 30 to 600 rows, 12 features, fresh test rows. `TSC_SEEDS` sets how many data sets of each kind
//! (40 for the bounds of the specification's table; few by default, with bounds for few).
#![cfg(feature = "lightgbm")]
#![allow(clippy::unwrap_used, reason = "tests")]

use tsc_core::{Features, FoldSpec, Label, Millis, PredictionSource, RegressionScores, Split, Watch, folds};
use tsc_models::{GbmParams, LightGbm, NoiseValue, PerCluster, PerClusterParams, SegmentedRows};

const WIDTH: usize = 12;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Truth {
    Same,
    Level,
    Slopes,
}

struct Draw(u64);

impl Draw {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        // Box and Muller 1958.
        (-2.0 * (1.0 - self.uniform()).ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

struct Rows {
    cells: Vec<f64>,
    y: Vec<f64>,
    labels: Vec<Label>,
}

fn rows(truth: Truth, sizes: &[usize], own: &[[f64; 3]], draw: &mut Draw) -> Rows {
    let (mut cells, mut y, mut ids) = (Vec::new(), Vec::new(), Vec::new());
    for (cluster, &size) in sizes.iter().enumerate() {
        for _ in 0..size {
            let x: Vec<f64> = (0..WIDTH).map(|_| draw.normal()).collect();
            let shared = 2.0 * x[0].sin() + x[1] * x[2] + x[3].abs();
            let [level, a, b] = own[cluster];
            let part = match truth {
                Truth::Same => 0.0,
                Truth::Level => level,
                Truth::Slopes => a * x[4] + b * x[5],
            };
            y.push(shared + part + draw.normal());
            cells.extend(x);
            ids.push(cluster as i32);
        }
    }
    Rows { cells, y, labels: Label::from_ids(&ids) }
}

/// Served over pooled RMSE on fresh rows.
fn ratio(truth: Truth, seed: u64, z: f64) -> f64 {
    let mut draw = Draw(seed.wrapping_mul(7_919) + 1);
    let sizes: Vec<usize> = (0..10).map(|_| 30 + (570.0 * draw.uniform().powi(2)) as usize).collect();
    let own: Vec<[f64; 3]> = (0..10).map(|_| [draw.normal(), draw.normal(), draw.normal()]).collect();
    let train = rows(truth, &sizes, &own, &mut draw);
    let test = rows(truth, &[200; 10], &own, &mut draw);
    let spec = FoldSpec { split: Split::Auto, holdout: 0.2, folds: 5, gap: Millis(0), seed: 42 };
    let split = folds(train.y.len(), None, None, &spec).unwrap();
    let x = Features::new(&train.cells, WIDTH).unwrap();
    let segmented =
        SegmentedRows { x, labels: &train.labels, n_clusters: 10, groups: None, folds: &split, references: &[] };
    let params = PerClusterParams { permuted_control: false, selection_z: z, ..PerClusterParams::default() };
    let backend = LightGbm::new(GbmParams::time_series()).unwrap();
    let (fitted, _) =
        PerCluster::new(backend, params).unwrap().fit(&segmented, &train.y, &Watch::NONE).unwrap();
    let x = Features::new(&test.cells, WIDTH).unwrap();
    let pooled = fitted.pooled().predict(x).unwrap();
    let mut served = vec![0.0; pooled.len()];
    let mut sources = vec![PredictionSource::Unavailable; pooled.len()];
    let (labels, noise) = (&test.labels, NoiseValue::Pooled);
    fitted.predict_into(x, labels, labels, noise, &mut served, &mut sources).unwrap();
    let rmse = |predicted: &[f64]| RegressionScores::of(&test.y, predicted).rmse.unwrap();
    rmse(&served) / rmse(&pooled)
}

fn seeds() -> u64 {
    std::env::var("TSC_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2)
}

#[track_caller]
fn check(truth: Truth, mean_at_most: f64, worst_at_most: f64) {
    let z = PerClusterParams::default().selection_z;
    let ratios: Vec<f64> = (0..seeds()).map(|seed| ratio(truth, seed, z)).collect();
    let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
    let worst = ratios.iter().copied().fold(0.0, f64::max);
    println!("{truth:?}, z {z}: mean {mean:.4}, worst {worst:.4} of {}", ratios.len());
    assert!(mean <= mean_at_most && worst <= worst_at_most, "{truth:?}: mean {mean}, worst {worst}");
}

#[test]
fn m20_clusters_that_share_a_function_cost_nothing() {
    check(Truth::Same, 1.005, 1.02);
}

#[test]
fn m20_clusters_of_other_levels_gain() {
    check(Truth::Level, 0.95, 1.02);
}

#[test]
fn m20_clusters_of_other_slopes_gain() {
    check(Truth::Slopes, 0.95, 1.02);
}
