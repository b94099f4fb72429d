//! Who asks: credentials from the environment, or from the uri.

use tsc_core::Result;

use crate::error::TrackingError;
use crate::location;

/// Value of the `Authorization` header; never shown.
#[derive(Clone)]
pub(super) struct Authorization(pub(super) String);

impl std::fmt::Debug for Authorization {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authorization(..)")
    }
}

/// Whether a variable says yes, as MLflow reads it.
#[cfg(feature = "tls")]
pub(super) fn is_on(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "true" | "1")
}

/// User and password of the file that MLflow's `auth` writes.
fn credentials_file(set: &dyn Fn(&str) -> Option<String>) -> (Option<String>, Option<String>) {
    let text = set("HOME").and_then(|home| {
        std::fs::read_to_string(std::path::Path::new(&home).join(".mlflow/credentials")).ok()
    });
    let value = |key: &str| {
        let mut in_section = false;
        for line in text.as_deref().unwrap_or_default().lines().map(str::trim) {
            if line.starts_with('[') {
                in_section = line == "[mlflow]";
            } else if let Some((name, value)) = line.split_once('=').filter(|_| in_section)
                && name.trim().eq_ignore_ascii_case(key)
            {
                return Some(value.trim().to_owned());
            }
        }
        None
    };
    (value("mlflow_tracking_username"), value("mlflow_tracking_password"))
}

/// Basic from the uri, else from the environment or MLflow's file, else a bearer token, else nothing.
pub(super) fn authorization(
    uri: &str,
    var: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<Authorization>> {
    let set = |name: &str| var(name).filter(|value| !value.is_empty());
    let refuse = |name: &str, problem: &str| {
        let uri = location::without_credentials(uri);
        Err(TrackingError::Uri { uri, problem: format!("cannot be used: {name} {problem}") }.into())
    };
    for name in ["MLFLOW_TRACKING_AWS_SIGV4", "MLFLOW_TRACKING_AUTH"] {
        if set(name).is_some_and(|value| !value.eq_ignore_ascii_case("false")) {
            return refuse(name, "is set and not supported");
        }
    }
    let (user, password) = credentials_file(&set);
    let user = set("MLFLOW_TRACKING_USERNAME").or(user);
    let password = set("MLFLOW_TRACKING_PASSWORD").or(password);
    let basic =
        |user: &str, password: &str| format!("Basic {}", base64(format!("{user}:{password}").as_bytes()));
    let header = if let Some((user, password)) = location::credentials(uri) {
        basic(&user, &password)
    } else if let (Some(user), Some(password)) = (user, password) {
        basic(&user, &password)
    } else if let Some(token) = set("MLFLOW_TRACKING_TOKEN").or_else(|| databricks_token(uri, &set)) {
        format!("Bearer {token}")
    } else {
        return Ok(None);
    };
    if !header.bytes().all(|b| (0x20..0x7F).contains(&b)) {
        return refuse("MLFLOW_TRACKING_TOKEN", "has characters that no header may have");
    }
    Ok(Some(Authorization(header)))
}

/// The token of a workspace, for that workspace alone: no other server must see it.
fn databricks_token(uri: &str, set: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let host = set("DATABRICKS_HOST")?;
    let host = host.trim_end_matches('/');
    let below = uri.strip_prefix(host)?;
    let is_there = host.starts_with("https://") && (below.is_empty() || below.starts_with('/'));
    set("DATABRICKS_TOKEN").filter(|_| is_there)
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let word =
            group.iter().fold(0_u32, |word, byte| (word << 8) | u32::from(*byte)) << (8 * (3 - group.len()));
        for i in 0..4 {
            let digit = usize::try_from((word >> (18 - 6 * i)) & 63).unwrap_or(0);
            text.push(if i <= group.len() { char::from(DIGITS[digit]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 4648, section 10.
    #[test]
    fn base64_has_the_published_test_vectors() {
        let cases = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
        ];
        for (plain, coded) in cases {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    fn header(uri: &str, vars: &[(&str, &str)]) -> Option<String> {
        let var = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        authorization(uri, &var).unwrap().map(|a| a.0)
    }

    #[test]
    fn basic_wins_over_bearer_and_the_uri_over_both() {
        let user = ("MLFLOW_TRACKING_USERNAME", "Aladdin");
        let password = ("MLFLOW_TRACKING_PASSWORD", "open sesame");
        let token = ("MLFLOW_TRACKING_TOKEN", "t");
        // RFC 7617, section 2.
        let rfc = Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==".to_owned());
        assert_eq!(header("http://h", &[user, password, token]), rfc);
        assert_eq!(header("http://Aladdin:open%20sesame@h", &[token]), rfc);
        assert_eq!(header("http://h", &[user, token]), Some("Bearer t".into()));
        assert_eq!(header("http://h", &[]), None);
    }

    #[test]
    fn the_token_of_a_workspace_goes_to_that_workspace_alone() {
        let host = ("DATABRICKS_HOST", "https://dbc.example/");
        let vars = [host, ("DATABRICKS_TOKEN", "geheim")];
        for uri in ["https://dbc.example", "https://dbc.example/"] {
            assert_eq!(header(uri, &vars), Some("Bearer geheim".into()), "{uri}");
        }
        for uri in ["https://dbc.example.org", "https://h", "http://dbc.example"] {
            assert_eq!(header(uri, &vars), None, "{uri}");
        }
        assert_eq!(header("http://h", &[("DATABRICKS_HOST", "http://h"), vars[1]]), None);
        assert_eq!(header("https://dbc.example", &[vars[1]]), None);
        let own = header("https://dbc.example", &[host, vars[1], ("MLFLOW_TRACKING_TOKEN", "t")]);
        assert_eq!(own, Some("Bearer t".into()));
    }

    #[test]
    fn the_file_of_mlflow_is_read_and_the_environment_wins_over_it() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".mlflow")).unwrap();
        let text = "[other]\nmlflow_tracking_username = x\n[mlflow]\nmlflow_tracking_username = Aladdin\n\
                    mlflow_tracking_password = open sesame\n";
        std::fs::write(home.path().join(".mlflow/credentials"), text).unwrap();
        let home = ("HOME", home.path().to_str().unwrap());
        assert_eq!(header("http://h", &[home]), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==".into()));
        let other = header("http://h", &[home, ("MLFLOW_TRACKING_USERNAME", "f")]);
        assert_eq!(other, Some(format!("Basic {}", base64(b"f:open sesame"))));
    }

    #[test]
    fn what_is_not_supported_is_an_error_and_names_no_secret() {
        let refused = |name: &'static str, value: &'static str| {
            let var = move |n: &str| (n == name).then(|| value.to_owned());
            authorization("https://u:geheim@h", &var).unwrap_err().to_string()
        };
        for name in ["MLFLOW_TRACKING_AWS_SIGV4", "MLFLOW_TRACKING_AUTH"] {
            let text = refused(name, "true");
            assert!(text.contains(name) && !text.contains("geheim"), "{text}");
        }
        let var = |n: &str| (n == "MLFLOW_TRACKING_TOKEN").then(|| "a\nb".to_owned());
        assert!(authorization("http://h", &var).is_err());
        assert!(!format!("{:?}", Authorization("Bearer geheim".into())).contains("geheim"));
    }
}
