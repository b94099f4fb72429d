//! Regularised incomplete beta function. Source: Press et al., Numerical Recipes, 3rd ed., 6.4.

use super::gamma::{away_from_zero, ln_gamma};

const MAX_TERMS: usize = 100_000;

/// I_x(a, b), with `y` = 1 - x handed over by the caller, who can compute it without cancellation.
pub(super) fn regularised_beta(a: f64, b: f64, x: f64, y: f64) -> f64 {
    if a.is_nan() || a <= 0.0 || b.is_nan() || b <= 0.0 || x.is_nan() {
        return f64::NAN;
    }
    if x <= 0.0 {
        return 0.0;
    }
    if y <= 0.0 {
        return 1.0;
    }
    let scale = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * y.ln()).exp();
    if x < (a + 1.0) / (a + b + 2.0) {
        scale * fraction(a, b, x) / a
    } else {
        1.0 - scale * fraction(b, a, y) / b
    }
}

// Lentz's method.
fn fraction(a: f64, b: f64, x: f64) -> f64 {
    let mut c = 1.0;
    let mut d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut value = d;
    for m in 1..MAX_TERMS {
        let m = m as f64;
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut step = 1.0;
        for term in [even, odd] {
            d = 1.0 / away_from_zero(1.0 + term * d);
            c = away_from_zero(1.0 + term / c);
            step = d * c;
            value *= step;
        }
        if (step - 1.0).abs() <= f64::EPSILON {
            break;
        }
    }
    value
}
