//! The inbox: sessions of all of an organization's chatbots, by who has to do something about them.
//! Trials in the playground are nobody's to answer.

use okra_domain::error::Result;
use okra_domain::handling::InboxQueue;
use okra_domain::session::Session;
use okra_domain::{OrganizationId, Page, PageRequest, PersonId};

use super::read_session;
use crate::Store;
use crate::db::{Param, params};

/// How many sessions want a person.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueCounts {
    /// Those in which a person is waited for.
    pub waiting: i64,
    /// Those that the person who asks has.
    pub mine: i64,
}

// The condition on `is_human_mode` stands in the text, where the two databases find their partial
// index by it. Postgres asks for a type where a value is compared with nothing.
macro_rules! in_queue {
    ($condition:literal) => {
        concat!(
            "FROM sessions WHERE chatbot_id IN (SELECT c.id FROM chatbots c \
             WHERE c.organization_id = $1) AND platform <> 'playground' \
             AND ($2 IS NULL OR assignee_id = $2) AND ",
            $condition
        )
    };
}

macro_rules! queue_statements {
    ($condition:literal) => {
        (
            concat!("SELECT COUNT(*) AS count ", in_queue!($condition)),
            concat!(
                "SELECT ",
                session_columns!(),
                " ",
                in_queue!($condition),
                " ORDER BY updated_at DESC, id DESC LIMIT $3 OFFSET $4"
            ),
        )
    };
}

/// The statements that count and list a queue.
fn statements(queue: InboxQueue) -> (&'static str, &'static str) {
    match queue {
        InboxQueue::Bot => queue_statements!("NOT is_human_mode AND state <> 'resolved'"),
        InboxQueue::Waiting => queue_statements!("is_human_mode AND state = 'waiting'"),
        InboxQueue::Mine(_) => queue_statements!("is_human_mode AND assignee_id IS NOT NULL"),
        InboxQueue::All => queue_statements!("state <> 'resolved'"),
        InboxQueue::Resolved => queue_statements!("state = 'resolved'"),
    }
}

impl Store {
    /// The organization's sessions in a queue, the one last spoken in first.
    pub async fn inbox(
        &self,
        organization: OrganizationId,
        queue: InboxQueue,
        page: PageRequest,
    ) -> Result<Page<Session>> {
        let (count, list) = statements(queue);
        let total = self.db.count(count, values(organization, queue)).await?;
        let mut values = values(organization, queue);
        values.extend(params![page.limit(), page.offset()]);
        let rows = self.db.fetch_all(list, values).await?;
        let entries = rows.iter().map(read_session).collect::<Result<_>>()?;
        Ok(page.of(entries, total))
    }

    /// How many sessions wait for a person, and how many `person` has.
    pub async fn inbox_counts(
        &self,
        organization: OrganizationId,
        person: Option<PersonId>,
    ) -> Result<QueueCounts> {
        let (waiting, _) = statements(InboxQueue::Waiting);
        let values_of = |queue| values(organization, queue);
        let waiting = self
            .db
            .count(waiting, values_of(InboxQueue::Waiting))
            .await?;
        let mine = match person.map(InboxQueue::Mine) {
            Some(queue) => self.db.count(statements(queue).0, values_of(queue)).await?,
            None => 0,
        };
        Ok(QueueCounts { waiting, mine })
    }
}

fn values(organization: OrganizationId, queue: InboxQueue) -> Vec<Param> {
    let person = match queue {
        InboxQueue::Mine(person) => Some(person.0),
        InboxQueue::Bot | InboxQueue::Waiting | InboxQueue::All | InboxQueue::Resolved => None,
    };
    params![organization.0, person]
}
