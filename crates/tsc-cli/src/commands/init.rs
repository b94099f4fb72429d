use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use serde_json::json;
use tsc_pipeline::{PipelineConfig, Preset};

use crate::Outcome;
use crate::failure::{Failure, note, say};

/// The keys most people change, with their defaults; every other key keeps its default.
const TEMPLATE: &str = r#"# Configuration of tsclust. Every key is optional; docs/CONFIG.md lists all of them.
# A preset sets many keys at once: small, large, medical, conservative, balanced, aggressive, ..
# preset = "medical"

noise_threshold = 0.3            # share of noise at which a batch counts toward a retrain; higher = fewer retrains
batch_size = 1000                # rows scored at once; smaller saves memory, results are the same
expanding_window_size = 10000    # newest labelled rows a retrain sees
experiment_name = "TimeSeries-Clustering"
# hospital_profile_id = "hospital_001"

[hdbscan_params]
min_cluster_size = 5             # larger = fewer, larger clusters
min_samples = 3                  # larger = more noise
cluster_selection_epsilon = 0.0  # larger merges small clusters
cluster_selection_method = "eom" # or "leaf": smaller, more homogeneous clusters

# [segments]
# auto_size = true               # min_cluster_size and min_samples follow the rows
# stability_cuts = 5             # the fit looks whether thirds of the patients agree on the segments

[lgb_timeseries_params]          # any LightGBM parameter or alias
num_leaves = 31
learning_rate = 0.05

[knn_params]
n_neighbors = 5                  # larger blurs small clusters
max_distance = "auto"            # beyond it the fallback abstains; "none" = always answer

[data]                           # columns of a feature file; all others are features
# id = "stay_id"
# group = "patient_id"           # a patient is never on both sides of a split
# target = "mean_heart_rate"
# [data.resources.length_of_stay]
# column = "los_days"
# unit = "days"

# [resources.length_of_stay]
# transform = "log1p"            # fitted on log(1 + days), reported in days

# [series]                       # patient series instead of features: DATA is then a series file or archive
# preset = "icu"

[tracking]
# uri = "sqlite:///mlflow.db"    # or http(s)://HOST, or "off"; absent = MLFLOW_TRACKING_URI, else mlflow.db here
"#;

/// Writes a commented configuration file.
pub(crate) fn init(file: &Path, preset: Option<&str>, as_json: bool) -> Outcome {
    let text = match preset {
        None => TEMPLATE.to_owned(),
        Some(name) => {
            if !Preset::names().iter().any(|known| known == name) {
                let names = Preset::names().join(", ");
                return Err(Failure::usage(
                    "TSC-CLI-003",
                    format!("preset is {name:?}, must be one of {names}"),
                    "name one of these, or leave --preset out",
                ));
            }
            format!(
                "# Configuration of tsclust on top of the preset {name}; docs/CONFIG.md lists every key.\npreset = {name:?}\n"
            )
        }
    };
    PipelineConfig::from_toml(&text)?;
    let mut open = OpenOptions::new();
    let mut target = open.write(true).create_new(true).open(file).map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::usage(
            "TSC-CLI-004",
            format!("{} exists already, and init never overwrites", file.display()),
            "name another file, or edit this one",
        ),
        _ => Failure::unwritable(file, &e),
    })?;
    target.write_all(text.as_bytes()).map_err(|e| Failure::unwritable(file, &e))?;
    if as_json {
        say(json!({"schema": "tsclust/init/1", "file": file}))?;
    } else {
        note(format!("wrote {}", file.display()));
    }
    Ok(0)
}
