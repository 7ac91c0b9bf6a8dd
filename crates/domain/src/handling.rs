//! Who answers a conversation: its chatbot, or a person. Pure rules; the store applies them in the
//! transaction that reads what they change, so that of two agents at once each sees the other.

use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::session::SessionState;
use crate::{PersonId, Timestamp};

/// How long a visitor has to see what a person replied before it is sent by e-mail.
pub const MAIL_AFTER: Duration = Duration::from_secs(2 * 60);

/// Who answers, and how the conversation stands. Nobody is assigned where the chatbot answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handling {
    /// Whether a person has it, or is waited for: the chatbot is silent.
    pub is_human_mode: bool,
    /// How it stands.
    pub state: SessionState,
    /// The person who has it.
    pub assignee: Option<PersonId>,
}

/// What an agent or a program wants changed; `None` leaves a field to the others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HandlingChange {
    /// Take it over, or hand it back.
    pub is_human_mode: Option<bool>,
    /// How it shall stand.
    pub state: Option<SessionState>,
    /// Who shall have it; `Some(None)` for whoever comes first.
    pub assignee: Option<Option<PersonId>>,
}

impl HandlingChange {
    /// Whether the fields say the same.
    fn check(&self) -> Result<()> {
        let named = matches!(self.assignee, Some(Some(_)));
        if *self == Self::default() {
            let message = "Nothing is to be changed: give is_human_mode, state or assignee_id.";
            return Err(Error::invalid(message));
        }
        if self.state == Some(SessionState::Resolved) && (self.is_human_mode == Some(true) || named)
        {
            let problem = "resolved leaves the conversation to the chatbot: give it without \
                           is_human_mode true and without an assignee_id";
            return Err(Error::invalid_field("state", problem));
        }
        if self.is_human_mode == Some(false) && self.state == Some(SessionState::Waiting) {
            let problem = "waiting means for a person: it needs is_human_mode true";
            return Err(Error::invalid_field("state", problem));
        }
        if self.is_human_mode == Some(false) && named {
            let problem = "only where a person has the conversation (is_human_mode true)";
            return Err(Error::invalid_field("assignee_id", problem));
        }
        Ok(())
    }
}

impl Handling {
    /// How a conversation begins, and what it is handed back to.
    pub const CHATBOT: Self = Self {
        is_human_mode: false,
        state: SessionState::InProgress,
        assignee: None,
    };

    /// What `change` makes of it, asked for by the person `by`, or by a program.
    ///
    /// # Errors
    /// A change that contradicts itself, and taking over what another person has (409 `taken`)
    /// without naming who shall have it.
    pub fn changed(self, change: HandlingChange, by: Option<PersonId>) -> Result<Self> {
        change.check()?;
        let HandlingChange {
            is_human_mode,
            state,
            assignee,
        } = change;
        if is_human_mode == Some(false) || state == Some(SessionState::Resolved) {
            let kept = match self.state {
                SessionState::Resolved => SessionState::Resolved,
                SessionState::InProgress | SessionState::Waiting => SessionState::InProgress,
            };
            return Ok(Self {
                state: state.unwrap_or(kept),
                ..Self::CHATBOT
            });
        }
        if state == Some(SessionState::Waiting) {
            return Ok(Self::waiting(assignee.flatten()));
        }
        match assignee {
            Some(Some(person)) => Ok(Self::with(Some(person))),
            // Given up, it waits for whoever comes first.
            Some(None) if self.is_human_mode || is_human_mode == Some(true) => {
                Ok(Self::waiting(None))
            }
            Some(None) => Ok(self),
            None if is_human_mode == Some(true) => self.taken(by),
            None if self.is_human_mode => Ok(Self::with(self.assignee.or(by))),
            // Re-opened, the chatbot has it.
            None => Ok(Self::CHATBOT),
        }
    }

    /// Taken over by `by`.
    fn taken(self, by: Option<PersonId>) -> Result<Self> {
        let other = self.assignee.filter(|_| by.is_some());
        if other.is_some() && other != by {
            let message = "Another person has this conversation. To have it all the same, name \
                           yourself in assignee_id.";
            return Err(Error::new(ErrorKind::Conflict, message).coded("taken"));
        }
        Ok(Self::with(self.assignee.or(by)))
    }

    /// After an agent's message: whoever writes has it, unless another does. Two may write.
    #[must_use]
    pub fn answered(self, by: Option<PersonId>) -> Self {
        Self::with(self.assignee.or(by))
    }

    /// After the visitor, or the chatbot for it, asked for a person.
    #[must_use]
    pub fn called(self) -> Self {
        match self.is_human_mode {
            true => self,
            false => Self::waiting(None),
        }
    }

    /// After the visitor took that back, which is possible until a person has it.
    #[must_use]
    pub fn called_off(self) -> Self {
        match self.is_waiting() {
            true => Self::CHATBOT,
            false => self,
        }
    }

    /// After the visitor said that it is settled.
    #[must_use]
    pub fn ended(self) -> Self {
        Self {
            state: SessionState::Resolved,
            ..Self::CHATBOT
        }
    }

    /// Whether a person is waited for, and nobody has it yet.
    pub fn is_waiting(self) -> bool {
        self.state == SessionState::Waiting && self.assignee.is_none()
    }

