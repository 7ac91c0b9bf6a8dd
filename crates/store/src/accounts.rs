//! Organizations and API keys. Keys are stored as SHA-256 hashes only: they hold 192 random bits,
//! so a slow password hash would add nothing but time to every request.

use std::time::Duration;

use okra_domain::account::{ApiKey, Organization};
use okra_domain::error::Result;
use okra_domain::{ApiKeyId, Error, ErrorKind, OrganizationId, Secret, Timestamp};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::Store;
use crate::db::{Row, Tx, is_unique_violation, params};

/// How old a key's `last_used_at` may grow before a request refreshes it: a write a minute, not
/// one a request.
const LAST_USED_PRECISION: Duration = Duration::from_secs(60);

macro_rules! select_keys {
    ($rest:literal) => {
        concat!(
            "SELECT k.id, k.organization_id, o.name AS organization_name, k.name, k.hint, \
             k.created_at, k.last_used_at, k.revoked_at \
             FROM api_keys k JOIN organizations o ON o.id = k.organization_id ",
            $rest
        )
    };
}

/// A key that was shown and is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownKey {
    /// Its id.
    pub id: ApiKeyId,
    /// Whose key it is.
    pub organization_id: OrganizationId,
    /// When a use of it was last noted.
    pub last_used_at: Option<Timestamp>,
}

impl Store {
    /// The key with this text, unless it is unknown or revoked.
    pub async fn authenticate(&self, key: &Secret) -> Result<Option<KnownKey>> {
        let sql = "SELECT id AS key_id, organization_id AS key_organization_id, \
                   last_used_at AS key_last_used_at \
                   FROM api_keys WHERE hash = $1 AND revoked_at IS NULL";
        let row = self.db.fetch_optional(sql, params![hash(key)]).await?;
        row.as_ref().map(KnownKey::read).transpose()
    }

    /// Notes that a key was used, where the last note is over a minute old.
    pub async fn note_key_use(&self, key: &KnownKey) -> Result<()> {
        let now = self.clock.now();
        if key
            .last_used_at
            .is_some_and(|last| now.since(last) < LAST_USED_PRECISION)
        {
            return Ok(());
        }
        let sql = "UPDATE api_keys SET last_used_at = $1 WHERE id = $2 \
                   AND (last_used_at IS NULL OR last_used_at < $1)";
        self.db.execute(sql, params![now, key.id.0]).await?;
        Ok(())
    }

    /// Stores a key for the organization of this name, which is made where there is none.
    pub async fn create_key(&self, organization: &str, key: &Secret) -> Result<ApiKey> {
        let organization = self.organization_named(organization).await?;
        self.create_key_of(organization.id, None, key).await
    }

    /// Stores a key for an organization.
    pub async fn create_key_of(
        &self,
        organization: OrganizationId,
        name: Option<String>,
        key: &Secret,
    ) -> Result<ApiKey> {
        let organization = self.organization(organization).await?;
        let skipped = key.expose().chars().count().saturating_sub(4);
        let made = ApiKey {
            id: ApiKeyId::new(),
            organization_id: organization.id,
            organization_name: organization.name,
            name,
            hint: key.expose().chars().skip(skipped).collect(),
            created_at: self.clock.now(),
            last_used_at: None,
            revoked_at: None,
        };
        let sql = "INSERT INTO api_keys (id, organization_id, name, hash, hint, created_at) \
                   VALUES ($1, $2, $3, $4, $5, $6)";
        let mut values = params![made.id.0, made.organization_id.0, made.name.clone()];
        values.extend(params![hash(key), made.hint.as_str(), made.created_at]);
        self.db.execute(sql, values).await?;
        Ok(made)
    }

    /// The organization's keys that are good, oldest first.
    pub async fn keys(&self, organization: OrganizationId) -> Result<Vec<ApiKey>> {
        let sql = select_keys!(
            "WHERE k.organization_id = $1 AND k.revoked_at IS NULL ORDER BY k.created_at, k.id"
        );
        let rows = self.db.fetch_all(sql, params![organization.0]).await?;
        rows.iter().map(read_key).collect()
    }

    /// Every key on this server, oldest first. For the operator's command line only: no request
    /// reaches it.
    pub async fn all_keys(&self) -> Result<Vec<ApiKey>> {
        let sql = select_keys!("ORDER BY k.created_at, k.id");
        let rows = self.db.fetch_all(sql, params![]).await?;
        rows.iter().map(read_key).collect()
    }

    /// Revokes a key of any organization from the next request on; `false` where there is none, or
    /// it was revoked. For the operator's command line only.
    pub async fn revoke_key_as_operator(&self, id: ApiKeyId) -> Result<bool> {
        let sql = "UPDATE api_keys SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL";
        let values = params![self.clock.now(), id.0];
        Ok(self.db.execute(sql, values).await? == 1)
    }

