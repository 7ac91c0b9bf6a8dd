//! YAML to records, as JSON is read, from the parser's events; [`value`] gives it whole.
//!
//! Values stay as they are written (`1.10` is no number to us), and an alias gives the text of a value,
//! never of a whole tree: so a file of aliases of aliases is as small as it looks.

pub(crate) mod value;

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError};

use crate::decode::decode;
use crate::tree::{ShortValues, TreeWriter};
use crate::{Document, ExtractError, Limits, guard};

/// Values that are remembered for aliases, and how long one may be in bytes.
const MAX_ANCHORS: usize = 10_000;
const MAX_ANCHOR_BYTES: usize = 10_000;

/// Events between two looks at the clock.
const EVENTS_PER_DEADLINE_CHECK: usize = 4096;

/// Reads a YAML file of one or several documents.
pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Result<Document, ExtractError> {
    let text = decode(bytes)?;
    let limits_there = limits.clone();
    guard::run(limits, move |_| read_guarded(&text, &limits_there))
}

fn read_guarded(text: &str, limits: &Limits) -> Result<Document, ExtractError> {
    let mut reader = Reader {
        writer: TreeWriter::new(limits),
        open: Vec::new(),
        anchors: HashMap::new(),
        limits,
    };
    for (count, event) in Parser::new_from_str(text).enumerate() {
        if count.is_multiple_of(EVENTS_PER_DEADLINE_CHECK) {
            limits.check_deadline()?;
        }
        let (event, _) = event.map_err(|error| reason(&error))?;
        reader.event(event)?;
    }
    reader.writer.finish()
}

fn reason(error: &ScanError) -> ExtractError {
    let place = error.marker();
    ExtractError::damaged(format!(
        "it is not valid YAML (line {}, column {}: {})",
        place.line(),
        place.col() + 1,
        error.info()
    ))
}

struct Reader<'l> {
    writer: TreeWriter<'l>,
    open: Vec<Open>,
    anchors: HashMap<usize, String>,
    limits: &'l Limits,
}

/// A collection that is open.
enum Open {
    /// A mapping; whether its next event is a value, and the keys outside the record that it is.
    Mapping {
        is_keyed: bool,
        record: Option<Vec<String>>,
    },
    Sequence(ShortValues),
    /// A collection that is a key itself, which nothing is made of.
    Key,
}

impl Reader<'_> {
    fn event(&mut self, event: Event<'_>) -> Result<(), ExtractError> {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                if anchor > 0 && self.anchors.len() < MAX_ANCHORS && text.len() <= MAX_ANCHOR_BYTES
                {
                    self.anchors.insert(anchor, text.clone().into_owned());
                }
                let is_nothing = style == ScalarStyle::Plain && matches!(&*text, "~" | "null");
                self.scalar(if is_nothing { Cow::Borrowed("") } else { text })
            }
            Event::Alias(anchor) => {
                let text = self.anchors.get(&anchor).cloned().unwrap_or_default();
                self.scalar(Cow::Owned(text))
            }
            Event::MappingStart(..) => self.open(true),
            Event::SequenceStart(..) => self.open(false),
            Event::MappingEnd | Event::SequenceEnd => self.close(),
            Event::DocumentEnd => self.writer.end_record(),
            _ => Ok(()),
        }
    }

    fn scalar(&mut self, text: Cow<'_, str>) -> Result<(), ExtractError> {
        match self.open.last_mut() {
            None => self.writer.value(&text),
            Some(Open::Key) => Ok(()),
            Some(Open::Sequence(values)) => match values.add(text.into_owned()) {
                Some(line) => self.writer.value(&line),
                None => Ok(()),
            },
            Some(Open::Mapping { is_keyed, .. }) => {
                *is_keyed = !*is_keyed;
                if *is_keyed {
                    self.writer.key(text.into_owned());
                    return Ok(());
                }
                self.writer.value(&text)?;
                self.writer.end_key();
                Ok(())
            }
        }
    }

    fn open(&mut self, is_mapping: bool) -> Result<(), ExtractError> {
        if self.open.len() >= self.limits.max_depth {
            return Err(ExtractError::TooDeep(self.limits.max_depth));
        }
        let is_key = matches!(
            self.open.last(),
            Some(
                Open::Key
                    | Open::Mapping {
                        is_keyed: false,
                        ..
                    }
            )
        );
        let open = if is_key {
            Open::Key
        } else if is_mapping {
            let is_in_list = matches!(self.open.last(), Some(Open::Sequence(_)));
            let record = is_in_list.then(|| self.writer.open_record()).transpose()?;
            Open::Mapping {
                is_keyed: false,
                record,
            }
        } else {
            Open::Sequence(ShortValues::default())
        };
        self.open.push(open);
        Ok(())
    }

    fn close(&mut self) -> Result<(), ExtractError> {
        match self.open.pop() {
            Some(Open::Mapping {
                record: Some(outer),
                ..
            }) => self.writer.close_record(outer)?,
            Some(Open::Sequence(mut values)) => self.writer.value(&values.take())?,
            _ => {}
        }
        // A collection that was a value ends its key; one that was a key has become one.
        if let Some(Open::Mapping { is_keyed, .. }) = self.open.last_mut() {
            *is_keyed = !*is_keyed;
            if *is_keyed {
                self.writer.key(String::new());
            } else {
                self.writer.end_key();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(yaml: &str, expected: &[&str]) {
        let document = read(yaml.as_bytes(), &Limits::default()).expect("readable");
        let texts = document.blocks.iter().map(|block| block.text.as_str());
        assert_eq!(texts.collect::<Vec<_>>(), expected);
    }

    #[track_caller]
    fn check_reason(yaml: &str, reason: &str) {
        let error = read(yaml.as_bytes(), &Limits::default()).expect_err("not readable");
        assert!(error.to_string().contains(reason), "{error}");
    }

    #[test]
    fn mappings_become_records() {
        check(
            "shop:\n  name: Okra\n  version: 1.10\n  open: ~\n  days: [Mon, Tue]\n\
             parts:\n  - number: FK-10\n    price: 6.50\n  - number: FK-11\n    note: |\n      Fine.\n      Small.\n",
            &[
                "shop.name: Okra\nshop.version: 1.10\nshop.days: Mon, Tue",
                "parts.number: FK-10\nparts.price: 6.50",
                "parts.number: FK-11\nparts.note: Fine.\nSmall.",
            ],
        );
        check("a: 1\n---\na: 2\n", &["a: 1", "a: 2"]);
        check("? [x, y]\n: z\nb: c\n", &[": z\nb: c"]);
        check("just text\n", &["just text"]);
        check("- one\n- two\n", &["one, two"]);
    }

    #[test]
    fn aliases_give_values_and_no_trees() {
        check("a: &x 반품\nb: *x\n", &["a: 반품\nb: 반품"]);
        let mut bomb = String::from("a0: &a0 [lol, lol]\n");
        for level in 1..40 {
            let inner = format!("*a{}, ", level - 1).repeat(9);
            bomb.push_str(&format!("a{level}: &a{level} [{inner}]\n"));
        }
        check(&bomb, &["a0: lol, lol"]);
    }

    #[test]
    fn broken_yaml_says_where() {
        check_reason("a: [1, 2", "not valid YAML (line");
        check_reason("a: b: c", "not valid YAML (line 1");
        check_reason(&"[".repeat(100_000), "");
        check_reason(&"- ".repeat(5_000), "nested too deeply");
    }
}
