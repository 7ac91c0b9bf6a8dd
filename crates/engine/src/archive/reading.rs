//! Opening an archive that may be broken or hostile: its directory is checked before anything is
//! unpacked, and nothing is unpacked beyond what the directory states.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use okra_domain::Error;
use okra_domain::error::Result;
use sha2::{Digest, Sha256};
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::format::{FORMAT, MANIFEST, Manifest, ManifestHead, SECTIONS, Section, VERSION};
use super::{MAX_ENTRIES, MAX_LINE_BYTES, MAX_MANIFEST_BYTES, MAX_UNPACKING, too_large, unusable};

/// An archive whose directory and manifest are sound.
pub(super) struct Archive {
    zip: ZipArchive<BufReader<File>>,
    pub(super) manifest: Manifest,
    /// What is left out, a sentence each.
    pub(super) notes: Vec<String>,
}

impl Archive {
    /// Opens an archive whose content may have [`MAX_UNPACKING`] times `max_bytes`.
    pub(super) fn open(mut file: File, max_bytes: u64) -> Result<Self> {
        let entries = stated_entries(&mut file)?;
        if entries > MAX_ENTRIES {
            let problem = format!("it has {entries} entries, and {MAX_ENTRIES} are read at most");
            return Err(too_large(problem));
        }
        let mut zip = ZipArchive::new(BufReader::new(file)).map_err(broken)?;
        check_directory(&mut zip, max_bytes.saturating_mul(MAX_UNPACKING))?;
        let text = read_whole(&mut zip, MANIFEST, MAX_MANIFEST_BYTES)?
            .ok_or_else(|| unusable("it has no manifest.json, so Okra did not make it"))?;
        let manifest = parse_manifest(&text)?;
        let notes = check_sections(&zip, &manifest)?;
        Ok(Self {
            zip,
            manifest,
            notes,
        })
    }

    /// The section of this name, where there is one.
    pub(super) fn section(&self, name: &str) -> Option<Section> {
        self.manifest.sections.get(name).cloned()
    }

    /// A small entry, whole; `None` where there is none.
    pub(super) fn whole(&mut self, path: &str, most: u64) -> Result<Option<Vec<u8>>> {
        read_whole(&mut self.zip, path, most)
    }

    /// An entry, as it is unpacked.
    pub(super) fn entry(&mut self, path: &str) -> Result<impl Read + '_> {
        let entry = self.zip.by_name(path).map_err(|error| match error {
            ZipError::FileNotFound => unusable(format!("{path} is missing")),
            error => broken(error),
        })?;
        Ok(Stated {
            left: entry.size(),
            inner: entry,
        })
    }

    /// The lines of a section.
    pub(super) fn lines(&mut self, section: &Section) -> Result<Lines<impl Read + '_>> {
        Ok(Lines {
            section: section.clone(),
            reader: BufReader::new(self.entry(&section.path)?),
            hasher: Sha256::new(),
            number: 0,
        })
    }
}

/// An entry of which no more is unpacked than its directory states.
struct Stated<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Stated<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "it unpacks to more than is stated",
            )
        })?;
        Ok(read)
    }
}

/// The lines of a section, whose number and hash are held to the manifest at the end.
pub(super) struct Lines<R> {
    section: Section,
    reader: BufReader<R>,
    hasher: Sha256,
    number: u64,
}

impl<R: Read> Lines<R> {
    /// The next line and its number; `None` after the last, once the whole proved to be as stated.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Vec<u8>)>> {
        let path = &self.section.path;
        let mut line = Vec::new();
        let mut limited = (&mut self.reader).take(MAX_LINE_BYTES + 1);
        let read = limited.read_until(b'\n', &mut line);
        let read = read.map_err(|error| unusable(format!("{path} is broken: {error}")))?;
        if read as u64 > MAX_LINE_BYTES {
            let megabytes = MAX_LINE_BYTES >> 20;
            let problem = format!("line {} of {path} has over {megabytes} MB", self.number + 1);
            return Err(too_large(problem));
        }
        if read == 0 {
            return self.end().map(|()| None);
        }
        self.hasher.update(&line);
        self.number += 1;
        Ok(Some((self.number, line)))
    }

    fn end(&mut self) -> Result<()> {
        let hash = hex::encode(std::mem::take(&mut self.hasher).finalize());
        let Section {
            path,
            entries,
            sha256,
        } = &self.section;
        if self.number != *entries {
            let problem = format!("{path} has {} lines, not {entries}", self.number);
            return Err(unusable(problem));
        }
        if sha256.as_ref() != Some(&hash) {
            return Err(unusable(format!(
                "{path} is not what the manifest says (its SHA-256 differs)"
            )));
        }
        Ok(())
    }
}

