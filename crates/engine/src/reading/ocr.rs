//! Text in pictures, read by the program `tesseract` where it is installed. It is started by the process
//! that reads the document, whose limits it inherits, and is ended with it.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use okra_extract::{ExtractError, Ocr};

/// What is looked for on the path.
const PROGRAM: &str = "tesseract";

/// Languages that are read where none are named and their data is installed.
const USUAL: &[&str] = &["eng", "kor"];

/// Data that finds out how a page is turned, and is no language.
const ORIENTATION: &str = "osd";

/// Bytes of text in one picture at most.
const MAX_TEXT_BYTES: u64 = 8 << 20;

/// A reader of pictures that looks for the program when the first picture comes.
pub(super) fn reader(languages: &[String]) -> Ocr {
    let wanted = languages.to_vec();
    let found = OnceLock::new();
    Ocr::new(move |picture| {
        let found = found.get_or_init(|| Tesseract::find(&wanted));
        found.as_ref().map_err(Clone::clone)?.read(picture)
    })
}

/// The languages in which text in pictures is read: of those named the ones whose data is installed,
/// or English and Korean where none are named.
///
/// # Errors
/// `NoOcr` where the program isn't installed, `NoOcrLanguage` where none of the languages is.
pub fn languages(wanted: &[String]) -> Result<Vec<String>, ExtractError> {
    Ok(Tesseract::find(wanted)?.languages)
}

/// The program as it is installed.
struct Tesseract {
    languages: Vec<String>,
    /// How it is to look at a page: with its orientation, where it has data for that.
    segmentation: &'static str,
}

impl Tesseract {
    fn find(wanted: &[String]) -> Result<Self, ExtractError> {
        let output = Command::new(PROGRAM).arg("--list-langs").output();
        let output = output.map_err(|_| ExtractError::NoOcr)?;
        // Older versions write the list to standard error.
        let list = [output.stdout, output.stderr].concat();
        let list = String::from_utf8_lossy(&list);
        let installed: Vec<&str> = list
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.contains([' ', ':']))
            .collect();
        let usual = USUAL.iter().map(|language| (*language).to_owned());
        let mut languages = match wanted {
            [] => usual.collect(),
            named => named.to_vec(),
        };
        let names = languages.join(", ");
        languages.retain(|language| installed.contains(&language.as_str()));
        if languages.is_empty() {
            return Err(ExtractError::NoOcrLanguage(names));
        }
        let turned = installed.contains(&ORIENTATION);
        Ok(Self {
            languages,
            segmentation: if turned { "1" } else { "3" },
        })
    }

    fn read(&self, picture: &[u8]) -> Result<String, ExtractError> {
        let child = Command::new(PROGRAM)
            .args(["stdin", "stdout", "-l", &self.languages.join("+")])
            .args(["--psm", self.segmentation])
            // Else it puts spaces between the syllables of Korean, and none between a table's columns.
            .args(["-c", "preserve_interword_spaces=1"])
            // One document takes one processor, as all readers do.
            .env("OMP_THREAD_LIMIT", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut child = child.map_err(|_| ExtractError::NoOcr)?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let mut text = Vec::new();
        std::thread::scope(|scope| {
            // One that refuses the picture doesn't read it to its end; its status tells.
            scope.spawn(move || stdin.and_then(|mut stdin| stdin.write_all(picture).ok()));
            stdout.and_then(|out| out.take(MAX_TEXT_BYTES).read_to_end(&mut text).ok())
        });
        let status = child.wait();
        if !status.is_ok_and(|status| status.success()) {
            let why = "a picture in it could not be understood";
            return Err(ExtractError::Damaged(why.to_owned()));
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}
