//! The one function per metric that decides, for single pairs and for a block of rows stored by column.
//!
//! Every kernel works on a *reduced* value (squared, summed, ..) that grows with the distance;
//! [`Kernel::finish`] makes the distance of it. Blocks are built so that a compiler can use vector
//! registers; each lane does what the scalar function does, in the same order, so both give the same bits.

use std::sync::Arc;

use tsc_core::simd::{self, Work};

use crate::{Distance, Metric};

/// Rows of a block: the lanes that are measured side by side.
pub(crate) const BLOCK: usize = 16;
/// Largest whole p that is multiplied out instead of calling `powf`.
const LARGEST_WHOLE_P: f64 = 16.0;
/// What rounding may add to 1 - cos or to the haversine of a chord, per column.
const ANGLE_ROUNDING: f64 = 1e-15;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kernel {
    Euclidean,
    Manhattan,
    Chebyshev,
    WholePower(u32),
    Power(f64),
    Cosine,
    Haversine,
}

/// What a search asks of a metric. Bounds live in the space of [`Kernel::bound_row`] and never exceed the
/// reduced value of any pair inside; everything else is exact.
pub(crate) trait Space: Copy + Sync {
    /// Reduced values of `q` and each row of a block (feature c of row j at `c * BLOCK + j`).
    fn block(self, q: &[f64], columns: &[f64], out: &mut [f64; BLOCK]);
    /// The same for two rows at once.
    #[inline(always)]
    fn block_of_two(self, q: [&[f64]; 2], columns: &[f64], out: &mut [[f64; BLOCK]; 2]) {
        self.block(q[0], columns, &mut out[0]);
        self.block(q[1], columns, &mut out[1]);
    }
    /// Bound between the box `low..=high` and each of four boxes (per column: four lows, four highs).
    fn boxes(self, low: &[f64], high: &[f64], boxes: &[f64]) -> [f64; 4];
    /// Bound between each row of a block and the box `low..=high`; 0 where nothing is known.
    fn block_to_box(self, columns: &[f64], low: &[f64], high: &[f64], out: &mut [f64; BLOCK]);
    /// Distance of a reduced value; never decreases as the value grows.
    fn finish(self, reduced: f64) -> f64;
    /// A reduced value that no smaller or equal distance exceeds.
    fn reduced_limit(self, distance: f64) -> f64;
}

/// One feature's share of the reduced value. Sums run over the features in their order.
trait Step: Copy {
    fn add(self, sum: f64, difference: f64) -> f64;
}

#[derive(Clone, Copy)]
struct Squares;
#[derive(Clone, Copy)]
struct Differences;
#[derive(Clone, Copy)]
struct Largest;
#[derive(Clone, Copy)]
struct WholePowers(u32);
#[derive(Clone, Copy)]
struct Powers(f64);

impl Step for Squares {
    #[inline(always)]
    fn add(self, sum: f64, t: f64) -> f64 {
        sum + t * t
    }
}

impl Step for Differences {
    #[inline(always)]
    fn add(self, sum: f64, t: f64) -> f64 {
        sum + t.abs()
    }
}

impl Step for Largest {
    #[inline(always)]
    fn add(self, sum: f64, t: f64) -> f64 {
        let t = t.abs();
        if t > sum { t } else { sum }
    }
}

impl Step for WholePowers {
    #[inline(always)]
    fn add(self, sum: f64, t: f64) -> f64 {
        let t = t.abs();
        let mut power = t;
        for _ in 1..self.0 {
            power *= t;
        }
        sum + power
    }
}

impl Step for Powers {
    #[inline(always)]
    fn add(self, sum: f64, t: f64) -> f64 {
        sum + t.abs().powf(self.0)
    }
}

#[inline(always)]
fn pair<S: Step>(step: S, a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).fold(0.0, |sum, (&a, &b)| step.add(sum, a - b))
}

