//! The place of a repository as it is written: a directory or a URL.

use std::ffi::OsStr;
use std::path::PathBuf;

use url::Url;

use crate::error::RepositoryError;

/// What is said of every place that is refused.
const FORMS: &str =
    "a repository lies in a directory, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX";
const S3: &str = "write s3://BUCKET/PREFIX; AWS_ENDPOINT_URL=https://HOST names a server other than Amazon's that speaks its protocol";
const GCS: &str = "write gs://BUCKET/PREFIX";
const AZURE: &str = "write az://CONTAINER/PREFIX, with the account in AZURE_STORAGE_ACCOUNT_NAME";
const FAR: &str =
    "no repository is reached in this way; mount it and name the directory, or use an object store";
const FILE: &str = "write the path of the directory, or file:///DIRECTORY";
const MEMORY: &str = "a repository in memory would end with this program";

/// Where a repository lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Locator {
    Directory(PathBuf),
    /// Of scheme `s3`, `gs` or `az`, with a bucket and nothing beside that and the path.
    Url(Url),
}

impl Locator {
    /// Reads a location. What looks like that of another tool is refused: it would become a directory of that name.
    pub(crate) fn parse(location: &OsStr) -> Result<Self, RepositoryError> {
        let text = location.to_string_lossy();
        let refused = |problem: String| RepositoryError::NotALocation { location: shown(&text), problem };
        if let Some((scheme, _)) = split_url(&text) {
            if location.to_str().is_none() {
                return Err(refused("a URL is UTF-8, with other bytes as %XX".to_owned()));
            }
            return parse_url(&text, &scheme.to_ascii_lowercase()).map_err(refused);
        }
        match foreign(&text) {
            Some(advice) => {
                let problem = format!("{advice}; a directory of that name is written ./{}", shown(&text));
                Err(refused(problem))
            }
            None => Ok(Self::Directory(PathBuf::from(location))),
        }
    }
}

/// Returns a location without what may be a secret in it: all before the last `@`, after `?` or `#`, and after a colon behind the host.
pub(crate) fn shown(text: &str) -> String {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => match text.split_once(':') {
            Some((word, rest)) if !word.contains(['/', '@']) => (format!("{word}:"), rest),
            _ => (String::new(), text),
        },
    };
    let (hidden, rest) = match rest.rsplit_once('@') {
        Some((_, rest)) => ("***@", rest),
        None => ("", rest),
    };
    let visible = rest.find(['?', '#']).map_or(rest, |end| &rest[..end]);
    let (host, path) = visible.split_at(visible.find('/').unwrap_or(visible.len()));
    // Without the sign behind it, a user and a password look like a host and a port. Only the address of a server has a port.
    let is_port = |port: &str| scheme.starts_with("http") && port.parse::<u16>().is_ok();
    let (host, cut) = match host.split_once(':') {
        Some((_, port)) if is_port(port) => (host, ""),
        Some((host, _)) if scheme.ends_with("://") => (host, ":***"),
        _ => (host, ""),
    };
    let end = if visible.len() < rest.len() { "***" } else { "" };
    format!("{scheme}{hidden}{host}{cut}{path}{end}")
}

/// Returns scheme and rest of a URL: it begins with a scheme, a colon and two slashes.
fn split_url(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "+-.".contains(letter);
    let is_scheme =
        scheme.starts_with(|letter: char| letter.is_ascii_alphabetic()) && scheme.chars().all(fits);
    is_scheme.then_some((scheme, rest))
}

fn parse_url(text: &str, scheme: &str) -> Result<Locator, String> {
    if !matches!(scheme, "file" | "s3" | "gs" | "az") {
        return Err(advice(scheme).map_or_else(|| format!("its scheme is unknown; {FORMS}"), str::to_owned));
    }
    let url = Url::parse(text).map_err(|error| format!("not a URL: {error}"))?;
    if !url.username().is_empty() || url.password().is_some() || url.authority().contains('@') {
        return Err(format!(
            "a URL of a repository holds neither user nor password; {}",
            credentials(scheme)
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        let problem =
            "nothing follows the path, so ? and # are written %3F and %23; settings come from variables";
        return Err(problem.to_owned());
    }
    if url.port().is_some() {
        return Err(format!("a bucket has no port; {}", advice(scheme).unwrap_or(FORMS)));
    }
    if scheme == "file" {
        let path = url.to_file_path().map_err(|()| "not a path on this machine".to_owned())?;
        return Ok(Locator::Directory(path));
    }
    match url.host_str() {
        None | Some("") => Err(format!("it names no bucket; {}", advice(scheme).unwrap_or(FORMS))),
        Some(_) => Ok(Locator::Url(url)),
    }
}

/// Tells where the credentials of a store come from.
fn credentials(scheme: &str) -> &'static str {
    match scheme {
        "gs" => "credentials come from the file that GOOGLE_SERVICE_ACCOUNT names",
        "az" => "credentials come from AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
        "s3" => "credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        _ => "the directory is all",
    }
}

/// Tells what to write in place of a text that another tool would take for a place far away.
fn foreign(text: &str) -> Option<&'static str> {
    let (word, rest) = text.split_once(':')?;
    if word.contains('/') {
        return None;
    }
    let head = text.split('/').next().unwrap_or_default();
    let has_login = head.find('@').is_some_and(|at| head.rfind(':').is_some_and(|colon| at < colon));
    let is_host = has_login || (rest.starts_with('/') && !word.is_empty());
    advice(&word.to_ascii_lowercase()).or_else(|| is_host.then_some(FAR))
}

