//! `load`: events in bulk.
//!
//! Its one invariant: a second run changes nothing that the first one did, since every event keeps its id.

use crate::arguments::Shared;
use crate::failure::{Exit, Failure, plain};
use crate::load::{Feed, Lane, Lanes, Lines, Loaded, Read, Refused, Tally, Wrong, parse};
use crate::meant;
use crate::output::Output;
use crate::render::count;
use clap::Args;
use everstate_client::{Client, ClientError, Delivery};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::error::TryRecvError;

/// Load events from a file of JSON lines
///
/// A line is {"id","instance","event","time","data"}: id, instance and event are needed, time is RFC 3339. The
/// events of an instance are sent in the order of their lines. A second run sends nothing twice, so after any
/// interruption the same command goes on where it stopped. Exits with 1 when events were refused or lines are
/// malformed; all of them are counted, and listed with --refused.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  everstate load log.jsonl.gz --kind incidents
  everstate load log.jsonl --kind incidents --refused refused.jsonl --patience 10m")]
pub(crate) struct Load {
    /// JSON lines, packed with gzip or not; - is stdin
    file: PathBuf,
    /// Kind of the instances
    #[arg(long, short, required = true)]
    kind: String,
    /// A file to list refused events and malformed lines in, as JSON lines
    #[arg(long, value_name = "FILE")]
    refused: Option<PathBuf>,
    /// Events of one batch
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    batch: u16,
    /// Batches on their way at a time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    in_flight: u16,
}

impl Load {
    pub(crate) async fn run(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        let client = meant::client(shared, meant::LONG_PATIENCE)?;
        let lines = Lines::open(&self.file).map_err(|error| Failure::file("read", &self.file, &error))?;
        let refused = match &self.refused {
            None => None,
            Some(file) => Some(BufWriter::new(
                File::create(file).map_err(|error| Failure::file("write", file, &error))?,
            )),
        };
        self.check_kind(&client).await?;
        let feed = lines.feed();
        let progress = Progress::new(&feed, output);
        let lanes = Lanes::new(self.in_flight.into(), self.batch.into());
        let mut run = Run { load: &self, client, feed, lanes, tally: Tally::default(), refused, progress };
        let ended = run.all(output).await;
        run.progress.finish();
        if let Some(file) = &mut run.refused {
            let path = self.refused.as_deref().unwrap_or(&self.file);
            file.flush().map_err(|error| Failure::file("write", path, &error))?;
        }
        if output.json() {
            output.document(&run.tally.document())?;
        } else {
            output.data(&run.tally.render(output.paint()))?;
        }
        output.flush()?;
        ended.map_err(|failure| failure.hint("run the same command again: it goes on where it stopped"))?;
        if run.tally.exit() == Exit::Problem && self.refused.is_none() {
            output.talk("hint: list them with --refused FILE")?;
        }
        Ok(run.tally.exit())
    }

    /// A wrong kind would be refused for every line; it is better told once, before anything is sent.
    async fn check_kind(&self, client: &Client) -> Result<(), Failure> {
        match client.definition(&self.kind, "").await {
            Ok(_) => Ok(()),
            Err(error) => Err(crate::commands::explained(client, &self.kind, error).await),
        }
    }
}

/// A load under way.
struct Run<'a> {
    load: &'a Load,
    client: Client,
    feed: Feed,
    lanes: Lanes,
    tally: Tally,
    refused: Option<BufWriter<File>>,
    progress: Progress,
}

type Arrival = (Lane, Vec<Loaded>, Result<Delivery, ClientError>);

