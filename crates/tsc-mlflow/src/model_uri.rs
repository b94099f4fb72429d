//! The addresses under which MLflow finds a model.

use tsc_core::{ModelUri, Result};

use crate::error::TrackingError;

/// A model address, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ModelRef {
    /// `models:/m-<id>`.
    Logged(String),
    /// `models:/<name>/<version>`.
    Version(String, u64),
    /// `models:/<name>@<alias>`.
    Alias(String, String),
    /// `models:/<name>/<Stage>` and `models:/<name>/latest`.
    Stage(String, String),
}

impl ModelRef {
    /// Reads an address.
    pub(crate) fn parse(uri: &ModelUri) -> Result<Self> {
        let refuse = || TrackingError::NotFound(format!("{:?} is no model address", uri.0)).into();
        let rest = uri.0.strip_prefix("models:/").ok_or_else(refuse)?;
        if let Some((name, alias)) = rest.split_once('@') {
            return Ok(Self::Alias(name.into(), alias.into()));
        }
        match rest.split_once('/') {
            None if is_logged_model(rest) => Ok(Self::Logged(rest.into())),
            Some((name, part)) if !name.is_empty() && !part.is_empty() && !part.contains('/') => {
                Ok(match part.parse::<u64>() {
                    Ok(version) => Self::Version(name.into(), version),
                    Err(_) => Self::Stage(name.into(), part.into()),
                })
            }
            _ => Err(refuse()),
        }
    }
}

fn is_logged_model(id: &str) -> bool {
    id.strip_prefix("m-").is_some_and(|key| !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// Address of a logged model.
pub(crate) fn logged(id: &str) -> ModelUri {
    ModelUri(format!("models:/{id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_address_is_read() {
        let parse = |uri: &str| ModelRef::parse(&ModelUri(uri.into())).ok();
        assert_eq!(parse("models:/m-0a1b"), Some(ModelRef::Logged("m-0a1b".into())));
        assert_eq!(parse("models:/A-Pipeline/3"), Some(ModelRef::Version("A-Pipeline".into(), 3)));
        assert_eq!(parse("models:/A@production"), Some(ModelRef::Alias("A".into(), "production".into())));
        assert_eq!(parse("models:/A/Production"), Some(ModelRef::Stage("A".into(), "Production".into())));
        for bad in ["", "models:/", "models:/A", "models:/A/", "models:/A/b/c", "s3://x", "models:/m-../x/y"]
        {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