#[inline(always)]
fn block<S: Step>(step: S, q: &[f64], columns: &[f64], out: &mut [f64; BLOCK]) {
    let mut sums = [0.0; BLOCK];
    for (&a, column) in q.iter().zip(columns.chunks_exact(BLOCK)) {
        for (sum, &b) in sums.iter_mut().zip(column) {
            *sum = step.add(*sum, a - b);
        }
    }
    *out = sums;
}

/// The nearest points of two boxes go through the same operations in the same order as two rows would,
/// and rounding is monotone, so the bound holds to the bit (`powf` is covered by the search's margin).
#[inline(always)]
fn boxes<S: Step>(step: S, low: &[f64], high: &[f64], boxes: &[f64]) -> [f64; 4] {
    let mut sums = [0.0; 4];
    for ((&low, &high), sides) in low.iter().zip(high).zip(boxes.chunks_exact(8)) {
        for lane in 0..4 {
            sums[lane] = step.add(sums[lane], gap(low, high, sides[lane], sides[4 + lane]));
        }
    }
    sums
}

#[inline(always)]
fn block_to_box<S: Step>(step: S, columns: &[f64], low: &[f64], high: &[f64], out: &mut [f64; BLOCK]) {
    let mut sums = [0.0; BLOCK];
    for ((&low, &high), column) in low.iter().zip(high).zip(columns.chunks_exact(BLOCK)) {
        for (sum, &value) in sums.iter_mut().zip(column) {
            *sum = step.add(*sum, gap(value, value, low, high));
        }
    }
    *out = sums;
}

/// Distance between two intervals, 0 where they overlap.
#[inline(always)]
fn gap(low: f64, high: f64, other_low: f64, other_high: f64) -> f64 {
    let (above, below) = (other_low - high, low - other_high);
    let larger = if above > below { above } else { below };
    if larger > 0.0 { larger } else { 0.0 }
}

#[inline(always)]
fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).fold(0.0, |sum, (&a, &b)| sum + a * b)
}

/// Cosine distance of unit rows with dot product `dot`. Rounding must not move a row away from itself.
#[inline(always)]
fn one_minus(dot: f64, equal: impl FnOnce() -> bool) -> f64 {
    let distance = 1.0 - dot;
    if distance > 1e-12 {
        distance.min(2.0)
    } else if distance <= 0.0 || equal() {
        0.0
    } else {
        distance
    }
}

fn cosine_block(q: &[f64], columns: &[f64], out: &mut [f64; BLOCK]) {
    let mut dots = [0.0; BLOCK];
    for (&a, column) in q.iter().zip(columns.chunks_exact(BLOCK)) {
        for (dot, &b) in dots.iter_mut().zip(column) {
            *dot += a * b;
        }
    }
    for (j, out) in out.iter_mut().enumerate() {
        let equal = || q.iter().enumerate().all(|(c, &a)| a == columns[c * BLOCK + j]);
        *out = one_minus(dots[j], equal);
    }
}

fn haversine(a: [f64; 2], b: [f64; 2]) -> f64 {
    let (lat, lon) = (((a[0] - b[0]) / 2.0).sin(), ((a[1] - b[1]) / 2.0).sin());
    (lat * lat + (a[0].cos() * b[0].cos()) * (lon * lon)).clamp(0.0, 1.0)
}

/// For bounds only: not summed in the order that decides.
#[inline(always)]
pub(crate) fn squared_apart(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a, b) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| (a - b) * (a - b)).sum();
    for (a, b) in a.zip(b) {
        for lane in 0..8 {
            sums[lane] += (a[lane] - b[lane]) * (a[lane] - b[lane]);
        }
    }
    rest + sums.iter().sum::<f64>()
}

/// One bit per lane whose value is at most the limit.
#[inline(always)]
pub(crate) fn lanes_up_to(values: &[f64; BLOCK], limit: f64) -> u32 {
    // Most blocks hold nothing near: a look at the least value settles them.
    let mut least = [f64::INFINITY; 4];
    for four in values.chunks_exact(4) {
        for (least, &value) in least.iter_mut().zip(four) {
            *least = if value < *least { value } else { *least };
        }
    }
    if !least.iter().any(|&value| value <= limit) {
        return 0;
    }
    values.iter().enumerate().fold(0, |lanes, (lane, &value)| lanes | u32::from(value <= limit) << lane)
}

