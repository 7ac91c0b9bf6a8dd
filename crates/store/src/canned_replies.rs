//! Replies that an organization's agents keep at hand.

use okra_domain::canned::{CannedReply, MOST_REPLIES};
use okra_domain::error::Result;
use okra_domain::{CannedReplyId, Error, ErrorKind, OrganizationId};

use crate::Store;
use crate::db::{Row, is_unique_violation, params};

impl Store {
    /// The organization's replies, by name.
    pub async fn canned_replies(&self, organization: OrganizationId) -> Result<Vec<CannedReply>> {
        let sql = "SELECT id, name, content, created_at, updated_at FROM canned_replies \
                   WHERE organization_id = $1 ORDER BY name, id";
        let rows = self.db.fetch_all(sql, params![organization.0]).await?;
        rows.iter().map(read).collect()
    }

    /// Keeps a new reply.
    ///
    /// # Errors
    /// Where its name is taken (409 `name_taken`), or there are 500 already.
    pub async fn add_canned_reply(
        &self,
        organization: OrganizationId,
        reply: &CannedReply,
    ) -> Result<()> {
        let count = "SELECT COUNT(*) AS count FROM canned_replies WHERE organization_id = $1";
        if self.db.count(count, params![organization.0]).await? >= MOST_REPLIES {
            let message = "There are 500 canned replies already; delete some to add others.";
            return Err(Error::new(ErrorKind::Conflict, message).coded("too_many_replies"));
        }
        let sql = "INSERT INTO canned_replies \
                   (id, organization_id, name, content, created_at, updated_at) \
                   VALUES ($1, $2, $3, $4, $5, $6)";
        let values = params![
            reply.id.0,
            organization.0,
            reply.name.as_str(),
            reply.content.as_str(),
            reply.created_at,
            reply.updated_at,
        ];
        let added = self.db.execute(sql, values).await;
        added.map(|_| ()).map_err(|error| taken(error, reply))
    }

    /// Changes a reply: `change` gets it as it is.
    ///
    /// # Errors
    /// Those of `change`; an unknown reply; a name that another has (409 `name_taken`).
    pub async fn change_canned_reply(
        &self,
        organization: OrganizationId,
        id: CannedReplyId,
        change: impl FnOnce(CannedReply) -> Result<CannedReply> + Send,
    ) -> Result<CannedReply> {
        let mut tx = self.db.begin().await?;
        let sql = "UPDATE canned_replies SET name = name WHERE id = $1 AND organization_id = $2 \
                   RETURNING id, name, content, created_at, updated_at";
        let row = tx
            .fetch_optional(sql, params![id.0, organization.0])
            .await?;
        let row = row.ok_or_else(|| Error::not_found("canned reply"))?;
        let reply = change(read(&row)?)?;
        let sql =
            "UPDATE canned_replies SET name = $1, content = $2, updated_at = $3 WHERE id = $4";
        let (name, content) = (reply.name.as_str(), reply.content.as_str());
        let values = params![name, content, reply.updated_at, id.0];
        let changed = tx.execute(sql, values).await;
        changed.map_err(|error| taken(error, &reply))?;
        tx.commit().await?;
        Ok(reply)
    }

    /// Deletes a reply.
    pub async fn delete_canned_reply(
        &self,
        organization: OrganizationId,
        id: CannedReplyId,
    ) -> Result<()> {
        let sql = "DELETE FROM canned_replies WHERE id = $1 AND organization_id = $2";
        match self.db.execute(sql, params![id.0, organization.0]).await? {
            0 => Err(Error::not_found("canned reply")),
            _ => Ok(()),
        }
    }
}

fn taken(error: Error, reply: &CannedReply) -> Error {
    match is_unique_violation(&error) {
        true => {
            let message = format!("There is a canned reply named {:?} already.", reply.name);
            Error::new(ErrorKind::Conflict, message).coded("name_taken")
        }
        false => error,
    }
}

fn read(row: &Row) -> Result<CannedReply> {
    Ok(CannedReply {
        id: CannedReplyId(row.get("id")?),
        name: row.get("name")?,
        content: row.get("content")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}
