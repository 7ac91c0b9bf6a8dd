//! Taking an archive in: look at all of it, store its files, then its rows in one transaction. All of
//! it runs on a thread that may block, where asking the store waits.

use std::fs::File;
use std::io::{Read, Seek};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use okra_domain::chatbot::{Chatbot, ChatbotChange, VoiceWidgetConfig, merge};
use okra_domain::embedder::EmbedderChoice;
use okra_domain::error::Result;
use okra_domain::eval::{EvalSet, MAX_SETS, check_questions, parse_set_name};
use okra_domain::provider::Provider;
use okra_domain::{Error, ErrorKind, EvalId, ItemId};
use okra_store::blobs;
use okra_store::sources::ArrivingSource;
use okra_store::{ArrivingItem, Belongings};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio::runtime::Handle;
use uuid::Uuid;

use super::format::{
    AVATAR, ArchivedChatbot, ArchivedEmbedder, ArchivedEval, EVALS, FILES, KNOWLEDGE, SOURCES,
    Section, TEXTS,
};
use super::knowledge::{Items, Plan, PlannedFile, Target};
use super::reading::Archive;
use super::{ImportReport, ImportRequest, Imported, sources, too_large, unusable};
use crate::Engine;

/// Bytes unpacked at once.
const PIECE_BYTES: usize = 256 * 1024;
/// Characters of a note about an embedder at most.
const MAX_NOTE_CHARS: usize = 500;
/// Bytes of an avatar at most, as where one is uploaded.
const MAX_AVATAR_BYTES: u64 = 5 * 1024 * 1024;

/// An archive that was received whole, in a file without a name: it goes with the process.
pub struct ReceivedArchive(File);

impl Engine {
    /// Receives an archive of `max_bytes` at most, into the folder for temporary files.
    pub async fn receive_archive<S>(
        &self,
        max_bytes: u64,
        mut content: S,
    ) -> Result<ReceivedArchive>
    where
        S: Stream<Item = Result<Bytes>> + Unpin,
    {
        let failed = |error| Error::internal("cannot keep an archive that is received", error);
        let file = tempfile::tempfile().map_err(failed)?;
        let mut file = tokio::fs::File::from_std(file);
        let mut size = 0;
        while let Some(bytes) = content.next().await {
            let bytes = bytes?;
            size += bytes.len() as u64;
            if size > max_bytes {
                let megabytes = max_bytes / (1024 * 1024);
                return Err(too_large(format!(
                    "over {megabytes} MB (OKRA_MAX_IMPORT_MB)"
                )));
            }
            file.write_all(&bytes).await.map_err(failed)?;
        }
        file.flush().await.map_err(failed)?;
        let mut file = file.into_std().await;
        file.rewind().map_err(failed)?;
        Ok(ReceivedArchive(file))
    }

    /// Takes a chatbot in from an archive, whole or not at all. What must be read anew is read in the
    /// background.
    pub async fn import_chatbot(
        self: &Arc<Self>,
        archive: ReceivedArchive,
        request: ImportRequest,
    ) -> Result<Imported> {
        let (engine, runtime) = (self.clone(), Handle::current());
        let import = move || {
            let archive = Archive::open(archive.0, request.max_bytes)?;
            let import = Import {
                engine: &engine,
                runtime,
                request,
                archive,
            };
            import.run()
        };
        let imported = self.running.spawn_blocking(import).await;
        let imported = imported.map_err(|error| Error::internal("an import stopped", error))?;
        self.wake_workers();
        imported
    }
}

/// What an archive holds, looked at from end to end.
struct Contents<'a> {
    /// The section of the knowledge, where there is one.
    section: Option<Section>,
    plan: Plan,
    belongings: Belongings,
    target: Target<'a>,
}

struct Import<'a> {
    engine: &'a Engine,
    runtime: Handle,
    request: ImportRequest,
    archive: Archive,
}

