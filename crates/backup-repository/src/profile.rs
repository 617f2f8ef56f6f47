//! A profile of `~/.aws/config` and `~/.aws/credentials`: keys that stand there, region, endpoint, authority.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::variables::Variables;

/// What a profile can name instead of keys, each with a program or a service of its own. None of them is read.
const UNSUPPORTED: [&str; 6] = [
    "sso_session",
    "sso_start_url",
    "credential_process",
    "role_arn",
    "source_profile",
    "web_identity_token_file",
];

/// A profile.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Profile {
    pub name: String,
    pub settings: BTreeMap<String, String>,
}

impl Profile {
    /// Reads the profile that `AWS_PROFILE` names, or `default`.
    ///
    /// # Errors
    ///
    /// Why a profile that was named, or a file that is there, cannot be read.
    pub(crate) fn load(variables: &Variables) -> Result<Self, String> {
        let named = variables.get("AWS_PROFILE");
        let name = named.unwrap_or("default");
        let mut profile = Self { name: name.to_owned(), settings: BTreeMap::new() };
        let mut found = false;
        let files =
            [("AWS_CONFIG_FILE", "config", true), ("AWS_SHARED_CREDENTIALS_FILE", "credentials", false)];
        let mut read = Vec::new();
        for (variable, file, is_config) in files {
            let Some(path) = path(variables, variable, file) else { continue };
            let text = match std::fs::read_to_string(&path) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                // What nobody asked for is no reason to stop.
                Err(_) if named.is_none() && variables.get(variable).is_none() => continue,
                Err(error) => return Err(format!("reading {}: {error}", path.display())),
            };
            found |= profile.take(&text, is_config);
            read.push(path.display().to_string());
        }
        match named {
            Some(name) if !found => {
                let places =
                    if read.is_empty() { "no file of profiles".to_owned() } else { read.join(" and ") };
                Err(format!("AWS_PROFILE names profile {name}, and {places} has it"))
            }
            _ => Ok(profile),
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.settings.get(key).map(String::as_str)
    }

    /// Tells what the profile names in place of keys, if it has none.
    pub(crate) fn unsupported(&self) -> Option<&'static str> {
        UNSUPPORTED.into_iter().find(|key| self.settings.contains_key(*key))
    }

    /// Takes the settings of this profile out of a file; returns true if it is there. Indented lines belong to the setting
    /// above them, and none of those is read.
    fn take(&mut self, text: &str, is_config: bool) -> bool {
        let (mut inside, mut found) = (false, false);
        for line in text.lines() {
            let is_indented = line.starts_with([' ', '\t']);
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(title) = line.strip_prefix('[').and_then(|line| line.split(']').next()) {
                inside = self.is_titled(title.trim(), is_config);
                found |= inside;
            } else if let (true, false, Some((key, value))) = (inside, is_indented, line.split_once('=')) {
                let value = value.split(" #").next().unwrap_or_default().trim();
                if !value.is_empty() {
                    self.settings.insert(key.trim().to_ascii_lowercase(), value.to_owned());
                }
            }
        }
        found
    }

    fn is_titled(&self, title: &str, is_config: bool) -> bool {
        match title.strip_prefix("profile").filter(|rest| rest.starts_with([' ', '\t'])) {
            Some(name) if is_config => name.trim().trim_matches('"') == self.name,
            _ => title == self.name && (!is_config || title == "default"),
        }
    }
}

fn path(variables: &Variables, variable: &str, file: &str) -> Option<PathBuf> {
    let given = variables.get(variable).map(PathBuf::from);
    given.or_else(|| Some(PathBuf::from(variables.get("HOME")?).join(".aws").join(file)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "\
[default]
region = eu-west-1
[profile night]
region=us-west-2
endpoint_url = https://minio:9000
s3 =
    addressing_style = path
[profile sso]
sso_session = corp
[nightly]
region = nowhere
";
    const CREDENTIALS: &str = "\
# keys
[night]
aws_access_key_id = AKID
aws_secret_access_key = a/b=c+d
aws_session_token =

[default]
aws_access_key_id = OTHER
";

    fn load(pairs: &[(&str, &str)]) -> Result<Profile, String> {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".aws")).unwrap();
        std::fs::write(home.path().join(".aws/config"), CONFIG).unwrap();
        std::fs::write(home.path().join(".aws/credentials"), CREDENTIALS).unwrap();
        let home = ("HOME", home.path().to_str().unwrap());
        let pairs = pairs.iter().copied().chain([home]);
        Profile::load(&Variables::new(pairs.map(|(name, value)| (name.to_owned(), value.to_owned()))))
    }

    #[test]
    fn both_files_make_a_profile() {
        let night = load(&[("AWS_PROFILE", "night")]).unwrap();
        assert_eq!(night.get("region"), Some("us-west-2"));
        assert_eq!(night.get("endpoint_url"), Some("https://minio:9000"));
        assert_eq!(night.get("aws_access_key_id"), Some("AKID"));
        assert_eq!(night.get("aws_secret_access_key"), Some("a/b=c+d"));
        assert_eq!((night.get("aws_session_token"), night.get("addressing_style")), (None, None));
        let default = load(&[]).unwrap();
        assert_eq!(
            (default.get("region"), default.get("aws_access_key_id")),
            (Some("eu-west-1"), Some("OTHER"))
        );
    }

    #[test]
    fn a_profile_that_was_named_must_be_there() {
        let problem = load(&[("AWS_PROFILE", "nightly")]).unwrap_err();
        assert!(problem.contains("nightly"), "{problem}");
        assert!(load(&[("AWS_PROFILE", "night"), ("AWS_CONFIG_FILE", "/nowhere")]).is_ok());
    }

    #[test]
    fn what_a_profile_has_in_place_of_keys_is_told() {
        assert_eq!(load(&[("AWS_PROFILE", "sso")]).unwrap().unsupported(), Some("sso_session"));
        assert_eq!(load(&[("AWS_PROFILE", "night")]).unwrap().unsupported(), None);
    }
}
