//! The page about a repository: what is in it, what it leaves as it is, and that names are text.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use backup_format::Manifest;
use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::Value;

use crate::program::{Place, Run, names_of};

const SOURCE: &str = "rocksdb:db/validator_0";

/// Reads a page as XML, and returns its text.
fn text(place: &Place, name: &str) -> String {
    let page = fs::read_to_string(place.path(name)).unwrap();
    let (mut reader, mut text) = (Reader::from_str(&page), String::new());
    loop {
        match reader.read_event().unwrap() {
            Event::Text(part) => text += &part.decode().unwrap(),
            Event::GeneralRef(part) => {
                text += &quick_xml::escape::unescape(&format!("&{};", part.decode().unwrap())).unwrap();
            }
            Event::Start(element) => {
                let name = String::from_utf8(element.name().as_ref().to_vec()).unwrap();
                assert!(!["script", "img", "link", "iframe"].contains(&name.as_str()), "{name}");
            }
            Event::Eof => return text,
            _ => {}
        }
    }
}

/// A place with a dump, another one, and one that is signed.
fn three_dumps() -> (Place, Vec<String>) {
    let place = Place::with_fixture();
    place.done(&["key", "generate", "--sign", "node.key"]);
    let make = |extra: &[&str]| {
        let made = place.done(&[&["backup", SOURCE, "repo"], extra].concat());
        made["dump"].as_str().unwrap().to_owned()
    };
    let ids =
        vec![make(&[]), make(&["--annotate", "a=b"]), make(&["--annotate", "a=c", "--sign-key", "node.key"])];
    (place, ids)
}

/// All files of a directory with their bytes and times.
fn files(directory: &Path) -> BTreeMap<String, (Vec<u8>, SystemTime)> {
    let mut files = BTreeMap::new();
    for path in names_of(directory) {
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            let changed = path.metadata().unwrap().modified().unwrap();
            files.insert(path.display().to_string(), (fs::read(&path).unwrap(), changed));
        }
    }
    files
}

fn manifest(id: &str) -> String {
    format!("repo/manifests/{id}.json")
}

#[test]
fn a_page_shows_all_dumps_and_says_what_is_not_known() {
    let (place, ids) = three_dumps();
    let made = place.done(&["report", "repo", "--out", "page.html"]);
    assert_eq!((&made["state"], &made["dumps"]), (&"no_fault_found".into(), &3.into()));
    assert_eq!(made["page_bytes"], fs::metadata(place.path("page.html")).unwrap().len());
    let newest = &made["newest"][0];
    assert_eq!((&newest["dump"], &newest["sequence"]), (&ids[2].as_str().into(), &3.into()));
    assert!(newest["age_seconds"].as_u64().unwrap() < 3_600, "{newest}");
    let text = text(&place, "page.html");
    for id in &ids {
        assert!(text.contains(&id[..12]), "{id}: {text}");
    }
    let words = [
        "No fault found",
        "Verified: not recorded",
        "Signatures were not checked",
        "No retention policy was given",
        "was not measured",
        "Last dump less than 2 min old",
        "Namespace validator_0",
    ];
    for words in words {
        assert!(text.contains(words), "{words}: {text}");
    }
    let listed = place.done(&["list", "repo"]);
    let kinds = listed["dumps"][0]["contents"].as_array().unwrap();
    assert!(kinds.len() > 3);
    for kind in kinds {
        assert!(text.contains(kind["kind"].as_str().unwrap()), "{kind}");
    }
    let key = listed["dumps"][2]["signed_by"].as_str().unwrap();
    assert!(text.contains(&format!("says key {key}, not checked")), "{text}");
}

#[test]
fn what_is_measured_is_what_stats_says_and_a_policy_only_says_what_it_would_do() {
    let (place, ids) = three_dumps();
    let before = files(&place.path("repo"));
    let made = place.done(&["report", "repo", "--out", "page.html", "--measure", "--keep-last", "2"]);
    assert_eq!((&made["kept"], &made["going"], &made["measured"]), (&2.into(), &1.into(), &true.into()));
    assert_eq!(files(&place.path("repo")), before, "the repository is as it was");
    let text = text(&place, "page.html");
    assert!(text.contains("would keep 2 dumps and forget 1 dump"), "{text}");
    assert_eq!(
        (text.matches("would go").count(), text.matches("stays: newest, last").count()),
        (1, 1),
        "{text}"
    );
    let stats = place.done(&["stats", "repo"]);
    let dumps = stats["dumps"].as_array().unwrap();
    assert_eq!(dumps[0]["new"], stats["objects"]);
    assert_eq!((&dumps[1]["new"]["number"], &dumps[2]["new"]["number"]), (&0.into(), &0.into()));
    let size = |value: &Value| indicatif::HumanBytes(value.as_u64().unwrap()).to_string();
    // Both columns of the first dump: what it added, and what it alone reaches.
    let row = format!("{}{}", size(&dumps[0]["new"]["stored_bytes"]), size(&dumps[0]["own"]["stored_bytes"]));
    assert!(text.contains(&row), "{row}: {text}");
    let logical: u64 = dumps.iter().map(|dump| dump["plain_bytes"].as_u64().unwrap()).sum();
    assert!(text.contains(&format!("All dumps, logical{}", size(&logical.into()))), "{text}");
    let shown = place.exits(0, &["report", "repo", "--out", "page.html", "--keep-last", "2"]).stdout;
    assert!(shown.contains("policy       1 dump would go; 2 stay"), "{shown}");
    assert!(shown.contains("state        no fault found") && !ids.is_empty(), "{shown}");
}

