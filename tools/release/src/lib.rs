#![doc = include_str!("../README.md")]

mod book;
mod deb;
mod image;
mod links;
mod page;
mod process;

use std::path::PathBuf;

use anyhow::{Result, bail};

pub use links::{Broken, broken};

/// Where things are: the workspace, its target folder, and the cargo that runs us.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// The top folder.
    pub root: PathBuf,
    /// Where cargo builds.
    pub target: PathBuf,
    /// The program `cargo`.
    pub cargo: PathBuf,
}

impl Workspace {
    /// Runs a task: `deb`, `image` or `book`.
    ///
    /// # Errors
    ///
    /// Fails if a program that the task runs fails or is missing, or what was made is not good.
    pub fn run(&self, task: &str, options: &[String]) -> Result<()> {
        match (task, options) {
            ("deb", []) => deb::build(self),
            ("image", []) => image::build(self),
            ("image", [option]) if option == "--check" => {
                image::build(self).and_then(|()| image::check(self))
            }
            ("book", []) => book::build(self),
            _ => bail!("`{task}` has no option `{}`; see `cargo xtask --help`", options.join(" ")),
        }
    }
}
