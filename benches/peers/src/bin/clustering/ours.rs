//! Our side of every task.

use anyhow::{Result, ensure};
use tsc_cluster::{
    Assignment, Clusterer, Distances, Features, FittedClusterer, FittedHdbscan, Hdbscan, HdbscanParams,
    Label, Method, QualityParams, Scratch, Selection, dbcv, quality,
};
use tsc_fallback::{FittedFallback, KnnFallback, KnnParams, MaxDistance, NoiseFallback};
use tsc_neighbors::{Metric, NeighborIndex, Neighborhoods, Plan};
use tsc_testing::{Array, npy};

use tsc_peers::{Arguments, Report, Spent, measure};

use crate::input::write_labels;

/// Rows whose training label the prediction must give back before its time counts.
const CHECKED_ROWS: usize = 1000;

fn hdbscan(arguments: &Arguments) -> Result<Hdbscan> {
    Ok(Hdbscan::new(HdbscanParams {
        min_cluster_size: arguments.number("min_cluster_size")?,
        min_samples: Some(arguments.number("min_samples")?),
        ..HdbscanParams::default()
    })?)
}

/// The complete fit: labels, strengths, persistence, GLOSH, ready to predict.
pub(crate) fn fit(arguments: &Arguments) -> Result<Report> {
    let data = npy::read(arguments.file("rows.npy")?);
    let hdbscan = hdbscan(arguments)?;
    let (fitted, spent) = measure(|| hdbscan.fit(data.features()));
    let fitted = fitted?;
    write_labels(arguments, "ours.npy", fitted.training_labels())?;
    Ok(report(spent, &data, Some(tree_weight(&fitted))))
}

/// Tree and clusters from a square matrix of distances.
pub(crate) fn precomputed(arguments: &Arguments) -> Result<Report> {
    let matrix = npy::read(arguments.file("rows.npy")?);
    let hdbscan = hdbscan(arguments)?;
    let distances = Distances::Dense { values: matrix.f64(), n_samples: matrix.n_rows() };
    let (made, spent) = measure(|| {
        let tree = hdbscan.fit_distances(distances)?;
        let extraction = tree.extract(&hdbscan.params().selection())?;
        Ok::<_, tsc_cluster::Error>((tree, extraction))
    });
    let (tree, extraction) = made?;
    write_labels(arguments, "ours.npy", extraction.labels())?;
    let weights = tree.mst().edges().iter().map(|edge| edge.weight);
    Ok(report(spent, &matrix, Some(sum(weights))))
}

/// Labels and strengths of new rows in batches, a batch's time.
pub(crate) fn predict(arguments: &Arguments) -> Result<Report> {
    let data = npy::read(arguments.file("rows.npy")?);
    let (training, queries) = split(&data, arguments.number("train")?)?;
    let hdbscan = hdbscan(arguments)?;
    let (fitted, fit) = measure(|| hdbscan.fit(training));
    let fitted = fitted?;
    check_training_labels(&fitted, training)?;

    let batch = arguments.number("batch")?;
    let mut out = vec![Assignment::NOISE; queries.n_samples()];
    let ((), spent) = if batch == 1 {
        let mut scratch = Scratch::new();
        let (done, spent) = measure(|| {
            queries.rows().zip(&mut out).try_for_each(|(row, out)| {
                let detail = fitted.assign_one(row, &mut scratch)?;
                *out = Assignment { label: detail.label, strength: detail.strength };
                Ok::<_, tsc_cluster::Error>(())
            })
        });
        (done?, spent)
    } else {
        let d = queries.n_features();
        let batches = queries.as_slice().chunks(batch * d).map(|rows| Features::new(rows, d));
        let batches = batches.collect::<tsc_cluster::Result<Vec<_>>>()?;
        let (done, spent) = measure(|| {
            batches
                .iter()
                .zip(out.chunks_mut(batch))
                .try_for_each(|(rows, out)| fitted.assign_into(*rows, out))
        });
        (done?, spent)
    };
    let labels: Vec<Label> = out.iter().map(|assignment| assignment.label).collect();
    write_labels(arguments, "ours.npy", &labels)?;
    let report = report(spent.each(queries.n_samples().div_ceil(batch)), &data, None);
    Ok(report.with("setup", fit.seconds))
}

fn check_training_labels(fitted: &FittedHdbscan, training: Features<'_>) -> Result<()> {
    let n = CHECKED_ROWS.min(training.n_samples());
    let rows = Features::new(&training.as_slice()[..n * training.n_features()], training.n_features())?;
    let mut out = vec![Assignment::NOISE; n];
    fitted.assign_into(rows, &mut out)?;
    let wrong = out.iter().zip(fitted.training_labels()).filter(|(out, label)| out.label != **label).count();
    ensure!(wrong == 0, "{wrong} of {n} training rows are given another label than their own");
    Ok(())
}

