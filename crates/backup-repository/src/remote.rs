//! Opening stores elsewhere: settings and credentials come from variables of the store's own family alone.

use std::sync::Arc;
use std::time::Duration;

use object_store::{BackoffConfig, Certificate, ClientConfigKey, ClientOptions, ObjectStore, RetryConfig};
use url::Url;

use crate::locator::shown;
use crate::stall::StallConnector;
use crate::trouble::{Family, Remote};
use crate::variables::{INSTANCE_CREDENTIALS, Variables};

/// How long a request may stand still, unless a variable says otherwise.
const SILENCE: Duration = Duration::from_secs(30);

/// A store, or what is wrong and what to do.
pub(crate) type Opened = Result<(Arc<dyn ObjectStore>, Remote), String>;

/// Opens the store of a URL.
pub(crate) fn open(url: &Url, variables: &Variables) -> Opened {
    match url.scheme() {
        #[cfg(feature = "aws")]
        "s3" => s3::open(url, variables),
        #[cfg(feature = "gcp")]
        "gs" => gcs::open(url, variables),
        #[cfg(feature = "azure")]
        "az" => azure::open(url, variables),
        scheme => Err(format!("this program is built without the feature for {scheme}://")),
    }
}

#[cfg(feature = "azure")]
mod azure;
#[cfg(feature = "gcp")]
mod gcs;
#[cfg(feature = "aws")]
mod s3;

/// Makes what all families have in common.
struct Common {
    client: ClientOptions,
    retry: RetryConfig,
    connector: StallConnector,
}

impl Common {
    /// Without a limit on the whole request. `bundle` is a file of authorities in place of the system's.
    fn new(variables: &Variables, family: Family, bundle: Option<&str>) -> Result<Self, String> {
        let mut client = ClientOptions::new().with_timeout_disabled();
        let name = family.variable("CA_BUNDLE");
        if let Some(path) = variables.get(&name).or(bundle) {
            client = trusting(client, path).map_err(|problem| format!("{name} {path}: {problem}"))?;
        }
        let name = family.variable("READ_TIMEOUT");
        let silence = match variables.get(&name) {
            None => SILENCE,
            Some(text) => duration(text).ok_or_else(|| format!("{name}={text}: expected a time like 30s"))?,
        };
        // A request is soon repeated by object_store; waiting for a store that is away is not its task.
        let backoff = BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(1),
            base: 2.0,
        };
        let retry = RetryConfig { backoff, max_retries: 2, ..RetryConfig::default() };
        Ok(Self { client, retry, connector: StallConnector { silence } })
    }
}

/// Trusts the authorities in a file, and no others.
fn trusting(client: ClientOptions, path: &str) -> Result<ClientOptions, String> {
    let pem = std::fs::read(path).map_err(|error| error.to_string())?;
    let authorities = Certificate::from_pem_bundle(&pem).map_err(|error| error.to_string())?;
    if authorities.is_empty() {
        return Err("there is no certificate in it".to_owned());
    }
    let client = client.with_no_system_certificates(true);
    Ok(authorities.into_iter().fold(client, ClientOptions::with_root_certificate))
}

/// Reads a time like `30s`, `500 ms` or `2m`; a number alone is seconds.
fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: u32 = number.parse().ok().filter(|number| *number > 0)?;
    let unit = match unit.trim() {
        "ms" => Duration::from_millis(1),
        "" | "s" | "sec" | "second" | "seconds" => Duration::from_secs(1),
        "m" | "min" | "minute" | "minutes" => Duration::from_secs(60),
        _ => return None,
    };
    unit.checked_mul(number)
}

/// Returns true if object_store may read the setting itself.
fn is_plain(key: Option<&ClientConfigKey>) -> bool {
    !matches!(key, Some(ClientConfigKey::ReadTimeout))
}

/// Describes an endpoint that a variable named; refuses one that is not encrypted, unless a variable allows that.
fn endpoint(variables: &Variables, family: Family, endpoint: &str) -> Result<String, String> {
    let allowed = family.variable("ALLOW_HTTP");
    if endpoint.starts_with("http://") && !variables.is_true(&allowed) {
        return Err(format!("endpoint {} is not encrypted; {allowed}=true allows that", shown(endpoint)));
    }
    Ok(shown(endpoint.trim_end_matches('/')))
}

fn no_credentials(how: &str) -> String {
    format!(
        "there are no credentials: {how}; on a machine that its cloud gives credentials to, {INSTANCE_CREDENTIALS}=true \
         takes those"
    )
}

