//! As much of CQL's native protocol (version 4) as it takes to ask a server something: a handshake and a plain query.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

const VERSION: u8 = 4;
const ANSWER: u8 = 0x80;
const HEADER_BYTES: usize = 9;
/// No answer to what is asked here is longer.
const BODY_BYTES_MAX: usize = 1 << 20;

const ERROR: u8 = 0x00;
const STARTUP: u8 = 0x01;
const READY: u8 = 0x02;
const AUTHENTICATE: u8 = 0x03;
const OPTIONS: u8 = 0x05;
const SUPPORTED: u8 = 0x06;
const QUERY: u8 = 0x07;
const RESULT: u8 = 0x08;

/// A connection that may be asked.
pub(super) struct Connection {
    stream: TcpStream,
}

/// What a server says to a handshake.
pub(super) enum Handshake {
    Ready(Connection),
    /// It is there, and wants a password.
    Guarded,
}

impl Connection {
    /// Connects and shakes hands. Each step has `patience`.
    pub(super) fn open(address: SocketAddr, patience: Duration) -> Result<Handshake> {
        let stream = TcpStream::connect_timeout(&address, patience)
            .with_context(|| format!("could not connect to {address}"))?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        let mut connection = Self { stream };
        connection.expect(OPTIONS, &[], SUPPORTED)?;
        let body = [&1u16.to_be_bytes()[..], &string("CQL_VERSION"), &string("3.0.0")].concat();
        match connection.ask(STARTUP, &body)? {
            (READY, _) => Ok(Handshake::Ready(connection)),
            (AUTHENTICATE, _) => Ok(Handshake::Guarded),
            (opcode, body) => bail!("{address} answers the handshake with {}", describe(opcode, &body)),
        }
    }

    /// Runs a query that selects one text, and returns it for each row; `None` where it is null.
    pub(super) fn texts(&mut self, query: &str) -> Result<Vec<Option<String>>> {
        const CONSISTENCY_ONE: u16 = 1;
        let length = u32::try_from(query.len()).context("the query is too long")?;
        let consistency = CONSISTENCY_ONE.to_be_bytes();
        let body = [&length.to_be_bytes()[..], query.as_bytes(), &consistency, &[0]].concat();
        let rows = self.expect(QUERY, &body, RESULT)?;
        parse_texts(&rows).with_context(|| format!("the answer to `{query}` is not understood"))
    }

    fn expect(&mut self, opcode: u8, body: &[u8], expected: u8) -> Result<Vec<u8>> {
        match self.ask(opcode, body)? {
            (found, body) if found == expected => Ok(body),
            (found, body) => bail!("the server answers {}", describe(found, &body)),
        }
    }

    fn ask(&mut self, opcode: u8, body: &[u8]) -> Result<(u8, Vec<u8>)> {
        let length = u32::try_from(body.len()).context("the request is too long")?;
        let header = [&[VERSION, 0, 0, 0, opcode][..], &length.to_be_bytes()].concat();
        self.stream.write_all(&[&header[..], body].concat()).context("could not send a request")?;
        let mut header = [0; HEADER_BYTES];
        self.stream.read_exact(&mut header).context("got no answer")?;
        let [version, _, _, _, opcode, length @ ..] = header;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if version & ANSWER == 0 || length > BODY_BYTES_MAX {
            bail!("the answer is not one of CQL's");
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).context("the answer ends early")?;
        Ok((opcode, body))
    }
}

fn string(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], text.as_bytes()].concat()
}

fn describe(opcode: u8, body: &[u8]) -> String {
    match opcode {
        ERROR => format!("error {:?}", String::from_utf8_lossy(body.get(6..).unwrap_or_default())),
        other => format!("message {other:#04x}"),
    }
}

