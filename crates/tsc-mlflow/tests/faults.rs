//! Servers that misbehave, played by a few lines on a loopback port.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]
#![expect(clippy::disallowed_methods, reason = "these tests are about waiting")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tsc_core::Millis;
use tsc_mlflow::{
    Degradation, Experiment, MlflowConfig, MlflowTracker, RestError, Retries, RunStatus, Tracker,
};

const WAIT: Duration = Duration::from_secs(30);

/// Status and body for the n-th request (from 0) to a path.
type Script = fn(path: &str, nth: usize, body: &str) -> (u16, String);

/// Answers by a script and remembers what it was asked.
struct Played {
    uri: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Played {
    fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        std::thread::Builder::new()
            .spawn(move || {
                for stream in listener.incoming().flatten() {
                    let seen = Arc::clone(&seen);
                    std::thread::Builder::new().spawn(move || serve(stream, script, &seen)).unwrap();
                }
            })
            .unwrap();
        Self { uri, asked }
    }

    fn asked(&self, path: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| asked.contains(path)).count()
    }

    fn config(&self, folder: &Path) -> MlflowConfig {
        let spool = Some(folder.join("spool"));
        MlflowConfig { uri: Some(self.uri.clone()), spool, ..MlflowConfig::default() }
    }
}

fn serve(stream: TcpStream, script: Script, seen: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let mut request = String::new();
        if reader.read_line(&mut request).unwrap_or(0) == 0 {
            return;
        }
        let (mut length, mut authorization) = (0, String::new());
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if lower.starts_with("authorization:") {
                authorization = line.trim().to_owned();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let path = request.split_whitespace().nth(1).unwrap().to_owned();
        let nth = {
            let mut seen = seen.lock().unwrap();
            let route = path.split('?').next().unwrap();
            let nth = seen.iter().filter(|asked| asked.starts_with(&format!("{route} "))).count();
            seen.push(format!("{route} {authorization}"));
            nth
        };
        let (status, text) = script(&path, nth, std::str::from_utf8(&body).unwrap());
        let wish = if status == 429 { "Retry-After: 1\r\n" } else { "" };
        let head = format!("HTTP/1.1 {status} X\r\n{wish}Content-Length: {}\r\n\r\n", text.len());
        if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(text.as_bytes())).is_err() {
            return;
        }
    }
}

const RUN: &str = r#"{"run":{"info":{"run_id":"r1","experiment_id":"1","artifact_uri":"mlflow-artifacts:/1/r1/artifacts"}}}"#;

fn well(path: &str, _nth: usize, _body: &str) -> (u16, String) {
    let answer = match path.split('?').next().unwrap() {
        p if p.ends_with("get-by-name") => {
            r#"{"experiment":{"experiment_id":"1","lifecycle_stage":"active"}}"#
        }
        p if p.ends_with("runs/create") => RUN,
        p if p.ends_with("runs/search") => r#"{}"#,
        _ => "{}",
    };
    (200, answer.into())
}

#[test]
fn f12_a_scored_batch_costs_at_most_one_request() {
    let folder = tempfile::tempdir().unwrap();
    let server = Played::start(well);
    let tracker = MlflowTracker::open(&server.config(folder.path())).unwrap();
    assert_eq!(server.asked(""), 0, "opening asks nothing");
    let mut run = tracker.start_run(Experiment::BatchProcessing, "Pipeline").unwrap();
    for batch in 0..20 {
        run.log_metrics(batch, &[("rows", 200.0), ("noise_ratio", 0.1), ("batch_seconds", 0.01)]).unwrap();
    }
    run.finish(RunStatus::Finished).unwrap();
    let report = tracker.flush(WAIT);
    assert_eq!((report.sent, report.is_degraded()), (62, false), "{report:?}");
    // Experiment, run and end: three requests whatever the number of batches.
    let batches = server.asked("log-batch");
    assert!((1..=2).contains(&batches), "{batches} log-batch requests for 20 batches");
    assert!(server.asked("") <= 3 + batches, "{:?}", server.asked.lock().unwrap());
}

