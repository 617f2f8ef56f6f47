//! Azure Blob Storage.

use std::sync::Arc;

use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use url::Url;

use super::{Common, Opened, endpoint, is_plain, no_credentials, not_usable};
use crate::trouble::{Family, Remote};
use crate::variables::{INSTANCE_CREDENTIALS, Variables};

const FAMILY: Family = Family::Azure;
/// Each of these, with what it needs, is a way to credentials.
const SOURCES: [AzureConfigKey; 8] = [
    AzureConfigKey::AccessKey,
    AzureConfigKey::SasKey,
    AzureConfigKey::Token,
    AzureConfigKey::ClientSecret,
    AzureConfigKey::FederatedTokenFile,
    AzureConfigKey::FabricTokenServiceUrl,
    AzureConfigKey::MsiEndpoint,
    AzureConfigKey::CredentialType,
];
const FLAGS: [&str; 4] =
    ["AZURE_SKIP_SIGNATURE", "AZURE_USE_AZURE_CLI", "AZURE_STORAGE_USE_EMULATOR", INSTANCE_CREDENTIALS];

pub(crate) fn open(url: &Url, variables: &Variables) -> Opened {
    let common = Common::new(variables, FAMILY, None)?;
    let mut builder = MicrosoftAzureBuilder::new()
        .with_url(url.as_str())
        .with_client_options(common.client)
        .with_retry(common.retry)
        .with_http_connector(common.connector);
    let mut source = FLAGS.into_iter().find(|name| variables.is_true(name)).map(str::to_owned);
    for (name, value) in variables.family(FAMILY.prefix()) {
        match name.parse() {
            Ok(AzureConfigKey::Client(key)) if !is_plain(Some(&key)) => {}
            Ok(key) => {
                if SOURCES.contains(&key) {
                    source = source.or_else(|| Some(name.to_ascii_uppercase()));
                }
                builder = builder.with_config(key, value);
            }
            Err(_) => {}
        }
    }
    let how = "set AZURE_STORAGE_ACCOUNT_KEY, or AZURE_STORAGE_SAS_TOKEN";
    let credentials = source.ok_or_else(|| no_credentials(how))?;
    let account = builder.get_config_value(&AzureConfigKey::AccountName);
    let place = match (builder.get_config_value(&AzureConfigKey::Endpoint), account) {
        (Some(url), _) => endpoint(variables, FAMILY, &url)?,
        (None, Some(account)) => format!("account {account} of Azure"),
        (None, None) if variables.is_true("AZURE_STORAGE_USE_EMULATOR") => "the emulator".to_owned(),
        (None, None) => return Err("AZURE_STORAGE_ACCOUNT_NAME is not set".to_owned()),
    };
    let store = builder.build().map_err(|error| not_usable(&error, FAMILY))?;
    let bucket = format!("container {}", url.host_str().unwrap_or_default());
    Ok((Arc::new(store), Remote { bucket, place, credentials, family: FAMILY }))
}
