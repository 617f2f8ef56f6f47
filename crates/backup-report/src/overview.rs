//! The first thing on the page: how the repository is, and what is known of it.

use maud::{Markup, html};

use crate::frame::{badge, facts};
use crate::numbers::{age, bytes, count, counted, short, time, took};
use crate::state::State;
use crate::subject::{Attested, Dump, Fault, Namespace, Signature, Subject};
use crate::text::name;

/// What is said of what no file says.
pub(crate) const NOT_RECORDED: &str = "not recorded";
/// What is proven where only the structure was looked at.
const STRUCTURE: &str = "structure";
/// What is said of numbers that an encrypted repository does not show.
pub(crate) const SEALED: &str = "sealed";
/// Most namespaces with a line of their own.
const LINES_MAX: usize = 100;

/// Shows the state in a line for each namespace, and what the page rests on.
pub(crate) fn state(subject: &Subject) -> Markup {
    let state = State::of(subject);
    let class = match state.tone() {
        crate::frame::Tone::Good => "good",
        crate::frame::Tone::Bad => "bad",
        _ => "warning",
    };
    let several = subject.namespaces.len() > 1;
    html! {
        div class={ "state " (class) } {
            p class="line" {
                (badge(state.tone(), state.badge())) " "
                @match subject.namespaces.as_slice() {
                    [] => (empty(subject)),
                    [only] => (line(subject, only)),
                    all => { (counted(subject.dumps(), ("dump", "dumps"))) " of " (count(all.len() as u64)) " namespaces." }
                }
                " " (broken(subject))
            }
            @if several {
                ul class="problems" {
                    @for (number, namespace) in subject.namespaces.iter().enumerate().take(LINES_MAX) {
                        li { a href={ "#n" (number) } { (name(&namespace.name)) } (of_origin(namespace)) ": " (line(subject, namespace)) }
                    }
                    @if subject.namespaces.len() > LINES_MAX {
                        li { (count((subject.namespaces.len() - LINES_MAX) as u64)) " more namespaces" }
                    }
                }
            }
            @if let Some(stale) = &subject.stale { p { (name(stale)) } }
            p class="note" { (rests_on(subject)) }
        }
        (facts(&[
            ("Dumps", html! { (count(subject.dumps())) }),
            ("Manifests that cannot be used", html! { (manifests(subject)) }),
            ("Missing dumps", html! { @if subject.missing.is_empty() { "none" } @else { (count(subject.missing.len() as u64)) } }),
            ("Packs", html! { (counted(subject.packs, ("pack", "packs"))) ", " (bytes(subject.pack_bytes)) }),
        ]))
    }
}

/// Says in a line how the dumps of a namespace are.
fn line(subject: &Subject, namespace: &Namespace) -> Markup {
    let Some(dump) = namespace.newest() else {
        return html! { "All dumps say that they were finished in the future: a clock was wrong, and the age is not known." };
    };
    html! {
        "Last dump "
        strong { (dump.age(subject.made).map_or_else(|| "of unknown age".to_owned(), age)) }
        ", finished " (time(&dump.finished)) ". "
        "Verified: " (when(dump.verified.as_ref())) ". "
        "Boot-proven: " (when(dump.boot_proven.as_ref())) ". "
        "Signed: " (signed(&dump.signature)) "."
    }
}

fn empty(subject: &Subject) -> Markup {
    html! {
        @if subject.unusable.is_empty() { "The repository holds no dump." } @else { "No dump can be used." }
        @if subject.packs > 0 {
            " Its packs are of a backup that did not end: run the backup again, and it uses them."
        }
    }
}

/// Says what is damaged, missing or refused; also that nothing is.
fn broken(subject: &Subject) -> Markup {
    let missing = subject.missing.len() as u64;
    html! {
        @if subject.unusable.is_empty() && missing == 0 {
            @if subject.dumps() > 0 { "No manifest is damaged, and no dump is missing." }
        } @else {
            @if !subject.unusable.is_empty() {
                strong { (counted(subject.unusable.len() as u64, ("manifest", "manifests"))) " cannot be used." }
                " "
            }
            @if missing > 0 { strong { (counted(missing, ("dump is", "dumps are"))) " missing." } }
        }
    }
}

