//! Slugs: short public names made from a chatbot's name, readable in any script.

use crate::error::{Error, Result};

const MAX_CHARS: usize = 80;

/// The slug that a name suggests: letters and digits of any script in lower case, all else as
/// single hyphens; `chatbot` where the name holds neither.
pub fn slug_from_name(name: &str) -> String {
    let mut slug = String::new();
    for character in name.chars().flat_map(char::to_lowercase) {
        if is_slug_char(character) {
            slug.push(character);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    // Room is left for a collision's number.
    let slug: String = slug.chars().take(MAX_CHARS - 8).collect();
    match slug.trim_matches('-') {
        "" => "chatbot".to_owned(),
        trimmed => trimmed.to_owned(),
    }
}

/// Letters and digits, and the combining marks without which Hindi or Thai cannot be read.
fn is_slug_char(character: char) -> bool {
    character.is_alphanumeric()
        || matches!(character, '\u{0300}'..='\u{036F}' | '\u{0900}'..='\u{0DFF}' | '\u{0E00}'..='\u{0EFF}')
}

/// The slug of the `number`th chatbot of one name, from 1: `slug`, then `slug-2`, `slug-3`, …
pub fn numbered_slug(slug: &str, number: u32) -> String {
    match number {
        ..=1 => slug.to_owned(),
        _ => format!("{slug}-{number}"),
    }
}

/// Checks a slug that a caller chose.
pub fn parse_slug(slug: &str) -> Result<String> {
    let proper = slug_from_name(slug);
    if slug == proper {
        return Ok(proper);
    }
    let problem = format!(
        "must be at most {} lower-case letters, digits and single hyphens, such as \"{proper}\"",
        MAX_CHARS - 8
    );
    Err(Error::invalid_field("slug", problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_keep_every_script_readable() {
        let check = |name: &str, expected: &str| assert_eq!(slug_from_name(name), expected);
        check("API Docs Demo Chatbot", "api-docs-demo-chatbot");
        check("고객 지원 봇!", "고객-지원-봇");
        check("  --Ünïcode__and  spaces-- ", "ünïcode-and-spaces");
        check("サポート・ボット", "サポート-ボット");
        check("हिन्दी सहायक", "हिन्दी-सहायक");
        check("🙂🙂", "chatbot");
        check(&"a".repeat(500), &"a".repeat(72));
    }

    #[test]
    fn a_chosen_slug_is_taken_as_it_is_or_refused() {
        assert_eq!(parse_slug("shop-2").expect("proper"), "shop-2");
        for bad in ["Shop", "a b", "-a", "a--b", "", "../x"] {
            let error = parse_slug(bad).expect_err("improper");
            assert_eq!(error.details[0].field, "slug");
        }
    }

    #[test]
    fn a_taken_slug_is_numbered_from_two() {
        let tried = [1, 2, 3].map(|number| numbered_slug("shop", number));
        assert_eq!(tried, ["shop", "shop-2", "shop-3"]);
    }
}
