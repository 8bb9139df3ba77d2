//! `migrate-from-redis`: what go-statemachine keeps, into a data folder.
//!
//! Its one invariant: a second run changes nothing that the first one wrote.

use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::paint::Paint;
use crate::redis::{Piece, Source};
use crate::render::{count, counted};
use crate::table::Table;
use clap::Args;
use everstate_server::{
    MIGRATION_REASONS, Migration, MigrationError, MigrationProblem, MigrationReport, Tally,
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value as Json, json};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Import what go-statemachine keeps in Redis, into a data folder that no server has open
///
/// Configurations become definitions, FSMs instances with their whole history, and outcomes are answered as before.
/// Redis is only read. What is there already stays as it is, so after any interruption the same command goes on where
/// it stopped, and a second run imports what came since. An entry that cannot be imported is skipped, counted and named;
/// then the exit code is 1. Stop go-statemachine first: what changes meanwhile may be missed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  everstate migrate-from-redis redis://localhost:6379 --data everstate-data --dry-run
  everstate migrate-from-redis redis://localhost:6379 --data everstate-data --problems problems.jsonl
  everstate serve --data everstate-data --statemachine-listen 127.0.0.1:7398")]
pub(crate) struct MigrateFromRedis {
    /// redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], rediss:// for TLS; of a cluster, every master
    #[arg(value_name = "URL", required = true)]
    urls: Vec<String>,
    /// The data folder; made when it is not there
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    /// Only say what would be imported
    #[arg(long)]
    dry_run: bool,
    /// A file to list every problem in, as JSON lines
    #[arg(long, value_name = "FILE")]
    problems: Option<PathBuf>,
}

/// Problems told one by one; thousands would bury the report, which counts them all.
const TOLD: u64 = 10;

/// A line in a log every so often: a long import stays visible, a short one says nothing.
const TOLD_EVERY: Duration = Duration::from_secs(10);

impl MigrateFromRedis {
    pub(crate) fn run(self, output: &mut Output) -> Result<Exit, Failure> {
        let list = self.problems.as_ref().map(File::create).transpose();
        let list = list.map_err(|error| Failure::file("write", self.list_file(), &error))?;
        let mut source = Source::open(&self.urls)?;
        let size = source.size()?;
        let migration = Migration::open(&self.data, self.dry_run).map_err(failure)?;
        let began = Instant::now();
        let mut run = Run {
            command: &self,
            migration,
            list: list.map(BufWriter::new),
            told: 0,
            passed: 0,
            watched: output.manner().watched,
            bar: bar(size, output),
            began,
            spoke: began,
        };
        let ended = run.all(source, output);
        run.bar.finish_and_clear();
        if let Some(list) = &mut run.list {
            list.flush().map_err(|error| Failure::file("write", self.list_file(), &error))?;
        }
        let (passed, seconds) = (run.passed, began.elapsed().as_secs_f64());
        // Even when Redis has failed in the middle, what was taken until then is in the folder, and told.
        let report = run.migration.close().map_err(failure)?;
        let other = size.saturating_sub(passed);
        if output.json() {
            output.document(&document(&report, other, seconds))?;
        } else {
            output.data(&render(&report, other, output.paint()))?;
            let rate = report.machines.found as f64 / seconds.max(0.001);
            output.talk(&format!("took {seconds:.1} s, {} FSMs/s", count(rate as u64)))?;
        }
        output.flush()?;
        ended?;
        if !report.problems.is_empty() && self.problems.is_none() {
            output.talk("hint: list every problem with --problems FILE")?;
        }
        Ok(if report.skipped > 0 { Exit::Problem } else { Exit::Fine })
    }

    fn list_file(&self) -> &std::path::Path {
        self.problems.as_deref().unwrap_or(&self.data)
    }
}

fn failure(error: MigrationError) -> Failure {
    Failure::problem("store", error.to_string())
}

/// A migration under way.
struct Run<'a> {
    command: &'a MigrateFromRedis,
    migration: Migration,
    list: Option<BufWriter<File>>,
    told: u64,
    /// Keys that were looked at.
    passed: u64,
    bar: ProgressBar,
    watched: bool,
    began: Instant,
    spoke: Instant,
}

