//! Identities of age.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;

use age::plugin::IdentityPluginV1;
use age::secrecy::ExposeSecret as _;
use age::{DecryptError, Decryptor, NoCallbacks, plugin, x25519};
use zeroize::Zeroizing;

use crate::age_file;
use crate::carry::{CARRIED_BYTES_MAX, Identities};
use crate::error::{SealError, check_len, malformed};

const WHAT: &str = "identity file of age";
/// Most identities that are tried.
const IDENTITIES_MAX: usize = 64;

/// Identities of age: at least one, at most 64. They are secret.
pub struct AgeIdentities {
    native: Vec<x25519::Identity>,
    /// By the name of their plugin, which tries all of its identities at once.
    plugins: BTreeMap<String, Vec<plugin::Identity>>,
}

impl fmt::Debug for AgeIdentities {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let recipients = self.native.iter().map(|native| native.to_public().to_string());
        let plugins = self.plugins.keys().map(|name| format!("plugin {name}"));
        out.debug_tuple("AgeIdentities").field(&recipients.chain(plugins).collect::<Vec<_>>()).finish()
    }
}

impl AgeIdentities {
    /// Longest file that is decoded, in bytes.
    pub const FILE_BYTES_MAX: usize = CARRIED_BYTES_MAX;

    /// Makes a new identity. Returns the content of its file, as `age-keygen` writes it, and its recipient.
    #[must_use]
    pub fn generate() -> (Zeroizing<String>, String) {
        let identity = x25519::Identity::generate();
        let recipient = identity.to_public().to_string();
        let secret = identity.to_string();
        let file = Zeroizing::new(format!("# public key: {recipient}\n{}\n", secret.expose_secret()));
        (file, recipient)
    }

    /// Reads an identity file: lines that are empty or begin with `#` mean nothing; the others are `AGE-SECRET-KEY-1...`, or `AGE-PLUGIN-NAME-1...` of a
    /// plugin, which is not looked for before something is unwrapped.
    ///
    /// # Errors
    ///
    /// [`SealError::TooLong`], [`SealError::Malformed`]. None quotes a line.
    pub fn decode(file: &[u8]) -> Result<Self, SealError> {
        check_len(WHAT, file.len(), CARRIED_BYTES_MAX)?;
        let text = std::str::from_utf8(file).map_err(|_| malformed(WHAT, "it is not UTF-8"))?;
        let mut identities = Self { native: Vec::new(), plugins: BTreeMap::new() };
        for (number, line) in (1_usize..).zip(text.lines()) {
            let line = line.trim_end();
            if !line.is_empty() && !line.starts_with('#') {
                identities.add(number, line)?;
            }
        }
        if identities.count() == 0 {
            return Err(malformed(WHAT, "it has no identity"));
        }
        Ok(identities)
    }

    /// Joins the identities of several files.
    ///
    /// # Errors
    ///
    /// [`SealError::Malformed`] when there are more than 64.
    pub fn join(mut self, other: Self) -> Result<Self, SealError> {
        self.native.extend(other.native);
        for (name, of_plugin) in other.plugins {
            self.plugins.entry(name).or_default().extend(of_plugin);
        }
        self.check_count()?;
        Ok(self)
    }

    fn add(&mut self, number: usize, line: &str) -> Result<(), SealError> {
        if let Ok(native) = line.parse::<x25519::Identity>() {
            self.native.push(native);
        } else if let Ok(of_plugin) = line.parse::<plugin::Identity>() {
            self.plugins.entry(of_plugin.plugin().to_owned()).or_default().push(of_plugin);
        } else {
            return Err(malformed(WHAT, format!("line {number} {}", what_else(line))));
        }
        self.check_count()
    }

    fn count(&self) -> usize {
        self.plugins.values().map(Vec::len).fold(self.native.len(), usize::saturating_add)
    }

    fn check_count(&self) -> Result<(), SealError> {
        if self.count() > IDENTITIES_MAX {
            return Err(malformed(WHAT, format!("there are more than {IDENTITIES_MAX} identities")));
        }
        Ok(())
    }
}

