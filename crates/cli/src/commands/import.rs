//! `import`: what `export` wrote, into a data folder of its own.
//!
//! Its one invariant: the folder is either whole or not there.

use crate::failure::{Exit, Failure, plain};
use crate::output::Output;
use crate::render::counted;
use clap::Args;
use everstate_store::{Options, Store, StoreError};
use flate2::bufread::MultiGzDecoder;
use serde_json::json;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

/// Read an export into an empty data folder, without a server
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  everstate import all.jsonl.gz --data restored
  everstate serve --data restored")]
pub(crate) struct Import {
    /// What `export` wrote, packed with gzip or not; - is stdin
    file: PathBuf,
    /// The data folder to make
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
}

impl Import {
    pub(crate) fn run(self, output: &mut Output) -> Result<Exit, Failure> {
        let taken =
            self.data.read_dir().is_ok_and(|mut entries| entries.next().is_some()) || self.data.is_file();
        if taken {
            let message = format!("data folder is not empty: {}", self.data.display());
            return Err(Failure::problem("data-folder", message).hint("give a folder that is not there yet"));
        }
        let mut lines = open(&self.file).map_err(|error| Failure::file("read", &self.file, &error))?;
        // Under another name until it is whole.
        let part = part_of(&self.data);
        if part.exists() {
            let left =
                Failure::file("remove", &part, &io::Error::other("left over from an import that failed"));
            std::fs::remove_dir_all(&part).map_err(|error| left.hint(plain(&error)))?;
        }
        let imported = fill(&part, &mut lines).map_err(|error| {
            Failure::problem("store", error.to_string())
                .hint(format!("{} is not an export, or not whole", self.file.display()))
        });
        let rows = match imported {
            Ok(rows) => rows,
            Err(failure) => {
                // What is left over is removed by the next import as well.
                let _ = std::fs::remove_dir_all(&part);
                return Err(failure);
            }
        };
        // An empty folder of that name is in the way of the whole one.
        let _ = std::fs::remove_dir(&self.data);
        std::fs::rename(&part, &self.data).map_err(|error| Failure::file("make", &self.data, &error))?;
        if output.json() {
            output.document(&json!({ "lines": rows, "data": self.data.display().to_string() }))?;
        } else {
            output.talk(&format!("read {} into {}", counted(rows, "line"), self.data.display()))?;
            output.talk(&format!("serve it with: everstate serve --data {}", self.data.display()))?;
        }
        Ok(Exit::Fine)
    }
}

fn fill(folder: &Path, lines: &mut dyn BufRead) -> Result<u64, StoreError> {
    let (mut store, _) = everstate_store::open(folder, &Options::default())?;
    let rows = everstate_store::import(&mut store, lines)?;
    Box::new(store).close()?;
    Ok(rows)
}

fn part_of(folder: &Path) -> PathBuf {
    let mut name = folder.components().as_path().as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

fn open(file: &Path) -> io::Result<Box<dyn BufRead>> {
    let source: Box<dyn io::Read> =
        if file == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(file)?) };
    let mut plain = BufReader::with_capacity(256 << 10, source);
    let packed = plain.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    Ok(if packed { Box::new(BufReader::new(MultiGzDecoder::new(plain))) } else { Box::new(plain) })
}
