//! The weights: one safetensors file, read tensor by tensor.
//!
//! Not mapped into memory: a file that changes under a map is undefined behaviour, and each tensor
//! is copied (and widened to f32) once anyway. The format is a length, a JSON object and the numbers;
//! the library for it would take the whole file into memory or map it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::ModelError;
use super::folder::{damaged, unsupported};

/// The name of the file.
const FILE: &str = "model.safetensors";

/// The longest header read; that of a model with 1,000 tensors takes some 100 KB.
const MAX_HEADER: u64 = 16 * 1024 * 1024;

pub(super) struct Weights {
    file: File,
    path: PathBuf,
    tensors: BTreeMap<String, Tensor>,
    /// Where the tensors begin in the file.
    start: u64,
    /// What stands before every name: `bert.`, `roberta.` or nothing.
    prefix: String,
}

/// What the header says of a tensor.
#[derive(Deserialize)]
struct Tensor {
    dtype: String,
    shape: Vec<usize>,
    /// From and to, counted from the end of the header.
    data_offsets: (u64, u64),
}

/// An entry of the header.
#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Tensor(Tensor),
    /// `__metadata__`: texts for people.
    Words(IgnoredAny),
}

impl Weights {
    /// Reads the header, which names each tensor with its shape and place, and checks that the file
    /// is as long as it says.
    pub(super) fn open(folder: &Path) -> Result<Self, ModelError> {
        let path = folder.join(FILE);
        let unreadable = |source: std::io::Error| match source.kind() {
            ErrorKind::NotFound => ModelError::Missing(path.clone()),
            ErrorKind::UnexpectedEof => damaged(FILE, "it breaks off".to_owned()),
            _ => ModelError::Unreadable {
                path: path.clone(),
                source,
            },
        };
        let mut file = File::open(&path).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        let mut size = [0; 8];
        file.read_exact(&mut size).map_err(unreadable)?;
        let header = u64::from_le_bytes(size);
        if header > MAX_HEADER.min(length) {
            return Err(damaged(FILE, "it does not begin with a header".to_owned()));
        }
        let mut bytes = vec![0; header as usize];
        file.read_exact(&mut bytes).map_err(unreadable)?;
        let entries: BTreeMap<String, Entry> =
            serde_json::from_slice(&bytes).map_err(|error| damaged(FILE, error.to_string()))?;
        let tensors = entries.into_iter().filter_map(|(name, entry)| match entry {
            Entry::Tensor(tensor) => Some((name, tensor)),
            Entry::Words(_) => None,
        });
        let tensors: BTreeMap<String, Tensor> = tensors.collect();
        let start = 8 + header;
        let ends = tensors.values().map(|tensor| tensor.data_offsets.1);
        let end = start.saturating_add(ends.max().unwrap_or(0));
        if end != length {
            let problem = format!("it has {length} bytes where its header says {end}");
            return Err(damaged(FILE, problem));
        }
        let known = "embeddings.word_embeddings.weight";
        let mut names = tensors.keys();
        let prefix = names.find_map(|name| name.strip_suffix(known));
        let prefix = prefix.ok_or_else(|| damaged(FILE, format!("it holds no {known}")))?;
        Ok(Self {
            file,
            path,
            start,
            prefix: prefix.to_owned(),
            tensors,
        })
    }

    /// The tensor of this name, as f32. Fails where it is missing or of another shape.
    pub(super) fn tensor(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        let full = format!("{}{name}", self.prefix);
        let about = self.tensors.get(&full);
        let about = about.ok_or_else(|| damaged(FILE, format!("it holds no {full}")))?;
        if about.shape != shape {
            let problem = format!(
                "{full} is of shape {:?}, where config.json says {shape:?}",
                about.shape
            );
            return Err(damaged(FILE, problem));
        }
        let width = match about.dtype.as_str() {
            "F32" => 4,
            "F16" | "BF16" => 2,
            other => return Err(unsupported(format!("its numbers, which are {other}"))),
        };
        // The sizes of config.json are bounded, so that this cannot overflow.
        let size = shape.iter().product::<usize>() * width;
        let (from, to) = about.data_offsets;
        if to.checked_sub(from) != Some(size as u64) {
            let problem = format!("{full} does not take the {size} bytes of its shape");
            return Err(damaged(FILE, problem));
        }
        let mut bytes = vec![0; size];
        self.file
            .seek(SeekFrom::Start(self.start + from))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(|source| ModelError::Unreadable {
                path: self.path.clone(),
                source,
            })?;
        Ok(match about.dtype.as_str() {
            "F16" => numbers(&bytes, |two| f16::from_le_bytes(two).to_f32()),
            "BF16" => numbers(&bytes, |two| bf16::from_le_bytes(two).to_f32()),
            _ => numbers(&bytes, f32::from_le_bytes),
        })
    }
}

fn numbers<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    let (numbers, _) = bytes.as_chunks::<N>();
    numbers.iter().map(|number| read(*number)).collect()
}
