//! Which pages belong to a source: addresses in one spelling each, patterns over their paths, and the
//! guards against sites without an end. Pure.

use globset::{GlobBuilder, GlobMatcher};
use okra_domain::Error;
use okra_domain::error::Result;
use okra_domain::source::{KnowledgeSource, SourceKind, SourceOptions};
use okra_extract::Format;
use percent_encoding::percent_decode_str;
use url::Url;

/// The longest address of a page, in bytes: what an item may name.
const MAX_ADDRESS: usize = okra_domain::knowledge::MAX_URL_CHARS;
/// More folders than this in one path are no place for a page, but a loop of relative links.
const MAX_SEGMENTS: usize = 30;
/// The same name this often in one path is such a loop too.
const MAX_REPETITIONS: usize = 3;

/// Query parameters that tell where a visitor came from, and nothing about the page.
const TRACKING: [&str; 6] = ["gclid", "fbclid", "msclkid", "mc_cid", "mc_eid", "yclid"];

/// Files that browsers show and that hold no text to be read.
const MEDIA: [&str; 37] = [
    "png", "jpg", "jpeg", "gif", "webp", "avif", "svg", "ico", "bmp", "tif", "tiff", "mp3", "mp4",
    "m4a", "m4v", "mov", "avi", "webm", "ogg", "wav", "flac", "css", "js", "mjs", "map", "woff",
    "woff2", "ttf", "otf", "eot", "zip", "gz", "tgz", "exe", "dmg", "iso", "apk",
];

/// What of a source is read.
pub(super) struct Scope {
    site: Option<Site>,
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
    documents: bool,
}

/// A website, whichever of its two schemes and names it is reached by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Site {
    host: String,
    port: Option<u16>,
}

enum Pattern {
    /// This path and all below it.
    Below(String),
    Glob(GlobMatcher),
}

impl Scope {
    /// What the source's address and options allow. Fails where a pattern cannot be read.
    pub(super) fn of(source: &KnowledgeSource) -> Result<Self> {
        let mut scope = Self::by_options(&source.options)?;
        if source.kind == SourceKind::Site {
            let url = Url::parse(&source.address).ok();
            scope.site = url.as_ref().and_then(Site::of);
        }
        Ok(scope)
    }

    fn by_options(options: &SourceOptions) -> Result<Self> {
        Ok(Self {
            site: None,
            include: patterns("options.include", &options.include)?,
            exclude: patterns("options.exclude", &options.exclude)?,
            documents: options.documents,
        })
    }

    /// Whether the page at this address is within the site.
    pub(super) fn is_here(&self, url: &Url) -> bool {
        self.site.is_none() || Site::of(url) == self.site
    }

    /// Whether the patterns allow the page at this address.
    pub(super) fn admits(&self, url: &Url) -> bool {
        let path = decoded(url.path());
        let whole = url
            .query()
            .map(|query| format!("{path}?{}", decoded(query)));
        self.admits_path(&path, whole.as_deref())
    }

    /// Whether the patterns allow a file at this path, which begins without a slash.
    pub(super) fn admits_file(&self, path: &str) -> bool {
        self.admits_path(&format!("/{path}"), None)
    }

    fn admits_path(&self, path: &str, with_query: Option<&str>) -> bool {
        let matched = |pattern: &Pattern| {
            pattern.matches(path) || with_query.is_some_and(|whole| pattern.matches(whole))
        };
        (self.include.is_empty() || self.include.iter().any(matched))
            && !self.exclude.iter().any(matched)
    }

    /// Whether a link to this address is worth following.
    pub(super) fn follows(&self, url: &Url) -> bool {
        let kind = match extension(url) {
            Some(extension) if MEDIA.contains(&extension.as_str()) => return false,
            Some(extension) => Format::from_extension(&extension),
            None => None,
        };
        let wanted = match kind {
            Some(Format::Html | Format::Text | Format::Markdown) | None => true,
            Some(_) => self.documents,
        };
        wanted && self.is_here(url) && self.admits(url) && !is_endless(url)
    }

    /// Whether documents that are no pages are read.
    pub(super) fn documents(&self) -> bool {
        self.documents
    }
}

impl Site {
    pub(super) fn of(url: &Url) -> Option<Self> {
        let host = url.host_str()?.trim_end_matches('.');
        Some(Self {
            host: host.strip_prefix("www.").unwrap_or(host).to_owned(),
            port: url.port(),
        })
    }
}

impl Pattern {
    fn matches(&self, path: &str) -> bool {
        match self {
            Self::Below(folder) => path
                .strip_prefix(folder.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?'])),
            Self::Glob(glob) => glob.is_match(path),
        }
    }
}

fn patterns(field: &str, texts: &[String]) -> Result<Vec<Pattern>> {
    let pattern = |text: &String| {
        let text = decoded(text.trim());
        let text = match text.starts_with(['/', '*', '?']) {
            true => text,
            false => format!("/{text}"),
        };
        if !text.contains(['*', '?']) {
            return Ok(Pattern::Below(text.trim_end_matches('/').to_owned()));
        }
        let glob = GlobBuilder::new(&plain_glob(&text)).build();
        let glob = glob.map_err(|error| Error::invalid_field(field, error.to_string()))?;
        Ok(Pattern::Glob(glob.compile_matcher()))
    };
    texts.iter().map(pattern).collect()
}

/// The pattern with everything but `*` and `?` standing for itself.
fn plain_glob(text: &str) -> String {
    let mut glob = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '*' if glob.ends_with('*') => {}
            '[' | ']' | '{' | '}' => {
                glob.push('[');
                glob.push(character);
                glob.push(']');
            }
            '\\' => glob.push_str("\\\\"),
            other => glob.push(other),
        }
    }
    glob
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// The address as a source knows it: http or https, without a place within the page, without what
/// merely tracks visitors. `None` for what is no address of a page.
pub(super) fn normal(mut url: Url) -> Option<Url> {
    let web = matches!(url.scheme(), "http" | "https") && url.host().is_some();
    if !web || !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    url.set_fragment(None);
    if let Some(query) = url.query() {
        let kept: Vec<&str> = query
            .split('&')
            .filter(|pair| {
                let name = pair.split('=').next().unwrap_or_default();
                !pair.is_empty() && !name.starts_with("utm_") && !TRACKING.contains(&name)
            })
            .collect();
        let kept = kept.join("&");
        url.set_query(Some(kept.as_str()).filter(|query| !query.is_empty()));
    }
    (url.as_str().len() <= MAX_ADDRESS).then_some(url)
}

/// The address that `link` on the page at `base` leads to.
pub(super) fn resolved(base: &Url, link: &str) -> Option<Url> {
    base.join(link.trim()).ok().and_then(normal)
}

fn extension(url: &Url) -> Option<String> {
    let name = url.path_segments()?.next_back()?;
    let (stem, extension) = name.rsplit_once('.')?;
    (!stem.is_empty()).then(|| extension.to_ascii_lowercase())
}

/// Whether the path looks like one that grows with every link that is followed.
fn is_endless(url: &Url) -> bool {
    let segments: Vec<&str> = match url.path_segments() {
        Some(segments) => segments.filter(|segment| !segment.is_empty()).collect(),
        None => return false,
    };
    let repeated = |segment: &&str| {
        let same = segments.iter().filter(|other| *other == segment);
        same.count() > MAX_REPETITIONS
    };
    segments.len() > MAX_SEGMENTS || segments.iter().any(repeated)
}

#[cfg(test)]
mod tests;