/// Positions of the bits that are set, ascending.
#[inline(always)]
pub(crate) fn bits(mut of: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (of != 0).then(|| of.trailing_zeros() as usize)?;
        of &= of - 1;
        Some(bit)
    })
}

/// Euclidean, the metric that searches are compiled for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Euclidean;

impl Space for Euclidean {
    #[inline(always)]
    fn block(self, q: &[f64], columns: &[f64], out: &mut [f64; BLOCK]) {
        block(Squares, q, columns, out);
    }

    #[inline(always)]
    fn block_of_two(self, q: [&[f64]; 2], columns: &[f64], out: &mut [[f64; BLOCK]; 2]) {
        // Twice as many independent sums hide the latency of an addition.
        let (mut first, mut second) = ([0.0; BLOCK], [0.0; BLOCK]);
        for ((&a, &b), column) in q[0].iter().zip(q[1]).zip(columns.chunks_exact(BLOCK)) {
            for lane in 0..BLOCK {
                first[lane] = Squares.add(first[lane], a - column[lane]);
                second[lane] = Squares.add(second[lane], b - column[lane]);
            }
        }
        *out = [first, second];
    }

    #[inline(always)]
    fn boxes(self, low: &[f64], high: &[f64], others: &[f64]) -> [f64; 4] {
        boxes(Squares, low, high, others)
    }

    #[inline(always)]
    fn block_to_box(self, columns: &[f64], low: &[f64], high: &[f64], out: &mut [f64; BLOCK]) {
        block_to_box(Squares, columns, low, high, out);
    }

    #[inline(always)]
    fn finish(self, reduced: f64) -> f64 {
        reduced.sqrt()
    }

    #[inline(always)]
    fn reduced_limit(self, distance: f64) -> f64 {
        Kernel::Euclidean.reduced_limit(distance)
    }
}

/// The other metrics are looked up for every block, so that searches are compiled twice and not seven times.
impl Space for Kernel {
    fn block(self, q: &[f64], columns: &[f64], out: &mut [f64; BLOCK]) {
        simd::run(Block { kernel: self, q, columns, out });
    }

    fn boxes(self, low: &[f64], high: &[f64], boxes: &[f64]) -> [f64; 4] {
        simd::run(Boxes { kernel: self, low, high, boxes })
    }

    fn block_to_box(self, columns: &[f64], low: &[f64], high: &[f64], out: &mut [f64; BLOCK]) {
        simd::run(BlockToBox { kernel: self, columns, low, high, out });
    }

    fn finish(self, reduced: f64) -> f64 {
        match self {
            Kernel::Euclidean => reduced.sqrt(),
            Kernel::Manhattan | Kernel::Chebyshev | Kernel::Cosine => reduced,
            Kernel::WholePower(p) => reduced.powf(1.0 / f64::from(p)),
            Kernel::Power(p) => reduced.powf(1.0 / p),
            Kernel::Haversine => 2.0 * reduced.sqrt().asin(),
        }
    }

    fn reduced_limit(self, distance: f64) -> f64 {
        /// Covers the rounding of the inverse, of `finish`, and of `powf`.
        const MARGIN: f64 = 1.0 + 1e-12;
        let inverse = match self {
            Kernel::Euclidean => distance * distance,
            Kernel::Manhattan | Kernel::Chebyshev | Kernel::Cosine => distance,
            Kernel::WholePower(p) => distance.powi(p as i32),
            Kernel::Power(p) => distance.powf(p),
            Kernel::Haversine => {
                let half = (distance / 2.0).min(std::f64::consts::FRAC_PI_2).sin();
                half * half
            }
        };
        // Squares and powers of tiny distances vanish; the smallest normal number is above what they lose.
        inverse * MARGIN + f64::MIN_POSITIVE
    }
}

