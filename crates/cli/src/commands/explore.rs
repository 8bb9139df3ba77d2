//! `explore`: every order of what can happen in a system, without a server.

use crate::failure::{Exit, Failure};
use crate::output::Output;
use clap::Args;
use everstate_chart::Finding;
use everstate_sim::{Limits, Progress, Report, System, Trace, explore_within, replay};
use serde_json::{Value as Json, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Explore every order of events, timers and faults of a system, and check its properties
///
/// Works without a server: the machines are run by the kernel that runs them in production. Exits with 1 when a
/// property is broken; the story of the shortest way to it is printed, and with --trace saved. Ctrl-C ends early and
/// prints what is known so far.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  everstate explore examples/systems/checkout.system.yaml
  everstate explore shop.system.yaml --trace traces/late-payment.trace.json
  everstate explore shop.system.yaml --replay traces")]
pub(crate) struct Explore {
    /// The system: definitions, cast, what may happen, and properties
    #[arg(value_name = "SYSTEM")]
    system: PathBuf,
    /// Do not explore, but play these traces once more: a file, or a folder of *.trace.json
    #[arg(long, value_name = "TRACES")]
    replay: Option<PathBuf>,
    /// Save the trace of a violation to this file
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// At most so many worlds
    #[arg(long, value_name = "N", default_value_t = 10_000_000)]
    worlds: usize,
    /// At most so many steps from the beginning
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    depth: u32,
    /// At most so much memory for worlds, in megabytes
    #[arg(long, value_name = "MB", default_value_t = 2048)]
    memory: usize,
    /// At most so many seconds
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
    /// Threads; all cores when not given
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Try every order, also those that cannot be told apart
    #[arg(long)]
    no_reduction: bool,
}

impl Explore {
    pub(crate) fn run(self, output: &mut Output) -> Result<Exit, Failure> {
        let system = read_system(&self.system, output)?;
        let Some(system) = system else { return Ok(Exit::Problem) };
        if let Some(traces) = &self.replay {
            return replay_all(&system, traces, output);
        }
        let stop = Arc::new(AtomicBool::new(false));
        watch_interrupt(stop.clone())?;
        let mut limits = Limits {
            worlds_max: self.worlds,
            depth_max: self.depth,
            memory_max: self.memory.saturating_mul(1 << 20),
            time_max: self.seconds.map(Duration::from_secs),
            reduce: !self.no_reduction,
            stop: Some(&stop),
            ..Limits::default()
        };
        limits.threads = self.threads.unwrap_or(limits.threads);
        let watched = output.manner().watched;
        let show = |progress: &Progress| {
            if watched && progress.seconds > 1.0 {
                let line = format!("\r{} worlds, {} steps deep", progress.worlds, progress.depth);
                // What cannot be shown is not worth a failure.
                let _ = std::io::stderr().write_all(line.as_bytes());
            }
        };
        let explored = explore_within(&system, &limits, &show);
        if watched {
            let _ = std::io::stderr().write_all(b"\r\x1b[K");
        }
        let mut report = explored.map_err(|error| Failure::problem("system", error.to_string()))?;
        if let (Some(violation), Some(file)) = (&mut report.violation, &self.trace) {
            violation.trace.file = Some(from_folder_of(file, &self.system));
            std::fs::write(file, violation.trace.write())
                .map_err(|error| Failure::file("write", file, &error))?;
        }
        tell(&report, self.trace.as_deref(), output)?;
        Ok(if report.violation.is_some() { Exit::Problem } else { Exit::Fine })
    }
}

/// Reads a system file; what is wrong with it is told.
pub(crate) fn read_system(file: &Path, output: &mut Output) -> Result<Option<System>, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| Failure::file("read", file, &error))?;
    let folder = file.parent().unwrap_or(Path::new(""));
    let open = |path: &str| {
        let path = folder.join(path);
        std::fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))
    };
    let read = System::read(&file.display().to_string(), &text, &open);
    for (name, text, finding) in &read.findings {
        tell_finding(finding, name, text, output)?;
    }
    Ok(read.system)
}

/// Tells what is wrong with a file: the place with its text, or a line of JSON.
pub(crate) fn tell_finding(
    finding: &Finding,
    name: &str,
    text: &str,
    output: &mut Output,
) -> Result<(), Failure> {
    if output.json() {
        return output.line(&json!({
            "file": name,
            "line": finding.line,
            "column": finding.column,
            "severity": finding.severity.to_string(),
            "code": finding.code.as_str(),
            "message": finding.message,
            "hint": finding.hint,
        }));
    }
    let paint = output.paint().0;
    output.data(&everstate_chart::render(finding, name, text, paint))?;
    output.data("\n")
}

