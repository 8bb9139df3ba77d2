//! `serve`: a server, until it is told to stop.
//!
//! It refuses to know the settings: they are the server's own table, and become flags here one by one.

use crate::arguments::Shared;
use crate::failure::{Exit, Failure, plain};
use crate::output::Output;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use everstate_kernel::{Address, Definition, Event, EventId, Handled, Json, Next, Sender, Time, Turn};
use everstate_server::{Config, ConfigError, Given, Put, SETTINGS, ServeError, Server, Setting};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Run a server on an embedded store
///
/// Puts the definitions it is given: the same ones again are fine, a changed one needs another version. Listens on
/// loopback unless told otherwise. A setting comes from its flag, else from the environment (EVERSTATE_ and its
/// name), else from the file of --config, else from its default. SIGTERM and Ctrl-C stop it in good order, a
/// second one at once; neither loses what was acknowledged.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  everstate serve examples
  everstate serve examples --data /var/lib/everstate --listen 127.0.0.1:7500")]
pub(crate) struct Serve {
    /// Definitions to put: files, or folders of them (*.yaml, *.yml, *.json, *.scxml)
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Settings in a file: YAML when it ends in .yaml, otherwise TOML
    #[arg(long, value_name = "FILE", env = "EVERSTATE_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
    /// Print every setting with where it comes from, without secrets, and do nothing else. The text is a file for --config
    #[arg(long)]
    print_config: bool,
    #[command(flatten)]
    settings: Settings,
}