#[test]
fn a_run_whose_creation_was_answered_503_after_the_commit_is_found_and_not_made_twice() {
    let folder = tempfile::tempdir().unwrap();
    let server = Played::start(|path, nth, body| match path {
        "/api/2.0/mlflow/runs/create" => (503, "<html>busy</html>".into()),
        "/api/2.0/mlflow/runs/search" => {
            (200, r#"{"runs":[{"info":{"run_id":"r1","experiment_id":"1"}}]}"#.into())
        }
        _ => well(path, nth, body),
    });
    let tracker = MlflowTracker::open(&server.config(folder.path())).unwrap();
    let mut run = tracker.start_run(Experiment::Training, "Pipeline").unwrap();
    run.log_metrics(0, &[("m", 1.0)]).unwrap();
    run.finish(RunStatus::Finished).unwrap();
    let report = tracker.flush(WAIT);
    assert_eq!((report.spooled, report.sent), (3, 0));
    assert!(report.last_error.unwrap().ends_with("answered 503: <html>busy</html>"));
    let report = tracker.replay(WAIT);
    assert_eq!((report.spooled, report.replayed, report.last_error), (0, 3, None));
    assert_eq!((server.asked("runs/create"), server.asked("runs/update")), (1, 1));
}

#[test]
fn a_refusal_of_the_credentials_spools_and_does_not_hammer_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = Played::start(|_, _, _| (401, "You are not authenticated".into()));
    let config = MlflowConfig {
        uri: Some(server.uri.replace("http://", "http://bob:geheim@")),
        ..server.config(folder.path())
    };
    let tracker = MlflowTracker::open(&config).unwrap();
    for _ in 0..20 {
        let mut run = tracker.start_run(Experiment::Training, "Pipeline").unwrap();
        run.log_metrics(0, &[("m", 1.0)]).unwrap();
        run.finish(RunStatus::Finished).unwrap();
        tracker.flush(WAIT);
    }
    let report = tracker.flush(WAIT);
    assert_eq!((report.spooled, report.rejected, report.dropped), (60, 0, 0));
    assert!(server.asked("") <= 3, "{} requests", server.asked(""));
    let asked = server.asked.lock().unwrap().concat();
    assert!(asked.contains("Basic Ym9iOmdlaGVpbQ=="), "the credentials are sent");
    let shown = format!("{report:?} {tracker:?}");
    assert!(shown.contains("401") && !shown.contains("geheim") && !shown.contains("Ym9i"), "{shown}");
    let mut spooled = vec![folder.path().join("spool")];
    while let Some(path) = spooled.pop() {
        if path.is_dir() {
            spooled.extend(std::fs::read_dir(&path).unwrap().flatten().map(|entry| entry.path()));
        } else {
            assert!(!std::fs::read_to_string(&path).unwrap().contains("geheim"), "{}", path.display());
        }
    }
}

#[test]
fn a_registry_error_carries_what_the_server_said() {
    use std::error::Error as _;
    use tsc_mlflow::{DeploymentStage, ModelRegistry};
    let folder = tempfile::tempdir().unwrap();
    let server = Played::start(|_, _, _| (500, format!("<html>{}</html>", "x".repeat(2_000))));
    let retries = Retries { max: 0, ..Retries::default() };
    let tracker = MlflowTracker::open(&MlflowConfig { retries, ..server.config(folder.path()) }).unwrap();
    let error = tracker.latest("A", DeploymentStage::Staging).unwrap_err();
    let rest = error.source().and_then(|source| source.downcast_ref::<RestError>()).unwrap();
    assert_eq!((rest.status, rest.code.as_deref(), rest.message.len()), (Some(500), None, 512));
    assert!(error.is_transient());
}

/// How often the registry was asked for a version while the server answers `status` twice, and how long it took.
#[track_caller]
fn asked(script: Script, change: impl FnOnce(&mut MlflowConfig)) -> (usize, bool, Duration) {
    use tsc_mlflow::{DeploymentStage, ModelRegistry};
    let folder = tempfile::tempdir().unwrap();
    let server = Played::start(script);
    let mut config = server.config(folder.path());
    config.retries = Retries { factor: Millis(0), jitter: Millis(0), ..Retries::default() };
    change(&mut config);
    let tracker = MlflowTracker::open(&config).unwrap();
    let started = Instant::now();
    let answered = tracker.latest("A", DeploymentStage::Staging).is_ok();
    (server.asked("registered-models/alias"), answered, started.elapsed())
}

const VERSION: &str = r#"{"model_version":{"name":"A","version":"1","source":"models:/m-1"}}"#;

