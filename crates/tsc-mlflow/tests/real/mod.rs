//! A real interpreter and a real server.

use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::Value;

/// The interpreter, or `None` after saying why there is none.
pub(crate) fn python() -> Option<String> {
    if let Ok(python) = std::env::var("TSC_MLFLOW_PYTHON") {
        return Some(python);
    }
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "TSC_MLFLOW_PYTHON is not set");
    println!("skipped: TSC_MLFLOW_PYTHON names no interpreter with mlflow==3.17.2 and lightgbm");
    None
}

/// Runs a script of this folder and returns what it prints.
pub(crate) fn run_python(python: &str, script: &str, arguments: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(script);
    let output = Command::new(python).arg(script).args(arguments).envs(QUIET).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Everything in a store, as the Python client sees it.
pub(crate) fn read_back(python: &str, uri: &str, more: &[&str]) -> Value {
    let text = run_python(python, "read_back.py", &[&[uri], more].concat());
    let json = text.lines().rev().find(|line| line.starts_with('{')).unwrap();
    serde_json::from_str(json).unwrap()
}

const QUIET: [(&str, &str); 3] = [
    ("MLFLOW_DISABLE_TELEMETRY", "true"),
    ("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false"),
    ("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false"),
];

/// `mlflow server` on a free port of this machine, in its own process group.
pub(crate) struct Server {
    pub(crate) uri: String,
    port: u16,
    folder: tempfile::TempDir,
    process: Mutex<Option<Child>>,
}

impl Server {
    pub(crate) fn start(python: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self {
            uri: format!("http://127.0.0.1:{port}"),
            port,
            folder: tempfile::tempdir().unwrap(),
            process: Mutex::new(None),
        };
        server.start_again(python);
        server
    }

    /// Starts the server on the same database and port.
    pub(crate) fn start_again(&self, python: &str) {
        let root = self.folder.path();
        let log = std::fs::File::create(root.join("server.log")).unwrap();
        let bin = PathBuf::from(python).parent().unwrap().to_path_buf();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
        let child = Command::new(python)
            .args(["-m", "mlflow", "server", "--host", "127.0.0.1", "--port", &self.port.to_string()])
            .args([
                "--workers",
                "1",
                "--backend-store-uri",
                &format!("sqlite:///{}/mlflow.db", root.display()),
            ])
            .args(["--artifacts-destination", &root.join("artifacts").display().to_string()])
            .current_dir(root)
            .envs(QUIET)
            .env("PATH", path)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        *self.process.lock().unwrap() = Some(child);
        let deadline = Instant::now() + Duration::from_secs(180);
        while !self.healthy() {
            if Instant::now() > deadline {
                panic!("no server: {}", std::fs::read_to_string(root.join("server.log")).unwrap());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn healthy(&self) -> bool {
        use std::io::{Read, Write};
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        let request =
            format!("GET /health HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n", self.port);
        let mut answer = String::new();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.write_all(request.as_bytes()).is_ok()
            && stream.read_to_string(&mut answer).is_ok()
            && answer.starts_with("HTTP/1.1 200")
    }

    /// Ends the server and its workers, and nothing else.
    pub(crate) fn stop(&self) {
        let Some(mut child) = self.process.lock().unwrap().take() else { return };
        let group = format!("-{}", child.id());
        Command::new("kill").args(["-KILL", "--", &group]).status().unwrap();
        child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}
