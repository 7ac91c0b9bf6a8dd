//! One-time links: the set-up of a new server, invitations, resets of passwords.
//!
//! A link is known by the SHA-256 of its token. Accepting one deletes its row in the transaction
//! that does what it is for, so of two who accept it together one finds nothing.

use okra_domain::error::Result;
use okra_domain::person::{Link, Person, Purpose, Role};
use okra_domain::{Error, ErrorKind, LinkId, OrganizationId, PersonId, Secret};
use uuid::Uuid;

use crate::Store;
use crate::accounts::{hash, rename};
use crate::db::{Param, Row, Tx, params};

macro_rules! columns {
    () => {
        "id, kind, organization_id, person_id, email, role, created_at, expires_at"
    };
}

/// A link with what its page shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownLink {
    /// The link.
    pub link: Link,
    /// The name of the organization that it leads into, where it leads into one.
    pub organization: Option<String>,
    /// Whose account it is for, where there is one already.
    pub person: Option<Person>,
}

/// How a link is accepted.
#[derive(Debug, Clone)]
pub enum Acceptance {
    /// By someone who gets an account.
    NewPerson(NewPerson),
    /// By someone who has one, and whose password was checked.
    Known(PersonId),
    /// By someone who chose this password, as a hash.
    NewPassword(Secret),
}

/// An account to be made.
#[derive(Debug, Clone)]
pub struct NewPerson {
    /// The address, in its stored form; an invitation's own counts instead.
    pub email: String,
    /// The name.
    pub name: String,
    /// The password's hash.
    pub password: Secret,
    /// A new name for the organization, where the link is the set-up and one is given.
    pub organization: Option<String>,
}

impl Store {
    /// Makes a link known by `token`. Earlier ones for the same are void from then on: the set-up,
    /// an invitation of the same address, a reset of the same person's password.
    ///
    /// Fails with a conflict where the invited belong to the organization already.
    pub async fn create_link(&self, purpose: Purpose, token: &Secret) -> Result<Link> {
        let now = self.clock.now();
        let link = Link {
            id: LinkId::new(),
            created_at: now,
            expires_at: now.after(purpose.life()),
            purpose,
        };
        let mut tx = self.db.begin().await?;
        let mut values = params![link.id.0, link.created_at, link.expires_at, hash(token)];
        values.extend(void_earlier(&mut tx, &link.purpose).await?);
        let sql = "INSERT INTO links (id, created_at, expires_at, hash, kind, organization_id, \
                   person_id, email, role) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        tx.execute(sql, values).await?;
        tx.commit().await?;
        Ok(link)
    }

    /// The link of this token, unless it is unknown, used or over; the set-up is over once there is
    /// somebody.
    pub async fn link(&self, token: &Secret) -> Result<ShownLink> {
        let sql = concat!(
            "SELECT ",
            columns!(),
            " FROM links WHERE hash = $1 AND expires_at > $2 \
             AND (kind <> 'setup' OR NOT EXISTS (SELECT 1 FROM people))"
        );
        let values = params![hash(token), self.clock.now()];
        let row = self.db.fetch_optional(sql, values).await?;
        let link = read(&row.ok_or_else(invalid)?)?;
        let (organization, person) = match &link.purpose {
            Purpose::SetUp { organization } => (Some(*organization), None),
            Purpose::Invitation {
                organization,
                email,
                ..
            } => (Some(*organization), self.person_of(email).await?),
            Purpose::Reset { person } => (None, self.person(*person).await?),
        };
        let organization = match organization {
            Some(id) => Some(self.organization(id).await?.name),
            None => None,
        };
        Ok(ShownLink {
            link,
            organization,
            person,
        })
    }

    /// Uses a link up: makes or changes the account that it is for, in one transaction. Gives whose
    /// it is.
    ///
    /// Fails with `link_invalid` where the link is no good any more or is not accepted in this way,
    /// and with a conflict where the address has an account by now.
    pub async fn accept_link(&self, token: &Secret, acceptance: Acceptance) -> Result<PersonId> {
        let mut tx = self.db.begin().await?;
        let now = self.clock.now();
        let sql = concat!(
            "DELETE FROM links WHERE hash = $1 AND expires_at > $2 RETURNING ",
            columns!()
        );
        let row = tx.fetch_optional(sql, params![hash(token), now]).await?;
        let person = match (read(&row.ok_or_else(invalid)?)?.purpose, acceptance) {
            (Purpose::SetUp { organization }, Acceptance::NewPerson(person)) => {
                let sql = "SELECT id FROM people LIMIT 1";
                if tx.fetch_optional(sql, params![]).await?.is_some() {
                    return Err(invalid());
                }
                if let Some(name) = &person.organization {
                    rename(&mut tx, organization, name).await?;
                }
                let id = self.insert_person(&mut tx, &person, &person.email).await?;
                self.join(&mut tx, organization, id, Role::Owner).await?;
                id
            }
            (
                Purpose::Invitation {
                    organization,
                    email,
                    role,
                },
                acceptance,
            ) => {
                let id = match acceptance {
                    Acceptance::NewPerson(person) => {
                        self.insert_person(&mut tx, &person, &email).await?
                    }
                    Acceptance::Known(person) => person,
                    Acceptance::NewPassword(_) => return Err(invalid()),
                };
                self.join(&mut tx, organization, id, role).await?;
                id
            }
            (Purpose::Reset { person }, Acceptance::NewPassword(password)) => {
                let sql = "UPDATE people SET password = $1 WHERE id = $2";
                let values = params![password.expose(), person.0];
                tx.execute(sql, values).await?;
                let sql = "DELETE FROM sign_ins WHERE person_id = $1";
                tx.execute(sql, params![person.0]).await?;
                person
            }
            _ => return Err(invalid()),
        };
        tx.commit().await?;
        Ok(person)
    }

