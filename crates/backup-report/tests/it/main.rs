//! Pages of samples: what they say, and that they are nothing but text.

mod samples;
mod walk;

use backup_report::{Measured, State, Subject, page};

use crate::walk::{Found, walk};

fn made(subject: &Subject) -> (String, Found) {
    let page = page(subject, "sample");
    let found = walk(&page);
    (page, found)
}

#[test]
fn every_page_is_whole_and_refers_to_nothing() {
    for (name, subject) in samples::all() {
        let (page, found) = made(&subject);
        assert!(
            page.starts_with("<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"/>"),
            "{name}"
        );
        assert!(page.contains("content=\"default-src 'none'; style-src 'unsafe-inline'\""), "{name}");
        for word in ["src=", "@import", "url(", "http:", "https:", "<script", "<img", "<link"] {
            assert!(name == "hostile" || !page.contains(word), "{name}: {word}");
        }
        for element in ["script", "img", "link", "iframe", "object", "form", "base", "foreignObject"] {
            assert!(!found.elements.contains(element), "{name}: {element}");
        }
        for (attribute, value) in &found.attributes {
            assert!(
                !attribute.starts_with("on") && !["src", "style", "xlink:href"].contains(&attribute.as_str()),
                "{name}: {attribute}"
            );
            assert!(attribute != "href" || value.starts_with('#'), "{name}: {value}");
        }
        let mut ids: Vec<_> = found.values("id").collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "{name}: an id comes twice");
        assert_eq!(found.elements_named("h1"), 1, "{name}");
    }
}

#[test]
fn each_chart_has_a_title_and_a_description_in_words() {
    for (name, subject) in samples::all() {
        let (_, found) = made(&subject);
        let images = found.values("role").filter(|role| *role == "img").count();
        assert_eq!(images, found.labelled.len(), "{name}");
        for label in &found.labelled {
            let words: Vec<_> = label.split(' ').map(|id| found.text_of(id)).collect();
            assert!(
                words.len() == 2 && words.iter().all(|text| text.len() > 10),
                "{name}: {label}: {words:?}"
            );
        }
        assert_eq!(images > 0, subject.dumps() > 0, "{name}");
    }
}

#[test]
fn hostile_names_are_text_and_hide_nothing() {
    let (page, found) = made(&samples::hostile());
    let text = found.text();
    for name in samples::HOSTILE {
        assert!(text.contains(&backup_report::plain(name)), "{name:?}");
    }
    assert!(
        !page.contains([
            '\u{202e}', '\u{2066}', '\u{200b}', '\u{feff}', '\u{1b}', '\u{0}', '\u{9b}', '\u{fffe}'
        ])
    );
    assert!(text.contains(r"gnp.\u{202e}tfel"), "what was there is shown");
    for end in ["</style>", "<!--", "<script", "<b>"] {
        let own = usize::from(end == "</style>");
        assert_eq!(page.matches(end).count(), own, "{end}");
    }
}

#[test]
fn all_dumps_are_in_the_table_and_charts_say_that_they_group_them() {
    let few = samples::many(240);
    let many = samples::many(1_203);
    for (subject, bars) in [(&few, 240), (&many, 201)] {
        let (page, found) = made(subject);
        let text = found.text();
        for dump in &subject.namespaces[0].dumps {
            assert!(text.contains(&dump.id[..12]), "{}", dump.id);
        }
        assert_eq!(
            found.values("data-name").filter(|name| *name == "Dump").count() - bars,
            subject.dumps() as usize
        );
        assert_eq!(page.contains("each stands for up to 6 dumps"), bars == 201);
        assert_eq!(page.matches("<g><title>").count(), 4 * bars, "logical bytes, change, time, and kinds");
    }
}

#[test]
fn the_first_line_says_what_is_known_and_what_is_not() {
    let text = made(&samples::good()).1.text();
    for words in [
        "No fault found",
        "Last dump 3 h 5 min old",
        "Verified: not recorded",
        "by trusted key E7620F1842B4E81F",
        "may be 36 h old at most",
        "would keep 12 dumps and forget 22 dumps",
        "Deduplication26.93 to 1",
        "Compression2.63 to 1",
        "One bar is cut: dump 9e3779b97f4a, 2026-10-28 01:00, 1.66 GiB.",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let text = made(&samples::damaged()).1.text();
    for words in [
        "Damaged 15 dumps of 2 namespaces",
        "3 manifests cannot be used.",
        "1 dump is missing.",
        "Damaged aaaaaaaaaaaa: manifests/aaaa.json",
        "Of a later version cccccccccccc",
        "Not trusted dddddddddddd",
        "Missing dump eeeeeeeeeeee",
        "more than 36 hours old",
        "Not shown: 1 dump whose time is not past",
        "nothing opens the namespace",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let text = made(&samples::many(1)).1.text();
    assert!(
        text.contains("No limit for the age of the last dump was given") && text.contains("was not measured"),
        "{text}"
    );
    let text = made(&samples::sealed()).1.text();
    assert!(text.contains("Contentsealed") && !text.contains("Kinds of partitions"), "{text}");
    assert!(!text.contains("Entries more"), "nothing is drawn of what is not known: {text}");
    let empty = samples::all().into_iter().find(|(name, _)| *name == "empty").unwrap().1;
    assert!(
        made(&empty)
            .1
            .text()
            .contains("The repository holds no dump. Its packs are of a backup that did not end")
    );
}

#[test]
fn the_worst_that_is_known_is_the_state() {
    let mut subject = samples::damaged();
    let mut states = Vec::new();
    states.push(State::of(&subject));
    subject.missing.clear();
    states.push(State::of(&subject));
    subject.unusable.remove(0);
    states.push(State::of(&subject));
    subject.stale = None;
    states.push(State::of(&subject));
    subject.unusable.clear();
    states.push(State::of(&subject));
    subject.measured = Measured::No;
    states.push(State::of(&subject));
    subject.namespaces.clear();
    states.push(State::of(&subject));
    let words: Vec<_> = states.into_iter().map(State::word).collect();
    assert_eq!(words, ["damaged", "damaged", "stale", "refused", "refused", "no_fault_found", "empty"]);
    subject.measured = Measured::Failed { problem: "lost".to_owned(), is_damage: true };
    assert_eq!(State::of(&subject), State::Damaged);
    subject.measured = Measured::No;
    subject.missing.push("a dump is missing".to_owned());
    assert_eq!(State::of(&subject), State::Damaged);
}
