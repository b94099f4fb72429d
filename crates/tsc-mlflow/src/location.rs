//! Where a uri points, and what opens the door there.

use std::path::{Path, PathBuf};

use tsc_core::Result;

use crate::error::TrackingError;

/// Where runs are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Location {
    /// Database file of the embedded store.
    Sqlite(PathBuf),
    /// Address of a server, without credentials and without a trailing slash.
    Server(String),
}

/// Reads a uri; `None` is the embedded store in the working folder.
pub(crate) fn locate(uri: Option<&str>) -> Result<Location> {
    let uri = uri.unwrap_or("sqlite:///mlflow.db");
    let refuse = |problem: &str| {
        let shown = without_credentials(uri);
        Err(TrackingError::Uri { uri: shown, problem: problem.into() }.into())
    };
    let Some((scheme, rest)) = uri.split_once(':') else {
        return refuse(if uri == "off" {
            "switches tracking off; it is no address"
        } else {
            "is a plain path; MLflow's file store is not supported, write sqlite:///<path>.db or http(s)://"
        });
    };
    match scheme.to_ascii_lowercase().as_str() {
        "sqlite" => match rest.strip_prefix("///") {
            Some("" | "/" | ":memory:") | None => {
                refuse("names no file, write sqlite:///mlflow.db or sqlite:////absolute/mlflow.db")
            }
            Some(path) if path.contains(['?', '#']) => refuse("has options, only the path is supported"),
            Some(path) => Ok(Location::Sqlite(PathBuf::from(path))),
        },
        "http" | "https" => {
            let address = without_credentials(uri);
            let address = address.trim_end_matches('/');
            match address.split_once("://") {
                Some((_, host)) if !host.is_empty() && !host.starts_with(['/', '?', '#']) => {
                    Ok(Location::Server(address.to_owned()))
                }
                _ => refuse("names no host, write http://host:port"),
            }
        }
        "file" => refuse(
            "is MLflow's file store, which MLflow refuses since 3.13; write sqlite:///<path>.db or http(s)://",
        ),
        _ => refuse("has a scheme that is not supported, write sqlite:///<path>.db or http(s)://host:port"),
    }
}

/// The same uri without `user:password@`.
pub(crate) fn without_credentials(uri: &str) -> String {
    match credentials_end(uri) {
        Some((start, end)) => format!("{}{}", &uri[..start], &uri[end + 1..]),
        None => uri.to_owned(),
    }
}

/// User and password of a uri, percent-encoding undone.
#[cfg(feature = "rest")]
pub(crate) fn credentials(uri: &str) -> Option<(String, String)> {
    let (start, end) = credentials_end(uri)?;
    let (user, password) = uri[start..end].split_once(':').unwrap_or((&uri[start..end], ""));
    Some((percent_decoded(user), percent_decoded(password)))
}

fn credentials_end(uri: &str) -> Option<(usize, usize)> {
    let start = uri.find("://")? + 3;
    let authority = uri[start..].find(['/', '?', '#']).map_or(uri.len(), |n| start + n);
    uri[start..authority].rfind('@').map(|n| (start, start + n))
}

#[cfg(feature = "rest")]
fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let code = (bytes[i] == b'%')
            .then(|| text.get(i + 1..i + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok()))
            .flatten();
        out.push(code.unwrap_or(bytes[i]));
        i += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The uri with which Python opens the same database.
#[cfg(feature = "sqlite")]
pub(crate) fn sqlite_uri(path: &Path) -> String {
    format!("sqlite:///{}", path.display())
}

/// An absolute form of `path`, also where it does not exist yet.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path)
        .map_err(|source| TrackingError::File { action: "resolving", path: path.into(), source }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sqlite(path: &str) -> Location {
        Location::Sqlite(path.into())
    }

    #[test]
    fn uris_lead_to_the_embedded_store_or_a_server() {
        assert_eq!(locate(None).unwrap(), sqlite("mlflow.db"));
        assert_eq!(locate(Some("sqlite:///runs/x.db")).unwrap(), sqlite("runs/x.db"));
        assert_eq!(locate(Some("sqlite:////data/x.db")).unwrap(), sqlite("/data/x.db"));
        assert_eq!(
            locate(Some("http://localhost:5000/")).unwrap(),
            Location::Server("http://localhost:5000".into())
        );
        assert_eq!(
            locate(Some("https://u:p@h.example/mlflow/")).unwrap(),
            Location::Server("https://h.example/mlflow".into())
        );
    }

    #[test]
    fn f42_a_file_store_is_refused_and_both_alternatives_are_named() {
        for uri in ["file:///tmp/mlruns", "file:mlruns", "./mlruns", "mlruns"] {
            let error = locate(Some(uri)).unwrap_err();
            assert_eq!(error.kind(), tsc_core::ErrorKind::InvalidConfig, "{uri}");
            let text = error.to_string();
            assert!(
                text.contains("sqlite:///") && text.contains("http(s)://") && text.contains(uri),
                "{text}"
            );
        }
    }

    #[test]
    fn uris_without_a_place_are_refused() {
        let bad = [
            "sqlite://",
            "sqlite:///",
            "sqlite:///:memory:",
            "sqlite:///a.db?x=1",
            "http://",
            "https:///x",
            "postgresql://u:p@h/db",
            "databricks:",
            "off",
            "",
        ];
        for uri in bad {
            let error = locate(Some(uri)).unwrap_err();
            assert_eq!(error.code(), "TSC-TRK-002", "{uri}");
            assert!(!error.to_string().contains("u:p"), "{error}");
        }
    }

    #[cfg(feature = "rest")]
    #[test]
    fn credentials_are_taken_apart_from_the_address() {
        let uri = "https://bob:a%40b:c@h/x@y";
        assert_eq!(credentials(uri), Some(("bob".into(), "a@b:c".into())));
        assert_eq!(without_credentials(uri), "https://h/x@y");
        assert_eq!(credentials("https://h/x@y"), None);
        assert_eq!(credentials("https://bob:%4@h"), Some(("bob".into(), "%4".into())));
    }
}
