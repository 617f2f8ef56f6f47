//! Texts that others wrote, made harmless.

use maud::{Markup, html};

/// Writes a text so that it can reorder or hide nothing beside it. What has no shape of its own, or changes the direction of
/// what follows, becomes `\u{202e}` and the like. Markup is not escaped: that is what templates do.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_shapeless(letter) {
            plain.extend(letter.escape_unicode());
        } else {
            plain.push(letter);
        }
    }
    plain
}

/// Shows a text that others wrote, apart from what stands around it.
#[must_use]
pub fn name(text: &str) -> Markup {
    html! { bdi class="name" { (plain(text)) } }
}

/// Returns true for control characters, marks of direction, blanks of no width, and what is no character.
fn is_shapeless(letter: char) -> bool {
    let number = u32::from(letter);
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}' | '\u{fdd0}'..='\u{fdef}' | '\u{e0000}'..='\u{e0fff}')
        || number & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reorders_or_hides_is_written_out_and_letters_stay() {
        assert_eq!(plain("a\u{202e}b\u{0}\u{1b}[2J\n"), r"a\u{202e}b\u{0}\u{1b}[2J\u{a}");
        for letter in ['\u{200b}', '\u{2066}', '\u{feff}', '\u{fffe}', '\u{1ffff}', '\u{e0041}', '\u{2029}'] {
            assert!(plain(&letter.to_string()).starts_with(r"\u{"), "{letter:?}");
        }
        for text in
            ["validator_0", "\u{5bb6} \u{e9} e\u{301}", "\u{5d0}\u{5d1}", "\u{1f468}\u{200d}\u{1f469}"]
        {
            assert_eq!(plain(text), text);
        }
    }

    #[test]
    fn markup_is_text() {
        let shown = name("<script>alert(\"1\")</script>&amp;").into_string();
        let expected = "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;amp;";
        assert_eq!(shown, format!("<bdi class=\"name\">{expected}</bdi>"));
    }
}
