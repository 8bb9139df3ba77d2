//! The bare loop: appends bytes with group commit and syncs, and nothing else. What a durable turn cannot beat.
//!
//! It refuses to know what the bytes mean. Its one invariant: nobody is answered before the sync that covers him.

use crate::load::Sender;
use crate::scratch::Scratch;
use anyhow::{Context, Result};
use crossbeam_channel::{Receiver, unbounded};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::oneshot;
use xxhash_rust::xxh3::xxh3_64;

/// Turns in one sync at most, as many as the runtime takes into a batch.
const GROUP_MAX: usize = 2_048;

/// Bytes of the file, which is written round and round: its length is made once, so that a sync is only data.
const FILE_BYTES: u64 = 64 << 20;

/// Some turns to append, and whom to tell.
struct Append {
    turns: usize,
    done: oneshot::Sender<()>,
}

/// A running loop.
#[derive(Debug)]
pub(crate) struct Bare {
    calls: crossbeam_channel::Sender<Append>,
    thread: JoinHandle<Result<()>>,
    _scratch: Scratch,
}

impl Bare {
    /// A loop that writes `bytes` for each turn.
    pub(crate) fn start(bytes: usize) -> Result<Bare> {
        let scratch = Scratch::new("bare")?;
        let path = scratch.path().join("journal");
        let file = OpenOptions::new().create_new(true).read(true).write(true).open(path)?;
        let zeros = vec![0; 1 << 20];
        for place in 0..FILE_BYTES >> 20 {
            file.write_all_at(&zeros, place << 20)?;
        }
        file.sync_all()?;
        let (calls, queue) = unbounded();
        let turn: Arc<[u8]> = (0..bytes).map(|place| place as u8).collect();
        let thread = std::thread::spawn(move || run(&file, &turn, &queue));
        Ok(Bare { calls, thread, _scratch: scratch })
    }

    /// Someone who appends `turns` at a time and waits.
    pub(crate) fn sender(&self, turns: usize) -> impl Sender + use<> {
        Appender { calls: self.calls.clone(), turns }
    }

    pub(crate) fn stop(self) -> Result<()> {
        drop(self.calls);
        self.thread.join().expect("the loop does not panic")
    }
}

struct Appender {
    calls: crossbeam_channel::Sender<Append>,
    turns: usize,
}

impl Sender for Appender {
    async fn send(&mut self) -> Result<u64> {
        let (done, answer) = oneshot::channel();
        self.calls.send(Append { turns: self.turns, done }).ok().context("the bare loop has ended")?;
        answer.await.context("the bare loop has ended")?;
        Ok(self.turns as u64)
    }
}

fn run(file: &File, turn: &[u8], queue: &Receiver<Append>) -> Result<()> {
    let (mut block, mut waiting, mut end) = (Vec::new(), Vec::new(), 0u64);
    while let Ok(first) = queue.recv() {
        block.clear();
        block.extend_from_slice(&[0; 16]);
        let (mut next, mut turns) = (Some(first), 0);
        while let Some(append) = next {
            for _ in 0..append.turns {
                block.extend_from_slice(turn);
            }
            turns += append.turns;
            waiting.push(append.done);
            next = if turns < GROUP_MAX { queue.try_recv().ok() } else { None };
        }
        let (length, checksum) = (block.len() as u64, xxh3_64(&block[16..]));
        block[..8].copy_from_slice(&length.to_le_bytes());
        block[8..16].copy_from_slice(&checksum.to_le_bytes());
        if end + length > FILE_BYTES {
            end = 0;
        }
        file.write_all_at(&block, end)?;
        file.sync_data()?;
        end += length;
        for done in waiting.drain(..) {
            // Whoever has stopped waiting does not want to know.
            let _ = done.send(());
        }
    }
    Ok(())
}
