//! As much of HTTP/1.1 as one client needs.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Result};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::{BUCKET, Request};

/// Bytes of a body that are read or written at once.
const PIECE: usize = 16 << 10;

/// Bytes a second, if they are limited.
#[derive(Clone, Copy)]
pub(super) struct Pace(pub Option<u32>);

impl Pace {
    async fn rest(self, bytes: usize) {
        if let Some(rate) = self.0 {
            tokio::time::sleep(Duration::from_secs_f64(bytes as f64 / f64::from(rate))).await;
        }
    }
}

/// A request without its body.
pub(super) struct Head {
    pub method: String,
    /// Bucket and key, decoded.
    pub bucket: String,
    pub key: String,
    pub query: BTreeMap<String, String>,
    /// By names in lower case.
    pub fields: BTreeMap<String, String>,
    pub length: usize,
}

impl Head {
    pub fn is_list(&self) -> bool {
        self.method == "GET" && self.query.contains_key("list-type")
    }

    pub fn request(&self, number: u64) -> Request {
        let (method, key) = match self.is_list() {
            true => ("LIST".to_owned(), self.query.get("prefix").cloned().unwrap_or_default()),
            false => (self.method.clone(), self.key.clone()),
        };
        Request { number, method, key, length: self.length }
    }
}

/// Reads the head of the next request; `None` when there is none any more.
pub(super) async fn read_head(stream: &mut BufReader<TcpStream>) -> Result<Option<Head>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Err(Error::from(ErrorKind::InvalidData));
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = decode(path.trim_start_matches('/'));
    let (bucket, key) = path.split_once('/').unwrap_or((&path, ""));
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let query = pairs.map(|(name, value)| (decode(name), decode(&value.replace('+', " ")))).collect();
    let (method, bucket, key) = (method.to_owned(), bucket.to_owned(), key.to_owned());
    let mut head = Head { method, bucket, key, query, fields: BTreeMap::new(), length: 0 };
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        head.fields.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    head.length = head.fields.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    Ok(Some(head))
}

pub(super) async fn read_body(
    stream: &mut BufReader<TcpStream>,
    length: usize,
    pace: Pace,
) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    while body.len() < length {
        let piece = PIECE.min(length - body.len());
        let begin = body.len();
        body.resize(begin + piece, 0);
        stream.read_exact(body.split_at_mut(begin).1).await?;
        pace.rest(piece).await;
    }
    Ok(body)
}

/// Replaces `%XX`.
fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [byte, tail @ ..] = rest {
        let hex = tail.get(..2).filter(|_| *byte == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(decoded) => {
                bytes.push(decoded);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What is answered.
pub(super) struct Answer {
    pub status: u16,
    pub fields: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn new(status: u16) -> Self {
        Self { status, fields: Vec::new(), body: Vec::new() }
    }

    /// An error as S3 tells it.
    pub fn error(status: u16, code: &str) -> Self {
        let text = format!(
            "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>injected</Message><BucketName>{BUCKET}</BucketName>\
             <Region>elsewhere-1</Region></Error>"
        );
        Self { body: text.into_bytes(), ..Self::new(status) }
    }

    pub fn shorten(&mut self) {
        self.body.pop();
    }

    /// Flips a bit, another one for each number.
    pub fn flip(&mut self, number: u64) {
        let place = number.wrapping_mul(7_919) as usize % self.body.len().max(1);
        if let Some(byte) = self.body.get_mut(place) {
            *byte ^= 1 << (number % 8);
        }
    }

    pub async fn write(&self, stream: &mut TcpStream, pace: Pace) -> Result<()> {
        stream.write_all(self.head().as_bytes()).await?;
        for piece in self.body.chunks(PIECE) {
            stream.write_all(piece).await?;
            pace.rest(piece.len()).await;
        }
        Ok(())
    }

    pub async fn write_half(&self, stream: &mut TcpStream) -> Result<()> {
        stream.write_all(self.head().as_bytes()).await?;
        stream.write_all(self.body.split_at(self.body.len() / 2).0).await?;
        stream.flush().await
    }

    fn head(&self) -> String {
        let mut head = format!("HTTP/1.1 {} -\r\nContent-Length: {}\r\n", self.status, self.body.len());
        for (name, value) in &self.fields {
            head += &format!("{name}: {value}\r\n");
        }
        head + "\r\n"
    }
}