struct Block<'a> {
    kernel: Kernel,
    q: &'a [f64],
    columns: &'a [f64],
    out: &'a mut [f64; BLOCK],
}

impl Work for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { kernel, q, columns, out } = self;
        match kernel {
            Kernel::Euclidean => block(Squares, q, columns, out),
            Kernel::Manhattan => block(Differences, q, columns, out),
            Kernel::Chebyshev => block(Largest, q, columns, out),
            Kernel::WholePower(p) => block(WholePowers(p), q, columns, out),
            Kernel::Power(p) => block(Powers(p), q, columns, out),
            Kernel::Cosine => cosine_block(q, columns, out),
            Kernel::Haversine => {
                for (j, out) in out.iter_mut().enumerate() {
                    *out = haversine([q[0], q[1]], [columns[j], columns[BLOCK + j]]);
                }
            }
        }
    }
}

struct Boxes<'a> {
    kernel: Kernel,
    low: &'a [f64],
    high: &'a [f64],
    boxes: &'a [f64],
}

impl Work for Boxes<'_> {
    type Output = [f64; 4];

    #[inline(always)]
    fn run(self) -> [f64; 4] {
        let Self { kernel, low, high, boxes: others } = self;
        match kernel {
            Kernel::Euclidean => boxes(Squares, low, high, others),
            Kernel::Manhattan => boxes(Differences, low, high, others),
            Kernel::Chebyshev => boxes(Largest, low, high, others),
            Kernel::WholePower(p) => boxes(WholePowers(p), low, high, others),
            Kernel::Power(p) => boxes(Powers(p), low, high, others),
            Kernel::Cosine | Kernel::Haversine => {
                boxes(Squares, low, high, others).map(|chord| kernel.bound_of_chord(chord, low.len()))
            }
        }
    }
}

struct BlockToBox<'a> {
    kernel: Kernel,
    columns: &'a [f64],
    low: &'a [f64],
    high: &'a [f64],
    out: &'a mut [f64; BLOCK],
}

impl Work for BlockToBox<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { kernel, columns, low, high, out } = self;
        match kernel {
            Kernel::Euclidean => block_to_box(Squares, columns, low, high, out),
            Kernel::Manhattan => block_to_box(Differences, columns, low, high, out),
            Kernel::Chebyshev => block_to_box(Largest, columns, low, high, out),
            Kernel::WholePower(p) => block_to_box(WholePowers(p), columns, low, high, out),
            Kernel::Power(p) => block_to_box(Powers(p), columns, low, high, out),
            Kernel::Cosine => {
                block_to_box(Squares, columns, low, high, out);
                out.iter_mut().for_each(|v| *v = kernel.bound_of_chord(*v, low.len()));
            }
            // Blocks hold latitudes and longitudes, boxes points of the sphere.
            Kernel::Haversine => out.fill(0.0),
        }
    }
}

impl Kernel {
    /// The caller's own distance if the metric is not built in.
    pub(crate) fn of(metric: &Metric) -> Result<Self, &Arc<dyn Distance>> {
        Ok(match *metric {
            Metric::Euclidean => Kernel::Euclidean,
            Metric::Manhattan => Kernel::Manhattan,
            Metric::Chebyshev => Kernel::Chebyshev,
            Metric::Minkowski(1.0) => Kernel::Manhattan,
            Metric::Minkowski(2.0) => Kernel::Euclidean,
            Metric::Minkowski(p) if p.fract() == 0.0 && p <= LARGEST_WHOLE_P => Kernel::WholePower(p as u32),
            Metric::Minkowski(p) => Kernel::Power(p),
            Metric::Cosine => Kernel::Cosine,
            Metric::Haversine => Kernel::Haversine,
            Metric::Custom(ref distance) => return Err(distance),
        })
    }

    /// Brings a row into the form that is measured: unit length for cosine.
    pub(crate) fn prepare(self, row: &mut [f64]) {
        if self != Kernel::Cosine {
            return;
        }
        // Dividing by the largest entry first keeps the squares in range.
        let largest = row.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        row.iter_mut().for_each(|v| *v /= largest);
        let length = dot(row, row).sqrt();
        row.iter_mut().for_each(|v| *v /= length);
    }