impl Run<'_> {
    fn all(&mut self, source: Source, output: &mut Output) -> Result<(), Failure> {
        for piece in source.read() {
            match piece? {
                Piece::Configurations(found) => self.migration.configurations(found).map_err(failure)?,
                Piece::Machines(found) => self.migration.machines(found).map_err(failure)?,
                Piece::Listed(key, members) => self.migration.listed(&key, &members),
                Piece::Outcomes(found) => self.migration.outcomes(found).map_err(failure)?,
                Piece::Events(found) => self.migration.events(found),
                Piece::Wrong(key, reason, problem) => self.migration.problem(&key, reason, problem, true),
                Piece::Passed(keys) => self.passed += keys,
            }
            self.tell(output)?;
        }
        Ok(())
    }

    fn tell(&mut self, output: &mut Output) -> Result<(), Failure> {
        for problem in self.migration.take_problems() {
            if let Some(list) = &mut self.list {
                let written = writeln!(list, "{}", line(&problem));
                written.map_err(|error| Failure::file("write", self.command.list_file(), &error))?;
            }
            self.told += 1;
            if self.told <= TOLD {
                let text = format!("{}: {}: {}", problem.key, problem.reason, problem.message);
                if self.watched { self.bar.suspend(|| output.talk(&text)) } else { output.talk(&text) }?;
            }
        }
        let machines = self.migration.report().machines.found;
        let rate = machines as f64 / self.began.elapsed().as_secs_f64().max(0.001);
        let text = format!("{}, {}/s", counted(machines, "FSM"), count(rate as u64));
        self.bar.set_position(self.passed);
        self.bar.set_message(text.clone());
        if !self.watched && self.spoke.elapsed() >= TOLD_EVERY {
            self.spoke = Instant::now();
            output.talk(&text)?;
        }
        Ok(())
    }
}

fn bar(size: u64, output: &Output) -> ProgressBar {
    let target =
        if output.manner().watched { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template("{bar:30} {percent}%  {msg}  {eta} left");
    let bar = ProgressBar::with_draw_target(Some(size), target);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

fn line(problem: &MigrationProblem) -> Json {
    json!({
        "key": problem.key, "reason": problem.reason, "message": problem.message, "skipped": problem.skipped,
    })
}

fn document(report: &MigrationReport, other: u64, seconds: f64) -> Json {
    let tally = |tally: &Tally| {
        json!({
            "found": tally.found, "imported": tally.imported, "already_there": tally.already,
            "skipped": tally.skipped,
        })
    };
    json!({
        "dry_run": report.dry_run,
        "configurations": tally(&report.configurations),
        "fsms": tally(&report.machines),
        "history_events": report.history,
        "outcomes": tally(&report.outcomes),
        "outcomes_told_by_history": report.outcomes_of_history,
        "events": { "found": report.events.found, "undecided": report.events.skipped },
        "state_set_members": report.listed,
        "other_keys": other,
        "problems": report.problems,
        "skipped": report.skipped,
        "seconds": seconds,
    })
}

fn render(report: &MigrationReport, other: u64, paint: Paint) -> String {
    let imported = if report.dry_run { "to import" } else { "imported" };
    let mut table = Table::new(&["", "found", imported, "already there", "skipped"]);
    for column in 1..5 {
        table = table.right(column);
    }
    let rows = [
        ("configurations", &report.configurations),
        ("FSMs", &report.machines),
        ("outcomes", &report.outcomes),
    ];
    for (name, tally) in rows {
        let numbers = [tally.found, tally.imported, tally.already, tally.skipped];
        table.row([name.to_owned()].into_iter().chain(numbers.map(count)).collect());
    }
    let mut text = table.render(paint);
    let events = &report.events;
    text += &format!(
        "\n{} in the histories; {} in Redis, {} undecided; {} of state sets compared; {} of others left alone\n",
        counted(report.history, "event"),
        count(events.found),
        count(events.skipped),
        counted(report.listed, "member"),
        counted(other, "key"),
    );
    if report.dry_run {
        text += "nothing was written: this was a dry run\n";
    }
    if !report.problems.is_empty() {
        let mut table = Table::new(&["problem", "entries", "what it means, and what is done"]).right(1);
        for (reason, number) in &report.problems {
            let meaning = MIGRATION_REASONS.iter().find(|(word, _)| word == reason);
            let meaning = meaning.map_or("", |(_, meaning)| meaning);
            table.row(vec![(*reason).to_owned(), count(*number), meaning.to_owned()]);
        }
        text.push('\n');
        text += &table.render(paint);
    }
    text
}
