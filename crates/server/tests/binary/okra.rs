//! The binary in a data folder of its own: commands that run to their end, and servers.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// How long anything may take on a machine that is busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// The key that servers are started with where a test doesn't look for the printed one.
pub const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef";

/// A data folder, and the environment of every command in it.
pub struct Okra {
    folder: tempfile::TempDir,
    variables: Vec<(String, String)>,
    /// What each command is run by, with its arguments; empty where by nobody.
    wrapper: Vec<String>,
}

/// What a command left behind.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Okra {
    /// An empty data folder.
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            variables: Vec::new(),
            wrapper: Vec::new(),
        }
    }

    /// The same with its commands run by this shell script, whose arguments are the data folder and then
    /// the command to `exec`.
    pub fn run_by(mut self, shell: &[&str], script: &str) -> Self {
        let data = self.data();
        let data = data.to_str().expect("UTF-8");
        let words = shell
            .iter()
            .copied()
            .chain(["sh", "-c", script, "sh", data]);
        self.wrapper = words.map(str::to_owned).collect();
        self
    }

    /// The same with an environment variable.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A file in the data folder, as an argument of a command.
    pub fn file(&self, name: &str) -> String {
        let path = self.data().join(name);
        path.to_str().expect("UTF-8").to_owned()
    }

    /// The database, as the store opens it.
    pub fn database_url(&self) -> String {
        format!("sqlite:{}", self.data().join("okra.db").display())
    }

    /// The master key's file.
    pub fn master_key(&self) -> std::path::PathBuf {
        self.data().join("master.key")
    }

    /// The files, as the store opens them.
    pub fn storage_url(&self) -> String {
        format!("file://{}", self.data().join("files").display())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let words = self.wrapper.iter().map(String::as_str);
        let mut words = words.chain([env!("CARGO_BIN_EXE_okra")]);
        let mut command = Command::new(words.next().expect("the binary at least"));
        command
            .args(words)
            .args(arguments)
            .env_clear()
            .env("OKRA_DATA_DIR", self.data())
            .envs(self.variables.iter().cloned())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs a command to its end.
    pub async fn run(&self, arguments: &[&str]) -> Ran {
        let output = tokio::time::timeout(PATIENCE, self.command(arguments).output()).await;
        let output = output.expect("it ends in time").expect("the binary runs");
        Ran {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).expect("UTF-8"),
            err: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }

    /// Starts a server on a free port and waits until it listens.
    pub async fn serve(&self) -> Server {
        let mut command = self.command(&["serve", "--listen", "127.0.0.1:0"]);
        let mut child = command.spawn().expect("the binary runs");
        let out = Transcript::of(child.stdout.take().expect("it is piped"));
        let err = Transcript::of(child.stderr.take().expect("it is piped"));
        let mut server = Server {
            child,
            out,
            err,
            url: String::new(),
            client: reqwest::Client::builder().build().expect("a client"),
            key: KEY.to_owned(),
        };
        let greeting = tokio::select! {
            text = server.out.wait_for("reference") => text,
            text = server.err.ended() => panic!("the server did not start: {text}"),
        };
        let url = greeting
            .split_whitespace()
            .find(|word| word.starts_with("http://"));
        server.url = url.expect("the greeting names the address").to_owned();
        server
    }

    /// Starts a server whose first organization has [`KEY`].
    pub async fn serve_with_key(&mut self) -> Server {
        let name = "OKRA_BOOTSTRAP_API_KEY";
        self.variables.retain(|(each, _)| each != name);
        self.variables.push((name.to_owned(), KEY.to_owned()));
        self.serve().await
    }
}

/// A running server, killed when dropped.
pub struct Server {
    child: Child,
    /// Its standard output.
    pub out: Transcript,
    /// Its log.
    pub err: Transcript,
    /// Where it listens.
    pub url: String,
    /// For its API.
    pub client: reqwest::Client,
    /// The key that requests carry.
    pub key: String,
}

