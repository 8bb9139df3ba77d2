//! Queues of others, as they are: Debian's NATS server and PyPI's moto, which plays Amazon's SQS. What is not there is
//! fetched into target/, once.
//!
//! Its one invariant: a test that lacks NATS fails and says how to get it, one that lacks moto says so, and none goes on
//! running after a test.

#![allow(dead_code, missing_docs, unreachable_pub, reason = "each test file uses its part")]
#![allow(clippy::print_stderr, reason = "what is skipped is said")]

use serde_json::{Value as Json, json};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long anything here may take: far more than it does, so that only what hangs meets it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// Asks again and again until there is an answer.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Held while something is fetched or installed: apt-get lets one in at a time and turns others away.
pub(crate) fn alone() -> File {
    tools().1
}

/// A folder of target/ for what is fetched; while it is locked nobody else fetches.
fn tools() -> (PathBuf, File) {
    let exe = std::env::current_exe().unwrap();
    // target/PROFILE/deps/this-test
    let folder = exe.ancestors().nth(3).unwrap().join("connector-tools");
    std::fs::create_dir_all(&folder).unwrap();
    let lock = File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    (folder, lock)
}

/// Runs a command; what it said when it failed.
fn tried(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("{command:?}: {}", said.trim()))
}

fn nats_server() -> PathBuf {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&on_path).chain(["/usr/sbin".into()]);
    if let Some(there) = places.map(|place| place.join("nats-server")).find(|program| program.is_file()) {
        return there;
    }
    let (tools, _lock) = tools();
    let program = tools.join("nats/usr/sbin/nats-server");
    if !program.is_file() {
        fetch_nats(&tools).unwrap_or_else(|problem| {
            panic!("nats-server is needed for this test: apt-get install nats-server\n{problem}")
        });
    }
    program
}

/// Debian's package, unpacked without being installed.
fn fetch_nats(tools: &Path) -> Result<(), String> {
    let folder = tempfile::tempdir_in(tools).map_err(|error| error.to_string())?;
    let download =
        || tried(Command::new("apt-get").args(["download", "nats-server"]).current_dir(folder.path()));
    download().or_else(|_| {
        tried(Command::new("apt-get").arg("update"))?;
        download()
    })?;
    let mut files = std::fs::read_dir(folder.path()).map_err(|error| error.to_string())?.flatten();
    let package = files.find(|file| file.path().extension().is_some_and(|end| end == "deb"));
    let package = package.ok_or("apt-get download left no package")?;
    tried(Command::new("dpkg").arg("-x").arg(package.path()).arg(tools.join("nats")))
}

/// A process that ends with the test.
pub(crate) struct Ends(pub(crate) Child);

impl Ends {
    /// As a power cut does it.
    pub(crate) fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A NATS server with JetStream, on a free port.
pub(crate) struct Nats {
    _process: Ends,
    pub(crate) address: String,
    _folder: tempfile::TempDir,
}

impl Nats {
    pub(crate) fn start() -> Nats {
        let folder = tempfile::tempdir().unwrap();
        let process = Command::new(nats_server())
            .args(["--js", "-a", "127.0.0.1", "-p", "-1", "-l"])
            .arg(folder.path().join("log"))
            .arg("-sd")
            .arg(folder.path().join("store"))
            .arg("--ports_file_dir")
            .arg(folder.path())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let process = Ends(process);
        let address = until("the NATS server", || {
            let mut files = std::fs::read_dir(folder.path()).ok()?.flatten();
            let ports = files.find(|file| file.path().extension().is_some_and(|end| end == "ports"))?;
            let ports: Json = serde_json::from_slice(&std::fs::read(ports.path()).ok()?).ok()?;
            Some(ports["nats"][0].as_str()?.strip_prefix("nats://")?.to_owned())
        });
        Nats { _process: process, address, _folder: folder }
    }
}

/// A client of NATS: the protocol is lines of text.
pub(crate) struct Wire {
    out: TcpStream,
    into: BufReader<TcpStream>,
}

impl Wire {
    pub(crate) fn new(nats: &Nats) -> Wire {
        let out = TcpStream::connect(&nats.address).unwrap();
        out.set_read_timeout(Some(PATIENCE)).unwrap();
        let into = BufReader::new(out.try_clone().unwrap());
        let mut wire = Wire { out, into };
        assert!(wire.line().starts_with("INFO "));
        wire.say("CONNECT {\"verbose\":false,\"pedantic\":false}\r\n");
        wire.flush();
        wire
    }

    fn say(&mut self, text: &str) {
        self.out.write_all(text.as_bytes()).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.into.read_line(&mut line).unwrap();
        assert!(!line.starts_with("-ERR"), "{line}");
        line.trim_end().to_owned()
    }

    /// All that was said before has been heard.
    pub(crate) fn flush(&mut self) {
        self.say("PING\r\n");
        while self.line() != "PONG" {}
    }

    pub(crate) fn publish(&mut self, subject: &str, body: &str) {
        self.say(&format!("PUB {subject} {}\r\n{body}\r\n", body.len()));
    }

    pub(crate) fn subscribe(&mut self, subject: &str) {
        self.say(&format!("SUB {subject} 1\r\n"));
        self.flush();
    }

