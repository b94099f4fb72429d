//! The one module that calls LightGBM's C API.
//!
//! Handles are created, used and dropped inside one task and never leave their thread; only model text
//! leaves. C checks no length, so every length is checked here, once.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::ptr;
use std::sync::Once;

use lightgbm3_sys as sys;
use tsc_core::Features;

use crate::error::ModelsError;

type Called<T> = Result<T, ModelsError>;

const FLOAT32: c_int = sys::C_API_DTYPE_FLOAT32 as c_int;
const FLOAT64: c_int = sys::C_API_DTYPE_FLOAT64 as c_int;

/// Silences LightGBM on this thread; held by every handle's maker.
#[derive(Debug)]
pub(super) struct Session {
    // Level, callback and last error are thread-local in LightGBM.
    _stays_on_its_thread: PhantomData<*const ()>,
}

impl Session {
    pub(super) fn start() -> Called<Self> {
        static ONE_THREAD: Once = Once::new();
        let mut limited = 0;
        // SAFETY: both calls take plain values and store them; the callback is a static function that does
        // not unwind. The thread limit is a process global, written once before the first handle exists.
        let registered = unsafe {
            ONE_THREAD.call_once(|| limited = sys::LGBM_SetMaxThreads(1));
            sys::LGBM_RegisterLogCallback(Some(forward_message))
        };
        check(limited, "one thread")?;
        check(registered, "a log callback")?;
        Ok(Self { _stays_on_its_thread: PhantomData })
    }
}

// Without a callback LightGBM prints to standard output.
unsafe extern "C" fn forward_message(message: *const c_char) {
    if message.is_null() {
        return;
    }
    // SAFETY: LightGBM passes a NUL-terminated buffer that lives for the call.
    let text = unsafe { CStr::from_ptr(message) }.to_string_lossy();
    let text = text.trim();
    if !text.is_empty() {
        // A subscriber that panics must not unwind into C++.
        drop(std::panic::catch_unwind(|| tracing::debug!(target: "lightgbm", "{text}")));
    }
}

fn check(status: c_int, action: &'static str) -> Called<()> {
    if status == 0 {
        return Ok(());
    }
    // SAFETY: the pointer is to a NUL-terminated thread-local buffer, read at once on the failing thread.
    let message = unsafe { CStr::from_ptr(sys::LGBM_GetLastError()) }.to_string_lossy();
    // Failed checks end in the place of LightGBM's source, which tells a user nothing.
    let told = match message.rfind(" at ") {
        Some(place) if message[place..].contains(", line ") => &message[..place],
        _ => message.trim(),
    };
    Err(refused(action, told))
}

fn refused(action: &'static str, message: &str) -> ModelsError {
    ModelsError::LightGbm { action, message: message.to_owned() }
}

fn c_string(text: &str) -> Called<CString> {
    CString::new(text).map_err(|_| refused("a text", "it holds a NUL character"))
}

fn c_length(length: usize, action: &'static str) -> Called<i32> {
    i32::try_from(length).map_err(|_| refused(action, "more than 2147483647 entries"))
}

/// Binned rows with their targets.
#[derive(Debug)]
pub(super) struct Dataset<'s> {
    handle: sys::DatasetHandle,
    n_rows: usize,
    _session: PhantomData<&'s Session>,
}

impl<'s> Dataset<'s> {
    /// Bins `x`, by the bins of `reference` if there is one.
    pub(super) fn new(
        _session: &'s Session,
        x: Features<'_>,
        params: &str,
        reference: Option<&Dataset<'_>>,
    ) -> Called<Self> {
        let action = "the training rows";
        let (rows, columns) = (c_length(x.n_samples(), action)?, c_length(x.n_features(), action)?);
        let params = c_string(params)?;
        let mut handle = ptr::null_mut();
        // SAFETY: the data are rows x columns f64 in row-major order by the invariant of `Features`, and
        // live for the call, which copies them; `reference` is a live handle or null.
        let status = unsafe {
            sys::LGBM_DatasetCreateFromMat(
                x.as_slice().as_ptr().cast::<c_void>(),
                FLOAT64,
                rows,
                columns,
                1,
                params.as_ptr(),
                reference.map_or(ptr::null_mut(), |r| r.handle),
                &raw mut handle,
            )
        };
        check(status, action)?;
        Ok(Self { handle, n_rows: x.n_samples(), _session: PhantomData })
    }

    /// Sets `label` or `weight`, one value per row.
    pub(super) fn set(&mut self, field: &'static str, values: &[f32]) -> Called<()> {
        // SAFETY: the elements are f32.
        unsafe { self.set_field(field, values, FLOAT32) }
    }

    /// Sets the raw score each row starts from.
    pub(super) fn set_offset(&mut self, values: &[f64]) -> Called<()> {
        // SAFETY: the elements are f64.
        unsafe { self.set_field("init_score", values, FLOAT64) }
    }

