//! The hosted page of a public chatbot: a head that search engines and link previews read, and the
//! widget, full page.

use okra_domain::chatbot::Chatbot;

/// Nothing inline, nothing from elsewhere but pictures. The page may be framed by the sites that
/// may show the chatbot.
pub fn content_security_policy(chatbot: &Chatbot) -> String {
    let mut policy = String::from(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob: \
         https: http:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; \
         frame-ancestors 'self'",
    );
    for origin in &chatbot.allowed_origins {
        policy.push(' ');
        policy.push_str(origin.as_str());
    }
    policy
}

/// What differs between two views of one chatbot's page.
pub struct View<'a> {
    /// The page's own address.
    pub url: &'a str,
    /// The avatar's.
    pub picture: Option<&'a str>,
    /// What the browser says of its languages, in the form of `Accept-Language`.
    pub languages: &'a str,
}

/// The page's HTML.
pub fn render(chatbot: &Chatbot, view: &View) -> String {
    let widget = &chatbot.settings.snippet;
    let title = match widget.name.trim() {
        "" => &chatbot.name,
        name => name,
    };
    let description = chatbot.description.as_deref().map(str::trim);
    let description = description
        .filter(|text| !text.is_empty())
        .or(Some(widget.slogan.trim()).filter(|text| !text.is_empty()))
        .unwrap_or(&chatbot.settings.greeting);
    let language = match widget.language.as_str() {
        // The widget follows its page, so a page of ours has to follow the browser.
        "auto" => preferred(view.languages),
        language => language,
    };
    let (title, description, url) = (escape(title), escape(description), escape(view.url));
    let (language, slug) = (escape(language), escape(&chatbot.slug));
    let color = escape(&widget.primary_color);
    let picture = view
        .picture
        .map(escape)
        .map_or_else(String::new, |picture| {
            format!(
                "<meta property=\"og:image\" content=\"{picture}\">\n\
             <link rel=\"icon\" href=\"{picture}\">\n"
            )
        });
    format!(
        "<!doctype html>\n<html lang=\"{language}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1, \
         viewport-fit=cover, interactive-widget=resizes-content\">\n\
         <title>{title}</title>\n<meta name=\"description\" content=\"{description}\">\n\
         <meta name=\"theme-color\" content=\"{color}\">\n<link rel=\"canonical\" href=\"{url}\">\n\
         <meta property=\"og:type\" content=\"website\">\n\
         <meta property=\"og:title\" content=\"{title}\">\n\
         <meta property=\"og:description\" content=\"{description}\">\n\
         <meta property=\"og:url\" content=\"{url}\">\n{picture}\
         <meta name=\"twitter:card\" content=\"summary\">\n\
         <script src=\"/widget.js\" data-chatbot=\"{slug}\" data-mode=\"page\" async></script>\n\
         </head>\n<body>\n<noscript>This chat needs JavaScript.</noscript>\n</body>\n</html>\n"
    )
}

/// The language that an `Accept-Language` header (RFC 9110, section 12.5.4) names first, which is the
/// preferred one in what browsers send; English where it names none.
fn preferred(languages: &str) -> &str {
    let first = languages
        .split([',', ';'])
        .next()
        .unwrap_or_default()
        .trim();
    let proper = (1..=35).contains(&first.len())
        && first
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if proper { first } else { "en" }
}

/// What is shown where there is no chat, in which nothing tells whether there is a hidden one.
pub const NOT_FOUND: &str = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
    <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
    <meta name=\"color-scheme\" content=\"light dark\">\n\
    <meta name=\"robots\" content=\"noindex\">\n<title>Not found</title>\n</head>\n<body>\n\
    <h1>Not found</h1>\n<p>There is no chat at this address. It may have been closed, or the address \
    is not quite right.</p>\n</body>\n</html>\n";

/// Text as HTML, fit for attributes too.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use okra_domain::{OrganizationId, Timestamp};

    use super::*;

    #[test]
    fn a_page_follows_the_browsers_first_language() {
        let check = |languages: &str, expected: &str| assert_eq!(preferred(languages), expected);
        check("ko-KR,ko;q=0.9,en;q=0.8", "ko-KR");
        check("ar;q=0.9", "ar");
        check(" de ", "de");
        check("", "en");
        check("*", "en");
        check("d\u{e9}", "en");
    }

    #[test]
    fn what_a_builder_typed_stays_text() {
        let name = "</title><script>alert(1)</script>";
        let mut bot = Chatbot::new(OrganizationId::new(), name, Timestamp(1)).expect("a name");
        bot.description = Some("\"><img src=x onerror='alert(1)'>".to_owned());
        let view = View {
            url: "https://chat.example.com/c/x",
            picture: None,
            languages: "\"><script>alert(1)</script>",
        };
        let page = render(&bot, &view);
        assert!(page.contains("<html lang=\"en\">"));
        assert_eq!(page.matches("<script").count(), 1);
        assert!(!page.contains("<img"));
        assert!(page.contains("<title>&lt;/title&gt;&lt;script&gt;alert(1)"));
        assert!(
            page.contains("content=\"&quot;&gt;&lt;img src=x onerror=&#39;alert(1)&#39;&gt;\"")
        );
    }
}
