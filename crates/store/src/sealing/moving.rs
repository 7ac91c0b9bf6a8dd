//! Brings a database's secrets under the master key in use: those that an earlier Okra stored in
//! clear, and those that another of the keys sealed. One transaction: all of them, or none.

use okra_domain::error::Result;
use okra_domain::{ChatbotId, Error, ErrorKind, OrganizationId, Secret, Timestamp, WebhookId};
use serde_json::Value;

use super::{MasterKeys, Sealer, Spot};
use crate::actions;
use crate::db::{Db, Row, Tx, params};

/// The sealer of this database, with every secret in it sealed by the key in use. Makes the first
/// master key; fails with a sentence for the operator where the keys are not the database's.
pub(crate) async fn settle(db: &Db, keys: &MasterKeys, now: Timestamp) -> Result<Sealer> {
    let sql = "SELECT id FROM master_keys WHERE slot = 1";
    let row = db.fetch_optional(sql, params![]).await?;
    let in_use: Option<String> = row.map(|row| row.get("id")).transpose()?;
    let sealer = match &in_use {
        None => keys.read_or_make()?,
        Some(id) => keys.read()?.ok_or_else(|| missing(keys, id))?,
    };
    if in_use.as_deref() == Some(sealer.id()) {
        return Ok(sealer);
    }
    db.overwrite_deleted(true).await?;
    let mut tx = db.begin().await?;
    let sql = "INSERT INTO master_keys (slot, id, created_at) VALUES (1, $1, $2) \
               ON CONFLICT (slot) DO NOTHING";
    let first = tx.execute(sql, params![sealer.id(), now]).await? == 1;
    // Another server that came at the same time waits here, and finds it done.
    let sql = "UPDATE master_keys SET id = id WHERE slot = 1 RETURNING id";
    let row = tx.fetch_optional(sql, params![]).await?;
    let row = row.ok_or_else(|| Error::internal("cannot settle the master key", "no row"))?;
    let in_use: String = row.get("id")?;
    if first || in_use != sealer.id() {
        if sealer.key(&in_use).is_none() {
            return Err(another(keys, &in_use, sealer.id()));
        }
        let mover = Mover {
            sealer: &sealer,
            from_clear: first,
        };
        mover.move_all(&mut tx).await?;
        let sql = "UPDATE master_keys SET id = $1, created_at = $2 WHERE slot = 1";
        tx.execute(sql, params![sealer.id(), now]).await?;
    }
    tx.commit().await?;
    db.overwrite_deleted(false).await?;
    Ok(sealer)
}

fn missing(keys: &MasterKeys, id: &str) -> Error {
    let place = match keys {
        MasterKeys::Given(_) => "OKRA_MASTER_KEY".to_owned(),
        MasterKeys::File(path) => path.display().to_string(),
    };
    let message = format!(
        "The keys in this database are sealed with the master key {id}, and {place} is not there. \
         Put the file back from your backup, copy it from the server that has it, or set \
         OKRA_MASTER_KEY to what it holds."
    );
    Error::new(ErrorKind::Unavailable, message)
}

fn another(keys: &MasterKeys, id: &str, given: &str) -> Error {
    let place = match keys {
        MasterKeys::Given(_) => "OKRA_MASTER_KEY".to_owned(),
        MasterKeys::File(path) => path.display().to_string(),
    };
    let message = format!(
        "The keys in this database are sealed with the master key {id}, and {place} holds {given}. \
         Give it the right one: the file of the server that made the database, or of its backup. \
         After a change of keys the earlier one stands behind the new one."
    );
    Error::new(ErrorKind::Unavailable, message)
}

struct Mover<'a> {
    sealer: &'a Sealer,
    /// Whether what is stored was never sealed.
    from_clear: bool,
}

