//! With which key a validator will run on what is restored, and how dangerous that is.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::origin;

/// What a restore says if no option says which key will run on its target.
pub(crate) const CAUTION: &str =
    "a validator that starts from an old state with its own key may sign twice: read docs/KEY-SAFETY.md";

/// The key that a validator will have: that of `--for-key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ForKey {
    /// None: it observes and does not vote.
    None,
    /// The secret key that belongs to this public key.
    Public(String),
}

impl FromStr for ForKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            _ => origin::parse(text).map(Self::Public).map_err(|error| format!("{error}; or none")),
        }
    }
}

/// What the key means for a dump, whose validator may have voted since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scenario {
    /// No key: nothing is signed.
    NoKey,
    /// Another key than that of the validator that the dump comes from, which never signed anything for it.
    MismatchedKey,
    /// The key of the validator that the dump comes from.
    StaleOwnKey,
    /// The key of the validator that the dump comes from, which nothing could sign with after the dump.
    LastOwnKey,
    /// A key for a dump that does not say what validator it comes from, or says it by a key of another kind: a validator
    /// has more than one.
    UnknownOrigin,
}

impl Scenario {
    /// Returns the scenario of a dump with this origin, which is the last one of its namespace or not.
    pub(crate) fn of(key: &ForKey, origin: Option<&str>, last: bool) -> Self {
        // An origin that another program wrote in another way may be this very key.
        let origin = origin.and_then(|origin| origin::parse(origin).ok());
        match (key, origin) {
            (ForKey::None, _) => Self::NoKey,
            (ForKey::Public(_), None) => Self::UnknownOrigin,
            (ForKey::Public(key), Some(origin)) if *key == origin => {
                if last {
                    Self::LastOwnKey
                } else {
                    Self::StaleOwnKey
                }
            }
            (ForKey::Public(key), Some(origin)) if !origin::same_kind(key, &origin) => Self::UnknownOrigin,
            (ForKey::Public(_), Some(_)) => Self::MismatchedKey,
        }
    }

    /// Returns why a restore for this key is refused; `None` when it need not be.
    pub(crate) fn danger(self) -> Option<&'static str> {
        match self {
            Self::NoKey | Self::MismatchedKey | Self::LastOwnKey => None,
            Self::StaleOwnKey => Some(
                "the dump is of the validator with this very key, and does not know what it signed since: started from \
                 it, the validator can sign a second block where it had voted",
            ),
            Self::UnknownOrigin => Some(
                "the dump does not say by a key of this kind what validator it comes from, so this may be its own key: started from an old \
                 dump, a validator can sign a second block where it had voted",
            ),
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::NoKey => "no key: the validator observes, and signs nothing",
            Self::MismatchedKey => "mismatched key: not that of the validator that the dump comes from",
            Self::StaleOwnKey => {
                "stale backup with its own key: DANGER of signing twice; read docs/KEY-SAFETY.md"
            }
            Self::LastOwnKey => "last dump with its own key: nothing was signed after it, and it is restored for this key once",
            Self::UnknownOrigin => {
                "a key and an unknown origin: DANGER of signing twice; read docs/KEY-SAFETY.md"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> String {
        format!("02{}", hex::encode([byte; 32]))
    }

    #[test]
    fn the_key_and_the_origin_decide_and_what_is_unsure_is_dangerous() {
        let own = ForKey::from_str(&key(0xab)).unwrap();
        let upper = key(0xab).to_uppercase();
        let cases = [
            (&ForKey::None, Some(key(0xab)), Scenario::NoKey, false),
            (&ForKey::None, None, Scenario::NoKey, false),
            (&own, Some(key(0xab)), Scenario::StaleOwnKey, true),
            (&own, Some(upper), Scenario::StaleOwnKey, true),
            (&own, Some(key(0xcd)), Scenario::MismatchedKey, false),
            (&own, None, Scenario::UnknownOrigin, true),
            (&own, Some(format!("ed25519:{}", "cd".repeat(32))), Scenario::UnknownOrigin, true),
            (&own, Some("validator 7".to_owned()), Scenario::UnknownOrigin, true),
        ];
        for (for_key, origin, scenario, dangerous) in cases {
            let found = Scenario::of(for_key, origin.as_deref(), false);
            let last = Scenario::of(for_key, origin.as_deref(), true);
            let expected = if found == Scenario::StaleOwnKey { Scenario::LastOwnKey } else { found };
            assert_eq!(last, expected, "{for_key:?} {origin:?}");
            assert_eq!((found, found.danger().is_some()), (scenario, dangerous), "{for_key:?} {origin:?}");
        }
    }

    #[test]
    fn a_key_is_a_public_key_or_none() {
        assert_eq!("none".parse(), Ok(ForKey::None));
        assert!(ForKey::from_str("").unwrap_err().contains("or none"));
        assert!(ForKey::from_str(&"ab".repeat(32)).unwrap_err().contains("secret"));
    }
}