    /// Whether going over from `before` takes it from the chatbot.
    pub fn takes_over(self, before: Self) -> bool {
        self.is_human_mode && !before.is_human_mode
    }

    fn with(assignee: Option<PersonId>) -> Self {
        Self {
            is_human_mode: true,
            state: SessionState::InProgress,
            assignee,
        }
    }

    fn waiting(assignee: Option<PersonId>) -> Self {
        Self {
            is_human_mode: true,
            state: SessionState::Waiting,
            assignee,
        }
    }
}

/// The conversations that an inbox shows together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InboxQueue {
    /// Those that the chatbot answers.
    Bot,
    /// Those in which a person is waited for.
    Waiting,
    /// Those that this person has.
    Mine(PersonId),
    /// All that are not settled.
    All,
    /// Those that are.
    Resolved,
}

/// What agents tell each other at a conversation; no visitor and no model ever reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Its id.
    pub id: crate::NoteId,
    /// The conversation.
    pub session_id: crate::SessionId,
    /// Who wrote it; `None` for a program, or a person whose account is gone.
    pub author: Option<PersonId>,
    /// What the author was called then.
    pub author_name: Option<String>,
    /// The text.
    pub content: String,
    /// When it was written.
    pub created_at: Timestamp,
}

/// The most characters of a note.
pub const MAX_NOTE_CHARS: usize = 4_000;

#[cfg(test)]
mod tests {
    use SessionState::{InProgress, Resolved, Waiting};

    use super::*;

    #[test]
    fn a_change_leads_where_the_rules_say() {
        let (me, other) = (PersonId::new(), PersonId::new());
        let chatbot = Handling::CHATBOT;
        let resolved = Handling {
            state: Resolved,
            ..chatbot
        };
        let (waits, mine, theirs) = (
            Handling::waiting(None),
            Handling::with(Some(me)),
            Handling::with(Some(other)),
        );
        let take = HandlingChange {
            is_human_mode: Some(true),
            ..HandlingChange::default()
        };
        let back = HandlingChange {
            is_human_mode: Some(false),
            ..HandlingChange::default()
        };
        let state = |state| HandlingChange {
            state: Some(state),
            ..HandlingChange::default()
        };
        let assign = |to| HandlingChange {
            assignee: Some(to),
            ..HandlingChange::default()
        };
        for (before, change, by, expected) in [
            (chatbot, take, Some(me), mine),
            (chatbot, take, None, Handling::with(None)),
            (waits, take, Some(me), mine),
            (resolved, take, Some(me), mine),
            (mine, take, Some(me), mine),
            (theirs, take, None, theirs),
            (mine, back, Some(me), chatbot),
            (theirs, back, Some(me), chatbot),
            (resolved, back, Some(me), resolved),
            (mine, state(Resolved), Some(me), resolved),
            (waits, state(Resolved), None, resolved),
            (resolved, state(InProgress), Some(me), chatbot),
            (chatbot, state(InProgress), Some(me), chatbot),
            (waits, state(InProgress), Some(me), mine),
            (theirs, state(InProgress), Some(me), theirs),
            (chatbot, state(Waiting), Some(me), waits),
            (mine, state(Waiting), Some(me), waits),
            (chatbot, assign(Some(other)), Some(me), theirs),
            (theirs, assign(Some(me)), Some(me), mine),
            (mine, assign(None), Some(me), waits),
            (chatbot, assign(None), Some(me), chatbot),
        ] {
            let after = before.changed(change, by);
            assert_eq!(after.expect("allowed"), expected, "{before:?} {change:?}");
        }
    }

    #[test]
    fn what_another_has_is_taken_by_name_alone() {
        let (me, other) = (PersonId::new(), PersonId::new());
        let take = HandlingChange {
            is_human_mode: Some(true),
            ..HandlingChange::default()
        };
        let refused = Handling::with(Some(other)).changed(take, Some(me));
        assert_eq!(refused.expect_err("taken").code, Some("taken"));
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let person = Some(Some(PersonId::new()));
        for (is_human_mode, state, assignee, field) in [
            (None, None, None, ""),
            (Some(true), Some(Resolved), None, "state"),
            (None, Some(Resolved), person, "state"),
            (Some(false), Some(Waiting), None, "state"),
            (Some(false), None, person, "assignee_id"),
        ] {
            let change = HandlingChange {
                is_human_mode,
                state,
                assignee,
            };
            let error = Handling::CHATBOT
                .changed(change, None)
                .expect_err("refused");
            let named = error.details.first().map_or("", |it| it.field.as_str());
            assert_eq!((error.kind, named), (ErrorKind::Invalid, field));
        }
    }

    #[test]
    fn a_wish_waits_until_a_person_comes_or_it_is_taken_back() {
        let person = Handling::with(Some(PersonId::new()));
        let waits = Handling::CHATBOT.called();
        assert_eq!(
            (waits.state, waits.takes_over(Handling::CHATBOT)),
            (Waiting, true)
        );
        assert_eq!(waits.called_off(), Handling::CHATBOT);
        assert_eq!((person.called(), person.called_off()), (person, person));
        let answered = waits.answered(person.assignee);
        assert_eq!((answered, answered.takes_over(waits)), (person, false));
        assert_eq!(person.answered(Some(PersonId::new())), person);
    }
}
