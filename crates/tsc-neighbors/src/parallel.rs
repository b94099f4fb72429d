/// Calls `work(first, chunk)` for every chunk of `out`, in parallel with feature `rayon`.
///
/// Chunks are cut by `chunk_len` alone, so what each one computes does not depend on the thread count.
///
/// # Panics
///
/// If `chunk_len` is 0.
///
/// # Examples
///
/// ```
/// let mut squares = vec![0; 5];
/// tsc_neighbors::for_each_chunk(&mut squares, 2, |first, chunk| {
///     for (i, out) in chunk.iter_mut().enumerate() {
///         *out = (first + i) * (first + i);
///     }
/// });
/// assert_eq!(squares, [0, 1, 4, 9, 16]);
/// ```
#[cfg(feature = "rayon")]
pub fn for_each_chunk<T: Send>(out: &mut [T], chunk_len: usize, work: impl Fn(usize, &mut [T]) + Sync) {
    use rayon::prelude::*;
    if out.len() <= chunk_len {
        return work(0, out);
    }
    out.par_chunks_mut(chunk_len).enumerate().for_each(|(i, chunk)| work(i * chunk_len, chunk));
}

/// Calls `work(first, chunk)` for every chunk of `out`, in order.
///
/// # Panics
///
/// If `chunk_len` is 0.
#[cfg(not(feature = "rayon"))]
pub fn for_each_chunk<T: Send>(out: &mut [T], chunk_len: usize, work: impl Fn(usize, &mut [T]) + Sync) {
    out.chunks_mut(chunk_len).enumerate().for_each(|(i, chunk)| work(i * chunk_len, chunk));
}

/// The same for two columns that are cut into equally many chunks: `work(number, chunk, chunk)`.
#[cfg(feature = "rayon")]
pub(crate) fn for_each_chunk_of_two<A: Send, B: Send>(
    (a, a_len): (&mut [A], usize),
    (b, b_len): (&mut [B], usize),
    work: impl Fn(usize, &mut [A], &mut [B]) + Sync,
) {
    use rayon::prelude::*;
    a.par_chunks_mut(a_len).zip(b.par_chunks_mut(b_len)).enumerate().for_each(|(i, (a, b))| work(i, a, b));
}

#[cfg(not(feature = "rayon"))]
pub(crate) fn for_each_chunk_of_two<A: Send, B: Send>(
    (a, a_len): (&mut [A], usize),
    (b, b_len): (&mut [B], usize),
    work: impl Fn(usize, &mut [A], &mut [B]) + Sync,
) {
    a.chunks_mut(a_len).zip(b.chunks_mut(b_len)).enumerate().for_each(|(i, (a, b))| work(i, a, b));
}

/// Does both, at the same time with feature `rayon`.
#[cfg(feature = "rayon")]
pub(crate) fn in_parallel(a: impl FnOnce() + Send, b: impl FnOnce() + Send) {
    rayon::join(a, b);
}

#[cfg(not(feature = "rayon"))]
pub(crate) fn in_parallel(a: impl FnOnce(), b: impl FnOnce()) {
    a();
    b();
}
