//! The deciding functions, one pair at a time and one row against columns; both give the same bits.
//!
//! Every kernel works on a *reduced* value (squared, summed, ..) that grows with the distance;
//! [`Kernel::finish`] makes the distance of it.

use crate::Metric;

/// Largest whole p that is multiplied out instead of calling `powf`.
const LARGEST_WHOLE_P: f64 = 16.0;

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

/// One feature's share of the reduced value. Sums run over the features in their order.
trait Step: Copy {
    fn add(self, sum: f64, a: f64, b: f64) -> f64;
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
#[derive(Clone, Copy)]
struct Products;

impl Step for Squares {
    fn add(self, sum: f64, a: f64, b: f64) -> f64 {
        let t = a - b;
        sum + t * t
    }
}

impl Step for Differences {
    fn add(self, sum: f64, a: f64, b: f64) -> f64 {
        sum + (a - b).abs()
    }
}

impl Step for Largest {
    fn add(self, sum: f64, a: f64, b: f64) -> f64 {
        let t = (a - b).abs();
        if t > sum { t } else { sum }
    }
}

impl Step for WholePowers {
    fn add(self, sum: f64, a: f64, b: f64) -> f64 {
        let t = (a - b).abs();
        let mut power = t;
        for _ in 1..self.0 {
            power *= t;
        }
        sum + power
    }
}

impl Step for Powers {
    fn add(self, sum: f64, a: f64, b: f64) -> f64 {
        sum + (a - b).abs().powf(self.0)
    }
}

impl Step for Products {
    fn add(self, sum: f64, a: f64, b: f64) -> f64 {
        sum + a * b
    }
}

fn pair<S: Step>(step: S, a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).fold(0.0, |sum, (&a, &b)| step.add(sum, a, b))
}

/// `out[j]` = reduced value of `q` and the j-th row of `columns` (feature c of row j at `c * stride + j`).
fn columns<S: Step>(step: S, q: &[f64], columns: &[f64], stride: usize, out: &mut [f64]) {
    const LANES: usize = 8;
    let mut chunks = out.chunks_exact_mut(LANES);
    let mut first = 0;
    for chunk in &mut chunks {
        // Eight rows side by side: independent sums, each in the order of the scalar function.
        let mut sums = [0.0; LANES];
        for (c, &a) in q.iter().enumerate() {
            let at = c * stride + first;
            for (sum, &b) in sums.iter_mut().zip(&columns[at..at + LANES]) {
                *sum = step.add(*sum, a, b);
            }
        }
        chunk.copy_from_slice(&sums);
        first += LANES;
    }
    for (j, out) in chunks.into_remainder().iter_mut().enumerate() {
        *out =
            q.iter().enumerate().fold(0.0, |sum, (c, &a)| step.add(sum, a, columns[c * stride + first + j]));
    }
}

fn nearest_corner<S: Step>(step: S, q: &[f64], low: &[f64], high: &[f64]) -> f64 {
    q.iter()
        .zip(low.iter().zip(high))
        .fold(0.0, |sum, (&a, (&low, &high))| step.add(sum, a, a.clamp(low, high)))
}

fn haversine(a: [f64; 2], b: [f64; 2]) -> f64 {
    let (lat, lon) = (((a[0] - b[0]) / 2.0).sin(), ((a[1] - b[1]) / 2.0).sin());
    (lat * lat + (a[0].cos() * b[0].cos()) * (lon * lon)).clamp(0.0, 1.0)
}

/// Cosine distance of unit rows with dot product `dot`. Rounding must not move a row away from itself.
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

impl Kernel {
    pub(crate) fn of(metric: &Metric) -> Self {
        match *metric {
            Metric::Euclidean => Kernel::Euclidean,
            Metric::Manhattan => Kernel::Manhattan,
            Metric::Chebyshev => Kernel::Chebyshev,
            Metric::Minkowski(1.0) => Kernel::Manhattan,
            Metric::Minkowski(2.0) => Kernel::Euclidean,
            Metric::Minkowski(p) if p.fract() == 0.0 && p <= LARGEST_WHOLE_P => Kernel::WholePower(p as u32),
            Metric::Minkowski(p) => Kernel::Power(p),
            Metric::Cosine => Kernel::Cosine,
            Metric::Haversine => Kernel::Haversine,
        }
    }

