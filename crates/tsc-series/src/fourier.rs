//! Discrete Fourier transforms whose bits do not depend on the processor.

use std::cell::RefCell;

use rustfft::FftPlannerScalar;
pub(crate) use rustfft::num_complex::Complex;

thread_local! {
    // Twiddle factors cost more than a transform: a thread keeps those of the lengths it has seen.
    static PLANNER: RefCell<FftPlannerScalar<f64>> = RefCell::new(FftPlannerScalar::new());
}

/// The forward transform in place, unscaled; `scratch` grows to what is needed.
pub(crate) fn transform(values: &mut [Complex<f64>], scratch: &mut Vec<Complex<f64>>) {
    let plan = PLANNER.with_borrow_mut(|planner| planner.plan_fft_forward(values.len()));
    scratch.resize(plan.get_inplace_scratch_len().max(scratch.len()), Complex::default());
    plan.process_with_scratch(values, scratch);
}
