//! Rust source with its comments and literals blanked, so that a search finds code only.

use std::ops::Range;

/// Replaces comments, strings and character literals by spaces. Length and line ends stay.
pub(super) fn mask(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut masked = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = hidden_end(bytes, at);
        for byte in masked[at..end].iter_mut().filter(|byte| **byte != b'\n') {
            *byte = b' ';
        }
        at = end.max(at + 1);
    }
    String::from_utf8_lossy(&masked).into_owned()
}

/// Returns where the comment or literal that starts at `at` ends, or `at` if none starts there.
fn hidden_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        return at + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    }
    if rest.starts_with(b"/*") {
        return block_comment_end(bytes, at);
    }
    match bytes[at] {
        b'"' => string_end(bytes, at + 1, b'"'),
        b'r' if at == 0 || !is_word(bytes[at - 1]) || is_raw_prefix(bytes, at) => raw_string_end(bytes, at),
        b'\'' if is_character(rest) => string_end(bytes, at + 1, b'\''),
        _ => at,
    }
}

/// True when the letter before an `r` makes it `br` or `cr`, and no longer word.
fn is_raw_prefix(bytes: &[u8], at: usize) -> bool {
    matches!(bytes[at - 1], b'b' | b'c') && (at == 1 || !is_word(bytes[at - 2]))
}

fn block_comment_end(bytes: &[u8], start: usize) -> usize {
    let (mut depth, mut at) = (0, start);
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    bytes.len()
}

fn string_end(bytes: &[u8], mut at: usize, quote: u8) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn raw_string_end(bytes: &[u8], at: usize) -> usize {
    let hashes = bytes[at + 1..].iter().take_while(|byte| **byte == b'#').count();
    let open = at + 1 + hashes;
    if bytes.get(open) != Some(&b'"') {
        return at;
    }
    let mut close = vec![b'"'];
    close.resize(1 + hashes, b'#');
    let body = &bytes[open + 1..];
    let length = body.windows(close.len()).position(|window| window == close);
    length.map_or(bytes.len(), |length| open + 1 + length + close.len())
}

/// Tells the literal `'a'` from the lifetime `'a`.
fn is_character(rest: &[u8]) -> bool {
    let text = String::from_utf8_lossy(&rest[1..rest.len().min(9)]);
    let mut letters = text.chars();
    match letters.next() {
        Some('\\') => true,
        Some(_) => letters.next() == Some('\''),
        None => false,
    }
}

pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Returns the end of the item whose words start at `at`: behind its block, or its semicolon.
pub(super) fn item_end(masked: &str, at: usize) -> usize {
    let bytes = masked.as_bytes();
    let mut depth = 0_usize;
    for (position, byte) in bytes.iter().enumerate().skip(at) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            b';' if depth == 0 => return position + 1,
            b'{' if depth == 0 => return block_end(masked, position),
            b'}' if depth == 0 => return position,
            _ => (),
        }
    }
    bytes.len()
}

/// Returns the position behind the bracket that closes the one at `open`, of whatever kind.
pub(super) fn block_end(masked: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (position, byte) in masked.bytes().enumerate().skip(open) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return position + 1;
                }
            }
            _ => (),
        }
    }
    masked.len()
}

/// Finds the items that are compiled for tests only, attribute included.
pub(super) fn test_items(masked: &str) -> Vec<Range<usize>> {
    const ATTRIBUTE: &str = "#[cfg(test)]";
    let mut items: Vec<Range<usize>> = Vec::new();
    for (start, _) in masked.match_indices(ATTRIBUTE) {
        if items.last().is_none_or(|last| last.end <= start) {
            items.push(start..item_end(masked, behind_attributes(masked, start)));
        }
    }
    items
}

fn behind_attributes(masked: &str, mut at: usize) -> usize {
    loop {
        at += masked[at..].len() - masked[at..].trim_start().len();
        if !masked[at..].starts_with("#[") {
            return at;
        }
        at = block_end(masked, at + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_stays_and_comments_and_literals_go() {
        for (source, expected) in [
            ("a // b { \" c\nd", "a           \nd"),
            ("a /* b /* c */ d */ e", "a                   e"),
            ("f(\"x \\\" } \")", "f(         )"),
            ("f(r#\"x \" } \"#)", "f(           )"),
            ("f(br\"\\\")", "f(b    )"),
            ("r#fn(r, var)", "r#fn(r, var)"),
            ("f('{', '\\'', '\"')", "f(   ,     ,    )"),
            ("fn f<'a>(x: &'a str) { '}' }", "fn f<'a>(x: &'a str) {     }"),
        ] {
            assert_eq!(mask(source), expected, "{source}");
        }
    }

    #[test]
    fn items_for_tests_are_found_whole() {
        let source = "fn a() {}\n#[cfg(test)]\n#[allow(x)]\nmod tests { fn b() { {} } }\nfn c() {}";
        let masked = mask(source);
        let items = test_items(&masked);
        assert_eq!(items.len(), 1);
        assert_eq!(&masked[items[0].end..], "\nfn c() {}");
        let masked = mask("#[cfg(test)]\nuse a;\nfn b(c: [u8; 3]) {}");
        assert_eq!(&masked[test_items(&masked)[0].end..], "\nfn b(c: [u8; 3]) {}");
        assert!(test_items(&mask("// #[cfg(test)]\nfn a() {}")).is_empty());
    }
}
