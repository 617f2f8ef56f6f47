//! The lines of minisign's files.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::error::SignError;

/// What stands before a comment that nothing vouches for.
pub(crate) const UNTRUSTED: &str = "untrusted comment: ";
/// Longest file that is looked at: all of ours have less than 1 KiB.
pub(crate) const FILE_BYTES_MAX: usize = 4_096;

/// Makes an error about a file of this kind.
pub(crate) fn malformed(what: &'static str, problem: impl Into<String>) -> SignError {
    SignError::Malformed { what, problem: problem.into() }
}

/// Takes a file apart into exactly so many lines. The last one may end without a line feed.
pub(crate) fn lines<'text, const N: usize>(
    what: &'static str,
    file: &'text [u8],
) -> Result<[&'text str; N], SignError> {
    if file.len() > FILE_BYTES_MAX {
        return Err(malformed(what, format!("it has {} bytes, more than {FILE_BYTES_MAX}", file.len())));
    }
    let text = std::str::from_utf8(file).map_err(|_| malformed(what, "it is not UTF-8"))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let lines: Vec<&str> = text.split('\n').collect();
    let found = lines.len();
    lines.try_into().map_err(|_| malformed(what, format!("it has {found} lines, and {N} are expected")))
}

/// Returns the comment of a line.
pub(crate) fn comment<'text>(
    what: &'static str,
    line: &'text str,
    prefix: &str,
) -> Result<&'text str, SignError> {
    let comment = line.strip_prefix(prefix);
    comment.ok_or_else(|| malformed(what, format!("a line does not begin with {:?}", prefix.trim_end())))
}

/// Decodes a line of base64 that stands for so many bytes.
pub(crate) fn decode<const N: usize>(
    what: &'static str,
    line: &str,
) -> Result<Zeroizing<[u8; N]>, SignError> {
    let wrong = || malformed(what, format!("a line is not the base64 of {N} bytes"));
    let expected = N.div_ceil(3) * 4;
    if line.len() != expected {
        return Err(wrong());
    }
    // The library may ask for more room than there are bytes.
    let mut bytes = Zeroizing::new(vec![0; expected]);
    let len = STANDARD.decode_slice(line, &mut bytes).map_err(|_| wrong())?;
    let mut array = Zeroizing::new([0; N]);
    match bytes.get(..len).filter(|bytes| bytes.len() == N) {
        Some(bytes) => array.copy_from_slice(bytes),
        None => return Err(wrong()),
    }
    Ok(array)
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Checks the two bytes that name an algorithm.
pub(crate) fn check_algorithm(
    what: &'static str,
    expected: &'static str,
    found: &[u8],
) -> Result<(), SignError> {
    if found == expected.as_bytes() {
        return Ok(());
    }
    let found = found.escape_ascii().to_string();
    Err(SignError::Algorithm { what, expected, found })
}

/// Takes so many bytes from the front.
pub(crate) fn take<const N: usize>(bytes: &mut &[u8]) -> [u8; N] {
    // Lengths were checked: a part that is missing would be zeros.
    let mut array = [0; N];
    if let Some((front, rest)) = bytes.split_at_checked(N) {
        array.copy_from_slice(front);
        *bytes = rest;
    }
    array
}
