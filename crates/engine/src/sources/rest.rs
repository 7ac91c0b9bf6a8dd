//! What a sync's end means for each page: found, missed, replaced, retired. Pure.

use std::collections::{HashMap, HashSet};

use okra_domain::source::{KnowledgeSource, PageState, SourceKind};
use okra_store::sources::{PageNode, Resting};

/// Syncs in a row that miss a page before it is retired.
const PATIENCE: i64 = 2;

/// Judges the pages of a source whose sync has asked for all of them.
///
/// A page was missed where it is not there, leads to a page that was read or out of the source, or nothing
/// that is there names it any more; the last counts only where the first page and the lists could be read, since
/// otherwise nothing is known. A feed names but its latest pages, so there only absence counts.
pub(super) fn resting(source: &KnowledgeSource, pages: &[PageNode]) -> Resting {
    let by_number: HashMap<i64, &PageNode> = pages.iter().map(|page| (page.number, page)).collect();
    let known = pages.iter().filter(is_root).all(is_read);
    let judged = known && source.kind != SourceKind::Feed;
    let reached = reached(pages, &by_number);
    let mut resting = Resting::default();
    for page in pages {
        let end = end_of(page, &by_number);
        let replaced = end.is_some_and(|end| end.number != page.number);
        let missing = match page.state {
            PageState::Gone => true,
            // One that may not be read has no item any more; this one answers with something else of late.
            PageState::Excluded if page.has_item => true,
            PageState::Moved => replaced,
            _ => judged && !reached.contains(&page.number),
        };
        let missed = match (missing, page.state) {
            (true, _) => page.missed + 1,
            // Nothing was learnt of one that could not be read.
            (false, PageState::Failed) => page.missed,
            (false, _) => 0,
        };
        match (missed >= PATIENCE, page.state) {
            // What leads on is still known, lest it be found anew each time.
            (true, PageState::Moved | PageState::Excluded) if page.has_item => {
                resting.replaced.push(page.number);
            }
            (true, PageState::Moved) if !judged || reached.contains(&page.number) => {}
            (true, PageState::Removed) => {}
            (true, _) => {
                resting.retired.push(page.number);
                continue;
            }
            (false, PageState::Duplicate) if page.has_item && replaced => {
                resting.replaced.push(page.number);
            }
            (false, _) => {}
        }
        let missed = missed.min(PATIENCE);
        if missed != page.missed {
            resting.missed.push((page.number, missed));
        }
    }
    if source.kind == SourceKind::Feed {
        trim(source, pages, &reached, &mut resting);
    }
    resting
}

/// A feed's oldest pages make room for its newest.
fn trim(
    source: &KnowledgeSource,
    pages: &[PageNode],
    reached: &HashSet<i64>,
    resting: &mut Resting,
) {
    let kept: Vec<&PageNode> = pages
        .iter()
        .filter(|page| !page.is_list && !resting.retired.contains(&page.number))
        .collect();
    let most = usize::try_from(source.options.max_pages).unwrap_or(usize::MAX);
    let old = kept.iter().filter(|page| !reached.contains(&page.number));
    let surplus = kept.len().saturating_sub(most);
    resting
        .retired
        .extend(old.take(surplus).map(|page| page.number));
}

fn is_root(page: &&PageNode) -> bool {
    page.is_list || page.depth == 0
}

/// Whether what it names is known. One that is not there names nothing, which is known too.
fn is_read(page: &PageNode) -> bool {
    match page.is_list {
        true => page.state != PageState::Failed,
        false => matches!(
            page.state,
            PageState::Ready | PageState::Duplicate | PageState::Moved
        ),
    }
}

/// Every page that a list or the first page leads to.
fn reached(pages: &[PageNode], by_number: &HashMap<i64, &PageNode>) -> HashSet<i64> {
    let mut reached = HashSet::new();
    let mut next: Vec<i64> = pages
        .iter()
        .filter(is_root)
        .map(|page| page.number)
        .collect();
    while let Some(number) = next.pop() {
        let Some(page) = by_number.get(&number) else {
            continue;
        };
        if reached.insert(number) && page.state != PageState::Gone {
            next.extend(page.links.iter().copied());
            next.extend(page.twin);
        }
    }
    reached
}

