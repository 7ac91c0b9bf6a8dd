//! An index in a folder: the files of its segments, and one that lists them.
//!
//! The list is replaced as a whole, by a rename, so an index is either as it was or as it is. Nothing in the folder is
//! trusted: each file is checked in full when it is opened, and what does not fit together is no index.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use uuid::Uuid;

use super::Index;
use super::part::Part;
use crate::analysis::fingerprint;
use crate::bits::Bits;
use crate::segment::Segment;
use crate::segment::file::{FORMAT, Fields, path};
use crate::segment::head::invalid;

/// What an index in a folder is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Whose passages they are.
    pub owner: Uuid,
    /// The state of the passages.
    pub version: i64,
    /// The space that their vectors lie in.
    pub space: String,
}

const LIST: &str = "index";
const MAGIC: [u8; 8] = *b"okra idx";
/// A segment that no list names is left for so long: somebody may just be about to name it.
const ABANDONED: Duration = Duration::from_secs(3600);

impl Index {
    /// Opens the index in `folder`, having read all of it; `None` where there is none.
    ///
    /// # Errors
    /// Where files cannot be read, are torn, changed, of another format, or of another owner. Then what is there is
    /// no index and can be deleted.
    pub fn open(folder: &Path, owner: Uuid) -> io::Result<Option<(Self, Stamp)>> {
        let bytes = match fs::read(folder.join(LIST)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let (stamp, mut entries) = read_list(&bytes)?;
        if stamp.owner != owner {
            return Err(invalid("an index of another owner"));
        }
        let mut parts = Vec::new();
        while !entries.0.is_empty() {
            parts.push(read_part(folder, &mut entries)?);
        }
        let index = Self {
            parts,
            shares: Arc::default(),
        };
        Ok(Some((index, stamp)))
    }

    /// Makes this the index in `folder`, in place of any other. Its segments must lie there: see [`Index::tended`].
    ///
    /// # Errors
    /// Where a segment lies in memory, or the list cannot be written; the index in the folder stays as it was then.
    pub fn save(&self, folder: &Path, stamp: &Stamp) -> io::Result<()> {
        let mut bytes = Vec::new();
        bytes.extend(MAGIC);
        bytes.extend(FORMAT.to_le_bytes());
        bytes.extend(fingerprint().to_le_bytes());
        bytes.extend(stamp.owner.as_bytes());
        bytes.extend(stamp.version.to_le_bytes());
        bytes.extend((stamp.space.len() as u32).to_le_bytes());
        bytes.extend(stamp.space.as_bytes());
        for part in &self.parts {
            let file = part.segment.file();
            let file = file.ok_or_else(|| io::Error::other("a segment lies in no file"))?;
            bytes.extend(file.name().as_bytes());
            bytes.extend(file.checksum().to_le_bytes());
            let dead = part.dead.as_ref().map_or(&[][..], |dead| dead.words());
            bytes.extend((dead.len() as u32).to_le_bytes());
            bytes.extend(dead.iter().flat_map(|word| word.to_le_bytes()));
        }
        let checksum = crc32fast::hash(&bytes);
        bytes.extend(checksum.to_le_bytes());
        fs::create_dir_all(folder)?;
        let written = folder.join(format!("{}.tmp", Uuid::new_v4()));
        fs::write(&written, &bytes)?;
        fs::rename(&written, folder.join(LIST))?;
        self.sweep(folder)
    }

    /// Bytes of its files.
    pub fn file_bytes(&self) -> u64 {
        let files = self.parts.iter().filter_map(|part| {
            let file = part.segment.file()?;
            Some(file.bytes(&part.segment.head))
        });
        files.sum()
    }

    /// Deletes files that are no longer needed: those that nobody can be about to name.
    fn sweep(&self, folder: &Path) -> io::Result<()> {
        let files = self.parts.iter().filter_map(|part| part.segment.file());
        let named: Vec<_> = files.map(|file| path(folder, file.name())).collect();
        let now = SystemTime::now();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let age = entry
                .metadata()?
                .modified()
                .map(|time| now.duration_since(time));
            let old = matches!(age, Ok(Ok(age)) if age > ABANDONED);
            if old && entry.file_name() != LIST && !named.contains(&entry.path()) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

/// Checks a list; gives what it is of and its entries.
fn read_list(bytes: &[u8]) -> io::Result<(Stamp, Fields<'_>)> {
    let Some((list, checksum)) = bytes.split_last_chunk::<4>() else {
        return Err(invalid("a list that was cut"));
    };
    let mut fields = Fields(list);
    if fields.take::<8>() != MAGIC || fields.number() != FORMAT {
        return Err(invalid("another format"));
    }
    if fields.long() != fingerprint() {
        return Err(invalid("terms of another analysis"));
    }
    if crc32fast::hash(list) != u32::from_le_bytes(*checksum) {
        return Err(invalid("a list that changed"));
    }
    let owner = Uuid::from_bytes(fields.take());
    let version = fields.long() as i64;
    let length = fields.number() as usize;
    let Some((space, entries)) = fields.0.split_at_checked(length) else {
        return Err(invalid("a list that was cut"));
    };
    let space = std::str::from_utf8(space).map_err(|_| invalid("a space without a name"))?;
    let stamp = Stamp {
        owner,
        version,
        space: space.to_owned(),
    };
    Ok((stamp, Fields(entries)))
}

fn read_part(folder: &Path, fields: &mut Fields<'_>) -> io::Result<Part> {
    let name = Uuid::from_bytes(fields.take());
    let checksum = fields.number();
    let segment = Segment::open(folder, name)?;
    if segment.file().map(|file| file.checksum()) != Some(checksum) {
        return Err(invalid("another segment"));
    }
    let words = fields.number() as usize;
    if words == 0 {
        return Ok(Part::new(Arc::new(segment), None));
    }
    if words != segment.documents().div_ceil(64) || fields.0.len() < words * 8 {
        return Err(invalid("deaths of other documents"));
    }
    let dead = Bits::from_words((0..words).map(|_| fields.long()).collect());
    let split = segment.head.runs().any(|run| {
        let mut others = run.start..run.start + run.len;
        others.any(|document| dead.get(document) != dead.get(run.start))
    });
    if split {
        return Err(invalid("an item half dead"));
    }
    Ok(Part::new(Arc::new(segment), Some(dead)))
}

#[cfg(test)]
mod tests;
