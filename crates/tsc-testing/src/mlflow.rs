//! MLflow itself as the independent reader: its Python package, and a server of its own.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

/// No telemetry, no job runners, no progress bars.
const QUIET: [(&str, &str); 3] = [
    ("MLFLOW_DISABLE_TELEMETRY", "true"),
    ("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false"),
    ("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false"),
];
/// A server under load has been seen to need a minute.
const START_POLLS: u32 = 900;
const POLL: Duration = Duration::from_millis(200);

/// An interpreter that has `mlflow==3.17.2` and `lightgbm`, named by `TSC_MLFLOW_PYTHON`.
#[derive(Clone, Debug)]
pub struct Python(PathBuf);

impl Python {
    /// The interpreter, or `None` after one printed line that says why there is none.
    ///
    /// # Panics
    ///
    /// If there is none and the environment says `CI=true`: a check must not be skipped there.
    #[must_use]
    #[expect(clippy::print_stderr, reason = "a skipped check must be visible in the test output")]
    pub fn with_mlflow() -> Option<Self> {
        if let Some(python) = std::env::var_os("TSC_MLFLOW_PYTHON") {
            return Some(Self(python.into()));
        }
        let required = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!required, "TSC_MLFLOW_PYTHON is not set, and CI=true");
        eprintln!("skipped: TSC_MLFLOW_PYTHON names no interpreter with mlflow==3.17.2 and lightgbm");
        None
    }

    /// The same for a release of MLflow 2, named by `TSC_MLFLOW_2_PYTHON`; nothing requires it.
    #[must_use]
    #[expect(clippy::print_stderr, reason = "a skipped check must be visible in the test output")]
    pub fn with_mlflow_2() -> Option<Self> {
        let python = std::env::var_os("TSC_MLFLOW_2_PYTHON");
        if python.is_none() {
            eprintln!("skipped: TSC_MLFLOW_2_PYTHON names no interpreter with mlflow==2.22.0");
        }
        Some(Self(python?.into()))
    }

    /// Runs a script and returns what it prints.
    #[must_use]
    pub fn run(&self, script: &Path, arguments: &[&str]) -> String {
        let output = Command::new(&self.0).arg(script).args(arguments).envs(QUIET).output();
        let output = output.expect("TSC_MLFLOW_PYTHON names an interpreter");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("the scripts print UTF-8")
    }

    /// Everything in a store, as the Python client sees it; with `model`, also its registered versions.
    ///
    /// The fields are those that `python/read_back.py` writes.
    #[must_use]
    pub fn read_back(&self, uri: &str, model: Option<&str>) -> Value {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/read_back.py");
        let text = self.run(&script, &[&[uri], model.as_slice()].concat());
        let json = text.lines().rev().find(|line| line.starts_with('{')).expect("the script prints JSON");
        serde_json::from_str(json).expect("the script prints JSON")
    }
}

/// `mlflow server` on a free port of this machine, in a process group of its own; stopped when dropped.
#[derive(Debug)]
pub struct MlflowServer {
    /// `http://127.0.0.1:PORT`.
    pub uri: String,
    port: u16,
    folder: tempfile::TempDir,
    database: PathBuf,
    process: Mutex<Option<Child>>,
}

impl MlflowServer {
    /// Starts one on an empty database and waits until it answers.
    #[must_use]
    pub fn start(python: &Python) -> Self {
        let folder = tempfile::tempdir().expect("the system has a temporary folder");
        let database = folder.path().join("mlflow.db");
        Self::in_folder(python, folder, database)
    }

    /// The same on a database that is there.
    #[must_use]
    pub fn start_on(python: &Python, database: &Path) -> Self {
        let folder = tempfile::tempdir().expect("the system has a temporary folder");
        Self::in_folder(python, folder, database.to_path_buf())
    }

    fn in_folder(python: &Python, folder: tempfile::TempDir, database: PathBuf) -> Self {
        let port = free_port();
        let uri = format!("http://127.0.0.1:{port}");
        let server = Self { uri, port, folder, database, process: Mutex::new(None) };
        server.start_again(python);
        server
    }

    /// Starts the stopped server on the same database and port.
    pub fn start_again(&self, python: &Python) {
        let root = self.folder.path();
        let log = File::create(root.join("server.log")).expect("the folder is writable");
        let errors = log.try_clone().expect("a file handle can be cloned");
        // The server starts its workers by name.
        let bin = python.0.parent().unwrap_or(Path::new("")).display().to_string();
        let path = format!("{bin}:{}", std::env::var("PATH").unwrap_or_default());
        let child = Command::new(&python.0)
            .args(["-m", "mlflow", "server", "--host", "127.0.0.1", "--port", &self.port.to_string()])
            .args(["--workers", "1", "--backend-store-uri"])
            .arg(format!("sqlite:///{}", self.database.display()))
            .arg("--artifacts-destination")
            .arg(root.join("artifacts"))
            .current_dir(root)
            .envs(QUIET)
            .env("PATH", path)
            .stdout(log)
            .stderr(errors)
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("TSC_MLFLOW_PYTHON names an interpreter");
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
        for _ in 0..START_POLLS {
            if self.answers() {
                return;
            }
            std::thread::sleep(POLL);
        }
        panic!("no server: {}", std::fs::read_to_string(root.join("server.log")).unwrap_or_default());
    }

    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        let request =
            format!("GET /health HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n", self.port);
        let mut answer = String::new();
        stream.set_read_timeout(Some(Duration::from_secs(5))).is_ok()
            && stream.write_all(request.as_bytes()).is_ok()
            && stream.read_to_string(&mut answer).is_ok()
            && answer.starts_with("HTTP/1.1 200")
    }

    /// Lets the server hang: it takes connections and does nothing.
    pub fn suspend(&self) {
        self.signal("-STOP");
    }

    /// Ends that.
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    /// To the server and its workers, and to nothing else.
    fn signal(&self, signal: &str) {
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let group = process.as_ref().map(|child| format!("-{}", child.id()));
        let group = group.expect("the server was started");
        let sent = Command::new("kill").args([signal, "--", &group]).status();
        assert!(sent.is_ok_and(|status| status.success()), "the server cannot be sent {signal}");
    }

    /// Ends the server and its workers.
    pub fn stop(&self) {
        if self.process.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
            return;
        }
        self.signal("-KILL");
        let child = self.process.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut child) = child else { return };
        child.wait().expect("a child that was killed can be waited for");
    }
}

impl Drop for MlflowServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A port of this machine on which nothing listens.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("this machine has a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}