/// Tells what to write in place of a URL, or a prefix of another tool.
fn advice(scheme: &str) -> Option<&'static str> {
    Some(match scheme {
        "s3" | "s3a" | "s3n" | "s3s" | "b2" | "r2" | "minio" | "http" | "https" | "oss" | "cos" => S3,
        "gs" | "gcs" | "google" => GCS,
        "az" | "azure" | "abfs" | "abfss" | "adl" | "wasb" | "wasbs" => AZURE,
        "sftp" | "ssh" | "scp" | "rsync" | "ftp" | "ftps" | "nfs" | "smb" | "cifs" | "dav" | "davs"
        | "webdav" | "webdavs" | "rest" | "rclone" | "swift" | "hdfs" | "borg" | "restic" | "onedrive"
        | "dropbox" => FAR,
        "file" | "local" | "dir" => FILE,
        "memory" | "mem" => MEMORY,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(location: &str) -> String {
        Locator::parse(location.as_ref()).expect_err(location).to_string()
    }

    #[test]
    fn what_other_tools_take_for_a_place_far_away_is_no_directory() {
        for (location, instead) in [
            ("s3:bucket/x", "s3://BUCKET/PREFIX"),
            ("S3:bucket/x", "s3://BUCKET/PREFIX"),
            ("s3:https://host/bucket", "AWS_ENDPOINT_URL"),
            ("b2:bucket:x", "AWS_ENDPOINT_URL"),
            ("https://host/bucket/x", "AWS_ENDPOINT_URL"),
            ("gs:bucket:/x", "gs://BUCKET/PREFIX"),
            ("azure:container:/", "az://CONTAINER/PREFIX"),
            ("abfss://container/x", "az://CONTAINER/PREFIX"),
            ("sftp:host:/x", "mount it"),
            ("sftp://host/x", "mount it"),
            ("rest:https://host:8000/", "mount it"),
            ("rclone:b2:bucket", "mount it"),
            ("host:/x", "mount it"),
            ("user@host:x", "mount it"),
            ("file:/x", "file:///DIRECTORY"),
            ("memory:///", "in memory"),
            ("tape://drive", "its scheme is unknown"),
            ("s3:///x", "names no bucket"),
            ("s3://bucket:9000/x", "no port"),
        ] {
            let text = refusal(location);
            assert!(text.contains(instead), "{location}: {text}");
        }
        let text = refusal("s3:bucket/x");
        assert!(text.contains("./s3:bucket/x"), "{text}");
    }

    #[test]
    fn a_directory_may_have_any_name_behind_a_slash() {
        for location in ["./s3:bucket", "/srv/s3:bucket", "backup:2026", "./a://b", "x"] {
            assert_eq!(Locator::parse(location.as_ref()).unwrap(), Locator::Directory(location.into()));
        }
    }

    #[test]
    fn what_may_be_a_secret_is_refused_and_not_shown() {
        for location in [
            "s3://user:hunter2@bucket/r",
            "s3://hunter2@bucket/r",
            "s3://user:hunter2/3@bucket/r",
            "s3://user:hun?hunter2@bucket/r",
            "s3://user:hunter2/bucket",
            "gs://:hunter2@bucket/r",
            "az://bucket/r?sig=hunter2",
            "s3://bucket/r#hunter2",
            "file:///srv/r?hunter2",
            "https://user:hunter2@host/bucket",
            "sftp:user:hunter2@host:/x",
            "rest:https://user:hunter2@host/",
            "tape://user:hunter2@host/",
            "user:hunter2@host:/x",
        ] {
            let text = refusal(location);
            assert!(!text.contains("hunter2") && !text.contains("hun?"), "{location}: {text}");
        }
    }

    #[test]
    fn what_is_shown_tells_the_place() {
        for (location, expected) in [
            ("s3://user:hunter2@bucket/r", "s3://***@bucket/r"),
            ("s3://bucket/r?x", "s3://bucket/r***"),
            ("https://127.0.0.1:7070", "https://127.0.0.1:7070"),
            ("https://hunter2@minio:9000/x", "https://***@minio:9000/x"),
            ("s3://user:7070/bucket", "s3://user:***/bucket"),
            ("sftp:host:/x", "sftp:host:/x"),
            ("s3:bucket/x", "s3:bucket/x"),
        ] {
            assert_eq!(shown(location), expected);
        }
    }
}
