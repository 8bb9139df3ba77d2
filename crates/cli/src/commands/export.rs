//! `export`: everything in the store, as JSON lines.

use crate::arguments::Shared;
use crate::failure::{Exit, Failure};
use crate::meant;
use crate::output::Output;
use crate::render::bytes;
use clap::Args;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Write everything in the store as JSON lines
///
/// A consistent picture while the server goes on. Read it into an empty data folder with `import`.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// A file to write; compressed when it ends in .gz. Stdout when not given
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Export {
    pub(crate) async fn run(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        let client = meant::prompt_client(shared)?;
        let Some(file) = &self.out else {
            client.export(|piece| output.raw(piece)).await?;
            return Ok(Exit::Fine);
        };
        let mut written = 0;
        // Under another name until it is whole: half an export must not be taken for one.
        let part = part_of(file);
        let failed = |error: std::io::Error| Failure::file("write", file, &error);
        let mut sink = Sink::create(file, &part).map_err(failed)?;
        client
            .export(|piece| {
                written += piece.len() as u64;
                sink.write(piece).map_err(failed)
            })
            .await?;
        sink.finish().and_then(|()| std::fs::rename(&part, file)).map_err(failed)?;
        output.talk(&format!("wrote {} of JSON lines to {}", bytes(written), file.display()))?;
        Ok(Exit::Fine)
    }
}

fn part_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

enum Sink {
    Plain(BufWriter<File>),
    Packed(Box<GzEncoder<BufWriter<File>>>),
}

impl Sink {
    fn create(file: &Path, part: &Path) -> std::io::Result<Sink> {
        let opened = BufWriter::new(File::create(part)?);
        let packed = file.extension().is_some_and(|extension| extension == "gz");
        Ok(if packed {
            Sink::Packed(Box::new(GzEncoder::new(opened, Compression::fast())))
        } else {
            Sink::Plain(opened)
        })
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Sink::Plain(file) => file.write_all(bytes),
            Sink::Packed(file) => file.write_all(bytes),
        }
    }

    /// Whole and on the disk.
    fn finish(self) -> std::io::Result<()> {
        let buffer = match self {
            Sink::Plain(file) => file,
            Sink::Packed(file) => file.finish()?,
        };
        buffer.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()
    }
}
