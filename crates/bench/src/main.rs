//! What does Everstate cost, beside what it is compared to? Every bench runs both sides in one run and tells the
//! ratio, since a machine's own speed changes from run to run.
//!
//! It refuses to judge: a goal that is missed is printed as missed, and the run ends well all the same.
//!
//! Its one invariant: every load is bounded in count and time, and only ever goes to this machine itself.

mod allocations;
mod bare;
mod bench;
mod child;
mod explored;
mod http;
mod load;
mod machine;
mod node;
mod peers;
mod report;
mod scratch;
mod served;
mod society;

use anyhow::{Result, bail};
use bench::{BENCHES, Size};
use machine::Machine;
use report::Report;

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

const HELP: &str = "\
cargo xtask bench [NAME]… [--smoke] [--peers | --no-peers] [--write]

  NAME        one of those below; all of them without a name
  --smoke     small enough to run as a test: shows that it works, not how fast it is
  --peers     runs what Everstate is compared to as well, and installs what is missing of it (npm, apt-get);
              this is what happens without --smoke
  --no-peers  leaves them out
  --write     puts the results into docs/benchmarks.md

";

/// What was asked for.
struct Asked {
    names: Vec<String>,
    smoke: bool,
    peers: Option<bool>,
    write: bool,
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|first| first == child::COMMAND) {
        return child::run(&args[1..]);
    }
    let Some(asked) = understand(&args)? else {
        print!("{HELP}");
        for bench in BENCHES {
            println!("  {:<12}{}", bench.name, bench.about);
        }
        return Ok(());
    };
    let peers = asked.peers.unwrap_or(!asked.smoke);
    let size = if asked.smoke { Size::smoke(peers) } else { Size::full(peers) };
    let machine = Machine::look()?;
    println!("{machine}");
    let mut report = Report::new(machine, asked.smoke);
    for bench in BENCHES {
        if asked.names.is_empty() || asked.names.iter().any(|name| name == bench.name) {
            eprintln!("== {}: {}", bench.name, bench.about);
            let section = (bench.run)(&size)?;
            println!("\n{section}");
            report.add(bench.name, section);
        }
    }
    if asked.write {
        report.write()?;
    }
    Ok(())
}

/// Reads the arguments; none when help is wanted.
fn understand(args: &[String]) -> Result<Option<Asked>> {
    let mut asked = Asked { names: Vec::new(), smoke: false, peers: None, write: false };
    for arg in args {
        match arg.as_str() {
            "--smoke" => asked.smoke = true,
            "--peers" => asked.peers = Some(true),
            "--no-peers" => asked.peers = Some(false),
            "--write" => asked.write = true,
            "help" | "--help" | "-h" => return Ok(None),
            name if BENCHES.iter().any(|bench| bench.name == name) => asked.names.push(name.into()),
            other => {
                let known: Vec<_> = BENCHES.iter().map(|bench| bench.name).collect();
                bail!("there is no bench or option {other:?}; the benches are {}", known.join(", "));
            }
        }
    }
    if asked.smoke && asked.write {
        bail!("--smoke says nothing about speed, so --write refuses to keep it; leave one of them out");
    }
    Ok(Some(asked))
}
