//! What an error of a store means, and what to do about it.

use std::error::Error;
use std::time::Duration;

/// How rustls begins what it says of a certificate that is not trusted.
const BAD_CERTIFICATE: &str = "invalid peer certificate";

/// What a store elsewhere is, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remote {
    /// `bucket` or `container`, with its name.
    pub bucket: String,
    /// Region or endpoint, and where that was set.
    pub place: String,
    /// Where the credentials come from: names of variables, files.
    pub credentials: String,
    pub family: Family,
}

/// Whose protocol a store speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    S3,
    Gcs,
    Azure,
}

/// What is wrong, as far as that can be found out.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Meaning {
    NoBucket,
    /// Nobody with these credentials may do anything, with the store's word for it.
    BadCredentials(String),
    Denied,
    Clock,
    /// With the region where the bucket is, if the store said so.
    OtherRegion(Option<String>),
    Certificate(String),
    NotImplemented,
    /// It may be gone later: no answer, or one that says so.
    Away(String),
    /// A request that will not be answered otherwise.
    Refused(String),
    Other,
}

/// Returns true if the same request may succeed later.
pub(crate) fn is_transient(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::Generic { .. })
        && matches!(meaning(error), Meaning::Away(_) | Meaning::Other)
}

/// Returns true if the store has no such bucket: then nothing in it is missing.
pub(crate) fn is_no_bucket(error: &object_store::Error) -> bool {
    meaning(error) == Meaning::NoBucket
}

/// Returns true if the store, or the file system behind it, cannot do what was asked for.
pub(crate) fn is_not_implemented(error: &object_store::Error) -> bool {
    meaning(error) == Meaning::NotImplemented
}

/// Returns true if an error, or a cause of it, is that a certificate is not trusted.
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
pub(crate) fn is_about_certificate(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| (*error).source())
        .any(|error| error.to_string().contains(BAD_CERTIFICATE))
}

/// Says in a few words what is wrong, for those who wait.
pub(crate) fn brief(error: &object_store::Error) -> String {
    match meaning(error) {
        Meaning::Away(what) => what,
        _ => innermost(error),
    }
}

/// Says what is wrong and what to do, beginning with a colon; empty when the error says it best itself.
pub(crate) fn describe(
    remote: Option<&Remote>,
    doing: &str,
    error: &object_store::Error,
    waited: Duration,
) -> String {
    let text = match remote {
        Some(remote) => remote.explain(doing, meaning(error)),
        None => None,
    };
    let waited = match waited.as_secs() {
        0 => String::new(),
        seconds => format!("; it was tried for {seconds} s"),
    };
    match text {
        Some(text) => format!(": {text}{waited}"),
        None if waited.is_empty() => waited,
        None => format!(": {}{waited}", innermost(error)),
    }
}

impl Remote {
    fn explain(&self, doing: &str, meaning: Meaning) -> Option<String> {
        let Self { bucket, place, credentials, family } = self;
        Some(match meaning {
            Meaning::NoBucket => {
                format!("{bucket} does not exist at {place}; create it, or correct its name or the place")
            }
            Meaning::BadCredentials(code) => {
                format!("{place} does not accept the credentials of {credentials} ({code}) for {bucket}")
            }
            Meaning::Denied => {
                let right = family.right(doing);
                format!("the credentials of {credentials} lack a right on {bucket} at {place}: {right}")
            }
            Meaning::Clock => {
                format!("{place} refuses the time of this machine; set its clock")
            }
            Meaning::OtherRegion(region) => {
                let region = region.map(|region| format!(": in {region}")).unwrap_or_default();
                format!("{bucket} is not at {place}{region}; set AWS_REGION to the region of the bucket")
            }
            Meaning::Certificate(cause) => format!(
                "the certificate of {place} is not trusted ({cause}); name a file with its authority in {} or \
                 SSL_CERT_FILE",
                family.variable("CA_BUNDLE")
            ),
            Meaning::NotImplemented => format!(
                "{bucket} at {place} cannot create a file only where none is (a conditional PUT), which is needed so that \
                 two programs do not make two repositories of one, or one job twice"
            ),
            Meaning::Away(what) => format!("{bucket} at {place}: {what}"),
            Meaning::Refused(what) => format!("{bucket} at {place} refused the request: {what}"),
            Meaning::Other => return None,
        })
    }
}

