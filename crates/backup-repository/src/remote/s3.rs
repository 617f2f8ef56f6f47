//! Amazon S3, and what speaks its protocol.

use std::sync::Arc;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use url::Url;

use super::{Common, Opened, endpoint, is_plain, no_credentials, not_usable};
use crate::profile::Profile;
use crate::trouble::{Family, Remote};
use crate::variables::{INSTANCE_CREDENTIALS, Variables};

const FAMILY: Family = Family::S3;

pub(crate) fn open(url: &Url, variables: &Variables) -> Opened {
    let profile = Profile::load(variables)?;
    let common = Common::new(variables, FAMILY, profile.get("ca_bundle"))?;
    let mut builder = AmazonS3Builder::new()
        .with_url(url.as_str())
        .with_client_options(common.client)
        .with_retry(common.retry)
        .with_http_connector(common.connector);
    for (name, value) in variables.family(FAMILY.prefix()) {
        match name.parse() {
            Ok(AmazonS3ConfigKey::Client(key)) if !is_plain(Some(&key)) => {}
            Ok(key) => builder = builder.with_config(key, value),
            Err(_) => {}
        }
    }
    let (builder, credentials) = with_credentials(builder, variables, &profile)?;
    let (builder, place) = with_place(builder, variables, &profile)?;
    let store = builder.build().map_err(|error| not_usable(&error, FAMILY))?;
    let bucket = format!("bucket {}", url.host_str().unwrap_or_default());
    Ok((Arc::new(store), Remote { bucket, place, credentials, family: FAMILY }))
}

/// Adds the keys of a profile where no variable gives credentials; tells where they come from.
fn with_credentials(
    builder: AmazonS3Builder,
    variables: &Variables,
    profile: &Profile,
) -> Result<(AmazonS3Builder, String), String> {
    let given = |name: &str| variables.get(name).is_some();
    let all = |names: &[&str]| names.iter().all(|name| given(name));
    let keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    let named = |name: &str| Ok(name.to_owned());
    let source = match () {
        () if variables.is_true("AWS_SKIP_SIGNATURE") => named("nobody (AWS_SKIP_SIGNATURE)"),
        () if all(&keys) => named(keys[0]),
        () if given(keys[0]) => Err(format!("{} is set, and {} is not set", keys[0], keys[1])),
        () if given(keys[1]) => Err(format!("{} is set, and {} is not set", keys[1], keys[0])),
        () if all(&["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"]) => named("AWS_WEB_IDENTITY_TOKEN_FILE"),
        () => return with_keys_of_profile(builder, variables, profile),
    };
    Ok((builder, source?))
}

fn with_keys_of_profile(
    builder: AmazonS3Builder,
    variables: &Variables,
    profile: &Profile,
) -> Result<(AmazonS3Builder, String), String> {
    if let (Some(id), Some(secret)) = (profile.get("aws_access_key_id"), profile.get("aws_secret_access_key"))
    {
        let builder = builder.with_access_key_id(id).with_secret_access_key(secret);
        let builder = match profile.get("aws_session_token") {
            Some(token) => builder.with_token(token),
            None => builder,
        };
        return Ok((builder, format!("profile {}", profile.name)));
    }
    if let Some(setting) = profile.unsupported() {
        return Err(format!(
            "profile {name} takes its credentials from {setting}, which this program does not do; `aws configure \
             export-credentials --profile {name} --format env` prints them as variables",
            name = profile.name
        ));
    }
    for name in ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"] {
        if variables.get(name).is_some() {
            return Ok((builder, name.to_owned()));
        }
    }
    if variables.is_true(INSTANCE_CREDENTIALS) {
        return Ok((builder, "this machine's instance".to_owned()));
    }
    Err(no_credentials(
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE to a profile with keys in ~/.aws/credentials",
    ))
}

/// Adds region and endpoint of a profile where no variable gives them; describes both.
fn with_place(
    mut builder: AmazonS3Builder,
    variables: &Variables,
    profile: &Profile,
) -> Result<(AmazonS3Builder, String), String> {
    let given = |builder: &AmazonS3Builder, keys: &[AmazonS3ConfigKey]| {
        keys.iter().find_map(|key| builder.get_config_value(key))
    };
    let endpoints = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint];
    if let (None, Some(url)) = (given(&builder, &endpoints), profile.get("endpoint_url")) {
        builder = builder.with_endpoint(url);
    }
    if let (None, Some(region)) = (given(&builder, &[AmazonS3ConfigKey::Region]), profile.get("region")) {
        builder = builder.with_region(region);
    }
    let region = given(&builder, &[AmazonS3ConfigKey::Region]);
    let place = match (given(&builder, &endpoints), region) {
        (Some(url), None) => endpoint(variables, FAMILY, &url)?,
        (Some(url), Some(region)) => format!("{} (region {region})", endpoint(variables, FAMILY, &url)?),
        (None, Some(region)) => format!("region {region} of Amazon S3"),
        (None, None) => "region us-east-1 of Amazon S3 (AWS_REGION is not set)".to_owned(),
    };
    Ok((builder, place))
}
