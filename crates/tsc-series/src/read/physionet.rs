//! PhysioNet / Computing in Cardiology Challenge 2012: one CSV per stay.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use tsc_core::Result;

use super::archive;
use super::cell;
use super::delimited::Delimited;
use super::{Source, TableSpec, file_name};
use crate::builder::SeriesTableBuilder;
use crate::error::{Place, SeriesError, excerpt};
use crate::quality::Reason;
use crate::variables::Role;

const ID: &str = "RecordID";
const EXPECTED: &str = "set-*.tar.gz, or one text file per stay";

enum Stays {
    Archive(PathBuf),
    Folder(PathBuf),
}

pub(crate) fn read(
    source: Source<'_>,
    spec: &TableSpec,
    builder: &mut SeriesTableBuilder,
) -> Result<(String, Vec<String>)> {
    let path = match source {
        Source::Bytes { name, bytes } => {
            let place = Place::file(name);
            archive::members(bytes, bytes.len() as u64, &spec.limits, &place, &mut |member, content| {
                stay_member(member, content, &place, builder)
            })?;
            return Ok((name.into(), Vec::new()));
        }
        Source::Path(path) => path,
    };
    let name = file_name(path);
    let (stays, outcomes) = locate(path)?;
    match stays {
        Stays::Archive(path) => read_archive(&path, spec, builder)?,
        Stays::Folder(path) => read_folder(&path, spec, builder)?,
    }
    let unmapped = match outcomes {
        Some(path) => read_outcomes(&path, spec, builder)?,
        None => Vec::new(),
    };
    Ok((name, unmapped))
}

/// Archive or folder of stays, and the outcomes of the same set beside it.
fn locate(path: &Path) -> Result<(Stays, Option<PathBuf>)> {
    let place = Place::file(&file_name(path));
    let data = fs::metadata(path).map_err(|e| unreadable(&place, &e))?;
    if !data.is_dir() {
        let outcomes = beside(path, set_of(path).as_deref());
        return Ok((Stays::Archive(path.into()), outcomes));
    }
    let entries = listing(path)?;
    let archives: Vec<&PathBuf> =
        entries.iter().filter(|p| set_of(p).is_some() && p.extension().is_some_and(|e| e == "gz")).collect();
    let folders: Vec<&PathBuf> = entries.iter().filter(|p| set_of(p).is_some() && p.is_dir()).collect();
    match (archives.as_slice(), folders.as_slice()) {
        ([archive], _) => {
            Ok((Stays::Archive((*archive).clone()), beside(archive, set_of(archive).as_deref())))
        }
        ([], [folder]) => Ok((Stays::Folder((*folder).clone()), beside(folder, set_of(folder).as_deref()))),
        ([], []) if entries.iter().any(|p| is_stay(p)) => {
            let set = set_of(path);
            let inside = beside(&path.join(ID), set.as_deref());
            Ok((Stays::Folder(path.into()), inside.or_else(|| beside(path, set.as_deref()))))
        }
        (archives, folders) => {
            let found = format!("{} archives and {} folders of stays", archives.len(), folders.len());
            Err(SeriesError::NoInput { place, found, expected: EXPECTED }.into())
        }
    }
}

/// `a` of `set-a.tar.gz` or `set-a`.
fn set_of(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let set = name.strip_prefix("set-")?;
    Some(set.split('.').next().unwrap_or(set).to_string())
}

/// `Outcomes-<set>.txt` in the folder of `path`; any one `Outcomes-*.txt` if the set is not known.
fn beside(path: &Path, set: Option<&str>) -> Option<PathBuf> {
    let folder = path.parent()?;
    match set {
        Some(set) => Some(folder.join(format!("Outcomes-{set}.txt"))).filter(|p| p.is_file()),
        None => listing(folder).ok()?.into_iter().find(|p| file_name(p).starts_with("Outcomes-")),
    }
}

fn listing(folder: &Path) -> Result<Vec<PathBuf>> {
    let place = Place::file(&file_name(folder));
    let entries = fs::read_dir(folder).map_err(|e| unreadable(&place, &e))?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(|e| unreadable(&place, &e))?.path());
    }
    // The order of a directory is not defined.
    paths.sort();
    Ok(paths)
}

