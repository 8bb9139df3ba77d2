//! What a user would write by hand: a status column in PostgreSQL, changed by `update … where state = …` with a
//! line of history in the same transaction.
//!
//! It refuses every tuning, for and against: a fresh cluster with the settings that initdb writes, reached over its
//! Unix socket and driven by PostgreSQL's own pgbench with prepared statements. Its one invariant: the history has
//! as many lines as instances have made turns, or the figure is not told.

use super::{Running, install_package, is_root, output};
use crate::scratch::Scratch;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Clients at once.
pub(crate) const CLIENTS: usize = 16;

/// Instances of each client; together about a thousand.
const EACH: usize = 62;

const TABLES: &str = "
create table turn (id text primary key, state text not null, count bigint not null, \"limit\" bigint not null);
create table history (position bigserial primary key, id text not null, event text not null, data jsonb not null,
    state text not null, at timestamptz not null default now());
";

/// One event. Each client goes round its own instances, so that none waits for another's row.
const EVENT: &str = "
\\set number :turn % :each
\\set round :turn / :each
\\set turn :turn + 1
begin;
\\if :round % 2 = 0
update turn set state = 'right.busy', count = count + 1
    where id = 'turn-' || :client_id || '-' || :number and state = 'left.idle' and count < \"limit\";
insert into history (id, event, data, state)
    values ('turn-' || :client_id || '-' || :number, 'step', '{\"n\":1}', 'right.busy');
\\else
update turn set state = 'left.idle', count = count + 1
    where id = 'turn-' || :client_id || '-' || :number and state = 'right.busy' and count < \"limit\";
insert into history (id, event, data, state)
    values ('turn-' || :client_id || '-' || :number, 'step', '{\"n\":1}', 'left.idle');
\\endif
end;
";

/// Events per second at [`CLIENTS`] clients.
pub(crate) fn events_per_second(time: Duration) -> Result<f64> {
    let programs = programs()?;
    // Its own user has to reach the folder, which it often may not under a home folder.
    let scratch = Scratch::within(Path::new("/var/tmp"), "everstate-bench-postgres")?;
    let cluster = Cluster::start(&programs, scratch)?;
    cluster.sql(TABLES)?;
    let fill = format!(
        "insert into turn select 'turn-' || c || '-' || n, 'left.idle', 0, 1000000000
         from generate_series(0, {CLIENTS} - 1) c, generate_series(0, {EACH} - 1) n; vacuum analyze; checkpoint;"
    );
    for statement in fill.split_inclusive(';') {
        cluster.sql(statement)?;
    }
    let script = cluster.scratch.path().join("event.sql");
    fs::write(&script, EVENT)?;
    let clients = CLIENTS.to_string();
    let told = output(
        cluster
            .command("pgbench")
            .args(["--no-vacuum", "--protocol=prepared", "--jobs=2", "--client", &clients])
            .args(["--define=turn=0", &format!("--define=each={EACH}")])
            .args(["--time", &time.as_secs().max(1).to_string()])
            .arg("--file")
            .arg(&script)
            .arg("postgres"),
    )?;
    let rate = told.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
    let rate = rate.with_context(|| format!("pgbench told no rate: {told}"))?;
    let same = cluster.sql("select (select sum(count) from turn) = (select count(*) from history)")?;
    ensure!(same.trim() == "t", "PostgreSQL's history has not one line for each turn");
    Ok(rate)
}

/// A running cluster of its own.
struct Cluster {
    programs: PathBuf,
    scratch: Scratch,
    // Dropped before the folder: fields are dropped in order, but see `Drop`.
    running: Option<Running>,
}

impl Cluster {
    fn start(programs: &Path, scratch: Scratch) -> Result<Cluster> {
        let mut cluster = Cluster { programs: programs.to_owned(), scratch, running: None };
        if is_root() {
            output(Command::new("chown").arg("postgres").arg(cluster.scratch.path()))?;
        }
        let data = cluster.scratch.path().join("data");
        let flags = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale", "--pgdata"];
        output(cluster.server("initdb").args(flags).arg(&data))?;
        let mut server = cluster.server("postgres");
        server.arg("-D").arg(&data).arg("-k").arg(cluster.scratch.path()).args(["-c", "listen_addresses="]);
        cluster.running = Some(Running::start(&mut server)?);
        let until = Instant::now() + Duration::from_secs(30);
        while let Err(error) = cluster.sql("select 1") {
            if Instant::now() > until {
                return Err(error.context("PostgreSQL did not start within 30 s"));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(cluster)
    }

    fn sql(&self, text: &str) -> Result<String> {
        output(self.command("psql").args([
            "--no-psqlrc",
            "--tuples-only",
            "--no-align",
            "-c",
            text,
            "postgres",
        ]))
    }

    /// A client's program, told where the cluster is.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.arg("--username=postgres").arg("--host").arg(self.scratch.path());
        command
    }

    /// A server's program, which refuses to run as root.
    fn server(&self, program: &str) -> Command {
        let path = self.programs.join(program);
        if !is_root() {
            return Command::new(path);
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(path);
        command.current_dir(self.scratch.path());
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.running.take();
    }
}

/// The folder with PostgreSQL's programs; installs Debian's package when it is missing and that is allowed.
fn programs() -> Result<PathBuf> {
    if let Some(found) = find_programs() {
        return Ok(found);
    }
    install_package("postgresql")?;
    find_programs().context("PostgreSQL was installed, but pgbench and initdb are not in its folder")
}

/// The newest version with everything in it. Debian keeps servers apart by version, others on the path.
fn find_programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    folders.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let newest_first = folders.into_iter().rev().map(|(_, folder)| folder);
    let complete = |folder: &PathBuf| {
        ["initdb", "postgres", "pgbench", "psql"].iter().all(|name| folder.join(name).exists())
    };
    newest_first.chain(std::env::split_paths(&path)).find(complete)
}