/// The page that answers for this one, where one does.
fn end_of<'a>(page: &'a PageNode, by_number: &HashMap<i64, &'a PageNode>) -> Option<&'a PageNode> {
    let mut page = page;
    // No longer than any honest chain, so that one that bites its tail ends too.
    for _ in 0..10 {
        match page.state {
            PageState::Ready => return Some(page),
            PageState::Moved | PageState::Duplicate => page = by_number.get(&page.twin?)?,
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use okra_domain::source::{NewSource, SourceChange};
    use okra_domain::{ChatbotId, Timestamp};

    use super::*;

    fn source(kind: SourceKind) -> KnowledgeSource {
        let new = NewSource {
            kind,
            address: "https://example.com/".to_owned(),
            change: SourceChange {
                options: Some(serde_json::json!({"max_pages": 2})),
                ..SourceChange::default()
            },
        };
        KnowledgeSource::new(ChatbotId::new(), new, Timestamp(1)).expect("valid")
    }

    fn page(number: i64, state: PageState, links: &[i64]) -> PageNode {
        PageNode {
            number,
            is_list: false,
            state,
            depth: u32::from(number > 1),
            twin: None,
            missed: 0,
            has_item: state == PageState::Ready,
            links: links.to_vec(),
        }
    }

    #[test]
    fn a_page_that_nothing_names_goes_at_the_second_time() {
        let site = source(SourceKind::Site);
        let mut pages = vec![
            page(1, PageState::Ready, &[2]),
            page(2, PageState::Ready, &[]),
            page(3, PageState::Ready, &[4]),
            page(4, PageState::Ready, &[3]),
        ];
        let first = resting(&site, &pages);
        assert_eq!(first.missed, [(3, 1), (4, 1)]);
        assert!(first.retired.is_empty());
        pages[2].missed = 1;
        pages[3].missed = 1;
        assert_eq!(resting(&site, &pages).retired, [3, 4]);
        // Named again in time, it is as if nothing had been.
        pages[1].links = vec![3];
        let found = resting(&site, &pages);
        assert_eq!(
            (found.missed, found.retired),
            (vec![(3, 0), (4, 0)], vec![])
        );
    }

    #[test]
    fn without_its_first_page_nothing_is_known_of_what_it_named() {
        let site = source(SourceKind::Site);
        let mut pages = vec![
            page(1, PageState::Failed, &[]),
            page(2, PageState::Ready, &[]),
        ];
        pages[1].missed = 1;
        assert!(resting(&site, &pages).retired.is_empty());
        pages[0].state = PageState::Ready;
        assert_eq!(resting(&site, &pages).retired, [2]);
    }

    #[test]
    fn what_is_not_there_goes_even_where_it_is_named() {
        let site = source(SourceKind::Site);
        let mut pages = vec![
            page(1, PageState::Ready, &[2]),
            page(2, PageState::Gone, &[]),
        ];
        assert_eq!(resting(&site, &pages).missed, [(2, 1)]);
        pages[1].missed = 1;
        assert_eq!(resting(&site, &pages).retired, [2]);
    }

    #[test]
    fn what_leads_away_twice_loses_its_item_and_stays_known() {
        let site = source(SourceKind::Site);
        let mut pages = vec![
            page(1, PageState::Ready, &[2]),
            page(2, PageState::Excluded, &[]),
        ];
        assert_eq!(resting(&site, &pages), Resting::default());
        pages[1].has_item = true;
        let first = resting(&site, &pages);
        assert_eq!((first.missed, first.replaced), (vec![(2, 1)], vec![]));
        pages[1].missed = 1;
        let second = resting(&site, &pages);
        assert_eq!((second.replaced, second.retired), (vec![2], vec![]));
    }

    #[test]
    fn a_page_whose_place_is_taken_answers_until_the_other_does() {
        let site = source(SourceKind::Site);
        let mut pages = vec![
            page(1, PageState::Ready, &[2]),
            page(2, PageState::Duplicate, &[]),
            page(3, PageState::Failed, &[]),
        ];
        pages[1].twin = Some(3);
        pages[1].has_item = true;
        assert!(resting(&site, &pages).replaced.is_empty());
        pages[2].state = PageState::Ready;
        assert_eq!(resting(&site, &pages).replaced, [2]);
        // A redirect may be for a day: it has to be there twice.
        pages[1].state = PageState::Moved;
        let first = resting(&site, &pages);
        assert_eq!((first.missed, first.replaced), (vec![(2, 1)], vec![]));
        pages[1].missed = 1;
        let second = resting(&site, &pages);
        assert_eq!((second.replaced, second.retired), (vec![2], vec![]));
        // And where it leads in a circle, nothing answers for it.
        pages[2].state = PageState::Moved;
        pages[2].twin = Some(2);
        assert!(resting(&site, &pages).replaced.is_empty());
    }

    #[test]
    fn a_feed_keeps_what_it_no_longer_names_while_there_is_room() {
        let feed = source(SourceKind::Feed);
        let mut pages: Vec<PageNode> = (1..=4).map(|n| page(n, PageState::Ready, &[])).collect();
        pages[0] = PageNode {
            is_list: true,
            links: vec![4],
            depth: 0,
            ..page(1, PageState::Ready, &[])
        };
        let rest = resting(&feed, &pages);
        assert!(rest.missed.is_empty());
        assert_eq!(rest.retired, [2], "the oldest goes, the newest two stay");
    }
}
