//! `docs/JSON.md` and what the program prints.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

use crate::program::Place;
use crate::schema;

/// Fields by name: their type, and whether they are always there.
type Fields = BTreeMap<String, (String, bool)>;

/// The tables of the document, by the headings above them.
fn tables() -> BTreeMap<String, Fields> {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/JSON.md");
    let (mut tables, mut heading) = (BTreeMap::<String, Fields>::new(), String::new());
    for line in fs::read_to_string(document).unwrap().lines() {
        if let Some(title) = line.strip_prefix("## ") {
            heading = title.to_owned();
        }
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        if let ["", name, kind, meaning, ""] = cells.as_slice()
            && let Some(name) = name.strip_prefix('`').and_then(|name| name.strip_suffix('`'))
        {
            let field = ((*kind).to_owned(), !meaning.contains("may be missing"));
            tables.entry(heading.clone()).or_default().insert(name.to_owned(), field);
        }
    }
    tables
}

/// Checks that an object has the fields of these tables, and no others.
fn check(tables: &BTreeMap<String, Fields>, headings: &[&str], found: &Map<String, Value>) {
    let mut fields: Fields = headings.iter().flat_map(|heading| tables[*heading].clone()).collect();
    fields.insert("seconds".to_owned(), ("number".to_owned(), true));
    for (name, value) in found {
        let (kind, _) = fields.get(name).unwrap_or_else(|| panic!("{headings:?} has no field {name}"));
        let is = |kind: &str| match kind {
            "text" => value.is_string(),
            "number" => value.is_number(),
            "bool" => value.is_boolean(),
            "list" => value.is_array(),
            "object" => value.is_object(),
            "null" => value.is_null(),
            other => panic!("unknown type {other} of {name}"),
        };
        assert!(kind.split(" or ").any(is), "{headings:?}: {name} is {value}, not {kind}");
    }
    for (name, (_, always)) in &fields {
        assert!(!always || found.contains_key(name), "{headings:?}: {name} is missing in {found:?}");
    }
    schema::check(headings, found);
    for time in ["started", "finished", "made"].iter().filter_map(|name| found.get(*name)) {
        let time = time.as_str().unwrap();
        assert!(time.len() == 20 && time.ends_with('Z') && time.as_bytes()[10] == b'T', "{time}");
    }
}

const DUMP: &str = "Fields of a dump";
const SIGNED: &str = "Who signed a dump";
const ATTESTED: &str = "What is attested of a dump";
const BACKUP: &str = "`backup`, `import`";

