//! robots.txt (RFC 9309): who may read what, how often, and where the sitemaps are.

use std::time::Duration;

use super::address;

/// What is read of a robots.txt, in bytes; the rest is ignored, as crawlers do.
const MAX_BYTES: usize = 500 * 1024;
/// Sitemaps of one robots.txt at most.
const MAX_SITEMAPS: usize = 20;
/// The longest pause between two requests that is kept: a longer one would only mean that the site
/// is never read to its end.
const MAX_DELAY: Duration = Duration::from_secs(10 * 60);

/// A site's wishes.
pub struct Robots {
    robot: Option<texting_robots::Robot>,
}

impl Robots {
    /// Those of a site that has none: everything may be read.
    pub fn none() -> Self {
        Self { robot: None }
    }

    /// Reads a robots.txt as it counts for the crawler of this name. What cannot be read forbids
    /// nothing.
    pub fn parse(agent: &str, text: &[u8]) -> Self {
        let text = &text[..text.len().min(MAX_BYTES)];
        Self {
            robot: texting_robots::Robot::new(agent, text).ok(),
        }
    }

    /// Whether the page at this address may be read.
    pub fn allows(&self, url: &str) -> bool {
        self.robot.as_ref().is_none_or(|robot| robot.allowed(url))
    }

    /// The pause that is asked for between two requests, ten minutes at most.
    pub fn delay(&self) -> Duration {
        let delay = self.robot.as_ref().and_then(|robot| robot.delay);
        let delay = delay.and_then(|seconds| Duration::try_from_secs_f32(seconds).ok());
        delay.unwrap_or_default().min(MAX_DELAY)
    }

    /// The addresses of sitemaps that it names.
    pub fn sitemaps(&self) -> Vec<String> {
        let named = self.robot.iter().flat_map(|robot| &robot.sitemaps);
        named
            .filter_map(|text| address(text))
            .take(MAX_SITEMAPS)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_for_us_go_before_those_for_all() {
        let text = b"User-agent: *\nDisallow: /\n\nUser-agent: Okra\nDisallow: /private\n\
                     Allow: /private/open\nDisallow: /*.pdf$\nCrawl-delay: 2.5\n\n\
                     Sitemap: https://a.example/map.xml\n";
        let robots = Robots::parse("okra", text);
        let check = |path: &str, expected| {
            let url = format!("https://a.example{path}");
            assert_eq!(robots.allows(&url), expected, "{path}");
        };
        check("/", true);
        check("/private/x", false);
        check("/private/open/x", true);
        check("/guide.pdf", false);
        check("/guide.pdf?page=1", true);
        assert_eq!(robots.delay(), Duration::from_millis(2_500));
        assert_eq!(robots.sitemaps(), ["https://a.example/map.xml"]);
        assert!(!Robots::parse("other", text).allows("https://a.example/"));
    }

    #[test]
    fn an_odd_file_forbids_nothing_by_accident() {
        for text in [
            &b""[..],
            b"\xff\xfe\x00<html>not found</html>",
            b"Crawl-delay: -5",
            b"Crawl-delay: 1e30",
            b"Crawl-delay: NaN",
        ] {
            let robots = Robots::parse("okra", text);
            assert!(robots.allows("https://a.example/"));
            assert!(robots.delay() <= MAX_DELAY);
        }
        assert!(Robots::none().allows("https://a.example/"));
        assert_eq!(
            Robots::parse("okra", b"User-agent: *\nCrawl-delay: 86400").delay(),
            MAX_DELAY
        );
    }
}