#[test]
fn a_busy_server_is_asked_again_when_it_wishes_and_only_so_often() {
    let busy_twice: Script = |_, nth, _| if nth < 2 { (429, "later".into()) } else { (200, VERSION.into()) };
    let (times, answered, took) = asked(busy_twice, |_| ());
    // Two pauses of the second that `Retry-After` asks for.
    assert!((times, answered) == (3, true) && took >= Duration::from_secs(2), "{times} {answered} {took:?}");
    let (times, answered, took) = asked(busy_twice, |config| config.retries.respect_retry_after = false);
    assert!((times, answered) == (3, true) && took < Duration::from_secs(2), "{times} {answered} {took:?}");
    let (times, answered, _) = asked(busy_twice, |config| {
        (config.retries.max, config.retries.respect_retry_after) = (1, false);
    });
    assert_eq!((times, answered), (2, false));
    // A pause that would not end in time is not begun.
    let (times, answered, _) = asked(busy_twice, |config| config.timeouts.finish = Millis(500));
    assert_eq!((times, answered), (1, false));
    // What would be refused again is not asked again.
    assert_eq!(asked(|_, _, _| (400, "no".into()), |_| ()).0, 1);
}

#[test]
fn a_registration_is_not_sent_again_blindly() {
    use tsc_mlflow::{ModelRegistry, ModelUri, VersionInfo};
    let folder = tempfile::tempdir().unwrap();
    let server = Played::start(|path, nth, body| match path {
        p if p.ends_with("model-versions/create") => (503, "busy".into()),
        p if p.contains("logged-models/m-1") => (200, r#"{"model":{"info":{"model_id":"m-1"}}}"#.into()),
        _ => well(path, nth, body),
    });
    let tracker = MlflowTracker::open(&server.config(folder.path())).unwrap();
    let error = tracker.register("A", &ModelUri("models:/m-1".into()), &VersionInfo::default()).unwrap_err();
    assert!(error.is_transient(), "{error}");
    // Created once, then looked for: a server may answer 503 after it has committed.
    assert_eq!((server.asked("model-versions/create"), server.asked("model-versions/search")), (1, 1));
}

#[test]
fn a_server_that_takes_no_stages_still_gets_the_alias() {
    use tsc_mlflow::{DeploymentStage, ModelRegistry, ModelUri, ModelVersion};
    let folder = tempfile::tempdir().unwrap();
    let server = Played::start(|path, nth, body| match path {
        p if p.contains("model-versions/get") => (200, VERSION.into()),
        // Nobody holds it before it is set.
        p if p.contains("registered-models/alias?") && nth < 2 => {
            (400, r#"{"error_code":"INVALID_PARAMETER_VALUE","message":"no alias"}"#.into())
        }
        p if p.contains("registered-models/alias?") => (200, VERSION.into()),
        p if p.ends_with("transition-stage") => (404, "<html>no such page</html>".into()),
        _ => well(path, nth, body),
    });
    let tracker = MlflowTracker::open(&server.config(folder.path())).unwrap();
    let version = ModelVersion { name: "A".into(), version: 1, source: ModelUri("models:/m-1".into()) };
    tracker.promote(&version, DeploymentStage::Production).unwrap();
    assert_eq!((server.asked("transition-stage"), server.asked("set-tag")), (1, 2));
}

#[test]
fn a_run_that_is_refused_as_a_whole_is_given_up_after_few_requests() {
    let folder = tempfile::tempdir().unwrap();
    let server = Played::start(|path, nth, body| match path {
        // As MLflow answers for a run that somebody has deleted.
        p if p.ends_with("log-batch") => (
            400,
            r#"{"error_code":"INVALID_PARAMETER_VALUE","message":"must be in the 'active' state"}"#.into(),
        ),
        _ => well(path, nth, body),
    });
    let tracker = MlflowTracker::open(&server.config(folder.path())).unwrap();
    let mut run = tracker.start_run(Experiment::Training, "Pipeline").unwrap();
    for step in 0..1_000 {
        run.log_metrics(step, &[("rmse", 0.5)]).unwrap();
    }
    run.finish(RunStatus::Finished).unwrap();
    let report = tracker.flush(WAIT);
    assert_eq!((report.rejected, report.spooled, report.queued), (1_000, 0, 0), "{report:?}");
    assert!(report.last_error.is_some_and(|reason| reason.contains("active")));
    let batches = server.asked("log-batch");
    assert!(batches < 200, "{batches} requests for 1,000 values");
}

#[test]
fn where_there_is_no_health_page_a_search_for_one_experiment_says_that_the_server_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let server = Played::start(|path, nth, body| match path {
        p if p.ends_with("runs/create") && nth == 0 => (503, "busy".into()),
        "/health" => (404, "<html>no such page</html>".into()),
        _ => well(path, nth, body),
    });
    let mut config = server.config(folder.path());
    config.retries = Retries { factor: Millis(0), jitter: Millis(0), ..Retries::default() };
    let tracker = MlflowTracker::open(&config).unwrap();
    tracker.start_run(Experiment::Training, "Pipeline").unwrap().finish(RunStatus::Finished).unwrap();
    let started = Instant::now();
    while tracker.flush(WAIT).replayed < 2 && started.elapsed() < WAIT {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(tracker.flush(WAIT).replayed, 2);
    assert_eq!((server.asked("/health"), server.asked("experiments/search")), (1, 1));
}

#[test]
fn the_writer_waits_as_long_as_the_server_asks() {
    let folder = tempfile::tempdir().unwrap();
    let server = Played::start(|path, nth, body| match path {
        p if p.ends_with("runs/create") && nth == 0 => (429, "later".into()),
        _ => well(path, nth, body),
    });
    let mut config = server.config(folder.path());
    config.retries = Retries { factor: Millis(0), jitter: Millis(0), ..Retries::default() };
    config.timeouts.interval = Millis(1);
    let tracker = MlflowTracker::open(&config).unwrap();
    let started = Instant::now();
    let run = tracker.start_run(Experiment::Training, "Pipeline").unwrap();
    run.finish(RunStatus::Finished).unwrap();
    while tracker.flush(WAIT).replayed < 2 && started.elapsed() < WAIT {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(started.elapsed() >= Duration::from_secs(1), "{:?}", started.elapsed());
    let report = tracker.flush(WAIT);
    assert_eq!((report.spooled, report.replayed, report.last_error), (0, 2, None));
    assert_eq!(server.asked("runs/create"), 2);
}

#[test]
fn a_server_that_hangs_does_not_hold_up_the_caller() {
    let folder = tempfile::tempdir().unwrap();
    // Accepts connections and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = MlflowConfig {
        uri: Some(format!("http://{}", listener.local_addr().unwrap())),
        spool: Some(folder.path().join("spool")),
        ..MlflowConfig::default()
    };
    config.timeouts.finish = tsc_core::Millis(200);
    let started = Instant::now();
    let tracker = MlflowTracker::open(&config).unwrap();
    for _ in 0..7 {
        let mut run = tracker.start_run(Experiment::Training, "Pipeline").unwrap();
        run.log_metrics(0, &[("m", 1.0)]).unwrap();
        run.finish(RunStatus::Finished).unwrap();
    }
    let report = tracker.flush(Duration::from_millis(100));
    assert_eq!(report.dropped, 0);
    assert_eq!(report.queued + report.spooled, 21);
    drop(tracker);
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[test]
fn strict_mode_names_the_server_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = MlflowConfig {
        uri: Some(format!("http://127.0.0.1:{port}")),
        spool: Some(folder.path().join("spool")),
        degradation: Degradation::Strict,
        ..MlflowConfig::default()
    };
    let tracker = MlflowTracker::open(&config).unwrap();
    let mut run = tracker.start_run(Experiment::Training, "Pipeline").unwrap();
    run.log_metrics(0, &[("m", 1.0)]).unwrap();
    let error = run.finish(RunStatus::Finished).unwrap_err();
    assert!(error.to_string().contains(&port.to_string()), "{error}");
}

#[test]
fn a_spool_that_cannot_be_written_keeps_runs_in_memory_until_the_server_answers() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("spool"), "a file where a folder should be").unwrap();
    let server = Played::start(|path, nth, body| {
        if path.ends_with("runs/create") && nth == 0 { (503, String::new()) } else { well(path, nth, body) }
    });
    let tracker = MlflowTracker::open(&server.config(folder.path())).unwrap();
    let mut run = tracker.start_run(Experiment::Training, "Pipeline").unwrap();
    run.log_metrics(0, &[("m", 1.0)]).unwrap();
    run.finish(RunStatus::Finished).unwrap();
    let report = tracker.flush(WAIT);
    assert_eq!((report.queued, report.sent, report.dropped), (3, 0, 0), "{report:?}");
    let report = tracker.replay(WAIT);
    assert_eq!((report.queued, report.sent, report.dropped), (0, 3, 0), "{report:?}");
}