fn is_stay(path: &Path) -> bool {
    stem(&file_name(path)).is_some()
}

/// Name of a stay's file without its folders and `.txt`; `None` for files of another kind.
fn stem(name: &str) -> Option<&str> {
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let stem = name.strip_suffix(".txt")?;
    (!stem.is_empty() && !stem.starts_with('.') && !stem.starts_with("Outcomes-")).then_some(stem)
}

fn read_archive(path: &Path, spec: &TableSpec, builder: &mut SeriesTableBuilder) -> Result<()> {
    let place = Place::file(&file_name(path));
    let file = File::open(path).map_err(|e| unreadable(&place, &e))?;
    let packed = file.metadata().map_err(|e| unreadable(&place, &e))?.len();
    archive::members(file, packed, &spec.limits, &place, &mut |member, content| {
        stay_member(member, content, &place, builder)
    })
}

fn stay_member(member: &str, content: &[u8], place: &Place, builder: &mut SeriesTableBuilder) -> Result<()> {
    match stem(member) {
        Some(stem) => read_stay(stem, content, place.member(member), builder),
        None => Ok(()),
    }
}

fn read_folder(folder: &Path, spec: &TableSpec, builder: &mut SeriesTableBuilder) -> Result<()> {
    let place = Place::file(&file_name(folder));
    let mut total = 0;
    for path in listing(folder)? {
        let name = file_name(&path);
        let Some(stem) = stem(&name) else { continue };
        let member = place.member(&name);
        let size = fs::metadata(&path).map_err(|e| unreadable(&member, &e))?.len();
        total += size;
        for (size, limit) in [(size, spec.limits.entry_bytes), (total, spec.limits.total_bytes)] {
            if size > limit {
                return Err(SeriesError::TooLarge { place: member, what: "a size in bytes", limit }.into());
            }
        }
        let content = fs::read(&path).map_err(|e| unreadable(&member, &e))?;
        read_stay(stem, &content, member, builder)?;
    }
    Ok(())
}

fn read_stay(stem: &str, content: &[u8], place: Place, builder: &mut SeriesTableBuilder) -> Result<()> {
    let fault = |what, text: &str| -> tsc_core::Error {
        SeriesError::Stay { place: place.clone(), what, text: excerpt(text.as_bytes()) }.into()
    };
    if builder.holds(stem) {
        return Err(fault("this stay was read before", stem));
    }
    builder.add_patient(stem);
    let mut file = Delimited::new(content, b',', place.clone())?;
    let (time, name, value) = (file.column("Time")?, file.column("Parameter")?, file.column("Value")?);
    while file.next()? {
        let (variable, number) = (file.text(name)?.trim(), file.text(value)?);
        if variable == ID {
            if number.trim() != stem {
                return Err(fault("the RecordID differs from the file name", number));
            }
            builder.count_key_row();
            continue;
        }
        builder.push_row(stem, cell::clock(file.text(time)?), variable, cell::number(number));
    }
    Ok(())
}

fn read_outcomes(path: &Path, spec: &TableSpec, builder: &mut SeriesTableBuilder) -> Result<Vec<String>> {
    let place = Place::file(&file_name(path));
    let file = File::open(path).map_err(|e| unreadable(&place, &e))?;
    let mut rows = Delimited::new(std::io::BufReader::new(file), b',', place)?;
    let id = rows.column(ID)?;
    let is_outcome =
        |name: &String| spec.variables.get(name).is_some_and(|variable| variable.role == Role::Outcome);
    let header: Vec<String> = rows.header().to_vec();
    while rows.next()? {
        let patient = rows.text(id)?.trim();
        let known = builder.holds(patient);
        for (column, name) in header.iter().enumerate().filter(|(_, name)| is_outcome(name)) {
            if known {
                builder.push_row(patient, None, name, cell::number(rows.text(column)?));
            } else {
                builder.reject_outcome(Reason::NoPatient, name);
            }
        }
    }
    let unmapped = |(column, name): &(usize, &String)| *column != id && !is_outcome(name);
    Ok(header.iter().enumerate().filter(unmapped).map(|(_, name)| name.clone()).collect())
}

fn unreadable(place: &Place, error: &std::io::Error) -> tsc_core::Error {
    SeriesError::Unreadable { place: place.clone(), reason: error.to_string() }.into()
}
