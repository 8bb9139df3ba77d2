//! As little HTTP/1.1 as a load needs, so that the load costs little beside what is measured.
//!
//! It refuses to talk to any other machine. Its one invariant: an answer that is not 200 is an error with its text.

use anyhow::{Context, Result, bail, ensure};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection that stays open.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

/// What the headers say of the body behind them.
struct Head {
    status: u16,
    body_at: usize,
    body: Length,
}

/// How long a body is.
#[derive(Clone, Copy)]
enum Length {
    Known(usize),
    /// It comes in chunks, each with its length before it.
    Chunked,
}

impl Connection {
    /// Connects to a port of this machine.
    pub(crate) async fn open(port: u16) -> Result<Connection> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, received: Vec::with_capacity(16 << 10) })
    }

    /// Sends a request as it is, and answers with the body.
    pub(crate) async fn send(&mut self, request: &[u8]) -> Result<&[u8]> {
        self.stream.write_all(request).await?;
        self.received.clear();
        let head = loop {
            if let Some(head) = head(&self.received)? {
                break head;
            }
            self.read().await?;
        };
        let length = match head.body {
            Length::Known(length) => {
                while self.received.len() < head.body_at + length {
                    self.read().await?;
                }
                length
            }
            Length::Chunked => self.join_chunks(head.body_at).await?,
        };
        let body = &self.received[head.body_at..head.body_at + length];
        ensure!(head.status == 200, "answered {}: {}", head.status, String::from_utf8_lossy(body));
        Ok(body)
    }

    /// Reads all chunks and puts them together from `start` on. Answers how long they are in all.
    async fn join_chunks(&mut self, start: usize) -> Result<usize> {
        let (mut at, mut end) = (start, start);
        loop {
            let line = loop {
                if let Some(line) = self.received[at..].windows(2).position(|two| two == b"\r\n") {
                    break line;
                }
                self.read().await?;
            };
            let digits = std::str::from_utf8(&self.received[at..at + line])?;
            let length = usize::from_str_radix(digits.trim(), 16).context("a chunk without length")?;
            let from = at + line + 2;
            while self.received.len() < from + length + 2 {
                self.read().await?;
            }
            if length == 0 {
                return Ok(end - start);
            }
            self.received.copy_within(from..from + length, end);
            (at, end) = (from + length + 2, end + length);
        }
    }

    async fn read(&mut self) -> Result<()> {
        ensure!(self.stream.read_buf(&mut self.received).await? > 0, "the connection was closed");
        Ok(())
    }
}

/// A POST with that body.
pub(crate) fn post(path: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn head(received: &[u8]) -> Result<Option<Head>> {
    let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&received[..end]).context("headers are not text")?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let status = status.with_context(|| format!("no status in {text:?}"))?;
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        let body = if name.eq_ignore_ascii_case("content-length") {
            Length::Known(value.trim().parse().context("content-length is no number")?)
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            Length::Chunked
        } else {
            continue;
        };
        return Ok(Some(Head { status, body_at: end + 4, body }));
    }
    bail!("an answer that does not say how long it is: {text}")
}

/// A port of this machine that nobody listens on at the moment.
pub(crate) fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Sends a request once a server is there; gives up after half a minute.
pub(crate) async fn once_there(port: u16, request: &[u8]) -> Result<Vec<u8>> {
    let attempts = 120;
    for attempt in 1.. {
        let answer = async { anyhow::Ok(Connection::open(port).await?.send(request).await?.to_vec()) };
        match tokio::time::timeout(Duration::from_secs(5), answer).await {
            Ok(Ok(body)) => return Ok(body),
            Ok(Err(error)) if attempt == attempts => return Err(error),
            Err(_) if attempt == attempts => bail!("nobody answers on port {port}"),
            _ => tokio::time::sleep(Duration::from_millis(250)).await,
        }
    }
    unreachable!("the loop ends by returning")
}
