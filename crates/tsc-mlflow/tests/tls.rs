//! https with an authority of the house, a client certificate, a token and a workspace, as the environment says.
//!
//! The environment belongs to a process, so each client is one: this test program, started anew.
#![cfg(all(unix, feature = "tls"))]
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use tsc_mlflow::{Experiment, MlflowConfig, MlflowTracker, RunStatus, Tracker};

fn certificate(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tls").join(name)
}

fn server_settings(asks_for_certificate: bool) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let settings =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let settings = settings.unwrap();
    let settings = if asks_for_certificate {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(certificate("ca.pem")).unwrap()).unwrap();
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        settings.with_client_cert_verifier(verifier)
    } else {
        settings.with_no_client_auth()
    };
    let chain = vec![CertificateDer::from_pem_file(certificate("server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(certificate("server.pem")).unwrap();
    Arc::new(settings.with_single_cert(chain, key).unwrap())
}

/// A server that refuses whoever does not show the token, and remembers the heads of requests.
struct Guarded {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Guarded {
    fn start(asks_for_certificate: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (seen, settings) = (Arc::clone(&heads), server_settings(asks_for_certificate));
        std::thread::Builder::new()
            .spawn(move || {
                for stream in listener.incoming().flatten() {
                    let (seen, settings) = (Arc::clone(&seen), Arc::clone(&settings));
                    std::thread::Builder::new().spawn(move || serve(stream, settings, &seen)).unwrap();
                }
            })
            .unwrap();
        Self { port, heads }
    }

    /// What a client process with these variables says.
    fn client(&self, variables: &[(&str, &str)]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_client", "--nocapture"])
            .current_dir(folder.path())
            .env("TSC_TEST_CLIENT", "1")
            .env("MLFLOW_TRACKING_URI", format!("https://localhost:{}", self.port))
            .env("HOME", folder.path())
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    }
}

fn serve(stream: TcpStream, settings: Arc<ServerConfig>, seen: &Mutex<Vec<String>>) {
    let Ok(connection) = ServerConnection::new(settings) else { return };
    let mut reader = BufReader::new(StreamOwned::new(connection, stream));
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            head += &line;
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let path = head.split_whitespace().nth(1).unwrap_or("");
        let (status, text) = match path.split('?').next().unwrap() {
            _ if !head.contains("Bearer geheim") => (401, "You are not authenticated"),
            p if p.ends_with("get-by-name") => (200, r#"{"experiment":{"experiment_id":"1"}}"#),
            p if p.ends_with("runs/create") => {
                (200, r#"{"run":{"info":{"run_id":"r1","experiment_id":"1"}}}"#)
            }
            _ => (200, "{}"),
        };
        seen.lock().unwrap().push(head);
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{text}", text.len());
        if reader.get_mut().write_all(answer.as_bytes()).and_then(|()| reader.get_mut().flush()).is_err() {
            return;
        }
    }
}

// Started by the tests below.
#[test]
fn a_client() {
    if std::env::var("TSC_TEST_CLIENT").is_err() {
        return;
    }
    let tracker = match MlflowConfig::from_env().and_then(|config| MlflowTracker::open(&config)) {
        Ok(tracker) => tracker,
        Err(error) => return println!("refused: {error}"),
    };
    let mut run = tracker.start_run(Experiment::Training, "Pipeline").unwrap();
    run.log_metrics(0, &[("m", 1.0)]).unwrap();
    run.finish(RunStatus::Finished).unwrap();
    let report = tracker.flush(Duration::from_secs(30));
    println!("sent {} spooled {}: {}", report.sent, report.spooled, report.last_error.unwrap_or_default());
}

const TOKEN: (&str, &str) = ("MLFLOW_TRACKING_TOKEN", "geheim");

#[test]
fn the_authority_of_the_house_the_token_and_the_workspace_are_used() {
    let server = Guarded::start(false);
    let authority = certificate("ca.pem");
    let authority = ("MLFLOW_TRACKING_SERVER_CERT_PATH", authority.to_str().unwrap());
    let said = server.client(&[TOKEN, authority, ("MLFLOW_WORKSPACE", "ward-3")]);
    assert!(said.contains("sent 3 spooled 0"), "{said}");
    let heads = server.heads.lock().unwrap().concat().to_ascii_lowercase();
    assert!(heads.contains("authorization: bearer geheim"), "{heads}");
    assert!(heads.contains("x-mlflow-workspace: ward-3"), "{heads}");
    drop(heads);

    let said = server.client(&[authority]);
    assert!(said.contains("sent 0 spooled 3") && said.contains("401"), "{said}");
}

#[test]
fn a_server_that_nobody_vouches_for_gets_nothing_unless_that_is_asked_for() {
    let server = Guarded::start(false);
    let said = server.client(&[TOKEN]);
    assert!(said.contains("sent 0 spooled 3"), "{said}");
    assert!(said.to_ascii_lowercase().contains("certificate") && !said.contains("geheim"), "{said}");
    assert_eq!(server.heads.lock().unwrap().len(), 0, "the token is not shown to strangers");

    let said = server.client(&[TOKEN, ("MLFLOW_TRACKING_INSECURE_TLS", "true")]);
    assert!(said.contains("sent 3 spooled 0"), "{said}");
    let authority = certificate("ca.pem");
    let authority = ("MLFLOW_TRACKING_SERVER_CERT_PATH", authority.to_str().unwrap());
    let said = server.client(&[TOKEN, authority, ("MLFLOW_TRACKING_INSECURE_TLS", "true")]);
    assert!(said.contains("refused:") && said.contains("are both set"), "{said}");
}

#[test]
fn a_server_that_asks_for_a_certificate_gets_it() {
    let server = Guarded::start(true);
    let (authority, own) = (certificate("ca.pem"), certificate("client.pem"));
    let authority = ("MLFLOW_TRACKING_SERVER_CERT_PATH", authority.to_str().unwrap());
    let said = server.client(&[TOKEN, authority]);
    assert!(said.contains("sent 0 spooled 3"), "{said}");
    let said =
        server.client(&[TOKEN, authority, ("MLFLOW_TRACKING_CLIENT_CERT_PATH", own.to_str().unwrap())]);
    assert!(said.contains("sent 3 spooled 0"), "{said}");
}
