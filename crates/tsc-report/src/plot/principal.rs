use tsc_core::Features;

/// Coordinates of each sample on the first two principal axes, and the share of variance each explains.
#[derive(Clone, Debug, PartialEq)]
pub struct Principal {
    /// First coordinate of each sample.
    pub x: Vec<f64>,
    /// Second coordinate; all 0 for one feature.
    pub y: Vec<f64>,
    /// Share of the total variance along each axis; 0 where the samples do not vary.
    pub explained: [f64; 2],
}

const ITERATIONS: usize = 300;

/// First two principal components of `x`, by power iteration with deflation.
///
/// The largest entry of each axis is positive, so the picture does not flip between runs.
/// Deterministic; at most 300 passes over the samples per axis, O(n d) each.
///
/// # Examples
///
/// ```
/// use tsc_report::principal_axes;
/// // All variance lies along (1, 1).
/// let axes = principal_axes(tsc_core::Features::new(&[0.0, 0.0, 1.0, 1.0, 2.0, 2.0], 2)?);
/// assert!((axes.explained[0] - 1.0).abs() < 1e-12);
/// assert!((axes.x[2] - 2f64.sqrt()).abs() < 1e-9);
/// # Ok::<(), tsc_core::Error>(())
/// ```
#[must_use]
pub fn principal_axes(x: Features<'_>) -> Principal {
    let (n, d) = (x.n_samples(), x.n_features());
    let mut centred = x.as_slice().to_vec();
    for feature in 0..d {
        let mean = x.rows().map(|row| row[feature]).sum::<f64>() / n as f64;
        centred.iter_mut().skip(feature).step_by(d).for_each(|v| *v -= mean);
    }
    let total: f64 = centred.iter().map(|v| v * v).sum();
    let first = axis(&centred, d, None);
    let second = if d > 1 { axis(&centred, d, Some(&first)) } else { vec![0.0; d] };
    let project = |axis: &[f64]| -> Vec<f64> { centred.chunks_exact(d).map(|row| dot(row, axis)).collect() };
    let (x, y) = (project(&first), project(&second));
    let share = |v: &[f64]| if total > 0.0 { v.iter().map(|v| v * v).sum::<f64>() / total } else { 0.0 };
    let explained = [share(&x), share(&y)];
    Principal { x, y, explained }
}

fn axis(centred: &[f64], d: usize, other: Option<&[f64]>) -> Vec<f64> {
    // Uneven start: a symmetric one can be orthogonal to the axis.
    let mut axis: Vec<f64> = (0..d).map(|i| 1.0 + ((i * 7919 + 13) % 101) as f64 / 101.0).collect();
    deflate(&mut axis, other);
    for _ in 0..ITERATIONS {
        let mut next = vec![0.0; d];
        for row in centred.chunks_exact(d) {
            let weight = dot(row, &axis);
            next.iter_mut().zip(row).for_each(|(slot, v)| *slot += weight * v);
        }
        deflate(&mut next, other);
        let moved = next.iter().zip(&axis).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        axis = next;
        if moved < 1e-13 {
            break;
        }
    }
    let largest = axis.iter().fold(0.0f64, |best, &v| if v.abs() > best.abs() + 1e-12 { v } else { best });
    if largest < 0.0 {
        axis.iter_mut().for_each(|v| *v = -*v);
    }
    axis
}

fn deflate(axis: &mut [f64], other: Option<&[f64]>) {
    if let Some(other) = other {
        let along = dot(axis, other);
        axis.iter_mut().zip(other).for_each(|(v, o)| *v -= along * o);
    }
    let length = dot(axis, axis).sqrt();
    if length > 0.0 {
        axis.iter_mut().for_each(|v| *v /= length);
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_and_shares_equal_the_closed_form_of_an_ellipse() {
        // A circle stretched 3:1 and turned by 30 degrees: variances 9/2 and 1/2 along known axes.
        let (sin, cos) = 30f64.to_radians().sin_cos();
        let values: Vec<f64> = (0..360)
            .flat_map(|degree| {
                let (b, a) = f64::from(degree).to_radians().sin_cos();
                let (a, b) = (3.0 * a, b);
                [5.0 + a * cos - b * sin, -7.0 + a * sin + b * cos]
            })
            .collect();
        let axes = principal_axes(Features::new(&values, 2).unwrap());
        assert!((axes.explained[0] - 0.9).abs() < 1e-9, "{:?}", axes.explained);
        assert!((axes.explained[1] - 0.1).abs() < 1e-9);
        assert!((axes.x[0] - 3.0).abs() < 1e-9, "the first point lies at the far end of the long axis");
        assert!((axes.y[90].abs() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn one_feature_and_constant_samples_have_axes() {
        let one = principal_axes(Features::new(&[1.0, 3.0], 1).unwrap());
        assert_eq!((one.x, one.y, one.explained), (vec![-1.0, 1.0], vec![0.0, 0.0], [1.0, 0.0]));
        let same = principal_axes(Features::new(&[2.0; 6], 2).unwrap());
        assert_eq!((same.x, same.explained), (vec![0.0; 3], [0.0, 0.0]));
    }
}
