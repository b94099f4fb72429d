//! The only unsafe code of the crate: work that is compiled a second time for wider vector registers.
//!
//! Both builds do the same operations in the same order, and nothing is fused, so the bits are the same.

/// Work whose hot loops are all `#[inline(always)]`, so that they are compiled for the caller's registers.
pub(crate) trait Work {
    type Output;
    fn run(self) -> Self::Output;
}

/// Runs the work with the widest vector registers this processor has.
#[inline]
pub(crate) fn run<W: Work>(work: W) -> W::Output {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernel::{BLOCK, Euclidean, Kernel, Space};

    struct Measure<'a, S> {
        space: S,
        rows: [&'a [f64]; 2],
        columns: &'a [f64],
    }

    impl<S: Space> Work for Measure<'_, S> {
        type Output = ([[f64; BLOCK]; 3], [f64; 4]);

        #[inline(always)]
        fn run(self) -> Self::Output {
            let Self { space, rows, columns } = self;
            let mut out = [[0.0; BLOCK]; 3];
            let [two @ .., box_bound] = &mut out;
            space.block_of_two(rows, columns, two);
            space.block_to_box(columns, rows[0], rows[0], box_bound);
            (out, space.boxes(rows[0], rows[1], &columns[..8 * rows[0].len()]))
        }
    }

    /// The vector units, the plain build and the scalar function.
    fn compare<S: Space>(space: S, kernel: Kernel, rows: [&[f64]; 2], columns: &[f64]) {
        let twin = Measure { space, rows, columns }.run();
        let fast = run(Measure { space, rows, columns });
        let bits = |v: &f64| v.to_bits();
        assert!(fast.0.iter().flatten().map(bits).eq(twin.0.iter().flatten().map(bits)), "{kernel:?}");
        assert!(fast.1.iter().map(bits).eq(twin.1.iter().map(bits)), "{kernel:?}");
        for (out, row) in fast.0.iter().zip(rows) {
            for (lane, out) in out.iter().enumerate() {
                let other: Vec<f64> = columns.chunks_exact(BLOCK).map(|column| column[lane]).collect();
                assert_eq!(out.to_bits(), kernel.reduced(row, &other).to_bits(), "{kernel:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn vector_units_give_the_bits_of_the_scalar_function(
            (d, values) in (1usize..40)
                .prop_flat_map(|d| (Just(d), prop::collection::vec(-1e3f64..1e3, d * (BLOCK + 2)))),
            scale in prop_oneof![Just(1.0), Just(1e-6), Just(1e100)],
        ) {
            let values: Vec<f64> = values.iter().map(|v| v * scale).collect();
            let (rows, columns) = values.split_at(2 * d);
            let rows = [&rows[..d], &rows[d..]];
            compare(Euclidean, Kernel::Euclidean, rows, columns);
            for kernel in [
                Kernel::Euclidean, Kernel::Manhattan, Kernel::Chebyshev, Kernel::WholePower(3), Kernel::Power(1.5),
            ] {
                compare(kernel, kernel, rows, columns);
            }
        }
    }
}
