//! What the help texts of all programs say.

use backup_sources::{Engines, Scheme};

/// Explains REPO and `--dump`.
pub const REPOSITORIES: &str = "
REPO is where dumps lie: a directory, or a URL:
  s3://BUCKET/PREFIX  gs://BUCKET/PREFIX  az://CONTAINER/PREFIX
A directory whose name looks like a place elsewhere is written ./s3:name.

--dump ID names a dump by the first 4 to 64 digits of its id, which `kvbackup list` shows; the default is latest, and is
refused where dumps of several namespaces or validators are, or two were made at the same time.
";

/// Explains the variables of the environment.
pub const ENVIRONMENT: &str = "
Environment variables:
  KVBACKUP_CQL_PASSWORD           password of USER in scylla://USER@HOST/.., unless --password-file names its file
  KVBACKUP_TRUST                  keys to trust or their files, with colons between them, unless --trust names some
  KVBACKUP_IDENTITY               files of identities that open what is encrypted, with colons between them, unless --identity names some
  KVBACKUP_REPOSITORY_KEY         file of the key that writes to an encrypted repository, unless --repository-key names it
  KVBACKUP_STATE                  file that remembers which dumps were seen, unless --state names it
  KVBACKUP_SKETCH                 directory of the sketches of dumps, unless backup --sketch names it
  TMPDIR                          where scratch files go
  AWS_*                           credentials and settings for s3://, like AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION,
                                  AWS_ENDPOINT_URL, AWS_CA_BUNDLE; AWS_PROFILE names a profile with keys in ~/.aws
  GOOGLE_*, AZURE_*               the same for gs:// and az://
  KVBACKUP_INSTANCE_CREDENTIALS   true: take credentials from the cloud that this machine runs in
  SSL_CERT_FILE                   certificates to trust in place of the system's
  NO_COLOR                        no colours
";

/// Explains the exit codes. `done` says what it means that a program succeeds, `refused` what it refuses for safety, and
/// `resumes` what follows an interruption; it may be empty.
#[must_use]
pub fn exit_codes(done: &str, refused: &str, resumes: &str) -> String {
    let resumes = if resumes.is_empty() { String::new() } else { format!("; {resumes}") };
    format!(
        "
Exit codes:
  0    {done}
  1    failed: no such file, disk full, network down
  2    the command line is wrong
  3    damage or a difference was found
  4    refused for safety: {refused}
  130  interrupted by SIGINT, SIGTERM or SIGHUP{resumes}
"
    )
}

/// Explains SOURCE: the schemes that these engines read.
#[must_use]
pub fn sources(engines: &Engines) -> String {
    let schemes = list(engines, Scheme::source);
    let layout = line("...?layout=NAME", "its layout, which is detected otherwise");
    format!("SOURCE is a namespace that is read, also while a validator has it open:\n{schemes}{layout}")
}

/// Explains TARGET: the schemes that these engines restore into.
#[must_use]
pub fn targets(engines: &Engines) -> String {
    let schemes = list(engines, Scheme::target);
    format!(
        "TARGET is a namespace that is written; it must be empty or carry this restore's marker:\n{schemes}"
    )
}

fn list(engines: &Engines, help: fn(&Scheme) -> Option<&'static str>) -> String {
    engines.schemes().filter_map(|scheme| Some(line(scheme.form(), help(scheme)?))).collect()
}

/// Writes a form and its explanation, below each other where they do not fit beside each other.
fn line(form: &str, help: &str) -> String {
    const WIDTH: usize = 32;
    match form.len() < WIDTH {
        true => format!("  {form:<WIDTH$}{help}\n"),
        false => format!("  {form}\n  {:WIDTH$}{help}\n", ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_names_all_schemes() {
        let engines = Engines::built_in();
        let help = sources(&engines) + &targets(&engines);
        for scheme in engines.schemes() {
            assert!(help.contains(scheme.form()), "{help}");
        }
    }
}
