//! Places between which a process may be killed, by name: a test that kills the server at each of them
//! shows that nothing accepted gets lost, stuck or doubled wherever it dies.
//!
//! The code that gets there calls [`pass`]. In a release build that is nothing at all; in a development
//! build the process ends there, as if it had been killed, where the file that the environment names
//! asks for it.

/// Makes the enum of points, the list of them, and their names.
macro_rules! points {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// Where a process may be killed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Point {
            $($(#[$doc])* $variant,)*
        }

        impl Point {
            /// Every point.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name in the file that arms it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

points! {
    /// An upload's bytes are stored, and no item names them.
    UploadStored = "upload-stored",
    /// An upload's items and jobs are stored, and nobody was told.
    UploadAdded = "upload-added",
    /// An item's job is leased and its item marked, and nothing was read.
    ExtractBegun = "extract-begun",
    /// A document, an item's or a page's, was read, and no passage of it has a vector.
    Extracted = "extracted",
    /// A batch of an item's passages has vectors, which nothing keeps yet.
    Embedded = "embedded",
    /// A document's text is a blob that nothing names yet.
    TextKept = "text-kept",
    /// An item's chunks are swapped in a transaction that is open.
    IngestOpen = "ingest-open",
    /// The same is committed.
    IngestDone = "ingest-done",
    /// A job has begun to bring a chatbot to another embedder.
    ReembedBegun = "reembed-begun",
    /// A batch of passages has its new vectors, which nothing keeps yet.
    ReembedMade = "reembed-made",
    /// The same are kept beside the old ones.
    ReembedKept = "reembed-kept",
    /// All vectors are swapped in a transaction that is open.
    SwitchOpen = "switch-open",
    /// The same is committed.
    SwitchDone = "switch-done",
    /// A sync has begun, and no page was taken.
    CrawlBegun = "crawl-begun",
    /// A page is taken, and was not asked for.
    CrawlTaken = "crawl-taken",
    /// A page has answered, and was not judged.
    CrawlAnswered = "crawl-answered",
    /// What a page came to is written in a transaction that is open.
    VisitOpen = "visit-open",
    /// The same is committed.
    VisitDone = "visit-done",
    /// All pages were asked for, and the sync goes on.
    CrawlOver = "crawl-over",
    /// The sync's end is written in a transaction that is open.
    CrawlEndOpen = "crawl-end-open",
    /// The same is committed.
    CrawlEnded = "crawl-ended",
}

/// The environment variable that names the file in which a test arms a point: its name, and how often
/// it is passed unharmed before. A file rather than the wish itself, so that a running server can be
/// told.
pub const VARIABLE: &str = "OKRA_TEST_CRASH";

/// Goes on, or ends the process where a test armed this point.
#[inline]
pub fn pass(point: Point) {
    #[cfg(debug_assertions)]
    armed::pass(point);
    #[cfg(not(debug_assertions))]
    let _ = point;
}

#[cfg(debug_assertions)]
mod armed {
    use std::path::PathBuf;
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::{Point, VARIABLE};

    static FILE: LazyLock<Option<PathBuf>> =
        LazyLock::new(|| std::env::var_os(VARIABLE).map(PathBuf::from));
    /// How often the armed point was passed. A process dies of one point, so one count is enough.
    static PASSED: AtomicUsize = AtomicUsize::new(0);

    pub(super) fn pass(point: Point) {
        let Some(file) = &*FILE else {
            return;
        };
        // No file, no wish.
        let wish = std::fs::read_to_string(file).unwrap_or_default();
        let mut words = wish.split_whitespace();
        if words.next() != Some(point.name()) {
            return;
        }
        let unharmed = words.next().and_then(|count| count.parse().ok());
        if PASSED.fetch_add(1, Ordering::SeqCst) == unharmed.unwrap_or(0) {
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_point_has_a_name_of_its_own_and_none_ends_a_process_unasked() {
        for (place, point) in Point::ALL.iter().enumerate() {
            let mut others = Point::ALL[..place].iter();
            assert!(others.all(|other| other.name() != point.name()));
            pass(*point);
        }
    }
}
