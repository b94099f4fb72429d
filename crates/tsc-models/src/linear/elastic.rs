//! Elastic net by cyclic coordinate descent on covariances.
//!
//! Friedman, Hastie, Tibshirani, "Regularization Paths for Generalized Linear Models via Coordinate Descent",
//! J. Stat. Softw. 33 (2010), sections 2.1, 2.2 and 2.5: the columns are read only when a coefficient first
//! leaves 0, and a path goes on from the solution before. A pass is then O(columns) per coefficient that
//! moves, whatever the number of samples, which is what makes correlated columns affordable.

/// A solution that can be moved to another penalty.
pub(super) struct Descent<'a> {
    /// Standardised, one column behind the other.
    columns: &'a [f64],
    n_samples: usize,
    /// Mean square of the centred targets.
    target_square: f64,
    /// Mean product of each column with the targets, and with what the coefficients leave of them.
    with_target: Vec<f64>,
    left: Vec<f64>,
    /// Mean products of a column with all columns; empty until its coefficient leaves 0.
    covariances: Vec<Vec<f64>>,
    pub(super) coefficients: Vec<f64>,
}

impl<'a> Descent<'a> {
    /// Starts with all coefficients at 0.
    pub(super) fn new(columns: &'a [f64], targets: &[f64]) -> Self {
        let n_samples = targets.len();
        let with_target = products(columns, targets);
        let n_columns = with_target.len();
        Self {
            columns,
            n_samples,
            target_square: mean_product(targets, targets),
            left: with_target.clone(),
            with_target,
            covariances: vec![Vec::new(); n_columns],
            coefficients: vec![0.0; n_columns],
        }
    }

    /// Largest mean product with the targets.
    pub(super) fn strongest(&self) -> f64 {
        self.with_target.iter().fold(0.0, |most, product| product.abs().max(most))
    }

    /// Passes until the duality gap is at most `tolerance` times the targets' square; the number of passes.
    pub(super) fn run(&mut self, penalty: f64, l1_ratio: f64, tolerance: f64, passes: u32) -> u32 {
        let (absolute, square) = (penalty * l1_ratio, penalty * (1.0 - l1_ratio));
        for pass in 1..=passes {
            for column in 0..self.coefficients.len() {
                self.settle(column, absolute, square);
            }
            if self.gap(absolute, square) <= tolerance * self.target_square {
                return pass;
            }
        }
        passes
    }

    /// Moves one coefficient to its best value, all others fixed.
    fn settle(&mut self, column: usize, absolute: f64, square: f64) {
        let old = self.coefficients[column];
        // Most coefficients are 0 and stay there.
        if old == 0.0 && self.left[column].abs() <= absolute {
            return;
        }
        if self.covariances[column].is_empty() {
            let start = column * self.n_samples;
            let own = &self.columns[start..start + self.n_samples];
            self.covariances[column] = products(self.columns, own);
        }
        let covariances = &self.covariances[column];
        let own = covariances[column];
        let free = self.left[column] + own * old;
        let new = free.signum() * (free.abs() - absolute).max(0.0) / (own + square);
        if new == old {
            return;
        }
        self.coefficients[column] = new;
        let moved = new - old;
        for (left, covariance) in self.left.iter_mut().zip(covariances) {
            *left -= moved * covariance;
        }
    }

    /// Objective above a lower bound of its minimum, per sample.
    fn gap(&self, absolute: f64, square: f64) -> f64 {
        let dot = |a: &[f64]| self.coefficients.iter().zip(a).map(|(c, v)| c * v).sum::<f64>();
        let explained = dot(&self.with_target);
        let residual_square = (self.target_square - explained - dot(&self.left)).max(0.0);
        let residual_target = self.target_square - explained;
        let coefficients_square = dot(&self.coefficients);
        if absolute > 0.0 {
            // The residual is a dual point after it is scaled down; scikit-learn's criterion.
            let slopes = self.left.iter().zip(&self.coefficients);
            let most = slopes.fold(0.0_f64, |most, (left, c)| (left - square * c).abs().max(most));
            let scale = if most > absolute { absolute / most } else { 1.0 };
            let size: f64 = self.coefficients.iter().map(|c| c.abs()).sum();
            0.5 * (residual_square + square * coefficients_square) * (1.0 + scale * scale) + absolute * size
                - scale * residual_target
        } else {
            let conjugate = self.left.iter().map(|left| left * left).sum::<f64>() / (2.0 * square);
            residual_square - residual_target + 0.5 * square * coefficients_square + conjugate
        }
    }
}

fn products(columns: &[f64], with: &[f64]) -> Vec<f64> {
    columns.chunks_exact(with.len()).map(|column| mean_product(column, with)).collect()
}

// Four sums, so that additions do not wait for each other.
fn mean_product(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (a_fours, a_rest) = a.as_chunks::<4>();
    let (b_fours, b_rest) = b.as_chunks::<4>();
    for (a, b) in a_fours.iter().zip(b_fours) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    (sums.iter().sum::<f64>() + rest) / a.len() as f64
}
