//! An archive taken to pieces, so that stories can put it together wrong.

use std::io::{Cursor, Read, Write};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;

/// The entries of an archive, in order.
#[derive(Clone)]
pub struct Zipped(Vec<(String, Vec<u8>)>);

impl Zipped {
    /// Unpacks an archive.
    pub fn read(archive: &[u8]) -> Self {
        let mut zip = zip::ZipArchive::new(Cursor::new(archive)).expect("an archive");
        let mut entries = Vec::new();
        for index in 0..zip.len() {
            let mut entry = zip.by_index(index).expect("an entry");
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("a sound entry");
            let name = entry.name().expect("UTF-8").into_owned();
            entries.push((name, bytes));
        }
        Self(entries)
    }

    /// Whether an entry's name begins so.
    pub fn has(&self, beginning: &str) -> bool {
        self.0.iter().any(|(name, _)| name.starts_with(beginning))
    }

    /// The first entry whose name begins so.
    pub fn name(&self, beginning: &str) -> String {
        let found = self.0.iter().find(|(name, _)| name.starts_with(beginning));
        found.expect("an entry").0.clone()
    }

    /// Everything, end to end.
    pub fn all(&self) -> Vec<u8> {
        self.0.iter().flat_map(|(_, bytes)| bytes.clone()).collect()
    }

    /// An entry's text.
    pub fn text(&self, name: &str) -> String {
        let found = self.0.iter().find(|(each, _)| each == name);
        String::from_utf8(found.expect("an entry").1.clone()).expect("UTF-8")
    }

    /// The manifest.
    pub fn manifest(&self) -> Value {
        serde_json::from_str(&self.text("manifest.json")).expect("JSON")
    }

    /// Writes an entry, in place of one of its name.
    pub fn set(&mut self, name: &str, content: impl Into<Vec<u8>>) {
        let content = content.into();
        match self.0.iter_mut().find(|(each, _)| each == name) {
            Some((_, bytes)) => *bytes = content,
            None => self.0.push((name.to_owned(), content)),
        }
    }

    /// Adds an entry, whatever its name.
    pub fn push(&mut self, name: &str, content: impl Into<Vec<u8>>) {
        self.0.push((name.to_owned(), content.into()));
    }

    /// Takes an entry out.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(each, _)| each != name);
    }

    /// Packed as it stands.
    pub fn packed(&self) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let deflated =
            SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
        for (name, bytes) in &self.0 {
            zip.start_file(name.as_str(), deflated).expect("an entry");
            zip.write_all(bytes).expect("written");
        }
        zip.finish().expect("an archive").into_inner()
    }

    /// Packed with a manifest that counts and hashes what is there.
    pub fn sealed(mut self) -> Vec<u8> {
        let mut manifest = self.manifest();
        let sections = manifest["sections"].as_object_mut().expect("sections");
        for section in sections.values_mut() {
            let path = section["path"].as_str().expect("a path").to_owned();
            match path.strip_suffix('/') {
                Some(_) => {
                    let inside = self.0.iter().filter(|(name, _)| name.starts_with(&path));
                    section["entries"] = json!(inside.count());
                }
                None => {
                    let Some((_, bytes)) = self.0.iter().find(|(name, _)| *name == path) else {
                        continue;
                    };
                    if path.ends_with(".jsonl") {
                        section["entries"] = json!(bytes.iter().filter(|b| **b == b'\n').count());
                    }
                    section["sha256"] = json!(hex::encode(Sha256::digest(bytes)));
                }
            }
        }
        self.set("manifest.json", manifest.to_string());
        self.packed()
    }
}
