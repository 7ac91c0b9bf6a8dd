//! Taking an item in: content → text → chunks → vectors, one readable function a kind. Called by
//! the worker; what it gives is stored in one transaction.

use bytes::Bytes;
use okra_ai::embed::{Embedder, Purpose};
use okra_domain::chatbot::Chatbot;
use okra_domain::knowledge::{Chunk, Item, Source};
use okra_domain::{Error, ErrorKind};
use okra_extract::{ChunkOptions, Document, ExtractError, Format};
use okra_search::QuantizedVector;
use okra_store::blobs;
use okra_store::crash::{self, Point};
use okra_store::knowledge::Ingested;
use uuid::Uuid;

use crate::Engine;
use crate::fetch::FetchError;
use crate::indexes::search_title;
use crate::reading::Content;

/// Why an item was not taken in.
#[derive(Debug)]
pub(crate) enum IngestError {
    /// Trying again would not help; the reason is for the person who added the item.
    Unreadable(String),
    /// Something else failed that may work later.
    Later(Error),
}

impl From<Error> for IngestError {
    fn from(error: Error) -> Self {
        Self::Later(error)
    }
}

impl From<ExtractError> for IngestError {
    fn from(error: ExtractError) -> Self {
        Self::Unreadable(error.to_string())
    }
}

/// Texts handed to the embedder at once.
const EMBED_BATCH: usize = 64;

impl Engine {
    /// Reads an item's content and makes it searchable chunks. Where the content came from outside,
    /// its text is kept as a blob, which belongs to the caller until the store has it.
    pub(crate) async fn read_item(
        &self,
        chatbot: &Chatbot,
        item: &Item,
    ) -> Result<Ingested, IngestError> {
        let (document, size) = match &item.source {
            Source::Qna { question, answer } => {
                let mut done = pair(question, answer);
                self.embed_chunks(chatbot, item, &mut done).await?;
                return Ok(done);
            }
            Source::Text { content } => self.read_text(content.clone()).await?,
            Source::Url { url } => self.read_page(url).await?,
            Source::File { file_name, .. } => self.read_file(item, file_name.clone()).await?,
        };
        self.take_in(chatbot, item, document, size).await
    }

    /// Makes a document that was read searchable chunks, as [`Engine::read_item`] does.
    pub(crate) async fn take_in(
        &self,
        chatbot: &Chatbot,
        item: &Item,
        document: Document,
        size: usize,
    ) -> Result<Ingested, IngestError> {
        crash::pass(Point::Extracted);
        let (mut done, text) = cut_up(item, document, size).await?;
        self.embed_chunks(chatbot, item, &mut done).await?;
        if let Some(text) = text {
            done.text_file = Some(self.keep_text(item, text).await?);
        }
        Ok(done)
    }

    async fn keep_text(&self, item: &Item, text: Bytes) -> Result<Uuid, Error> {
        let file = Uuid::new_v4();
        let path = blobs::text_path(item.chatbot_id, item.id, file);
        self.parts.store.blobs().put(&path, text).await?;
        crash::pass(Point::TextKept);
        Ok(file)
    }

    /// Deletes the text of a reading that was not `kept`: it came too late to count, or there was no
    /// room. After any other error nobody knows, and it stays.
    pub(crate) async fn drop_unkept_text(
        &self,
        kept: &Result<bool, Error>,
        item: &Item,
        text: Option<Uuid>,
    ) -> Result<(), Error> {
        let unkept = match kept {
            Ok(kept) => !kept,
            Err(error) => error.kind == ErrorKind::OutOfSpace,
        };
        if let (true, Some(file)) = (unkept, text) {
            let path = blobs::text_path(item.chatbot_id, item.id, file);
            self.parts.store.blobs().delete(&path).await?;
        }
        Ok(())
    }

    async fn read_text(&self, content: String) -> Result<(Document, usize), IngestError> {
        let bytes = Bytes::from(content);
        let size = bytes.len();
        let document = self.read_document(Content::File(Format::Markdown), bytes);
        let document = document.await?;
        Ok((document, size))
    }

    async fn read_file(
        &self,
        item: &Item,
        file_name: String,
    ) -> Result<(Document, usize), IngestError> {
        let path = blobs::item_path(item.chatbot_id, item.id);
        let Some(bytes) = self.parts.store.blobs().read(&path).await? else {
            let reason = "The uploaded file is no longer in the file storage. Upload it again.";
            return Err(IngestError::Unreadable(reason.to_owned()));
        };
        let size = bytes.len();
        let format = Format::detect(&file_name, &bytes)
            .map_err(|unsupported| IngestError::Unreadable(unsupported.to_string()))?;
        let document = self.read_document(Content::File(format), bytes).await?;
        Ok((document, size))
    }

