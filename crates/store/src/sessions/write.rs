//! What turns write. Several turns are written together, with one statement for all of them where each
//! alone would take one: on SQLite a statement is a trip to the connection's thread and back, which costs
//! more than what it does.

use std::collections::{HashMap, HashSet};

use okra_domain::error::Result;
use okra_domain::session::{AnswerFacts, Message, PLAYGROUND, Session};
use okra_domain::{ChatbotId, Error, ErrorKind, MessageId, SessionId, Timestamp};
use serde_json::{Value, json};

use super::{Earlier, OpenTurn, SessionKey, already_used, handling, read_earlier, read_session};
use crate::attachments;
use crate::budgets::{self, Spending};
use crate::db::{Many, Param, Tx, params, to_json};
use crate::webhooks::{News, Teller};

/// What a turn writes, kept whole so that it can be tried again.
pub(super) enum Write {
    /// See [`Store::open_turn`](crate::Store::open_turn). The message's session is the one to make where
    /// there is none.
    Open {
        teller: Teller,
        key: SessionKey,
        message: Message,
        history: u32,
        /// Whether it fails where the message is stored already.
        once: bool,
    },
    /// See [`Store::finish_turn`](crate::Store::finish_turn).
    Finish {
        teller: Teller,
        answer: Message,
        facts: AnswerFacts,
        /// What is counted of it, where there is an end to what may be used.
        spending: Option<Spending>,
    },
}

/// Which session a write is for, and how: no two of a kind go into one statement.
#[derive(PartialEq, Eq, Hash)]
enum Place<'a> {
    Asked(ChatbotId, &'a str, &'a str),
    AskedIn(SessionId),
    Answered(SessionId),
}

impl Write {
    fn message(&self) -> &Message {
        match self {
            Self::Open { message, .. } => message,
            Self::Finish { answer, .. } => answer,
        }
    }

    /// `None` where it makes a session of its own.
    fn place(&self) -> Option<Place<'_>> {
        match self {
            Self::Open { teller, key, .. } => match key {
                SessionKey::Visitor {
                    platform, token, ..
                } => Some(Place::Asked(teller.chatbot(), platform, token.as_deref()?)),
                SessionKey::Id(id) => Some(Place::AskedIn(*id)),
            },
            Self::Finish { answer, .. } => Some(Place::Answered(answer.session_id)),
        }
    }
}

/// Whether [`apply`] can make these together.
pub(super) fn go_together(writes: &[&Write]) -> bool {
    let mut places = HashSet::new();
    let mut places = writes
        .iter()
        .filter_map(|write| write.place())
        .map(|place| places.insert(place));
    places.all(|new| new)
}

/// Makes writes in `tx`; gives for each its session as it then is, with the history where it opened a turn. As if all
/// had come at once: a question sees the answers that are written with it.
pub(super) async fn apply(tx: &mut Tx, writes: &[&Write]) -> Result<Vec<OpenTurn>> {
    let mut leads = HashSet::new();
    for write in writes {
        if brings_lead(tx, write).await? {
            leads.insert(write.message().id);
        }
    }
    let mut by_message = last_messages(tx, writes).await?;
    let mut sessions: Vec<Session> = Vec::with_capacity(writes.len());
    let mut inserted = Vec::with_capacity(writes.len());
    for write in writes {
        let Some(session) = by_message.remove(&write.message().id) else {
            return Err(untouched(tx, write).await?);
        };
        inserted.push(match write {
            Write::Open {
                teller, message, ..
            } => {
                let attached = message.attachments.iter().flatten();
                for file in attached.filter_map(|attachment| attachment.file.as_deref()) {
                    attachments::keep(tx, teller.chatbot(), file).await?;
                }
                // What a person is to answer is no question of the chatbot's.
                let question = (!session.is_human_mode).then_some(message.id);
                let facts = AnswerFacts {
                    question,
                    ..AnswerFacts::default()
                };
                row(message, session.id, (None, facts))?
            }
            Write::Finish {
                teller,
                answer,
                facts,
                spending,
            } => {
                if let Some(spending) = spending {
                    budgets::spend(tx, *spending).await?;
                }
                // Tokens of builders' trials are spent all the same; their questions are no visitor's.
                let of_visitor = session.platform != PLAYGROUND;
                let facts = match of_visitor {
                    true => *facts,
                    false => AnswerFacts::default(),
                };
                row(answer, session.id, (Some(teller.chatbot()), facts))?
            }
        });
        sessions.push(session);
    }
    // What came before, by a request that came twice, is not told again.
    let new = INSERT.fetch(tx, inserted).await?;
    let new = new.iter().map(|row| row.get("id").map(MessageId));
    let new = new.collect::<Result<HashSet<_>>>()?;
    for (write, session) in writes.iter().zip(&mut sessions) {
        let message = write.message();
        if new.contains(&message.id) {
            let lead = leads.contains(&message.id);
            tell(tx, write, session, lead).await?;
            if let Write::Finish { teller, facts, .. } = write
                && facts.calls_person
            {
                let next = session.handling().called();
                *session = handling::settle(tx, *teller, session, next, message.created_at).await?;
            }
            continue;
        }
        match write {
            Write::Open { once: true, .. } => {
                let message = "This call was confirmed already.";
                return Err(Error::new(ErrorKind::Conflict, message).coded("already_confirmed"));
            }
            // What is answered must be what is stored.
            Write::Open { .. } => {
                let stored = handling::same(tx, message, session.id).await?;
                stored.ok_or_else(already_used)?;
            }
            Write::Finish { .. } => return Err(handling::answered()),
        }
    }
    let mut histories = histories(tx, writes, &sessions).await?;
    let turn = |(write, session): (&&Write, Session)| {
        // A question's, not that of an answer which is written to the same session with it.
        let history = match write {
            Write::Open { .. } => histories.remove(&session.id),
            Write::Finish { .. } => None,
        };
        OpenTurn {
            history: history.unwrap_or_default(),
            session,
        }
    };
    Ok(writes.iter().zip(sessions).map(turn).collect())
}

