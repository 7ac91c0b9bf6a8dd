//! What a website says of itself: the links of its pages, its sitemaps, feeds and robots.txt. Called by
//! the engine's crawler, which fetched the bytes and resolves the addresses; all of them are a
//! stranger's, and bounded here in number and length.

mod feed;
mod robots;
mod sitemap;

pub use feed::feed;
pub use robots::Robots;
pub use sitemap::{Sitemap, sitemap};

pub use crate::html::{PageLinks, page_links};

/// Addresses longer than this are left out, in bytes.
pub(crate) const MAX_ADDRESS: usize = 2_000;

/// An address as it can be used, without the space around it; `None` for what is empty or too long.
pub(crate) fn address(text: &str) -> Option<String> {
    let text = text.trim();
    let usable = !text.is_empty() && text.len() <= MAX_ADDRESS;
    usable.then(|| text.to_owned())
}
