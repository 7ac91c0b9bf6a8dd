//! Notes that agents leave each other at a session.

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::handling::Note;
use okra_domain::session::Session;
use okra_domain::{Error, ErrorKind, NoteId, PersonId, SessionId};

use crate::Store;
use crate::db::{Row, params};
use crate::events::Change;

/// Notes of one session at most.
const MOST_NOTES: i64 = 500;

impl Store {
    /// A session's notes, oldest first.
    pub async fn notes(&self, session: &Session) -> Result<Vec<Note>> {
        let sql = "SELECT id, session_id, author_id, author_name, content, created_at \
                   FROM session_notes WHERE session_id = $1 ORDER BY created_at, id";
        let rows = self.db.fetch_all(sql, params![session.id.0]).await?;
        rows.iter().map(read_note).collect()
    }

    /// One note of a session.
    pub async fn note(&self, session: &Session, id: NoteId) -> Result<Option<Note>> {
        let sql = "SELECT id, session_id, author_id, author_name, content, created_at \
                   FROM session_notes WHERE id = $1 AND session_id = $2";
        let values = params![id.0, session.id.0];
        let row = self.db.fetch_optional(sql, values).await?;
        row.as_ref().map(read_note).transpose()
    }

    /// Adds a note to its session.
    ///
    /// # Errors
    /// A session that is gone, or has 500 notes already.
    pub async fn add_note(&self, chatbot: &Chatbot, note: &Note) -> Result<()> {
        let count = "SELECT COUNT(*) AS count FROM session_notes WHERE session_id = $1";
        let count = self.db.count(count, params![note.session_id.0]).await?;
        if count >= MOST_NOTES {
            let message = "This conversation has 500 notes; delete some to add others.";
            return Err(Error::new(ErrorKind::Conflict, message).coded("too_many_notes"));
        }
        let sql = "INSERT INTO session_notes (id, session_id, author_id, author_name, content, created_at) \
                   SELECT $1, s.id, $2, $3, $4, $5 FROM sessions s WHERE s.id = $6 AND s.chatbot_id = $7";
        let values = params![
            note.id.0,
            note.author.map(|person| person.0),
            note.author_name.clone(),
            note.content.as_str(),
            note.created_at,
            note.session_id.0,
            chatbot.id.0,
        ];
        match self.db.execute(sql, values).await? {
            0 => Err(Error::not_found("conversation")),
            _ => {
                self.tell_note(chatbot, note.session_id, note.id);
                Ok(())
            }
        }
    }

    /// Deletes a note.
    pub async fn delete_note(&self, chatbot: &Chatbot, note: &Note) -> Result<()> {
        let sql = "DELETE FROM session_notes WHERE id = $1 AND session_id = $2";
        let values = params![note.id.0, note.session_id.0];
        match self.db.execute(sql, values).await? {
            0 => Err(Error::not_found("note")),
            _ => {
                self.tell_note(chatbot, note.session_id, note.id);
                Ok(())
            }
        }
    }

    fn tell_note(&self, chatbot: &Chatbot, session: SessionId, note: NoteId) {
        let change = Change::Note(chatbot.id, session, note);
        self.events.tell(chatbot.organization_id, change);
    }
}

fn read_note(row: &Row) -> Result<Note> {
    Ok(Note {
        id: NoteId(row.get("id")?),
        session_id: SessionId(row.get("session_id")?),
        author: row.get::<Option<uuid::Uuid>>("author_id")?.map(PersonId),
        author_name: row.get("author_name")?,
        content: row.get("content")?,
        created_at: row.time("created_at")?,
    })
}
