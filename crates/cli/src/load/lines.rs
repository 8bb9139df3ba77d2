//! The lines of a file, packed or not, of any length without filling the memory.

use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc::{Receiver, channel};

/// Bytes of a line. Data may have 1 MiB; twice that leaves room for its escapes.
const LINE_BYTES_MAX: usize = 2 << 20;

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// A line without its end.
    Line(String),
    /// A line that cannot be one of JSON, and why.
    Wrong(String),
}

/// Reads lines and counts them, empty ones included.
pub(crate) struct Lines {
    source: Box<dyn BufRead + Send>,
    number: u64,
    consumed: Arc<AtomicU64>,
    size: Option<u64>,
}

impl Lines {
    /// Opens a file; `-` is stdin. A file that begins as gzip does is unpacked, whatever its name.
    pub(crate) fn open(path: &Path) -> io::Result<Lines> {
        if path == Path::new("-") {
            return Lines::new(Box::new(io::stdin()), None);
        }
        let file = File::open(path)?;
        let kind = file.metadata()?;
        if kind.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
        }
        Lines::new(Box::new(file), Some(kind.len()))
    }

    pub(crate) fn new(source: Box<dyn io::Read + Send>, size: Option<u64>) -> io::Result<Lines> {
        let consumed = Arc::new(AtomicU64::new(0));
        let counted = Counted { source, consumed: consumed.clone() };
        let mut plain = BufReader::with_capacity(256 << 10, counted);
        let packed = plain.fill_buf()?.starts_with(&[0x1f, 0x8b]);
        let source: Box<dyn BufRead + Send> =
            if packed { Box::new(BufReader::new(MultiGzDecoder::new(plain))) } else { Box::new(plain) };
        Ok(Lines { source, number: 0, consumed, size })
    }

    /// The next line that is not empty, with its number; none at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<(u64, Read)>> {
        loop {
            let mut bytes = Vec::new();
            let limit = LINE_BYTES_MAX as u64 + 1;
            if (&mut self.source).take(limit).read_until(b'\n', &mut bytes)? == 0 {
                return Ok(None);
            }
            self.number += 1;
            if bytes.len() > LINE_BYTES_MAX && bytes.last() != Some(&b'\n') {
                self.skip_line()?;
                let problem = format!("line is longer than {LINE_BYTES_MAX} bytes");
                return Ok(Some((self.number, Read::Wrong(problem))));
            }
            let read = match String::from_utf8(bytes) {
                Ok(text) if text.trim().is_empty() => continue,
                Ok(text) => Read::Line(text.trim().to_owned()),
                Err(_) => Read::Wrong("line is not UTF-8 text".into()),
            };
            return Ok(Some((self.number, read)));
        }
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let buffer = self.source.fill_buf()?;
            let (used, ended) = match buffer.iter().position(|byte| *byte == b'\n') {
                Some(at) => (at + 1, true),
                None => (buffer.len(), buffer.is_empty()),
            };
            self.source.consume(used);
            if ended {
                return Ok(());
            }
        }
    }

    /// Reads on a thread of its own: a pipe that brings nothing must not hold up what is on its way.
    pub(crate) fn feed(mut self) -> Feed {
        /// Lines read ahead. A batch or so; more would only fill the memory.
        const AHEAD: usize = 2_000;
        let (sender, lines) = channel(AHEAD);
        let (consumed, size) = (self.consumed.clone(), self.size);
        std::thread::spawn(move || {
            loop {
                let read = match self.next() {
                    Ok(None) => break,
                    Ok(Some(read)) => Ok(read),
                    Err(error) => Err((self.number, error)),
                };
                let failed = read.is_err();
                if sender.blocking_send(read).is_err() || failed {
                    break;
                }
            }
        });
        Feed { lines, consumed, size }
    }
}

/// The lines as another thread reads them.
pub(crate) struct Feed {
    /// Lines with their numbers; or what went wrong, with the number of the last line before.
    pub(crate) lines: Receiver<Result<(u64, Read), (u64, io::Error)>>,
    consumed: Arc<AtomicU64>,
    size: Option<u64>,
}

impl Feed {
    /// Bytes of the file that were read.
    pub(crate) fn consumed(&self) -> u64 {
        self.consumed.load(Ordering::Relaxed)
    }

    /// Bytes of the whole file, where that is known.
    pub(crate) fn size(&self) -> Option<u64> {
        self.size
    }
}

struct Counted {
    source: Box<dyn io::Read + Send>,
    consumed: Arc<AtomicU64>,
}

impl io::Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.consumed.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