/// Answers that no MLflow gives.
const NONSENSE: [&str; 12] = [
    "",
    "{",
    "null",
    "[]",
    "{}",
    "<html>sign in</html>",
    "{\"run\":null}",
    "{\"run\":{\"info\":{\"run_id\":7,\"experiment_id\":[]}}}",
    "{\"experiment\":{\"experiment_id\":{}}}",
    "{\"experiment\":{\"experiment_id\":\"1\",\"lifecycle_stage\":3}}",
    "{\"run\":{\"info\":{\"run_id\":\"r\",\"experiment_id\":\"1\",\"artifact_uri\":null}}}",
    "\u{0}\u{1F980}",
];

fn confused(path: &str, nth: usize, body: &str) -> (u16, String) {
    // Each path comes to its senses after it has said all of it.
    match NONSENSE.get(nth) {
        Some(text) => (200, (*text).to_owned()),
        None => well(path, nth, body),
    }
}

#[test]
fn answers_that_make_no_sense_are_asked_again_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let server = Played::start(confused);
    let tracker = MlflowTracker::open(&server.config(folder.path())).unwrap();
    let mut run = tracker.start_run(Experiment::Training, "Pipeline").unwrap();
    run.log_metrics(0, &[("m", 1.0)]).unwrap();
    run.finish(RunStatus::Finished).unwrap();
    let mut report = tracker.flush(WAIT);
    for _ in 0..100 {
        assert_eq!((report.rejected, report.dropped), (0, 0), "{report:?}");
        if report.queued + report.spooled == 0 {
            break;
        }
        report = tracker.replay(WAIT);
    }
    assert_eq!((report.sent + report.replayed, report.queued + report.spooled), (3, 0), "{report:?}");
}

