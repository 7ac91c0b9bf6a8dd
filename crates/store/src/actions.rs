//! The HTTP actions of organizations. Their headers are sealed for the host that they are sent to.

use std::collections::BTreeMap;

use okra_domain::error::Result;
use okra_domain::tool::action::{Action, MAX_ACTIONS, SecretHeader};
use okra_domain::{Error, ErrorKind, OrganizationId, Secret};
use url::Url;

use crate::Store;
use crate::db::{Row, params, to_json};
use crate::sealing::{Sealer, Spot};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT name, title, description, method, url, parameters, query, confirm, headers, \
             created_at, updated_at FROM actions ",
            $rest
        )
    };
}

impl Store {
    /// The organization's actions, by their names.
    pub async fn actions(&self, organization: OrganizationId) -> Result<Vec<Action>> {
        let sql = select!("WHERE organization_id = $1 ORDER BY name");
        let rows = self.db.fetch_all(sql, params![organization.0]).await?;
        let read = |row| read(organization, row, &self.sealer);
        rows.iter().map(read).collect()
    }

    /// The organization's action of this name.
    pub async fn action(&self, organization: OrganizationId, name: &str) -> Result<Action> {
        let sql = select!("WHERE organization_id = $1 AND name = $2");
        let values = params![organization.0, name];
        let row = self.db.fetch_optional(sql, values).await?;
        let row = row.ok_or_else(missing)?;
        read(organization, &row, &self.sealer)
    }

    /// Stores an action: `change` gets the one of this name that is there, and gives the one that shall be. Fails as
    /// a conflict where it would be one more than [`MAX_ACTIONS`].
    pub async fn set_action(
        &self,
        organization: OrganizationId,
        name: &str,
        change: impl FnOnce(Option<&Action>) -> Result<Action> + Send,
    ) -> Result<Action> {
        let mut tx = self.db.begin().await?;
        // An UPDATE that changes nothing locks the organization on both databases.
        let sql = "UPDATE organizations SET name = name WHERE id = $1";
        if tx.execute(sql, params![organization.0]).await? == 0 {
            return Err(Error::not_found("organization"));
        }
        let sql = select!("WHERE organization_id = $1 AND name = $2");
        let row = tx
            .fetch_optional(sql, params![organization.0, name])
            .await?;
        let current = row
            .map(|row| read(organization, &row, &self.sealer))
            .transpose()?;
        let action = change(current.as_ref())?;
        if current.is_none() {
            let sql = "SELECT COUNT(*) AS count FROM actions WHERE organization_id = $1";
            let row = tx.fetch_optional(sql, params![organization.0]).await?;
            if row.map_or(Ok(0), |row| row.get::<i64>("count"))? >= MAX_ACTIONS {
                let message = format!("At most {MAX_ACTIONS} actions; delete one first.");
                return Err(Error::new(ErrorKind::Conflict, message));
            }
        }
        let sql = "INSERT INTO actions (organization_id, name, title, description, method, url, parameters, \
                   query, confirm, headers, created_at, updated_at) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
                   ON CONFLICT (organization_id, name) DO UPDATE SET title = excluded.title, \
                   description = excluded.description, method = excluded.method, url = excluded.url, \
                   parameters = excluded.parameters, query = excluded.query, confirm = excluded.confirm, \
                   headers = excluded.headers, updated_at = excluded.updated_at";
        let values = params![
            organization.0,
            action.name.as_str(),
            action.title.as_str(),
            action.description.as_str(),
            action.method.as_str(),
            action.url.as_str(),
            action.parameters.clone(),
            to_json(&action.query)?,
            action.confirm,
            seal_headers(
                &action.headers,
                &self.sealer,
                &spot(organization, name, &action.url)
            )?,
            action.created_at,
            action.updated_at,
        ];
        tx.execute(sql, values).await?;
        tx.commit().await?;
        Ok(action)
    }

    /// Deletes an action. Chatbots that chose it go on without it.
    pub async fn delete_action(&self, organization: OrganizationId, name: &str) -> Result<()> {
        let sql = "DELETE FROM actions WHERE organization_id = $1 AND name = $2";
        match self.db.execute(sql, params![organization.0, name]).await? {
            0 => Err(missing()),
            _ => Ok(()),
        }
    }
}

fn missing() -> Error {
    Error::not_found("action")
}

/// What the headers of an action are sealed for: its row, and where they are sent.
pub(crate) fn spot(organization: OrganizationId, name: &str, url: &str) -> Spot {
    // Braces never stand in what makes the origin.
    let fixed = url.split('{').next().unwrap_or_default();
    let origin = Url::parse(fixed).map(|url| url.origin().ascii_serialization());
    Spot::action(organization, name, &origin.unwrap_or_default())
}

/// Headers as they are stored; `None` for none.
pub(crate) fn seal_headers(
    headers: &[SecretHeader],
    sealer: &Sealer,
    spot: &Spot,
) -> Result<Option<String>> {
    if headers.is_empty() {
        return Ok(None);
    }
    let headers = headers.iter();
    let headers: BTreeMap<&str, &str> = headers
        .map(|it| (it.name.as_str(), it.value.expose()))
        .collect();
    let text = to_json(&headers)?.to_string();
    sealer.seal(&Secret::new(text), spot).map(Some)
}

/// Headers that were stored so.
pub(crate) fn open_headers(
    sealed: Option<String>,
    sealer: &Sealer,
    spot: &Spot,
) -> Result<Vec<SecretHeader>> {
    let Some(text) = sealer.open_some(sealed, spot)? else {
        return Ok(Vec::new());
    };
    let headers: BTreeMap<String, Secret> = serde_json::from_str(text.expose())
        .map_err(|error| Error::internal("cannot read a tool's headers", error))?;
    let headers = headers
        .into_iter()
        .map(|(name, value)| SecretHeader { name, value });
    Ok(headers.collect())
}

fn read(organization: OrganizationId, row: &Row, sealer: &Sealer) -> Result<Action> {
    let (name, url): (String, String) = (row.get("name")?, row.get("url")?);
    let spot = spot(organization, &name, &url);
    Ok(Action {
        headers: open_headers(row.get("headers")?, sealer, &spot)?,
        title: row.get("title")?,
        description: row.get("description")?,
        method: row.word("method")?,
        parameters: row.json("parameters")?,
        query: row.json("query")?,
        confirm: row.get("confirm")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        name,
        url,
    })
}
