//! Subjects of pages as they may be: good, damaged, empty, large and hostile.

use std::time::{Duration, SystemTime};

use backup_report::{
    Dump, Fate, Fault, Kind, Measured, Namespace, Retention, Signature, Since, Stored, Subject, Totals,
    Unusable,
};

/// Kinds of partitions: their names, and bytes of the first dump and of what each dump adds.
const KINDS: [(&str, u64, u64); 9] = [
    ("chain_state", 1_900 << 20, 7 << 20),
    ("block", 1_200 << 20, 11 << 20),
    ("certificate", 640 << 20, 6 << 20),
    ("blob", 310 << 20, 1 << 19),
    ("event", 90 << 20, 3 << 20),
    ("block_exporter_state", 24 << 20, 1 << 16),
    ("network_description", 1_024, 0),
    ("blob_state", 9 << 20, 1 << 14),
    ("schema", 64, 0),
];
const DAY: u64 = 86_400;
/// 2026-11-30T04:00:00Z.
const NOW: u64 = 1_796_011_200;
/// Names that would do something if they were more than text.
pub const HOSTILE: [&str; 6] = [
    "<script>alert(1)</script><img src=x onerror=alert(2)>",
    "\" onmouseover=\"alert(3)\" x='",
    "gnp.\u{202e}tfel ot thgir\u{2066}\u{200b}\u{feff}",
    "\u{1b}[2J\u{1b}]0;title\u{7}\u{0}\u{9b}\u{fffe}",
    "]]></style><!-- {{ 1 }} ${2} &amp; &#60;b&#62;",
    "\u{5e9}\u{5dc}\u{5d5}\u{5dd} \u{645}\u{631}\u{62d}\u{628}\u{627}",
];

/// All samples, by name.
pub fn all() -> Vec<(&'static str, Subject)> {
    vec![
        ("good", good()),
        ("damaged", damaged()),
        ("empty", subject(Vec::new())),
        ("hostile", hostile()),
        ("many", many(600)),
        ("one", subject(vec![namespace("validator_0", 1)])),
        ("sealed", sealed()),
    ]
}

/// A repository of a month, measured, with a policy.
pub fn good() -> Subject {
    let mut subject = subject(vec![namespace("validator_0", 34)]);
    subject.max_age = Some(Duration::from_secs(36 * 3_600));
    subject.trusts_keys = true;
    subject.measured = Measured::Yes(Totals {
        reached_plain_bytes: 142 << 30,
        unique_plain_bytes: 5_400 << 20,
        unique_stored_bytes: 2_050 << 20,
        unreferenced_bytes: 12 << 20,
    });
    subject.retention = Retention::Applied { kept: 12, going: 22 };
    let dumps = &mut subject.namespaces[0].dumps;
    for (number, dump) in dumps.iter_mut().enumerate() {
        let stays = number > 26 || number % 7 == 0;
        dump.fate = Some(if stays { Fate::Stays("daily, weekly".to_owned()) } else { Fate::Goes });
        dump.signature = Signature::Good("E7620F1842B4E81F".to_owned());
        let new = if number == 0 { 1_700 << 20 } else { (9 + number as u64 % 5) << 20 };
        dump.stored = Some(Stored { reached: 2_000 << 20, new, own: new / 3 });
    }
    subject
}

/// A repository in which everything is wrong, of two namespaces.
pub fn damaged() -> Subject {
    let mut subject = subject(vec![namespace("validator_0", 12), namespace("validator_1", 3)]);
    subject.namespaces[1].origin = Some(format!("02{}", "ab".repeat(32)));
    let id = |digit: &str| digit.repeat(64);
    let unusable = |id, fault, problem: &str| Unusable { id, fault, problem: problem.to_owned() };
    subject.unusable = vec![
        unusable(
            id("a"),
            Fault::Damaged,
            "manifests/aaaa.json has another name than its content: found bbbb",
        ),
        unusable(
            id("c"),
            Fault::Unsupported,
            "the manifest asks for patch2, which this version does not know",
        ),
        unusable(id("d"), Fault::Untrusted, "dump dddddddddddd does not count: it is not signed"),
    ];
    subject.missing = vec!["dump eeeeeeeeeeee is missing; dump ffffffffffff came after it".to_owned()];
    subject.stale = Some("the newest dump of namespace validator_1 is more than 36 hours old".to_owned());
    subject.measured = Measured::Failed { problem: "a manifest cannot be read".to_owned(), is_damage: false };
    subject.retention = Retention::Failed("the manifest of dump aaaaaaaaaaaa cannot be read".to_owned());
    let dumps = &mut subject.namespaces[0].dumps;
    dumps[3].is_future = true;
    dumps[5].took = None;
    let entries = dumps[7].entries.unwrap() / 2;
    dumps[7].entries = Some(entries);
    dumps[7].since = Some(Since { entries: Some(-(entries as i64)), plain_bytes: -(1 << 30) });
    dumps[11].is_last = true;
    subject
}