    async fn read_page(&self, url: &str) -> Result<(Document, usize), IngestError> {
        let page = self.parts.fetcher.get(url).await.map_err(page_error)?;
        let size = page.body.len();
        let content = fetched(page.url.to_string(), page.content_type)?;
        let document = self.read_document(content, page.body).await?;
        Ok((document, size))
    }

    /// Gives the chunks vectors of the space that answers for the chatbot: where another one is to take
    /// over, these follow with all others.
    async fn embed_chunks(
        &self,
        chatbot: &Chatbot,
        item: &Item,
        done: &mut Ingested,
    ) -> Result<(), IngestError> {
        let embedding = match self.serving_embedding(chatbot).await? {
            Some(embedding) => embedding,
            None => self.wanted_embedding(chatbot).await?,
        };
        let embedder = &embedding.embedder;
        if chatbot.embedding.serving.is_none() {
            let serving = self.serving(chatbot);
            self.parts.store.begin_serving(chatbot, &serving).await?;
        }
        // An endpoint may have got another model under the name of the one that made the vectors so far.
        let mut expected = match embedder.is_fixed() {
            true => None,
            false => self.stored_numbers(chatbot, item, embedder.space()).await?,
        };
        let title = done.title.as_deref().unwrap_or(&item.title);
        for batch in done.chunks.chunks_mut(EMBED_BATCH) {
            let texts: Vec<String> = batch.iter().map(|it| embedded_text(title, it)).collect();
            let vectors = embedder.embed(&texts, Purpose::Document).await;
            let vectors = vectors.map_err(|error| match error.retryable() {
                true => {
                    let message = format!("The embedding model failed: {error}");
                    IngestError::Later(Error::new(ErrorKind::Provider, message))
                }
                false => IngestError::Unreadable(format!("The embedding model failed: {error}")),
            })?;
            let numbers = vectors.first().map(Vec::len);
            if let (Some(numbers), Some(expected)) = (numbers, expected)
                && numbers != expected
            {
                return Err(IngestError::Unreadable(format!(
                    "The embedding model failed: it gives vectors of {numbers} numbers, and the \
                     chatbot's others have {expected}. Is it still the model that made those?"
                )));
            }
            expected = expected.or(numbers);
            for ((chunk, vector), text) in batch.iter_mut().zip(vectors).zip(texts) {
                chunk.embedding = stored_vector(embedder.as_ref(), &text, &vector);
            }
            crash::pass(Point::Embedded);
        }
        embedder.space().clone_into(&mut done.embedding_space);
        tracing::debug!(
            chunks = done.chunks.len(),
            space = embedder.space(),
            "embedded an item's chunks"
        );
        Ok(())
    }

    /// How many numbers the vectors of the chatbot's other items have in this space; `None` where there are
    /// none.
    async fn stored_numbers(
        &self,
        chatbot: &Chatbot,
        item: &Item,
        space: &str,
    ) -> Result<Option<usize>, Error> {
        let stored = self
            .parts
            .store
            .vector_beside(chatbot, item.id, space)
            .await?;
        let vector = stored.and_then(|bytes| QuantizedVector::from_bytes(&bytes));
        Ok(vector.map(|vector| vector.codes.len()))
    }
}

/// The document as chunks without vectors, and as the text that is kept of what came from outside.
async fn cut_up(
    item: &Item,
    document: Document,
    size: usize,
) -> Result<(Ingested, Option<Bytes>), Error> {
    let title = own_title(item, &document);
    let from_outside = !matches!(item.source, Source::Text { .. });
    blocking(move || {
        let text = from_outside.then(|| document.to_markdown().into());
        (chunked(&document, size, title), text)
    })
    .await
}

/// Does what takes its time with a document off the threads that answer.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::internal("the work on a document stopped", error))
}

/// What a chunk is embedded as.
pub(crate) fn embedded_text(title: &str, chunk: &Chunk) -> String {
    format!("{}\n{}", search_title(title, chunk), chunk.text)
}

/// A vector as it is stored; `None` where it means nothing.
pub(crate) fn stored_vector(
    embedder: &dyn Embedder,
    text: &str,
    vector: &[f32],
) -> Option<Vec<u8>> {
    let meant = embedder.understands(text) && vector.iter().any(|value| *value != 0.0);
    meant.then(|| QuantizedVector::from_f32(vector).to_bytes())
}

