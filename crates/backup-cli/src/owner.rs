//! Whose a restored database is: a validator cannot open files of root.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result};

/// A user and a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    user: u32,
    group: u32,
}

impl FromStr for Owner {
    type Err = String;

    /// Reads `USER:GROUP` or `USER`, names of this machine or numbers. The group of a user alone is that of `/etc/passwd`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
        let known = find("/etc/passwd", user);
        let group = match group {
            Some(group) => number(group).or_else(|| number(find("/etc/group", group)?.get(2)?)),
            None => known.as_ref().and_then(|fields| number(fields.get(3)?)),
        };
        let user = number(user).or_else(|| number(known?.get(2)?));
        match (user, group) {
            (Some(user), Some(group)) => Ok(Self { user, group }),
            (None, _) => Err("there is no such user in /etc/passwd; a number is taken, too".to_owned()),
            (_, None) => Err("there is no such group in /etc/group; a number is taken, too".to_owned()),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.user, self.group)
    }
}

fn number(text: impl AsRef<str>) -> Option<u32> {
    // All ones mean that nothing is to be changed.
    text.as_ref().parse().ok().filter(|number| *number != u32::MAX)
}

/// Finds the line of a name in a file of users or groups.
fn find(file: &str, name: &str) -> Option<Vec<String>> {
    let text = fs::read_to_string(file).ok()?;
    let lines = text.lines().map(|line| line.split(':').map(str::to_owned).collect::<Vec<_>>());
    lines.into_iter().find(|fields| fields.first().is_some_and(|found| found == name))
}

/// Who is to own a directory that is restored, decided before it is there.
pub(crate) struct Transfer {
    directory: PathBuf,
    pub(crate) owner: Owner,
    /// The directory that it is like; `None` if a person named the owner.
    pub(crate) like: Option<PathBuf>,
}

impl Transfer {
    /// Decides: who was named, or else for root the owner of the directory above. `None` where nothing is to be changed.
    pub(crate) fn plan(directory: &Path, named: Option<Owner>) -> Result<Option<Self>> {
        let directory = std::path::absolute(directory).with_context(|| directory.display().to_string())?;
        if let Some(owner) = named {
            return Ok(Some(Self { directory, owner, like: None }));
        }
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let above = directory.ancestors().skip(1).find(|above| above.exists());
        let Some(above) = above.map(Path::to_owned) else { return Ok(None) };
        let found = above.metadata().with_context(|| format!("looking at {}", above.display()))?;
        let owner = Owner { user: found.uid(), group: found.gid() };
        Ok(Some(Self { directory, owner, like: Some(above) }))
    }

    /// Gives the directory, all that is in it, and what was made above it to the owner.
    pub(crate) fn run(&self) -> Result<()> {
        let made = self.directory.ancestors().skip(1);
        let made = made.take_while(|above| self.like.as_deref().is_some_and(|like| *above != like));
        let result = made.map(Path::to_owned).try_for_each(|above| self.give(&above));
        result.and_then(|()| self.give_all(&self.directory)).with_context(|| {
            format!("{} was restored, and giving it to {} failed", self.directory.display(), self.owner)
        })
    }

    fn give_all(&self, path: &Path) -> io::Result<()> {
        self.give(path)?;
        if !path.symlink_metadata()?.is_dir() {
            return Ok(());
        }
        path.read_dir()?.try_for_each(|entry| self.give_all(&entry?.path()))
    }

    fn give(&self, path: &Path) -> io::Result<()> {
        lchown(path, Some(self.owner.user), Some(self.owner.group))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_names_or_numbers() {
        assert_eq!("1000:100".parse(), Ok(Owner { user: 1000, group: 100 }));
        assert_eq!("root:root".parse(), Ok(Owner { user: 0, group: 0 }));
        assert_eq!("root".parse(), Ok(Owner { user: 0, group: 0 }));
        assert_eq!("root:7".parse(), Ok(Owner { user: 0, group: 7 }));
        for bad in ["", "no such user", "root:no such group", "1000", "1:", "4294967295:1", "-1:1"] {
            assert!(bad.parse::<Owner>().is_err(), "{bad}");
        }
    }
}
