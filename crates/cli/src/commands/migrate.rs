//! `migrate`: instances of one version become instances of another.
//!
//! Its one invariant: a second run goes on where the first one stopped.

use super::set_state::fields;
use crate::arguments::Shared;
use crate::chosen::Audit;
use crate::failure::{Exit, Failure};
use crate::meant;
use crate::output::Output;
use crate::paint::Paint;
use crate::render::{count, counted};
use clap::Args;
use everstate_chart::change::{Mapping, MappingError, read_mapping};
use everstate_client::{ClientError, api};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value as Json, json};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Carry the instances of one version of a definition over to another
///
/// Every configuration that instances stand in is looked at: active states, histories, timers, invoked machines, events
/// that wait, and the context. States of the same path lead to each other; what has no counterpart is named, with how
/// many instances it concerns, and then nothing is done until the mapping says where it leads. No action runs. After any
/// interruption the same command goes on where it stopped. Exits with 1 when something is in the way.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  everstate migrate orders --from v1 --to v2 --dry-run
  everstate migrate orders --from v1 --to v2 --map waiting=pending --set 'total=context.sum * 100'
  everstate migrate orders --from v1 --to v2 --map-file orders-v2.map.yaml
  everstate migrate orders --from v1 --to v2 --undo")]
pub(crate) struct Migrate {
    /// The definition
    kind: String,
    /// The version that they are of
    #[arg(long, value_name = "VERSION")]
    from: String,
    /// The version that they shall be of
    #[arg(long, value_name = "VERSION")]
    to: String,
    /// A state of the old version and where it leads; several of the new one with commas between
    #[arg(long, value_name = "OLD=NEW")]
    map: Vec<String>,
    /// A file with the mapping: states, set, drop and accept
    #[arg(long, value_name = "FILE")]
    map_file: Option<PathBuf>,
    /// A field of the context and an expression for its value, over the context as it was
    #[arg(long, value_name = "FIELD=EXPRESSION")]
    set: Vec<String>,
    /// A field of the context that goes
    #[arg(long, value_name = "FIELD")]
    drop: Vec<String>,
    /// What may be in the way: region, history, timer, child, task, invoke, event
    #[arg(long, value_name = "WORD")]
    accept: Vec<String>,
    /// Only say what would become of each
    #[arg(long)]
    dry_run: bool,
    /// Carry over those that can be, although something is in the way of others
    #[arg(long, conflicts_with = "undo")]
    partial: bool,
    /// Put all those back that have made no turn since they were carried over
    #[arg(long, conflicts_with_all = ["map", "map_file", "set", "drop", "accept"])]
    undo: bool,
    #[command(flatten)]
    audit: Audit,
}

/// How often a broken connection is taken up again. Each time goes on where the last one stopped.
const TRIES_MAX: usize = 3;

impl Migrate {
    pub(crate) async fn run(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        let client = meant::client(shared, meant::LONG_PATIENCE)?;
        let mapping = self.mapping()?;
        let bar = bar(output);
        let progress = |told: &api::MigrationProgress| {
            bar.set_length(told.total);
            bar.set_position(told.done);
            bar.set_message(if told.applying && !self.undo { "carried over" } else { "looked at" });
        };
        let mut tries = 0;
        let answer = loop {
            let answer = match self.undo {
                true => client.undo_migration(self.undoing(), progress).await,
                false => client.migrate(self.request(mapping.clone()), progress).await,
            };
            tries += 1;
            match answer {
                Err(ClientError::Interrupted { .. }) if tries < TRIES_MAX => {}
                answer => break answer,
            }
        };
        bar.finish_and_clear();
        let again = "run the same command again: it goes on where it stopped";
        let report = match answer {
            Ok(report) => report,
            Err(error @ ClientError::Refused(_)) => {
                return Err(super::explained(&client, &self.kind, error).await);
            }
            Err(error) => return Err(Failure::from(error).hint(again)),
        };
        if output.json() {
            output.document(&self.document(&report))?;
        } else {
            output.data(&self.render(&report, output.paint()))?;
        }
        if report.busy > 0 {
            output.talk(&format!("hint: {again}"))?;
        }
        Ok(if report.blocked > 0 || report.busy > 0 { Exit::Problem } else { Exit::Fine })
    }

