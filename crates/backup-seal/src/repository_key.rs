//! The repository key and its file.

use std::fmt;

use zeroize::Zeroizing;

use crate::error::{SealError, check_len, malformed};
use crate::random;

const WHAT: &str = "repository key file";
/// Longest file, in bytes.
const FILE_BYTES_MAX: usize = 64 << 10;
/// Most recipients of a repository.
const RECIPIENTS_MAX: usize = 64;
/// Longest recipient, in bytes: those of post-quantum keys have some 2,000.
const RECIPIENT_BYTES_MAX: usize = 4_096;
/// All recipients together, in bytes, which leaves room for the rest of the file.
const RECIPIENTS_BYTES_MAX: usize = 60 << 10;
const COMMENT: &str = "# kvbackup repository key\n\
    # It tells which content is stored, and who may read it. Keep it where only the backup can read it.\n";
const REPOSITORY: &str = "repository ";
const KEY: &str = "key ";
const RECIPIENT: &str = "recipient ";
const END: &str = "end";

/// What a node holds of an encrypted repository: its secret, of which ids and cuts are derived, and who may read what is stored. It opens nothing.
/// Its secret is overwritten when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct RepositoryKey {
    repository: [u8; 16],
    secret: Zeroizing<[u8; 32]>,
    recipients: Vec<String>,
}

impl fmt::Debug for RepositoryKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = out.debug_struct("RepositoryKey");
        debug.field("repository", &hex::encode(self.repository)).field("recipients", &self.recipients);
        debug.finish_non_exhaustive()
    }
}

impl RepositoryKey {
    /// Longest file that is decoded, in bytes.
    pub const FILE_BYTES_MAX: usize = FILE_BYTES_MAX;

    /// Makes a new secret of random bytes for this repository.
    ///
    /// # Errors
    ///
    /// [`SealError::Random`]; [`SealError::Recipients`] or [`SealError::Recipient`] when they cannot stand in the file: there are 1 to 64, each of
    /// at most 4,096 printable characters, none stands twice. What else they say is known to `AgeRecipients` alone.
    pub fn generate(repository: [u8; 16], recipients: Vec<String>) -> Result<Self, SealError> {
        let mut secret = Zeroizing::new([0; 32]);
        random::fill(secret.as_mut_slice())?;
        Self { repository, secret, recipients: Vec::new() }.with_recipients(recipients)
    }

    /// Returns the id of its repository.
    #[must_use]
    pub fn repository(&self) -> [u8; 16] {
        self.repository
    }

    /// Returns who may read what is stored from now on.
    #[must_use]
    pub fn recipients(&self) -> &[String] {
        &self.recipients
    }

    /// Returns the same key with these recipients in place of those.
    ///
    /// # Errors
    ///
    /// As [`RepositoryKey::generate`].
    pub fn with_recipients(self, recipients: Vec<String>) -> Result<Self, SealError> {
        check_recipients(&recipients)?;
        Ok(Self { recipients, ..self })
    }

    /// Returns the secret, to derive keys of it.
    #[must_use]
    pub fn secret(&self) -> &[u8; 32] {
        &self.secret
    }

    /// Returns what the repository says of its secret: the first 16 bytes of BLAKE3 `derive_key("kvb2 check", secret)`.
    #[must_use]
    pub fn check(&self) -> [u8; 16] {
        let derived = blake3::derive_key("kvb2 check", self.secret.as_slice());
        derived.first_chunk().copied().unwrap_or_default()
    }

    /// Returns the content of its file. It belongs into a file that only its owner can read.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<String> {
        // A string that grows would leave copies of itself behind.
        let mut text = Zeroizing::new(String::with_capacity(FILE_BYTES_MAX));
        text.push_str(COMMENT);
        let repository = hex::encode(self.repository);
        let secret = Zeroizing::new(hex::encode(self.secret.as_slice()));
        for (word, value) in [(REPOSITORY, repository.as_str()), (KEY, secret.as_str())] {
            push_line(&mut text, word, value);
        }
        for recipient in &self.recipients {
            push_line(&mut text, RECIPIENT, recipient);
        }
        push_line(&mut text, END, "");
        text
    }

    /// Reads its file. Lines that are empty or begin with `#` mean nothing. The others are `repository`, `key`, one `recipient` or more, and `end`, in this
    /// order.
    ///
    /// # Errors
    ///
    /// [`SealError::TooLong`], [`SealError::Malformed`], and as [`RepositoryKey::generate`]. None quotes a line.
    pub fn decode(file: &[u8]) -> Result<Self, SealError> {
        check_len(WHAT, file.len(), FILE_BYTES_MAX)?;
        let text = std::str::from_utf8(file).map_err(|_| malformed(WHAT, "it is not UTF-8"))?;
        let mut lines = Lines::new(text)?;
        let repository = lines.hex(REPOSITORY)?;
        let secret = lines.hex(KEY)?;
        let mut recipients = Vec::new();
        loop {
            let (number, line) = lines.next_line()?;
            match line.strip_prefix(RECIPIENT) {
                Some(_) if recipients.len() == RECIPIENTS_MAX => {
                    return Err(malformed(WHAT, format!("it has more than {RECIPIENTS_MAX} recipients")));
                }
                Some(recipient) => recipients.push(recipient.to_owned()),
                None if line == END => break,
                None => {
                    return Err(malformed(WHAT, format!("line {number} is neither `recipient` nor `end`")));
                }
            }
        }
        lines.finish()?;
        Self { repository: *repository, secret, recipients: Vec::new() }.with_recipients(recipients)
    }
}

