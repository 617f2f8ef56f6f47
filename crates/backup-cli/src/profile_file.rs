//! The file of profiles: where it lies, and reading it.

use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use clap::Command;

use crate::defaults::Environment;
use crate::given::Given;
use crate::profile::{self, Profile};

/// Longest file that is read, in bytes.
const BYTES_MAX: u64 = 1 << 20;
/// The file of the machine.
const OF_MACHINE: &str = "/etc/kvbackup/profiles.toml";
/// The bit of a mode that lets everybody write.
const OTHERS_WRITE: u32 = 0o002;

/// A file that holds the profile that is meant.
#[derive(Debug)]
pub(crate) struct ProfileFile {
    path: PathBuf,
    text: String,
    name: String,
}

impl ProfileFile {
    /// Takes the profile out, and checks that these commands have all of its options.
    pub(crate) fn profile(&self, root: &Command) -> Result<Profile, String> {
        profile::parse(&self.path, &self.text, &self.name, root)
    }
}

/// Finds the file with the profile that is named on the command line or in the environment, if one is.
pub(crate) fn find(given: &Given, environment: Environment<'_>) -> Result<Option<ProfileFile>, String> {
    let named = |id: &str, variable: &str| {
        let found = given.value(id).map(OsString::from);
        found.or_else(|| environment(variable).filter(|value| !value.is_empty()))
    };
    let file = named("profile_file", "KVBACKUP_PROFILE_FILE").map(PathBuf::from);
    let Some(name) = named("profile", "KVBACKUP_PROFILE") else {
        return match given.has("profile_file") {
            true => {
                Err("--profile-file names a file, and no profile is named; name one with --profile"
                    .to_owned())
            }
            false => Ok(None),
        };
    };
    let name = name.into_string().map_err(|name| format!("{name:?} is no name of a profile"))?;
    let is_named = file.is_some();
    let paths = file.map_or_else(|| usual(environment), |file| vec![file]);
    let mut looked = Vec::new();
    for path in paths {
        let Some(text) = read(&path, is_named)? else {
            looked.push(format!("{} is not there", path.display()));
            continue;
        };
        let names = profile::names(&path, &text)?;
        if names.contains(&name) {
            return Ok(Some(ProfileFile { path, text, name }));
        }
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        looked.push(format!("{} holds {names}", path.display()));
    }
    Err(format!("there is no profile {name:?}: {}", looked.join("; ")))
}

/// Returns where files of profiles are looked for, in this order.
fn usual(environment: Environment<'_>) -> Vec<PathBuf> {
    let path = |variable| environment(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let of_user = path("XDG_CONFIG_HOME").or_else(|| path("HOME").map(|home| home.join(".config")));
    let of_user = of_user.map(|directory| directory.join("kvbackup/profiles.toml"));
    of_user.into_iter().chain([OF_MACHINE.into()]).collect()
}

/// Reads a file; `None` if it is not there and need not be.
fn read(path: &Path, is_named: bool) -> Result<Option<String>, String> {
    let shown = path.display();
    let doing = |error| format!("reading the profiles in {shown}: {error}");
    let found = match path.metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound && !is_named => return Ok(None),
        found => found.map_err(doing)?,
    };
    // A pipe would make the program wait for its writer.
    if !found.is_file() {
        return Err(format!("reading the profiles in {shown}: it is no file"));
    }
    if found.mode() & OTHERS_WRITE != 0 {
        return Err(format!(
            "{shown} can be written by everybody, so anybody could change what is backed up and who is trusted; chmod o-w makes it good"
        ));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(doing)?;
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(doing)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(format!("{shown} is longer than 1 MiB, which no file of profiles is"));
    }
    String::from_utf8(bytes).map(Some).map_err(|_| format!("{shown} is not UTF-8, which TOML is"))
}