/// Whether it is a visitor's message that makes a lead of them, where somebody is told of leads.
async fn brings_lead(tx: &mut Tx, write: &Write) -> Result<bool> {
    let Write::Open {
        teller,
        key:
            SessionKey::Visitor {
                platform,
                token,
                profile,
            },
        ..
    } = write
    else {
        return Ok(false);
    };
    let visitor = (platform.as_str(), token.as_deref());
    teller.is_lead(tx, visitor, profile.as_ref()).await
}

/// Tells endpoints of a message; asks the database for nothing where there are none.
async fn tell(tx: &mut Tx, write: &Write, session: &Session, lead: bool) -> Result<()> {
    match write {
        Write::Open { teller, .. } if teller.is_silent() => Ok(()),
        Write::Open {
            teller, message, ..
        } => {
            let began = session.id == message.session_id;
            let mut message = message.clone();
            message.session_id = session.id;
            let news = News { began, lead };
            teller.asked(tx, session, &message, news).await
        }
        Write::Finish { teller, answer, .. } => teller.message(tx, &session.platform, answer).await,
    }
}

/// Why a session could not be written to.
async fn untouched(tx: &mut Tx, write: &Write) -> Result<Error> {
    match write {
        Write::Open { .. } => Ok(Error::not_found("conversation")),
        Write::Finish { teller, answer, .. } => {
            handling::why_untouched(tx, teller.chatbot(), answer.session_id).await
        }
    }
}

/// Stores a message beside those of turns, and makes it its session's last; gives the session, where there
/// is one.
pub(super) async fn add(
    tx: &mut Tx,
    chatbot: ChatbotId,
    message: &Message,
) -> Result<Option<Session>> {
    let touched = TOUCH.fetch(
        tx,
        vec![touched(message, message.session_id, chatbot, None)],
    );
    let session = touched.await?.first().map(read_session).transpose()?;
    if session.is_some() {
        let message = row(message, message.session_id, (None, AnswerFacts::default()))?;
        INSERT.fetch(tx, vec![message]).await?;
    }
    Ok(session)
}

/// Makes the messages their sessions' last, and the sessions of visitors who have none yet; gives the
/// sessions by these messages.
async fn last_messages(tx: &mut Tx, writes: &[&Write]) -> Result<HashMap<MessageId, Session>> {
    let (mut met, mut introduced, mut anonymous) = (Vec::new(), Vec::new(), Vec::new());
    for write in writes {
        match write {
            Write::Open {
                teller,
                key,
                message,
                ..
            } => match key {
                SessionKey::Id(id) => met.push(touched(message, *id, teller.chatbot(), None)),
                SessionKey::Visitor {
                    platform,
                    token,
                    profile,
                } => {
                    let (rows, metadata) = match profile {
                        Some(profile) => (&mut introduced, Value::Object(profile.clone())),
                        None => (&mut anonymous, json!({"anonymous": true})),
                    };
                    rows.push(params![
                        message.session_id.0,
                        teller.chatbot().0,
                        platform.as_str(),
                        token.clone(),
                        metadata,
                        message.id.0,
                        message.content.as_str(),
                        message.sender_type.as_str(),
                        message.created_at,
                        message.created_at,
                    ]);
                }
            },
            Write::Finish {
                teller,
                answer,
                facts,
                ..
            } => {
                let (chatbot, takeovers) = (teller.chatbot(), Some(facts.takeovers));
                met.push(touched(answer, answer.session_id, chatbot, takeovers));
            }
        }
    }
    let mut rows = TOUCH.fetch(tx, met).await?;
    rows.append(&mut UPSERT.fetch(tx, anonymous).await?);
    rows.append(&mut UPSERT_INTRODUCED.fetch(tx, introduced).await?);
    let by_message = |row| {
        let session = read_session(row)?;
        let last = session.last_message.as_ref().map(|last| last.id);
        let missing = || Error::internal("a turn was not written", "a session without its message");
        Ok((last.ok_or_else(missing)?, session))
    };
    rows.iter().map(by_message).collect()
}

