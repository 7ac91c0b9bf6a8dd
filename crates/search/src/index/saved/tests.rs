//! An index goes to a folder and comes back the same; nothing else in a folder is taken for one.

use std::fs::File;
use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::index::tests::{ask, change, fresh};
use crate::{Change, QuantizedVector};

const OWNER: Uuid = Uuid::from_u128(7);
const QUESTIONS: [&str; 4] = ["order refund", "the shop", "배송 환불은", "number 12"];

fn stamp() -> Stamp {
    Stamp {
        owner: OWNER,
        version: 42,
        space: "static".to_owned(),
    }
}

fn changes(items: std::ops::Range<u128>) -> Vec<Change> {
    let text = |number: u128| format!("the order number {number} 배송은 {}", number % 9);
    let with_vector = |number: u128| {
        let mut change = change(number, &[text(number).as_str(), "refund of the shop"]);
        change.documents[0].vector = Some(QuantizedVector::from_f32(&[number as f32, 1.0]));
        change
    };
    items.map(with_vector).collect()
}

/// An index of several segments, bitmaps and dead documents, saved.
fn saved() -> (TempDir, Index) {
    let folder = tempfile::tempdir().unwrap();
    let mut index = fresh(&changes(0..3000));
    index = index.tended(Some(folder.path())).unwrap();
    index.apply(changes(2900..3100));
    index.apply(vec![change(1, &[]), change(2, &["환불은 order"])]);
    index = index.tended(Some(folder.path())).unwrap();
    index.save(folder.path(), &stamp()).unwrap();
    (folder, index)
}

fn same_answers(a: &Index, b: &Index) {
    assert_eq!(a.len(), b.len());
    for text in QUESTIONS {
        assert_eq!(ask(a, text), ask(b, text), "{text}");
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn an_index_comes_back_as_it_was() {
    let (folder, index) = saved();
    assert!(index.parts.len() > 1 && index.parts.iter().any(|part| part.dead.is_some()));
    let (opened, found) = Index::open(folder.path(), OWNER).unwrap().unwrap();
    assert_eq!(found, stamp());
    same_answers(&opened, &index);
    assert!(opened.memory_bytes() < fresh(&changes(0..3100)).memory_bytes());
    assert!(opened.file_bytes() > 0);
    // It goes on as any other.
    let (mut opened, mut index) = (opened, index);
    for index in [&mut opened, &mut index] {
        index.apply(changes(3050..3200));
    }
    same_answers(&opened, &index);
    same_answers(&opened.tended(Some(folder.path())).unwrap(), &index);
    same_answers(&opened.tended(None).unwrap(), &index);
    assert!(
        Index::open(&folder.path().join("none"), OWNER)
            .unwrap()
            .is_none()
    );
}

#[test]
fn an_index_in_memory_is_not_saved() {
    let folder = tempfile::tempdir().unwrap();
    let index = fresh(&changes(0..3));
    assert!(index.save(folder.path(), &stamp()).is_err());
    assert!(Index::open(folder.path(), OWNER).unwrap().is_none());
}

#[test]
fn what_is_torn_changed_or_foreign_is_no_index() {
    let (folder, _) = saved();
    assert!(Index::open(folder.path(), Uuid::nil()).is_err());
    for file in files(folder.path()) {
        let bytes = fs::read(&file).unwrap();
        let refused = |changed: &[u8]| {
            fs::write(&file, changed).unwrap();
            assert!(
                Index::open(folder.path(), OWNER).is_err(),
                "{}",
                file.display()
            );
        };
        for at in (0..bytes.len()).step_by(bytes.len() / 60 + 1) {
            refused(&bytes[..at]);
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x10;
            refused(&flipped);
        }
        refused(&[&bytes[..], b"more"].concat());
        let mut older = bytes.clone();
        older[8] ^= 1;
        refused(&older);
        fs::write(&file, &bytes).unwrap();
    }
    let segment = files(folder.path())
        .into_iter()
        .find(|it| it.extension().is_some());
    fs::remove_file(segment.unwrap()).unwrap();
    assert!(Index::open(folder.path(), OWNER).is_err());
}

#[test]
fn a_file_that_fails_later_fails_the_search() {
    let (folder, _) = saved();
    let (opened, _) = Index::open(folder.path(), OWNER).unwrap().unwrap();
    for file in files(folder.path()) {
        File::options()
            .write(true)
            .open(file)
            .unwrap()
            .set_len(64)
            .unwrap();
    }
    let query = crate::Query {
        text: "order",
        vector: None,
        fusion: crate::Fusion::lexical_only(),
    };
    assert!(opened.search(&query, 3).is_err());
}

/// Where the segment's own checksums are right again after a byte was changed.
fn mended(bytes: &mut [u8]) {
    const HEADER: usize = 48;
    let number = |bytes: &[u8], at: usize| Fields(&bytes[at..]).long() as usize;
    let postings = number(bytes, 20);
    let split = (HEADER + postings).min(bytes.len());
    let sums = [
        crc32fast::hash(&bytes[HEADER..split]),
        crc32fast::hash(&bytes[split..]),
    ];
    bytes[36..40].copy_from_slice(&sums[0].to_le_bytes());
    bytes[40..44].copy_from_slice(&sums[1].to_le_bytes());
    let sum = crc32fast::hash(&bytes[..44]);
    bytes[44..48].copy_from_slice(&sum.to_le_bytes());
}

fn forged() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_forged_segment_leads_astray(forged in forged(), near_head in any::<bool>()) {
        let folder = tempfile::tempdir().unwrap();
        let index = fresh(&changes(0..600)).tended(Some(folder.path())).unwrap();
        let file = files(folder.path()).remove(0);
        let name = index.parts[0].segment.file().unwrap().name();
        let mut bytes = fs::read(&file).unwrap();
        let postings = Fields(&bytes[20..]).long() as usize;
        for (at, byte) in forged {
            let from = if near_head { 48 + postings } else { 48 };
            let at = from + at.index(bytes.len() - from);
            bytes[at] = byte;
        }
        mended(&mut bytes);
        fs::write(&file, &bytes).unwrap();
        // It may be refused; if not, it may find anything but must not panic.
        let Ok(segment) = Segment::open(folder.path(), name) else { return Ok(()) };
        let mut index = Index { parts: vec![Part::new(Arc::new(segment), None)], shares: Arc::default() };
        for text in QUESTIONS {
            ask(&index, text);
        }
        index.apply(changes(3..9));
        for text in QUESTIONS {
            ask(&index, text);
        }
        ask(&index.tended(None).unwrap(), "order");
    }

    #[test]
    fn care_changes_no_answer(
        history in prop::collection::vec((0_u128..40, 1_u128..30, any::<bool>(), any::<bool>()), 1..12),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (mut cared, mut plain) = (Index::new(), Index::new());
        for (from, count, removes, in_files) in history {
            let step = match removes {
                true => (from..from + count).map(|number| change(number, &[])).collect(),
                false => changes(from..from + count),
            };
            // What changes while care is taken of an earlier state is kept.
            let base = cared.clone();
            let tended = base.tended(in_files.then_some(folder.path())).unwrap();
            cared.apply(step.clone());
            plain.apply(step);
            cared = cared.adopt(&base, &tended);
            same_answers(&cared, &plain);
        }
        let tended = cared.tended(Some(folder.path())).unwrap();
        tended.save(folder.path(), &stamp()).unwrap();
        same_answers(&Index::open(folder.path(), OWNER).unwrap().unwrap().0, &plain);
    }
}
