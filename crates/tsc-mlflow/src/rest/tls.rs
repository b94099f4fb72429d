//! Which certificates are trusted, and which one is shown.

use tsc_core::Result;
use ureq::tls::{Certificate, ClientCert, PemItem, RootCerts, TlsConfig, parse_pem};

use crate::error::TrackingError;
use crate::location;

use super::auth::is_on;

const INSECURE: &str = "MLFLOW_TRACKING_INSECURE_TLS";
const SERVER_CERT: &str = "MLFLOW_TRACKING_SERVER_CERT_PATH";
const CLIENT_CERT: &str = "MLFLOW_TRACKING_CLIENT_CERT_PATH";

/// What the environment says about certificates.
///
/// Without a word Mozilla's authorities are trusted, which are compiled in; a server with a certificate of
/// the house needs the path of its authority.
pub(super) fn settings(uri: &str, var: &dyn Fn(&str) -> Option<String>) -> Result<TlsConfig> {
    let mut settings = TlsConfig::builder();
    if !uri.starts_with("https:") {
        return Ok(settings.build());
    }
    let set = |name: &str| var(name).filter(|value| !value.is_empty());
    let refuse = |problem: String| -> tsc_core::Error {
        TrackingError::Uri { uri: location::without_credentials(uri), problem }.into()
    };
    let insecure = set(INSECURE).is_some_and(|value| is_on(&value));
    match set(SERVER_CERT) {
        Some(_) if insecure => {
            return Err(refuse(format!("cannot be used: {INSECURE} and {SERVER_CERT} are both set")));
        }
        Some(path) => {
            let (certificates, _) = read(SERVER_CERT, &path).map_err(refuse)?;
            settings = settings.root_certs(RootCerts::new_with_certs(&certificates));
        }
        None if insecure => {
            tracing::warn!("{INSECURE} is set: whoever answers is taken for the server");
            settings = settings.disable_verification(true);
        }
        None => {}
    }
    if let Some(path) = set(CLIENT_CERT) {
        let (chain, key) = read(CLIENT_CERT, &path).map_err(refuse)?;
        let key = key.ok_or_else(|| {
            refuse(format!("cannot be used: {CLIENT_CERT} names {path}, which holds no private key"))
        })?;
        settings = settings.client_cert(Some(ClientCert::new_with_certs(&chain, key)));
    }
    Ok(settings.build())
}

type Contents = (Vec<Certificate<'static>>, Option<ureq::tls::PrivateKey<'static>>);

/// Certificates of a PEM file, at least one, and its private key.
fn read(variable: &str, path: &str) -> std::result::Result<Contents, String> {
    let wrong = |what: String| format!("cannot be used: {variable} names {path}, {what}");
    let text = std::fs::read(path).map_err(|error| wrong(format!("which cannot be read: {error}")))?;
    let (mut certificates, mut key) = (Vec::new(), None);
    for item in parse_pem(&text) {
        match item.map_err(|error| wrong(format!("which is no PEM file: {error}")))? {
            PemItem::Certificate(certificate) => certificates.push(certificate),
            PemItem::PrivateKey(found) => key = Some(found),
            _ => {}
        }
    }
    if certificates.is_empty() {
        return Err(wrong("which holds no certificate".into()));
    }
    Ok((certificates, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(vars: &[(&str, &str)]) -> String {
        let var = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        settings("https://u:geheim@h", &var).unwrap_err().to_string()
    }

    #[test]
    fn contradictions_and_files_that_are_none_are_refused_and_named() {
        let text = refused(&[(INSECURE, "true"), (SERVER_CERT, "/ca.pem")]);
        assert!(text.contains(INSECURE) && text.contains(SERVER_CERT) && !text.contains("geheim"), "{text}");
        assert!(refused(&[(SERVER_CERT, "/nowhere/ca.pem")]).contains("/nowhere/ca.pem"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("empty.pem");
        std::fs::write(&path, "no certificate").unwrap();
        let path = path.to_str().unwrap();
        assert!(refused(&[(SERVER_CERT, path)]).contains("holds no certificate"));
        assert!(refused(&[(CLIENT_CERT, path)]).contains(CLIENT_CERT));
    }

    #[test]
    fn verification_is_off_only_on_demand_and_only_for_https() {
        let off = |uri: &str, value: Option<&str>| {
            let var = |name: &str| value.filter(|_| name == INSECURE).map(ToOwned::to_owned);
            settings(uri, &var).unwrap().disable_verification()
        };
        assert!(off("https://h", Some("true")) && off("https://h", Some("1")));
        assert!(!off("https://h", Some("false")) && !off("https://h", None));
        assert!(!off("http://h", Some("true")));
    }
}
