//! Work that is compiled a second time for wider vector registers; the only unsafe code of the crate.
//!
//! Both builds do the same operations in the same order, and nothing is fused, so the bits are the same.

/// Work whose hot loops are all `#[inline(always)]`, so that they are compiled for the caller's registers.
pub trait Work {
    /// What it gives.
    type Output;

    /// Does it.
    fn run(self) -> Self::Output;
}

/// Runs the work with the widest vector registers this processor has.
#[inline]
pub fn run<W: Work>(work: W) -> W::Output {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, the only requirement of the function.
        return unsafe { with_avx2(work) };
    }
    work.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn with_avx2<W: Work>(work: W) -> W::Output {
    work.run()
}