fn push_line(text: &mut String, word: &str, value: &str) {
    for part in [word, value, "\n"] {
        text.push_str(part);
    }
}

/// Checks what a recipient must be to stand in a file.
fn check_recipients(recipients: &[String]) -> Result<(), SealError> {
    let refuse = |problem: String| Err(SealError::Recipients { problem });
    if recipients.is_empty() {
        return refuse("there is none, so nobody could read what is stored".to_owned());
    }
    if recipients.len() > RECIPIENTS_MAX {
        return refuse(format!("there are {}, more than {RECIPIENTS_MAX}", recipients.len()));
    }
    for recipient in recipients {
        check_len("recipient", recipient.len(), RECIPIENT_BYTES_MAX)?;
        if recipient.is_empty() || !recipient.bytes().all(|byte| byte.is_ascii_graphic()) {
            let problem = "it has other characters than letters, digits and punctuation, or none".to_owned();
            return Err(SealError::Recipient { recipient: shorten(recipient), problem });
        }
    }
    refuse_twice(recipients)?;
    let bytes = recipients.iter().map(String::len).fold(0, usize::saturating_add);
    check_len("list of recipients", bytes, RECIPIENTS_BYTES_MAX)
}

/// Refuses a list in which one stands twice.
pub(crate) fn refuse_twice(recipients: &[String]) -> Result<(), SealError> {
    let mut sorted: Vec<&String> = recipients.iter().collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair.first() == pair.last()).and_then(|pair| pair.first()) {
        Some(twice) => {
            Err(SealError::Recipients { problem: format!("{:?} stands there twice", shorten(twice)) })
        }
        None => Ok(()),
    }
}

/// Returns the beginning of a recipient, to name it.
pub(crate) fn shorten(recipient: &str) -> String {
    let mut shown: String = recipient.chars().take(80).collect();
    if shown.len() < recipient.len() {
        shown.push_str("...");
    }
    shown
}

/// The lines of a file that mean something, with their numbers.
struct Lines<'text> {
    lines: std::iter::Enumerate<std::str::Split<'text, char>>,
}

impl<'text> Lines<'text> {
    fn new(text: &'text str) -> Result<Self, SealError> {
        let cut = || malformed(WHAT, "its last line has no end; a part of it is missing");
        let text = text.strip_suffix('\n').ok_or_else(cut)?;
        Ok(Self { lines: text.split('\n').enumerate() })
    }

    fn meaningful(&mut self) -> Option<(usize, &'text str)> {
        let line = self.lines.find(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        line.map(|(number, line)| (number.saturating_add(1), line))
    }

    fn next_line(&mut self) -> Result<(usize, &'text str), SealError> {
        self.meaningful().ok_or_else(|| malformed(WHAT, "it has no `end`; a part of it is missing"))
    }

    fn hex<const N: usize>(&mut self, word: &str) -> Result<Zeroizing<[u8; N]>, SealError> {
        let (number, line) = self.next_line()?;
        let mut bytes = Zeroizing::new([0; N]);
        let value = line.strip_prefix(word);
        let value = value.filter(|value| !value.bytes().any(|byte| byte.is_ascii_uppercase()));
        match value.map(|value| hex::decode_to_slice(value, bytes.as_mut_slice())) {
            Some(Ok(())) => Ok(bytes),
            _ => {
                let digits = N.saturating_mul(2);
                let problem = format!("line {number} is not `{word}` and {digits} hex digits in lower case");
                Err(malformed(WHAT, problem))
            }
        }
    }

    fn finish(mut self) -> Result<(), SealError> {
        match self.meaningful() {
            Some((number, _)) => Err(malformed(WHAT, format!("line {number} stands after `end`"))),
            None => Ok(()),
        }
    }
}
