use tsc_core::stats::ln_gamma;

use super::sample::merged;
use super::{Sample, Test};

/// Two-sample Cramer-von Mises test with the limit law of its statistic.
///
/// T = U / (n m N) - (4 n m - 1) / (6 N) with U = n sum (r_i - i)^2 + m sum (s_j - j)^2 over the ranks of
/// both samples, ties at their mean. `None` if a sample has fewer than two values. O(n + m). As in scipy
/// the series of the law ends at a term below 1e-7: p may be too large by that much.
///
/// # Examples
///
/// ```
/// use tsc_monitor::statistics::{Sample, cramer_von_mises};
/// let test = cramer_von_mises(&Sample::new(&[1.0, 2.0])?, &Sample::new(&[3.0, 4.0])?).unwrap();
/// assert!((test.statistic - 0.375).abs() < 1e-15); // U = 2 * 8: 16 / 16 - 15 / 24
/// # Ok::<(), tsc_core::Error>(())
/// ```
///
/// Source: Anderson, Ann. Math. Stat. 33 (1962), 1148-1159; as scipy.stats.cramervonmises_2samp.
#[must_use]
pub fn cramer_von_mises(first: &Sample, second: &Sample) -> Option<Test> {
    let (n, m) = (first.len() as f64, second.len() as f64);
    if n < 2.0 || m < 2.0 {
        return None;
    }
    let (mut i, mut j, mut before) = (0, 0, 0);
    let (mut sum_first, mut sum_second) = (0.0, 0.0);
    for (_, from_first, from_second) in merged(first, second) {
        let tied = from_first + from_second;
        let rank = before as f64 + (tied + 1) as f64 / 2.0;
        let squares = |from: usize, count: usize| -> f64 {
            (from + 1..=from + count).map(|position| (rank - position as f64).powi(2)).sum()
        };
        sum_first += squares(i, from_first);
        sum_second += squares(j, from_second);
        i += from_first;
        j += from_second;
        before += tied;
    }
    let u = n * sum_first + m * sum_second;
    let (k, total) = (n * m, n + m);
    let statistic = u / (k * total) - (4.0 * k - 1.0) / (6.0 * total);
    let mean = (1.0 + 1.0 / total) / 6.0;
    let variance = (total + 1.0) * (4.0 * k * total - 3.0 * (n * n + m * m) - 2.0 * k)
        / (45.0 * total * total * 4.0 * k);
    let normed = 1.0 / 6.0 + (statistic - mean) / (45.0 * variance).sqrt();
    let p_value = if normed < 0.003 { 1.0 } else { (1.0 - limit_cdf(normed)).max(0.0) };
    Some(Test { statistic, p_value })
}

// scipy's: so that p-values agree with it.
const SMALLEST_TERM: f64 = 1e-7;

// Csorgo, Faraway, J. R. Stat. Soc. B 58 (1996), 221-234, equation 1.2.
fn limit_cdf(x: f64) -> f64 {
    let mut sum = 0.0;
    for k in 0..100 {
        let k = f64::from(k);
        let y = 4.0 * k + 1.0;
        let q = y * y / (16.0 * x);
        let scale =
            (ln_gamma(k + 0.5) - ln_gamma(k + 1.0)).exp() / (std::f64::consts::PI.powf(1.5) * x.sqrt());
        let term = scale * y.sqrt() * scaled_bessel_k_quarter(q) * (-2.0 * q).exp();
        sum += term;
        if term < SMALLEST_TERM {
            break;
        }
    }
    sum
}

/// exp(q) K_1/4(q): the integral of exp(-q (cosh t - 1)) cosh(t / 4), by the trapezoidal rule, which
/// converges geometrically here.
pub(super) fn scaled_bessel_k_quarter(q: f64) -> f64 {
    const STEP: f64 = 1.0 / 64.0;
    let mut sum = 0.5;
    for i in 1..10_000 {
        let t = f64::from(i) * STEP;
        let term = (-q * (t.cosh() - 1.0)).exp() * (t / 4.0).cosh();
        sum += term;
        if term < f64::EPSILON * 1e-3 * sum {
            break;
        }
    }
    sum * STEP
}