/// The number of entries that the end of the archive states: a directory that is made of nothing but
/// entries would take many times its size in memory.
fn stated_entries(file: &mut File) -> Result<u64> {
    const END: [u8; 4] = *b"PK\x05\x06";
    const END_64: [u8; 4] = *b"PK\x06\x06";
    const LOCATOR_64: [u8; 4] = *b"PK\x06\x07";
    let cut = || unusable("it is no zip archive, or ends too early");
    let failed =
        |error: io::Error| Error::internal("cannot read an archive that was received", error);
    let size = file.seek(SeekFrom::End(0)).map_err(failed)?;
    let mut at = |place: Option<u64>, length: usize| -> Result<Vec<u8>> {
        let place = place
            .filter(|place| place + length as u64 <= size)
            .ok_or_else(cut)?;
        let mut bytes = vec![0; length];
        file.seek(SeekFrom::Start(place)).map_err(failed)?;
        file.read_exact(&mut bytes).map_err(failed)?;
        Ok(bytes)
    };
    let end = at(size.checked_sub(22), 22)?;
    // Only an archive without a comment ends so, and Okra's have none: any other would have to be
    // searched for its end, which two readers may find in two places.
    if end[..4] != END || end[20..] != [0, 0] {
        return Err(cut());
    }
    let entries = u16::from_le_bytes([end[10], end[11]]);
    if entries != u16::MAX {
        return Ok(entries.into());
    }
    let locator = at(size.checked_sub(22 + 20), 20)?;
    if locator[..4] != LOCATOR_64 {
        return Ok(entries.into());
    }
    let place = locator[8..16].try_into().map(u64::from_le_bytes).ok();
    let end = at(place.filter(|place| *place < u64::MAX / 2), 56)?;
    if end[..4] != END_64 {
        return Err(cut());
    }
    end[32..40]
        .try_into()
        .map(u64::from_le_bytes)
        .map_err(|_| cut())
}

fn check_directory(zip: &mut ZipArchive<BufReader<File>>, max_unpacked: u64) -> Result<()> {
    if zip.len() as u64 > MAX_ENTRIES {
        return Err(too_large(format!("over {MAX_ENTRIES} entries")));
    }
    if zip.has_duplicate_names() {
        return Err(unusable("two of its entries have the same name"));
    }
    if zip.has_overlapping_entries().map_err(broken)? {
        return Err(unusable("its entries overlap"));
    }
    let mut unpacked = 0_u64;
    for index in 0..zip.len() {
        let entry = zip.by_index_raw(index).map_err(broken)?;
        let name = entry.name().map_err(broken)?;
        let odd = name.starts_with('/')
            || name.contains(['\\', ':', '\0'])
            || name.split('/').any(|part| part == ".." || part == ".");
        if odd || entry.is_symlink() {
            let shown: String = name.escape_debug().take(100).collect();
            return Err(unusable(format!("the entry \"{shown}\" leads out of it")));
        }
        if entry.encrypted() {
            return Err(unusable("it is protected by a password"));
        }
        let packing = entry.compression();
        if ![CompressionMethod::Stored, CompressionMethod::Deflated].contains(&packing) {
            return Err(unusable(format!(
                "it is packed by {packing}, and only deflate is read"
            )));
        }
        unpacked = unpacked.saturating_add(entry.size());
    }
    if unpacked > max_unpacked {
        let megabytes = max_unpacked >> 20;
        return Err(too_large(format!(
            "unpacked, it takes more than {megabytes} MB"
        )));
    }
    Ok(())
}

fn parse_manifest(text: &[u8]) -> Result<Manifest> {
    let unreadable =
        |error: serde_json::Error| unusable(format!("manifest.json is broken: {error}"));
    let head: ManifestHead = serde_json::from_slice(text).map_err(unreadable)?;
    if head.format != FORMAT {
        return Err(unusable(format!(
            "it is no chatbot's, but {:?}",
            head.format
        )));
    }
    if head.version > VERSION {
        let problem = format!(
            "it has version {} of the format, and this Okra reads up to {VERSION}; upgrade this one \
             first",
            head.version
        );
        return Err(unusable(problem));
    }
    serde_json::from_slice(text).map_err(unreadable)
}

/// Holds each section to what is there; tells of what is left out.
fn check_sections(zip: &ZipArchive<BufReader<File>>, manifest: &Manifest) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    let mut strangers = 0;
    let mut found = std::collections::BTreeMap::<&str, u64>::new();
    for name in zip.file_names() {
        let name = name.map_err(broken)?;
        let holds = |section: &Section| match section.path.ends_with('/') {
            true => name.starts_with(&section.path) && *name != section.path,
            false => *name == section.path,
        };
        let section = manifest.sections.iter().find(|(_, section)| holds(section));
        match section {
            Some((section, _)) => *found.entry(section).or_default() += 1,
            None => strangers += usize::from(name != MANIFEST && !name.ends_with('/')),
        }
    }
    for (name, section) in &manifest.sections {
        if !SECTIONS.contains(&name.as_str()) {
            let shown: String = name.escape_debug().take(60).collect();
            notes.push(format!(
                "The section \"{shown}\" is not known to this Okra and was left out."
            ));
            continue;
        }
        let entries = found.get(name.as_str()).copied().unwrap_or_default();
        let expected = match section.path.ends_with('/') {
            true => section.entries,
            false => 1,
        };
        if entries != expected {
            let path = &section.path;
            let problem = format!("{path} has {entries} entries, not {expected}");
            return Err(unusable(problem));
        }
    }
    if strangers > 0 {
        notes.push(format!(
            "{strangers} files that belong to no section were left out."
        ));
    }
    Ok(notes)
}

fn read_whole(
    zip: &mut ZipArchive<BufReader<File>>,
    path: &str,
    most: u64,
) -> Result<Option<Vec<u8>>> {
    let entry = match zip.by_name(path) {
        Ok(entry) => entry,
        Err(ZipError::FileNotFound) => return Ok(None),
        Err(error) => return Err(broken(error)),
    };
    let mut bytes = Vec::new();
    let read = entry.take(most + 1).read_to_end(&mut bytes);
    read.map_err(|error| unusable(format!("{path} is broken: {error}")))?;
    if bytes.len() as u64 > most {
        return Err(too_large(format!("{path} has over {} KB", most / 1024)));
    }
    Ok(Some(bytes))
}

fn broken(error: ZipError) -> Error {
    unusable(format!("it is broken or ends too early ({error})"))
}