    /// Brings a row into the form the other functions expect: unit length for cosine.
    pub(crate) fn prepare(self, row: &mut [f64]) {
        if self != Kernel::Cosine {
            return;
        }
        // Dividing by the largest entry first keeps the squares in range.
        let largest = row.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        row.iter_mut().for_each(|v| *v /= largest);
        let length = pair(Products, row, row).sqrt();
        row.iter_mut().for_each(|v| *v /= length);
    }

    /// Reduced value of two prepared rows.
    pub(crate) fn reduced(self, a: &[f64], b: &[f64]) -> f64 {
        match self {
            Kernel::Euclidean => pair(Squares, a, b),
            Kernel::Manhattan => pair(Differences, a, b),
            Kernel::Chebyshev => pair(Largest, a, b),
            Kernel::WholePower(p) => pair(WholePowers(p), a, b),
            Kernel::Power(p) => pair(Powers(p), a, b),
            Kernel::Cosine => one_minus(pair(Products, a, b), || a == b),
            Kernel::Haversine => haversine([a[0], a[1]], [b[0], b[1]]),
        }
    }

    /// Reduced values of `q` and the rows of `cols`, bit for bit those of [`Kernel::reduced`].
    pub(crate) fn reduced_to_columns(self, q: &[f64], cols: &[f64], stride: usize, out: &mut [f64]) {
        match self {
            Kernel::Euclidean => columns(Squares, q, cols, stride, out),
            Kernel::Manhattan => columns(Differences, q, cols, stride, out),
            Kernel::Chebyshev => columns(Largest, q, cols, stride, out),
            Kernel::WholePower(p) => columns(WholePowers(p), q, cols, stride, out),
            Kernel::Power(p) => columns(Powers(p), q, cols, stride, out),
            Kernel::Cosine => {
                columns(Products, q, cols, stride, out);
                for (j, dot) in out.iter_mut().enumerate() {
                    let equal = || q.iter().enumerate().all(|(c, &a)| a == cols[c * stride + j]);
                    *dot = one_minus(*dot, equal);
                }
            }
            Kernel::Haversine => {
                for (j, out) in out.iter_mut().enumerate() {
                    *out = haversine([q[0], q[1]], [cols[j], cols[stride + j]]);
                }
            }
        }
    }

    /// The distance of a reduced value; never decreases as the value grows.
    pub(crate) fn finish(self, reduced: f64) -> f64 {
        match self {
            Kernel::Euclidean => reduced.sqrt(),
            Kernel::Manhattan | Kernel::Chebyshev | Kernel::Cosine => reduced,
            Kernel::WholePower(p) => reduced.powf(1.0 / f64::from(p)),
            Kernel::Power(p) => reduced.powf(1.0 / p),
            Kernel::Haversine => 2.0 * reduced.sqrt().asin(),
        }
    }

    /// Whether boxes give useful lower bounds.
    pub(crate) fn has_box_bound(self) -> bool {
        !matches!(self, Kernel::Cosine | Kernel::Haversine)
    }

    /// Not above the reduced value of `q` and any row inside the box.
    ///
    /// The nearest corner goes through the same operations in the same order as a row would, and
    /// rounding is monotone, so the bound holds to the bit (`powf` is covered by the search's margin).
    pub(crate) fn box_bound(self, q: &[f64], low: &[f64], high: &[f64]) -> f64 {
        match self {
            Kernel::Euclidean => nearest_corner(Squares, q, low, high),
            Kernel::Manhattan => nearest_corner(Differences, q, low, high),
            Kernel::Chebyshev => nearest_corner(Largest, q, low, high),
            Kernel::WholePower(p) => nearest_corner(WholePowers(p), q, low, high),
            Kernel::Power(p) => nearest_corner(Powers(p), q, low, high),
            Kernel::Cosine | Kernel::Haversine => 0.0,
        }
    }
}
