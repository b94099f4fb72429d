//! What waits in the spool is sent by `tsclust tracking replay`, which says whether something is left.
#![cfg(feature = "mlflow")]
#![allow(clippy::unwrap_used, reason = "a test says by panicking that it fails")]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use common::Desk;
use tsc_pipeline::core::{Experiment, Millis, RunStatus, Tracker};
use tsc_pipeline::mlflow::{MlflowConfig, MlflowTracker};

/// Says yes to all that a run without files asks for.
fn serve(stream: &TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    while reader.read_line(&mut request)? > 0 {
        let (mut length, mut line) = (0, String::new());
        while reader.read_line(&mut line)? > 0 && !line.trim().is_empty() {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        reader.read_exact(&mut vec![0; length])?;
        let answer = if request.contains("get-by-name") {
            r#"{"experiment":{"experiment_id":"1","lifecycle_stage":"active"}}"#
        } else if request.contains("runs/create") {
            r#"{"run":{"info":{"run_id":"r","experiment_id":"1"}}}"#
        } else {
            "{}"
        };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", answer.len());
        let mut stream = stream;
        stream.write_all(format!("{head}{answer}").as_bytes())?;
        request.clear();
    }
    Ok(())
}

#[test]
fn a_replay_sends_what_waits_and_its_exit_code_says_whether_something_is_left() {
    let desk = Desk::new();
    // A server that takes connections and does not answer yet.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    let mut config = MlflowConfig {
        uri: Some(uri.clone()),
        spool: Some(desk.path(".tsc/spool")),
        ..MlflowConfig::default()
    };
    config.timeouts.request = Millis(1);
    let tracker = MlflowTracker::open(&config).unwrap();
    let mut run = tracker.start_run(Experiment::Training, "Pipeline").unwrap();
    run.log_metrics(0, &[("rmse", 0.5), ("mae", 0.25)]).unwrap();
    run.finish(RunStatus::Finished).unwrap();
    assert_eq!(tracker.flush(Duration::from_secs(30)).spooled, 4);
    drop(tracker);

    let replay = |arguments: &str| {
        let mut command = desk.command();
        command.args(["tracking", "replay"]).args(arguments.split_whitespace());
        command.env("MLFLOW_TRACKING_URI", &uri).env("MLFLOW_HTTP_REQUEST_TIMEOUT", "1");
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = replay("");
    assert_eq!((code, text.as_str()), (Some(5), "0 sent, 4 left, 0 refused by the store, 0 lost\n"));
    std::thread::Builder::new()
        .spawn(move || {
            for stream in listener.incoming().flatten() {
                // Those of the process before have given up.
                std::thread::Builder::new().spawn(move || drop(serve(&stream))).unwrap();
            }
        })
        .unwrap();
    let (code, text) = replay("--json");
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let expected = serde_json::json!({
        "schema": "tsclust/replay/1", "tracking": true, "sent": 4, "left": 0,
        "rejected": 0, "lost": 0, "last_error": null,
    });
    assert_eq!((code, document), (Some(0), expected));
    let stores = std::fs::read_dir(desk.path(".tsc/spool")).unwrap();
    let left: usize = stores.map(|store| std::fs::read_dir(store.unwrap().path()).unwrap().count()).sum();
    assert_eq!(left, 0, "nothing is left on disk");
    let (code, text) = replay("-c c.toml");
    assert_eq!((code, text.as_str()), (Some(0), "tracking is off, nothing is kept\n"));
}
