//! Everything in the store as it was at one moment, while the node goes on.
//!
//! It refuses to hold up the node: the embedded store is copied first, by its own means, and the copy is read at
//! the client's pace.
//!
//! Its one invariant: a copy lies beside the store for as long as it is read, and no longer.

use crate::failure::Failure;
use everstate_store::{Portable, StoreError};
use std::io::{self, Write};
use std::path::PathBuf;
use tokio::sync::mpsc;

/// What can be exported.
pub(crate) trait Exported: Send + Sync + std::fmt::Debug {
    /// Writes all lines.
    fn write(&self, out: &mut dyn Write) -> Result<u64, StoreError>;
}

/// Bytes of one message. A line of an export is well under this; a message holds some hundreds.
const CHUNK_BYTES: usize = 128 * 1024;

/// Messages made ahead of the client.
const AHEAD: usize = 4;

/// Runs an export; gives its chunks, each of whole lines.
pub(crate) fn chunks(exported: std::sync::Arc<dyn Exported>) -> mpsc::Receiver<Result<Vec<u8>, Failure>> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        let mut lines = Lines { sender, waiting: Vec::with_capacity(CHUNK_BYTES) };
        let written = exported.write(&mut lines).and_then(|_| {
            lines
                .pass_on(lines.waiting.len())
                .map_err(|source| StoreError::Io { action: "exporting".into(), source })
        });
        if let Err(error) = written {
            // When the client has gone, nobody hears this, and nobody needs to.
            let _ = lines.sender.blocking_send(Err(Failure::from(error)));
        }
    });
    receiver
}

/// Cuts what is written into chunks that end with a line.
struct Lines {
    sender: mpsc::Sender<Result<Vec<u8>, Failure>>,
    waiting: Vec<u8>,
}

impl Lines {
    fn pass_on(&mut self, end: usize) -> io::Result<()> {
        if end == 0 {
            return Ok(());
        }
        let rest = self.waiting.split_off(end);
        let chunk = std::mem::replace(&mut self.waiting, rest);
        self.sender.blocking_send(Ok(chunk)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= CHUNK_BYTES
            && let Some(end) = self.waiting.iter().rposition(|byte| *byte == b'\n')
        {
            self.pass_on(end + 1)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The embedded store.
pub(crate) struct Embedded {
    pub(crate) store: everstate_store::Handle,
    pub(crate) folder: PathBuf,
}

impl std::fmt::Debug for Embedded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Embedded").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Exported for Embedded {
    fn write(&self, out: &mut dyn Write) -> Result<u64, StoreError> {
        let copy = Copy(self.folder.with_extension(format!("export-{}", uuid::Uuid::now_v7())));
        self.store.backup(&copy.0)?;
        let (store, _) = everstate_store::open(&copy.0, &everstate_store::Options::default())?;
        export(&store, out)
    }
}

/// A folder that is removed when it is no longer read.
struct Copy(PathBuf);

impl Drop for Copy {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(folder = %self.0.display(), %error, "a copy made for an export could not be removed");
        }
    }
}

/// The store in memory. It is written in one go, during which nothing is committed; it is for trials and tests.
#[derive(Debug)]
pub(crate) struct Memory(pub(crate) everstate_store::Memory);

impl Exported for Memory {
    fn write(&self, out: &mut dyn Write) -> Result<u64, StoreError> {
        let mut lines = Vec::new();
        let count = export(&self.0, &mut lines)?;
        let written = |source| StoreError::Io { action: "writing the export".into(), source };
        out.write_all(&lines).map_err(written)?;
        Ok(count)
    }
}

fn export(store: &dyn Portable, out: &mut dyn Write) -> Result<u64, StoreError> {
    everstate_store::export(store, out)
}
