//! Subtitles (WebVTT and SubRip) to paragraphs: what is said, without times and styles.
//!
//! Cues are parts of sentences, so they are joined; a pause, another speaker or enough text begins a
//! new paragraph.

use crate::decode::decode;
use crate::sink::{BlockSink, one_line};
use crate::{BlockKind, Document, ExtractError, Limits};

/// Seconds without words after which a new paragraph begins.
const PAUSE_SECONDS: f64 = 4.0;

/// Characters of a paragraph after which the next full stop ends it.
const LONG_CHARS: usize = 600;

/// Reads a WebVTT or SubRip file.
pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Result<Document, ExtractError> {
    let text = decode(bytes)?.replace("\r\n", "\n").replace('\r', "\n");
    let mut sink = BlockSink::new(limits);
    let mut paragraph = Paragraph::default();
    let mut has_cues = false;
    for block in text.split("\n\n") {
        let mut lines = block.lines().skip_while(|line| !line.contains("-->"));
        let Some((from, to)) = lines.next().and_then(times) else {
            // The head, notes, styles, and numbers that a blank line cut off.
            continue;
        };
        has_cues = true;
        for line in lines {
            paragraph.add(line, from, &mut sink)?;
        }
        paragraph.until = to;
    }
    paragraph.end(&mut sink)?;
    if !has_cues {
        return Err(ExtractError::damaged("it holds no subtitles with times"));
    }
    Ok(sink.finish())
}

#[derive(Default)]
struct Paragraph {
    speaker: Option<String>,
    text: String,
    /// When its last words end, in seconds.
    until: f64,
}

impl Paragraph {
    fn add(&mut self, line: &str, from: f64, sink: &mut BlockSink<'_>) -> Result<(), ExtractError> {
        let (speaker, line) = spoken(line);
        let line = one_line(&line);
        if line.is_empty() || self.text.ends_with(&line) {
            // Subtitles that roll up repeat each line.
            return Ok(());
        }
        let other_speaker = speaker.is_some() && speaker != self.speaker;
        let is_long = self.text.chars().count() > LONG_CHARS
            && self.text.ends_with(['.', '?', '!', '。', '？', '！']);
        if other_speaker || is_long || from - self.until > PAUSE_SECONDS {
            self.end(sink)?;
        }
        if self.text.is_empty() {
            if other_speaker {
                self.speaker = speaker;
            }
            if let Some(speaker) = &self.speaker {
                self.text = format!("{speaker}: ");
            }
        } else {
            self.text.push(' ');
        }
        self.text.push_str(&line);
        self.until = from;
        Ok(())
    }

    fn end(&mut self, sink: &mut BlockSink<'_>) -> Result<(), ExtractError> {
        sink.push(BlockKind::Paragraph, &std::mem::take(&mut self.text))
    }
}

/// Both ends of a cue in seconds.
fn times(line: &str) -> Option<(f64, f64)> {
    let (from, to) = line.split_once("-->")?;
    Some((seconds(from)?, seconds(to.split_whitespace().next()?)?))
}

/// `01:02:03.456`, with a comma in SubRip, and without hours in WebVTT.
fn seconds(time: &str) -> Option<f64> {
    let time = time.trim().replace(',', ".");
    time.split(':').try_fold(0.0, |sum, part| {
        let part: f64 = part.parse().ok()?;
        Some(sum * 60.0 + part)
    })
}

/// The speaker that `<v Name>` names, and the line without tags and entities.
fn spoken(line: &str) -> (Option<String>, String) {
    let mut speaker = None;
    let mut text = String::new();
    let mut rest = line;
    while let Some(start) = rest.find('<') {
        let (before, tag) = rest.split_at(start);
        text.push_str(before);
        let Some(end) = tag.find('>') else {
            rest = tag;
            break;
        };
        if let Some(voice) = tag[1..end]
            .strip_prefix('v')
            .filter(|v| v.starts_with([' ', '.']))
        {
            let name = voice.split_once(' ').map_or("", |(_, name)| name);
            speaker = Some(one_line(name)).filter(|name| !name.is_empty());
        }
        rest = &tag[end + 1..];
    }
    text.push_str(rest);
    for (entity, meaning) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&nbsp;", " "),
        ("&amp;", "&"),
    ] {
        text = text.replace(entity, meaning);
    }
    // SubRip's remains of another format: {\an8}.
    if text.starts_with("{\\")
        && let Some(end) = text.find('}')
    {
        text.drain(..=end);
    }
    (speaker, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let document = read(text.as_bytes(), &Limits::default()).expect("readable");
        let texts = document.blocks.iter().map(|block| block.text.as_str());
        assert_eq!(texts.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn cues_become_sentences() {
        check(
            "1\r\n00:00:01,000 --> 00:00:02,500\r\n{\\an8}<i>You can return</i>\r\nthe machine\r\n\r\n\
             2\r\n00:00:02,600 --> 00:00:04,000\r\nwithin 30 days.\r\n\r\n\
             3\r\n00:00:20,000 --> 00:00:21,000\r\nNow the cleaning.\r\n",
            &[
                "You can return the machine within 30 days.",
                "Now the cleaning.",
            ],
        );
    }

    #[test]
    fn speakers_stand_before_what_they_say() {
        check(
            "WEBVTT - Support\n\nSTYLE\n::cue { color: red }\n\nNOTE not read\n\nintro\n\
             00:01.000 --> 00:02.000 align:start\n<v Kim>How long &amp; where?\n\n\
             00:02.000 --> 00:03.000\n<v Kim>At home?\n\n\
             00:03.000 --> 00:04.000\n<v.loud Lee>Thirty days.</v>\n",
            &["Kim: How long & where? At home?", "Lee: Thirty days."],
        );
    }

    #[test]
    fn rolling_lines_are_said_once() {
        check(
            "00:01.000 --> 00:02.000\n보증 기간은\n\n00:02.000 --> 00:03.000\n보증 기간은\n2년입니다.\n",
            &["보증 기간은 2년입니다."],
        );
    }

    #[test]
    fn other_text_is_refused() {
        let outcome = read(b"just text", &Limits::default());
        assert!(matches!(outcome, Err(ExtractError::Damaged(_))));
    }
}
