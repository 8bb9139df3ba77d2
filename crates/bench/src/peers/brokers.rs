//! NATS and Redis: messages through a broker to one subscription among many, over loopback and its own protocol.
//!
//! It refuses client libraries: lines written in bulk show the broker's speed and nobody else's. Its one invariant: the
//! clock stops when the last message has been received.

use super::{Running, install};
use anyhow::{Context, Result, ensure};
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

/// A broker and the words of its protocol.
pub(crate) struct Broker {
    pub(crate) name: &'static str,
    program: &'static str,
    arguments: fn(u16) -> Vec<String>,
    /// What a connection says first.
    greeting: &'static str,
    subscribe: fn(u64) -> String,
    publish: &'static str,
    /// How every delivered message begins.
    delivered: &'static [u8],
    /// What is asked to know that all before it was done, and what is answered.
    ping: (&'static str, &'static [u8]),
}

pub(crate) const BROKERS: &[Broker] = &[
    Broker {
        name: "NATS",
        program: "nats-server",
        arguments: |port| vec!["-a".into(), "127.0.0.1".into(), "-p".into(), port.to_string()],
        greeting: "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n",
        subscribe: |number| format!("SUB {} {number}\r\n", topic(number)),
        publish: "PUB topic.wanted 4\r\nnull\r\n",
        delivered: b"MSG topic.wanted ",
        ping: ("PING\r\n", b"PONG\r\n"),
    },
    Broker {
        name: "Redis",
        program: "redis-server",
        arguments: |port| {
            let of = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"];
            of.iter().map(|&word| word.to_owned()).chain([port.to_string()]).collect()
        },
        greeting: "",
        subscribe: |number| {
            let topic = topic(number);
            format!("*2\r\n$9\r\nSUBSCRIBE\r\n${}\r\n{topic}\r\n", topic.len())
        },
        publish: "*3\r\n$7\r\nPUBLISH\r\n$12\r\ntopic.wanted\r\n$4\r\nnull\r\n",
        delivered: b"$7\r\nmessage\r\n",
        ping: ("*1\r\n$4\r\nPING\r\n", b"pong"),
    },
];

/// One matches, whatever their number.
fn topic(number: u64) -> String {
    if number == 0 { "topic.wanted".into() } else { format!("topic.other-{number}") }
}

/// Messages that are written at once.
const AT_ONCE: u64 = 1_000;

impl Broker {
    /// Messages per second to one of so many subscriptions.
    pub(crate) fn per_second(&self, subscriptions: u64, messages: u64) -> Result<f64> {
        install(self.program, self.program)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let _running = Running::start(Command::new(self.program).args((self.arguments)(port)))?;
        let mut subscriber = connect(port).with_context(|| format!("{} did not start", self.name))?;
        let mut publisher = connect(port)?;
        publisher.write_all(self.greeting.as_bytes())?;
        let mut lines = self.greeting.to_owned();
        for number in 0..subscriptions {
            write!(lines, "{}", (self.subscribe)(number))?;
        }
        lines.push_str(self.ping.0);
        let mut writing = subscriber.try_clone()?;
        let writer = std::thread::spawn(move || writing.write_all(lines.as_bytes()));
        count(&mut subscriber, self.ping.1, 1)?;
        ensure!(writer.join().is_ok_and(|written| written.is_ok()), "the subscriptions could not be written");
        let drain = publisher.try_clone()?;
        let answers = std::thread::spawn(move || drained(drain));
        let block = self.publish.repeat(AT_ONCE as usize);
        let started = Instant::now();
        let sender = std::thread::spawn(move || -> std::io::Result<TcpStream> {
            for _ in 0..messages / AT_ONCE {
                publisher.write_all(block.as_bytes())?;
            }
            Ok(publisher)
        });
        let sent = messages / AT_ONCE * AT_ONCE;
        count(&mut subscriber, self.delivered, sent)?;
        let rate = sent as f64 / started.elapsed().as_secs_f64();
        let publisher = sender.join().map_err(|_| anyhow::anyhow!("the publisher panicked"))??;
        publisher.shutdown(std::net::Shutdown::Both)?;
        // That it has ended is enough.
        let _ = answers.join();
        Ok(rate)
    }
}

fn connect(port: u16) -> Result<TcpStream> {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(Duration::from_secs(60)))?;
                return Ok(stream);
            }
            Err(error) if Instant::now() > until => return Err(error.into()),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Reads until a word has come so often.
fn count(stream: &mut TcpStream, word: &[u8], wanted: u64) -> Result<()> {
    let (mut seen, mut kept) = (0, Vec::new());
    let mut buffer = vec![0; 1 << 18];
    while seen < wanted {
        let read = stream.read(&mut buffer)?;
        ensure!(read > 0, "the broker closed the connection after {seen} of {wanted}");
        kept.extend_from_slice(&buffer[..read]);
        let mut at = 0;
        while let Some(found) = kept[at..].windows(word.len()).position(|window| window == word) {
            (seen, at) = (seen + 1, at + found + word.len());
        }
        // A word may be cut by the end of what was read.
        let rest = at.max(kept.len().saturating_sub(word.len() - 1));
        kept.drain(..rest);
    }
    Ok(())
}

/// Reads what is answered to a publisher, so that the broker is never held up.
fn drained(mut stream: TcpStream) {
    let mut buffer = vec![0; 1 << 16];
    while stream.read(&mut buffer).is_ok_and(|read| read > 0) {}
}
