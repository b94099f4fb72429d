//! Files of a head: `pooled.txt`, `cluster-0000.txt`, .. and `index.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tsc_core::{
    ArtifactSink, ArtifactSource, ClusterId, FittedRegressor, Regressor, Result, StoredKind, check_path,
    damaged,
};

use super::bounds::Bounds;
use super::fitted::{FittedPerCluster, Own, Stored};
use super::mean::FoldMean;
use super::report::FeatureImportance;

const INDEX: &str = "index.json";
const VERSION: u32 = 2;

/// Version 2 of `index.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireIndex {
    format_version: u32,
    n_features: usize,
    n_clusters: usize,
    pooled: WireModel,
    clusters: Vec<WireCluster>,
    bounds: Option<Bounds>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireCluster {
    cluster: ClusterId,
    weight: f64,
    model: WireModel,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireModel {
    members: Vec<WireMember>,
    /// Members of each quantile model.
    quantiles: Vec<Vec<WireMember>>,
    rows: u64,
    rounds: u32,
    params: BTreeMap<String, String>,
    importance: Option<FeatureImportance>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireMember {
    kind: StoredKind,
    /// Name the model gave a file to the name it has here.
    files: BTreeMap<String, String>,
}

/// What one model writes, before it gets its place.
#[derive(Default)]
struct Written(Vec<(String, Vec<u8>)>);

impl ArtifactSink for Written {
    fn put(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        check_path(path)?;
        if self.0.iter().any(|(taken, _)| taken == path) {
            return Err(damaged(path, "written twice"));
        }
        self.0.push((path.to_owned(), bytes.to_vec()));
        Ok(())
    }
}

/// One model's files under the names the model knows.
struct Renamed<'a> {
    files: &'a BTreeMap<String, String>,
    source: &'a dyn ArtifactSource,
}

impl ArtifactSource for Renamed<'_> {
    fn get(&self, path: &str) -> Result<Vec<u8>> {
        let place =
            self.files.get(path).ok_or_else(|| damaged(INDEX, format!("no file stands for {path}")))?;
        check_path(place)?;
        self.source.get(place)
    }
}

impl<F: FittedRegressor> FittedPerCluster<F> {
    /// Writes one file per model, which Python reads as it is where the model is LightGBM's, and an index.
    ///
    /// A model of one file is `pooled` or `cluster-0000` with that file's extension, a model of several
    /// files a folder of that name; the models of folds are numbered, `pooled-0`, .., and those of bounds named
    /// `pooled.q0` (first level, lower), `pooled.q1` (upper), ..
    ///
    /// # Errors
    ///
    /// Those of the sink.
    pub fn save(&self, sink: &mut dyn ArtifactSink) -> Result<()> {
        let pooled = place(&self.pooled, "pooled", sink)?;
        let mut clusters = Vec::new();
        for (&cluster, own) in &self.clusters {
            let model = place(&own.stored, &format!("cluster-{:04}", cluster.0), sink)?;
            clusters.push(WireCluster { cluster, weight: own.weight, model });
        }
        let index = WireIndex {
            format_version: VERSION,
            n_features: self.n_features,
            n_clusters: self.n_clusters,
            pooled,
            clusters,
            bounds: self.bounds.clone(),
        };
        sink.put(INDEX, &serde_json::to_vec_pretty(&index).map_err(|e| damaged(INDEX, e))?)
    }

    /// Reads what [`FittedPerCluster::save`] wrote, each model through the description it belongs to.
    ///
    /// # Errors
    ///
    /// `Artifact` if a file is missing or damaged, a model is of another kind, or the parts contradict.
    pub fn restore<R: Regressor<Fitted = F>>(regressor: &R, source: &dyn ArtifactSource) -> Result<Self> {
        let index: WireIndex = serde_json::from_slice(&source.get(INDEX)?).map_err(|e| damaged(INDEX, e))?;
        if index.format_version != VERSION {
            let found = index.format_version;
            return Err(damaged(INDEX, format!("its version is {found}, this build reads {VERSION}")));
        }
        let pooled = take(regressor, index.pooled, index.n_features, source)?;
        let mut clusters = BTreeMap::new();
        for WireCluster { cluster, weight, model } in index.clusters {
            if cluster.0 as usize >= index.n_clusters {
                return Err(damaged(INDEX, format!("cluster {cluster} of {} clusters", index.n_clusters)));
            }
            if !(0.0..=1.0).contains(&weight) {
                return Err(damaged(INDEX, format!("the weight of cluster {cluster} is outside [0, 1]")));
            }
            let stored = take(regressor, model, index.n_features, source)?;
            if clusters.insert(cluster, Own { stored, weight }).is_some() {
                return Err(damaged(INDEX, format!("cluster {cluster} stands twice")));
            }
        }
        Ok(Self {
            n_features: index.n_features,
            n_clusters: index.n_clusters,
            pooled,
            clusters,
            bounds: index.bounds,
        })
    }
}

fn place<F: FittedRegressor>(
    stored: &Stored<F>,
    name: &str,
    sink: &mut dyn ArtifactSink,
) -> Result<WireModel> {
    let mut quantiles = Vec::new();
    for (number, model) in stored.quantiles.iter().enumerate() {
        quantiles.push(place_members(model, &format!("{name}.q{number}"), sink)?);
    }
    Ok(WireModel {
        members: place_members(&stored.model, name, sink)?,
        quantiles,
        rows: stored.rows,
        rounds: stored.rounds,
        params: stored.params.clone(),
        importance: stored.importance.clone(),
    })
}

fn place_members<F: FittedRegressor>(
    model: &FoldMean<F>,
    name: &str,
    sink: &mut dyn ArtifactSink,
) -> Result<Vec<WireMember>> {
    let alone = model.members().len() == 1;
    let numbered = |number: usize| if alone { name.to_owned() } else { format!("{name}-{number}") };
    model.members().iter().enumerate().map(|(n, member)| place_member(member, &numbered(n), sink)).collect()
}

fn place_member<F: FittedRegressor>(
    model: &F,
    name: &str,
    sink: &mut dyn ArtifactSink,
) -> Result<WireMember> {
    let mut written = Written::default();
    model.save(&mut written)?;
    let mut files = BTreeMap::new();
    let alone = written.0.len() == 1;
    for (file, bytes) in written.0 {
        let extension = file.rsplit_once('.').map(|(_, extension)| extension);
        let place = match extension {
            Some(extension) if alone && !extension.contains('/') => format!("{name}.{extension}"),
            _ => format!("{name}/{file}"),
        };
        sink.put(&place, &bytes)?;
        files.insert(file, place);
    }
    Ok(WireMember { kind: model.kind().into(), files })
}

fn take<R: Regressor>(
    regressor: &R,
    wire: WireModel,
    n_features: usize,
    source: &dyn ArtifactSource,
) -> Result<Stored<R::Fitted>> {
    let member = |wire: &WireMember| regressor.restore(&wire.kind, &Renamed { files: &wire.files, source });
    let mean = |members: &[WireMember]| {
        FoldMean::new(members.iter().map(member).collect::<Result<Vec<_>>>()?)
            .filter(|model| model.n_features() == n_features)
            .ok_or_else(|| damaged(INDEX, format!("not every model has {n_features} features")))
    };
    let WireModel { members, quantiles, rows, rounds, params, importance } = wire;
    let quantiles = quantiles.iter().map(|members| mean(members)).collect::<Result<Vec<_>>>()?;
    Ok(Stored { model: mean(&members)?, quantiles, rows, rounds, params, importance })
}
