//! Words of a command line as a shell takes them.

use std::fmt;

/// Writes a word so that a shell takes it as one, and as it is.
#[must_use]
pub fn quoted(word: impl fmt::Display) -> String {
    let word = word.to_string();
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-:=@%+,".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word;
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn what_a_shell_would_change_is_quoted() {
        for (word, expected) in [
            ("/backup/validator", "/backup/validator"),
            ("s3://bucket/r", "s3://bucket/r"),
            ("my backup", "'my backup'"),
            ("it's", r"'it'\''s'"),
            ("rocksdb-backup:/b#7", "'rocksdb-backup:/b#7'"),
            ("$HOME", "'$HOME'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }
}
