//! What the figures were measured on.
//!
//! It refuses to tune anything. Its one invariant: it names what it could not find out as unknown.

use crate::scratch::Scratch;
use anyhow::Result;
use std::fmt;
use std::fs;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

/// A machine, as far as it matters for figures.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    processor: String,
    cores: usize,
    memory_gib: Option<f64>,
    system: String,
    sync: Duration,
    load: f64,
}

/// Syncs measured; enough for a median, in a fraction of a second on a slow disk.
const SYNCS: usize = 100;

impl Machine {
    /// Looks at this machine, and measures one sync of its disk.
    pub(crate) fn look() -> Result<Machine> {
        Ok(Machine {
            processor: field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".into()),
            cores: std::thread::available_parallelism()?.get(),
            memory_gib: field("/proc/meminfo", "MemTotal").and_then(|text| kibibytes(&text)),
            system: fs::read_to_string("/proc/sys/kernel/osrelease")
                .map_or_else(|_| std::env::consts::OS.into(), |release| format!("Linux {}", release.trim())),
            sync: one_sync()?,
            load: load(),
        })
    }
}

/// How many processes wanted to run in the last minute. Ours among them; above the number of cores, figures lie.
pub(crate) fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0.0)
}

/// Bytes of this or another process that are in memory.
pub(crate) fn resident_bytes(process: &str) -> u64 {
    let text = field(&format!("/proc/{process}/status"), "VmRSS").unwrap_or_default();
    text.split_whitespace().next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0) * 1024
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn kibibytes(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse::<f64>().ok().map(|number| number / 1024.0 / 1024.0)
}

/// The median time of writing and syncing 4 KiB in a file that has its length already.
fn one_sync() -> Result<Duration> {
    let scratch = Scratch::new("sync")?;
    let file =
        fs::OpenOptions::new().create_new(true).read(true).write(true).open(scratch.path().join("file"))?;
    let block = [1; 4096];
    for place in 0..SYNCS as u64 {
        file.write_all_at(&block, place * 4096)?;
    }
    file.sync_all()?;
    let mut times = Vec::with_capacity(SYNCS);
    for place in 0..SYNCS as u64 {
        let started = Instant::now();
        file.write_all_at(&block, place * 4096)?;
        file.sync_data()?;
        times.push(started.elapsed());
    }
    times.sort();
    Ok(times[SYNCS / 2])
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} cores, ", self.processor, self.cores)?;
        match self.memory_gib {
            Some(gib) => write!(f, "{gib:.0} GiB of memory, ")?,
            None => f.write_str("memory unknown, ")?,
        }
        let sync = self.sync.as_secs_f64() * 1e3;
        write!(f, "{}, one data sync {sync:.2} ms, load {:.1} at the start", self.system, self.load)
    }
}