impl Run<'_> {
    async fn all(&mut self, output: &mut Output) -> Result<(), Failure> {
        let mut on_the_way = FuturesUnordered::new();
        let (mut ended, mut broken) = (false, None);
        loop {
            while !ended && self.lanes.have_room() {
                match self.feed.lines.try_recv() {
                    Ok(read) => (ended, broken) = self.take(read, output)?,
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => ended = true,
                }
            }
            // When there is nothing more to read at present, what is there goes out rather than waiting for more.
            while let Some((lane, batch)) = self.lanes.take(ended || self.lanes.have_room()) {
                let client = self.client.clone();
                on_the_way.push(async move {
                    let items = batch.iter().map(|loaded| loaded.item.clone()).collect();
                    let delivery = client.send_all(items).await;
                    (lane, batch, delivery)
                });
            }
            tokio::select! {
                biased;
                Some(arrival) = on_the_way.next(), if !on_the_way.is_empty() => self.arrived(arrival, output)?,
                read = self.feed.lines.recv(), if !ended && self.lanes.have_room() => match read {
                    Some(read) => (ended, broken) = self.take(read, output)?,
                    None => ended = true,
                },
                else => return broken.map_or(Ok(()), Err),
            }
        }
    }

    /// Takes what was read into its lane; tells whether that was the end, and if so, whether a bad one.
    fn take(
        &mut self,
        read: Result<(u64, Read), (u64, io::Error)>,
        output: &mut Output,
    ) -> Result<(bool, Option<Failure>), Failure> {
        let parsed = match read {
            Ok((number, Read::Line(text))) => parse(number, &text, &self.load.kind),
            Ok((number, Read::Wrong(problem))) => Err(Wrong { line: number, problem }),
            Err((number, error)) => {
                let place = format!("{} after line {number}", self.load.file.display());
                let failure = Failure::problem("file", format!("cannot read {place}: {}", plain(&error)));
                return Ok((true, Some(failure)));
            }
        };
        match parsed {
            Ok(loaded) => self.lanes.push(loaded),
            Err(wrong) => {
                let refused = self.tally.wrong(&wrong);
                self.list(&refused)?;
                // The first ones help; thousands would bury the summary, which counts them all.
                const TOLD: u64 = 10;
                if self.tally.malformed() <= TOLD {
                    let line = format!("{}:{}: {}", self.load.file.display(), wrong.line, wrong.problem);
                    self.progress.say(&line, output)?;
                }
            }
        }
        Ok((false, None))
    }

    fn arrived(&mut self, (lane, batch, delivery): Arrival, output: &mut Output) -> Result<(), Failure> {
        self.lanes.done(lane);
        for (loaded, result) in batch.iter().zip(&delivery?.results) {
            if let Some(refused) = self.tally.count(loaded, result) {
                self.list(&refused)?;
            }
        }
        self.progress.update(self.tally.events, self.tally.refused(), &self.feed, output)
    }

    fn list(&mut self, refused: &Refused) -> Result<(), Failure> {
        let (Some(file), Some(path)) = (&mut self.refused, &self.load.refused) else { return Ok(()) };
        writeln!(file, "{}", refused.0).map_err(|error| Failure::file("write", path, &error))
    }
}

/// How far a load is: a bar for who watches, a line now and then for a log.
struct Progress {
    bar: ProgressBar,
    watched: bool,
    began: Instant,
    told: Instant,
}

/// A line in a log every so often: a long load stays visible, a short one says nothing.
const TOLD_EVERY: Duration = Duration::from_secs(10);

impl Progress {
    fn new(feed: &Feed, output: &Output) -> Progress {
        let watched = output.manner().watched;
        let target = if watched { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = match feed.size() {
            Some(size) => ProgressBar::with_draw_target(Some(size), target),
            None => ProgressBar::with_draw_target(None, target),
        };
        let style = ProgressStyle::with_template("{bar:30} {percent}%  {msg}  {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let now = Instant::now();
        Progress { bar, watched, began: now, told: now }
    }

    fn update(&mut self, events: u64, refused: u64, feed: &Feed, output: &mut Output) -> Result<(), Failure> {
        let rate = events as f64 / self.began.elapsed().as_secs_f64().max(0.001);
        let text = format!("{} events, {}/s, {} refused", count(events), count(rate as u64), count(refused));
        self.bar.set_position(feed.consumed());
        self.bar.set_message(text.clone());
        if !self.watched && self.told.elapsed() >= TOLD_EVERY {
            self.told = Instant::now();
            output.talk(&text)?;
        }
        Ok(())
    }

    fn say(&self, line: &str, output: &mut Output) -> Result<(), Failure> {
        if self.watched { self.bar.suspend(|| output.talk(line)) } else { output.talk(line) }
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