/// Two-sample Anderson-Darling test on midranks.
///
/// The statistic is normed to mean 0 and deviation 1; p comes from tabulated limits by a quadratic in
/// its logarithm and is kept in 0.001..=0.25, the range of the table. `None` if all values are equal.
/// O(n log n).
///
/// # Examples
///
/// ```
/// use tsc_monitor::statistics::{Sample, anderson_darling};
/// let (low, high) = (Sample::new(&[1.0, 2.0, 3.0, 4.0])?, Sample::new(&[5.0, 6.0, 7.0, 8.0])?);
/// assert_eq!(anderson_darling(&low, &low).unwrap().p_value, 0.25);
/// assert!(anderson_darling(&low, &high).unwrap().p_value < 0.05);
/// # Ok::<(), tsc_core::Error>(())
/// ```
///
/// Source: Scholz, Stephens, J. Am. Stat. Assoc. 82 (1987), 918-924; as scipy.stats.anderson_ksamp.
#[must_use]
pub fn anderson_darling(first: &Sample, second: &Sample) -> Option<Test> {
    let sizes = [first.len() as f64, second.len() as f64];
    let total = sizes[0] + sizes[1];
    let smallest = first.values()[0].min(second.values()[0]);
    let largest = first.values()[first.len() - 1].max(second.values()[second.len() - 1]);
    if smallest == largest {
        return None;
    }
    let mut raw = [0.0; 2];
    let mut seen = [0.0; 2];
    let mut before = 0.0;
    for (_, from_first, from_second) in merged(first, second) {
        let here = [from_first as f64, from_second as f64];
        let tied = here[0] + here[1];
        let middle = before + tied / 2.0;
        let scale = middle * (total - middle) - total * tied / 4.0;
        for side in 0..2 {
            let rank = seen[side] + here[side] / 2.0;
            // A value that all others equal on one side has no spread there.
            if scale > 0.0 {
                let difference = total * rank - middle * sizes[side];
                raw[side] += tied / total * difference * difference / scale;
            }
            seen[side] += here[side];
        }
        before += tied;
    }
    let sum = (raw[0] / sizes[0] + raw[1] / sizes[1]) * (total - 1.0) / total;
    let statistic = (sum - 1.0) / variance(sizes, total).sqrt();
    Some(Test { statistic, p_value: tabulated_p(statistic) })
}

// Variance of the statistic of two samples, equation 4 of the source.
fn variance(sizes: [f64; 2], total: f64) -> f64 {
    let reciprocals = 1.0 / sizes[0] + 1.0 / sizes[1];
    let last = total as usize - 1;
    let (mut harmonic, mut nested) = (0.0, 0.0);
    let mut tail = 0.0;
    // g = sum over i < j of 1 / ((N - i) j), with the inner sum carried along.
    for i in (1..=last).rev() {
        harmonic += 1.0 / i as f64;
    }
    for i in 1..last {
        tail += 1.0 / (total - i as f64);
        nested += tail / (i as f64 + 1.0);
    }
    let (h, g, k) = (reciprocals, nested, 2.0);
    let a = (4.0 * g - 6.0) * (k - 1.0) + (10.0 - 6.0 * g) * h;
    let b = (2.0 * g - 4.0) * k * k + 8.0 * harmonic * k + (2.0 * g - 14.0 * harmonic - 4.0) * h
        - 8.0 * harmonic
        + 4.0 * g
        - 6.0;
    let c = (6.0 * harmonic + 2.0 * g - 2.0) * k * k
        + (4.0 * harmonic - 4.0 * g + 6.0) * k
        + (2.0 * harmonic - 6.0) * h
        + 4.0 * harmonic;
    let d = (2.0 * harmonic + 6.0) * k * k - 4.0 * harmonic * k;
    (((a * total + b) * total + c) * total + d) / ((total - 1.0) * (total - 2.0) * (total - 3.0))
}

// Table 2 of the source at one degree of freedom: b0 + b1 + b2.
const LEVELS: [(f64, f64); 7] = [
    (0.25, 0.675 - 0.245 - 0.105),
    (0.1, 1.281 + 0.25 - 0.305),
    (0.05, 1.645 + 0.678 - 0.362),
    (0.025, 1.96 + 1.149 - 0.391),
    (0.01, 2.326 + 1.822 - 0.396),
    (0.005, 2.573 + 2.364 - 0.345),
    (0.001, 3.085 + 3.615 - 0.154),
];

fn tabulated_p(statistic: f64) -> f64 {
    let (smallest, largest) = (LEVELS[0].1, LEVELS[LEVELS.len() - 1].1);
    if statistic < smallest {
        return LEVELS[0].0;
    }
    if statistic > largest {
        return LEVELS[LEVELS.len() - 1].0;
    }
    // Least squares of ln p on 1, x, x^2 over orthogonal polynomials, which need no matrix.
    let n = LEVELS.len() as f64;
    let mean = LEVELS.iter().map(|l| l.1).sum::<f64>() / n;
    let linear = |x: f64| x - mean;
    let square: f64 = LEVELS.iter().map(|l| linear(l.1).powi(2)).sum();
    let cube: f64 = LEVELS.iter().map(|l| linear(l.1).powi(3)).sum();
    let quadratic = |x: f64| linear(x) * (linear(x) - cube / square) - square / n;
    let fit = |basis: &dyn Fn(f64) -> f64| {
        let (mut with_p, mut own) = (0.0, 0.0);
        for &(p, x) in &LEVELS {
            with_p += basis(x) * p.ln();
            own += basis(x).powi(2);
        }
        with_p / own * basis(statistic)
    };
    (fit(&|_| 1.0) + fit(&linear) + fit(&quadratic)).exp()
}