#[test]
fn what_is_wrong_is_named_and_the_exit_code_is_that_of_list() {
    let (place, ids) = three_dumps();
    let report = |extra: &[&str]| {
        drop(fs::remove_file(place.path("page.html")));
        let options = [&["list", "repo"], extra].concat();
        let code = place.run(&options).code.unwrap();
        let arguments =
            [&["report", "repo", "--out", "page.html", "--json", "--measure", "--keep-last", "1"], extra]
                .concat();
        let run = place.exits(code, &arguments);
        (code, run.json()["state"].as_str().unwrap().to_owned(), text(&place, "page.html"))
    };
    let (code, state, page) = report(&["--trust", "node.key.pub"]);
    assert_eq!((code, state.as_str()), (4, "refused"));
    assert!(
        page.contains(&format!("Not trusted {}", &ids[0][..12]))
            && page.contains("2 manifests cannot be used."),
        "{page}"
    );
    assert!(page.contains("What the retention policy would keep is not known"), "{page}");

    let (code, state, page) = report(&["--expect-sequence", "9"]);
    assert_eq!((code, state.as_str()), (3, "stale"));
    assert!(page.contains("has sequence 3, and at least 9 is expected"), "{page}");

    let good = fs::read(place.path(&manifest(&ids[1]))).unwrap();
    fs::write(place.path(&manifest(&ids[1])), "{}").unwrap();
    let (code, state, page) = report(&[]);
    assert_eq!((code, state.as_str()), (3, "damaged"));
    assert!(
        page.contains(&format!("Damaged {}", &ids[1][..12])) && page.contains("could not be measured"),
        "{page}"
    );

    let later = String::from_utf8(good).unwrap().replace("\"version\": 1", "\"version\": 99");
    let id = backup_format::ObjectId::of_file(later.as_bytes()).to_string();
    fs::write(place.path(&manifest(&id)), later).unwrap();
    let (code, _, page) = report(&[]);
    assert_eq!(code, 3);
    assert!(page.contains(&format!("Of a later version {}", &id[..12])), "{page}");

    fs::remove_file(place.path(&manifest(&id))).unwrap();
    fs::remove_file(place.path(&manifest(&ids[1]))).unwrap();
    let (code, state, page) = report(&[]);
    assert_eq!((code, state.as_str()), (3, "damaged"));
    assert!(
        page.contains("1 dump is missing.") && page.contains(&format!("Missing dump {}", &ids[1][..12])),
        "{page}"
    );
}

#[test]
fn a_pack_that_is_lost_is_found_only_by_measuring_and_the_page_says_what_was_looked_at() {
    let place = Place::with_dump();
    place.packs().iter().for_each(|pack| fs::remove_file(pack).unwrap());
    let made = place.done(&["report", "repo", "--out", "page.html"]);
    assert_eq!(made["state"], "no_fault_found");
    assert!(text(&place, "page.html").contains("Not checked: the content of packs"));
    let run = place.exits(3, &["report", "repo", "--out", "page.html", "--measure", "--json"]);
    assert_eq!(run.json()["state"], "damaged");
    assert!(text(&place, "page.html").contains("What dumps take could not be measured"));
}

#[test]
fn an_empty_repository_has_a_page_and_none_has_none() {
    let place = Place::empty();
    place.done(&["init", "empty"]);
    let made = place.done(&["report", "empty", "--out", "page.html", "--keep-daily", "7", "--measure"]);
    assert_eq!((&made["state"], &made["dumps"]), (&"empty".into(), &0.into()));
    assert!(text(&place, "page.html").contains("No dumps The repository holds no dump."));
    place.exits(1, &["report", "nothing", "--out", "none.html"]).says("nothing");
    assert!(!place.path("none.html").exists());
    place.exits(2, &["report", "empty"]).says("--out");
}

