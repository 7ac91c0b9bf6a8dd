//! People, what they may do in which organization, and their sign-ins.
//!
//! Sign-ins are known by the SHA-256 of a random token, as API keys are. Passwords come in as the
//! hashes that the caller made: this crate knows nothing of how.

use std::time::Duration;

use okra_domain::error::Result;
use okra_domain::person::{Membership, Person, Role, SIGN_IN_IDLE, SIGN_IN_LIFE};
use okra_domain::{
    ChatbotId, Error, ErrorKind, OrganizationId, PersonId, Secret, SessionId, Timestamp,
};

use crate::Store;
use crate::accounts::hash;
use crate::db::{Row, Tx, params};
use crate::events::Change;

/// How old a sign-in's `last_seen_at` may grow before a request refreshes it.
const LAST_SEEN_PRECISION: Duration = Duration::from_secs(60);

/// Someone with a good sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    /// Who.
    pub person: Person,
    /// Where they may act, the organization joined first at the front.
    pub memberships: Vec<Membership>,
    /// When this sign-in was last used, to within a minute.
    pub last_seen_at: Timestamp,
}

/// What a password is checked against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Whose it is.
    pub person: PersonId,
    /// The password's hash.
    pub password: Secret,
}

/// A person as a member of one organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub person: Person,
    /// What they may do.
    pub role: Role,
    /// Since when.
    pub joined_at: Timestamp,
}

macro_rules! person_columns {
    () => {
        "p.id, p.email, p.name, p.language, p.created_at, p.last_seen_at"
    };
}

impl Store {
    /// Who signed in with this token, unless that has ended; one statement.
    pub async fn signed_in(&self, token: &Secret) -> Result<Option<SignedIn>> {
        let sql = concat!(
            "SELECT ",
            person_columns!(),
            ", s.last_seen_at AS used_at, m.organization_id, m.role, o.name AS organization_name \
             FROM sign_ins s JOIN people p ON p.id = s.person_id \
             LEFT JOIN memberships m ON m.person_id = p.id \
             LEFT JOIN organizations o ON o.id = m.organization_id \
             WHERE s.hash = $1 AND s.created_at > $2 AND s.last_seen_at > $3 \
             ORDER BY m.created_at, m.organization_id"
        );
        let now = self.clock.now();
        let values = params![
            hash(token),
            now.before(SIGN_IN_LIFE),
            now.before(SIGN_IN_IDLE)
        ];
        let rows = self.db.fetch_all(sql, values).await?;
        let Some(first) = rows.first() else {
            return Ok(None);
        };
        let memberships = rows
            .iter()
            .map(read_membership)
            .collect::<Result<Vec<_>>>()?;
        Ok(Some(SignedIn {
            person: read_person(first)?,
            memberships: memberships.into_iter().flatten().collect(),
            last_seen_at: first.time("used_at")?,
        }))
    }

    /// Notes that a sign-in was used, where the last note is over a minute old.
    pub async fn note_seen(&self, token: &Secret, who: &SignedIn) -> Result<()> {
        let now = self.clock.now();
        if now.since(who.last_seen_at) < LAST_SEEN_PRECISION {
            return Ok(());
        }
        let mut tx = self.db.begin().await?;
        let sql = "UPDATE people SET last_seen_at = $1 WHERE id = $2";
        tx.execute(sql, params![now, who.person.id.0]).await?;
        let sql = "UPDATE sign_ins SET last_seen_at = $1 WHERE hash = $2";
        tx.execute(sql, params![now, hash(token)]).await?;
        tx.commit().await
    }

    /// What the password of the person with this address is checked against.
    pub async fn credentials(&self, email: &str) -> Result<Option<Credentials>> {
        let sql = "SELECT id, password FROM people WHERE email = $1";
        let row = self.db.fetch_optional(sql, params![email]).await?;
        let read = |row: &Row| {
            Ok(Credentials {
                person: PersonId(row.get("id")?),
                password: Secret::new(row.get::<String>("password")?),
            })
        };
        row.as_ref().map(read).transpose()
    }

