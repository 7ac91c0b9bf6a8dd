//! Speed and memory of the index on made-up passages whose words are spread as in real text.
//!
//! `cargo run --release -p okra-search --example bench [passages…]`, 10,000 and 100,000 by default.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::time::{Duration, Instant};

use okra_search::{Change, Document, Fusion, Index, QuantizedVector, Query, Stamp};
use uuid::Uuid;

const DIMENSIONS: usize = 256;
const PASSAGE_CHARACTERS: usize = 1_000;
const PASSAGES_PER_ITEM: usize = 20;
const QUESTIONS: usize = 200;

fn main() {
    let sizes: Vec<usize> = std::env::args()
        .skip(1)
        .filter_map(|size| size.parse().ok())
        .collect();
    let sizes = if sizes.is_empty() {
        vec![10_000, 100_000]
    } else {
        sizes
    };
    println!(
        "language  passages  build docs/s  MB/s  bytes each  lexical p50 p99 ms  hybrid p50 p99 ms  update ms"
    );
    for size in sizes {
        for language in [Language::English, Language::Korean] {
            measure(language, size);
        }
    }
}

fn measure(language: Language, size: usize) {
    let mut random = Random(42);
    let vocabulary = Vocabulary::new(language, &mut random);
    let changes: Vec<Change> = (0..size / PASSAGES_PER_ITEM)
        .map(|item| change(item, &vocabulary, &mut random))
        .collect();
    let bytes: usize = changes
        .iter()
        .flat_map(|change| &change.documents)
        .map(|document| document.text.len())
        .sum();
    let mut index = Index::new();
    let started = Instant::now();
    index.apply(changes);
    let built = started.elapsed().as_secs_f64();
    if let Some(folder) = std::env::var_os("OKRA_BENCH_FOLDER") {
        index = in_folder(&index, folder.as_ref());
    }
    let lexical = latencies(&index, &vocabulary, &mut Random(7), Fusion::lexical_only());
    let hybrid = latencies(
        &index,
        &vocabulary,
        &mut Random(7),
        Fusion::static_english(),
    );
    let update = updates(&mut index, &vocabulary, &mut random);
    println!(
        "{:8}  {size:8}  {:12.0}  {:4.1}  {:10}  {:10.2} {:7.2}  {:9.2} {:7.2}  {:9.2}",
        format!("{language:?}"),
        index.len() as f64 / built,
        bytes as f64 / 1e6 / built,
        index.memory_bytes() / index.len(),
        lexical[0],
        lexical[1],
        hybrid[0],
        hybrid[1],
        update,
    );
}

/// The index with its postings in files, after a round through the folder.
fn in_folder(index: &Index, folder: &std::path::Path) -> Index {
    let owner = Uuid::nil();
    let stamp = Stamp {
        owner,
        version: 1,
        space: String::new(),
    };
    let started = Instant::now();
    let tended = index.tended(Some(folder)).expect("a folder to write");
    tended.save(folder, &stamp).expect("a folder to write");
    let saved = started.elapsed();
    let started = Instant::now();
    let (opened, _) = Index::open(folder, owner)
        .expect("readable")
        .expect("saved");
    println!(
        "saved in {saved:?}, opened in {:?}, {} bytes each in files",
        started.elapsed(),
        opened.file_bytes() / opened.len() as u64
    );
    opened
}

/// The median and the 99th percentile of a search, in milliseconds.
fn latencies(
    index: &Index,
    vocabulary: &Vocabulary,
    random: &mut Random,
    fusion: Fusion,
) -> [f64; 2] {
    let mut taken: Vec<Duration> = (0..QUESTIONS)
        .map(|_| {
            let text = vocabulary.text(60, random);
            let vector = random.vector();
            let query = Query {
                text: &text,
                vector: (fusion != Fusion::lexical_only()).then_some(vector.as_slice()),
                fusion,
            };
            let started = Instant::now();
            let found = index.search(&query, 10);
            std::hint::black_box(found.expect("an index in memory"));
            started.elapsed()
        })
        .collect();
    taken.sort_unstable();
    [taken[QUESTIONS / 2], taken[QUESTIONS * 99 / 100]].map(|taken| taken.as_secs_f64() * 1e3)
}