#[test]
fn a_file_is_replaced_as_a_whole_and_nothing_else_is() {
    let place = Place::with_dump();
    let report = |out: &str| ["report", "repo", "--out", out].map(str::to_owned);
    let run = |code, out: &str| {
        let words = report(out);
        place.exits(code, &words.each_ref().map(String::as_str))
    };
    for inside in ["repo/page.html", "repo/packs/page.html", "repo/../repo/page.html"] {
        run(4, inside).says("is, or lies in,");
    }
    std::os::unix::fs::symlink("repo", place.path("link")).unwrap();
    run(4, "link/page.html").says("is, or lies in,");
    run(1, "nowhere/page.html").says("writing nowhere/page.html").says("No such file");
    fs::create_dir(place.path("folder")).unwrap();
    run(1, "folder").says("folder is no file");
    fs::write(place.path("letter.html"), "<html>dear</html>").unwrap();
    run(1, "letter.html").says("letter.html holds something else");
    assert_eq!(fs::read_to_string(place.path("letter.html")).unwrap(), "<html>dear</html>");
    fs::write(place.path("page.html"), "").unwrap();
    run(0, "page.html");
    let first = fs::read(place.path("page.html")).unwrap();
    place.done(&["backup", SOURCE, "repo", "--annotate", "a=b"]);
    run(0, "page.html");
    assert_ne!(fs::read(place.path("page.html")).unwrap(), first);
    assert!(names_of(&place.path("")).iter().all(|path| path.extension().is_none_or(|end| end != "tmp")));
    for (umask, mode) in [("022", 0o644), ("077", 0o600)] {
        let script = format!("umask {umask}; exec \"$0\" report repo --out page.html");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_kvbackup")]).current_dir(place.path(""));
        assert!(shell.output().unwrap().status.success());
        let found = fs::metadata(place.path("page.html")).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{found:o}");
    }
}

#[test]
fn names_are_text_whatever_they_are() {
    let place = Place::with_fixture();
    let repository = "re\"po\n<script>\u{1b}[2J\u{202e}";
    let long = "n".repeat(255);
    let names =
        ["<script>alert(1)</script>", "\" onclick='x' {{ 1 }} &amp;", "a\u{202e}b\u{2066}c\u{200b}d", &long];
    for name in names {
        place.done(&["backup", SOURCE, repository, "--namespace", name]);
    }
    let run = place.exits(0, &["report", repository, "--out", "<page>.html", "--keep-last", "1"]);
    assert!(run.stdout.contains("<page>.html"), "{run}");
    let text = text(&place, "<page>.html");
    for name in
        [names[0], names[1], r"a\u{202e}b\u{2066}c\u{200b}d", &long, r"\u{a}<script>\u{1b}[2J\u{202e}"]
    {
        assert!(text.contains(name), "{name}: {text}");
    }
    let page = fs::read_to_string(place.path("<page>.html")).unwrap();
    assert!(!page.contains(['\u{202e}', '\u{2066}', '\u{200b}', '\u{1b}']) && !page.contains("<script"));
}

/// Adds so many dumps to a repository that holds one: a day apart, and growing. Returns all ids.
fn generate(place: &Place, number: usize) -> Vec<String> {
    let first = &place.manifests()[0];
    let mut manifest = Manifest::decode(&fs::read(first).unwrap()).unwrap();
    let start = SystemTime::now() - Duration::from_secs(86_400 * number as u64);
    let mut ids = vec![first.file_stem().unwrap().to_str().unwrap().to_owned()];
    manifest.finished = backup_repository::time_text(start);
    for day in 1..number as u64 {
        manifest.previous = vec![ids.last().unwrap().parse().unwrap()];
        manifest.sequence += 1;
        manifest.started = backup_repository::time_text(start + Duration::from_secs(86_400 * day));
        manifest.finished =
            backup_repository::time_text(start + Duration::from_secs(86_400 * day + day % 90));
        manifest.plain_bytes += 4_096 * (day % 5);
        manifest.inventory.as_mut().unwrap().contents[0].plain_bytes += 4_096 * (day % 5);
        let (id, json) = manifest.encode().unwrap();
        fs::write(place.path(&self::manifest(&id.to_string())), json).unwrap();
        ids.push(id.to_string());
    }
    ids
}

/// `KVBACKUP_REPORT_DUMPS=10000` makes it a measurement; SHORTCOMINGS.md has the numbers.
#[test]
fn many_dumps_are_all_on_the_page_and_charts_group_them() {
    let number = std::env::var("KVBACKUP_REPORT_DUMPS").map_or(300, |number| number.parse().unwrap());
    let place = Place::with_dump();
    let ids = generate(&place, number);
    let began = SystemTime::now();
    let arguments =
        ["report", "repo", "--out", "page.html", "--keep-daily", "7", "--keep-monthly", "12", "--json"];
    let output = place.command(&arguments).output().unwrap();
    let run = Run::new(&arguments, output);
    println!("{} dumps: {:?}", ids.len(), began.elapsed().unwrap());
    assert_eq!(run.code, Some(0), "{run}");
    assert_eq!(run.json()["dumps"], ids.len());
    let page = fs::read_to_string(place.path("page.html")).unwrap();
    let words: BTreeSet<_> = page.split(|letter: char| !letter.is_ascii_hexdigit()).collect();
    assert!(ids.iter().all(|id| words.contains(&id[..12])), "a dump is not on the page");
    let per_bar = ids.len().div_ceil(240);
    assert!(page.contains(&format!("each stands for up to {per_bar} dumps that follow each other")));
    let bars = page.matches("<g><title>").count();
    assert_eq!(bars, 4 * ids.len().div_ceil(per_bar));
    assert!(
        text(&place, "page.html")
            .contains(&format!("{} older dumps", indicatif::HumanCount(ids.len() as u64 - 100)))
    );
}