/// A resolved session is open again where its visitor writes. With a count of takeovers, only at that count.
static TOUCH: Many = Many::new(
    "UPDATE sessions SET last_message_id = v.column1, last_message_content = v.column2, \
     last_message_sender = v.column3, updated_at = v.column4, \
     state = CASE WHEN v.column3 = 'user' AND sessions.state = 'resolved' THEN 'in_progress' \
     ELSE sessions.state END FROM (VALUES ",
    "(?, ?, ?, ?, ?, ?, ?)",
    ", ",
    concat!(
        ") AS v WHERE sessions.id = v.column5 AND sessions.chatbot_id = v.column6 \
         AND (v.column7 IS NULL OR sessions.takeovers = v.column7) RETURNING ",
        session_columns!()
    ),
);

fn touched(
    message: &Message,
    session: SessionId,
    chatbot: ChatbotId,
    takeovers: Option<i64>,
) -> Vec<Param> {
    params![
        message.id.0,
        message.content.as_str(),
        message.sender_type.as_str(),
        message.created_at,
        session.0,
        chatbot.0,
        takeovers,
    ]
}

macro_rules! upsert {
    ($more:literal) => {
        Many::new(
            concat!("INSERT INTO sessions (", session_columns!(), ") VALUES "),
            "(?, ?, ?, ?, FALSE, 'in_progress', ?, ?, ?, ?, ?, ?, NULL, 0, NULL, NULL, NULL)",
            ", ",
            concat!(
                " ON CONFLICT (chatbot_id, platform, visitor) DO UPDATE SET \
                 last_message_id = excluded.last_message_id, \
                 last_message_content = excluded.last_message_content, \
                 last_message_sender = excluded.last_message_sender, \
                 updated_at = excluded.updated_at, \
                 state = CASE WHEN sessions.state = 'resolved' THEN 'in_progress' \
                 ELSE sessions.state END",
                $more,
                " RETURNING ",
                session_columns!()
            ),
        )
    };
}

static UPSERT: Many = upsert!("");
/// For visitors who said who they are.
static UPSERT_INTRODUCED: Many = upsert!(", metadata = excluded.metadata");

pub(super) static INSERT: Many = Many::new(
    "INSERT INTO messages (id, session_id, sender_type, content, attachments, metadata, model, \
     provider, tokens_used, created_at, chatbot_id, outcome, took_micros, question_id) VALUES ",
    "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    ", ",
    " ON CONFLICT (id) DO NOTHING RETURNING id",
);

/// A message to insert; an answer with what is counted of it, and for which chatbot. A question names itself, so that one
/// that nobody answered is known from what people were written.
pub(super) fn row(
    message: &Message,
    session: SessionId,
    (chatbot, facts): (Option<ChatbotId>, AnswerFacts),
) -> Result<Vec<Param>> {
    let attachments = message.attachments.as_deref();
    let attachments = attachments.map(attachments::stored);
    let took = facts.took.map(|took| took.as_micros());
    Ok(params![
        message.id.0,
        session.0,
        message.sender_type.as_str(),
        message.content.as_str(),
        attachments,
        to_json(&message.metadata)?,
        message.model.clone(),
        message.provider.clone(),
        message.tokens_used,
        message.created_at,
        chatbot.map(|chatbot| chatbot.0),
        facts.outcome.map(|outcome| outcome.as_str().to_owned()),
        took.map(|micros| i64::try_from(micros).unwrap_or(i64::MAX)),
        facts.question.map(|question| question.0),
    ])
}

static HISTORY: Many = Many::new(
    "",
    "SELECT * FROM (SELECT session_id, id, created_at, sender_type, content, attachments \
     FROM messages WHERE session_id = ? AND id <> ? \
     ORDER BY created_at DESC, id DESC LIMIT ?) AS earlier",
    " UNION ALL ",
    "",
);

/// What was said in the sessions that were opened, before what is said now; oldest first.
async fn histories(
    tx: &mut Tx,
    writes: &[&Write],
    sessions: &[Session],
) -> Result<HashMap<SessionId, Vec<Earlier>>> {
    let mut wanted = Vec::new();
    for (write, session) in writes.iter().zip(sessions) {
        if let Write::Open {
            message, history, ..
        } = write
            // One that was just made holds nothing.
            && session.id != message.session_id
            && *history > 0
        {
            wanted.push(params![session.id.0, message.id.0, *history]);
        }
    }
    let mut rows: Vec<(SessionId, Timestamp, uuid::Uuid, Earlier)> = Vec::new();
    for row in HISTORY.fetch(tx, wanted).await? {
        let session = SessionId(row.get("session_id")?);
        rows.push((
            session,
            row.time("created_at")?,
            row.get("id")?,
            read_earlier(&row)?,
        ));
    }
    rows.sort_by_key(|(_, at, id, _)| (*at, *id));
    let mut histories: HashMap<SessionId, Vec<Earlier>> = HashMap::new();
    for (session, _, _, earlier) in rows {
        histories.entry(session).or_default().push(earlier);
    }
    Ok(histories)
}
