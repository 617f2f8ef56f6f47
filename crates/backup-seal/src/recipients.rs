//! Recipients of age.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write as _;

use age::plugin::RecipientPluginV1;
use age::{EncryptError, Encryptor, NoCallbacks, plugin, tag, tagpq, x25519};

use crate::carry::{CARRIED_BYTES_MAX, Recipients};
use crate::error::{SealError, check_len};
use crate::repository_key::{refuse_twice, shorten};

/// Most recipients of a list.
const RECIPIENTS_MAX: usize = 64;

type Native = Box<dyn age::Recipient + Send + Sync>;

/// Recipients of age: at least one, at most 64.
pub struct AgeRecipients {
    given: Vec<String>,
    native: Vec<Native>,
    /// By the name of their plugin, which wraps for all of its recipients at once.
    plugins: BTreeMap<String, Vec<plugin::Recipient>>,
}

impl fmt::Debug for AgeRecipients {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("AgeRecipients").field(&self.given).finish()
    }
}

impl AgeRecipients {
    /// Reads recipients: `age1...`, or `age1NAME1...` of a plugin, which is not looked for before something is wrapped.
    ///
    /// # Errors
    ///
    /// [`SealError::Recipients`] when there is none, or more than 64, or one stands twice; [`SealError::Recipient`].
    pub fn parse(recipients: &[String]) -> Result<Self, SealError> {
        let refuse = |problem: String| Err(SealError::Recipients { problem });
        if recipients.is_empty() {
            return refuse("there is none".to_owned());
        }
        if recipients.len() > RECIPIENTS_MAX {
            return refuse(format!("there are {}, more than {RECIPIENTS_MAX}", recipients.len()));
        }
        refuse_twice(recipients)?;
        let mut parsed = Self { given: recipients.to_vec(), native: Vec::new(), plugins: BTreeMap::new() };
        for recipient in recipients {
            parsed.add(recipient)?;
        }
        Ok(parsed)
    }

    /// Returns the recipients as they were given.
    #[must_use]
    pub fn recipients(&self) -> &[String] {
        &self.given
    }

    fn add(&mut self, recipient: &str) -> Result<(), SealError> {
        let refuse = |problem: &str| {
            let problem = problem.to_owned();
            Err(SealError::Recipient { recipient: shorten(recipient), problem })
        };
        if recipient.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-")
            || recipient.to_ascii_uppercase().starts_with("AGE-PLUGIN-")
        {
            let problem = "it is an identity, which is secret; `age-keygen -y` shows its recipient";
            return Err(SealError::Recipients { problem: problem.to_owned() });
        }
        if recipient.starts_with("ssh-") || recipient.starts_with("ecdsa-") {
            return refuse("keys of SSH are not taken; `age-keygen` makes one of age");
        }
        if let Ok(native) = recipient.parse::<x25519::Recipient>() {
            self.native.push(Box::new(native));
        } else if let Ok(native) = recipient.parse::<tag::Recipient>() {
            self.native.push(Box::new(native));
        } else if let Ok(native) = recipient.parse::<tagpq::Recipient>() {
            self.native.push(Box::new(native));
        } else if let Ok(of_plugin) = recipient.parse::<plugin::Recipient>() {
            self.plugins.entry(of_plugin.plugin().to_owned()).or_default().push(of_plugin);
        } else if recipient.starts_with("age1") {
            return refuse("it is damaged: its checksum is wrong, or a part of it is missing");
        } else {
            return refuse("those of age begin with `age1`");
        }
        Ok(())
    }
}

impl Recipients for AgeRecipients {
    /// Makes an age file. Plugins are run by it.
    fn wrap(&self, secret: &[u8]) -> Result<Vec<u8>, SealError> {
        check_len("secret to be wrapped", secret.len(), CARRIED_BYTES_MAX)?;
        let plugins = self.plugins.iter().map(|(name, of_plugin)| {
            let missing = |error: plugin::ResolveError| SealError::Plugin { problem: error.to_string() };
            RecipientPluginV1::new(name, of_plugin, &[], NoCallbacks).map_err(missing)
        });
        let plugins: Vec<_> = plugins.collect::<Result<_, _>>()?;
        let native = self.native.iter().map(|native| &**native as &dyn age::Recipient);
        let all = native.chain(plugins.iter().map(|plugin| plugin as &dyn age::Recipient));
        let failed = |_| SealError::Library { operation: "writing an age file" };
        let mut file = Vec::new();
        let mut writer = Encryptor::with_recipients(all)
            .map_err(|error| refused(&error))?
            .wrap_output(&mut file)
            .map_err(failed)?;
        writer.write_all(secret).map_err(failed)?;
        writer.finish().map_err(failed)?;
        check_len("age file", file.len(), CARRIED_BYTES_MAX)?;
        Ok(file)
    }
}

/// Says why no age file could be made.
fn refused(error: &EncryptError) -> SealError {
    match error {
        EncryptError::IncompatibleRecipients { .. } => SealError::Recipients {
            problem: "some are post-quantum and some are not, which age does not mix".to_owned(),
        },
        error => SealError::Plugin { problem: error.to_string() },
    }
}
