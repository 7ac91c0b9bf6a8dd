//! Writing an archive while the chatbot is read. All of it runs on a thread that may block: packing is
//! work for a processor, and asking the store waits there.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::knowledge::Source;
use okra_domain::{Error, ItemId, PageRequest};
use okra_store::blobs::{self, BlobStream};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use uuid::Uuid;
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, ZipWriter};

use super::ExportOptions;
use super::format::{
    AVATAR, ArchivedChatbot, ArchivedEval, ArchivedItem, EVALS, FILES, FORMAT, KNOWLEDGE, Line,
    MANIFEST, Manifest, SOURCES, Section, TEXTS, VERSION,
};
use super::sources::SourceLine;
use crate::Engine;

/// How much is gathered before it is sent.
const PIECE_BYTES: usize = 64 * 1024;
/// Pieces that wait for a slow reader.
const PIECES: usize = 4;

impl Engine {
    /// The chatbot as an archive. Ends with an error where something could not be read; what came
    /// until then is no whole archive, and no import takes it.
    pub fn export_chatbot(
        self: &Arc<Self>,
        chatbot: Chatbot,
        options: ExportOptions,
    ) -> impl Stream<Item = Result<Bytes>> + Send + Unpin + 'static {
        let (sender, mut receiver) = mpsc::channel(PIECES);
        let (engine, runtime) = (self.clone(), Handle::current());
        self.running.spawn_blocking(move || {
            let pieces = Pieces {
                sender: sender.clone(),
                gathered: Vec::with_capacity(PIECE_BYTES),
            };
            let export = Export {
                engine: &engine,
                chatbot: &chatbot,
                runtime,
                options,
                zip: ZipWriter::new_stream(pieces),
                sections: BTreeMap::new(),
            };
            if let Err(error) = export.write() {
                // Where nobody listens any more, nobody needs to be told.
                let _ = sender.blocking_send(Err(error));
            }
        });
        stream::poll_fn(move |context| receiver.poll_recv(context))
    }
}

/// Sends what is written in pieces; fails once nobody takes them.
struct Pieces {
    sender: mpsc::Sender<Result<Bytes>>,
    gathered: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let piece = Bytes::from(std::mem::take(&mut self.gathered));
        let sent = self.sender.blocking_send(Ok(piece));
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}

struct Export<'a> {
    engine: &'a Engine,
    chatbot: &'a Chatbot,
    runtime: Handle,
    options: ExportOptions,
    zip: ZipWriter<StreamWriter<Pieces>>,
    sections: BTreeMap<String, Section>,
}

/// What was packed of an item before its line.
#[derive(Default)]
struct Packed {
    file: bool,
    text: Option<Uuid>,
}

