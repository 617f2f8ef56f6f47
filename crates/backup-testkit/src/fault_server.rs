//! A server that fails on purpose: a little of the protocol of S3, from memory, over HTTP/1.1 without TLS.
//!
//! It checks no signature and is no test of a store: what it tests is what its client does when answers fail.

mod http;
mod objects;

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use http::{Answer, Pace};
use objects::Objects;

/// The bucket that is there.
pub const BUCKET: &str = "kvb";

/// A request, before it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// How many came before it.
    pub number: u64,
    /// `GET`, `PUT`, `POST`, `DELETE` or `LIST`.
    pub method: String,
    /// The key of the object, or the prefix of a list.
    pub key: String,
    /// Bytes of its body.
    pub length: usize,
}

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// Nothing.
    None,
    /// It is not carried out, and answered with a status and a code of S3.
    Refused(u16, &'static str),
    /// It is not carried out, and the connection ends.
    Reset,
    /// It is carried out, and the connection ends.
    Lost,
    /// It is carried out, and the connection ends half-way through the answer's body.
    Cut,
    /// The answer's body is one byte shorter than it should be, and says so.
    Short,
    /// One bit of the answer's body is another one.
    Flipped,
    /// Both ways carry so many bytes a second.
    Slow(u32),
    /// It is never answered.
    Silent,
}

type Script = dyn Fn(&Request) -> Mishap + Send + Sync;

/// A server on a port of this machine; it ends when this is dropped.
pub struct FaultServer {
    port: u16,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    objects: Mutex<Objects>,
    seen: Mutex<Vec<Request>>,
    script: Box<Script>,
}

impl FaultServer {
    /// Starts a server; `script` says what goes wrong with each request.
    ///
    /// # Errors
    ///
    /// As the system reports them when there is no port.
    pub async fn start(script: impl Fn(&Request) -> Mishap + Send + Sync + 'static) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let script = Box::new(script);
        let shared = Arc::new(Shared { objects: Mutex::default(), seen: Mutex::default(), script });
        let own = shared.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = own.clone();
                // A connection that ends in an error has nobody to tell.
                tokio::spawn(async move { drop(serve(stream, &shared).await) });
            }
        });
        Ok(Self { port, shared, task })
    }

    /// Returns the variables that lead a client of S3 here. Credentials are among them: without any, a client asks elsewhere.
    #[must_use]
    pub fn variables(&self) -> Vec<(String, String)> {
        let endpoint = format!("http://127.0.0.1:{}", self.port);
        let pairs = [
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_ENDPOINT_URL", &endpoint),
            ("AWS_ALLOW_HTTP", "true"),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    /// Returns the requests that came so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.shared.seen).clone()
    }

    /// Returns the keys of the objects.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        lock(&self.shared.objects).keys()
    }
}

impl Drop for FaultServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers the requests of a connection until it ends.
async fn serve(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(head) = http::read_head(&mut stream).await? {
        let request = {
            let mut seen = lock(&shared.seen);
            let request = head.request(seen.len() as u64);
            seen.push(request.clone());
            request
        };
        let mishap = (shared.script)(&request);
        let pace = match mishap {
            Mishap::Slow(rate) => Pace(Some(rate)),
            _ => Pace(None),
        };
        let body = http::read_body(&mut stream, head.length, pace).await?;
        let mut answer = match mishap {
            Mishap::Reset => return Ok(()),
            Mishap::Silent => std::future::pending().await,
            Mishap::Refused(status, code) => Answer::error(status, code),
            _ => lock(&shared.objects).answer(&head, body),
        };
        match mishap {
            Mishap::Lost => return Ok(()),
            Mishap::Cut => {
                answer.write_half(stream.get_mut()).await?;
                return Ok(());
            }
            Mishap::Short => answer.shorten(),
            Mishap::Flipped => answer.flip(request.number),
            _ => {}
        }
        answer.write(stream.get_mut(), pace).await?;
        stream.get_mut().flush().await?;
    }
    Ok(())
}