/// Says what a line is that is no identity, without quoting it.
fn what_else(line: &str) -> &'static str {
    let known = [
        ("age-encryption.org/", "begins an age file: decrypt it with `age -d` first"),
        ("-----BEGIN AGE ENCRYPTED FILE-----", "begins an age file: decrypt it with `age -d` first"),
        ("-----BEGIN", "begins a key of another program, such as SSH, which is not taken"),
        ("age1", "is a recipient, which opens nothing; its identity is in the file that `age-keygen` made"),
        ("AGE-SECRET-KEY-1", "is damaged: its checksum is wrong, or a part of it is missing"),
        (
            "AGE-SECRET-KEY-PQ-1",
            "is a post-quantum identity: `age-plugin-pq -identity` makes one for the plugin of it, which is needed",
        ),
        ("AGE-SECRET-KEY-", "is an identity of a kind that is not known here; a plugin may know it"),
    ];
    let found = known.into_iter().find(|(prefix, _)| line.starts_with(prefix));
    found.map_or("is no identity", |(_, what)| what)
}

impl Identities for AgeIdentities {
    /// Opens an age file. Plugins are run by it, after all other identities failed.
    fn unwrap(&self, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let native = self.native.iter().map(|native| native as &dyn age::Identity);
        match open(wrapped, native) {
            Err(SealError::NoIdentity) if !self.plugins.is_empty() => {}
            other => return other,
        }
        let plugins = self.plugins.iter().map(|(name, of_plugin)| {
            let missing = |error: plugin::ResolveError| SealError::Plugin { problem: error.to_string() };
            IdentityPluginV1::new(name, of_plugin, NoCallbacks).map_err(missing)
        });
        let plugins: Vec<_> = plugins.collect::<Result<_, _>>()?;
        open(wrapped, plugins.iter().map(|plugin| plugin as &dyn age::Identity))
    }
}

fn open<'identity>(
    file: &[u8],
    identities: impl Iterator<Item = &'identity dyn age::Identity>,
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    age_file::check(file)?;
    let decryptor = Decryptor::new_buffered(file).map_err(|error| refused(&error))?;
    let mut reader = decryptor.decrypt(identities).map_err(|error| refused(&error))?;
    // A vector that grows would leave copies of the secret behind. The secret is shorter than its file.
    let mut secret = Zeroizing::new(Vec::with_capacity(file.len()));
    let damaged = |_| SealError::AgeFile { problem: "its content was altered or cut short".to_owned() };
    reader.read_to_end(&mut secret).map_err(damaged)?;
    Ok(secret)
}

/// Says why an age file was not opened.
fn refused(error: &DecryptError) -> SealError {
    let damaged = |problem: &str| SealError::AgeFile { problem: problem.to_owned() };
    match error {
        DecryptError::NoMatchingKeys => SealError::NoIdentity,
        DecryptError::InvalidHeader => damaged("its header is not of the format"),
        DecryptError::InvalidMac => damaged("its header was altered"),
        DecryptError::Io(_) => damaged("it was cut short"),
        DecryptError::UnknownFormat => damaged("it is of another version than `age-encryption.org/v1`"),
        DecryptError::Plugin(_) | DecryptError::PluginResolve(_) => {
            SealError::Plugin { problem: error.to_string() }
        }
        _ => damaged("it does not open"),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use age_core::format::{FileKey, Stanza};

    use super::*;

    /// An identity that opens nothing, and counts what it is asked to open.
    #[derive(Default)]
    struct Counter(Cell<usize>);

    impl age::Identity for Counter {
        fn unwrap_stanza(&self, _stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
            self.0.set(self.0.get() + 1);
            None
        }
    }

    /// Returns how many stanzas an identity is asked to open, and the error.
    fn work(stanzas: &str) -> (usize, SealError) {
        let file = format!("age-encryption.org/v1\n{stanzas}--- {}\n{}", "A".repeat(43), "x".repeat(48));
        let counter = Counter::default();
        let refused = open(file.as_bytes(), std::iter::once(&counter as &dyn age::Identity)).unwrap_err();
        (counter.0.get(), refused)
    }

    #[test]
    fn no_identity_is_asked_for_a_file_that_wants_much_work() {
        let one = "-> x\n\n";
        assert_eq!(work(one), (1, SealError::NoIdentity));
        assert_eq!(work(&one.repeat(160)), (160, SealError::NoIdentity));
        for many in [161, 10_000] {
            let (asked, refused) = work(&one.repeat(many));
            assert!(asked == 0 && matches!(refused, SealError::AgeFile { .. }), "{asked} {refused}");
        }
        let scrypt = format!("-> scrypt {} 30\n{}\n", "A".repeat(22), "A".repeat(43));
        for stanzas in [scrypt.clone(), one.to_owned() + &scrypt, scrypt + one] {
            assert_eq!(work(&stanzas), (0, SealError::Passphrase));
        }
    }
}
