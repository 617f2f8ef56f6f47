//! Reads a page as XML, and so notices whatever is not closed, quoted or escaped.

use std::collections::{BTreeMap, BTreeSet};

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// What is in a page.
#[derive(Default)]
pub struct Found {
    pub elements: BTreeSet<String>,
    pub attributes: Vec<(String, String)>,
    /// What elements with `role="img"` are labelled by.
    pub labelled: Vec<String>,
    names: Vec<String>,
    /// Texts with the ids of the elements around them.
    texts: Vec<(Vec<Option<String>>, String)>,
}

impl Found {
    pub fn values<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f str> {
        self.attributes.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub fn elements_named(&self, name: &str) -> usize {
        self.names.iter().filter(|found| *found == name).count()
    }

    /// Returns all text, as it is read.
    pub fn text(&self) -> String {
        self.texts.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// Returns the text of the element with this id.
    pub fn text_of(&self, id: &str) -> String {
        let inside = self.texts.iter().filter(|(ids, _)| ids.iter().flatten().any(|found| found == id));
        inside.map(|(_, text)| text.as_str()).collect()
    }
}

pub fn walk(page: &str) -> Found {
    let mut reader = Reader::from_str(page);
    reader.config_mut().check_comments = true;
    let (mut found, mut open) = (Found::default(), Vec::new());
    loop {
        match reader.read_event().unwrap_or_else(|error| panic!("{error} at {}", reader.error_position())) {
            Event::Start(element) => open.push(add(&mut found, &element)),
            Event::Empty(element) => drop(add(&mut found, &element)),
            Event::End(_) => drop(open.pop()),
            Event::Text(text) => found.texts.push((open.clone(), text.decode().unwrap().into_owned())),
            Event::GeneralRef(reference) => {
                let escaped = format!("&{};", reference.decode().unwrap());
                let letter = quick_xml::escape::unescape(&escaped).unwrap().into_owned();
                found.texts.push((open.clone(), letter));
            }
            Event::DocType(_) => {}
            Event::Eof => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(open.is_empty(), "{open:?}");
    found
}

/// Notes an element; returns its id.
fn add(found: &mut Found, element: &BytesStart<'_>) -> Option<String> {
    let name = String::from_utf8(element.name().as_ref().to_vec()).unwrap();
    let attributes: BTreeMap<String, String> = element
        .attributes()
        .map(|attribute| {
            let attribute = attribute.unwrap();
            let name = String::from_utf8(attribute.key.as_ref().to_vec()).unwrap();
            let value = std::str::from_utf8(&attribute.value).unwrap();
            (name, quick_xml::escape::unescape(value).unwrap().into_owned())
        })
        .collect();
    if attributes.get("role").is_some_and(|role| role == "img") {
        found.labelled.push(attributes.get("aria-labelledby").cloned().unwrap_or_default());
    }
    found.elements.insert(name.clone());
    found.names.push(name);
    let id = attributes.get("id").cloned();
    found.attributes.extend(attributes);
    id
}
