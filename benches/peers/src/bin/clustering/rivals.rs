//! Peers written in Rust.

use std::num::NonZero;

use anyhow::{Context, Result, bail};
use kiddo::{ImmutableKdTree, SquaredEuclidean};
use tsc_peers::{Arguments, Report, measure};
use tsc_testing::npy;

use crate::ours::{report, split, sum};

/// Defines the neighbour search of one coordinate type; kiddo needs the width at compile time.
macro_rules! kiddo {
    ($name:ident, $batch:ident, $coordinate:ty) => {
        pub(crate) fn $name(arguments: &Arguments) -> Result<Report> {
            match npy::read(arguments.file("rows.npy")?).n_columns() {
                8 => $batch::<8>(arguments),
                24 => $batch::<24>(arguments),
                width => bail!("kiddo is compiled for 8 and 24 columns, not {width}"),
            }
        }

        fn $batch<const D: usize>(arguments: &Arguments) -> Result<Report> {
            let data = npy::read(arguments.file("rows.npy")?);
            let (training, queries) = split(&data, arguments.number("train")?)?;
            let k = NonZero::new(arguments.number("k")?).context("k=0")?;
            let points = |rows: &[f64]| -> Vec<[$coordinate; D]> {
                rows.as_chunks().0.iter().map(|row| row.map(|value| value as $coordinate)).collect()
            };
            let (training, queries) = (points(training.as_slice()), points(queries.as_slice()));
            let (tree, build) = measure(|| ImmutableKdTree::new_from_slice(&training));
            let tree: ImmutableKdTree<$coordinate, D> = tree.context("kiddo's tree")?;
            let (found, spent) = measure(|| {
                tree.query_batch(&queries).nearest_n::<SquaredEuclidean<$coordinate>>(k).execute()
            });
            let distances = found.iter().flatten().map(|near| f64::from(near.distance).sqrt());
            Ok(report(spent, &data, Some(sum(distances))).with("setup", build.seconds))
        }
    };
}

kiddo!(kiddo_f64, batch_f64, f64);
kiddo!(kiddo_f32, batch_f32, f32);
