//! Tables for people.

use unicode_width::UnicodeWidthChar;

/// Most columns of the terminal that a cell takes.
const CELL: usize = 40;

/// Writes rows as a table. The first `left` columns are aligned to the left, the others to the right. Long cells are cut.
pub(crate) fn table<const N: usize>(rows: Vec<[String; N]>, indent: usize, left: usize) -> String {
    let rows: Vec<_> = rows.into_iter().map(|row| row.map(|cell| cut(&cell, CELL))).collect();
    let widths: [usize; N] =
        std::array::from_fn(|column| rows.iter().map(|row| width(&row[column])).max().unwrap_or(0));
    let mut text = String::new();
    for row in &rows {
        let mut line = " ".repeat(indent);
        for (column, (cell, most)) in row.iter().zip(widths).enumerate() {
            let blanks = " ".repeat(most.saturating_sub(width(cell)));
            let (before, behind) = if column < left { ("", blanks.as_str()) } else { (blanks.as_str(), "") };
            line.extend([before, cell, behind, "  "]);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Cuts a text to these many columns of the terminal, with an ellipsis. It has no more characters than that either: many
/// have no width of their own.
fn cut(text: &str, most: usize) -> String {
    if width(text) <= most && text.chars().count() <= most {
        return text.to_owned();
    }
    let mut columns = 0;
    let fits = |letter: &char| {
        columns += letter.width().unwrap_or(0);
        columns < most
    };
    let mut short: String = text.chars().take(most - 1).take_while(fits).collect();
    short.push('\u{2026}');
    short
}

fn width(text: &str) -> usize {
    text.chars().filter_map(UnicodeWidthChar::width).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_align_names_left_and_numbers_right() {
        let rows = vec![["kind".into(), "n".into()], ["a".into(), "100".into()]];
        assert_eq!(table(rows, 1, 1), " kind    n\n a     100\n");
    }

    #[test]
    fn columns_are_as_wide_as_a_terminal_shows_them_and_never_wider_than_their_limit() {
        let wide = "\u{5bb6}".repeat(20);
        let rows = vec![[wide.clone(), "1".into()], ["e\u{301}".into(), "2".into()]];
        assert_eq!(table(rows, 0, 1), format!("{wide}  1\ne\u{301}{}  2\n", " ".repeat(39)));
        for long in ["x".repeat(255), "\u{5bb6}".repeat(85), format!("e{}", "\u{301}".repeat(254))] {
            let short = cut(&long, CELL);
            assert!(width(&short) <= CELL && short.chars().count() <= CELL, "{short:?}");
            assert!(short.ends_with('\u{2026}') && long.starts_with(short.trim_end_matches('\u{2026}')));
        }
        assert_eq!(cut(&"x".repeat(CELL), CELL), "x".repeat(CELL));
    }
}
