//! The MCP servers of organizations, with what they offered when they were set. Their headers are sealed for the host
//! that they are sent to.

use okra_domain::error::Result;
use okra_domain::tool::server::{MAX_SERVERS, Reach, ToolServer};
use okra_domain::{Error, ErrorKind, OrganizationId};

use crate::Store;
use crate::actions::{open_headers, seal_headers};
use crate::db::{Row, params, to_json};
use crate::sealing::{Sealer, Spot};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT name, url, headers, unconfirmed, tools, created_at, updated_at FROM tool_servers ",
            $rest
        )
    };
}

impl Store {
    /// The organization's servers, by their names.
    pub async fn tool_servers(&self, organization: OrganizationId) -> Result<Vec<ToolServer>> {
        let sql = select!("WHERE organization_id = $1 ORDER BY name");
        let rows = self.db.fetch_all(sql, params![organization.0]).await?;
        let read = |row| read(organization, row, &self.sealer);
        rows.iter().map(read).collect()
    }

    /// The organization's server of this name, where there is one.
    pub async fn tool_server(
        &self,
        organization: OrganizationId,
        name: &str,
    ) -> Result<Option<ToolServer>> {
        let sql = select!("WHERE organization_id = $1 AND name = $2");
        let values = params![organization.0, name];
        let row = self.db.fetch_optional(sql, values).await?;
        row.map(|row| read(organization, &row, &self.sealer))
            .transpose()
    }

    /// Stores a server, in place of the one of its name. Fails as a conflict where it would be one more than
    /// [`MAX_SERVERS`].
    pub async fn set_tool_server(
        &self,
        organization: OrganizationId,
        server: &ToolServer,
    ) -> Result<()> {
        let mut tx = self.db.begin().await?;
        // An UPDATE that changes nothing locks the organization on both databases.
        let sql = "UPDATE organizations SET name = name WHERE id = $1";
        if tx.execute(sql, params![organization.0]).await? == 0 {
            return Err(Error::not_found("organization"));
        }
        let sql =
            "SELECT COUNT(*) AS count FROM tool_servers WHERE organization_id = $1 AND name <> $2";
        let row = tx
            .fetch_optional(sql, params![organization.0, server.name.as_str()])
            .await?;
        if row.map_or(Ok(0), |row| row.get::<i64>("count"))? >= MAX_SERVERS {
            let message = format!("At most {MAX_SERVERS} servers; delete one first.");
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        let url = written(&server.reach);
        let spot = Spot::tool_server(organization, &server.name, &url);
        let sql = "INSERT INTO tool_servers (organization_id, name, url, headers, unconfirmed, tools, created_at, \
                   updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
                   ON CONFLICT (organization_id, name) DO UPDATE SET url = excluded.url, \
                   headers = excluded.headers, unconfirmed = excluded.unconfirmed, tools = excluded.tools, \
                   updated_at = excluded.updated_at";
        let values = params![
            organization.0,
            server.name.as_str(),
            url,
            seal_headers(&server.headers, &self.sealer, &spot)?,
            to_json(&server.unconfirmed)?,
            to_json(&server.tools)?,
            server.created_at,
            server.updated_at,
        ];
        tx.execute(sql, values).await?;
        tx.commit().await
    }

    /// Deletes a server. Chatbots that chose tools of its go on without them.
    pub async fn delete_tool_server(&self, organization: OrganizationId, name: &str) -> Result<()> {
        let sql = "DELETE FROM tool_servers WHERE organization_id = $1 AND name = $2";
        match self.db.execute(sql, params![organization.0, name]).await? {
            0 => Err(Error::not_found("tool server")),
            _ => Ok(()),
        }
    }
}

fn read(organization: OrganizationId, row: &Row, sealer: &Sealer) -> Result<ToolServer> {
    let (name, url): (String, String) = (row.get("name")?, row.get("url")?);
    let spot = Spot::tool_server(organization, &name, &url);
    Ok(ToolServer {
        headers: open_headers(row.get("headers")?, sealer, &spot)?,
        unconfirmed: row.json("unconfirmed")?,
        tools: row.json("tools")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        name,
        reach: match url.strip_prefix(COMMAND) {
            Some(command) => Reach::Command(command.to_owned()),
            None => Reach::Url(url),
        },
    })
}

/// What stands before a command's name where an address stands else. No address has this scheme, and to a version that
/// knows none but addresses it is one that cannot be reached.
const COMMAND: &str = "command:";

fn written(reach: &Reach) -> String {
    match reach {
        Reach::Url(url) => url.clone(),
        Reach::Command(name) => format!("{COMMAND}{name}"),
    }
}