    /// The organization's invitations that can still be accepted, oldest first.
    pub async fn invitations(&self, organization: OrganizationId) -> Result<Vec<Link>> {
        let sql = concat!(
            "SELECT ",
            columns!(),
            " FROM links WHERE organization_id = $1 AND kind = 'invitation' AND expires_at > $2 \
             ORDER BY created_at, id"
        );
        let values = params![organization.0, self.clock.now()];
        let rows = self.db.fetch_all(sql, values).await?;
        rows.iter().map(read).collect()
    }

    /// Takes an invitation back.
    pub async fn delete_invitation(
        &self,
        organization: OrganizationId,
        id: LinkId,
        allowed: impl FnOnce(&Link) -> Result<()> + Send,
    ) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let sql = concat!(
            "DELETE FROM links WHERE organization_id = $1 AND id = $2 AND kind = 'invitation' \
             RETURNING ",
            columns!()
        );
        let row = tx
            .fetch_optional(sql, params![organization.0, id.0])
            .await?;
        let row = row.ok_or_else(|| Error::not_found("invitation"))?;
        allowed(&read(&row)?)?;
        tx.commit().await
    }

    async fn insert_person(
        &self,
        tx: &mut Tx,
        person: &NewPerson,
        email: &str,
    ) -> Result<PersonId> {
        let id = PersonId::new();
        let sql = "INSERT INTO people (id, email, name, password, created_at) \
                   VALUES ($1, $2, $3, $4, $5) ON CONFLICT (email) DO NOTHING";
        let password = person.password.expose();
        let values = params![
            id.0,
            email,
            person.name.as_str(),
            password,
            self.clock.now()
        ];
        if tx.execute(sql, values).await? == 1 {
            return Ok(id);
        }
        let message = format!("There is an account for {email} by now: give its password.");
        Err(Error::new(ErrorKind::Conflict, message))
    }

    /// Whoever is a member already keeps the role.
    async fn join(
        &self,
        tx: &mut Tx,
        organization: OrganizationId,
        person: PersonId,
        role: Role,
    ) -> Result<()> {
        let sql = "INSERT INTO memberships (organization_id, person_id, role, created_at) \
                   VALUES ($1, $2, $3, $4) ON CONFLICT (organization_id, person_id) DO NOTHING";
        let values = params![organization.0, person.0, role.as_str(), self.clock.now()];
        tx.execute(sql, values).await?;
        Ok(())
    }
}

async fn refuse_member(tx: &mut Tx, organization: OrganizationId, email: &str) -> Result<()> {
    let sql = "SELECT m.role FROM memberships m JOIN people p ON p.id = m.person_id \
               WHERE m.organization_id = $1 AND p.email = $2";
    let found = tx
        .fetch_optional(sql, params![organization.0, email])
        .await?;
    if found.is_none() {
        return Ok(());
    }
    let message = format!("{email} belongs to this organization already.");
    Err(Error::new(ErrorKind::Conflict, message).coded("already_member"))
}

/// Deletes the links that a new one for the same replaces; gives the columns from `kind` to `role`.
async fn void_earlier(tx: &mut Tx, purpose: &Purpose) -> Result<Vec<Param>> {
    let (no_id, no_text) = (None::<Uuid>, None::<String>);
    Ok(match purpose {
        Purpose::SetUp { organization } => {
            let sql = "DELETE FROM links WHERE kind = 'setup'";
            tx.execute(sql, params![]).await?;
            params!["setup", organization.0, no_id, no_text.clone(), no_text]
        }
        Purpose::Invitation {
            organization,
            email,
            role,
        } => {
            let email = email.as_str();
            refuse_member(tx, *organization, email).await?;
            let sql = "DELETE FROM links WHERE organization_id = $1 AND email = $2";
            tx.execute(sql, params![organization.0, email]).await?;
            params!["invitation", organization.0, no_id, email, role.as_str()]
        }
        Purpose::Reset { person } => {
            let sql = "DELETE FROM links WHERE person_id = $1";
            tx.execute(sql, params![person.0]).await?;
            params!["reset", no_id, person.0, no_text.clone(), no_text]
        }
    })
}

fn invalid() -> Error {
    let message =
        "This link is not valid: it was used, has expired or was replaced by a newer one.";
    Error::new(ErrorKind::NotFound, message).coded("link_invalid")
}

fn read(row: &Row) -> Result<Link> {
    let kind: String = row.get("kind")?;
    let purpose = match kind.as_str() {
        "setup" => Purpose::SetUp {
            organization: OrganizationId(row.get("organization_id")?),
        },
        "invitation" => Purpose::Invitation {
            organization: OrganizationId(row.get("organization_id")?),
            email: row.get("email")?,
            role: row.word("role")?,
        },
        "reset" => Purpose::Reset {
            person: PersonId(row.get("person_id")?),
        },
        other => {
            let problem = format!("{other:?} is no kind of link");
            return Err(Error::internal("cannot read a link", problem));
        }
    };
    Ok(Link {
        id: LinkId(row.get("id")?),
        purpose,
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
    })
}