/// A repository whose names are attacks, or just long.
pub fn hostile() -> Subject {
    let long = "n".repeat(255);
    let names = HOSTILE.iter().copied().chain([long.as_str()]);
    let mut subject = subject(names.map(|name| namespace(name, 2)).collect());
    subject.repository = format!("/backups/{}/{}", HOSTILE[0], "r".repeat(200));
    subject.unusable = vec![Unusable {
        id: HOSTILE[0].to_owned(),
        fault: Fault::Damaged,
        problem: HOSTILE.join(" ") + &long,
    }];
    subject.missing = vec![long.clone()];
    subject.stale = Some(HOSTILE[2].to_owned());
    subject.retention = Retention::Failed(HOSTILE[1].to_owned());
    subject.measured = Measured::Failed { problem: long.clone(), is_damage: true };
    for namespace in &mut subject.namespaces {
        let name = namespace.name.clone();
        namespace.origin = Some(name.clone());
        for dump in &mut namespace.dumps {
            for text in [&mut dump.engine, &mut dump.layout, &mut dump.finished, &mut dump.consistency] {
                text.clone_from(&name);
            }
            dump.kinds[0].name.clone_from(&name);
            dump.fate = Some(Fate::Stays(name.clone()));
            dump.signature = Signature::Unchecked(name.clone());
        }
    }
    subject
}

/// An encrypted repository that was not opened.
pub fn sealed() -> Subject {
    let mut subject = many(5);
    for dump in &mut subject.namespaces[0].dumps {
        (dump.entries, dump.partitions) = (None, None);
        dump.kinds.clear();
        if let Some(since) = &mut dump.since {
            since.entries = None;
        }
    }
    subject
}

/// A repository of so many dumps.
pub fn many(dumps: u64) -> Subject {
    subject(vec![namespace("validator_0", dumps)])
}

fn subject(namespaces: Vec<Namespace>) -> Subject {
    Subject {
        repository: "/backups/validator_0".to_owned(),
        tool: "kvbackup 0.1.0".to_owned(),
        made: time(NOW),
        made_text: text(NOW),
        namespaces,
        unusable: Vec::new(),
        missing: Vec::new(),
        stale: None,
        max_age: None,
        trusts_keys: false,
        packs: 48,
        pack_bytes: 2_100 << 20,
        measured: Measured::No,
        retention: Retention::No,
    }
}

fn namespace(name: &str, dumps: u64) -> Namespace {
    Namespace {
        name: name.to_owned(),
        origin: None,
        dumps: (0..dumps).map(|number| dump(number, dumps)).collect(),
    }
}

fn dump(number: u64, all: u64) -> Dump {
    let finished = NOW - (all - number) * DAY + DAY - 3 * 3_600 - (number * 7_919) % 1_800;
    let kinds: Vec<Kind> = KINDS
        .iter()
        .map(|(name, first, more)| {
            let plain_bytes = first + more * number;
            Kind { name: (*name).to_owned(), partitions: plain_bytes / 4_096 + 1, plain_bytes }
        })
        .collect();
    let sum = |number: fn(&Kind) -> u64| kinds.iter().map(number).sum();
    Dump {
        id: format!(
            "{:032x}{number:032x}",
            u128::from(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
        ),
        sequence: number + 1,
        finished: text(finished),
        finished_at: Some(time(finished)),
        took: Some(Duration::from_millis(61_000 + number * 900 + (number * 7_919) % 20_000)),
        engine: "rocksdb 10.4.2".to_owned(),
        layout: "linera-0.15".to_owned(),
        consistency: "point_in_time".to_owned(),
        entries: Some(1_234_567 + number * 8_123),
        partitions: Some(sum(|kind| kind.partitions)),
        plain_bytes: sum(|kind| kind.plain_bytes),
        kinds,
        since: (number > 0).then_some(Since { entries: Some(8_123), plain_bytes: 28 << 20 }),
        stored: None,
        signature: Signature::None,
        verified: None,
        boot_proven: None,
        is_last: false,
        is_future: false,
        fate: None,
    }
}

fn time(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Writes a time of the years 1970 and later: the calendar repeats itself every 400 years.
fn text(seconds: u64) -> String {
    let (days, rest) = (seconds / DAY, seconds % DAY);
    // Days since the 1st of March of the year 0.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = year + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3_600, rest / 60 % 60, rest % 60)
}
