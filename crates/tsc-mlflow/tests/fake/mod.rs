//! A small MLflow on a loopback port: it keeps what it is sent, and fails where a test says so.
//!
//! What the real one would store twice is kept twice here: runs, models, versions, datasets, outputs.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};

/// What happens to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The connection ends before anything is done.
    Lost,
    /// All is done, then the connection ends.
    Unanswered,
    /// 503 and nothing done.
    Busy,
    /// All is done, then 503.
    BusyAfterCommit,
    /// The asking process is killed, before or after it is done.
    KillBefore,
    KillAfter,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    experiments: Vec<String>,
    runs: Vec<Run>,
    models: Vec<Model>,
    registered: BTreeSet<String>,
    versions: Vec<Version>,
    aliases: BTreeMap<(String, String), u64>,
    /// Knows no logged models, as MLflow 2.
    pub(crate) old: bool,
    /// Answers 503 to everything until somebody asks for `/ready`.
    pub(crate) away: bool,
    /// The request, counted from 0 while not away, that fails, and how.
    pub(crate) fault: Option<(usize, Fault)>,
    pub(crate) asked: usize,
    /// Whom `Kill` kills.
    pub(crate) client: Option<u32>,
}

#[derive(Debug, Default)]
struct Run {
    id: String,
    experiment: String,
    name: String,
    status: String,
    tags: BTreeMap<String, String>,
    params: BTreeMap<String, String>,
    /// Equal ones are one row, as in MLflow's table.
    metrics: BTreeSet<(String, i64, i64, u64)>,
    files: BTreeMap<String, Vec<u8>>,
    datasets: Vec<String>,
    outputs: Vec<String>,
}

#[derive(Debug, Default)]
struct Model {
    id: String,
    status: String,
    tags: BTreeMap<String, String>,
    files: BTreeMap<String, Vec<u8>>,
}

#[derive(Debug)]
struct Version {
    name: String,
    number: u64,
    source: String,
    stage: String,
    tags: BTreeMap<String, String>,
}

/// A running one; its thread ends with the test process.
#[derive(Debug)]
pub(crate) struct Fake {
    pub(crate) uri: String,
    state: Arc<Mutex<State>>,
}

