//! Eigenvalues and vectors of a symmetric matrix: Householder to tridiagonal form, then QR steps with
//! Wilkinson's shift. O(d³), backward stable.
//!
//! Source: Golub and Van Loan, Matrix Computations, 4th ed., 8.3.

/// Eigenvalues descending, and one unit eigenvector a row.
#[derive(Debug)]
pub(crate) struct Eigen {
    pub(crate) values: Vec<f64>,
    pub(crate) vectors: Vec<f64>,
}

/// Steps per eigenvalue after which it is taken as it is; a handful is usual.
const MAX_STEPS: usize = 60;

pub(crate) fn symmetric_eigen(matrix: Vec<f64>, d: usize) -> Eigen {
    let (mut diagonal, mut beside, mut vectors) = tridiagonal(matrix, d);
    diagonalise(&mut diagonal, &mut beside, &mut vectors);
    let mut order: Vec<usize> = (0..d).collect();
    order.sort_by(|&a, &b| diagonal[b].total_cmp(&diagonal[a]).then(a.cmp(&b)));
    Eigen {
        values: order.iter().map(|&i| diagonal[i]).collect(),
        vectors: order.iter().flat_map(|&i| vectors[i * d..(i + 1) * d].iter().copied()).collect(),
    }
}

/// `a = qᵀ t q` with tridiagonal t; returns its diagonal, its side diagonal, and q.
fn tridiagonal(mut a: Vec<f64>, d: usize) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let mut q = vec![0.0; d * d];
    (0..d).for_each(|i| q[i * d + i] = 1.0);
    let mut beside = vec![0.0; d.saturating_sub(1)];
    for k in 0..d.saturating_sub(1) {
        let first = k + 1;
        let mut v: Vec<f64> = (first..d).map(|i| a[k * d + i]).collect();
        let length = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        let tail: f64 = v[1..].iter().map(|x| x * x).sum();
        if tail == 0.0 || length == 0.0 {
            beside[k] = v[0];
            continue;
        }
        // The sign that adds, so nothing cancels.
        beside[k] = if v[0] > 0.0 { -length } else { length };
        v[0] -= beside[k];
        let beta = 2.0 / (v[0] * v[0] + tail);
        let block = |i: usize| (first + i) * d + first;
        let mut w: Vec<f64> =
            (0..v.len()).map(|i| beta * dot(&a[block(i)..block(i) + v.len()], &v)).collect();
        let half = beta / 2.0 * dot(&v, &w);
        w.iter_mut().zip(&v).for_each(|(w, v)| *w -= half * v);
        for i in 0..v.len() {
            let row = &mut a[block(i)..block(i) + v.len()];
            for ((cell, &vj), &wj) in row.iter_mut().zip(&v).zip(&w) {
                *cell -= v[i] * wj + w[i] * vj;
            }
        }
        reflect(&mut q, d, first, &v, beta);
    }
    let diagonal = (0..d).map(|i| a[i * d + i]).collect();
    (diagonal, beside, q)
}

