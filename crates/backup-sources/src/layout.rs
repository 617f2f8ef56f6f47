//! In which layout a namespace is read or written.

use backup_layout::Layout;

use crate::error::SourceError;

/// Parses a layout; `None` is `auto`.
///
/// # Errors
///
/// A text that names the layouts there are.
pub fn parse_layout(text: &str) -> Result<Option<Layout>, String> {
    match text {
        "auto" => Ok(None),
        _ => text.parse().map(Some).map_err(|error| format!("{error}, or auto")),
    }
}

/// Returns how a layout names the kind of a partition.
#[must_use]
pub fn kinds_of(layout: Layout) -> fn(&[u8]) -> Option<&'static str> {
    match layout {
        Layout::Linera015 => |root_key| Layout::Linera015.kind(root_key),
        Layout::Linera016 => |root_key| Layout::Linera016.kind(root_key),
        Layout::Plain => |_| None,
    }
}

/// Takes the layout from the two places where it may be given.
pub(crate) fn one_layout(
    inside: Option<Layout>,
    option: Option<Layout>,
) -> Result<Option<Layout>, SourceError> {
    match (inside, option) {
        (Some(inside), Some(option)) if inside != option => Err(SourceError::option(format!(
            "?layout={inside} and --layout {option} contradict each other; give one of them"
        ))),
        _ => Ok(inside.or(option)),
    }
}

/// Returns the layout in which a dump is restored: its own.
///
/// Entries of one linera are not those of another, nor rows the entries that stand in them. A worker that starts from
/// the wrong ones may fail late, or not at all.
pub(crate) fn target_layout(from: &str, asked: Option<Layout>) -> Result<Layout, SourceError> {
    let Ok(from) = from.parse::<Layout>() else {
        let problem = format!(
            "the dump is in layout {from:?}, which this version does not know; use a newer version of this program"
        );
        return Err(SourceError::Layout { problem });
    };
    match asked {
        Some(asked) if asked != from => {
            let problem = format!(
                "the dump is in layout {from} and cannot be restored as {asked}: their keys and values differ, and \
                 neither is converted to the other; leave the layout out"
            );
            Err(SourceError::Layout { problem })
        }
        _ => Ok(from),
    }
}

#[cfg(test)]
mod tests {
    use backup_format::ErrorClass;

    use super::*;

    #[test]
    fn a_dump_keeps_its_layout_unless_another_is_asked_for() {
        let layout = |from: &str, asked| target_layout(from, asked).unwrap();
        assert_eq!(layout("linera-0.15", None), Layout::Linera015);
        assert_eq!(layout("linera-0.16", Some(Layout::Linera016)), Layout::Linera016);
        assert_eq!(layout("plain", None), Layout::Plain);
    }

    #[test]
    fn no_layout_is_restored_as_another_and_unknown_layouts_are_refused_by_name() {
        let refused = [
            ("linera-0.15", Some(Layout::Linera016), "linera-0.16"),
            ("linera-0.16", Some(Layout::Linera015), "linera-0.15"),
            ("plain", Some(Layout::Linera015), "plain"),
            ("linera-0.16", Some(Layout::Plain), "linera-0.16"),
            ("linera-0.17", None, "linera-0.17"),
            ("linera-0.17", Some(Layout::Linera016), "linera-0.17"),
        ];
        for (from, asked, named) in refused {
            let error = target_layout(from, asked).unwrap_err();
            assert_eq!(error.class(), ErrorClass::Refused);
            assert!(error.to_string().contains(named), "{error}");
        }
    }

    #[test]
    fn two_layouts_that_contradict_each_other_are_a_usage_error() {
        let plain = Some(Layout::Plain);
        assert_eq!(one_layout(plain, plain).unwrap(), plain);
        assert_eq!(one_layout(None, None).unwrap(), None);
        assert!(one_layout(plain, Some(Layout::Linera015)).unwrap_err().is_usage());
    }
}
