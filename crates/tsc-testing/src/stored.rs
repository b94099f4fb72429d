//! What every suite asks of stored stages: same bits back, other kinds refused, damage survived.

use tsc_core::{ErrorKind, MemoryArtifacts, Result, Save, StoredKind};

use crate::unwinding::panic_message;

type Restore<'a, F> = &'a dyn Fn(&StoredKind, &MemoryArtifacts) -> Result<F>;

pub(crate) fn files(fitted: &impl Save) -> MemoryArtifacts {
    let mut files = MemoryArtifacts::new();
    fitted.save(&mut files).expect("saving into memory succeeds");
    files
}

/// `answer` is everything observable of a fitted stage, as bits.
pub(crate) fn suite<F: Save>(fitted: &F, restore: Restore<'_, F>, answer: &dyn Fn(&F) -> Vec<u64>) {
    let kind = StoredKind::from(fitted.kind());
    let saved = files(fitted);
    assert!(!saved.files().is_empty(), "a fitted stage saves at least one file");
    assert_eq!(saved, files(fitted), "saving twice gives the same bytes");

    let restored = restore(&kind, &saved).unwrap_or_else(|e| panic!("what was saved is restored: {e:?}"));
    assert_eq!(restored.kind(), fitted.kind(), "a restored stage keeps its kind");
    assert!(answer(&restored) == answer(fitted), "a restored stage gives the same bits");
    assert_eq!(files(&restored), saved, "a restored stage saves the same bytes");

    refuses_other_kinds(&kind, &saved, restore);
    survives_damage(&kind, &saved, restore, answer, &answer(fitted));
}

fn refuses_other_kinds<F>(kind: &StoredKind, saved: &MemoryArtifacts, restore: Restore<'_, F>) {
    let other = StoredKind { name: "someone_elses".into(), version: 1 };
    let newer = StoredKind { name: kind.name.clone(), version: kind.version + 1 };
    for (stored, what) in [(other, "another kind"), (newer, "a newer version")] {
        let Err(error) = restore(&stored, saved) else { panic!("{what} is refused: it was restored") };
        assert_eq!(error.kind(), ErrorKind::Artifact, "{what} is an Artifact error: {error:?}");
        let message = error.to_string();
        let named = [&stored.name, &kind.name].iter().all(|name| message.contains(name.as_str()))
            && message.contains(&stored.version.to_string())
            && message.contains(&kind.version.to_string());
        assert!(named, "the error for {what} names both sides: {message}");
    }
}

fn survives_damage<F>(
    kind: &StoredKind,
    saved: &MemoryArtifacts,
    restore: Restore<'_, F>,
    answer: &dyn Fn(&F) -> Vec<u64>,
    whole: &[u64],
) {
    for (path, bytes) in saved.files() {
        let try_with = |damaged: Vec<u8>, what: &str| -> Option<Vec<u64>> {
            let mut files = saved.clone();
            files.overwrite(path, damaged);
            panic_message(|| match restore(kind, &files) {
                Ok(fitted) => Some(answer(&fitted)),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Artifact, "{error:?}");
                    None
                }
            })
            .unwrap_or_else(|message| panic!("{path} {what} must not panic: {message}"))
        };
        for cut in spread(bytes.len()) {
            // A cut that takes nothing of the model, such as a final line end, may be accepted.
            if let Some(answers) = try_with(bytes[..cut].to_vec(), &format!("cut to {cut} bytes")) {
                assert!(answers == whole, "{path} cut to {cut} of {} bytes is an error", bytes.len());
            }
        }
        for at in spread(bytes.len()) {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                // What cannot be told from a valid file may load: the bundle's checksum finds it.
                let _answers = try_with(damaged, &format!("with byte {at} changed"));
            }
        }
    }
    if let Ok(fitted) = restore(kind, &MemoryArtifacts::new()) {
        panic!("missing files are an error, not {:?}", answer(&fitted).len());
    }
}

/// At most 64 positions below `length`, first and last included.
fn spread(length: usize) -> Vec<usize> {
    if length <= 64 {
        return (0..length).collect();
    }
    (0..64).map(|i| i * (length - 1) / 63).collect()
}

#[cfg(test)]
mod tests {
    use tsc_core::{ArtifactKind, ArtifactSink, ArtifactSource, Error, Stage, damaged};

    use super::*;
    use crate::unwinding::must_fail;

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Fault {
        None,
        LosesBits,
        IgnoresLength,
        Panics,
        NamesOneSide,
        WrongKindOfError,
    }

    struct Number(f64);

    impl Save for Number {
        fn kind(&self) -> ArtifactKind {
            ArtifactKind { name: "number", version: 3 }
        }

        fn save(&self, sink: &mut dyn ArtifactSink) -> Result<()> {
            sink.put("number", format!("{:016x}\n", self.0.to_bits()).as_bytes())
        }
    }

    fn restore_with(fault: Fault, stored: &StoredKind, files: &MemoryArtifacts) -> Result<Number> {
        if stored.name != "number" || stored.version > 3 {
            let message = match fault {
                Fault::NamesOneSide => format!("cannot read {} v{}", stored.name, stored.version),
                _ => format!("stored {} v{}, reads number v3", stored.name, stored.version),
            };
            return Err(Error::new(ErrorKind::Artifact, Stage::Storage, "TSC-TST-902", message));
        }
        let bytes = files.get("number")?;
        let text = String::from_utf8_lossy(&bytes);
        let digits = text.trim_end();
        let bits = u64::from_str_radix(digits, 16);
        match fault {
            Fault::LosesBits => Ok(Number(f64::from_bits(bits.map_err(|e| damaged("number", e))? & !1))),
            Fault::IgnoresLength => Ok(Number(f64::from_bits(bits.unwrap_or(0)))),
            Fault::Panics => Ok(Number(f64::from_bits(bits.unwrap()))),
            Fault::WrongKindOfError if digits.len() != 16 => {
                Err(Error::new(ErrorKind::Prediction, Stage::Storage, "TSC-TST-903", "cut"))
            }
            _ if digits.len() != 16 => Err(damaged("number", "not 16 digits")),
            _ => bits.map(|b| Number(f64::from_bits(b))).map_err(|e| damaged("number", e)),
        }
    }

    fn run(fault: Fault) {
        suite(&Number(0.1_f64.next_up()), &|k, f| restore_with(fault, k, f), &|n| vec![n.0.to_bits()]);
    }

    #[test]
    fn each_fault_of_storing_is_found_and_named() {
        run(Fault::None);
        must_fail("a restored stage gives the same bits", || run(Fault::LosesBits));
        must_fail("is an error", || run(Fault::IgnoresLength));
        must_fail("must not panic", || run(Fault::Panics));
        must_fail("names both sides", || run(Fault::NamesOneSide));
        must_fail("TSC-TST-903", || run(Fault::WrongKindOfError));
    }
}
