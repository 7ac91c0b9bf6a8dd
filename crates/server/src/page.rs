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

/// The page's HTML. `url` is its own address, `picture` the avatar's.
pub fn render(chatbot: &Chatbot, url: &str, picture: Option<&str>) -> String {
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
        "auto" => "en",
        language => language,
    };
    let (title, description, url) = (escape(title), escape(description), escape(url));
    let (language, slug) = (escape(language), escape(&chatbot.slug));
    let color = escape(&widget.primary_color);
    let picture = picture.map(escape).map_or_else(String::new, |picture| {
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
    fn what_a_builder_typed_stays_text() {
        let name = "</title><script>alert(1)</script>";
        let mut bot = Chatbot::new(OrganizationId::new(), name, Timestamp(1)).expect("a name");
        bot.description = Some("\"><img src=x onerror='alert(1)'>".to_owned());
        let page = render(&bot, "https://chat.example.com/c/x", None);
        assert_eq!(page.matches("<script").count(), 1);
        assert!(!page.contains("<img"));
        assert!(page.contains("<title>&lt;/title&gt;&lt;script&gt;alert(1)"));
        assert!(
            page.contains("content=\"&quot;&gt;&lt;img src=x onerror=&#39;alert(1)&#39;&gt;\"")
        );
    }
}