impl Export<'_> {
    fn write(mut self) -> Result<()> {
        self.avatar()?;
        let ids = self.engine.parts.store.item_ids(self.chatbot);
        let ids = self.runtime.block_on(ids)?;
        let packed = self.files(&ids)?;
        self.knowledge(&ids, &packed)?;
        self.evals()?;
        self.sources()?;
        self.manifest()?;
        let mut pieces = self.zip.finish().map_err(packing)?.into_inner();
        pieces.flush().map_err(packing)
    }

    fn avatar(&mut self) -> Result<()> {
        let Some(avatar) = &self.chatbot.avatar else {
            return Ok(());
        };
        let path = blobs::avatar_path(self.chatbot.id, avatar);
        let bytes = self.engine.parts.store.blobs().read(&path);
        if let Some(bytes) = self.runtime.block_on(bytes)? {
            let ending = avatar.rsplit('.').next().unwrap_or("jpg");
            let path = format!("avatar.{ending}");
            self.begin(&path)?;
            self.zip.write_all(&bytes).map_err(packing)?;
            let section = Section {
                path,
                entries: 1,
                sha256: Some(hex::encode(Sha256::digest(&bytes))),
            };
            self.sections.insert(AVATAR.to_owned(), section);
        }
        Ok(())
    }

    /// Original files, and the texts as they were read. What is deleted meanwhile is left out.
    fn files(&mut self, ids: &[ItemId]) -> Result<HashMap<ItemId, Packed>> {
        let mut packed = HashMap::new();
        let (mut files, mut texts) = (0, 0);
        for id in ids {
            let exported = self
                .engine
                .parts
                .store
                .exported_item(self.chatbot, *id, false);
            let Some(exported) = self.runtime.block_on(exported)? else {
                continue;
            };
            let mut of_item = Packed::default();
            if matches!(exported.item.source, Source::File { .. }) {
                let path = blobs::item_path(self.chatbot.id, *id);
                of_item.file = self.blob(&path, &format!("{FILES}/{id}"))?;
                files += u64::from(of_item.file);
            }
            if let (Some(text), true) = (exported.text_file, self.options.chunks) {
                let path = blobs::text_path(self.chatbot.id, *id, text);
                let copied = self.blob(&path, &format!("{TEXTS}/{id}.md"))?;
                of_item.text = copied.then_some(text);
                texts += u64::from(copied);
            }
            packed.insert(*id, of_item);
        }
        for (name, entries) in [(FILES, files), (TEXTS, texts)] {
            if entries > 0 {
                let section = Section {
                    path: format!("{name}/"),
                    entries,
                    sha256: None,
                };
                self.sections.insert(name.to_owned(), section);
            }
        }
        Ok(packed)
    }

    /// Packs a blob; `false` where it is gone.
    fn blob(&mut self, from: &str, to: &str) -> Result<bool> {
        let blob = self.engine.parts.store.blobs().stream(from);
        let Some(BlobStream { mut bytes, .. }) = self.runtime.block_on(blob)? else {
            return Ok(false);
        };
        self.begin(to)?;
        while let Some(piece) = self.runtime.block_on(bytes.next()) {
            self.zip.write_all(&piece?).map_err(packing)?;
        }
        Ok(true)
    }

    fn knowledge(&mut self, ids: &[ItemId], packed: &HashMap<ItemId, Packed>) -> Result<()> {
        let chunks = self.options.chunks;
        let mut lines = Lines::default();
        self.begin("knowledge.jsonl")?;
        for id in ids {
            let exported = self
                .engine
                .parts
                .store
                .exported_item(self.chatbot, *id, chunks);
            let (Some(mut exported), Some(packed)) =
                (self.runtime.block_on(exported)?, packed.get(id))
            else {
                continue; // Deleted since.
            };
            let passages = std::mem::take(&mut exported.chunks);
            // A text that was replaced since is not the one that was packed.
            let text = packed.text.is_some() && packed.text == exported.text_file;
            let item = ArchivedItem::of(exported, chunks, packed.file, text);
            lines.write(&mut self.zip, &Line::Item(Box::new(item)))?;
            for chunk in passages {
                lines.write(&mut self.zip, &Line::Chunk(chunk.into()))?;
            }
        }
        self.sections
            .insert(KNOWLEDGE.to_owned(), lines.section("knowledge.jsonl"));
        Ok(())
    }

    fn evals(&mut self) -> Result<()> {
        let store = &self.engine.parts.store;
        let page = PageRequest::new(Some(1), Some(PageRequest::MAX_LIMIT))?;
        let sets = self.runtime.block_on(store.evals(self.chatbot, page))?;
        if sets.entries.is_empty() {
            return Ok(());
        }
        let mut lines = Lines::default();
        self.begin("evals.jsonl")?;
        for listed in sets.entries.into_iter().rev() {
            let set = store.eval(self.chatbot, listed.set.id);
            let set = match self.runtime.block_on(set) {
                Err(error) if error.kind == okra_domain::ErrorKind::NotFound => continue,
                set => set?,
            };
            let archived = ArchivedEval {
                name: set.name,
                questions: set.questions,
            };
            lines.write(&mut self.zip, &archived)?;
        }
        self.sections
            .insert(EVALS.to_owned(), lines.section("evals.jsonl"));
        Ok(())
    }

    fn sources(&mut self) -> Result<()> {
        let sources = self.engine.parts.store.leaving_sources(self.chatbot);
        let sources = self.runtime.block_on(sources)?;
        if sources.is_empty() {
            return Ok(());
        }
        let mut lines = Lines::default();
        self.begin("sources.jsonl")?;
        for source in sources {
            for line in SourceLine::of(source).map_err(packing)? {
                lines.write(&mut self.zip, &line)?;
            }
        }
        self.sections
            .insert(SOURCES.to_owned(), lines.section("sources.jsonl"));
        Ok(())
    }

    /// Last, since it tells of all the rest.
    fn manifest(&mut self) -> Result<()> {
        let manifest = Manifest {
            format: FORMAT.to_owned(),
            version: VERSION,
            okra: env!("CARGO_PKG_VERSION").to_owned(),
            exported_at: self.engine.parts.store.clock().now().to_string(),
            chatbot: ArchivedChatbot::of(self.chatbot).map_err(packing)?,
            embedder: self.chatbot.embedding.own.as_ref().map(Into::into),
            chunks: self.options.chunks,
            sections: std::mem::take(&mut self.sections),
        };
        self.begin(MANIFEST)?;
        let text = serde_json::to_string_pretty(&manifest).map_err(packing)?;
        self.zip.write_all(text.as_bytes()).map_err(packing)
    }

    fn begin(&mut self, name: &str) -> Result<()> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            // Lines of a large chatbot may take more than 4 GB.
            .large_file(name.ends_with(".jsonl"));
        self.zip.start_file(name, options).map_err(packing)
    }
}

/// Counts and hashes the lines of an entry.
#[derive(Default)]
struct Lines {
    count: u64,
    hasher: Sha256,
}

impl Lines {
    fn write(&mut self, out: &mut impl Write, value: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_vec(value).map_err(packing)?;
        line.push(b'\n');
        self.count += 1;
        self.hasher.update(&line);
        out.write_all(&line).map_err(packing)
    }

    fn section(self, path: &str) -> Section {
        Section {
            path: path.to_owned(),
            entries: self.count,
            sha256: Some(hex::encode(self.hasher.finalize())),
        }
    }
}

fn packing(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::internal("cannot write an archive", error)
}