    /// The next message of what was subscribed to.
    pub(crate) fn next(&mut self) -> String {
        self.read().expect("NATS goes on")
    }

    /// None when there will be no more.
    fn read(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.into.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line.starts_with("PING") {
                self.out.write_all(b"PONG\r\n").ok()?;
            }
            let Some(head) = line.trim_end().strip_prefix("MSG ") else { continue };
            let length: usize = head.rsplit(' ').next()?.parse().ok()?;
            let mut body = vec![0; length + 2];
            self.into.read_exact(&mut body).ok()?;
            body.truncate(length);
            return String::from_utf8(body).ok();
        }
    }

    /// All messages of a subject from now on. They are read whether somebody waits for them or not: NATS throws out who
    /// does not read.
    pub(crate) fn listen(nats: &Nats, subject: &str) -> Receiver<String> {
        let mut wire = Wire::new(nats);
        wire.subscribe(subject);
        let (heard, messages) = channel();
        std::thread::spawn(move || while wire.read().is_some_and(|message| heard.send(message).is_ok()) {});
        messages
    }

    /// Asks JetStream.
    pub(crate) fn ask(nats: &Nats, method: &str, request: &Json) -> Json {
        let mut wire = Wire::new(nats);
        wire.subscribe("_INBOX.1");
        let body = request.to_string();
        wire.say(&format!("PUB $JS.API.{method} _INBOX.1 {}\r\n{body}\r\n", body.len()));
        serde_json::from_str(&wire.next()).unwrap()
    }

    pub(crate) fn stream(nats: &Nats, name: &str, subjects: &[&str]) {
        let config = json!({"name": name, "subjects": subjects, "storage": "file", "retention": "limits",
            "max_consumers": -1, "max_msgs": -1, "max_bytes": -1, "num_replicas": 1, "discard": "old"});
        let made = Wire::ask(nats, &format!("STREAM.CREATE.{name}"), &config);
        assert!(made["error"].is_null(), "{made}");
    }
}

/// Amazon's SQS, played by moto; `fifo.py` says what of moto is mended, and why.
pub(crate) struct Sqs {
    _process: Ends,
    pub(crate) url: String,
}

/// Python with moto, at the version that `fifo.py` mends; none where it cannot be had.
fn moto() -> Option<PathBuf> {
    let (tools, _lock) = tools();
    let folder = tools.join("moto");
    let (python, ready) = (folder.join("bin/python"), folder.join("ready"));
    if !ready.is_file() {
        let made =
            tried(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder)).and_then(|()| {
                let pip =
                    ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "3"];
                tried(Command::new(&python).args(pip).args(["moto==5.2.5", "flask", "flask-cors"]))
            });
        if let Err(problem) = made {
            eprintln!("SKIPPED: moto takes Python 3 with venv, and a package index\n{problem}");
            return None;
        }
        std::fs::write(ready, "").unwrap();
    }
    Some(python)
}

impl Sqs {
    /// None where moto cannot be had, which is said.
    pub(crate) fn start() -> Option<Sqs> {
        let server = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/common/fifo.py");
        let mut process = Command::new(moto()?)
            .arg(server)
            .args(["-H", "127.0.0.1", "-p", "0"])
            .env("PYTHONUNBUFFERED", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let process = Ends(process);
        let url = lines.by_ref().find_map(|line| {
            let line = line.unwrap();
            Some(format!("http://{}", line.split("Running on http://").nth(1)?.trim()))
        });
        let url = url.expect("moto says where it listens");
        // It tells every request, which must not fill the pipe.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Some(Sqs { _process: process, url })
    }

    /// One call of the service's JSON protocol.
    pub(crate) fn call(&self, method: &str, body: &Json) -> Json {
        let host = self.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(host).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let body = body.to_string();
        let head = format!(
            "POST / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-type: application/x-amz-json-1.0\r\n\
             x-amz-target: AmazonSQS.{method}\r\nauthorization: AWS4-HMAC-SHA256 \
             Credential=test/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(" 200 "), "{method}: {answer}");
        if body.trim().is_empty() { Json::Null } else { serde_json::from_str(body).unwrap() }
    }

    /// Makes a queue that keeps order; answers its URL.
    pub(crate) fn queue(&self, name: &str) -> String {
        let attributes = json!({"FifoQueue": "true", "ContentBasedDeduplication": "true"});
        let made = self.call("CreateQueue", &json!({"QueueName": name, "Attributes": attributes}));
        made["QueueUrl"].as_str().unwrap().to_owned()
    }

    /// Takes messages out of a queue for good, some at a time.
    pub(crate) fn take(&self, queue: &str) -> Vec<Json> {
        let asked = json!({"QueueUrl": queue, "MaxNumberOfMessages": 10, "MessageAttributeNames": ["All"]});
        let got = self.call("ReceiveMessage", &asked);
        let messages = got["Messages"].as_array().cloned().unwrap_or_default();
        for message in &messages {
            let receipt = &message["ReceiptHandle"];
            self.call("DeleteMessage", &json!({"QueueUrl": queue, "ReceiptHandle": receipt}));
        }
        messages
    }
}
