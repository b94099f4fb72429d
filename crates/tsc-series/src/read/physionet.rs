//! PhysioNet / Computing in Cardiology Challenge 2012: one CSV per stay.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use tsc_core::Result;

use super::archive;
use super::delimited::Delimited;
use super::feed::Feed;
use super::rows::{self, Rows};
use super::{Source, TableSpec, TimeFormat, file_name};
use crate::builder::SeriesTableBuilder;
use crate::error::{Place, SeriesError, excerpt};
use crate::quality::Reason;
use crate::variables::Role;

/// Outcomes by stay: variable and value of each cell. Small beside the series, so all are in memory.
type Outcomes = BTreeMap<String, Vec<(u32, std::result::Result<f64, Reason>)>>;

const ID: &str = "RecordID";
const EXPECTED: &str = "set-*.tar.gz, or one text file per stay";

enum Stays {
    Archive(PathBuf),
    Folder(PathBuf),
}

/// Reads all stays and their outcomes; returns the columns of outcomes that nothing maps to.
pub(crate) fn read(source: Source<'_>, spec: &TableSpec, feed: &mut Feed<'_>) -> Result<Vec<String>> {
    let path = match source {
        Source::Bytes { name, bytes } => {
            let (place, mut none) = (Place::file(name), Outcomes::new());
            archive::members(bytes, bytes.len() as u64, &spec.limits, &place, &mut |member, content| {
                stay_member(member, content, &place, feed, &mut none)
            })?;
            return Ok(Vec::new());
        }
        Source::Path(path) => path,
    };
    let (stays, outcomes) = locate(path)?;
    let (mut outcomes, unmapped) = match outcomes {
        Some(path) => read_outcomes(&path, spec, &feed.builder)?,
        None => Default::default(),
    };
    match stays {
        Stays::Archive(path) => read_archive(&path, spec, feed, &mut outcomes)?,
        Stays::Folder(path) => read_folder(&path, spec, feed, &mut outcomes)?,
    }
    for (variable, _) in outcomes.into_values().flatten() {
        feed.builder.reject_outcome(Reason::NoPatient, variable);
    }
    Ok(unmapped)
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

fn read_archive(path: &Path, spec: &TableSpec, feed: &mut Feed<'_>, outcomes: &mut Outcomes) -> Result<()> {
    let place = Place::file(&file_name(path));
    let file = File::open(path).map_err(|e| unreadable(&place, &e))?;
    let packed = file.metadata().map_err(|e| unreadable(&place, &e))?.len();
    archive::members(file, packed, &spec.limits, &place, &mut |member, content| {
        stay_member(member, content, &place, feed, outcomes)
    })
}

fn stay_member(
    member: &str,
    content: &[u8],
    place: &Place,
    feed: &mut Feed<'_>,
    outcomes: &mut Outcomes,
) -> Result<()> {
    match stem(member) {
        Some(stem) => read_stay(stem, content, place.member(member), feed, outcomes),
        None => Ok(()),
    }
}

fn read_folder(folder: &Path, spec: &TableSpec, feed: &mut Feed<'_>, outcomes: &mut Outcomes) -> Result<()> {
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
        read_stay(stem, &content, member, feed, outcomes)?;
    }
    Ok(())
}

fn read_stay(
    stem: &str,
    content: &[u8],
    place: Place,
    feed: &mut Feed<'_>,
    outcomes: &mut Outcomes,
) -> Result<()> {
    let fault = |what, text: &str| -> tsc_core::Error {
        SeriesError::Stay { place: place.clone(), what, text: excerpt(text.as_bytes()) }.into()
    };
    if feed.holds(stem) {
        return Err(fault("this stay was read before", stem));
    }
    feed.begin(stem, || place.clone())?;
    let mut file = Delimited::new(Box::new(content), b',', content.len() as u64, place.clone())?;
    let [time, name, value] = ["Time", "Parameter", "Value"].map(|name| rows::column(&file, name));
    let (time, name, value) = (time?, name?, value?);
    while file.advance()? {
        let variable = file.field(name).trim_ascii();
        if let Some(known) = feed.builder.variable(variable) {
            let when = rows::time(&file, time, TimeFormat::Hours)?;
            let number = rows::value(&file, value, &feed.builder, known)?;
            feed.builder.add(known, when, number);
        } else if variable == ID.as_bytes() {
            let number = rows::utf8(&file, value, file.field(value))?;
            if number.trim() != stem {
                return Err(fault("the RecordID differs from the file name", number));
            }
            feed.builder.count_key_row();
        } else {
            feed.builder.add_unknown(rows::utf8(&file, name, variable)?);
        }
    }
    for (variable, value) in outcomes.remove(stem).unwrap_or_default() {
        feed.builder.add(variable, None, value);
    }
    Ok(())
}

fn read_outcomes(
    path: &Path,
    spec: &TableSpec,
    builder: &SeriesTableBuilder,
) -> Result<(Outcomes, Vec<String>)> {
    let place = Place::file(&file_name(path));
    let file = File::open(path).map_err(|e| unreadable(&place, &e))?;
    let mut rows = Delimited::new(Box::new(file), b',', spec.limits.entry_bytes, place)?;
    let id = rows::column(&rows, ID)?;
    let outcome = |name: &String| {
        builder
            .variable(name.as_bytes())
            .filter(|&v| builder.variables().as_slice()[v as usize].role == Role::Outcome)
    };
    let columns: Vec<(usize, u32)> = rows
        .header()
        .iter()
        .enumerate()
        .filter_map(|(column, name)| Some((column, outcome(name)?)))
        .collect();
    let mut outcomes = Outcomes::new();
    while rows.advance()? {
        let stay = rows::utf8(&rows, id, rows.field(id))?.trim().to_string();
        let cells = outcomes.entry(stay).or_default();
        for &(column, variable) in &columns {
            cells.push((variable, rows::value(&rows, column, builder, variable)?));
        }
    }
    let mut mapped: Vec<usize> = columns.iter().map(|(column, _)| *column).collect();
    mapped.push(id);
    let unmapped = rows::unmapped(&rows, &mapped);
    Ok((outcomes, unmapped))
}

fn unreadable(place: &Place, error: &std::io::Error) -> tsc_core::Error {
    SeriesError::Unreadable { place: place.clone(), reason: error.to_string() }.into()
}
