/// b' A^-1 b for a symmetric positive definite A of (d, d), by Cholesky; `None` if A is not.
pub(super) fn inverse_form(a: &[f64], b: &[f64]) -> Option<f64> {
    let d = b.len();
    let mut l = vec![0.0; d * d];
    let mut y = vec![0.0; d];
    for i in 0..d {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| l[i * d + k] * l[j * d + k]).sum();
            let left = a[i * d + j] - dot;
            if i == j {
                // What is left of a column that the others determine is rounding.
                if left.is_nan() || left <= a[i * d + i].abs() * 1e-13 {
                    return None;
                }
                l[i * d + i] = left.sqrt();
            } else {
                l[i * d + j] = left / l[j * d + j];
            }
        }
        let dot: f64 = (0..i).map(|k| l[i * d + k] * y[k]).sum();
        y[i] = (b[i] - dot) / l[i * d + i];
    }
    Some(y.iter().map(|v| v * v).sum())
}

/// Eigenvalues, falling, and unit eigenvectors (one a row) of a symmetric (d, d) matrix, by Jacobi's
/// rotations in a fixed order. O(d^3) a sweep, about ten sweeps.
pub(super) fn eigen(mut a: Vec<f64>, d: usize) -> (Vec<f64>, Vec<f64>) {
    let mut v: Vec<f64> = (0..d * d).map(|at| f64::from(u8::from(at % (d + 1) == 0))).collect();
    for _ in 0..100 {
        let off: f64 = (0..d * d).filter(|at| at / d != at % d).map(|at| a[at] * a[at]).sum();
        let all: f64 = a.iter().map(|x| x * x).sum();
        if off <= all * 1e-32 {
            break;
        }
        for p in 0..d {
            for q in p + 1..d {
                rotate(&mut a, &mut v, d, p, q);
            }
        }
    }
    let mut order: Vec<usize> = (0..d).collect();
    order.sort_by(|&i, &j| a[j * d + j].total_cmp(&a[i * d + i]));
    let values = order.iter().map(|&i| a[i * d + i]).collect();
    let vectors = order.iter().flat_map(|&i| v[i * d..(i + 1) * d].to_vec()).collect();
    (values, vectors)
}

fn rotate(a: &mut [f64], v: &mut [f64], d: usize, p: usize, q: usize) {
    let apq = a[p * d + q];
    if apq == 0.0 {
        return;
    }
    let theta = (a[q * d + q] - a[p * d + p]) / (2.0 * apq);
    let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let c = 1.0 / t.hypot(1.0);
    let s = t * c;
    for k in 0..d {
        let (x, y) = (a[k * d + p], a[k * d + q]);
        a[k * d + p] = c * x - s * y;
        a[k * d + q] = s * x + c * y;
    }
    for k in 0..d {
        let (x, y) = (a[p * d + k], a[q * d + k]);
        a[p * d + k] = c * x - s * y;
        a[q * d + k] = s * x + c * y;
        let (x, y) = (v[p * d + k], v[q * d + k]);
        v[p * d + k] = c * x - s * y;
        v[q * d + k] = s * x + c * y;
    }
}
