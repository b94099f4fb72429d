//! HTTP: one agent, JSON in and out, errors with what the server said.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tsc_core::Result;
use ureq::Agent;
use ureq::http::Response;

use crate::config::MlflowConfig;
use crate::error::RestError;

use super::Reply;
use super::auth::{Authorization, authorization};
use super::silence::Silence;

/// MLflow's server closes an idle connection after 5 s; one that is about to be closed loses a request.
const IDLE: Duration = Duration::from_secs(3);
/// A file may take longer than a request.
const TRANSFER: Duration = Duration::from_secs(600);
/// A caller waits for the registry; what fails is carried out later.
const HURRIED: Duration = Duration::from_secs(5);
/// What is kept of a body that is not MLflow's JSON.
const KEPT_BODY: usize = 512;

#[derive(Clone)]
pub(super) struct Client {
    agent: Agent,
    base: String,
    authorization: Option<Authorization>,
    workspace: Option<String>,
    silence: Arc<Silence>,
    /// How long a request may take, if not as long as configured.
    limit: Option<Duration>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("base", &self.base).finish_non_exhaustive()
    }
}

type Answer = std::result::Result<Response<ureq::Body>, ureq::Error>;

impl Client {
    pub(super) fn new(address: &str, uri: &str, config: &MlflowConfig) -> Result<Self> {
        let var = |name: &str| std::env::var(name).ok();
        let settings = Agent::config_builder();
        #[cfg(feature = "tls")]
        let settings = settings.tls_config(super::tls::settings(uri, &var)?);
        let agent = settings
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_millis(config.timeouts.connect.0)))
            .timeout_global(Some(Duration::from_millis(config.timeouts.request.0)))
            .max_idle_age(IDLE)
            .user_agent(concat!("tsc-mlflow/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Ok(Self {
            agent,
            base: address.to_owned(),
            authorization: authorization(uri, &var)?,
            workspace: var("MLFLOW_WORKSPACE").filter(|name| !name.is_empty()),
            silence: Arc::default(),
            limit: None,
        })
    }

    /// The same for questions that a caller waits for.
    pub(super) fn hurried(&self, config: &MlflowConfig) -> Self {
        let limit = HURRIED.min(Duration::from_millis(config.timeouts.request.0));
        Self { limit: Some(limit), ..self.clone() }
    }

    /// Whether the server has not answered for longer than a caller should wait.
    pub(super) fn is_silent(&self) -> bool {
        self.silence.is_long()
    }

    /// GET below `/api/2.0/mlflow/`.
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Reply<T> {
        let request = Request { client: self, method: "GET", path: format!("/api/2.0/mlflow/{path}") };
        let builder = self.headed(self.agent.get(request.url()));
        request.json(builder.query_pairs(query.iter().copied()).call())
    }

    /// POST of JSON below `/api/2.0/mlflow/`.
    pub(super) fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Reply<T> {
        let request = Request { client: self, method: "POST", path: format!("/api/2.0/mlflow/{path}") };
        let bytes = request.encoded(body)?;
        let builder = self.headed(self.agent.post(request.url()));
        request.json(builder.content_type("application/json").send(&bytes[..]))
    }

    /// PATCH of JSON below `/api/2.0/mlflow/`.
    pub(super) fn patch(&self, path: &str, body: &impl Serialize) -> Reply<Value> {
        let request = Request { client: self, method: "PATCH", path: format!("/api/2.0/mlflow/{path}") };
        let bytes = request.encoded(body)?;
        let builder = self.headed(self.agent.patch(request.url()));
        request.json(builder.content_type("application/json").send(&bytes[..]))
    }

    /// DELETE below `/api/2.0/mlflow/`, which MLflow wants to have a body.
    pub(super) fn delete(&self, path: &str, body: &impl Serialize) -> Reply<()> {
        let request = Request { client: self, method: "DELETE", path: format!("/api/2.0/mlflow/{path}") };
        let bytes = request.encoded(body)?;
        let builder = self.headed(self.agent.delete(request.url())).force_send_body();
        request.bytes(builder.content_type("application/json").send(&bytes[..])).map(drop)
    }

    /// The artifact proxy: removes a file, or a folder and all that is in it.
    pub(super) fn delete_files(&self, path: &str) -> Reply<()> {
        let request = Request { client: self, method: "DELETE", path: proxied(path) };
        request.bytes(self.headed(self.agent.delete(request.url())).call()).map(drop)
    }

    /// A path outside MLflow's API; the body is not read.
    pub(super) fn get_plain(&self, path: &str) -> Reply<()> {
        let request = Request { client: self, method: "GET", path: path.to_owned() };
        request.bytes(self.headed(self.agent.get(request.url())).call()).map(drop)
    }

    /// The artifact proxy: stores a file.
    pub(super) fn put_file(&self, path: &str, bytes: &[u8]) -> Reply<()> {
        let request = Request { client: self, method: "PUT", path: proxied(path) };
        let builder = self.headed(self.agent.put(request.url()));
        let builder = builder.config().timeout_global(Some(TRANSFER)).build();
        request.bytes(builder.content_type("application/octet-stream").send(bytes)).map(drop)
    }

    /// The artifact proxy: reads a file.
    pub(super) fn get_file(&self, path: &str) -> Reply<Vec<u8>> {
        let request = Request { client: self, method: "GET", path: proxied(path) };
        let builder = self.headed(self.agent.get(request.url()));
        request.bytes(builder.config().timeout_global(Some(TRANSFER)).build().call())
    }

    /// The artifact proxy: lists a folder.
    pub(super) fn list_files<T: DeserializeOwned>(&self, folder: &str) -> Reply<T> {
        let path = "/api/2.0/mlflow-artifacts/artifacts".to_owned();
        let request = Request { client: self, method: "GET", path };
        request.json(self.headed(self.agent.get(request.url())).query("path", folder).call())
    }

    fn headed<B>(&self, mut builder: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        if let Some(Authorization(value)) = &self.authorization {
            builder = builder.header("Authorization", value);
        }
        if let Some(workspace) = &self.workspace {
            builder = builder.header("X-MLFLOW-WORKSPACE", workspace);
        }
        if let Some(limit) = self.limit {
            builder = builder.config().timeout_global(Some(limit)).build();
        }
        self.silence.asked();
        builder
    }
}