fn rests_on(subject: &Subject) -> String {
    let limit = match subject.max_age {
        Some(most) => format!("A last dump may be {} at most. ", age(most)),
        None => "No limit for the age of the last dump was given. ".to_owned(),
    };
    let signatures = match subject.trusts_keys {
        true => "who signed the dumps, ",
        false => "",
    };
    format!(
        "{limit}Checked: that each manifest is whole, {signatures}and that none is missing between them. Not checked: the content \
         of packs; kvbackup verify does that. The page is of {}, and ages are of that moment.",
        time(&subject.made_text)
    )
}

fn manifests(subject: &Subject) -> String {
    let kinds = [
        (Fault::Damaged, "damaged"),
        (Fault::Unsupported, "of a later version"),
        (Fault::Untrusted, "not trusted"),
    ];
    let parts = kinds.map(|(fault, word)| (subject.faults(fault), word));
    let parts: Vec<_> = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| format!("{} {word}", count(*number)))
        .collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

/// Says whose namespace it is.
pub(crate) fn of_origin(namespace: &Namespace) -> Markup {
    html! { @if let Some(origin) = &namespace.origin { " of validator " span class="id" title=(crate::text::plain(origin)) { (short(&crate::text::plain(origin))) } } }
}

/// Says who signed a dump.
pub(crate) fn signed(signature: &Signature) -> Markup {
    html! {
        @match signature {
            Signature::Good(key) => { "by trusted key " span class="id" { (name(key)) } }
            Signature::Unchecked(key) => { "says key " span class="id" { (name(key)) } ", not checked" }
            Signature::Unreadable => { "the signature cannot be read" }
            Signature::None => { "no" }
        }
    }
}

/// Says when something was proven, and a warning where that counts for less than it seems.
fn when(attested: Option<&Attested>) -> Markup {
    let Some(Attested { proven, time: when, signature, .. }) = attested else {
        return html! { (NOT_RECORDED) };
    };
    html! {
        (time(when))
        @if proven == STRUCTURE { ", its structure alone" }
        @if !matches!(signature, Signature::Good(_)) { ", by nobody who is trusted" }
    }
}

/// Says when something was proven, and who says so.
fn attested(attested: Option<&Attested>) -> Markup {
    let Some(Attested { proven, time: when, network, signature }) = attested else {
        return html! { (NOT_RECORDED) };
    };
    html! {
        (time(when)) " (" (name(proven)) ")"
        @if !network.is_empty() { " on network " (name(network)) }
        ", attested "
        @match signature {
            Signature::None => { "without a signature" }
            signature => { (signed(signature)) }
        }
    }
}

fn content(dump: &Dump) -> String {
    let Some((entries, partitions)) = dump.entries.zip(dump.partitions) else { return SEALED.to_owned() };
    format!(
        "{} in {}",
        counted(entries, ("entry", "entries")),
        counted(partitions, ("partition", "partitions"))
    )
}

/// Shows what is known of the newest dump of a namespace.
pub(crate) fn newest(dump: &Dump) -> Markup {
    let mut all = vec![
        (
            "Last dump",
            html! { span class="id" title=(dump.id) { (short(&dump.id)) } @if dump.sequence > 0 { ", sequence " (dump.sequence) } },
        ),
        ("Content", html! { (content(dump)) }),
        ("Logical size", html! { (bytes(dump.plain_bytes)) }),
        ("Took", html! { (dump.took.map_or_else(|| NOT_RECORDED.to_owned(), took)) }),
        ("Consistency", html! { (name(&dump.consistency)) }),
        ("From", html! { (name(&dump.engine)) ", layout " (name(&dump.layout)) }),
        ("Signed", signed(&dump.signature)),
        ("Verified", attested(dump.verified.as_ref())),
        ("Boot-proven", attested(dump.boot_proven.as_ref())),
    ];
    if dump.is_last {
        all.push(("After it", html! { "nothing opens the namespace: it is the last dump" }));
    }
    facts(&all)
}

/// Names the manifests that cannot be used, and the dumps that are missing.
pub(crate) fn problems(subject: &Subject) -> Markup {
    if subject.unusable.is_empty() && subject.missing.is_empty() {
        return html! {};
    }
    html! {
        h2 { "What is wrong" }
        ul class="problems" {
            @for unusable in &subject.unusable {
                li {
                    strong { (match unusable.fault { Fault::Damaged => "Damaged", Fault::Unsupported => "Of a later version", Fault::Untrusted => "Not trusted" }) }
                    " " span class="id" title=(unusable.id) { (short(&unusable.id)) } ": " (name(&unusable.problem))
                }
            }
            @for missing in &subject.missing { li { strong { "Missing" } " " (name(missing)) } }
        }
    }
}