#[test]
fn a_body_that_ends_too_early_is_a_fault_and_not_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    std::thread::Builder::new()
        .spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut some = [0; 4_096];
                let read = stream.read(&mut some).unwrap_or(0);
                if read > 0 {
                    drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"experiment\":"));
                }
            }
        })
        .unwrap();
    let spool = Some(folder.path().join("spool"));
    let tracker =
        MlflowTracker::open(&MlflowConfig { uri: Some(uri), spool, ..MlflowConfig::default() }).unwrap();
    tracker.start_run(Experiment::Training, "Pipeline").unwrap().finish(RunStatus::Finished).unwrap();
    let report = tracker.flush(WAIT);
    assert_eq!((report.spooled, report.rejected, report.dropped), (2, 0, 0), "{report:?}");
}

// Started by the test below as a process of its own, which may write only little to a file.
#[test]
fn a_process_on_a_full_disk() {
    let (Ok(uri), Ok(folder)) = (std::env::var("TSC_TEST_URI"), std::env::var("TSC_TEST_FOLDER")) else {
        return;
    };
    let spool = Some(Path::new(&folder).join("spool"));
    let tracker =
        MlflowTracker::open(&MlflowConfig { uri: Some(uri), spool, ..MlflowConfig::default() }).unwrap();
    let mut run = tracker.start_run(Experiment::Training, "Pipeline").unwrap();
    assert_eq!(tracker.flush(WAIT).spooled, 1);
    for step in 0..5_000 {
        run.log_metrics(step, &[("m", 0.5)]).unwrap();
        if step % 500 == 499 {
            tracker.flush(WAIT);
        }
    }
    let report = tracker.flush(WAIT);
    println!("spooled {} dropped {} queued {}", report.spooled, report.dropped, report.queued);
    println!("said {}", report.last_error.unwrap());
    std::process::exit(7);
}

#[cfg(unix)]
#[test]
fn a_full_disk_costs_what_does_not_fit_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let server = Played::start(|path, nth, body| match path.split('?').next().unwrap() {
        // Away while the first process lives.
        p if p.ends_with("get-by-name") && nth == 0 => (503, String::new()),
        _ => well(path, nth, body),
    });
    // 128 kB a file; without the signal that usually goes with it.
    let output = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 256; exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "a_process_on_a_full_disk", "--nocapture"])
        .envs([("TSC_TEST_URI", server.uri.as_str()), ("TSC_TEST_FOLDER", folder.path().to_str().unwrap())])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(7), "{said}");
    let number = |what: &str| -> u64 {
        let rest = said.split_once(what).unwrap_or_else(|| panic!("{said}")).1;
        rest.split_whitespace().next().unwrap().parse().unwrap()
    };
    let (spooled, dropped) = (number("spooled "), number("dropped "));
    assert_eq!((spooled + dropped, number("queued ")), (5_001, 0), "{said}");
    assert!(spooled > 500 && dropped > 500 && said.contains("writing"), "{said}");

    let tracker = MlflowTracker::open(&server.config(folder.path())).unwrap();
    let report = tracker.replay(WAIT);
    // With the end of a run whose process died.
    assert_eq!((report.replayed, report.spooled, report.dropped), (spooled + 1, 0, 0), "{report:?}");
}
