//! The validator that a dump comes from, named by its public key.

/// Reads a public key. 64 digits alone are refused: they may well be a secret key.
pub(crate) fn parse(text: &str) -> Result<String, String> {
    let expected = "expected a public key: 66 hex digits that begin with 02 or 03 (secp256k1), or ed25519: and 64 hex digits";
    let (prefix, digits) = match text.split_once(':') {
        Some(("ed25519", digits)) => ("ed25519:", digits),
        Some(_) => return Err(expected.to_owned()),
        None => ("", text),
    };
    let key = hex::decode(digits).map_err(|_| expected.to_owned())?;
    match (prefix, key.len(), key.first()) {
        ("", 33, Some(2 | 3)) | ("ed25519:", 32, _) => Ok(format!("{prefix}{}", hex::encode(key))),
        ("", 32, _) => {
            Err(format!("64 hex digits may be a secret key, which must not get into a dump; {expected}"))
        }
        _ => Err(expected.to_owned()),
    }
}

/// Returns true if two public keys are of one kind, so that they are of two validators when they differ.
pub(crate) fn same_kind(left: &str, right: &str) -> bool {
    left.contains(':') == right.contains(':')
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn public_keys_are_taken_and_what_may_be_a_secret_key_is_not() {
        let secp = format!("02{}", "aB".repeat(32));
        assert_eq!(parse(&secp), Ok(secp.to_lowercase()));
        let ed25519 = format!("ed25519:{}", "cd".repeat(32));
        assert_eq!(parse(&ed25519), Ok(ed25519.clone()));
        assert!(parse(&"cd".repeat(32)).unwrap_err().contains("secret"));
        for bad in ["", "02ab", "not hex", &format!("05{}", "ab".repeat(32)), "rsa:00", "\u{1b}[31m"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