impl Fake {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::Builder::new()
            .spawn(move || {
                for stream in listener.incoming().flatten() {
                    let state = Arc::clone(&shared);
                    std::thread::Builder::new().spawn(move || serve(stream, &state)).unwrap();
                }
            })
            .unwrap();
        Self { uri, state }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Everything without ids and times, to be compared with another run of the same program.
    pub(crate) fn seen(&self) -> Value {
        let state = self.state();
        let name_of = |id: &str| state.runs.iter().find(|run| run.id == id).map(|run| run.name.clone());
        let without_ids = |tags: &BTreeMap<String, String>| -> Value {
            let moving =
                ["tsc.run_key", "tsc.op_key", "tsc.promoted_at", "tsc.model_uri", "mlflow.parentRunId"];
            tags.iter()
                .filter(|(key, _)| !moving.contains(&key.as_str()))
                .map(|(k, v)| (k.clone(), json!(v)))
                .collect()
        };
        let files = |files: &BTreeMap<String, Vec<u8>>| -> Value {
            let size = |(path, bytes): (&String, &Vec<u8>)| {
                // Ids and times are written into the description of a model.
                let size = if path.ends_with("MLmodel") { 0 } else { bytes.len() };
                (path.clone(), json!(size))
            };
            files.iter().map(size).collect()
        };
        let mut runs: Vec<Value> = state
            .runs
            .iter()
            .map(|run| {
                let points: Vec<Value> = run
                    .metrics
                    .iter()
                    .map(|(key, step, _, bits)| json!([key, step, f64::from_bits(*bits)]))
                    .collect();
                json!({
                    "name": run.name, "experiment": run.experiment, "status": run.status,
                    "parent": run.tags.get("mlflow.parentRunId").and_then(|id| name_of(id)),
                    "tags": without_ids(&run.tags), "params": run.params, "metrics": points,
                    "files": files(&run.files), "datasets": run.datasets, "outputs": run.outputs.len(),
                })
            })
            .collect();
        runs.sort_by_key(|run| run["name"].to_string());
        let models: Vec<Value> = state
            .models
            .iter()
            .map(|model| json!({"status": model.status, "files": files(&model.files)}))
            .collect();
        let versions: Vec<Value> = state
            .versions
            .iter()
            .map(|v| {
                let tags = without_ids(&v.tags);
                json!({"name": v.name, "number": v.number, "source": v.source, "stage": v.stage, "tags": tags})
            })
            .collect();
        let aliases: Vec<Value> = state.aliases.iter().map(|(k, v)| json!([k.0, k.1, v])).collect();
        json!({"experiments": state.experiments, "runs": runs, "models": models, "versions": versions, "aliases": aliases})
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let mut request = String::new();
        if reader.read_line(&mut request).unwrap_or(0) == 0 {
            return;
        }
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let mut words = request.split_whitespace();
        let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let Some((status, text)) = answer(state, method, target, &body) else { return };
        // In one piece: a second small write would wait for the first to be acknowledged.
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{text}", text.len());
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// Status and body; `None` ends the connection without a word.
fn answer(state: &Mutex<State>, method: &str, target: &str, body: &[u8]) -> Option<(u16, String)> {
    let mut state = state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if path == "/ready" {
        state.away = false;
        return Some((200, String::new()));
    }
    if state.away {
        return Some((503, "away".into()));
    }
    let nth = state.asked;
    state.asked += 1;
    let fault = state.fault.filter(|(at, _)| *at == nth).map(|(_, fault)| fault);
    match fault {
        Some(Fault::Lost) => return None,
        Some(Fault::Busy) => return Some((503, "busy".into())),
        Some(Fault::KillBefore) => {
            kill(state.client);
            return None;
        }
        _ => {}
    }
    let (status, value) = state.handle(method, path, query, body);
    match fault {
        Some(Fault::Unanswered) => None,
        Some(Fault::BusyAfterCommit) => Some((503, "busy".into())),
        Some(Fault::KillAfter) => {
            kill(state.client);
            None
        }
        _ => Some((status, value.to_string())),
    }
}

fn kill(process: Option<u32>) {
    let process = process.unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-KILL", &process]).status().unwrap().success());
}

fn missing(what: &str) -> (u16, Value) {
    (404, json!({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": what}))
}

fn pairs(list: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    list.as_array().into_iter().flatten().map(|tag| (text(&tag["key"]), text(&tag["value"]))).collect()
}

/// What stands between the single quotes after `before`.
fn quoted(filter: &str, before: &str) -> Option<String> {
    let rest = filter.split_once(before)?.1;
    rest.strip_prefix(" = '")?.split_once('\'').map(|(value, _)| value.to_owned())
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        match (first, more) {
            (b'%', [a, b, more @ ..]) => {
                let hex = [*a, *b];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
                rest = more;
            }
            (b'+', more) => {
                bytes.push(b' ');
                rest = more;
            }
            (other, more) => {
                bytes.push(*other);
                rest = more;
            }
        }
    }
    String::from_utf8(bytes).unwrap()
}

impl State {
    fn handle(&mut self, method: &str, path: &str, query: &str, body: &[u8]) -> (u16, Value) {
        let queried = |key: &str| {
            let found =
                query.split('&').filter_map(|pair| pair.split_once('=')).find(|(name, _)| *name == key);
            found.map(|(_, value)| decoded(value)).unwrap_or_default()
        };
        if let Some(file) = path.strip_prefix("/api/2.0/mlflow-artifacts/artifacts/") {
            return if method == "DELETE" {
                self.delete_folder(&decoded(file))
            } else {
                self.put(&decoded(file), body)
            };
        }
        let body: Value = if body.is_empty() { Value::Null } else { serde_json::from_slice(body).unwrap() };
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        let route = path.strip_prefix("/api/2.0/mlflow/").unwrap_or(path);
        if self.old && (route.starts_with("logged-models") || route == "runs/outputs") {
            return (404, json!("<!doctype html><title>404 Not Found</title>"));
        }
        match (method, route) {
            ("GET", "/health") => (200, json!({})),
            ("GET", "experiments/get-by-name") => {
                match self.experiments.iter().position(|name| *name == queried("experiment_name")) {
                    Some(id) => (
                        200,
                        json!({"experiment": {"experiment_id": id.to_string(), "lifecycle_stage": "active"}}),
                    ),
                    None => missing("experiment"),
                }
            }
            ("POST", "experiments/create") => {
                if self.experiments.contains(&text("name")) {
                    return (400, json!({"error_code": "RESOURCE_ALREADY_EXISTS", "message": "experiment"}));
                }
                self.experiments.push(text("name"));
                (200, json!({"experiment_id": (self.experiments.len() - 1).to_string()}))
            }
            ("POST", "runs/create") => {
                let run = Run {
                    id: format!("r{}", self.runs.len()),
                    experiment: text("experiment_id"),
                    name: text("run_name"),
                    status: "RUNNING".into(),
                    tags: pairs(&body["tags"]).into_iter().collect(),
                    ..Run::default()
                };
                let answer = json!({"run": {"info": info(&run)}});
                self.runs.push(run);
                (200, answer)
            }
            ("POST", "runs/search") => {
                let filter = body["filter"].as_str().unwrap();
                let key = quoted(filter, "tags.`tsc.run_key`");
                let tagged = filter.strip_prefix("tags.`").and_then(|rest| rest.strip_suffix("` LIKE '%'"));
                let mine = |run: &&Run| match tagged {
                    Some(tag) => run.tags.contains_key(tag),
                    None => run.tags.get("tsc.run_key") == key.as_ref(),
                };
                let tags = |run: &Run| -> Vec<Value> {
                    run.tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect()
                };
                let described = |run: &Run| json!({"info": info(run), "data": {"tags": tags(run)}});
                let found: Vec<Value> = self.runs.iter().filter(mine).map(described).collect();
                (200, json!({"runs": found}))
            }
            ("GET", "runs/get") => {
                let Some(run) = self.runs.iter().find(|run| run.id == queried("run_id")) else {
                    return missing("run");
                };
                let inputs: Vec<Value> =
                    run.datasets.iter().map(|it| json!({"dataset": {"name": it, "digest": "d"}})).collect();
                (200, json!({"run": {"info": info(run), "inputs": {"dataset_inputs": inputs}}}))
            }
            ("POST", "logged-models") => {
                let id = format!("m-{}", self.models.len());
                let uri = format!("mlflow-artifacts:/models/{id}");
                let source = text("source_run_id");
                let tags = pairs(&body["tags"]).into_iter().collect();
                self.models.push(Model {
                    id: id.clone(),
                    status: "PENDING".into(),
                    tags,
                    ..Model::default()
                });
                (
                    200,
                    json!({"model": {"info": {"model_id": id, "artifact_uri": uri, "source_run_id": source}}}),
                )
            }
            ("POST", "logged-models/search") => {
                let key = quoted(body["filter"].as_str().unwrap(), "tags.`tsc.op_key`");
                let mine = |model: &&Model| model.tags.get("tsc.op_key") == key.as_ref();
                let found: Vec<Value> = self.models.iter().filter(mine).map(described).collect();
                (200, json!({"models": found}))
            }
            (_, route) if route.starts_with("logged-models/") => {
                let id = &route["logged-models/".len()..];
                let Some(model) = self.models.iter_mut().find(|model| model.id == id) else {
                    return missing("model");
                };
                if method == "DELETE" {
                    assert!(model.files.is_empty(), "nothing would lead to these files");
                    self.models.retain(|model| model.id != id);
                    return (200, json!({}));
                }
                if method == "PATCH" {
                    model.status = text("status");
                }
                (200, json!({"model": described(model)}))
            }
            ("POST", route) if route.starts_with("runs/") => self.change_run(route, &body),
            _ => self.registry(method, route, &queried, &body),
        }
    }

    fn put(&mut self, path: &str, bytes: &[u8]) -> (u16, Value) {
        let (owner, file) = path.split_once("/artifacts/").or_else(|| path.rsplit_once('/')).unwrap();
        if let Some(rest) = path.strip_prefix("models/") {
            let (id, file) = rest.split_once('/').unwrap();
            let model = self.models.iter_mut().find(|model| model.id == id).unwrap();
            model.files.insert(file.to_owned(), bytes.to_vec());
        } else {
            let run = self.runs.iter_mut().find(|run| run.id == owner).unwrap();
            run.files.insert(file.to_owned(), bytes.to_vec());
        }
        (200, json!({}))
    }

    fn delete_folder(&mut self, path: &str) -> (u16, Value) {
        let id = path.strip_prefix("models/").unwrap();
        match self.models.iter_mut().find(|model| model.id == id) {
            Some(model) => {
                model.files.clear();
                (200, json!({}))
            }
            None => missing("folder"),
        }
    }

    fn change_run(&mut self, route: &str, body: &Value) -> (u16, Value) {
        let Some(run) = self.runs.iter_mut().find(|run| body["run_id"] == run.id.as_str()) else {
            return missing("run");
        };
        match route {
            "runs/log-batch" => {
                for metric in body["metrics"].as_array().into_iter().flatten() {
                    let number = |key: &str| metric[key].as_i64().unwrap();
                    let key = metric["key"].as_str().unwrap().to_owned();
                    let bits = metric["value"].as_f64().unwrap().to_bits();
                    run.metrics.insert((key, number("step"), number("timestamp"), bits));
                }
                run.params.extend(pairs(&body["params"]));
                run.tags.extend(pairs(&body["tags"]));
            }
            "runs/set-tag" => {
                let text = |key: &str| body[key].as_str().unwrap().to_owned();
                run.tags.insert(text("key"), text("value"));
            }
            "runs/update" => run.status = body["status"].as_str().unwrap().to_owned(),
            "runs/log-inputs" => {
                run.datasets.push(body["datasets"][0]["dataset"]["name"].as_str().unwrap().to_owned());
            }
            "runs/outputs" => {
                let id = body["models"][0]["model_id"].as_str().unwrap().to_owned();
                if run.outputs.contains(&id) {
                    return (
                        400,
                        json!({"error_code": "BAD_REQUEST", "message": "UNIQUE constraint failed"}),
                    );
                }
                run.outputs.push(id);
            }
            other => panic!("{other} is not played"),
        }
        (200, json!({}))
    }

    fn registry(
        &mut self,
        method: &str,
        route: &str,
        queried: &dyn Fn(&str) -> String,
        body: &Value,
    ) -> (u16, Value) {
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        let number: u64 = text("version").parse().unwrap_or(0);
        match (method, route) {
            ("POST", "registered-models/create") => {
                if self.registered.insert(text("name")) {
                    (200, json!({}))
                } else {
                    (400, json!({"error_code": "RESOURCE_ALREADY_EXISTS", "message": "model"}))
                }
            }
            ("POST", "model-versions/create") => {
                let mine = self.versions.iter().filter(|v| v.name == text("name"));
                let number = mine.map(|v| v.number).max().unwrap_or(0) + 1;
                let tags = pairs(&body["tags"]).into_iter().collect();
                let (name, source) = (text("name"), text("source"));
                self.versions.push(Version { name, number, source, stage: "None".into(), tags });
                (200, json!({"model_version": version(self.versions.last().unwrap())}))
            }
            ("GET", "model-versions/get") => {
                let found = self
                    .versions
                    .iter()
                    .find(|v| v.name == queried("name") && v.number.to_string() == queried("version"));
                found.map_or_else(|| missing("version"), |v| (200, json!({"model_version": version(v)})))
            }
            ("GET", "model-versions/search") => {
                let name = quoted(&queried("filter"), "name");
                let key = quoted(&queried("filter"), "tags.`tsc.op_key`");
                let source = quoted(&queried("filter"), "source_path");
                let mine = |v: &&Version| {
                    (name.is_none() || Some(&v.name) == name.as_ref())
                        && (key.is_none() || v.tags.get("tsc.op_key") == key.as_ref())
                        && (source.is_none() || Some(&v.source) == source.as_ref())
                };
                let found: Vec<Value> = self.versions.iter().filter(mine).map(version).collect();
                (200, json!({"model_versions": found}))
            }
            ("GET", "registered-models/get") => {
                if !self.registered.contains(&queried("name")) {
                    return missing("model");
                }
                let mine = self.aliases.iter().filter(|((name, _), _)| *name == queried("name"));
                let aliases: Vec<Value> = mine
                    .map(|((_, alias), number)| json!({"alias": alias, "version": number.to_string()}))
                    .collect();
                (200, json!({"registered_model": {"name": queried("name"), "aliases": aliases}}))
            }
            ("DELETE", "model-versions/delete") => {
                let before = self.versions.len();
                self.versions.retain(|v| v.name != text("name") || v.number != number);
                if self.versions.len() == before { missing("version") } else { (200, json!({})) }
            }
            ("GET", "registered-models/alias") => {
                let Some(number) = self.aliases.get(&(queried("name"), queried("alias"))) else {
                    return (400, json!({"error_code": "INVALID_PARAMETER_VALUE", "message": "alias"}));
                };
                let found = self.versions.iter().find(|v| v.name == queried("name") && v.number == *number);
                (200, json!({"model_version": version(found.unwrap())}))
            }
            ("POST", "registered-models/alias") => {
                self.aliases.insert((text("name"), text("alias")), number);
                (200, json!({}))
            }
            ("POST", "model-versions/transition-stage" | "model-versions/set-tag") => {
                let of_name = |v: &&mut Version| v.name == text("name");
                for v in self.versions.iter_mut().filter(of_name) {
                    match (route.ends_with("set-tag"), v.number == number) {
                        (true, true) => drop(v.tags.insert(text("key"), text("value"))),
                        (false, true) => v.stage = text("stage"),
                        (false, false) if v.stage == text("stage") => v.stage = "Archived".into(),
                        _ => {}
                    }
                }
                (200, json!({}))
            }
            other => panic!("{other:?} is not played"),
        }
    }
}

fn info(run: &Run) -> Value {
    let uri = format!("mlflow-artifacts:/{}/artifacts", run.id);
    json!({"run_id": run.id, "experiment_id": run.experiment, "artifact_uri": uri})
}

fn described(model: &Model) -> Value {
    json!({"info": {"model_id": model.id, "artifact_uri": format!("mlflow-artifacts:/models/{}", model.id)}})
}

fn version(v: &Version) -> Value {
    let tags: Vec<Value> = v.tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
    let number = v.number.to_string();
    json!({"name": v.name, "version": number, "source": v.source, "current_stage": v.stage, "tags": tags})
}