    // SAFETY: `T` must be what `data_type` says.
    unsafe fn set_field<T>(&mut self, field: &'static str, values: &[T], data_type: c_int) -> Called<()> {
        if values.len() != self.n_rows {
            return Err(ModelsError::Length { what: field, have: values.len(), need: self.n_rows });
        }
        let name = c_string(field)?;
        let length = c_length(values.len(), field)?;
        let start = values.as_ptr().cast::<c_void>();
        // SAFETY: `values` holds `length` elements of the type, which the call copies; the handle is live.
        check(
            unsafe { sys::LGBM_DatasetSetField(self.handle, name.as_ptr(), start, length, data_type) },
            field,
        )
    }
}

impl Drop for Dataset<'_> {
    fn drop(&mut self) {
        // SAFETY: made by DatasetCreateFromMat and freed once; boosters that use it borrow it, so none is
        // alive. Freeing cannot fail for a valid handle, and a drop has nobody to tell.
        unsafe { sys::LGBM_DatasetFree(self.handle) };
    }
}

/// A model in training, over Datasets that outlive it.
#[derive(Debug)]
pub(super) struct Booster<'d> {
    handle: sys::BoosterHandle,
    n_rows: usize,
    _datasets: PhantomData<&'d Dataset<'d>>,
}

impl<'d> Booster<'d> {
    pub(super) fn new(train: &'d Dataset<'_>, params: &str) -> Called<Self> {
        let params = c_string(params)?;
        let mut handle = ptr::null_mut();
        // SAFETY: the Dataset is live and outlives the booster by its lifetime.
        let status = unsafe { sys::LGBM_BoosterCreate(train.handle, params.as_ptr(), &raw mut handle) };
        check(status, "the parameters")?;
        Ok(Self { handle, n_rows: train.n_rows, _datasets: PhantomData })
    }

    /// Adds rows that metrics are taken on; they must be binned like the training rows.
    pub(super) fn watch(&mut self, tuning: &'d Dataset<'_>) -> Called<()> {
        // SAFETY: both handles are live; the Dataset outlives the booster by its lifetime.
        check(unsafe { sys::LGBM_BoosterAddValidData(self.handle, tuning.handle) }, "the tuning rows")
    }

    /// One more round; true if no tree could be added.
    pub(super) fn update(&mut self) -> Called<bool> {
        let mut finished: c_int = 0;
        // SAFETY: the handle is live and `finished` is a place for one int.
        check(unsafe { sys::LGBM_BoosterUpdateOneIter(self.handle, &raw mut finished) }, "a round")?;
        Ok(finished != 0)
    }

    /// Puts the trees of a model text before its own.
    pub(super) fn adopt(&mut self, text: &str) -> Called<()> {
        let text = c_string(text)?;
        let mut other = ptr::null_mut();
        let mut rounds: c_int = 0;
        // SAFETY: the text is NUL-terminated; the loaded booster is freed once, after its trees are copied.
        unsafe {
            let loaded = sys::LGBM_BoosterLoadModelFromString(text.as_ptr(), &raw mut rounds, &raw mut other);
            check(loaded, "the model to go on from")?;
            let merged = sys::LGBM_BoosterMerge(self.handle, other);
            let result = check(merged, "the model to go on from");
            sys::LGBM_BoosterFree(other);
            result
        }
    }

    /// Fits the leaf values anew; `leaves` tells the leaf of each training row in each tree, row by row.
    pub(super) fn refit(&mut self, leaves: &[i32]) -> Called<()> {
        let n_trees = self.rounds()? as usize;
        if leaves.len() != self.n_rows * n_trees {
            let need = self.n_rows * n_trees;
            return Err(ModelsError::Length { what: "leaves", have: leaves.len(), need });
        }
        let (rows, columns) = (c_length(self.n_rows, "rows")?, c_length(n_trees, "trees")?);
        // SAFETY: `leaves` holds rows x columns i32, one row per training row, and is only read; LightGBM
        // checks each against the leaves of its tree.
        check(unsafe { sys::LGBM_BoosterRefit(self.handle, leaves.as_ptr(), rows, columns) }, "the leaves")
    }

    /// Rounds that the model holds.
    pub(super) fn rounds(&self) -> Called<u32> {
        let mut rounds: c_int = 0;
        // SAFETY: the handle is live and `rounds` is a place for one int.
        check(unsafe { sys::LGBM_BoosterGetCurrentIteration(self.handle, &raw mut rounds) }, "its rounds")?;
        u32::try_from(rounds).map_err(|_| refused("its rounds", "a negative number"))
    }