impl Server {
    /// A request with the key.
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = method.parse().expect("a method");
        let request = self.client.request(method, format!("{}{path}", self.url));
        request.header("x-api-key", &self.key).timeout(PATIENCE)
    }

    /// Sends a request; gives status and JSON.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> (u16, Value) {
        let response = request.send().await.expect("the server answers");
        let status = response.status().as_u16();
        let text = response.text().await.expect("a whole answer");
        (
            status,
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        )
    }

    /// GETs JSON, which must be answered with 200.
    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.send(self.request("GET", path)).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// Makes a chatbot; gives its id.
    pub async fn chatbot(&self, name: &str) -> String {
        let request = self.request("POST", "/api/external/chatbots");
        let (status, body) = self.send(request.json(&json!({"name": name}))).await;
        assert_eq!(status, 200, "{body}");
        let id = body["chatbot"]["id"].as_str();
        id.unwrap_or_else(|| panic!("an id in {body}")).to_owned()
    }

    /// An upload of one file, not yet sent.
    pub fn upload(&self, chatbot: &str, name: &str, bytes: Vec<u8>) -> reqwest::RequestBuilder {
        let part = Part::bytes(bytes).file_name(name.to_owned());
        let path = format!("/api/external/chatbot/{chatbot}/knowledge-base/files");
        let form = Form::new().part("files", part);
        self.request("POST", &path).multipart(form)
    }

    /// The chatbot's items.
    pub async fn items(&self, chatbot: &str) -> Vec<Value> {
        let path = format!("/api/external/chatbot/{chatbot}/knowledge-base?limit=200");
        let body = self.get(&path).await;
        body["data"].as_array().expect("a list").clone()
    }

    /// Asks for the items again and again until `enough` is true of them.
    pub async fn items_when(&self, chatbot: &str, enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let path = format!("/api/external/chatbot/{chatbot}/knowledge-base?limit=200");
        let items = |body: &Value| body["data"].as_array().cloned().expect("a list");
        items(&self.when(&path, |body| enough(&items(body))).await)
    }

    /// GETs JSON again and again until `enough` is true of it.
    pub async fn when(&self, path: &str, enough: impl Fn(&Value) -> bool) -> Value {
        let asking = async {
            // Between two questions the server gets to work.
            let mut pause = tokio::time::interval(Duration::from_millis(3));
            loop {
                let body = self.get(path).await;
                if enough(&body) {
                    return body;
                }
                pause.tick().await;
            }
        };
        let asked = tokio::time::timeout(PATIENCE, asking).await;
        asked.expect("it comes that far in time")
    }

    /// A file as the server sees it, which may see other disks than this test does.
    pub fn file(&self, path: &Path) -> PathBuf {
        let id = self.child.id().expect("it runs");
        let path = path.strip_prefix("/").expect("an absolute path");
        Path::new("/proc")
            .join(id.to_string())
            .join("root")
            .join(path)
    }

    /// Asks it to stop, as a service manager does. What it does then is seen in its log.
    pub async fn terminate(&self) {
        let id = self.child.id().expect("it runs");
        // The shell's own `kill`: tests send no other signal, and need no library for one.
        let kill = Command::new("sh")
            .arg("-c")
            .arg(format!("kill -TERM {id}"))
            .status();
        assert!(kill.await.expect("a shell").success());
    }

    /// Waits until it has ended.
    pub async fn ended(&mut self) -> ExitStatus {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        ended
            .expect("it ends in time")
            .expect("its status is known")
    }

    /// Stops it, and waits until it has ended well.
    pub async fn stop(mut self) -> (String, String) {
        self.terminate().await;
        let status = self.ended().await;
        let (out, err) = (self.out.ended().await, self.err.ended().await);
        assert_eq!(status.code(), Some(0), "{err}");
        (out, err)
    }

    /// Kills it, as the system does when memory runs out.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it runs");
    }
}

/// What a process has written so far.
pub struct Transcript(watch::Receiver<(String, bool)>);

impl Transcript {
    fn of(mut pipe: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let (sender, receiver) = watch::channel((String::new(), false));
        tokio::spawn(async move {
            let mut buffer = vec![0; 4096];
            while let Ok(count @ 1..) = pipe.read(&mut buffer).await {
                let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
                sender.send_modify(|(written, _)| written.push_str(&text));
            }
            sender.send_modify(|(_, ended)| *ended = true);
        });
        Self(receiver)
    }

    /// Waits until `part` was written; gives all that was.
    pub async fn wait_for(&mut self, part: &str) -> String {
        let waiting = self
            .0
            .wait_for(|(text, ended)| *ended || text.contains(part));
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        let text = waited
            .expect("it is written in time")
            .expect("its end is told")
            .0
            .clone();
        if !text.contains(part) {
            // It ended without; whoever waits for that as well tells why.
            std::future::pending::<()>().await;
        }
        text
    }

    /// What was written until now.
    pub fn so_far(&self) -> String {
        self.0.borrow().0.clone()
    }

    /// Waits until the process has closed it; gives all that was written.
    pub async fn ended(&mut self) -> String {
        let waited = tokio::time::timeout(PATIENCE, self.0.wait_for(|(_, ended)| *ended)).await;
        waited
            .expect("it is closed in time")
            .expect("its end is told")
            .0
            .clone()
    }
}

/// A file of the workspace.
pub fn workspace_file(path: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.expect("the crate lies in crates/").join(path)
}
