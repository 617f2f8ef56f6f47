//! What is known of an age file before any key is tried.

use crate::carry::CARRIED_BYTES_MAX;
use crate::error::SealError;

const FIRST_LINE: &[u8] = b"age-encryption.org/v1";
const STANZA: &[u8] = b"-> ";
const MAC: &[u8] = b"---";
const SCRYPT: &[u8] = b"scrypt";
/// Most stanzas of a header: twice the recipients that we take, and more. Each of them costs a key agreement for each identity.
const STANZAS_MAX: usize = 160;

/// Looks through the header of an age file once, without any work that its author chooses.
pub(crate) fn check(file: &[u8]) -> Result<(), SealError> {
    let damaged = |problem: String| Err(SealError::AgeFile { problem });
    if file.len() > CARRIED_BYTES_MAX {
        return damaged(format!("it has {} bytes, more than {CARRIED_BYTES_MAX}", file.len()));
    }
    let mut lines = file.split(|byte| *byte == b'\n');
    if lines.next() != Some(FIRST_LINE) {
        return damaged("it does not begin with `age-encryption.org/v1`".to_owned());
    }
    let mut stanzas: usize = 0;
    for line in lines {
        if line.starts_with(MAC) {
            return Ok(());
        }
        let Some(stanza) = line.strip_prefix(STANZA) else { continue };
        stanzas = stanzas.saturating_add(1);
        if stanzas > STANZAS_MAX {
            return damaged(format!("it has more than {STANZAS_MAX} recipients"));
        }
        if stanza.split(|byte| *byte == b' ').next() == Some(SCRYPT) {
            return Err(SealError::Passphrase);
        }
    }
    damaged("its header has no end".to_owned())
}