fn not_usable(error: &object_store::Error, family: Family) -> String {
    format!("one of the variables {}* cannot be used: {error}", family.prefix())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        Variables::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    fn problem(url: &str, pairs: &[(&str, &str)]) -> String {
        open(&Url::parse(url).unwrap(), &variables(pairs)).map(|(_, remote)| remote).expect_err(url)
    }

    #[test]
    fn times_are_read() {
        assert_eq!(duration("30s"), Some(Duration::from_secs(30)));
        assert_eq!(duration("500 ms"), Some(Duration::from_millis(500)));
        assert_eq!((duration("0"), duration("x"), duration("1 day")), (None, None, None));
    }

    #[cfg(all(feature = "aws", feature = "gcp", feature = "azure"))]
    #[test]
    fn a_store_without_credentials_is_refused_before_any_request() {
        for url in ["s3://bucket/r", "gs://bucket/r", "az://container/r"] {
            let text = problem(url, &[("AZURE_STORAGE_ACCOUNT_NAME", "account")]);
            assert!(
                text.starts_with("there are no credentials") && text.contains(INSTANCE_CREDENTIALS),
                "{url}: {text}"
            );
            let text = problem(
                url,
                &[("AZURE_STORAGE_ACCOUNT_NAME", "account"), ("TOKEN", "x"), ("ACCESS_KEY", "x")],
            );
            assert!(text.starts_with("there are no credentials"), "{url}: {text}");
            let wanted = [("AZURE_STORAGE_ACCOUNT_NAME", "account"), (INSTANCE_CREDENTIALS, "true")];
            assert!(open(&Url::parse(url).unwrap(), &variables(&wanted)).is_ok(), "{url}");
        }
    }

    #[cfg(feature = "aws")]
    #[test]
    fn only_variables_of_the_family_are_settings() {
        let keys = [("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "secret")];
        // Each of these was taken for a setting, and is none that could be used.
        let others =
            ["TOKEN", "REGION", "ENDPOINT", "TIMEOUT", "PROXY_URL", "ALLOW_INVALID_CERTIFICATES", "BUCKET"];
        let given: Vec<_> = others.into_iter().map(|name| (name, "no://such/thing")).chain(keys).collect();
        let (_, remote) = open(&Url::parse("s3://bucket/r").unwrap(), &variables(&given)).unwrap();
        assert_eq!(remote.place, "region us-east-1 of Amazon S3 (AWS_REGION is not set)");
        assert_eq!(remote.credentials, "AWS_ACCESS_KEY_ID");
        let given: Vec<_> = keys.into_iter().chain([("AWS_TIMEOUT", "no time")]).collect();
        assert!(problem("s3://bucket/r", &given).contains("AWS_*"));
    }

    #[cfg(feature = "aws")]
    #[test]
    fn half_of_a_pair_of_keys_is_refused_by_name() {
        let text = problem("s3://bucket/r", &[("AWS_ACCESS_KEY_ID", "id")]);
        assert!(text.contains("AWS_SECRET_ACCESS_KEY is not set"), "{text}");
    }

    #[cfg(feature = "aws")]
    #[test]
    fn a_profile_gives_keys_region_and_endpoint_or_says_why_not() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("credentials");
        let text = "[night]\naws_access_key_id=a\naws_secret_access_key=b\nendpoint_url=https://u:p@minio\n[corp]\nsso_session=x\n";
        std::fs::write(&file, text).unwrap();
        let file = ("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap());
        let url = Url::parse("s3://bucket/r").unwrap();
        let (_, remote) = open(&url, &variables(&[file, ("AWS_PROFILE", "night")])).unwrap();
        assert_eq!(remote.place, "https://***@minio");
        assert_eq!(remote.credentials, "profile night");
        let text = problem("s3://bucket/r", &[file, ("AWS_PROFILE", "corp")]);
        assert!(text.contains("sso_session") && text.contains("export-credentials"), "{text}");
        let text = problem("s3://bucket/r", &[file, ("AWS_PROFILE", "none")]);
        assert!(text.contains("profile none"), "{text}");
    }

    #[cfg(feature = "aws")]
    #[test]
    fn an_endpoint_without_encryption_and_a_missing_bundle_are_told() {
        let keys = [("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "secret")];
        let with = |name, value| keys.into_iter().chain([(name, value)]).collect::<Vec<_>>();
        let text = problem("s3://bucket/r", &with("AWS_ENDPOINT_URL", "http://host"));
        assert!(text.contains("AWS_ALLOW_HTTP=true"), "{text}");
        let text = problem("s3://bucket/r", &with("AWS_CA_BUNDLE", "/nowhere.pem"));
        assert!(text.contains("AWS_CA_BUNDLE /nowhere.pem"), "{text}");
    }
}
