//! A question that a program may send twice, since it does not know what became of it the first time: under the same
//! key it is stored once and answered once, and each sender gets that answer.

use axum::response::Response;
use okra_domain::chatbot::Chatbot;
use okra_domain::session::Message;
use okra_domain::{Error, ErrorKind, MessageId, SessionId};
use okra_engine::chat::{TurnEvent, TurnRequest, used_sources};
use okra_engine::live::Follower;
use okra_store::sessions::{SessionKey, already_used};
use serde_json::{Value, json};

use super::{Answered, event, event_of, first, reply, stream_of};
use crate::access::{Agent, Caller};
use crate::app::App;
use crate::error::ApiResult;
use crate::routes::visitors::messages::sources_now;
use crate::visitor::turn_ids_of;

/// The ids of a question and its answer: another chatbot's and another caller's key is another.
fn turn_ids(chatbot: &Chatbot, caller: &Caller<Agent>, key: &str) -> (MessageId, MessageId) {
    turn_ids_of(&format!("chat/{}/{}/{key}", chatbot.id, caller.id()))
}

/// Asks, unless it was asked under this key before; gives the one answer, which goes on for a while though nobody
/// waits for it.
pub(super) async fn ask(
    app: &App,
    (chatbot, caller): (&Chatbot, &Caller<Agent>),
    key: &str,
    mut request: TurnRequest,
    streamed: bool,
) -> ApiResult<Response> {
    let (message, answer) = turn_ids(chatbot, caller, key);
    let content = request.message.content.clone();
    if app.engine.live_turn(answer).is_none() {
        let store = app.engine.store();
        let asked = store.chatbots_message(chatbot, message).await?;
        // What confirms a call has an id of its own.
        if asked.as_ref().is_some_and(|it| it.content != content) {
            return Err(already_used().into());
        }
        if let Some(answer) = store.chatbots_message(chatbot, answer).await? {
            return told(app, chatbot, answer, streamed).await;
        }
        // Its answer was lost with the server: it is asked again where it stands.
        if let Some(asked) = asked {
            request.session = SessionKey::Id(asked.session_id);
        }
    }
    request.message.id = Some(message);
    request.answer_id = Some(answer);
    let follower = app.engine.begin_live_turn(chatbot, request).await?;
    let stored = follower.turn.session.last_message.as_ref();
    if stored.is_some_and(|stored| stored.content != content) {
        return Err(already_used().into());
    }
    let session = follower.turn.session.id;
    if streamed {
        let begun = first(session, answer);
        return Ok(stream_of(begun, follower, move |mut follower| async move {
            let (_, happened) = follower.next().await?;
            Some((event_of(&happened, session), follower))
        }));
    }
    Ok(reply(session, followed(follower).await?))
}

/// What a turn comes to whose events others read too.
async fn followed(mut follower: Follower) -> ApiResult<Answered> {
    let mut given = Vec::new();
    while let Some((_, happened)) = follower.next().await {
        match &*happened {
            TurnEvent::Sources(sources) => given.clone_from(sources),
            TurnEvent::Delta(_) | TurnEvent::ToolCall(_) | TurnEvent::ToolResult(_) => {}
            TurnEvent::Done(message) => {
                let used = used_sources(message, &given);
                return Ok(Some(((**message).clone(), used)));
            }
            TurnEvent::Failed(error) => return Err(same(error).into()),
            TurnEvent::HandedOver => return Ok(None),
        }
    }
    Err(Error::internal("a turn had no end", "no last event").into())
}

/// The error once more; its cause is in the log already.
fn same(error: &Error) -> Error {
    Error {
        kind: error.kind,
        code: error.code,
        message: error.message.clone(),
        details: error.details.clone(),
        source: None,
    }
}

/// The answer as it is stored.
async fn told(
    app: &App,
    chatbot: &Chatbot,
    answer: Message,
    streamed: bool,
) -> ApiResult<Response> {
    let session: SessionId = answer.session_id;
    if let Some(error) = failure(&answer) {
        if !streamed {
            return Err(error.into());
        }
        let begun = first(session, answer.id);
        return Ok(stream_of(begun, Some(error), move |error| async move {
            let error = TurnEvent::Failed(Box::new(error?));
            Some((event_of(&error, session), None))
        }));
    }
    let sources = sources_now(app, chatbot, &answer.metadata).await?;
    if !streamed {
        return Ok(reply(session, Some((answer, sources))));
    }
    let begun = first(session, answer.id);
    let sources = event("sources", &json!({"sources": sources}));
    let done = event_of(&TurnEvent::Done(Box::new(answer)), session);
    let rest = vec![done, sources];
    Ok(stream_of(begun, rest, |mut rest| async move {
        Some((rest.pop()?, rest))
    }))
}

/// Why the answer is not whole, where something failed.
fn failure(answer: &Message) -> Option<Error> {
    let failed = answer.metadata.get("ended").and_then(Value::as_str) == Some("failed");
    let why = answer.metadata.get("error").and_then(Value::as_str);
    let why = why.unwrap_or("The answer could not be finished.");
    failed.then(|| Error::new(ErrorKind::Provider, why))
}