/// What a page that was fetched is: HTML mostly, else a document by its type.
pub(crate) fn fetched(url: String, content_type: Option<String>) -> Result<Content, IngestError> {
    let media_type = content_type.as_deref().unwrap_or("text/html");
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    match Format::from_media_type(media_type) {
        Some(Format::Html) => Ok(Content::Page { url, content_type }),
        None if media_type.contains("html") => Ok(Content::Page { url, content_type }),
        Some(format) => Ok(Content::File(format)),
        None => Err(IngestError::Unreadable(format!(
            "The address answers with {media_type}, which cannot be read."
        ))),
    }
}

pub(crate) fn page_error(error: FetchError) -> IngestError {
    if error.retryable() {
        IngestError::Later(Error::new(ErrorKind::Unavailable, error.to_string()))
    } else {
        IngestError::Unreadable(error.to_string())
    }
}

fn pair(question: &str, answer: &str) -> Ingested {
    let characters = question.chars().count() + answer.chars().count();
    Ingested {
        title: None,
        chunks: vec![Chunk {
            ordinal: 1,
            headings: Vec::new(),
            page: None,
            text: answer.to_owned(),
            question: Some(question.to_owned()),
            embedding: None,
        }],
        characters: i64::try_from(characters).unwrap_or(i64::MAX),
        size_bytes: i64::try_from(question.len() + answer.len()).unwrap_or(i64::MAX),
        embedding_space: String::new(),
        text_file: None,
    }
}

/// The title that a page gives itself, in place of one that is only its address; a title that the
/// caller chose stays, and a file is known by its name.
fn own_title(item: &Item, document: &Document) -> Option<String> {
    let Source::Url { .. } = item.source else {
        return None;
    };
    let named_by_address = item.title == item.source.default_title();
    let title = document.title.as_deref().filter(|_| named_by_address);
    title.map(one_line)
}

fn chunked(document: &Document, size: usize, title: Option<String>) -> Ingested {
    let characters: usize = document
        .blocks
        .iter()
        .map(|block| block.text.chars().count())
        .sum();
    let own_title = document.title.as_deref().map(one_line);
    let chunks = okra_extract::chunk(document, &ChunkOptions::default());
    let chunks = chunks.into_iter().map(|chunk| Chunk {
        ordinal: chunk.ordinal,
        headings: under_title(chunk.headings, own_title.as_deref(), title.as_deref()),
        page: chunk.page,
        text: chunk.text,
        question: None,
        embedding: None,
    });
    Ingested {
        chunks: chunks.collect(),
        title,
        characters: i64::try_from(characters).unwrap_or(i64::MAX),
        size_bytes: i64::try_from(size).unwrap_or(i64::MAX),
        embedding_space: String::new(),
        text_file: None,
    }
}

/// The headings, below the title that the document gives itself: a file is named by its file name,
/// which says less.
fn under_title(
    mut headings: Vec<String>,
    own_title: Option<&str>,
    item_title: Option<&str>,
) -> Vec<String> {
    if let Some(own) = own_title
        && !own.is_empty()
        && item_title != Some(own)
        && headings.first().map(String::as_str) != Some(own)
    {
        headings.insert(0, own.to_owned());
    }
    headings
}

fn one_line(title: &str) -> String {
    let words: Vec<&str> = title.split_whitespace().collect();
    words.join(" ").chars().take(300).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use okra_domain::{ChatbotId, Timestamp};
    use okra_extract::{Block, BlockKind};

    use super::*;

    /// What `work` comes to, which must not come of the thread that asks for it: while every thread for
    /// work that takes its time is taken, nothing does.
    #[track_caller]
    pub(crate) fn off_the_thread<T>(work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .max_blocking_threads(1)
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let (free, taken) = std::sync::mpsc::channel::<()>();
            let held = tokio::task::spawn_blocking(move || taken.recv());
            let mut work = std::pin::pin!(work);
            assert!(futures_util::poll!(work.as_mut()).is_pending());
            drop(free);
            held.await.expect("it was held").expect_err("and let go");
            work.await
        })
    }

    #[test]
    fn a_document_is_cut_up_off_the_threads_that_answer() {
        let from = Source::Url {
            url: "https://example.com/".to_owned(),
        };
        let item = Item::new(ChatbotId::new(), None, from, Timestamp(1)).expect("an item");
        let document = Document {
            title: Some("Hours".to_owned()),
            blocks: vec![Block {
                kind: BlockKind::Paragraph,
                text: "The workshop opens at nine.".to_owned(),
                page: None,
            }],
        };
        let (done, text) = off_the_thread(cut_up(&item, document, 27)).expect("cut up");
        assert_eq!(
            (done.chunks.len(), done.title.as_deref()),
            (1, Some("Hours"))
        );
        let text = text.expect("kept of what came from outside");
        assert_eq!(text.as_ref(), b"The workshop opens at nine.\n");
    }
}
