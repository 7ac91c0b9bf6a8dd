//! What a site says of itself: robots.txt, sitemaps, feeds and links, from any bytes, within limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use okra_extract::Limits;
use okra_extract::site::{Robots, feed, page_links, sitemap};

fuzz_target!(|bytes: &[u8]| {
    let robots = Robots::parse("okra", bytes);
    assert!(robots.delay().as_secs() <= 600);
    for address in robots.sitemaps() {
        robots.allows(&address);
    }
    robots.allows("https://example.com/a/b?c=d");
    if let Ok(found) = sitemap(bytes) {
        assert!(found.pages.len() + found.sitemaps.len() <= 50_000);
        assert!(found.pages.iter().all(|address| address.len() <= 2_000));
    }
    assert!(page_links(bytes, None).links.len() <= 1_000);
    if let Ok(entries) = feed(bytes, &Limits::default()) {
        assert!(entries.iter().all(|address| !address.is_empty()));
    }
});
