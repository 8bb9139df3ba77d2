//! What is kept no longer, as lines of JSON in files by the day, for whoever wants it after all.
//!
//! It refuses to know when something is kept no longer.
//!
//! Its one invariant: what it has said to keep is on the disk. A line may be there twice, when what was kept here was not
//! deleted in the end; none is there by half, since the end of a file that was being written when the process ended is
//! taken away before more is written.

use crate::contract::StoreError;
use crate::export::{InstanceRow, Row};
use everstate_kernel::{Instance, Time};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// A folder of such files.
#[derive(Debug)]
pub struct Archive {
    folder: PathBuf,
    /// The file that is written, and of which day it is.
    open: Option<(i64, File)>,
}

const DAY_MS: i64 = 86_400_000;

impl Archive {
    /// Uses the folder, and makes it when it is not there.
    pub fn open(folder: &Path) -> Result<Archive, StoreError> {
        std::fs::create_dir_all(folder).map_err(|source| failed("making", folder, source))?;
        Ok(Archive { folder: folder.to_path_buf(), open: None })
    }

    /// Keeps the rows. When this fails, some of them may be kept.
    pub fn keep(&mut self, now: Time, rows: &[Row]) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let day = now.0.div_euclid(DAY_MS);
        let path = self.folder.join(format!("expired-{}.jsonl", date(day)));
        let mut file = match self.open.take().filter(|(of, _)| *of == day) {
            Some((_, file)) => file,
            None => opened(&path).map_err(|source| failed("opening", &path, source))?,
        };
        let mut lines = Vec::new();
        for row in rows {
            serde_json::to_writer(&mut lines, row).map_err(|error| failed("writing", &path, error.into()))?;
            lines.push(b'\n');
        }
        // After a failure the file is opened anew, which takes away what was written by half.
        file.write_all(&lines)
            .and_then(|()| file.sync_data())
            .map_err(|error| failed("writing", &path, error))?;
        self.open = Some((day, file));
        Ok(())
    }
}

impl Row {
    /// An instance as it is exported.
    pub fn of_instance(instance: Instance) -> Row {
        Row::Instance(Box::new(InstanceRow::new(instance)))
    }
}

/// A file to append to, without a line that has no end.
fn opened(path: &Path) -> std::io::Result<File> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    let length = file.metadata()?.len();
    let mut end = length;
    let mut block = Vec::new();
    while end > 0 {
        let from = end.saturating_sub(1 << 16);
        block.resize((end - from) as usize, 0);
        file.seek(SeekFrom::Start(from))?;
        file.read_exact(&mut block)?;
        if let Some(at) = block.iter().rposition(|byte| *byte == b'\n') {
            end = from + at as u64 + 1;
            break;
        }
        end = from;
    }
    if end < length {
        file.set_len(end)?;
    }
    // The file's name is to survive, too.
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(file)
}

fn failed(what: &str, path: &Path, source: std::io::Error) -> StoreError {
    StoreError::Io { action: format!("{what} {}", path.display()), source }
}

/// The date of a day since 1970-01-01, in the proleptic Gregorian calendar (Howard Hinnant's `civil_from_days`).
fn date(day: i64) -> String {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let of_era = day.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests;
