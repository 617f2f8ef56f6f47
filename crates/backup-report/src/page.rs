//! The page of a repository, from top to bottom.

use maud::{Markup, html};

use crate::frame::{self, Frame};
use crate::namespace;
use crate::numbers::{count, time};
use crate::subject::Subject;
use crate::text::name;
use crate::{overview, room};

/// Most namespaces with charts and a table: a page of more is of use to nobody.
const NAMESPACES_MAX: usize = 50;

/// Makes the page of a repository. `generator` is what [`is_page_of`](frame::is_page_of) knows it by.
#[must_use]
pub fn page(subject: &Subject, generator: &str) -> String {
    let title = format!("Backups in {}", subject.repository);
    let footer = format!("Made by {} on {}.", subject.tool, time(&subject.made_text));
    frame::page(&Frame { title: &title, generator, footer: &footer }, &body(subject))
}

fn body(subject: &Subject) -> Markup {
    let left_out = subject.namespaces.len().saturating_sub(NAMESPACES_MAX);
    html! {
        h1 { "Backups in " (name(&subject.repository)) }
        (overview::state(subject))
        (overview::problems(subject))
        (room::draw(subject))
        @for (number, namespace) in subject.namespaces.iter().enumerate().take(NAMESPACES_MAX) {
            (namespace::draw(subject, namespace, &format!("n{number}")))
        }
        @if left_out > 0 {
            h2 { "Other namespaces" }
            p { (count(left_out as u64)) " more namespaces are not shown; kvbackup list shows their dumps." }
        }
    }
}
