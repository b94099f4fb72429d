//! One measurement of a published Rust client of MLflow, printed as one line of JSON.
#![forbid(unsafe_code)]

#[path = "../../src/arguments.rs"]
#[allow(dead_code, reason = "shared with the programs of the workspace")]
mod arguments;
#[path = "../../src/meter.rs"]
#[allow(dead_code, reason = "shared with the programs of the workspace")]
mod meter;

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};

use arguments::Arguments;
use meter::{Report, Spent, measure};

/// Time of the first step, the same as in the other programs.
const NOW: i64 = 1_800_000_000_000;
/// What log-batch takes at once.
const BATCH: usize = 1_000;

fn main() -> Result<()> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    let (spent, sent) = match (arguments.text("task")?, arguments.text("peer")?) {
        ("rest", "trs-mlflow") => trs_mlflow(&arguments)?,
        ("rest", "mlflow-client") => mlflow_client(&arguments)?,
        (task, peer) => bail!("{peer} has no task {task}"),
    };
    println!("{}", Report::new(spent).with("check", sent as f64));
    Ok(())
}

/// Key, value, time and step of each metric, in the order in which ours logs them.
fn points(arguments: &Arguments) -> Result<Vec<(String, f64, i64, u32)>> {
    let (keys, metrics) = (arguments.number("keys")?, arguments.number("metrics")?);
    let steps = u32::try_from(metrics / keys)?;
    let step = |step: u32| {
        (0..keys).map(move |key| (format!("cluster_{key}/share"), 0.1, NOW + i64::from(step), step))
    };
    Ok((0..steps).flat_map(step).collect())
}

fn experiment(peer: &str) -> Result<String> {
    Ok(format!("{peer} {}", SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos()))
}

fn trs_mlflow(arguments: &Arguments) -> Result<(Spent, usize)> {
    use trs_mlflow::Client;
    use trs_mlflow::run::{CreateRun, Metric, RunData};

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = Client::new(format!("{}/api", arguments.text("uri")?));
    let run = runtime.block_on(async {
        let id = client.create_experiment(&experiment("trs-mlflow")?, Vec::new()).await?;
        let run = client.create_run(CreateRun::new().experiment_id(id).run_name("rest").build()).await?;
        anyhow::Ok(run.info.run_id)
    })?;
    let metric = |(key, value, timestamp, step)| Metric { key, value, timestamp, step: u64::from(step) };
    let metrics: Vec<Metric> = points(arguments)?.into_iter().map(metric).collect();
    // It takes them by value, so the copies are made before.
    let blocks: Vec<RunData> = metrics
        .chunks(BATCH)
        .map(|block| RunData { metrics: block.to_vec(), params: Vec::new(), tags: Vec::new() })
        .collect();
    let (done, spent) = measure(|| {
        runtime.block_on(async {
            for block in blocks {
                client.add_run_meta(&run, block).await?;
            }
            anyhow::Ok(())
        })
    });
    done?;
    Ok((spent, metrics.len()))
}

fn mlflow_client(arguments: &Arguments) -> Result<(Spent, usize)> {
    use mlflow_client::client::MlflowClient;
    use mlflow_client::data::{CreateExperimentOptions, CreateRunOptions, Metric, Timestamp};

    let client = MlflowClient::new(arguments.text("uri")?)?;
    let id = client
        .create_experiment(&experiment("mlflow-client")?, CreateExperimentOptions::default())?
        .experiment_id;
    let started = CreateRunOptions { start_time: Some(Timestamp(NOW)), tags: &[] };
    let run = client.create_run(&id, "rest", started)?.run.info.run_id;
    let metric =
        |(key, value, at, step)| Metric { key, value, timestamp: Timestamp(at), step: Some(i64::from(step)) };
    let metrics: Vec<Metric> = points(arguments)?.into_iter().map(metric).collect();
    let (done, spent) = measure(|| {
        metrics.chunks(BATCH).try_for_each(|block| client.log_batch(&run, block, &[], &[]).map(drop))
    });
    done?;
    Ok((spent, metrics.len()))
}
