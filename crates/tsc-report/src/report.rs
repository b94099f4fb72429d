use std::io::Write;

use tsc_core::{ClusterId, Result};

use crate::data::ReportData;
use crate::error::ReportError;
use crate::plot::Plot;
use crate::{html, markdown};

/// A plot with the name of its file.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedPlot {
    /// File name without ending, such as `cluster_map` or `importance_cluster_3`.
    pub file: String,
    /// The plot.
    pub plot: Plot,
}

/// A report on a training, a series of batches, or a retraining, in three forms.
///
/// The same data give the same bytes: no clock, no locale, no randomness.
///
/// # Examples
///
/// ```
/// use tsc_report::{Report, ReportData};
/// let report = Report::new(ReportData { title: "Initial training".into(), ..ReportData::default() });
/// let mut html = Vec::new();
/// report.write_html(&mut html)?;
/// let html = String::from_utf8(html).unwrap();
/// assert!(html.contains("Initial training") && html.contains("noise trend: not shown, because"));
/// # Ok::<(), tsc_report::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    data: ReportData,
}

/// Importance of the models of more clusters would make the page long and the file large.
const IMPORTANCES: usize = 21;

impl Report {
    /// A report on `data`.
    #[must_use]
    pub fn new(data: ReportData) -> Self {
        Self { data }
    }

    /// What it reports on.
    #[must_use]
    pub fn data(&self) -> &ReportData {
        &self.data
    }

    /// Every plot that has data, in the order of the report: what `plots/<file>.svg` is made from.
    ///
    /// Importance is drawn for at most 21 models, the first ones given; the JSON form has all.
    #[must_use]
    pub fn plots(&self) -> Vec<NamedPlot> {
        let data = &self.data;
        let map = data.cluster_map.iter().map(|m| ("cluster_map".to_owned(), Plot::ClusterMap(m.clone())));
        let tree = data.condensed_tree.iter();
        let tree = tree.map(|t| ("condensed_tree".to_owned(), Plot::CondensedTree(t.clone())));
        let trend = data.noise_trend.iter().map(|t| ("noise_trend".to_owned(), Plot::NoiseTrend(t.clone())));
        let file = |cluster: Option<ClusterId>| match cluster {
            Some(cluster) => format!("importance_cluster_{cluster}"),
            None => "importance_pooled".to_owned(),
        };
        let importances = data.importances.iter().take(IMPORTANCES);
        let importances = importances.map(|i| (file(i.cluster), Plot::Importance(i.clone())));
        map.chain(tree)
            .chain(trend)
            .chain(importances)
            .filter(|(_, plot)| plot.missing().is_none())
            .map(|(file, plot)| NamedPlot { file, plot })
            .collect()
    }

    /// Writes the report as one HTML file without any external reference, readable with scripts blocked.
    ///
    /// At most 1 MB for 20 clusters and 50 features, whatever the number of rows: long lists are cut
    /// and say so; the JSON form has them whole.
    ///
    /// # Errors
    ///
    /// `Artifact` if `out` cannot be written.
    pub fn write_html(&self, out: &mut impl Write) -> Result<()> {
        let page = html::page(self)?;
        out.write_all(page.as_bytes()).map_err(ReportError::Write)?;
        Ok(())
    }

    /// All data as indented JSON; undefined numbers are `null`.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "structs, strings and numbers always have a JSON form")]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(&self.data)
            .expect("report data are structs, strings and numbers, which JSON can hold")
    }

    /// A short form for chats, issues and terminals.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        markdown::text(&self.data)
    }
}
