//! Servers that want a password and TLS, and those that do not.

use std::path::PathBuf;
use std::time::Duration;

use backup_format::{DatabaseBackup, ErrorClass};
use backup_layout::Layout;
use backup_repository::RestoreOptions;
use backup_scylla::{CqlNamespace, CqlOptions, Password};

use crate::place::{folder, hosts_of};
use crate::repository::{Place, filled, validator};
use crate::trio::Trio;

const HANGS_AFTER: Duration = Duration::from_secs(60);
/// Never to be shown.
const WRONG: &str = "hunter2hunter2";

/// A client without access: how it connects, and what the error says.
struct Case {
    what: &'static str,
    cluster: &'static str,
    login: Option<(&'static str, &'static str)>,
    /// The certificate that it trusts.
    trusted: Option<&'static str>,
    class: ErrorClass,
    says: &'static str,
}

const CASES: [Case; 7] = [
    Case {
        what: "a wrong password",
        cluster: "secured",
        login: Some(("cassandra", WRONG)),
        trusted: Some("ca"),
        class: ErrorClass::Failed,
        says: "the server does not accept the user and the password",
    },
    Case {
        what: "an unknown user",
        cluster: "secured",
        login: Some(("nobody", WRONG)),
        trusted: Some("ca"),
        class: ErrorClass::Failed,
        says: "the server does not accept the user and the password",
    },
    Case {
        what: "no password",
        cluster: "secured",
        login: None,
        trusted: Some("ca"),
        class: ErrorClass::Failed,
        says: "the server wants a user and a password",
    },
    Case {
        what: "a CA that did not sign the server's certificate",
        cluster: "secured",
        login: Some(("cassandra", "cassandra")),
        trusted: Some("stranger"),
        class: ErrorClass::Failed,
        says: "the server's certificate is not trusted",
    },
    Case {
        what: "no TLS where the server wants it",
        cluster: "secured",
        login: Some(("cassandra", WRONG)),
        trusted: None,
        // A server that starts or stops hangs up too.
        class: ErrorClass::Transient,
        says: "it may be about to start, or want TLS",
    },
    Case {
        what: "TLS where the server does not know it",
        cluster: "trio",
        login: None,
        trusted: Some("ca"),
        class: ErrorClass::Failed,
        says: "the server does not answer with TLS",
    },
    Case {
        what: "a password for a server that wants none, with TLS that it does not know",
        cluster: "trio",
        login: Some(("cassandra", WRONG)),
        trusted: Some("stranger"),
        class: ErrorClass::Failed,
        says: "the server does not answer with TLS",
    },
];

fn options(login: Option<(&str, &str)>, trusted: Option<&str>) -> CqlOptions {
    CqlOptions::default()
        .with_layout(Layout::Linera015)
        .with_password(login.map(|(_, password)| Password::new(password)))
        .with_tls_ca_file(trusted.map(certificate))
}

fn certificate(name: &str) -> PathBuf {
    folder("secured").join("keys").join(name).with_extension("pem")
}

fn namespace(cluster: &str, login: Option<(&str, &str)>, table: &str, options: CqlOptions) -> CqlNamespace {
    let user = login.map(|(user, _)| format!("{user}@")).unwrap_or_default();
    let address = format!("scylla://{user}{}/kvbackup_secured/{table}", hosts_of(cluster)).parse().unwrap();
    CqlNamespace::at(address, options)
}

#[tokio::test]
async fn a_client_without_access_learns_why_soon_and_nobody_sees_the_password() {
    let mut wrong = Vec::new();
    for Case { what, cluster, login, trusted, class, says } in CASES {
        let namespace = namespace(cluster, login, "any", options(login, trusted));
        let opened = tokio::time::timeout(HANGS_AFTER, namespace.snapshot()).await;
        let error = opened.unwrap_or_else(|_| panic!("{what}: it hangs")).err().expect(what);
        let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        let text = format!("{error}: {source}");
        eprintln!("{what}: {text}");
        let is_named = text.contains(says) && error.class() == class;
        if !is_named || format!("{error:?} {text}").contains(WRONG) {
            wrong.push(format!("{what}: {:?}: {text}", error.class()));
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_right_password_and_ca_a_dump_goes_there_and_back() {
    let login = Some(("cassandra", "cassandra"));
    let content = validator(10, 5);
    let trio = Trio::whole().await;
    let (place, table) = (Place::new().await, filled(&trio.server, &content).await);
    let dump = place.dump(&trio.namespace(&table, CqlOptions::default())).await;
    let name = format!("t{}", std::process::id());
    let target = namespace("secured", login, &name, options(login, Some("ca")));
    let restored = place.repository.restore(&dump, &target, &RestoreOptions::default()).await.unwrap();
    assert_eq!(restored.restored.unwrap().digest(), content.digest());
    assert_eq!(place.dump(&target).await.manifest.root, dump.manifest.root);
}
