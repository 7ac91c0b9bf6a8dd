//! What lies over a page and is none of its contents: dialogs, and banners that ask for consent to cookies.

use html5ever::tokenizer::Tag;

use super::blocks::attribute;

/// Elements that hold a page's own contents, in which names say what a text is about.
pub(super) const CONTENTS: &[&str] = &["article", "main"];

/// Elements that overlays are made of; all have end tags.
const MADE_OF: &[&str] = &["div", "section", "aside", "form", "span"];

/// Whether an element lies over its page. `in_contents` where it stands within [`CONTENTS`].
pub(super) fn is_overlay(tag: &Tag, in_contents: bool) -> bool {
    let name: &str = &tag.name;
    let own = name.contains('-');
    if !own && !MADE_OF.contains(&name) {
        return false;
    }
    is_dialog(tag) || !in_contents && (own && is_banner(name) || names_banner(tag))
}

fn is_dialog(tag: &Tag) -> bool {
    attribute(tag, "role").is_some_and(|role| matches!(role.trim(), "dialog" | "alertdialog"))
        || attribute(tag, "aria-modal").is_some_and(|modal| modal.trim() == "true")
}

fn names_banner(tag: &Tag) -> bool {
    let classes = attribute(tag, "class").unwrap_or_default();
    let mut classes = classes.split_whitespace();
    // Documents give their sections ids, and old ones the class, after what they are about.
    let section = &*tag.name == "section" || classes.clone().any(|class| class == "section");
    !section && attribute(tag, "id").is_some_and(is_banner) || classes.any(is_banner)
}

/// What is asked about, in the names that sites and the usual providers of banners give them.
const SUBJECTS: &[&str] = &[
    "cookie",
    "cookies",
    "consent",
    "gdpr",
    "ccpa",
    "onetrust",
    "cookiebot",
    "cybot",
    "didomi",
    "osano",
    "cky",
];

/// What such an element is.
const KINDS: &[&str] = &[
    "banner",
    "bar",
    "notice",
    "popup",
    "modal",
    "dialog",
    "overlay",
    "prompt",
    "message",
    "alert",
    "toast",
    "window",
    "consent",
    "confirmation",
];

/// Both in one word.
const BOTH: &[&str] = &[
    "cookieconsent",
    "cookiebanner",
    "cookienotice",
    "cookiebar",
    "cookiepopup",
    "cookiemodal",
];

/// What stands beside them and changes nothing.
const BESIDE: &[&str] = &[
    "law",
    "eu",
    "hs",
    "info",
    "compliance",
    "moove",
    "borlabs",
    "cmplz",
    "wrapper",
    "container",
    "root",
    "sdk",
    "cs",
    "cm",
    "pc",
    "js",
    "c",
    "host",
];

/// Whether a name is a banner's, such as `cookie-banner` or `CybotCookiebotDialog`. A name that says anything else
/// beside (`has-cookie-banner`, `cookie-banner-explained`) is not.
fn is_banner(name: &str) -> bool {
    let words = words(name);
    let place = |set: &[&str]| words.iter().position(|word| set.contains(&word.as_str()));
    let last = |set: &[&str]| words.iter().rposition(|word| set.contains(&word.as_str()));
    let known = |word: &String| {
        [SUBJECTS, KINDS, BOTH, BESIDE]
            .iter()
            .any(|set| set.contains(&word.as_str()))
    };
    let says_both =
        matches!((place(SUBJECTS), last(KINDS)), (Some(about), Some(kind)) if about != kind);
    words.iter().all(known) && (says_both || place(BOTH).is_some())
}

/// The words of a name, parted by what is no letter or by a capital.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for letter in name.chars().take(LONGEST) {
        if !letter.is_alphanumeric() || letter.is_uppercase() && was_small {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut()
            && letter.is_alphanumeric()
        {
            word.extend(letter.to_lowercase());
        }
        was_small = letter.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Characters of a name that are looked at.
const LONGEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn banners_are_known_by_their_names() {
        let check = |name: &str, expected: bool| assert_eq!(is_banner(name), expected, "{name}");
        for banner in [
            "cookie-banner",
            "cookie_notice",
            "CookieConsent",
            "cookieconsent",
            "gdpr-banner",
            "consent-banner",
            "onetrust-consent-sdk",
            "onetrust-banner-sdk",
            "CybotCookiebotDialog",
            "cky-consent-container",
            "cmplz-cookiebanner",
            "moove_gdpr_cookie_info_bar",
            "hs-eu-cookie-confirmation",
            "cookie-law-info-bar",
            "eu-cookie-compliance-banner",
            "osano-cm-window",
            "js-cookie-banner",
            "didomi-popup",
            "BorlabsCookieBanner",
        ] {
            check(banner, true);
        }
        for other in [
            "",
            "cookie",
            "cookies",
            "cookie-recipes",
            "cookie-policy",
            "has-cookie-banner",
            "cookie-banner-explained",
            "consent",
            "consent-form",
            "banner",
            "box",
            "gdpr",
            "message-box",
            "privacy-notice",
            "cookie-box",
        ] {
            check(other, false);
        }
    }
}