impl Family {
    /// Returns the name of a variable of this family.
    pub(crate) fn variable(self, name: &str) -> String {
        format!("{}{name}", self.prefix())
    }

    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::S3 => "AWS_",
            Self::Gcs => "GOOGLE_",
            Self::Azure => "AZURE_",
        }
    }

    /// Names the right that is needed.
    fn right(self, doing: &str) -> &'static str {
        match (self, doing) {
            (Self::S3, "listing") => "s3:ListBucket",
            (Self::S3, "removing") => "s3:DeleteObject",
            (Self::S3, "reading") => {
                "s3:GetObject, or s3:ListBucket without which a missing file looks like this"
            }
            (Self::S3, _) => "s3:PutObject",
            (Self::Gcs, "listing") => "storage.objects.list",
            (Self::Gcs, "removing") => "storage.objects.delete",
            (Self::Gcs, "reading") => "storage.objects.get",
            (Self::Gcs, _) => "storage.objects.create",
            (Self::Azure, "reading" | "listing") => "Storage Blob Data Reader, or r and l of a SAS token",
            (Self::Azure, _) => "Storage Blob Data Contributor, or w and d of a SAS token",
        }
    }
}

/// What a server answered.
struct Answer<'a> {
    /// Number and name.
    status: &'a str,
    code: Option<&'a str>,
    region: Option<&'a str>,
}

fn meaning(error: &object_store::Error) -> Meaning {
    use object_store::Error as E;
    if matches!(error, E::NotImplemented { .. }) {
        return Meaning::NotImplemented;
    }
    let texts: Vec<_> = chain(error).map(ToString::to_string).collect();
    if let Some(answer) = texts.iter().find_map(|text| answer(text)) {
        return of_answer(&answer);
    }
    let find = |part: &str| texts.iter().rev().find(|text| text.contains(part));
    if let Some(text) = find(BAD_CERTIFICATE) {
        let cause = text.rsplit(BAD_CERTIFICATE).next().unwrap_or(text).trim_start_matches(": ");
        return Meaning::Certificate(cause.to_owned());
    }
    if find("Received redirect without LOCATION").is_some() {
        return Meaning::OtherRegion(None);
    }
    if find("HTTP error").is_some() || find("error sending request").is_some() {
        return Meaning::Away(format!("no answer ({})", innermost(error)));
    }
    Meaning::Other
}

fn of_answer(answer: &Answer<'_>) -> Meaning {
    let Answer { status, code, region } = answer;
    let number = status.get(..3).and_then(|digits| digits.parse().ok()).unwrap_or(0_u16);
    let word = code.unwrap_or(status);
    match (number, code.unwrap_or_default()) {
        (_, "NoSuchBucket" | "ContainerNotFound" | "ContainerBeingDeleted") => Meaning::NoBucket,
        (_, "RequestTimeTooSkewed") => Meaning::Clock,
        (
            301 | 307 | 400,
            "PermanentRedirect" | "TemporaryRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException",
        )
        | (301..=308, _) => Meaning::OtherRegion(region.map(str::to_owned)),
        (
            _,
            "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired"
            | "AuthenticationFailed" | "InvalidSecurity" | "NoSuchUser",
        )
        | (401, _) => Meaning::BadCredentials(word.to_owned()),
        (403, _) => Meaning::Denied,
        (501, _) => Meaning::NotImplemented,
        // The store waited for bytes, or others came than were sent.
        (400, "RequestTimeout" | "BadDigest" | "InvalidDigest" | "XAmzContentSHA256Mismatch" | "IncompleteBody")
        | (408 | 429 | 500..=599, _)
        // An answer of success can hold an error.
        | (200..=299, _) => {
            let code = code.map(|code| format!(" {code}")).unwrap_or_default();
            Meaning::Away(format!("it answers {status}{code}"))
        }
        (400..=499, _) => Meaning::Refused(word.to_owned()),
        _ => Meaning::Other,
    }
}

fn answer(text: &str) -> Option<Answer<'_>> {
    // An answer for many files tells for each whether it was removed.
    if let Some((_, removal)) = text.split_once("DeleteObjects request failed for key ") {
        let code = removal.rsplit_once("(code: ").map_or("", |(_, code)| code.trim_end_matches(')'));
        let status = if code == "AccessDenied" { "403 Forbidden" } else { "500 Internal Server Error" };
        return Some(Answer { status, code: (!code.is_empty()).then_some(code), region: None });
    }
    let (status, body) = match text.split_once("returned non-2xx status code: ") {
        Some((_, answer)) => answer.split_once(": ").unwrap_or((answer, "")),
        None => ("200 OK", text.split_once("Server returned error response: ")?.1),
    };
    Some(Answer {
        status: status.trim_end_matches(':'),
        code: element(body, "Code"),
        region: element(body, "Region"),
    })
}

