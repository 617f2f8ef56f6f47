//! The root file system of the container image: the program, linked with all that it needs, and what it reads of a system.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::Workspace;
use crate::process::{empty, output, run};

/// Files beside the program: the path in the image, and the content.
///
/// glibc looks names of hosts up as `nsswitch.conf` says. These two ways are built in, all others would be loaded.
const FILES: [(&str, &str); 3] = [
    ("etc/passwd", "root:x:0:0:root:/:/sbin/nologin\nkvbackup:x:65532:65532:kvbackup:/:/sbin/nologin\n"),
    ("etc/group", "root:x:0:\nkvbackup:x:65532:\n"),
    ("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
];

/// The authorities that Debian trusts.
const AUTHORITIES: &str = "etc/ssl/certs/ca-certificates.crt";

/// A database that linera wrote.
const FIXTURE: &str = "tests/fixtures/linera-0.15.23/namespace/validator_0";

/// Builds `target/image/root`.
pub(crate) fn build(workspace: &Workspace) -> Result<()> {
    let program = link(workspace)?;
    let root = root(workspace);
    empty(&root)?;
    for folder in ["usr/bin", "etc/ssl/certs", "tmp", "dev", "proc", "usr/share/doc/kvbackup"] {
        let folder = root.join(folder);
        fs::create_dir_all(&folder).with_context(|| format!("could not create {}", folder.display()))?;
    }
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777))
        .context("could not open /tmp to all")?;
    for (path, text) in FILES {
        fs::write(root.join(path), text).with_context(|| format!("could not write {path}"))?;
    }
    copy(&workspace.root.join("LICENSE"), &root.join("usr/share/doc/kvbackup/LICENSE"))?;
    copy(&Path::new("/").join(AUTHORITIES), &root.join(AUTHORITIES))?;
    let strip =
        |command: &mut Command| run(command.arg("-o").arg(root.join("usr/bin/kvbackup")).arg(&program));
    strip(&mut Command::new("strip"))?;
    println!("image: {} holds {} bytes", root.display(), size(&root)?);
    Ok(())
}

/// Runs the program with that root: it dumps a database, verifies and restores it.
///
/// # Errors
///
/// Fails if the system does not allow a namespace with mounts.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let user = output(Command::new("id").arg("-u"))?;
    let user = String::from_utf8_lossy(&user).trim().to_owned();
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--fork"]);
    command.args(if user == "0" { &[][..] } else { &["--map-root-user"] });
    command
        .arg("sh")
        .arg(workspace.root.join("tools/release/src/inside.sh"))
        .arg(root(workspace))
        .arg(workspace.root.join(FIXTURE))
        .arg(user);
    run(&mut command)
}

fn root(workspace: &Workspace) -> PathBuf {
    workspace.target.join("image/root")
}

/// Links the program anew, with the C and C++ libraries in it.
///
/// The compiler links the C library in where it is asked to. The C++ library it would take from where it finds a shared one first:
/// so it gets a folder to look at before, which holds the other one alone.
fn link(workspace: &Workspace) -> Result<PathBuf> {
    let archive = output(Command::new("c++").arg("-print-file-name=libstdc++.a"))?;
    let archive = PathBuf::from(String::from_utf8_lossy(&archive).trim());
    if !archive.is_absolute() {
        bail!("the C++ compiler has no libstdc++.a");
    }
    let libraries = workspace.target.join("image/libraries");
    empty(&libraries)?;
    symlink(&archive, libraries.join("libstdc++.a")).context("could not link to libstdc++.a")?;
    let mut command = workspace.cargo(&["rustc", "--release", "--locked", "--package", "backup-cli"]);
    command.args(["--bin", "kvbackup", "--", "-C", "target-feature=+crt-static", "-L"]);
    run(command.arg(format!("native={}", libraries.display())))?;
    let program = workspace.target.join("release/kvbackup");
    let needed = output(Command::new("readelf").arg("--dynamic").arg(&program))?;
    if String::from_utf8_lossy(&needed).contains("(NEEDED)") {
        bail!("{} needs shared libraries: `readelf --dynamic` names them", program.display());
    }
    Ok(program)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("could not copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

/// Returns the bytes of all files below a folder.
fn size(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder).with_context(|| format!("could not read {}", folder.display()))? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() { size(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}