/// One request, for its errors.
struct Request<'a> {
    client: &'a Client,
    method: &'static str,
    path: String,
}

impl Request<'_> {
    fn url(&self) -> String {
        format!("{}{}", self.client.base, self.path)
    }

    fn encoded(&self, body: &impl Serialize) -> Reply<Vec<u8>> {
        serde_json::to_vec(body).map_err(|e| self.failed(None, format!("the request cannot be written: {e}")))
    }

    fn failed(&self, status: Option<u16>, message: String) -> RestError {
        RestError::new(status, message, format!("{} {}", self.method, self.url()))
    }

    fn json<T: DeserializeOwned>(&self, answer: Answer) -> Reply<T> {
        let body = self.bytes(answer)?;
        // Some calls answer with nothing at all.
        let body: &[u8] = if body.is_empty() { b"{}" } else { &body };
        serde_json::from_slice(body)
            .map_err(|e| self.failed(Some(200), format!("the answer cannot be read ({e}): {}", head(body))))
    }

    fn bytes(&self, answer: Answer) -> Reply<Vec<u8>> {
        let mut response = answer.map_err(|error| self.failed(None, error.to_string()))?;
        self.client.silence.answered();
        let status = response.status().as_u16();
        let wish = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let body = response.body_mut().with_config().limit(u64::MAX).read_to_vec();
        let body = match body {
            Ok(body) => body,
            Err(error) if status < 300 => return Err(self.failed(None, error.to_string())),
            Err(_) => Vec::new(),
        };
        if (200..300).contains(&status) {
            return Ok(body);
        }
        Err(RestError { retry_after: wish.map(Duration::from_secs), ..self.refused(status, &body) })
    }

    /// MLflow answers in JSON; a proxy in front of it, or an unknown route, in HTML.
    fn refused(&self, status: u16, body: &[u8]) -> RestError {
        #[derive(serde::Deserialize)]
        struct Said {
            error_code: Option<Value>,
            message: Option<String>,
        }
        let mut error = self.failed(Some(status), head(body));
        if let Ok(Said { error_code, message: Some(message) }) = serde_json::from_slice(body) {
            error.message = head(message.as_bytes());
            error.code = error_code.map(|code| code.as_str().map_or_else(|| code.to_string(), Into::into));
        }
        error
    }
}

fn head(body: &[u8]) -> String {
    String::from_utf8_lossy(&body[..body.len().min(KEPT_BODY)]).trim().to_owned()
}

fn proxied(path: &str) -> String {
    let mut text = "/api/2.0/mlflow-artifacts/artifacts".to_owned();
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        text.push('/');
        for byte in segment.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => text.push(byte.into()),
                _ => text.push_str(&format!("%{byte:02X}")),
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifact_paths_are_percent_encoded_by_segment() {
        assert_eq!(proxied("/1/a b/ü%.txt"), "/api/2.0/mlflow-artifacts/artifacts/1/a%20b/%C3%BC%25.txt");
    }
}
