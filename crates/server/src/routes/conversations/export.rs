//! Conversations as a file, written while they are read: however many there are, the server holds
//! a page of them.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, Stream};
use okra_domain::chatbot::Chatbot;
use okra_domain::session::{Message, Session};
use okra_domain::{Error, MessageId, SessionId};
use okra_engine::Engine;
use okra_store::sessions::SessionFilter;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{SessionFilterParams, session_filter};
use crate::access::{OwnChatbot, Viewer};
use crate::app::App;
use crate::download::Download;
use crate::error::{ApiResult, ErrorBody};
use crate::input::QueryParams;
use crate::spreadsheet;
use crate::wire::{MessageBody, SessionSummary};

/// Sessions read at once.
const SESSIONS: u32 = 100;
/// Messages read at once.
const MESSAGES: u32 = 500;
/// How much is gathered before it is sent.
const PIECE_BYTES: usize = 32 * 1024;

/// How conversations are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExportFormat {
    /// `{"data": [{"session": …, "messages": […]}, …]}`.
    Json,
    /// A line a message, for spreadsheets.
    Csv,
}

impl std::str::FromStr for ExportFormat {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        match word {
            "json" => Ok(Self::Json),
            "csv" => Ok(Self::Csv),
            _ => Err(()),
        }
    }
}

/// `{"data": […]}`: the form of a JSON export.
#[derive(Debug, Serialize, ToSchema)]
#[allow(dead_code)] // Only its schema is used: exports are written as they are read.
pub struct ExportBody {
    data: Vec<ExportedConversation>,
}

/// One conversation with all that was said in it.
#[derive(Debug, Serialize, ToSchema)]
#[allow(dead_code)] // Only its schema is used.
pub struct ExportedConversation {
    session: SessionSummary,
    messages: Vec<MessageBody>,
}

/// Export conversations
///
/// A file with the conversations that pass the filters and their messages, the conversation that
/// began first first. In CSV a line is a message; cells that a spreadsheet would take for a formula
/// begin with an apostrophe.
#[utoipa::path(get, path = "/api/external/chatbot/{chatbotId}/conversations/export",
    operation_id = "exportConversations", tag = "Conversations",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot."),
           ("format" = inline(Option<ExportFormat>), Query, description = "`json` where not given."),
           SessionFilterParams),
    responses((status = 200, content((ExportBody = "application/json"), (String = "text/csv"))),
              (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
              (status = 404, body = ErrorBody)))]
pub async fn export(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Viewer>,
    query: QueryParams,
) -> ApiResult<Response> {
    let format = query.word("format", "json or csv")?;
    let format = format.unwrap_or(ExportFormat::Json);
    let filter = session_filter(&query)?;
    let (ending, media_type) = match format {
        ExportFormat::Json => ("json", "application/json"),
        ExportFormat::Csv => ("csv", spreadsheet::MEDIA_TYPE),
    };
    let day = app.engine.store().clock().now().day();
    let file_name = format!("{}-conversations-{day}.{ending}", chatbot.slug);
    let mut export = Export {
        engine: app.engine.clone(),
        chatbot,
        filter,
        writer: Writer::new(format)?,
        waiting: VecDeque::new(),
        last: None,
        open: None,
        ended: false,
    };
    // What fails at once is told as an error, not as a file that breaks off.
    let first = export.piece().await?;
    let download = Download {
        file_name: &file_name,
        media_type,
        size: None,
    };
    download.of(stream::iter(first.map(Ok)).chain(export.rest()))
}

/// Where the export has come to.
struct Export {
    engine: Arc<Engine>,
    chatbot: Chatbot,
    filter: SessionFilter,
    writer: Writer,
    /// Sessions that were read and not yet written.
    waiting: VecDeque<Session>,
    /// The last session read.
    last: Option<SessionId>,
    /// The session being written, and the last of its messages that was.
    open: Option<(Session, Option<MessageId>)>,
    ended: bool,
}

