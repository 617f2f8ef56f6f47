//! Google Cloud Storage.

use std::sync::Arc;

use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use url::Url;

use super::{Common, Opened, endpoint, is_plain, no_credentials, not_usable};
use crate::trouble::{Family, Remote};
use crate::variables::{INSTANCE_CREDENTIALS, Variables};

const FAMILY: Family = Family::Gcs;
/// Where `gcloud auth application-default login` leaves credentials, below the home directory.
const DEFAULT_FILE: &str = ".config/gcloud/application_default_credentials.json";
const SOURCES: [&str; 5] = [
    "GOOGLE_SERVICE_ACCOUNT",
    "GOOGLE_SERVICE_ACCOUNT_PATH",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_BEARER_TOKEN",
];

pub(crate) fn open(url: &Url, variables: &Variables) -> Opened {
    let credentials = credentials(variables)?;
    let common = Common::new(variables, FAMILY, None)?;
    let mut builder = GoogleCloudStorageBuilder::new()
        .with_url(url.as_str())
        .with_client_options(common.client)
        .with_retry(common.retry)
        .with_http_connector(common.connector);
    for (name, value) in variables.family(FAMILY.prefix()) {
        match name.parse() {
            Ok(GoogleConfigKey::Client(key)) if !is_plain(Some(&key)) => {}
            Ok(key) => builder = builder.with_config(key, value),
            Err(_) => {}
        }
    }
    let place = match variables.get("GOOGLE_BASE_URL") {
        Some(url) => endpoint(variables, FAMILY, url)?,
        None => "Google Cloud Storage".to_owned(),
    };
    let store = builder.build().map_err(|error| not_usable(&error, FAMILY))?;
    let bucket = format!("bucket {}", url.host_str().unwrap_or_default());
    Ok((Arc::new(store), Remote { bucket, place, credentials, family: FAMILY }))
}

/// Tells where the credentials come from.
fn credentials(variables: &Variables) -> Result<String, String> {
    if variables.is_true("GOOGLE_SKIP_SIGNATURE") {
        return Ok("nobody (GOOGLE_SKIP_SIGNATURE)".to_owned());
    }
    if let Some(name) = SOURCES.into_iter().find(|name| variables.get(name).is_some()) {
        return Ok(name.to_owned());
    }
    let file = variables.get("HOME").map(|home| std::path::Path::new(home).join(DEFAULT_FILE));
    if file.is_some_and(|file| file.exists()) {
        return Ok(format!("~/{DEFAULT_FILE}"));
    }
    if variables.is_true(INSTANCE_CREDENTIALS) {
        return Ok("this machine's instance".to_owned());
    }
    Err(no_credentials("set GOOGLE_SERVICE_ACCOUNT to the file of a service account's key"))
}
