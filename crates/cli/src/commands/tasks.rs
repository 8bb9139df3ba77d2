//! `tasks`: work that instances have asked of the outside world; and a worker in the shell.

use crate::arguments::Shared;
use crate::failure::{Exit, Failure, plain};
use crate::output::Output;
use crate::{document, meant, render};
use clap::{Args, Subcommand, ValueEnum};
use everstate_client::api::task::State;
use everstate_client::{Task, TaskError, Worker, api};
use serde_json::Value as Json;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

/// List open tasks, or work on them
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Tasks {
    #[command(subcommand)]
    action: Option<Action>,
    /// Only those of this queue
    #[arg(long, value_name = "QUEUE")]
    queue: Option<String>,
    /// Only those of this instance, KIND/ID; with their inputs
    #[arg(long, value_name = "ADDRESS")]
    of: Option<String>,
    /// Only those in this state
    #[arg(long, value_name = "STATE")]
    state: Option<Standing>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Standing {
    /// A worker could take it
    Ready,
    /// A worker has it
    Leased,
    /// An attempt has failed, and the next one is to come
    Waiting,
}

#[derive(Debug, Subcommand)]
enum Action {
    Work(Work),
}

/// Run a command for each task of a queue
///
/// The command gets the input as JSON on stdin; what it prints is the result: JSON, or else text. An exit status other
/// than 0 is a failure that is tried again, with the last line of stderr as its message; 65 is a failure for good. In
/// its environment are EVERSTATE_TASK_KEY (the same in every attempt), _ADDRESS, _NAME, _QUEUE and _ATTEMPT.
#[derive(Debug, Args)]
struct Work {
    /// Queues to take tasks from
    #[arg(value_name = "QUEUE", required = true)]
    queues: Vec<String>,
    /// The command, for the shell
    #[arg(long, value_name = "COMMAND")]
    exec: String,
    /// How many tasks to work on at a time
    #[arg(long, value_name = "N", default_value_t = 1)]
    concurrency: usize,
    /// Stop after so many tasks
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// What people see the worker as; a process id and some letters when not given
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// The server's own bound of a page.
const PAGE: u64 = 1_000;

/// The exit status of a command whose task no attempt can do: the input is at fault, as sysexits.h says.
const BAD_INPUT: i32 = 65;

/// Bytes that a command may print as its result.
const RESULT_BYTES_MAX: u64 = 1 << 20;

impl Tasks {
    pub(crate) async fn run(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        match self.action {
            Some(Action::Work(work)) => work.run(shared, output).await,
            None => self.list(shared, output).await,
        }
    }

    async fn list(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        let client = meant::prompt_client(shared)?;
        let address = self.of.as_deref().map(meant::address).transpose()?.unwrap_or_default();
        let state = match self.state {
            None => State::STATE_UNSPECIFIED,
            Some(Standing::Ready) => State::STATE_READY,
            Some(Standing::Leased) => State::STATE_LEASED,
            Some(Standing::Waiting) => State::STATE_WAITING,
        };
        let (mut tasks, mut token) = (Vec::new(), String::new());
        while (tasks.len() as u64) < self.limit {
            let request = api::ListTasksRequest {
                queue: self.queue.clone().unwrap_or_default(),
                address: address.to_owned(),
                state: state.into(),
                page_size: (self.limit - tasks.len() as u64).min(PAGE) as u32,
                page_token: token,
                ..Default::default()
            };
            let page = client.tasks(request).await?;
            tasks.extend(page.tasks);
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        if output.json() {
            for task in &tasks {
                output.line(&document::task(task))?;
            }
        } else if tasks.is_empty() {
            output.talk("there are none")?;
        } else {
            output.data(&render::tasks(&tasks, crate::output::now(), output.paint()))?;
        }
        if !token.is_empty() {
            output.talk("there are more; --limit N shows them")?;
        }
        Ok(Exit::Fine)
    }
}

impl Work {
    async fn run(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        let client = meant::client(shared, meant::LONG_PATIENCE)?;
        let mut worker = Worker::new(client).concurrency(self.concurrency);
        if let Some(name) = self.name {
            worker = worker.name(name);
        }
        if let Some(count) = self.count {
            worker = worker.count(count);
        }
        output.talk(&format!("working on {}; Ctrl-C stops", self.queues.join(", ")))?;
        output.flush()?;
        let quiet = output.manner().quiet;
        for queue in &self.queues {
            let command = self.exec.clone();
            worker = worker.queue(queue, move |task: Task<Json>| {
                let command = command.clone();
                async move {
                    let what = format!("{} of {}, attempt {}", task.name, task.address, task.attempt);
                    let result = execute(&command, &task).await;
                    match &result {
                        _ if quiet => {}
                        Ok(_) => talk(&format!("{what}: done")),
                        Err(error) => talk(&format!("{what}: {}", error.message)),
                    }
                    result
                }
            });
        }
        let stop = async {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        worker.run_until(stop).await?;
        Ok(Exit::Fine)
    }
}

/// Says something while a worker has the output.
fn talk(line: &str) {
    // Nobody may listen any more; that is no reason to stop working.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Ends the command when its task is not wanted any more.
struct Running(Option<Child>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Runs the command for one task.
async fn execute(command: &str, task: &Task<Json>) -> Result<Json, TaskError> {
    let failed = |error: std::io::Error| {
        TaskError::again("exec", format!("cannot run the command: {}", plain(&error)))
    };
    let mut child = shell(command)
        .env("EVERSTATE_TASK_KEY", &task.key)
        .env("EVERSTATE_TASK_ADDRESS", &task.address)
        .env("EVERSTATE_TASK_NAME", &task.name)
        .env("EVERSTATE_TASK_QUEUE", &task.queue)
        .env("EVERSTATE_TASK_ATTEMPT", task.attempt.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let (mut stdin, input) = (child.stdin.take(), task.input.to_string());
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let mut running = Running(Some(child));
    // A command need not read its input.
    let write =
        tokio::task::spawn_blocking(move || stdin.take().map(|mut to| to.write_all(input.as_bytes())));
    let errors = tokio::task::spawn_blocking(move || read(stderr));
    let printed = tokio::task::spawn_blocking(move || read(stdout)).await.unwrap_or_default();
    let errors = errors.await.unwrap_or_default();
    let _ = write.await;
    let status = match running.0.as_mut().map(Child::wait) {
        Some(status) => status.map_err(failed)?,
        None => return Err(TaskError::again("exec", "the command is gone")),
    };
    running.0 = None;
    if status.success() {
        let text = printed.trim();
        return Ok(match text {
            "" => Json::Null,
            text => serde_json::from_str(text).unwrap_or_else(|_| Json::String(text.to_owned())),
        });
    }
    let last = errors.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default().to_owned();
    let message = if last.is_empty() { format!("the command ended with {status}") } else { last };
    match status.code() {
        Some(BAD_INPUT) => Err(TaskError::permanent("exit-65", message)),
        Some(code) => Err(TaskError::again(&format!("exit-{code}"), message)),
        None => Err(TaskError::again("killed", message)),
    }
}

fn read(from: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut from) = from {
        let _ = from.by_ref().take(RESULT_BYTES_MAX).read_to_end(&mut bytes);
        // What is more is read and dropped, so that the command can end.
        let _ = std::io::copy(&mut from, &mut std::io::sink());
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(unix)]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]);
    shell
}

#[cfg(not(unix))]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("cmd");
    shell.args(["/C", command]);
    shell
}
