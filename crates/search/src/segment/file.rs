//! A segment in a file: a header of fixed size, the postings, the head.
//!
//! Files are written once, under a name of their own, and never changed; what is no longer needed is unlinked. They
//! are a cache: whatever is torn, foreign or of another format fails to open, and is made again from the store.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crc32fast::Hasher;
use uuid::Uuid;

use super::head::{Head, invalid};
use crate::analysis::fingerprint;

/// Raised whenever the bytes of a segment come to mean something else.
pub(crate) const FORMAT: u32 = 1;
const MAGIC: [u8; 8] = *b"okra seg";
/// Magic, format, the analysis' fingerprint, lengths of postings and head, their checksums, and the header's own.
const HEADER: usize = 8 + 4 + 8 + 8 + 8 + 4 + 4 + 4;
/// Read at once when a file is checked.
const BLOCK: usize = 1 << 20;

/// The postings of an open segment.
pub(crate) struct SegmentFile {
    name: Uuid,
    file: File,
    postings: usize,
    /// Of the header, which holds the other checksums: tells files of one name apart.
    checksum: u32,
}

/// What a header says.
struct Header {
    postings: u64,
    head: u64,
    postings_checksum: u32,
    head_checksum: u32,
}

impl SegmentFile {
    /// Opens a file, reads and checks all of it.
    pub(super) fn open(folder: &Path, name: Uuid) -> io::Result<(Head, Self)> {
        let mut file = File::open(path(folder, name))?;
        let mut bytes = [0; HEADER];
        file.read_exact(&mut bytes)?;
        let (header, checksum) = Header::read(&bytes)?;
        let length = header.postings.checked_add(header.head);
        let length = length.and_then(|length| length.checked_add(HEADER as u64));
        if length != Some(file.metadata()?.len()) {
            return Err(invalid("a file of another length"));
        }
        let (Ok(postings), Ok(head)) = (
            usize::try_from(header.postings),
            usize::try_from(header.head),
        ) else {
            return Err(invalid("a file larger than memory"));
        };
        if checksum_of(&mut file, postings)? != header.postings_checksum {
            return Err(invalid("postings that changed"));
        }
        let mut bytes = vec![0; head];
        file.read_exact(&mut bytes)?;
        if crc32fast::hash(&bytes) != header.head_checksum {
            return Err(invalid("a head that changed"));
        }
        let head = Head::read(Arc::from(bytes), header.postings)?;
        let file = Self {
            name,
            file,
            postings,
            checksum,
        };
        Ok((head, file))
    }

    /// Its name in the folder.
    pub(crate) fn name(&self) -> Uuid {
        self.name
    }

    /// Tells its content from that of any other file.
    pub(crate) fn checksum(&self) -> u32 {
        self.checksum
    }

    /// Bytes of the file.
    pub(crate) fn bytes(&self, head: &Head) -> u64 {
        (HEADER + self.postings + head.bytes().len()) as u64
    }

    /// Reads postings into `buffer`.
    pub(super) fn read<'a>(
        &self,
        range: Range<usize>,
        buffer: &'a mut Vec<u8>,
    ) -> io::Result<&'a [u8]> {
        buffer.resize(range.len(), 0);
        read_at(&self.file, buffer, (HEADER + range.start) as u64)?;
        Ok(buffer)
    }
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, at)
}

#[cfg(windows)]
fn read_at(file: &File, mut buffer: &mut [u8], mut at: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, buffer, at)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                buffer = &mut buffer[read..];
                at += read as u64;
            }
        }
    }
    Ok(())
}

/// The path of the segment of this name.
pub(crate) fn path(folder: &Path, name: Uuid) -> PathBuf {
    folder.join(format!("{name}.segment"))
}

fn checksum_of(file: &mut File, mut left: usize) -> io::Result<u32> {
    let mut hasher = Hasher::new();
    let mut block = vec![0; left.min(BLOCK)];
    while left > 0 {
        let some = left.min(BLOCK);
        file.read_exact(&mut block[..some])?;
        hasher.update(&block[..some]);
        left -= some;
    }
    Ok(hasher.finalize())
}

