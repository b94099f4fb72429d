/// Normal score of a chi-square variable with `dof` degrees of freedom, by the cube root.
///
/// Source: Wilson, Hilferty, PNAS 17 (1931), 684-688.
pub(super) fn chi_square_score(x: f64, dof: f64) -> f64 {
    let spread = 2.0 / (9.0 * dof);
    ((x.max(0.0) / dof).cbrt() - (1.0 - spread)) / spread.sqrt()
}
