//! Requests without a limit on the whole, and with one on standing still.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService, ReqwestConnector,
};
use tokio::time::{Sleep, sleep, timeout};

use crate::trouble;

/// Bytes a second that an upload must make: how far it is cannot be seen, so its length decides how long it may take.
const UPLOAD_RATE_MIN: u64 = 32 << 10;

/// Makes clients whose requests end when nothing moves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StallConnector {
    /// How long nothing may come.
    pub silence: Duration,
}

impl HttpConnector for StallConnector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Watched { client, silence: self.silence }))
    }
}

#[derive(Debug)]
struct Watched {
    client: HttpClient,
    silence: Duration,
}

#[async_trait]
impl HttpService for Watched {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let upload = request.body().content_length() as u64;
        let limit = self.silence + Duration::from_secs(upload / UPLOAD_RATE_MIN);
        let Ok(response) = timeout(limit, self.client.execute(request)).await else {
            return Err(stalled(limit));
        };
        let (parts, inner) = response.map_err(without_retry)?.into_parts();
        let body = WatchedBody { inner, silence: self.silence, timer: None };
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(body)))
    }
}

/// The body of an answer; it fails when nothing comes while somebody waits for it.
struct WatchedBody {
    inner: HttpResponseBody,
    silence: Duration,
    /// Runs while somebody waits.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Body for WatchedBody {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(context) {
            self.timer = None;
            return Poll::Ready(frame);
        }
        let silence = self.silence;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(silence)));
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Some(Err(stalled(silence))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("nothing came for {} s", .0.as_secs_f32())]
struct Stalled(Duration);

/// Keeps object_store from repeating what will not change: a certificate.
fn without_retry(error: HttpError) -> HttpError {
    match trouble::is_about_certificate(&error) {
        true => HttpError::new(HttpErrorKind::Unknown, error),
        false => error,
    }
}

fn stalled(limit: Duration) -> HttpError {
    HttpError::new(HttpErrorKind::Timeout, Stalled(limit))
}