impl Mover<'_> {
    fn moved(&self, stored: &str, spot: &Spot) -> Result<String> {
        let secret = match self.from_clear {
            true => Secret::new(stored),
            false => self.sealer.open(stored, spot)?,
        };
        self.sealer.seal(&secret, spot)
    }

    fn moved_some(&self, stored: Option<String>, spot: &Spot) -> Result<Option<String>> {
        stored.map(|stored| self.moved(&stored, spot)).transpose()
    }

    /// The key of an endpoint as JSON, where it holds one.
    fn move_endpoint(&self, endpoint: &mut Value, spot: impl Fn(&str) -> Spot) -> Result<()> {
        let base_url = endpoint["base_url"].as_str().unwrap_or_default();
        let spot = spot(base_url);
        if let Some(stored) = endpoint["api_key"].as_str() {
            endpoint["api_key"] = Value::String(self.moved(stored, &spot)?);
        }
        Ok(())
    }

    async fn move_all(&self, tx: &mut Tx) -> Result<()> {
        let sql = "SELECT id, openai_api_key, identity_secret, embedder, serving_embedder, reranker \
                   FROM chatbots";
        for row in tx.fetch_all(sql, params![]).await? {
            self.move_chatbot(tx, &row).await?;
        }
        let sql = "SELECT id, embedder, models FROM organizations";
        for row in tx.fetch_all(sql, params![]).await? {
            self.move_organization(tx, &row).await?;
        }
        let sql = "SELECT id, url, secret, previous_secret FROM webhook_endpoints";
        for row in tx.fetch_all(sql, params![]).await? {
            self.move_webhook(tx, &row).await?;
        }
        let sql =
            "SELECT organization_id, name, url, headers FROM actions WHERE headers IS NOT NULL";
        for row in tx.fetch_all(sql, params![]).await? {
            self.move_action(tx, &row).await?;
        }
        let sql = "SELECT organization_id, name, url, headers FROM tool_servers WHERE headers IS NOT NULL";
        for row in tx.fetch_all(sql, params![]).await? {
            self.move_tool_server(tx, &row).await?;
        }
        let sql = "SELECT name, value FROM server_secrets";
        for row in tx.fetch_all(sql, params![]).await? {
            let (name, value): (String, String) = (row.get("name")?, row.get("value")?);
            let moved = self.moved(&value, &Spot::server(&name))?;
            let sql = "UPDATE server_secrets SET value = $1 WHERE name = $2";
            tx.execute(sql, params![moved, name]).await?;
        }
        Ok(())
    }

    async fn move_chatbot(&self, tx: &mut Tx, row: &Row) -> Result<()> {
        let id = ChatbotId(row.get("id")?);
        let secret = |column: &str| {
            let stored = row.get::<Option<String>>(column)?;
            self.moved_some(stored, &Spot::chatbot(id, column))
        };
        let endpoint = |column: &str| -> Result<Option<Value>> {
            let mut stored: Option<Value> = row.optional_json(column)?;
            if let Some(endpoint) = &mut stored {
                self.move_endpoint(endpoint, |url| Spot::chatbot_endpoint(id, url))?;
            }
            Ok(stored)
        };
        let sql = "UPDATE chatbots SET openai_api_key = $1, identity_secret = $2, embedder = $3, \
                   serving_embedder = $4, reranker = $5 WHERE id = $6";
        let values = params![
            secret("openai_api_key")?,
            secret("identity_secret")?,
            endpoint("embedder")?,
            endpoint("serving_embedder")?,
            endpoint("reranker")?,
            id.0
        ];
        tx.execute(sql, values).await.map(|_| ())
    }

    async fn move_webhook(&self, tx: &mut Tx, row: &Row) -> Result<()> {
        let id = WebhookId(row.get("id")?);
        let spot = Spot::webhook(id, &row.get::<String>("url")?);
        let sql = "UPDATE webhook_endpoints SET secret = $1, previous_secret = $2 WHERE id = $3";
        let values = params![
            self.moved(&row.get::<String>("secret")?, &spot)?,
            self.moved_some(row.get("previous_secret")?, &spot)?,
            id.0,
        ];
        tx.execute(sql, values).await.map(|_| ())
    }

    async fn move_action(&self, tx: &mut Tx, row: &Row) -> Result<()> {
        let (owner, name): (uuid::Uuid, String) = (row.get("organization_id")?, row.get("name")?);
        let spot = actions::spot(OrganizationId(owner), &name, &row.get::<String>("url")?);
        let moved = self.moved(&row.get::<String>("headers")?, &spot)?;
        let sql = "UPDATE actions SET headers = $1 WHERE organization_id = $2 AND name = $3";
        tx.execute(sql, params![moved, owner, name])
            .await
            .map(|_| ())
    }

    async fn move_tool_server(&self, tx: &mut Tx, row: &Row) -> Result<()> {
        let (owner, name): (uuid::Uuid, String) = (row.get("organization_id")?, row.get("name")?);
        let spot = Spot::tool_server(OrganizationId(owner), &name, &row.get::<String>("url")?);
        let moved = self.moved(&row.get::<String>("headers")?, &spot)?;
        let sql = "UPDATE tool_servers SET headers = $1 WHERE organization_id = $2 AND name = $3";
        tx.execute(sql, params![moved, owner, name])
            .await
            .map(|_| ())
    }

    async fn move_organization(&self, tx: &mut Tx, row: &Row) -> Result<()> {
        let id = OrganizationId(row.get("id")?);
        let spot = |url: &str| Spot::organization_endpoint(id, url);
        let mut embedder: Option<Value> = row.optional_json("embedder")?;
        if let Some(endpoint) = &mut embedder {
            self.move_endpoint(endpoint, spot)?;
        }
        let mut models: Option<Value> = row.optional_json("models")?;
        let providers = models
            .as_mut()
            .and_then(|it| it["providers"].as_array_mut());
        for provider in providers.into_iter().flatten() {
            self.move_endpoint(provider, spot)?;
        }
        let sql = "UPDATE organizations SET embedder = $1, models = $2 WHERE id = $3";
        tx.execute(sql, params![embedder, models, id.0])
            .await
            .map(|_| ())
    }
}