    /// Begins a sign-in under `token`. `false` where the password that was checked is another by
    /// now: whoever changed it ended all sign-ins, this one among them.
    pub async fn sign_in(&self, checked: &Credentials, token: &Secret) -> Result<bool> {
        let now = self.clock.now();
        let person = checked.person.0;
        let mut tx = self.db.begin().await?;
        // Takes the person's row, so that a change of the password comes before or after.
        let sql = "UPDATE people SET last_seen_at = $1 WHERE id = $2 AND password = $3";
        let password = checked.password.expose();
        if tx.execute(sql, params![now, person, password]).await? == 0 {
            return Ok(false);
        }
        let sql = "DELETE FROM sign_ins WHERE person_id = $1 \
                   AND (created_at <= $2 OR last_seen_at <= $3)";
        let (life, idle) = (now.before(SIGN_IN_LIFE), now.before(SIGN_IN_IDLE));
        tx.execute(sql, params![person, life, idle]).await?;
        let sql = "INSERT INTO sign_ins (hash, person_id, created_at, last_seen_at) \
                   VALUES ($1, $2, $3, $3)";
        tx.execute(sql, params![hash(token), person, now]).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Ends one sign-in.
    pub async fn sign_out(&self, token: &Secret) -> Result<()> {
        let sql = "DELETE FROM sign_ins WHERE hash = $1";
        self.db.execute(sql, params![hash(token)]).await?;
        Ok(())
    }

    /// Ends every sign-in of a person.
    pub async fn sign_out_everywhere(&self, person: PersonId) -> Result<()> {
        let sql = "DELETE FROM sign_ins WHERE person_id = $1";
        self.db.execute(sql, params![person.0]).await?;
        Ok(())
    }

    /// Stores a person's name and language.
    pub async fn update_person(&self, person: &Person) -> Result<()> {
        let sql = "UPDATE people SET name = $1, language = $2 WHERE id = $3";
        let (name, language) = (person.name.as_str(), person.language.clone());
        let values = params![name, language, person.id.0];
        match self.db.execute(sql, values).await? {
            1 => Ok(()),
            _ => Err(Error::not_found("person")),
        }
    }

    /// Replaces the password that was checked, and ends the person's sign-ins but for the one of
    /// `token`. `false` where it is another by now.
    pub async fn change_password(
        &self,
        checked: &Credentials,
        password: &Secret,
        token: &Secret,
    ) -> Result<bool> {
        let mut tx = self.db.begin().await?;
        let sql = "UPDATE people SET password = $1 WHERE id = $2 AND password = $3";
        let person = checked.person.0;
        let values = params![password.expose(), person, checked.password.expose()];
        if tx.execute(sql, values).await? == 0 {
            return Ok(false);
        }
        let sql = "DELETE FROM sign_ins WHERE person_id = $1 AND hash <> $2";
        tx.execute(sql, params![person, hash(token)]).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// A person, unless the account is gone. For what a link or a sign-in names, never for an id that
    /// a request brings.
    pub(crate) async fn person(&self, id: PersonId) -> Result<Option<Person>> {
        let sql = concat!(
            "SELECT ",
            person_columns!(),
            " FROM people p WHERE p.id = $1"
        );
        let row = self.db.fetch_optional(sql, params![id.0]).await?;
        row.as_ref().map(read_person).transpose()
    }

    /// The person with this address, in its stored form.
    pub async fn person_of(&self, email: &str) -> Result<Option<Person>> {
        let sql = concat!(
            "SELECT ",
            person_columns!(),
            " FROM people p WHERE p.email = $1"
        );
        let row = self.db.fetch_optional(sql, params![email]).await?;
        row.as_ref().map(read_person).transpose()
    }

    /// Whether anybody has an account yet.
    pub async fn has_people(&self) -> Result<bool> {
        let sql = "SELECT COUNT(*) AS count FROM people";
        Ok(self.db.count(sql, params![]).await? > 0)
    }

    /// The organization's people, the one who joined first at the front.
    pub async fn members(&self, organization: OrganizationId) -> Result<Vec<Member>> {
        let sql = concat!(
            "SELECT ",
            person_columns!(),
            ", m.role, m.created_at AS joined_at FROM memberships m \
             JOIN people p ON p.id = m.person_id WHERE m.organization_id = $1 \
             ORDER BY m.created_at, m.person_id"
        );
        let rows = self.db.fetch_all(sql, params![organization.0]).await?;
        rows.iter().map(read_member).collect()
    }

    /// One of the organization's people.
    pub async fn member(&self, organization: OrganizationId, person: PersonId) -> Result<Member> {
        let values = params![organization.0, person.0];
        found(self.db.fetch_optional(MEMBER, values).await?)
    }

    /// Whether a person belongs to another organization than this one too.
    pub async fn is_elsewhere_too(
        &self,
        organization: OrganizationId,
        person: PersonId,
    ) -> Result<bool> {
        let sql = "SELECT COUNT(*) AS count FROM memberships \
                   WHERE person_id = $1 AND organization_id <> $2";
        Ok(self
            .db
            .count(sql, params![person.0, organization.0])
            .await?
            > 0)
    }

    /// Changes what a person may do in an organization: `change` gets the person as a member, locked,
    /// and gives the role, or `None` for no place at all. The last owner stays one.
    pub async fn change_member(
        &self,
        organization: OrganizationId,
        person: PersonId,
        change: impl FnOnce(&Member) -> Result<Option<Role>> + Send,
    ) -> Result<Option<Member>> {
        let mut tx = self.db.begin().await?;
        // One change of an organization's people at a time: two owners who leave together would
        // each see the other stay.
        let sql = "UPDATE organizations SET name = name WHERE id = $1";
        tx.execute(sql, params![organization.0]).await?;
        let values = params![organization.0, person.0];
        let mut member = found(tx.fetch_optional(MEMBER, values).await?)?;
        let role = change(&member)?;
        if member.role == Role::Owner && role != Some(Role::Owner) {
            let sql = "SELECT COUNT(*) AS count FROM memberships \
                       WHERE organization_id = $1 AND role = 'owner'";
            let row = tx.fetch_optional(sql, params![organization.0]).await?;
            if row.map_or(Ok(0), |row| row.get::<i64>("count"))? < 2 {
                let message = "An organization needs an owner: make someone else an owner first.";
                return Err(Error::new(ErrorKind::Conflict, message).coded("last_owner"));
            }
        }
        match role {
            Some(role) => {
                let sql = "UPDATE memberships SET role = $1 \
                           WHERE organization_id = $2 AND person_id = $3";
                let values = params![role.as_str(), organization.0, person.0];
                tx.execute(sql, values).await?;
                member.role = role;
            }
            None => {
                let sql = "DELETE FROM memberships WHERE organization_id = $1 AND person_id = $2";
                tx.execute(sql, params![organization.0, person.0]).await?;
            }
        }
        let may_answer = role.is_some_and(|role| role >= Role::Agent);
        let left = match may_answer {
            true => Vec::new(),
            false => release(&mut tx, organization, person).await?,
        };
        tx.commit().await?;
        for change in left {
            self.events.tell(organization, change);
        }
        Ok(role.map(|_| member))
    }

    /// Everyone on this server with the organizations they belong to, by address. For the
    /// operator's command line only.
    pub async fn people_as_operator(&self) -> Result<Vec<(Person, Vec<Membership>)>> {
        let sql = concat!(
            "SELECT ",
            person_columns!(),
            ", m.organization_id, m.role, o.name AS organization_name FROM people p \
             LEFT JOIN memberships m ON m.person_id = p.id \
             LEFT JOIN organizations o ON o.id = m.organization_id \
             ORDER BY p.email, m.created_at, m.organization_id"
        );
        let mut people: Vec<(Person, Vec<Membership>)> = Vec::new();
        for row in self.db.fetch_all(sql, params![]).await? {
            let person = read_person(&row)?;
            let membership = read_membership(&row)?;
            match people.last_mut() {
                Some((last, memberships)) if last.id == person.id => memberships.extend(membership),
                _ => people.push((person, membership.into_iter().collect())),
            }
        }
        Ok(people)
    }
}

const MEMBER: &str = concat!(
    "SELECT ",
    person_columns!(),
    ", m.role, m.created_at AS joined_at FROM memberships m \
     JOIN people p ON p.id = m.person_id WHERE m.organization_id = $1 AND m.person_id = $2"
);

/// Has the conversations of a person who no longer answers wait for another.
async fn release(
    tx: &mut Tx,
    organization: OrganizationId,
    person: PersonId,
) -> Result<Vec<Change>> {
    let sql = "UPDATE sessions SET assignee_id = NULL, state = 'waiting' WHERE assignee_id = $1 \
               AND chatbot_id IN (SELECT c.id FROM chatbots c WHERE c.organization_id = $2) \
               RETURNING chatbot_id, id, takeovers";
    let rows = tx.fetch_all(sql, params![person.0, organization.0]).await?;
    let change = |row: &Row| {
        let (chatbot, session) = (row.get("chatbot_id")?, row.get("id")?);
        let takeovers = row.get("takeovers")?;
        Ok(Change::Handled(
            ChatbotId(chatbot),
            SessionId(session),
            takeovers,
        ))
    };
    rows.iter().map(change).collect()
}

fn found(row: Option<Row>) -> Result<Member> {
    match row {
        Some(row) => read_member(&row),
        None => Err(Error::not_found("person")),
    }
}

fn read_person(row: &Row) -> Result<Person> {
    Ok(Person {
        id: PersonId(row.get("id")?),
        email: row.get("email")?,
        name: row.get("name")?,
        language: row.get("language")?,
        created_at: row.time("created_at")?,
        last_seen_at: row.optional_time("last_seen_at")?,
    })
}

/// The membership of a row that may have none.
fn read_membership(row: &Row) -> Result<Option<Membership>> {
    let Some(organization_id) = row.get::<Option<uuid::Uuid>>("organization_id")? else {
        return Ok(None);
    };
    Ok(Some(Membership {
        organization_id: OrganizationId(organization_id),
        organization_name: row.get("organization_name")?,
        role: row.word("role")?,
    }))
}

fn read_member(row: &Row) -> Result<Member> {
    Ok(Member {
        person: read_person(row)?,
        role: row.word("role")?,
        joined_at: row.time("joined_at")?,
    })
}
