use serde::{Deserialize, Serialize};

use super::{Boosting, Metric, Objective};

/// A parameter value as a table holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Scalar {
    /// true or false.
    Bool(bool),
    /// Whole number.
    Int(i64),
    /// Number.
    Float(f64),
    /// Name or text.
    Text(String),
    /// Several values, written with commas in between.
    List(Vec<Scalar>),
}

impl Scalar {
    pub(crate) fn render(&self) -> String {
        match self {
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Float(value) => value.to_string(),
            Self::Text(value) => value.clone(),
            Self::List(values) => values.iter().map(Self::render).collect::<Vec<_>>().join(","),
        }
    }
}

macro_rules! from {
    ($($type:ty => $variant:ident,)+) => {
        $(impl From<$type> for Scalar {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        })+
    };
}
from!(bool => Bool, i32 => Int, i64 => Int, u32 => Int, f64 => Float, &str => Text, String => Text,);

/// Between a typed field and a table value.
pub(super) trait Convert: Sized {
    fn from_scalar(value: &Scalar) -> Option<Self>;
    fn to_scalar(&self) -> Scalar;
}

fn whole(value: &Scalar) -> Option<i64> {
    match *value {
        Scalar::Int(value) => Some(value),
        // TOML and JSON writers turn 31 into 31.0; below 2^53 the cast is exact.
        Scalar::Float(value) if value.fract() == 0.0 && value.abs() < 9e15 => Some(value as i64),
        _ => None,
    }
}

impl Convert for u32 {
    fn from_scalar(value: &Scalar) -> Option<Self> {
        whole(value).and_then(|v| u32::try_from(v).ok())
    }
    fn to_scalar(&self) -> Scalar {
        Scalar::Int((*self).into())
    }
}

impl Convert for i32 {
    fn from_scalar(value: &Scalar) -> Option<Self> {
        whole(value).and_then(|v| i32::try_from(v).ok())
    }
    fn to_scalar(&self) -> Scalar {
        Scalar::Int((*self).into())
    }
}

impl Convert for f64 {
    fn from_scalar(value: &Scalar) -> Option<Self> {
        match *value {
            Scalar::Int(value) => Some(value as f64),
            Scalar::Float(value) => Some(value),
            _ => None,
        }
    }
    fn to_scalar(&self) -> Scalar {
        Scalar::Float(*self)
    }
}

macro_rules! named {
    ($($type:ty,)+) => {
        $(impl Convert for $type {
            fn from_scalar(value: &Scalar) -> Option<Self> {
                match value {
                    Scalar::Text(text) => Self::named(text.trim()),
                    _ => None,
                }
            }
            fn to_scalar(&self) -> Scalar {
                Scalar::Text(self.name().into())
            }
        })+
    };
}
named!(Objective, Boosting, Metric,);

impl Convert for Vec<Metric> {
    fn from_scalar(value: &Scalar) -> Option<Self> {
        match value {
            Scalar::Text(text) => text.split(',').map(|name| Metric::named(name.trim())).collect(),
            Scalar::List(values) => values.iter().map(Metric::from_scalar).collect(),
            _ => None,
        }
    }
    fn to_scalar(&self) -> Scalar {
        Scalar::Text(self.iter().map(|m| m.name()).collect::<Vec<_>>().join(","))
    }
}