    /// Revokes a key of the organization from the next request on.
    pub async fn revoke_key(&self, organization: OrganizationId, id: ApiKeyId) -> Result<()> {
        let sql = "UPDATE api_keys SET revoked_at = $1 \
                   WHERE id = $2 AND organization_id = $3 AND revoked_at IS NULL";
        let values = params![self.clock.now(), id.0, organization.0];
        match self.db.execute(sql, values).await? {
            1 => Ok(()),
            _ => Err(Error::not_found("API key")),
        }
    }

    /// An organization.
    pub async fn organization(&self, id: OrganizationId) -> Result<Organization> {
        let sql = "SELECT id, name, created_at FROM organizations WHERE id = $1";
        match self.db.fetch_optional(sql, params![id.0]).await? {
            Some(row) => read_organization(&row),
            None => Err(Error::not_found("organization")),
        }
    }

    /// The organization of this name, which is made where there is none. For the operator's command
    /// line and the first start only.
    pub async fn organization_named(&self, name: &str) -> Result<Organization> {
        let insert = "INSERT INTO organizations (id, name, created_at) VALUES ($1, $2, $3) \
                      ON CONFLICT (name) DO NOTHING";
        let values = params![OrganizationId::new().0, name, self.clock.now()];
        let mut tx = self.db.begin().await?;
        tx.execute(insert, values).await?;
        let select = "SELECT id, name, created_at FROM organizations WHERE name = $1";
        let row = tx.fetch_optional(select, params![name]).await?;
        tx.commit().await?;
        match row {
            Some(row) => read_organization(&row),
            None => Err(Error::not_found("organization")),
        }
    }

    /// Renames an organization; a conflict where another has the name.
    pub async fn rename_organization(&self, id: OrganizationId, name: &str) -> Result<()> {
        let mut tx = self.db.begin().await?;
        rename(&mut tx, id, name).await?;
        tx.commit().await
    }

    /// The organization that was made first, where there is any. For the first start only.
    pub async fn first_organization(&self) -> Result<Option<Organization>> {
        let sql = "SELECT id, name, created_at FROM organizations ORDER BY created_at, id LIMIT 1";
        let row = self.db.fetch_optional(sql, params![]).await?;
        row.as_ref().map(read_organization).transpose()
    }

    /// Every organization on this server, by name. For the operator's command line only.
    pub async fn organizations(&self) -> Result<Vec<Organization>> {
        let sql = "SELECT id, name, created_at FROM organizations ORDER BY name";
        let rows = self.db.fetch_all(sql, params![]).await?;
        rows.iter().map(read_organization).collect()
    }
}

/// What a random credential is kept as.
pub(crate) fn hash(key: &Secret) -> Vec<u8> {
    Sha256::digest(key.expose().as_bytes()).to_vec()
}

/// Renames an organization within a transaction.
pub(crate) async fn rename(tx: &mut Tx, id: OrganizationId, name: &str) -> Result<()> {
    let sql = "UPDATE organizations SET name = $1 WHERE id = $2";
    let renamed = tx.execute(sql, params![name, id.0]).await;
    let renamed = renamed.map_err(|error| match is_unique_violation(&error) {
        true => Error::new(
            ErrorKind::Conflict,
            format!("Another organization on this server is named {name:?}; choose another name."),
        ),
        false => error,
    })?;
    match renamed {
        1 => Ok(()),
        _ => Err(Error::not_found("organization")),
    }
}

impl KnownKey {
    /// From columns whose names begin with `key_`, since other columns may stand beside them.
    pub(crate) fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            id: ApiKeyId(row.get::<Uuid>("key_id")?),
            organization_id: OrganizationId(row.get("key_organization_id")?),
            last_used_at: row.optional_time("key_last_used_at")?,
        })
    }
}

fn read_key(row: &Row) -> Result<ApiKey> {
    Ok(ApiKey {
        id: ApiKeyId(row.get::<Uuid>("id")?),
        organization_id: OrganizationId(row.get("organization_id")?),
        organization_name: row.get("organization_name")?,
        name: row.get("name")?,
        hint: row.get("hint")?,
        created_at: Timestamp(row.get("created_at")?),
        last_used_at: row.optional_time("last_used_at")?,
        revoked_at: row.optional_time("revoked_at")?,
    })
}

fn read_organization(row: &Row) -> Result<Organization> {
    Ok(Organization {
        id: OrganizationId(row.get("id")?),
        name: row.get("name")?,
        created_at: row.time("created_at")?,
    })
}