#[test]
fn every_command_prints_what_the_document_says() {
    let place = Place::with_fixture();
    let tables = tables();
    let run = |headings: &[&str], arguments: &[&str]| {
        let found = place.done(arguments);
        check(&tables, headings, found.as_object().unwrap());
        found
    };
    let source = "rocksdb:db/validator_0";
    run(&["`init`"], &["init", "empty"]);
    run(&["`key generate`"], &["key", "generate", "--sign", "node.key"]);
    let dry = run(&[DUMP, BACKUP], &["backup", source, "repo", "--dry-run"]);
    assert!(dry["dump"].is_null() && dry["root"].is_null(), "{dry}");
    let made = run(&[DUMP, BACKUP], &["backup", source, "repo"]);
    assert!(made["dump"].is_string() && made["stored_bytes"].as_u64() > Some(0), "{made}");
    run(&[DUMP, BACKUP], &["backup", source, "repo", "--annotate", "a=b"]);
    run(&["`init`"], &["init", "second", "--version", "2"]);
    let sketched = run(&[DUMP, BACKUP], &["backup", source, "second", "--sketch", "sketches"]);
    assert!(sketched["sketch"]["bytes"].as_u64() > Some(0) && made["sketch"].is_null(), "{sketched}");
    run(&[DUMP, "`export`"], &["export", "repo", "out.bcs"]);
    run(&[DUMP, BACKUP], &["import", "out.bcs", "imported"]);
    run(&[DUMP, "`restore`"], &["restore", "repo", "rocksdb:copy/a", "--for-key", "none"]);
    run(&[DUMP, "`restore`"], &["restore", "repo", "rocksdb:copy/b", "--dry-run"]);
    run(&[DUMP, SIGNED, "`verify`"], &["verify", "repo", "--against", source]);
    run(&[DUMP, SIGNED, "`verify`"], &["verify", "repo", "--subset", "1/2"]);
    run(&["`verify --all`"], &["verify", "repo", "--all"]);
    run(&["`digest`, `inspect SOURCE`"], &["digest", source]);
    run(&["`digest`, `inspect SOURCE`"], &["inspect", source]);
    run(&["`verify --all`"], &["verify", "repo", "--all", "--attest"]);
    run(&[DUMP, SIGNED, ATTESTED], &["inspect", "repo"]);
    let fence = "`fence raise`, `fence status`";
    run(&[fence], &["fence", "raise", source, "--without-survey", "--dry-run"]);
    run(&[fence], &["fence", "raise", source, "--without-survey"]);
    run(&[fence], &["fence", "status", source]);
    let listed = run(&["`list`"], &["list", "repo"]);
    let mut dump = listed["dumps"][0].as_object().unwrap().clone();
    assert!(dump.remove("future").is_some_and(|future| future == false));
    assert!(dump.remove("since").is_some_and(|since| since.is_null()));
    dump.insert("seconds".to_owned(), 1.into());
    check(&tables, &[DUMP, SIGNED, ATTESTED], &dump);
    check_lines(&tables, &place);
    run(&["`sign`"], &["sign", "repo", "--dump", made["dump"].as_str().unwrap(), "--sign-key", "node.key"]);
    run(&["`metrics`"], &["metrics", "repo"]);
    run(&["`report`"], &["report", "repo", "--out", "page.html"]);
    run(&["`report`"], &["report", "repo", "--out", "page.html", "--measure", "--keep-last", "1"]);
    run(&["`stats`"], &["stats", "repo"]);
    run(&["`probe`"], &["probe", "repo", "--big-object", "1MiB"]);
    run(&["`copy`"], &["copy", "repo", "other", "--all"]);
    run(&["`repair`"], &["repair", "repo", "--from", "other"]);
    let id = made["dump"].as_str().unwrap();
    run(&["`forget`"], &["forget", "repo", "--dump", id]);
    run(&["`unforget`"], &["unforget", "repo"]);
    run(&[DUMP], &["unforget", "repo", "--dump", id]);
    run(&["`prune`"], &["prune", "repo"]);
    run(&["`forget`", "`prune`"], &["forget", "repo", "--dump", id, "--prune"]);
    run(&["`native-backup`, `native-restore`"], &["native-backup", source, "engine"]);
    run(&["`native-backup`, `native-restore`"], &["native-restore", "engine", "rocksdb:copy/c"]);
    run(&["`man-pages`"], &["man-pages", "man"]);
    fs::create_dir(place.path("unused")).unwrap();
    let mut error = place.exits(1, &["list", "unused", "--json"]).error().as_object().unwrap().clone();
    error.insert("seconds".to_owned(), 1.into());
    check(&tables, &["Errors"], &error);
}

