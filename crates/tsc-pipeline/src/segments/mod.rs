//! How segments are sized, and how far two halves of the patients agree on them.

mod params;
mod sized;
mod stability;
mod warnings;

pub use params::SegmentParams;
pub(crate) use sized::SizedHdbscan;
pub use stability::{Agreement, SegmentStability};
pub(crate) use stability::{Segmenter, largest_share};
pub(crate) use warnings::{Seen, segment_warnings};