    fn mapping(&self) -> Result<api::Mapping, Failure> {
        let wrong = |error: MappingError| Failure::usage(format!("the mapping is not usable: {error}"));
        let mut mapping = match &self.map_file {
            None => Mapping::default(),
            Some(file) => read_file(file)?,
        };
        for text in &self.map {
            mapping.route(text).map_err(wrong)?;
        }
        let route =
            |(from, to): (String, Vec<String>)| api::mapping::Route { from, to, ..Default::default() };
        let set = mapping.fields.into_iter();
        let field = |(field, expression)| api::FieldValue { field, expression, ..Default::default() };
        Ok(api::Mapping {
            states: mapping.states.into_iter().map(route).collect(),
            set: set.map(field).chain(fields(&self.set)?).collect(),
            drop: mapping.drop.into_iter().chain(self.drop.clone()).collect(),
            accept: mapping.accept.into_iter().chain(self.accept.clone()).collect(),
            ..Default::default()
        })
    }

    fn request(&self, mapping: api::Mapping) -> api::MigrateRequest {
        api::MigrateRequest {
            kind: self.kind.clone(),
            from_version: self.from.clone(),
            to_version: self.to.clone(),
            mapping: Some(mapping).into(),
            dry_run: self.dry_run,
            partial: self.partial,
            audit: Some(self.reasoned("migration")).into(),
            ..Default::default()
        }
    }

    fn undoing(&self) -> api::UndoMigrationRequest {
        api::UndoMigrationRequest {
            kind: self.kind.clone(),
            from_version: self.from.clone(),
            to_version: self.to.clone(),
            dry_run: self.dry_run,
            audit: Some(self.reasoned("undo of the migration")).into(),
            ..Default::default()
        }
    }

    fn reasoned(&self, what: &str) -> api::Audit {
        let mut audit = self.audit.message();
        if audit.reason.is_empty() {
            audit.reason = format!("{what} from {} to {}", self.from, self.to);
        }
        audit
    }

    fn document(&self, report: &api::MigrationReport) -> Json {
        let obstacle = |one: &api::migration_report::Obstacle| json!({"code": one.code, "what": one.what, "fix": one.fix, "acceptable": one.acceptable});
        let group = |one: &api::migration_report::Group| {
            json!({
                "from": one.from, "to": one.to, "count": one.count, "examples": one.examples, "notes": one.notes,
                "obstacles": one.obstacles.iter().map(obstacle).collect::<Vec<_>>(),
            })
        };
        json!({
            "kind": self.kind, "from": self.from, "to": self.to, "dry_run": self.dry_run, "undo": self.undo,
            "groups": report.groups.iter().map(group).collect::<Vec<_>>(),
            "clear": report.clear, "blocked": report.blocked, "applied": report.applied, "busy": report.busy,
            "ended": report.ended, "held_back": report.held_back,
        })
    }

    fn render(&self, report: &api::MigrationReport, paint: Paint) -> String {
        let mut out = String::new();
        for group in &report.groups {
            let (from, to) = (group.from.join(" + "), group.to.join(" + "));
            let number = counted(group.count, "instance");
            let _ = match group.obstacles.is_empty() {
                true => writeln!(out, "{}  {from} -> {to}  {number}", paint.good("ok")),
                false => writeln!(
                    out,
                    "{}  {from}  {number}, such as {}",
                    paint.bad("no"),
                    group.examples.join(", ")
                ),
            };
            for obstacle in &group.obstacles {
                let _ = writeln!(out, "    {}: {}", paint.odd(&obstacle.code), obstacle.what);
                let _ = writeln!(out, "      {}", paint.dim(&obstacle.fix));
            }
            for note in &group.notes {
                let _ = writeln!(out, "    {}", paint.dim(note));
            }
        }
        let (clear, blocked) = (count(report.clear), count(report.blocked));
        let back = if self.undo { "put back" } else { "carried over" };
        let _ = match (self.dry_run, report.held_back) {
            (true, _) => writeln!(out, "{clear} can be {back}, {blocked} cannot; nothing was done"),
            (_, true) => writeln!(
                out,
                "{clear} can be {back}, {blocked} cannot; nothing was done. Say where they lead, or carry over the others with --partial"
            ),
            (false, false) => {
                let blocked =
                    if report.blocked > 0 { format!(", {blocked} cannot be") } else { String::new() };
                writeln!(out, "{} {back}{blocked}", counted(report.applied, "instance"))
            }
        };
        if report.busy > 0 {
            let _ = writeln!(out, "{} never rested and were left", counted(report.busy, "instance"));
        }
        if report.ended > 0 && !self.undo {
            let _ =
                writeln!(out, "{} of {} have ended and stay", counted(report.ended, "instance"), self.from);
        }
        out
    }
}

fn read_file(file: &Path) -> Result<Mapping, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| Failure::file("read", file, &error))?;
    read_mapping(&text).map_err(|error| Failure::usage(format!("{}: {error}", file.display())))
}

fn bar(output: &Output) -> ProgressBar {
    let watched = output.manner().watched;
    let target = if watched { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(0), target);
    let style = ProgressStyle::with_template("{bar:30} {percent}%  {pos} of {len} {msg}  {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