impl Import<'_> {
    fn run(mut self) -> Result<Imported> {
        let mut chatbot = self.chatbot()?;
        let store = &self.engine.parts.store;
        let default = store.organization_embedder(self.request.organization);
        let default = self.runtime.block_on(default)?;
        chatbot.embedding.own = self.embedder(default.as_ref());
        let wanted = chatbot.embedding.own.as_ref().or(default.as_ref());
        let space = self.engine.space_of(wanted);
        let target = Target {
            chatbot: chatbot.id,
            space: &space,
            chunks: self.archive.manifest.chunks,
        };
        let section = self.archive.section(KNOWLEDGE);
        let mut plan = match &section {
            Some(section) => Plan::of(Items::of(self.archive.lines(section)?), &target)?,
            None => Plan::default(),
        };
        let belongings = Belongings {
            evals: self.evals(&chatbot, &plan)?,
            sources: self.sources(&chatbot, &mut plan)?,
        };
        let store = &self.engine.parts.store;
        self.runtime.block_on(store.promise_deletion(&chatbot))?;
        let contents = Contents {
            section,
            plan,
            belongings,
            target,
        };
        let arrived = self.arrive(&chatbot, contents);
        if arrived.is_err() {
            self.runtime.block_on(store.hasten_deletion(&chatbot))?;
        }
        arrived
    }

    /// The chatbot that the manifest describes, under an id of its own. What makes a chatbot known or
    /// trusted is in no archive: it arrives hidden, and without keys.
    fn chatbot(&self) -> Result<Chatbot> {
        let ArchivedChatbot {
            name,
            slug,
            description,
            active,
            personality_config,
            settings,
            suggestions,
            voice_widget_config,
        } = &self.archive.manifest.chatbot;
        let in_manifest = |error: Error| unusable(format!("in manifest.json, {}", error.message));
        let now = self.engine.parts.store.clock().now();
        let renamed = self.request.name.as_deref();
        let organization = self.request.organization;
        let chatbot = match renamed {
            Some(name) => Chatbot::new(organization, name, now)?,
            None => Chatbot::new(organization, name, now).map_err(in_manifest)?,
        };
        let change = ChatbotChange {
            slug: renamed.is_none().then(|| slug.clone()),
            description: Some(description.clone()),
            active: Some(*active),
            personality: Some(personality_config.clone()),
            settings: Some(settings.clone()),
            suggestions: Some(suggestions.clone()),
            ..ChatbotChange::default()
        };
        let mut chatbot = chatbot.changed(change, now).map_err(in_manifest)?;
        if let Some(voice) = voice_widget_config {
            let config: VoiceWidgetConfig =
                merge("voice_widget_config", &VoiceWidgetConfig::default(), voice)
                    .map_err(in_manifest)?;
            config.check().map_err(in_manifest)?;
            chatbot.voice_widget_config = Some(VoiceWidgetConfig {
                agent_id: chatbot.id.to_string(),
                ..config
            });
        }
        Ok(chatbot)
    }

    /// The chatbot's own embedder, where this server has it; else a note says why not, unless the
    /// `default` makes the same vectors. An endpoint is never taken: whoever wrote the archive would be
    /// sent all that the chatbot is told from now on.
    fn embedder(&mut self, default: Option<&EmbedderChoice>) -> Option<EmbedderChoice> {
        let problem = match self.archive.manifest.embedder.as_ref()? {
            ArchivedEmbedder::Static => return Some(EmbedderChoice::Static),
            ArchivedEmbedder::Transformer { model } => {
                if self.engine.transformers().contains(model) {
                    let model = model.clone();
                    return Some(EmbedderChoice::Transformer { model });
                }
                format!("the model {model:?}, which is not on this server")
            }
            ArchivedEmbedder::Endpoint { base_url, model } => {
                let endpoint = EmbedderChoice::Endpoint {
                    provider: Provider {
                        base_url: base_url.clone(),
                        api_key: None,
                    },
                    model: model.clone(),
                };
                let space = self.engine.space_of(Some(&endpoint));
                if space == self.engine.space_of(default) {
                    return None;
                }
                format!("the model {model:?} at {base_url}, which has to be chosen anew")
            }
            ArchivedEmbedder::Unknown => "one that this Okra does not know".to_owned(),
        };
        let problem: String = problem.chars().take(MAX_NOTE_CHARS).collect();
        self.archive.notes.push(format!(
            "The chatbot's own embedder was {problem}. The default embedder makes its vectors."
        ));
        None
    }

    fn sources(&mut self, chatbot: &Chatbot, plan: &mut Plan) -> Result<Vec<ArrivingSource>> {
        let Some(section) = self.archive.section(SOURCES) else {
            return Ok(Vec::new());
        };
        let lines = self.archive.lines(&section)?;
        let arriving = sources::read(self.engine, chatbot, lines, plan)?;
        self.archive.notes.extend(arriving.notes);
        Ok(arriving.sources)
    }

    fn evals(&mut self, chatbot: &Chatbot, plan: &Plan) -> Result<Vec<EvalSet>> {
        let Some(section) = self.archive.section(EVALS) else {
            return Ok(Vec::new());
        };
        let now = self.engine.parts.store.clock().now();
        let mut lines = self.archive.lines(&section)?;
        let mut sets: Vec<EvalSet> = Vec::new();
        while let Some((number, line)) = lines.next()? {
            let at = |problem: String| unusable(format!("line {number} of evals.jsonl: {problem}"));
            let mut archived: ArchivedEval =
                serde_json::from_slice(&line).map_err(|error| at(error.to_string()))?;
            let name = parse_set_name(&archived.name).map_err(|error| at(error.message))?;
            check_questions(&archived.questions, |index| format!("questions[{index}]"))
                .map_err(|error| at(error.message))?;
            if sets.len() as i64 == MAX_SETS || sets.iter().any(|set| set.name == name) {
                return Err(at(format!(
                    "there are over {MAX_SETS} sets, or two are called {name:?}"
                )));
            }
            for question in &mut archived.questions {
                // Items that are named by their ids have others now.
                let id = question.item.as_deref().and_then(|item| item.parse().ok());
                if let Some(planned) = id.and_then(|id: Uuid| plan.items.get(&id)) {
                    question.item = Some(planned.id.to_string());
                }
            }
            sets.push(EvalSet {
                id: EvalId::new(),
                chatbot_id: chatbot.id,
                name,
                questions: archived.questions,
                created_at: now,
                updated_at: now,
            });
        }
        Ok(sets)
    }

    fn arrive(&mut self, chatbot: &Chatbot, contents: Contents<'_>) -> Result<Imported> {
        let Contents {
            section,
            mut plan,
            belongings,
            target,
        } = contents;
        let mut chatbot = chatbot.clone();
        chatbot.avatar = self.avatar(&chatbot)?;
        let mut report = ImportReport {
            items: plan.order.len(),
            chunks: plan.chunks,
            evals: belongings.evals.len(),
            sources: belongings.sources.len(),
            notes: std::mem::take(&mut self.archive.notes),
            ..ImportReport::default()
        };
        for archived in plan.order.clone() {
            report.files += usize::from(self.blobs(&chatbot, &mut plan, archived)?);
        }
        let store = &self.engine.parts.store;
        let to_read = &mut report.to_read;
        let chatbot = match &section {
            Some(section) => {
                let mut items = Items::of(self.archive.lines(section)?);
                let mut next = || -> Result<Option<ArrivingItem>> {
                    let Some((item, chunks)) = items.draw()? else {
                        return Ok(None);
                    };
                    let arriving = plan.arriving(item, chunks, &target)?;
                    *to_read += usize::from(arriving.reread);
                    Ok(Some(arriving))
                };
                let items = stream::iter(std::iter::from_fn(|| next().transpose()));
                self.runtime
                    .block_on(store.arrive(chatbot, items, belongings))?
            }
            None => {
                let none = stream::iter(std::iter::empty());
                self.runtime
                    .block_on(store.arrive(chatbot, none, belongings))?
            }
        };
        if report.chunks == 0 {
            return Ok(Imported { chatbot, report });
        }
        // Whose vectors answer, so that they go on while another embedder's are made. Loaded anew, for
        // the organization's choice comes with the row.
        let chatbot = store.chatbot(chatbot.organization_id, chatbot.id);
        let chatbot = self.runtime.block_on(chatbot)?;
        let serving = self.engine.serving(&chatbot);
        let noted = store.begin_serving(&chatbot, &serving);
        self.runtime.block_on(noted)?;
        Ok(Imported { chatbot, report })
    }

    /// Stores the avatar, freshly encoded; gives its file's name.
    fn avatar(&mut self, chatbot: &Chatbot) -> Result<Option<String>> {
        let Some(section) = self.archive.section(AVATAR) else {
            return Ok(None);
        };
        let Some(bytes) = self.archive.whole(&section.path, MAX_AVATAR_BYTES)? else {
            return Ok(None);
        };
        if section.sha256 != Some(hex::encode(Sha256::digest(&bytes))) {
            return Err(unusable(
                "its avatar is not what the manifest says (its SHA-256 differs)",
            ));
        }
        let clean = (self.request.clean_picture)(bytes.into());
        let (bytes, ending) = self
            .runtime
            .block_on(clean)
            .map_err(|error| unusable(format!("its avatar: {}", error.message)))?;
        let file = format!("{}.{ending}", Uuid::new_v4());
        let path = blobs::avatar_path(chatbot.id, &file);
        let store = &self.engine.parts.store;
        self.runtime.block_on(store.blobs().put(&path, bytes))?;
        Ok(Some(file))
    }

    /// Stores an item's original file and its text; tells whether it has a file.
    fn blobs(&mut self, chatbot: &Chatbot, plan: &mut Plan, archived: Uuid) -> Result<bool> {
        let Some(planned) = plan.items.get_mut(&archived) else {
            return Ok(false);
        };
        if let Some(text) = planned.text {
            let path = blobs::text_path(chatbot.id, planned.id, text);
            self.text(&format!("{TEXTS}/{archived}.md"), &path)?;
        }
        match &mut planned.file {
            Some(file) => {
                *file = self.file(chatbot, planned.id, archived, file.clone())?;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    fn text(&mut self, from: &str, to: &str) -> Result<()> {
        let blobs = self.engine.parts.store.blobs().clone();
        let content = pieces(self.archive.entry(from)?, from);
        let copied = async {
            let mut writer = blobs.writer(to).await?;
            let mut content = stream::iter(content);
            while let Some(piece) = content.next().await {
                writer.write(piece?).await?;
            }
            writer.finish().await.map(|_| ())
        };
        self.runtime.block_on(copied)
    }

    /// Stores an original file as an upload would; gives it as it is.
    fn file(
        &mut self,
        chatbot: &Chatbot,
        id: ItemId,
        archived: Uuid,
        file: PlannedFile,
    ) -> Result<PlannedFile> {
        let from = format!("{FILES}/{archived}");
        let path = blobs::item_path(chatbot.id, id);
        let (engine, most) = (self.engine, self.request.max_file_bytes);
        let content = stream::iter(pieces(self.archive.entry(&from)?, &from));
        let stored = engine.store_file(&path, &file.file_name, most, content);
        let stored = self
            .runtime
            .block_on(stored)
            .map_err(|error| match error.kind {
                ErrorKind::Internal
                | ErrorKind::Unavailable
                | ErrorKind::OutOfSpace
                | ErrorKind::TooLarge => error,
                _ => unusable(error.message.trim_end_matches('.')),
            })?;
        if stored.sha256 != file.sha256.to_ascii_lowercase() {
            let name = &stored.file_name;
            return Err(unusable(format!(
                "the file {name:?} is not the one that its item tells of (its SHA-256 differs)"
            )));
        }
        Ok(PlannedFile {
            file_name: stored.file_name,
            media_type: stored.media_type.to_owned(),
            sha256: stored.sha256,
        })
    }
}

/// The bytes of an entry, piece by piece, up to the first fault.
fn pieces<R: Read>(mut entry: R, name: &str) -> impl Iterator<Item = Result<Bytes>> + use<R> {
    let name = name.to_owned();
    let mut ended = false;
    std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let mut buffer = Vec::with_capacity(PIECE_BYTES);
        let read = (&mut entry)
            .take(PIECE_BYTES as u64)
            .read_to_end(&mut buffer);
        ended = !matches!(read, Ok(read) if read > 0);
        match read {
            Ok(0) => None,
            Ok(_) => Some(Ok(buffer.into())),
            Err(error) => Some(Err(unusable(format!("{name} is broken: {error}")))),
        }
    })
}