    /// Metrics on the first watched Dataset, in the order they were asked for.
    pub(super) fn metrics(&self) -> Called<Vec<f64>> {
        let action = "the metrics";
        let mut expected: c_int = 0;
        // SAFETY: the handle is live and `expected` is a place for one int.
        check(unsafe { sys::LGBM_BoosterGetEvalCounts(self.handle, &raw mut expected) }, action)?;
        let room = usize::try_from(expected).map_err(|_| refused(action, "a negative number"))?;
        let mut values = vec![0.0; room];
        let mut written: c_int = 0;
        // SAFETY: LightGBM writes one f64 per metric, which is the number just asked for.
        let status =
            unsafe { sys::LGBM_BoosterGetEval(self.handle, 1, &raw mut written, values.as_mut_ptr()) };
        check(status, action)?;
        if written != expected {
            return Err(refused(action, "another number of metrics than announced"));
        }
        Ok(values)
    }

    /// Text of all rounds.
    pub(super) fn text(&self) -> Called<String> {
        let split = sys::C_API_FEATURE_IMPORTANCE_SPLIT as c_int;
        text_of_call("the text", |room, length, buffer| {
            // SAFETY: the handle is live; at most `room` bytes are written to `buffer`.
            unsafe { sys::LGBM_BoosterSaveModelToString(self.handle, 0, 0, split, room, length, buffer) }
        })
    }
}

impl Drop for Booster<'_> {
    fn drop(&mut self) {
        // SAFETY: made by BoosterCreate and freed once, before its Datasets by its lifetime.
        unsafe { sys::LGBM_BoosterFree(self.handle) };
    }
}

// A call writes only what fits and tells the whole length, which counts the closing NUL. LightGBM renders a
// model in each call, so the first one has room for most; pages that it does not touch cost nothing.
fn text_of_call(action: &'static str, call: impl Fn(i64, *mut i64, *mut c_char) -> c_int) -> Called<String> {
    let mut room: i64 = 1 << 20;
    let mut buffer;
    loop {
        let bytes = usize::try_from(room).map_err(|_| refused(action, "a negative length"))?;
        buffer = vec![0_u8; bytes];
        let mut length = 0;
        check(call(room, &raw mut length, buffer.as_mut_ptr().cast::<c_char>()), action)?;
        if length <= room {
            break;
        }
        room = length;
    }
    let end = buffer.iter().position(|&byte| byte == 0).unwrap_or(buffer.len());
    buffer.truncate(end);
    String::from_utf8(buffer).map_err(|_| refused(action, "it is not UTF-8"))
}

#[cfg(test)]
pub(super) mod oracle {
    //! What only the tests ask LightGBM for.

    use super::*;

    /// JSON object: canonical name to its aliases.
    pub(crate) fn parameter_aliases() -> String {
        text_of_call("the aliases", |room, length, buffer| {
            // SAFETY: at most `room` bytes are written to `buffer`.
            unsafe { sys::LGBM_DumpParamAliases(room, length, buffer) }
        })
        .unwrap()
    }

    /// The text that LightGBM writes of a model it has read.
    pub(crate) fn saved_again(text: &str) -> String {
        let session = Session::start().unwrap();
        let train =
            Dataset::new(&session, Features::new(&[0.0; 8], 4).unwrap(), "verbosity=-1", None).unwrap();
        let mut booster = Booster::new(&train, "verbosity=-1").unwrap();
        booster.adopt(text).unwrap();
        booster.text().unwrap()
    }

    /// Predictions of a model text at a number of rounds (-1 = all) by LightGBM's own loader and predictor.
    pub(crate) fn predict(text: &str, cells: &[f64], n_features: usize, at_round: i32) -> Vec<f64> {
        let _session = Session::start().unwrap();
        let (text, params) = (c_string(text).unwrap(), c_string("num_threads=1 verbosity=-1").unwrap());
        let rows = cells.len() / n_features;
        let mut out = vec![0.0; rows];
        let (mut handle, mut rounds, mut written) = (ptr::null_mut(), 0, 0_i64);
        // SAFETY: the matrix holds rows x n_features f64 and `out` one f64 per row, all live for the calls.
        unsafe {
            check(
                sys::LGBM_BoosterLoadModelFromString(text.as_ptr(), &raw mut rounds, &raw mut handle),
                "load",
            )
            .unwrap();
            let status = sys::LGBM_BoosterPredictForMat(
                handle,
                cells.as_ptr().cast::<c_void>(),
                FLOAT64,
                c_length(rows, "rows").unwrap(),
                c_length(n_features, "columns").unwrap(),
                1,
                sys::C_API_PREDICT_NORMAL as c_int,
                0,
                at_round,
                params.as_ptr(),
                &raw mut written,
                out.as_mut_ptr(),
            );
            check(status, "predict").unwrap();
            sys::LGBM_BoosterFree(handle);
        }
        assert_eq!(written, rows as i64);
        out
    }
}