/// Rows `first..` of q are reflected: `q -= beta v (vᵀ q)`.
fn reflect(q: &mut [f64], d: usize, first: usize, v: &[f64], beta: f64) {
    let mut sums = vec![0.0; d];
    for (i, &vi) in v.iter().enumerate() {
        let row = &q[(first + i) * d..(first + i + 1) * d];
        sums.iter_mut().zip(row).for_each(|(s, x)| *s += vi * x);
    }
    for (i, &vi) in v.iter().enumerate() {
        let row = &mut q[(first + i) * d..(first + i + 1) * d];
        row.iter_mut().zip(&sums).for_each(|(x, s)| *x -= beta * vi * s);
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// QR steps on the lowest block that is not yet diagonal.
fn diagonalise(diagonal: &mut [f64], beside: &mut [f64], vectors: &mut [f64]) {
    let d = diagonal.len();
    let negligible = |diagonal: &[f64], beside: &[f64], i: usize| {
        beside[i].abs() <= f64::EPSILON * (diagonal[i].abs() + diagonal[i + 1].abs())
    };
    let mut high = d - 1;
    let mut steps = 0;
    while high > 0 {
        if negligible(diagonal, beside, high - 1) || steps == MAX_STEPS {
            beside[high - 1] = 0.0;
            high -= 1;
            steps = 0;
            continue;
        }
        let mut low = high - 1;
        while low > 0 && !negligible(diagonal, beside, low - 1) {
            low -= 1;
        }
        qr_step(diagonal, beside, vectors, low, high);
        steps += 1;
    }
}

/// One implicit step on rows `low..=high`.
fn qr_step(diagonal: &mut [f64], beside: &mut [f64], vectors: &mut [f64], low: usize, high: usize) {
    let d = diagonal.len();
    let half = (diagonal[high - 1] - diagonal[high]) / 2.0;
    let corner = beside[high - 1];
    let shift = diagonal[high] - corner * corner / (half + half.hypot(corner).copysign(half));
    let (mut x, mut z) = (diagonal[low] - shift, beside[low]);
    for k in low..high {
        let r = x.hypot(z);
        let (c, s) = if r > 0.0 { (x / r, z / r) } else { (1.0, 0.0) };
        if k > low {
            beside[k - 1] = r;
        }
        let (a, b, e) = (diagonal[k], diagonal[k + 1], beside[k]);
        diagonal[k] = c * c * a + 2.0 * c * s * e + s * s * b;
        diagonal[k + 1] = s * s * a - 2.0 * c * s * e + c * c * b;
        beside[k] = c * s * (b - a) + (c * c - s * s) * e;
        if k + 1 < high {
            x = beside[k];
            z = s * beside[k + 1];
            beside[k + 1] *= c;
        }
        let (upper, lower) = vectors[k * d..(k + 2) * d].split_at_mut(d);
        for (p, q) in upper.iter_mut().zip(lower) {
            (*p, *q) = (c * *p + s * *q, c * *q - s * *p);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use super::*;

    /// The certificate: A v = lambda v, and the vectors are orthonormal.
    fn check(matrix: &[f64], d: usize) -> Eigen {
        let eigen = symmetric_eigen(matrix.to_vec(), d);
        let norm = matrix.iter().map(|v| v * v).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
        let vector = |i: usize| &eigen.vectors[i * d..(i + 1) * d];
        for i in 0..d {
            for row in 0..d {
                let image = dot(&matrix[row * d..(row + 1) * d], vector(i));
                let error = (image - eigen.values[i] * vector(i)[row]).abs();
                assert!(error <= 1e-13 * norm, "vector {i} is off by {error:e} of {norm:e}");
            }
            for j in 0..d {
                let expected = f64::from(u8::from(i == j));
                assert!((dot(vector(i), vector(j)) - expected).abs() < 1e-12, "vectors {i} and {j}");
            }
            assert!(i == 0 || eigen.values[i - 1] >= eigen.values[i], "descending");
        }
        eigen
    }

    #[test]
    fn a_path_graph_has_its_known_eigenvalues() {
        // Second differences of n points: 2 - 2 cos(pi k / (n + 1)).
        let n = 40;
        let mut matrix = vec![0.0; n * n];
        for i in 0..n {
            matrix[i * n + i] = 2.0;
            if i > 0 {
                matrix[i * n + i - 1] = -1.0;
                matrix[(i - 1) * n + i] = -1.0;
            }
        }
        let eigen = check(&matrix, n);
        for k in 1..=n {
            let expected = 2.0 - 2.0 * (PI * k as f64 / (n as f64 + 1.0)).cos();
            assert!((eigen.values[n - k] - expected).abs() < 1e-13);
        }
    }

    #[test]
    fn equal_zero_and_wide_eigenvalues_are_found() {
        check(&[0.0; 9], 3);
        check(&[5.0], 1);
        let ones = check(&[1.0; 64], 8);
        assert!((ones.values[0] - 8.0).abs() < 1e-13 && ones.values[1..].iter().all(|v| v.abs() < 1e-14));
        check(&[2.0, 1.0, 1.0, 2.0], 2);
        check(&[1e12, 1.0, 0.0, 1.0, 1.0, 1e-6, 0.0, 1e-6, 1e-12], 3);
    }

    #[test]
    fn dense_matrices_satisfy_their_definition() {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 11) as f64 / (1u64 << 53) as f64 - 0.5
        };
        for d in [2, 3, 7, 25, 90] {
            let mut matrix = vec![0.0; d * d];
            for i in 0..d {
                for j in 0..=i {
                    matrix[i * d + j] = next();
                    matrix[j * d + i] = matrix[i * d + j];
                }
            }
            let eigen = check(&matrix, d);
            let trace: f64 = (0..d).map(|i| matrix[i * d + i]).sum();
            assert!((eigen.values.iter().sum::<f64>() - trace).abs() < 1e-12 * d as f64);
        }
    }
}