/// Takes the single column of a RESULT of kind Rows.
fn parse_texts(body: &[u8]) -> Option<Vec<Option<String>>> {
    const ROWS: u32 = 2;
    const GLOBAL_TABLE: u32 = 1;
    let mut rest = body;
    let (kind, flags, columns) = (take_u32(&mut rest)?, take_u32(&mut rest)?, take_u32(&mut rest)?);
    if (kind, columns) != (ROWS, 1) {
        return None;
    }
    if flags & GLOBAL_TABLE != 0 {
        take_string(&mut rest)?;
        take_string(&mut rest)?;
    }
    take_string(&mut rest)?;
    take(&mut rest, 2)?;
    let rows = take_u32(&mut rest)?;
    let mut texts = Vec::new();
    for _ in 0..rows {
        let length = take_u32(&mut rest)?.cast_signed();
        texts.push(match usize::try_from(length) {
            Ok(length) => Some(String::from_utf8_lossy(take(&mut rest, length)?).into_owned()),
            Err(_) => None,
        });
    }
    Some(texts)
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    take(rest, 4)?.try_into().ok().map(u32::from_be_bytes)
}

fn take_string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take(rest, 2)?.try_into().ok().map(u16::from_be_bytes)?;
    take(rest, usize::from(length))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Answers each request with the next of these messages, and returns what was asked.
    fn serve(answers: Vec<(u8, Vec<u8>)>) -> (SocketAddr, std::thread::JoinHandle<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut opcodes = Vec::new();
            for (opcode, body) in answers {
                let mut header = [0; HEADER_BYTES];
                stream.read_exact(&mut header).unwrap();
                opcodes.push(header[4]);
                let length = u32::from_be_bytes(header[5..].try_into().unwrap());
                stream.read_exact(&mut vec![0; length as usize]).unwrap();
                let length = u32::try_from(body.len()).unwrap().to_be_bytes();
                stream.write_all(&[&[0x84, 0, 0, 0, opcode][..], &length, &body].concat()).unwrap();
            }
            opcodes
        });
        (address, server)
    }

    fn rows(values: &[Option<&str>]) -> Vec<u8> {
        let mut body = [2u32, 1, 1].map(u32::to_be_bytes).concat();
        for name in ["system", "local", "release_version"] {
            body.extend(string(name));
        }
        body.extend([0, 0x0d]);
        body.extend(u32::try_from(values.len()).unwrap().to_be_bytes());
        for value in values {
            let length = value.map_or(-1, |value| i32::try_from(value.len()).unwrap());
            body.extend(length.to_be_bytes());
            body.extend(value.unwrap_or_default().as_bytes());
        }
        body
    }

    const PATIENCE: Duration = Duration::from_secs(5);

    #[test]
    fn a_server_that_shakes_hands_is_asked() {
        let answer = rows(&[Some("5.0.8"), None]);
        let (address, server) = serve(vec![(SUPPORTED, Vec::new()), (READY, Vec::new()), (RESULT, answer)]);
        let Handshake::Ready(mut connection) = Connection::open(address, PATIENCE).unwrap() else { panic!() };
        let texts = connection.texts("SELECT release_version FROM system.local").unwrap();
        assert_eq!(texts, [Some("5.0.8".to_owned()), None]);
        assert_eq!(server.join().unwrap(), [OPTIONS, STARTUP, QUERY]);
    }

    #[test]
    fn a_server_that_wants_a_password_is_told_apart() {
        let (address, _server) = serve(vec![(SUPPORTED, Vec::new()), (AUTHENTICATE, string("x"))]);
        assert!(matches!(Connection::open(address, PATIENCE).unwrap(), Handshake::Guarded));
    }

    #[test]
    fn an_error_or_nonsense_is_no_answer() {
        let error = [&0u32.to_be_bytes()[..], &string("starting")].concat();
        let (address, _server) = serve(vec![(ERROR, error)]);
        let error = Connection::open(address, PATIENCE).err().unwrap();
        assert!(format!("{error:#}").contains("starting"), "{error:#}");
        let whole = rows(&[Some("5.0.8")]);
        for length in 0..whole.len() {
            assert_eq!(parse_texts(&whole[..length]), None);
        }
    }
}
