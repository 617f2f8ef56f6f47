//! The frame of a page, whatever it is about: head, style, badges, and lists of facts.
//!
//! A page needs no network and no script, and allows itself none: its policy keeps a browser from loading and running anything.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::text::plain;

const STYLE: &str = include_str!("style.css");
/// Elements without an end: they are written so that the page is XML, too.
const HEAD: &str = concat!(
    r#"<meta charset="utf-8"/>"#,
    r#"<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/>"#,
    r#"<meta name="viewport" content="width=device-width, initial-scale=1"/>"#,
    r#"<meta name="color-scheme" content="light dark"/>"#,
    r#"<meta name="referrer" content="no-referrer"/>"#,
);
/// What the name of the program follows.
const GENERATOR: &str = "<meta name=\"generator\" content=\"";

/// A page: what stands around its body.
#[derive(Clone, Debug)]
pub struct Frame<'f> {
    /// What the page is about, in a few words. It is the title of the window, too.
    pub title: &'f str,
    /// What made the page: letters, digits and blanks, for [`is_page_of`].
    pub generator: &'f str,
    /// The last line: what made the page, and when.
    pub footer: &'f str,
}

/// How serious something is. Colours show it beside the words, and never alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tone {
    /// Nothing is to be done.
    Good,
    /// Somebody should look.
    Warning,
    /// Somebody has to act.
    Bad,
    /// It is neither good nor bad.
    Plain,
}

/// Makes the whole page.
#[must_use]
pub fn page(frame: &Frame<'_>, body: &Markup) -> String {
    let title = plain(frame.title);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                (PreEscaped(HEAD))
                (PreEscaped(GENERATOR)) (frame.generator) (PreEscaped("\"/>"))
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main { (body) }
                footer { p { (plain(frame.footer)) } }
            }
        }
    };
    page.into_string()
}

/// Returns true if this is the beginning of a page with this generator. 4 KiB of a page are enough.
#[must_use]
pub fn is_page_of(generator: &str, beginning: &str) -> bool {
    beginning.contains(&format!("{GENERATOR}{generator}\"/>"))
}

/// Shows a word or few that say how something is.
#[must_use]
pub fn badge(tone: Tone, words: &str) -> Markup {
    // The shapes differ, too: not everybody sees colours.
    let (class, shape) = match tone {
        Tone::Good => ("good", "\u{2713} "),
        Tone::Warning => ("warning", "! "),
        Tone::Bad => ("bad", "\u{2717} "),
        Tone::Plain => ("plain", ""),
    };
    html! { strong class={ "badge " (class) } { span aria-hidden="true" { (shape) } (words) } }
}

/// Shows facts: a name and what is known, one beside the other.
#[must_use]
pub fn facts(facts: &[(&str, Markup)]) -> Markup {
    html! {
        dl class="facts" {
            @for (name, fact) in facts { div { dt { (name) } dd { (fact) } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_known_by_its_generator() {
        let frame = Frame { title: "<b>", generator: "kvbackup report", footer: "&" };
        let page = page(&frame, &html! { p { "x" } });
        assert!(is_page_of("kvbackup report", &page[..4_096.min(page.len())]), "{page}");
        assert!(!is_page_of("kvbackup", &page) && !is_page_of("kvbackup report", "<html>"));
        assert!(page.contains("<title>&lt;b&gt;</title>") && page.contains("<p>&amp;</p>"));
    }

    #[test]
    fn the_style_refers_to_nothing_and_ends_nowhere_else() {
        for word in ["@import", "url(", "<", "&", "expression"] {
            assert!(!STYLE.contains(word), "{word}");
        }
    }
}