#[test]
fn what_is_printed_of_an_encrypted_repository_is_documented() {
    let place = Place::with_fixture();
    let tables = tables();
    let run = |headings: &[&str], arguments: &[&str]| {
        let mut found = place.done(arguments).as_object().unwrap().clone();
        found.entry("seconds").or_insert_with(|| 1.into());
        check(&tables, headings, &found);
        found
    };
    let made = run(&["`key generate --age`"], &["key", "generate", "--age", "me.age"]);
    let recipient = made["recipient"].as_str().unwrap();
    let key = ["--repository-key", "repository.key"];
    let init = ["init", "repo", "--recipient", recipient, "--one-recipient-only"];
    let made = run(&["`init`"], &[&init[..], &key].concat());
    assert!(made["encrypted"] == true && made["recipients"][0] == recipient, "{made:?}");
    let source = "rocksdb:db/validator_0";
    run(&[DUMP, BACKUP], &[&["backup", source, "repo"][..], &key].concat());
    let keys = "`key list`, `key add`, `key remove`, `key rotate`, `key recover`";
    run(&[keys], &[&["key", "list"][..], &key].concat());
    run(&[keys], &[&["key", "rotate", "repo", "--recipient", recipient][..], &key].concat());
    run(&[keys], &["key", "recover", "repo", "--to", "new.key", "--identity", "me.age"]);
    let opened = run(&[DUMP, SIGNED, "`verify`"], &["verify", "repo", "--identity", "me.age"]);
    assert_eq!(opened["content_checked"], true);
    let mut sealed = place.done(&["verify", "repo"]).as_object().unwrap().clone();
    assert_eq!(sealed["content_checked"], false);
    for field in ["digest", "partitions", "entries", "contents", "annotations"] {
        assert!(sealed.insert(field.to_owned(), opened[field].clone()).is_none(), "{field}");
    }
    check(&tables, &[DUMP, SIGNED, "`verify`"], &sealed);
}

/// Checks commands that print several objects.
fn check_lines(tables: &BTreeMap<String, Fields>, place: &Place) {
    let key = "00".to_owned() + &"ab".repeat(32);
    let file = [&[1, 33][..], &hex(&key), &[1, 1, b'k', 1, b'v']].concat();
    fs::write(place.path("out.bcs"), file).unwrap();
    let import = ["import", "out.bcs", "imported", "--allow-implausible", "--max-shrink", "100"];
    let other = place.done(&import)["dump"].as_str().unwrap().to_owned();
    let all = place.done(&["list", "imported"]);
    let first = all["dumps"][0]["dump"].as_str().unwrap();
    let diff = ["diff", "imported", "--dump", first, "--dump", &other, "--entries"];
    let lines = [
        (3, "`diff`", &diff[..]),
        (0, "`ls`", &["ls", "repo"]),
        (0, "`get`", &["get", "repo", "--root-key", "05"]),
    ];
    for (code, command, arguments) in lines {
        let run = place.exits(code, &[arguments, &["--json"]].concat());
        let mut types = BTreeMap::<String, u32>::new();
        for line in run.stdout.lines() {
            let mut object: Map<String, Value> = serde_json::from_str(line).unwrap();
            let kind = object["type"].as_str().unwrap().to_owned();
            let heading = match kind.as_str() {
                "summary" => command.to_owned(),
                "entry" => format!("{command}: an entry"),
                kind => format!("{command}: a {kind}"),
            };
            object.entry("seconds").or_insert_with(|| 1.into());
            check(tables, &[&heading], &object);
            *types.entry(kind).or_default() += 1;
        }
        assert!(types["summary"] == 1 && types.len() >= 2, "{types:?}");
        assert!(run.stdout.lines().last().unwrap().contains("\"type\":\"summary\""), "{run}");
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digits = |index: usize| u8::from_str_radix(&text[index..index + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digits).collect()
}

#[test]
fn every_command_has_a_heading() {
    let place = Place::empty();
    let help = place.exits(0, &["--help"]).stdout;
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let names = commands.lines().take_while(|line| line.starts_with("  "));
    let names: Vec<_> = names.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.len() > 15, "{names:?}");
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/JSON.md");
    let text = fs::read_to_string(document).unwrap();
    let headings: String = text.lines().filter(|line| line.starts_with("## ")).collect();
    for name in names.into_iter().filter(|name| !["completions", "help"].contains(name)) {
        assert!(headings.contains(&format!("`{name}")), "{name}");
    }
}
