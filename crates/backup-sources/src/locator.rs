//! The text that names a namespace: `SCHEME:PLACE?layout=NAME`.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use backup_layout::Layout;

use crate::error::SourceError;
use crate::layout::parse_layout;
use crate::opening::utf8;

/// Where a namespace is: a scheme, and what the engine of that scheme understands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    scheme: &'static str,
    rest: OsString,
}

impl Place {
    /// Returns the scheme, without the colon.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// Returns what stands behind the colon of the scheme.
    #[must_use]
    pub fn rest(&self) -> &OsStr {
        &self.rest
    }

    /// Returns what stands behind the colon as a path.
    ///
    /// # Errors
    ///
    /// [`SourceError::Locator`] if nothing stands there, or a tilde, which shells replace only where a word begins.
    pub fn path(&self) -> Result<PathBuf, SourceError> {
        if self.rest.is_empty() {
            let scheme = self.scheme;
            return Err(SourceError::locator(format!("no path after the colon; expected {scheme}:PATH")));
        }
        if self.rest.as_bytes().starts_with(b"~") {
            let (scheme, rest) = (self.scheme, self.rest.display());
            return Err(SourceError::locator(format!(
                "{rest}: a shell does not replace ~ behind {scheme}:, so write {scheme}:\"$HOME\"/..; a directory of that name is \
                 written {scheme}:./{rest}"
            )));
        }
        Ok(PathBuf::from(&self.rest))
    }

    /// Returns the whole text, without the layout.
    ///
    /// # Errors
    ///
    /// [`SourceError::Locator`] if it is not UTF-8.
    pub fn text(&self) -> Result<String, SourceError> {
        let rest = utf8(&self.rest).map_err(SourceError::locator)?;
        Ok(format!("{}:{rest}", self.scheme))
    }

    /// Splits what stands behind the last `separator`, if there is one.
    #[must_use]
    pub fn split_last(&self, separator: u8) -> (Self, Option<&OsStr>) {
        match rsplit(&self.rest, separator) {
            None => (self.clone(), None),
            Some((rest, last)) => (Self { scheme: self.scheme, rest: rest.to_owned() }, Some(last)),
        }
    }

    /// Takes what stands behind the scheme, and the layout if one is named.
    pub(crate) fn parse(scheme: &'static str, text: &OsStr) -> Result<(Self, Option<Layout>), SourceError> {
        let Some((rest, option)) = rsplit(text, b'?') else {
            return Ok((Self { scheme, rest: text.to_owned() }, None));
        };
        let layout = match utf8(option).map_err(SourceError::locator)?.split_once('=') {
            Some(("layout", name)) => parse_layout(name).map_err(SourceError::locator)?,
            _ => {
                return Err(SourceError::locator(format!(
                    "unknown option {option:?} after the question mark; expected layout=NAME. Behind a path that has a \
                     question mark itself, write ?layout=auto"
                )));
            }
        };
        Ok((Self { scheme, rest: rest.to_owned() }, layout))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}:{}", self.scheme, self.rest.display());
        out.write_str(&without_password(&text))
    }
}

/// Splits at the first colon.
pub(crate) fn split_scheme(text: &OsStr) -> Option<(&str, &OsStr)> {
    let bytes = text.as_bytes();
    let colon = bytes.iter().position(|byte| *byte == b':')?;
    let (scheme, rest) = bytes.split_at_checked(colon)?;
    Some((str::from_utf8(scheme).ok()?, OsStr::from_bytes(rest.get(1..)?)))
}

fn rsplit(text: &OsStr, separator: u8) -> Option<(&OsStr, &OsStr)> {
    let bytes = text.as_bytes();
    let at = bytes.iter().rposition(|byte| *byte == separator)?;
    let (before, after) = bytes.split_at_checked(at)?;
    Some((OsStr::from_bytes(before), OsStr::from_bytes(after.get(1..)?)))
}

/// Hides what stands between a user's name and the host of a URL: it may be a password.
#[must_use]
pub fn without_password(text: &str) -> String {
    let hidden = text.split_once("://").and_then(|(scheme, rest)| {
        let (login, place) = rest.rsplit_once('@')?;
        let (user, _) = login.split_once(':')?;
        Some(format!("{scheme}://{user}:***@{place}"))
    });
    hidden.unwrap_or_else(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(Place, Option<Layout>), SourceError> {
        Place::parse("x", text.as_ref())
    }

    #[test]
    fn a_place_is_what_stands_between_the_scheme_and_the_layout() {
        let (place, layout) = parse("/a?b/c?layout=plain").unwrap();
        assert_eq!((place.rest(), layout), (OsStr::new("/a?b/c"), Some(Layout::Plain)));
        assert_eq!(place.to_string(), "x:/a?b/c");
        assert_eq!(parse("/a?layout=auto").unwrap().1, None);
        for bad in ["/a?layout=linera", "/a?color=red", "/a?"] {
            assert!(parse(bad).unwrap_err().is_usage(), "{bad}");
        }
        assert!(parse("").unwrap().0.path().unwrap_err().is_usage());
        for tilde in ["~/db", "~linera/db"] {
            let error = parse(tilde).unwrap().0.path().unwrap_err();
            assert!(error.is_usage() && error.to_string().contains("$HOME"), "{error}");
        }
        assert!(parse("./~/db").unwrap().0.path().is_ok());
    }

    #[test]
    fn a_path_may_be_any_bytes() {
        let name = OsStr::from_bytes(b"rocksdb:/db/\xff");
        let (scheme, rest) = split_scheme(name).unwrap();
        let (place, _) = Place::parse("rocksdb", rest).unwrap();
        assert_eq!(
            (scheme, place.path().unwrap()),
            ("rocksdb", PathBuf::from(OsStr::from_bytes(b"/db/\xff")))
        );
        assert!(place.text().unwrap_err().is_usage());
    }

    #[test]
    fn passwords_are_hidden_in_whatever_text_they_stand() {
        for (text, shown) in [
            ("scylla://linera:secret@db/kv/t", "scylla://linera:***@db/kv/t"),
            ("cql://linera:p@ss:w@db:9042/kv/t", "cql://linera:***@db:9042/kv/t"),
            ("scylla://linera@db:9042/kv/t", "scylla://linera@db:9042/kv/t"),
            ("rocksdb:/db/a:b@c", "rocksdb:/db/a:b@c"),
        ] {
            assert_eq!(without_password(text), shown);
        }
    }
}