impl Header {
    fn write(&self) -> [u8; HEADER] {
        let mut bytes = Vec::with_capacity(HEADER);
        bytes.extend(MAGIC);
        bytes.extend(FORMAT.to_le_bytes());
        bytes.extend(fingerprint().to_le_bytes());
        bytes.extend(self.postings.to_le_bytes());
        bytes.extend(self.head.to_le_bytes());
        bytes.extend(self.postings_checksum.to_le_bytes());
        bytes.extend(self.head_checksum.to_le_bytes());
        let checksum = crc32fast::hash(&bytes);
        bytes.extend(checksum.to_le_bytes());
        bytes.try_into().expect("the fields make up a header")
    }

    /// The header and its checksum.
    fn read(bytes: &[u8; HEADER]) -> io::Result<(Self, u32)> {
        let (fields, checksum) = bytes.split_at(HEADER - 4);
        let checksum = Fields(checksum).number();
        let mut fields_left = Fields(fields);
        if fields_left.take::<8>() != MAGIC || fields_left.number() != FORMAT {
            return Err(invalid("another format"));
        }
        if fields_left.long() != fingerprint() {
            return Err(invalid("terms of another analysis"));
        }
        if crc32fast::hash(fields) != checksum {
            return Err(invalid("a header that changed"));
        }
        let header = Self {
            postings: fields_left.long(),
            head: fields_left.long(),
            postings_checksum: fields_left.number(),
            head_checksum: fields_left.number(),
        };
        Ok((header, checksum))
    }
}

/// Reads fields one after another; zeros where they end.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl Fields<'_> {
    pub(crate) fn take<const N: usize>(&mut self) -> [u8; N] {
        match self.0.split_first_chunk::<N>() {
            Some((field, rest)) => {
                self.0 = rest;
                *field
            }
            None => {
                self.0 = &[];
                [0; N]
            }
        }
    }

    pub(crate) fn number(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    pub(crate) fn long(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }
}

/// Writes postings as they come, and then the head.
pub(crate) struct FileWriter {
    name: Uuid,
    folder: PathBuf,
    out: BufWriter<File>,
    checksum: Hasher,
    postings: usize,
}

impl FileWriter {
    /// A new file in `folder`.
    pub(super) fn new(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let name = Uuid::new_v4();
        let file = File::options()
            .write(true)
            .create_new(true)
            .open(path(folder, name))?;
        let mut writer = Self {
            name,
            folder: folder.to_owned(),
            out: BufWriter::with_capacity(BLOCK, file),
            checksum: Hasher::new(),
            postings: 0,
        };
        writer.out.write_all(&[0; HEADER])?;
        Ok(writer)
    }

    pub(super) fn postings(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.checksum.update(bytes);
        self.postings += bytes.len();
        self.out.write_all(bytes)
    }

    pub(super) fn finish(mut self, head: &Head) -> io::Result<SegmentFile> {
        self.out.write_all(head.bytes())?;
        let header = Header {
            postings: self.postings as u64,
            head: head.bytes().len() as u64,
            postings_checksum: std::mem::take(&mut self.checksum).finalize(),
            head_checksum: crc32fast::hash(head.bytes()),
        };
        let header = header.write();
        self.out.seek(SeekFrom::Start(0))?;
        self.out.write_all(&header)?;
        self.out.flush()?;
        Ok(SegmentFile {
            name: self.name,
            file: File::open(path(&self.folder, self.name))?,
            postings: self.postings,
            checksum: Fields(&header[HEADER - 4..]).number(),
        })
    }
}

/// Writes a segment whose postings are in memory.
pub(super) fn write_file(folder: &Path, head: &Head, postings: &[u8]) -> io::Result<SegmentFile> {
    let mut writer = FileWriter::new(folder)?;
    writer.postings(postings)?;
    writer.finish(head)
}

/// Where postings are written to.
pub(super) enum Out {
    Memory(Vec<u8>),
    File(Box<FileWriter>),
}

impl Out {
    /// A file in `folder`, or memory where there is none.
    pub(super) fn new(folder: Option<&Path>) -> io::Result<Self> {
        Ok(match folder {
            Some(folder) => Self::File(Box::new(FileWriter::new(folder)?)),
            None => Self::Memory(Vec::new()),
        })
    }
}