/// Twenty other selections from one fit, all of them together.
pub(crate) fn re_extract(arguments: &Arguments) -> Result<Report> {
    let data = npy::read(arguments.file("rows.npy")?);
    let hdbscan = hdbscan(arguments)?;
    let (fitted, fit) = measure(|| hdbscan.fit(data.features()));
    let fitted = fitted?;
    let own = fitted.with_selection(hdbscan.params().selection())?;
    ensure!(own.training_labels() == fitted.training_labels(), "the fit's own selection gives other labels");

    let mut selections = Vec::new();
    for min_cluster_size in [10, 25, 50, 100, 200] {
        for method in [Method::Eom, Method::Leaf] {
            for epsilon in [0.0, 1.0] {
                let own = hdbscan.params().selection();
                selections.push(Selection { min_cluster_size, method, epsilon, ..own });
            }
        }
    }
    let (made, spent) = measure(|| {
        selections.into_iter().try_for_each(|selection| {
            let other = fitted.with_selection(selection)?;
            std::hint::black_box(other.training_labels());
            Ok::<_, tsc_cluster::Error>(())
        })
    });
    made?;
    Ok(report(spent, &data, None).with("setup", fit.seconds))
}

/// The nearest rows of every query; the index is there already.
pub(crate) fn knn(arguments: &Arguments) -> Result<Report> {
    let data = npy::read(arguments.file("rows.npy")?);
    let (training, queries) = split(&data, arguments.number("train")?)?;
    let k = arguments.number("k")?;
    let (index, build) = measure(|| NeighborIndex::build(training, &Metric::Euclidean, Plan::Auto));
    let index = index?;
    let mut found = Neighborhoods::new();
    let (done, spent) = measure(|| index.query_into(queries, k, &mut found));
    done?;
    let distances = (0..found.n_samples()).flat_map(|query| found.of(query)).map(|near| near.distance);
    Ok(report(spent, &data, Some(sum(distances))).with("setup", build.seconds))
}

/// The exact silhouette of the groups that the rows were drawn from.
pub(crate) fn silhouette(arguments: &Arguments) -> Result<Report> {
    let data = npy::read(arguments.file("rows.npy")?);
    let truth = npy::read(arguments.file("truth.npy")?).labels();
    let params = QualityParams { silhouette_max_rows: truth.len(), ..QualityParams::default() };
    let (scores, spent) = measure(|| quality(data.features(), &truth, &params));
    Ok(report(spent, &data, scores?.silhouette))
}

/// DBCV of the groups that the rows were drawn from.
pub(crate) fn validity(arguments: &Arguments) -> Result<Report> {
    let data = npy::read(arguments.file("rows.npy")?);
    let truth = npy::read(arguments.file("truth.npy")?).labels();
    let (score, spent) = measure(|| dbcv(data.features(), &truth));
    Ok(report(spent, &data, score?))
}

/// Learning from the rows that are not noise and labelling the queries, as the peer does it: every
/// query gets a label, nothing is evaluated.
pub(crate) fn fallback(arguments: &Arguments) -> Result<Report> {
    let data = npy::read(arguments.file("rows.npy")?);
    let truth = npy::read(arguments.file("truth.npy")?).labels();
    let train = arguments.number("train")?;
    let (training, queries) = split(&data, train)?;
    let knn = KnnFallback::new(KnnParams {
        n_neighbors: arguments.number("k")?,
        max_distance: MaxDistance::None,
        evaluate: false,
        ..KnnParams::default()
    })?;
    let mut out = vec![Assignment::NOISE; queries.n_samples()];
    let (done, spent) = measure(|| {
        knn.fit(training, &truth[..train]).and_then(|fitted| fitted.assign_into(queries, &mut out))
    });
    done?;
    // Weighted by place, so that two exchanged labels change the sum; whole numbers add up exactly.
    let check = out.iter().zip(1..).map(|(out, place)| f64::from(out.label.id()) * f64::from(place)).sum();
    Ok(report(spent, &data, Some(check)))
}

/// The first rows, and those after them.
pub(crate) fn split(data: &Array, train: usize) -> Result<(Features<'_>, Features<'_>)> {
    let (d, n) = (data.n_columns(), data.n_rows());
    ensure!((1..n).contains(&train), "train={train}, must be between 1 and {n}");
    let (training, queries) = data.f64().split_at(train * d);
    Ok((Features::new(training, d)?, Features::new(queries, d)?))
}

pub(crate) fn report(spent: Spent, data: &Array, check: Option<f64>) -> Report {
    let input_mb = size_of_val(data.f64()) as f64 / 1e6;
    Report::new(spent).with("input_mb", input_mb).with_known([("check", check)])
}

fn tree_weight(fitted: &FittedHdbscan) -> f64 {
    sum(fitted.tree().mst().edges().iter().map(|edge| edge.weight))
}

/// Neumaier's compensated sum: a million weights are compared to 1e-12, so their sum must be closer.
pub(crate) fn sum(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut lost) = (0.0f64, 0.0f64);
    for value in values {
        let next = sum + value;
        lost += if sum.abs() >= value.abs() { (sum - next) + value } else { (value - next) + sum };
        sum = next;
    }
    sum + lost
}

#[cfg(test)]
mod tests {
    use super::sum;

    #[test]
    fn small_terms_are_not_lost_beside_large_ones() {
        assert_eq!(sum([1.0, 1e100, 1.0, -1e100].into_iter()), 2.0);
        assert_eq!(sum(std::iter::repeat_n(0.1, 1_000_000)), 100_000.0);
    }
}