/// Sets the flag on Ctrl-C; a second one ends the program as usual.
fn watch_interrupt(stop: Arc<AtomicBool>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Failure::problem("system", format!("cannot start: {}", crate::failure::plain(&error)))
    })?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            while tokio::signal::ctrl_c().await.is_ok() {
                if stop.swap(true, Ordering::Relaxed) {
                    std::process::exit(130);
                }
            }
        });
    });
    Ok(())
}

/// The path of a file as seen from the folder of another, where they share a beginning; else the whole path.
fn from_folder_of(file: &Path, of: &Path) -> String {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let (file, of) = (absolute(file), absolute(of));
    let from: Vec<_> = file.parent().map(|folder| folder.components().collect()).unwrap_or_default();
    let to: Vec<_> = of.components().collect();
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = from[shared..].iter().map(|_| "..".to_owned());
    let down = to[shared..].iter().map(|part| part.as_os_str().to_string_lossy().into_owned());
    up.chain(down).collect::<Vec<_>>().join("/")
}

fn replay_all(system: &System, traces: &Path, output: &mut Output) -> Result<Exit, Failure> {
    let mut files = Vec::new();
    if traces.is_dir() {
        let entries =
            std::fs::read_dir(traces).map_err(|error| Failure::file("read the folder", traces, &error))?;
        for entry in entries {
            let path = entry.map_err(|error| Failure::file("read the folder", traces, &error))?.path();
            let fits = path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(".trace.json"));
            files.extend(fits.then_some(path));
        }
        files.sort();
    } else {
        files.push(traces.to_owned());
    }
    if files.is_empty() {
        let message = format!("there is no trace in {}", traces.display());
        return Err(Failure::problem("no-traces", message).hint("traces are files that end in .trace.json"));
    }
    let (mut broken, mut stale) = (0, 0);
    for file in &files {
        let text = std::fs::read_to_string(file).map_err(|error| Failure::file("read", file, &error))?;
        let played = Trace::read(&text).and_then(|trace| replay(system, &trace));
        let name = file.display().to_string();
        let (word, more) = match played {
            Ok(None) => ("mended", String::new()),
            Ok(Some(story)) => {
                broken += 1;
                ("broken", story)
            }
            Err(problem) => {
                stale += 1;
                ("refused", problem)
            }
        };
        if output.json() {
            output.line(&json!({"file": name, "result": word, "story": more}))?;
        } else {
            let more = if more.is_empty() { String::new() } else { format!(": {}", more.trim_end()) };
            output.data(&format!("{name} {word}{more}\n"))?;
        }
    }
    let mended = files.len() - broken - stale;
    output.talk(&format!("{mended} mended, {broken} still broken, {stale} refused"))?;
    Ok(if broken + stale > 0 { Exit::Problem } else { Exit::Fine })
}

fn tell(report: &Report, saved: Option<&Path>, output: &mut Output) -> Result<(), Failure> {
    if output.json() {
        return output.document(&document(report));
    }
    if let Some(violation) = &report.violation {
        output.data(violation.story())?;
        if let Some(file) = saved {
            output.talk(&format!("saved as {}; `everstate replay` plays it", file.display()))?;
        }
    }
    let paint = output.paint();
    let verdict = match (report.is_complete(), report.violation.is_some()) {
        (_, true) => paint.bad("broken"),
        (true, false) => paint.good("complete"),
        (false, false) => paint.odd("bounded"),
    };
    let (worlds, transitions, depth) = (report.worlds, report.transitions, report.depth);
    output.data(&format!(
        "{verdict}: {worlds} worlds, {transitions} steps, {} left out by reduction, {depth} deep, {} ends\n",
        report.pruned, report.ends
    ))?;
    for bound in report.bounds.iter().filter(|_| report.violation.is_none()) {
        output.data(&format!("not covered: {bound}\n"))?;
    }
    Ok(())
}

fn document(report: &Report) -> Json {
    json!({
        "system": report.system,
        "verdict": match (&report.violation, report.is_complete()) {
            (Some(_), _) => "broken",
            (None, true) => "complete",
            (None, false) => "bounded",
        },
        "worlds": report.worlds,
        "steps": report.transitions,
        "left_out": report.pruned,
        "depth": report.depth,
        "ends": report.ends,
        "turns": report.local_steps,
        "bounds": report.bounds,
        "violation": report.violation.as_ref().map(|violation| json!({
            "property": violation.property(),
            "what": violation.what(),
            "story": violation.story(),
            "trace": serde_json::to_value(&violation.trace).unwrap_or_default(),
        })),
    })
}
