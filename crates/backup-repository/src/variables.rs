//! Settings of a store, from variables of the environment.

use std::collections::BTreeMap;

/// Set to `true`, lets a store take the credentials that the machine's cloud gives to whatever runs on it.
pub(crate) const INSTANCE_CREDENTIALS: &str = "KVBACKUP_INSTANCE_CREDENTIALS";

/// Variables by their names. Empty ones count as not set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables(BTreeMap<String, String>);

impl Variables {
    pub(crate) fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(variables.into_iter().filter(|(_, value)| !value.is_empty()).collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Returns true if a variable says yes.
    pub(crate) fn is_true(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|value| matches!(value.to_ascii_lowercase().as_str(), "true" | "1" | "yes" | "on"))
    }

    /// Returns the settings of one store's family, `AWS_`, `GOOGLE_` or `AZURE_`, in the order of their names, which are
    /// in lower case. No other variable is a setting of that store.
    pub(crate) fn family(&self, prefix: &str) -> impl Iterator<Item = (String, &str)> {
        let own = self.0.iter().filter(move |(name, _)| name.starts_with(prefix));
        own.map(|(name, value)| (name.to_ascii_lowercase(), value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_what_begins_with_its_prefix() {
        let given =
            ["TOKEN", "REGION", "AWS_REGION", "aws_token", "GOOGLE_BUCKET", "MY_AWS_REGION", "AWS_ENDPOINT"];
        let variables = Variables::new(given.map(|name| (name.to_owned(), "x".to_owned())));
        let names: Vec<_> = variables.family("AWS_").map(|(name, _)| name).collect();
        assert_eq!(names, ["aws_endpoint", "aws_region"]);
    }

    #[test]
    fn an_empty_variable_is_not_set() {
        let variables = Variables::new([("AWS_SESSION_TOKEN".to_owned(), String::new())]);
        assert_eq!(variables.get("AWS_SESSION_TOKEN"), None);
        assert_eq!(variables.family("AWS_").count(), 0);
    }
}