    /// Appends a prepared row as boxes see it: a point of the sphere for haversine.
    pub(crate) fn bound_row(self, row: &[f64], out: &mut Vec<f64>) {
        match (self, row) {
            (Kernel::Haversine, &[lat, lon]) => {
                out.extend([lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()]);
            }
            _ => out.extend_from_slice(row),
        }
    }

    /// Reduced value of two prepared rows.
    pub(crate) fn reduced(self, a: &[f64], b: &[f64]) -> f64 {
        match self {
            Kernel::Euclidean => pair(Squares, a, b),
            Kernel::Manhattan => pair(Differences, a, b),
            Kernel::Chebyshev => pair(Largest, a, b),
            Kernel::WholePower(p) => pair(WholePowers(p), a, b),
            Kernel::Power(p) => pair(Powers(p), a, b),
            Kernel::Cosine => one_minus(dot(a, b), || a == b),
            Kernel::Haversine => haversine([a[0], a[1]], [b[0], b[1]]),
        }
    }

    /// Reduced bound of a squared chord between unit rows, less what rounding may have added.
    #[inline(always)]
    fn bound_of_chord(self, squared: f64, width: usize) -> f64 {
        let share = if self == Kernel::Cosine { 0.5 } else { 0.25 };
        (squared * share * (1.0 - 1e-12) - ANGLE_ROUNDING * (width + 4) as f64).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Measure<'a, S> {
        space: S,
        rows: [&'a [f64]; 2],
        columns: &'a [f64],
    }

    impl<S: Space> Work for Measure<'_, S> {
        type Output = ([[f64; BLOCK]; 3], [f64; 4]);

        #[inline(always)]
        fn run(self) -> Self::Output {
            let Self { space, rows, columns } = self;
            let mut out = [[0.0; BLOCK]; 3];
            let [two @ .., box_bound] = &mut out;
            space.block_of_two(rows, columns, two);
            space.block_to_box(columns, rows[0], rows[0], box_bound);
            (out, space.boxes(rows[0], rows[1], &columns[..8 * rows[0].len()]))
        }
    }

    /// The vector units, the plain build and the scalar function.
    fn compare<S: Space>(space: S, kernel: Kernel, rows: [&[f64]; 2], columns: &[f64]) {
        let twin = Measure { space, rows, columns }.run();
        let fast = simd::run(Measure { space, rows, columns });
        let bits = |v: &f64| v.to_bits();
        assert!(fast.0.iter().flatten().map(bits).eq(twin.0.iter().flatten().map(bits)), "{kernel:?}");
        assert!(fast.1.iter().map(bits).eq(twin.1.iter().map(bits)), "{kernel:?}");
        for (out, row) in fast.0.iter().zip(rows) {
            for (lane, out) in out.iter().enumerate() {
                let other: Vec<f64> = columns.chunks_exact(BLOCK).map(|column| column[lane]).collect();
                assert_eq!(out.to_bits(), kernel.reduced(row, &other).to_bits(), "{kernel:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn vector_units_give_the_bits_of_the_scalar_function(
            (d, values) in (1usize..40)
                .prop_flat_map(|d| (Just(d), prop::collection::vec(-1e3f64..1e3, d * (BLOCK + 2)))),
            scale in prop_oneof![Just(1.0), Just(1e-6), Just(1e100)],
        ) {
            let values: Vec<f64> = values.iter().map(|v| v * scale).collect();
            let (rows, columns) = values.split_at(2 * d);
            let rows = [&rows[..d], &rows[d..]];
            compare(Euclidean, Kernel::Euclidean, rows, columns);
            for kernel in [
                Kernel::Euclidean, Kernel::Manhattan, Kernel::Chebyshev, Kernel::WholePower(3), Kernel::Power(1.5),
            ] {
                compare(kernel, kernel, rows, columns);
            }
        }
    }
}
