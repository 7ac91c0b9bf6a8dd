//! Organizations and API keys. Keys are stored as SHA-256 hashes only: they hold 192 random bits,
//! so a slow password hash would add nothing but time to every request.

use std::time::Duration;

use okra_domain::account::{ApiKey, Organization};
use okra_domain::error::Result;
use okra_domain::{ApiKeyId, OrganizationId, Secret, Timestamp};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::Store;
use crate::db::{Row, params};

/// How old a key's `last_used_at` may grow before a request refreshes it: a write a minute, not
/// one a request.
const LAST_USED_PRECISION: Duration = Duration::from_secs(60);

impl Store {
    /// The key with this text, unless it is unknown or revoked.
    pub async fn authenticate(&self, key: &Secret) -> Result<Option<ApiKey>> {
        let sql = "SELECT k.id, k.organization_id, o.name AS organization_name, k.hint, \
                   k.created_at, k.last_used_at, k.revoked_at \
                   FROM api_keys k JOIN organizations o ON o.id = k.organization_id \
                   WHERE k.hash = $1 AND k.revoked_at IS NULL";
        let row = self.db.fetch_optional(sql, params![hash(key)]).await?;
        row.as_ref().map(read_key).transpose()
    }

    /// Notes that a key was used, where the last note is over a minute old.
    pub async fn note_key_use(&self, key: &ApiKey) -> Result<()> {
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
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        let insert = "INSERT INTO organizations (id, name, created_at) VALUES ($1, $2, $3) \
                      ON CONFLICT (name) DO NOTHING";
        let new = OrganizationId::new();
        tx.execute(insert, params![new.0, organization, now])
            .await?;
        let select = "SELECT id, name, created_at FROM organizations WHERE name = $1";
        let row = tx.fetch_optional(select, params![organization]).await?;
        let organization = match row {
            Some(row) => read_organization(&row)?,
            None => return Err(okra_domain::Error::not_found("organization")),
        };
        let hint: String = key.expose().chars().rev().take(4).collect();
        let key_id = ApiKeyId::new();
        let hint: String = hint.chars().rev().collect();
        let sql = "INSERT INTO api_keys (id, organization_id, hash, hint, created_at) \
                   VALUES ($1, $2, $3, $4, $5)";
        let values = params![key_id.0, organization.id.0, hash(key), hint.as_str(), now];
        tx.execute(sql, values).await?;
        tx.commit().await?;
        Ok(ApiKey {
            id: key_id,
            organization_id: organization.id,
            organization_name: organization.name,
            hint,
            created_at: now,
            last_used_at: None,
            revoked_at: None,
        })
    }

    /// Every key on this server, oldest first. For the operator's command line only: no request
    /// reaches it.
    pub async fn all_keys(&self) -> Result<Vec<ApiKey>> {
        let sql = "SELECT k.id, k.organization_id, o.name AS organization_name, k.hint, \
                   k.created_at, k.last_used_at, k.revoked_at \
                   FROM api_keys k JOIN organizations o ON o.id = k.organization_id \
                   ORDER BY k.created_at, k.id";
        let rows = self.db.fetch_all(sql, params![]).await?;
        rows.iter().map(read_key).collect()
    }

    /// Revokes a key from the next request on; `false` where there is none, or it was revoked.
    pub async fn revoke_key(&self, id: ApiKeyId) -> Result<bool> {
        let sql = "UPDATE api_keys SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL";
        let touched = self
            .db
            .execute(sql, params![self.clock.now(), id.0])
            .await?;
        Ok(touched == 1)
    }

    /// Every organization on this server, by name. For the operator's command line only.
    pub async fn organizations(&self) -> Result<Vec<Organization>> {
        let sql = "SELECT id, name, created_at FROM organizations ORDER BY name";
        let rows = self.db.fetch_all(sql, params![]).await?;
        rows.iter().map(read_organization).collect()
    }
}

fn hash(key: &Secret) -> Vec<u8> {
    Sha256::digest(key.expose().as_bytes()).to_vec()
}

fn read_key(row: &Row) -> Result<ApiKey> {
    Ok(ApiKey {
        id: ApiKeyId(row.get::<Uuid>("id")?),
        organization_id: OrganizationId(row.get("organization_id")?),
        organization_name: row.get("organization_name")?,
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
