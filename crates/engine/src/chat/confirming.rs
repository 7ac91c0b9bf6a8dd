//! A call that waits for the visitor, and the message by which it is confirmed. It is carried out in the turn of that
//! message: once, whoever sends what how often, since the message's id is made of the call.

use std::time::Duration;

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::handling::Note;
use okra_domain::session::{Message, SenderType, Session};
use okra_domain::tool::{CallState, CalledTool, ToolOutcome, calls_in};
use okra_domain::{Error, ErrorKind, MessageId, NoteId};
use okra_store::sessions::{OpenTurn, SessionKey, UserMessage};
use uuid::Uuid;

use super::draft::Draft;
use super::{Confirms, Running};
use crate::Engine;

/// The word for a call that cannot be confirmed any more.
const LAPSED: &str = "confirmation_lapsed";
/// Characters of a note at most.
const NOTED_CHARS: usize = 2_000;
/// How long a call can be confirmed.
const GOOD_FOR: Duration = Duration::from_secs(60 * 60);

impl Engine {
    /// Stores the message that confirms a call; gives the turn, and the call. A call can be confirmed while the answer
    /// that made it is the last thing said, for an hour.
    pub(super) async fn open_confirming(
        &self,
        chatbot: &Chatbot,
        key: &SessionKey,
        said: UserMessage,
        (confirms, history): (&Confirms, u32),
    ) -> Result<(OpenTurn, CalledTool)> {
        let store = &self.parts.store;
        let missing = || Error::not_found("call to confirm");
        let session = match key {
            SessionKey::Id(id) => Some(store.session(chatbot, *id).await?),
            SessionKey::Visitor {
                platform,
                token: Some(token),
                ..
            } => store.visitor_session(chatbot, platform, token).await?,
            SessionKey::Visitor { token: None, .. } => None,
        };
        let session = session.ok_or_else(missing)?;
        let answer = store
            .message(&session, confirms.answer)
            .await?
            .ok_or_else(missing)?;
        let call = waiting(&answer, &confirms.call).ok_or_else(missing)?;
        let said = UserMessage {
            id: Some(id_of(confirms)),
            ..said
        };
        // One that was confirmed already is told so, rather than that something else was said since.
        if store.message(&session, id_of(confirms)).await?.is_none() {
            self.check_good(&session, &answer)?;
        }
        let open = store.open_turn_once(chatbot, key, said, history).await?;
        Ok((open, call))
    }

    /// Leaves a note of what was carried out to the people who took the conversation meanwhile: the answer that would
    /// have told of it is not given.
    pub(super) async fn note_confirmed(&self, turn: &Running, draft: &Draft) {
        let (Some(_), Some(call)) = (&turn.confirmed, draft.tool_calls.first()) else {
            return;
        };
        let of_call = |it: &&ToolOutcome| it.tool_call_id == call.id;
        let outcome = draft.tool_results.iter().find(of_call);
        let store = &self.parts.store;
        let note = Note {
            id: NoteId::new(),
            session_id: turn.open.session.id,
            author: None,
            author_name: Some(turn.chatbot.name.clone()),
            content: told(call, outcome),
            created_at: store.clock().now(),
        };
        if let Err(error) = store.add_note(&turn.chatbot, &note).await {
            tracing::error!(%error, session = %note.session_id, "what was carried out was not noted");
        }
    }

    fn check_good(&self, session: &Session, answer: &Message) -> Result<()> {
        let is_last = session
            .last_message
            .as_ref()
            .is_some_and(|last| last.id == answer.id);
        let age = self.parts.store.clock().now().since(answer.created_at);
        if is_last && age <= GOOD_FOR && !session.is_human_mode {
            return Ok(());
        }
        let message = "This can no longer be confirmed: something else was said since, or it was too long ago. Ask again.";
        Err(Error::new(ErrorKind::Conflict, message).coded(LAPSED))
    }
}

/// What was carried out and what came of it, for a person.
fn told(call: &CalledTool, outcome: Option<&ToolOutcome>) -> String {
    let came = match outcome {
        Some(outcome) if outcome.failed => "it failed",
        Some(_) => "it was done",
        None => "whether it was done is not known",
    };
    let mut text = format!(
        "The visitor confirmed “{}”, and {came}, while the conversation was taken over.",
        call.title
    );
    for (name, value) in call.arguments.as_object().into_iter().flatten() {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        text.push_str(&format!("\n{name}: {value}"));
    }
    if let Some(outcome) = outcome {
        text.push_str(&format!("\n\n{}", outcome.content));
    }
    text.chars().take(NOTED_CHARS).collect()
}

/// The call of this id, where it waits.
fn waiting(answer: &Message, id: &str) -> Option<CalledTool> {
    if answer.sender_type != SenderType::Bot {
        return None;
    }
    let mut calls = calls_in(&answer.metadata).into_iter();
    calls.find(|call| call.id == id && call.state == CallState::AwaitingConfirmation)
}

/// The id of the message that confirms a call. It is the lowest, as of messages of the same moment the earlier one's
/// must be lower than its answer's.
fn id_of(confirms: &Confirms) -> MessageId {
    let name = format!("confirms {} of {}", confirms.call, confirms.answer);
    let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).as_u128();
    MessageId(Uuid::from_u128(id & (u128::MAX >> 48)))
}