/// Returns the text of an element of XML that holds nothing else.
fn element<'a>(body: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = body.split_once(&format!("<{name}>"))?;
    let (value, _) = rest.split_once('<')?;
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    (!value.is_empty() && value.len() <= 64 && value.chars().all(is_word)).then_some(value)
}

fn chain<'a>(error: &'a object_store::Error) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error as &(dyn Error + 'static)), |error| (*error).source())
}

fn innermost(error: &object_store::Error) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote() -> Remote {
        Remote {
            bucket: "bucket kvb".to_owned(),
            place: "https://s3.test (region here)".to_owned(),
            credentials: "AWS_ACCESS_KEY_ID".to_owned(),
            family: Family::S3,
        }
    }

    fn failure(status: &str, code: &str) -> object_store::Error {
        let text = format!(
            "Error performing GET https://s3.test/kvb in 3ms - Server returned non-2xx status code: {status}: \
             <Error><Code>{code}</Code><Message>No: \"x\"</Message><Region>there-1</Region></Error>"
        );
        object_store::Error::Generic { store: "S3", source: text.into() }
    }

    #[test]
    fn each_answer_has_a_meaning() {
        for (status, code, said, transient) in [
            ("404 Not Found", "NoSuchBucket", "bucket kvb does not exist at https://s3.test", false),
            (
                "403 Forbidden",
                "InvalidAccessKeyId",
                "does not accept the credentials of AWS_ACCESS_KEY_ID",
                false,
            ),
            ("403 Forbidden", "SignatureDoesNotMatch", "(SignatureDoesNotMatch)", false),
            ("401 Unauthorized", "Whatever", "(Whatever)", false),
            (
                "403 Forbidden",
                "AccessDenied",
                "lack a right on bucket kvb at https://s3.test (region here): s3:GetObject",
                false,
            ),
            ("403 Forbidden", "RequestTimeTooSkewed", "set its clock", false),
            ("301 Moved Permanently", "PermanentRedirect", "there-1; set AWS_REGION", false),
            ("400 Bad Request", "AuthorizationHeaderMalformed", "there-1; set AWS_REGION", false),
            ("400 Bad Request", "InvalidArgument", "InvalidArgument", false),
            ("501 Not Implemented", "NotImplemented", "conditional PUT", false),
            ("400 Bad Request", "BadDigest", "it answers 400 Bad Request BadDigest", true),
            ("503 Service Unavailable", "SlowDown", "it answers 503 Service Unavailable SlowDown", true),
            ("429 Too Many Requests", "Slow", "it answers 429", true),
        ] {
            let error = failure(status, code);
            let text = describe(Some(&remote()), "reading", &error, Duration::ZERO);
            assert!(text.contains(said) && !text.contains('<'), "{status} {code}: {text}");
            assert_eq!(is_transient(&error), transient, "{status} {code}");
        }
    }

    #[test]
    fn a_right_to_remove_that_is_missing_is_not_waited_for() {
        let error = |code: &str| {
            let text =
                format!("DeleteObjects request failed for key staged/x.json: Access Denied. (code: {code})");
            object_store::Error::Generic { store: "S3", source: text.into() }
        };
        assert!(is_transient(&error("InternalError")) && !is_transient(&error("AccessDenied")));
        let text = describe(Some(&remote()), "removing", &error("AccessDenied"), Duration::ZERO);
        assert!(text.contains("lack a right") && text.contains("s3:DeleteObject"), "{text}");
    }

    #[test]
    fn a_certificate_is_final() {
        let source = "HTTP error: error sending request: invalid peer certificate: UnknownIssuer".into();
        let error = object_store::Error::Generic { store: "S3", source };
        assert!(!is_transient(&error));
        let text = describe(Some(&remote()), "reading", &error, Duration::ZERO);
        assert!(text.contains("(UnknownIssuer)") && text.contains("AWS_CA_BUNDLE"), "{text}");
    }

    #[test]
    fn an_error_that_nobody_knows_is_left_as_it_is() {
        let error = object_store::Error::Generic { store: "S3", source: "strange".into() };
        assert_eq!(describe(Some(&remote()), "reading", &error, Duration::ZERO), "");
        assert!(is_transient(&error));
        assert_eq!(
            describe(None, "reading", &error, Duration::from_secs(9)),
            ": strange; it was tried for 9 s"
        );
    }
}