impl Export {
    fn rest(self) -> impl Stream<Item = Result<Bytes, Error>> + Send + 'static {
        stream::try_unfold(self, async |mut export| {
            let piece = export.piece().await?;
            Ok(piece.map(|piece| (piece, export)))
        })
    }

    /// The next piece of the file; `None` after the last.
    async fn piece(&mut self) -> Result<Option<Bytes>, Error> {
        while !self.ended && self.writer.text.len() < PIECE_BYTES {
            match self.open.take() {
                Some((session, after)) => self.write_messages(session, after).await?,
                None => self.next_session().await?,
            }
        }
        let piece = std::mem::take(&mut self.writer.text);
        Ok((!piece.is_empty()).then(|| piece.into()))
    }

    async fn next_session(&mut self) -> Result<(), Error> {
        if self.waiting.is_empty() {
            let store = self.engine.store();
            let next = store.sessions_after(&self.chatbot, &self.filter, self.last, SESSIONS);
            self.waiting = next.await?.into();
        }
        let Some(session) = self.waiting.pop_front() else {
            self.writer.end();
            self.ended = true;
            return Ok(());
        };
        self.last = Some(session.id);
        self.writer.begin_session(&session)?;
        self.open = Some((session, None));
        Ok(())
    }

    async fn write_messages(
        &mut self,
        session: Session,
        after: Option<MessageId>,
    ) -> Result<(), Error> {
        let store = self.engine.store();
        let messages = store.messages_after(&session, after, MESSAGES).await?;
        let more = messages.len() == MESSAGES as usize;
        let last = messages.last().map(|message| message.id);
        for (index, message) in messages.into_iter().enumerate() {
            let first = after.is_none() && index == 0;
            self.writer.message(&session, message, first)?;
        }
        if more {
            self.open = Some((session, last));
        } else {
            self.writer.end_session();
        }
        Ok(())
    }
}

/// Writes in one of the formats.
struct Writer {
    format: ExportFormat,
    text: Vec<u8>,
    sessions: usize,
}

const COLUMNS: [&str; 16] = [
    "conversation_id",
    "platform",
    "state",
    "visitor",
    "visitor_name",
    "visitor_email",
    "message_id",
    "written_at",
    "sender",
    "content",
    "attachments",
    "sources",
    "model",
    "tokens_used",
    "feedback",
    "feedback_comment",
];

impl Writer {
    fn new(format: ExportFormat) -> Result<Self, Error> {
        let mut writer = Self {
            format,
            text: Vec::new(),
            sessions: 0,
        };
        match format {
            ExportFormat::Json => writer.text.extend_from_slice(b"{\"data\":["),
            ExportFormat::Csv => {
                writer
                    .text
                    .extend_from_slice(spreadsheet::BYTE_ORDER_MARK.as_bytes());
                writer.line(&COLUMNS.map(str::to_owned))?;
            }
        }
        Ok(writer)
    }

    fn begin_session(&mut self, session: &Session) -> Result<(), Error> {
        if self.format == ExportFormat::Csv {
            return Ok(());
        }
        self.text.extend_from_slice(match self.sessions {
            0 => b"{\"session\":",
            _ => b",{\"session\":",
        });
        self.sessions += 1;
        self.json(&SessionSummary::from(session.clone()))?;
        self.text.extend_from_slice(b",\"messages\":[");
        Ok(())
    }

    fn message(&mut self, session: &Session, message: Message, first: bool) -> Result<(), Error> {
        match self.format {
            ExportFormat::Json => {
                if !first {
                    self.text.push(b',');
                }
                self.json(&MessageBody::from(message))
            }
            ExportFormat::Csv => self.line(&cells(session, &message)),
        }
    }

    fn end_session(&mut self) {
        if self.format == ExportFormat::Json {
            self.text.extend_from_slice(b"]}");
        }
    }

    fn end(&mut self) {
        if self.format == ExportFormat::Json {
            self.text.extend_from_slice(b"]}\n");
        }
    }

    fn json(&mut self, value: &impl Serialize) -> Result<(), Error> {
        let written = serde_json::to_writer(&mut self.text, value);
        written.map_err(|error| Error::internal("cannot write an export", error))
    }

    fn line(&mut self, cells: &[String; COLUMNS.len()]) -> Result<(), Error> {
        spreadsheet::write_line(&mut self.text, cells.iter().map(String::as_str))
    }
}

fn cells(session: &Session, message: &Message) -> [String; COLUMNS.len()] {
    let known = |field: &str| {
        let value = session.metadata.get(field).and_then(|value| value.as_str());
        value.unwrap_or_default().to_owned()
    };
    let attachments = message.attachments.iter().flatten();
    let attachments: Vec<&str> = attachments.map(|file| file.url.as_str()).collect();
    let sources = message.metadata.get("sources").and_then(|it| it.as_array());
    let sources = sources.into_iter().flatten();
    let titles: Vec<&str> = sources.filter_map(|it| it["title"].as_str()).collect();
    let feedback = message.feedback.as_ref();
    [
        session.id.to_string(),
        session.platform.clone(),
        session.state.as_str().to_owned(),
        session.visitor.clone().unwrap_or_default(),
        known("name"),
        known("email"),
        message.id.to_string(),
        message.created_at.to_string(),
        message.sender_type.as_str().to_owned(),
        message.content.clone(),
        attachments.join(" "),
        titles.join("; "),
        message.model.clone().unwrap_or_default(),
        message.tokens_used.to_string(),
        feedback.map_or_else(String::new, |it| it.rating.as_str().to_owned()),
        feedback
            .and_then(|it| it.comment.clone())
            .unwrap_or_default(),
    ]
}
