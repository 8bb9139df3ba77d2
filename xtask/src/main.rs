//! All automation of the project: `cargo xtask COMMAND`. It builds in seconds, so that nobody hesitates to run it.

mod generated;
mod run;
mod tidy;

use anyhow::{Result, bail};
use run::cargo;

const HELP: &str = "\
cargo xtask COMMAND

  test [ARGS]       every test of the workspace; ARGS go to `cargo test`
  ci                what has to pass before a change lands: fmt, clippy, tidy, deny, generated files, tests
  statemachine-clients
                    clients of go-statemachine that nobody here wrote, in Python and grpcurl, against a server
  fleet --minutes N [--from SEED]
                    the simulated node with seeds that no test has run, on all cores; failures are shrunk and printed
  mutations         bugs put in on purpose: which seed finds each, by which check, and how soon
  chart-engines     cases of SCION's test framework, and other statechart engines, beside ours; from npm
  tidy              dependency edges, words that pure crates may not use, sizes, dead links
  generate          writes the generated reference under docs/
  bench [NAME] [--smoke]
                    the benches, side by side with what they are compared to; docs/benchmarks.md keeps the results
";

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let rest: Vec<&str> = args.iter().skip(1).map(String::as_str).collect();
    std::env::set_current_dir(run::root())?;
    match args.first().map(String::as_str) {
        Some("test") => test(&rest),
        Some("ci") => ci(),
        Some("statemachine-clients") => statemachine_clients(),
        Some("fleet") => fleet(&["--release"], &rest),
        // As the tests run it, since the budget is theirs.
        Some("mutations") => fleet(&[], &["mutations"]),
        Some("chart-engines") => chart_engines(),
        Some("tidy") => tidy::check(),
        Some("generate") => generated::write(),
        Some("bench") => bench(&rest),
        Some("help" | "--help" | "-h") | None => {
            print!("{HELP}");
            Ok(())
        }
        Some(other) => bail!("there is no command {other:?}\n\n{HELP}"),
    }
}

fn test(rest: &[&str]) -> Result<()> {
    // The end-to-end tests run the real binary, so it is built first and with the same profile.
    cargo(&["build", "--locked", "--workspace", "--bins"])?;
    cargo(&[&["test", "--locked", "--workspace"], rest].concat())
}

fn ci() -> Result<()> {
    type Step = (&'static str, fn() -> Result<()>);
    let steps: [Step; 7] = [
        ("fmt", || cargo(&["fmt", "--all", "--check"])),
        ("tidy", tidy::check),
        ("clippy", || {
            cargo(&["clippy", "--locked", "--workspace", "--all-targets", "--", "--deny", "warnings"])
        }),
        ("generated", generated::check),
        ("deny", deny),
        ("test", || test(&[])),
        ("statemachine-clients", statemachine_clients),
    ];
    for (name, step) in steps {
        let started = std::time::Instant::now();
        eprintln!("== {name}");
        step()?;
        eprintln!("== {name}: {:.0} s", started.elapsed().as_secs_f64());
    }
    Ok(())
}

/// Installs what it needs below target/, and says so where that cannot be had.
fn statemachine_clients() -> Result<()> {
    // Of the whole workspace, as `test` builds it: for one package alone it would be built once more.
    let test = ["test", "--locked", "--workspace", "--test", "foreign_clients"];
    cargo(&[&test[..], &["--", "--ignored", "--nocapture"]].concat())
}

/// Fetches what it needs below target/, and says so where that cannot be had.
fn chart_engines() -> Result<()> {
    let test = ["test", "--locked", "--package", "everstate-chart", "--test", "engines"];
    cargo(&[&test[..], &["--", "--ignored", "--nocapture"]].concat())
}

/// Licences and sources of everything that is depended upon, where `cargo deny` is installed: building it takes
/// longer than everything else here.
fn deny() -> Result<()> {
    if !run::succeeds("cargo", &["deny", "--version"]) {
        eprintln!("SKIPPED: `cargo install cargo-deny` lets this check licences and sources");
        return Ok(());
    }
    cargo(&["deny", "--workspace", "check", "licenses", "bans", "sources"])
}

/// The simulated node, as a program of its own: xtask itself builds in seconds.
fn fleet(profile: &[&str], rest: &[&str]) -> Result<()> {
    let run = ["run", "--locked", "--package", "everstate-sim", "--features", "node", "--example", "fleet"];
    cargo(&[&run[..], profile, &["--"], rest].concat())
}

fn bench(rest: &[&str]) -> Result<()> {
    cargo(&[&["run", "--release", "--locked", "--package", "everstate-bench", "--"], rest].concat())
}