/// Milliseconds to replace one item, merges included, over a hundred replacements.
fn updates(index: &mut Index, vocabulary: &Vocabulary, random: &mut Random) -> f64 {
    let changes: Vec<Change> = (0..100)
        .map(|item| change(item, vocabulary, random))
        .collect();
    let started = Instant::now();
    for change in changes {
        index.apply(vec![change]);
    }
    started.elapsed().as_secs_f64() * 1e3 / 100.0
}

fn change(item: usize, vocabulary: &Vocabulary, random: &mut Random) -> Change {
    Change {
        item: Uuid::from_u128(item as u128),
        documents: (0..PASSAGES_PER_ITEM as u32)
            .map(|ordinal| Document {
                ordinal,
                title: vocabulary.text(30, random),
                text: vocabulary.text(PASSAGE_CHARACTERS, random),
                vector: Some(QuantizedVector::from_f32(&random.vector())),
            })
            .collect(),
    }
}

#[derive(Debug, Clone, Copy)]
enum Language {
    English,
    Korean,
}

/// Words in order of frequency, drawn by Zipf's law.
struct Vocabulary {
    words: Vec<String>,
    endings: &'static [&'static str],
}

impl Vocabulary {
    fn new(language: Language, random: &mut Random) -> Self {
        match language {
            Language::English => Self::english(random),
            Language::Korean => Self::korean(random),
        }
    }

    fn english(random: &mut Random) -> Self {
        let first = "the of and to in a is that for it as was with be by on not he his but at are this have";
        let onsets = [
            "b", "c", "d", "f", "g", "h", "l", "m", "n", "p", "r", "s", "t", "st", "tr", "pr",
            "ch", "sh", "pl", "",
        ];
        let nuclei = ["a", "e", "i", "o", "u", "ea", "io", "ou", "ai"];
        let codas = ["", "", "n", "r", "s", "t", "l", "m", "nd", "st", "ck"];
        let mut words: Vec<String> = first.split(' ').map(str::to_owned).collect();
        while words.len() < 60_000 {
            let syllables = 1 + random.below(2) + words.len().ilog2() as usize / 8;
            words.push(
                (0..syllables)
                    .map(|_| {
                        [
                            random.pick(&onsets),
                            random.pick(&nuclei),
                            random.pick(&codas),
                        ]
                        .concat()
                    })
                    .collect(),
            );
        }
        Self {
            words,
            endings: &["", "", "", "", "s", "ed", "ing", "tion", "ly", "er"],
        }
    }

    fn korean(random: &mut Random) -> Self {
        let mut words: Vec<String> = "이 그 수 것 등 더 및 한 할 때"
            .split(' ')
            .map(str::to_owned)
            .collect();
        while words.len() < 60_000 {
            let syllables = 2 + random.below(2);
            // Syllables are as uneven as words: squaring favours the first of some 900 in use.
            let syllable = |random: &mut Random| {
                let uneven = random.fraction().powi(2) * 900.0;
                char::from_u32(0xac00 + uneven as u32 * 12).unwrap_or('가')
            };
            words.push((0..syllables).map(|_| syllable(random)).collect());
        }
        Self {
            words,
            endings: &[
                "",
                "은",
                "는",
                "이",
                "가",
                "을",
                "를",
                "에서",
                "으로",
                "의",
                "합니다",
                "하는",
                "했습니다",
            ],
        }
    }

    fn text(&self, characters: usize, random: &mut Random) -> String {
        let mut text = String::new();
        let mut length = 0;
        while length < characters {
            let rank = (self.words.len() as f64).powf(random.fraction()) as usize - 1;
            let word = &self.words[rank];
            let ending = if rank < 24 {
                ""
            } else {
                random.pick(self.endings)
            };
            length += word.chars().count() + ending.chars().count() + 1;
            text.push_str(word);
            text.push_str(ending);
            text.push(' ');
        }
        text
    }
}

/// SplitMix64: the same passages in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// At least 0, less than 1.
    fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, end: usize) -> usize {
        (self.fraction() * end as f64) as usize
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    fn vector(&mut self) -> Vec<f32> {
        (0..DIMENSIONS)
            .map(|_| self.fraction() as f32 - 0.5)
            .collect()
    }
}