/// The server's settings as typed.
#[derive(Debug, Clone, Default)]
struct Settings(Vec<(&'static str, String)>);

impl Args for Settings {
    fn augment_args(command: Command) -> Command {
        command.args(SETTINGS.iter().map(flag))
    }
    fn augment_args_for_update(command: Command) -> Command {
        Settings::augment_args(command)
    }
}

/// Its default is told and not set, since the environment and the file come before it.
fn flag(setting: &'static Setting) -> Arg {
    let mut help = setting.about.trim().to_owned();
    if let (Some(default), false) = (setting.default, setting.value.is_empty()) {
        help += &format!(" [default: {default}]");
    }
    help += &format!(" [env: {}]", setting.variable());
    let flag = Arg::new(setting.name).long(setting.name).help(help).help_heading("Settings");
    if setting.value.is_empty() { flag.action(ArgAction::SetTrue) } else { flag.value_name(setting.value) }
}

impl FromArgMatches for Settings {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Settings, clap::Error> {
        let typed = SETTINGS.iter().filter_map(|setting| {
            let value = if setting.value.is_empty() {
                matches.get_flag(setting.name).then(|| "true".to_owned())
            } else {
                matches.get_one::<String>(setting.name).cloned()
            };
            Some((setting.name, value?))
        });
        Ok(Settings(typed.collect()))
    }
    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Settings::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Serve {
    pub(crate) fn run(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        let mut given = Given::default();
        for (name, value) in self.settings.0 {
            given.flag(name, value).map_err(|error| Failure::usage(error.to_string()))?;
        }
        let wrong = |error: ConfigError| Failure::usage(error.to_string());
        let given = Given::merged(given, self.config.as_deref()).map_err(wrong)?;
        let config = Config::resolve(&given, self.paths).map_err(wrong)?;
        if self.print_config {
            print(&given, output)?;
            return Ok(Exit::Fine);
        }
        everstate_server::log::start(&config);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::problem("system", format!("cannot start: {}", plain(&error))))?;
        let data = config.data.clone();
        let mut told = Ok(());
        let served = everstate_server::serve(config, |server| {
            told = tell(server, &data, shared, output).and_then(|()| output.flush());
        });
        runtime.block_on(served).map_err(failure)?;
        told?;
        Ok(Exit::Fine)
    }
}

/// The settings as they are merged; what is not set is a comment.
fn print(given: &Given, output: &mut Output) -> Result<(), Failure> {
    let shown = given.shown();
    if output.json() {
        let document: serde_json::Map<_, _> = shown
            .into_iter()
            .map(|(setting, value, origin)| {
                (setting.name.to_owned(), json!({ "value": value, "from": origin.to_string() }))
            })
            .collect();
        return output.document(&document.into());
    }
    let line = |setting: &Setting, value: &Option<String>| match value {
        // JSON's texts are YAML's.
        Some(value) => format!("{}: {}", setting.name, json!(value)),
        None => format!("# {}:", setting.name),
    };
    let width =
        shown.iter().map(|(setting, value, _)| line(setting, value).chars().count()).max().unwrap_or(0);
    for (setting, value, origin) in &shown {
        let origin = if value.is_none() { "not set".to_owned() } else { origin.to_string() };
        output.data(&format!("{:width$}  # {origin}\n", line(setting, value)))?;
    }
    Ok(())
}

fn failure(error: ServeError) -> Failure {
    let code = match &error {
        ServeError::Listen(_) => "listen",
        ServeError::Credentials(_) => "credentials",
        ServeError::Store(_) => "store",
        ServeError::Definition { .. } => "definition",
        ServeError::Start(_) | ServeError::Internal(_) => "internal",
    };
    Failure::problem(code, error.to_string())
}

/// Where it listens, what it knows, and what to try next.
fn tell(server: &Server, data: &Path, shared: &Shared, output: &mut Output) -> Result<(), Failure> {
    let url = server.url();
    if output.json() {
        let put: Vec<_> = server
            .put()
            .iter()
            .map(|put| json!({ "definition": put.definition, "file": put.file.display().to_string(), "fresh": put.fresh }))
            .collect();
        return output.line(&json!({ "url": url, "definitions": put }));
    }
    output.data(&format!("everstate listens on {url}\n"))?;
    if output.manner().quiet {
        return Ok(());
    }
    let names: Vec<_> = server.put().iter().map(|put| put.definition.as_str()).collect();
    let names = if names.is_empty() { "none yet".to_owned() } else { names.join(", ") };
    output.data(&format!("data in {}, definitions: {names}\n", data.display()))?;
    let mut program = program();
    if url != "http://127.0.0.1:7400" && url != shared.server {
        program += &format!(" --server {url}");
    }
    let commands = match suggestion(server.put()) {
        Some((kind, event)) => {
            [format!("start {kind} 1"), format!("send {kind}/1 {event}"), format!("why {kind}/1")]
        }
        None => match server.put().iter().find_map(startable) {
            Some(kind) => [format!("start {kind} 1"), format!("why {kind}/1"), format!("follow {kind}")],
            None => ["check FILE".into(), "put FILE".into(), "definitions".into()],
        },
    };
    output.data("\nTry next, in another terminal:\n")?;
    for command in commands {
        output.data(&format!("  {program} {command}\n"))?;
    }
    Ok(())
}

/// A kind and an event to begin with: of all that a new instance takes without data, the most telling.
fn suggestion(put: &[Put]) -> Option<(String, String)> {
    let steps = put.iter().filter_map(|put| {
        let source = std::fs::read_to_string(&put.file).ok()?;
        first_step(&put.file.display().to_string(), &source)
    });
    // Of equals the first, which `max_by_key` would not give.
    steps
        .reduce(|best, next| if next.worth > best.worth { next } else { best })
        .map(|step| (step.kind, step.event))
}

/// An event that a new instance takes, and how much there is to see then.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    kind: String,
    event: String,
    /// 2: it goes to another state and lives on; 1: it takes it; 0: it ends.
    worth: u8,
}

/// The kind of a definition whose instances start without data; others would refuse the commands suggested.
fn startable(put: &Put) -> Option<String> {
    let source = std::fs::read_to_string(&put.file).ok()?;
    let definition = everstate_chart::machine(&put.file.display().to_string(), &source).0?.to_definition();
    begun(&definition).map(|_| definition.id.name.to_string())
}

/// What a new instance without data is like, when there can be one.
fn begun(definition: &Definition) -> Option<Next> {
    let address = Address::new(&definition.id.name, "1").ok()?;
    definition.behaviour.start(&Json::default(), &mut turn(definition, &address)).ok()
}

fn turn<'a>(definition: &'a Definition, address: &'a Address) -> Turn<'a> {
    Turn {
        now: Time(0),
        seed: 0,
        instance: address,
        version: &definition.id.version,
        incarnation: 1,
        parent: None,
        children: &[],
        effects: Vec::new(),
    }
}

/// Tries the events that a new instance says it takes; a turn is a pure function, so trying does nothing.
fn first_step(file: &str, source: &str) -> Option<Step> {
    let definition = everstate_chart::machine(file, source).0?.to_definition();
    let kind = definition.id.name.to_string();
    let address = Address::new(&kind, "1").ok()?;
    let begun = begun(&definition)?;
    let accepts = definition.behaviour.waiting(&begun.state, &address, Time(0)).accepts;
    let steps = accepts.iter().filter(|name| !name.contains('*')).filter_map(|name| {
        let event = Event {
            id: EventId::parse("first-step").ok()?,
            name: name.clone(),
            data: Json::default(),
            sender: Sender::Client,
            time: Time(0),
        };
        let Ok(Handled::Took(next)) =
            definition.behaviour.handle(&begun.state, &event, &mut turn(&definition, &address))
        else {
            return None;
        };
        let worth = match (next.done, next.labels == begun.labels) {
            (Some(_), _) => 0,
            (None, true) => 1,
            (None, false) => 2,
        };
        Some(Step { kind: kind.clone(), event: name.to_string(), worth })
    });
    steps.reduce(|best, next| if next.worth > best.worth { next } else { best })
}

/// How this program is called from here: by its name when the shell finds it, otherwise by its path.
fn program() -> String {
    let name = "everstate".to_owned();
    let Ok(exe) = std::env::current_exe() else { return name };
    let found = std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path)
            .any(|folder| folder.join("everstate").canonicalize().is_ok_and(|one| one == exe))
    });
    if found {
        return name;
    }
    let here = std::env::current_dir().unwrap_or_default();
    let near = exe.strip_prefix(&here).map(Path::to_path_buf);
    near.map_or_else(|_| exe.display().to_string(), |near| near.display().to_string())
}

#[cfg(test)]
mod tests;
