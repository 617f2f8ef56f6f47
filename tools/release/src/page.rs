//! Pages of the site as they were built: what they link to.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::links::resolve;

/// A page: what can be linked to in it, and what it links to.
struct Page {
    ids: BTreeSet<String>,
    targets: Vec<String>,
}

/// Returns a line for each link between pages of a folder that leads nowhere.
pub(crate) fn broken(site: &Path) -> Result<Vec<String>> {
    let mut pages = BTreeMap::new();
    read(site, "", &mut pages)?;
    let mut found = Vec::new();
    for (path, page) in &pages {
        for target in &page.targets {
            let (to, id) = target.split_once('#').unwrap_or((target, ""));
            // Scripts of the site write these.
            if target.contains(':') || target.starts_with('/') {
                continue;
            }
            let to = resolve(path, to).unwrap_or_default();
            let is_there = match pages.get(&to) {
                Some(there) => id.is_empty() || there.ids.contains(id),
                None => site.join(&to).is_file(),
            };
            if !is_there {
                found.push(format!("{path} links to {target}"));
            }
        }
    }
    Ok(found)
}

fn read(site: &Path, folder: &str, pages: &mut BTreeMap<String, Page>) -> Result<()> {
    let here = site.join(folder);
    for entry in fs::read_dir(&here).with_context(|| format!("could not read {}", here.display()))? {
        let entry = entry?;
        let name = format!("{folder}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            read(site, &format!("{name}/"), pages)?;
        } else if name.ends_with(".html") {
            let text = fs::read_to_string(entry.path()).with_context(|| format!("could not read {name}"))?;
            let page = Page {
                ids: values(&text, " id=\"").map(str::to_owned).collect(),
                targets: values(&text, " href=\"")
                    .chain(values(&text, " src=\""))
                    .map(str::to_owned)
                    .collect(),
            };
            pages.insert(name, page);
        }
    }
    Ok(())
}

fn values<'t>(text: &'t str, before: &'static str) -> impl Iterator<Item = &'t str> {
    text.split(before).skip(1).filter_map(|rest| rest.split('"').next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_pages_and_places_that_are_missing_are_found() {
        let site = tempfile::tempdir().unwrap();
        fs::create_dir(site.path().join("docs")).unwrap();
        let links =
            |targets: &[&str]| targets.iter().map(|to| format!("<a href=\"{to}\">x</a>")).collect::<String>();
        let good = links(&["docs/a.html#here", "style.css", "https://example.com/", "#top"]);
        fs::write(site.path().join("index.html"), format!("<h1 id=\"top\">{good}")).unwrap();
        fs::write(site.path().join("style.css"), "").unwrap();
        let page =
            format!("<h1 id=\"here\">{}", links(&["../index.html#gone", "b.html", "../index.html#top"]));
        fs::write(site.path().join("docs/a.html"), page).unwrap();
        let found = broken(site.path()).unwrap();
        assert_eq!(found, ["docs/a.html links to ../index.html#gone", "docs/a.html links to b.html"]);
    }
}
