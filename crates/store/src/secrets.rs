//! Keys that the server signs with, the same for every process over one database.

use okra_domain::error::Result;
use okra_domain::{Error, Secret};

use crate::Store;
use crate::db::params;
use crate::sealing::Spot;

impl Store {
    /// The secret of this name. The first caller's `candidate` becomes it, for good.
    pub async fn server_secret(&self, name: &str, candidate: Secret) -> Result<Secret> {
        let mut tx = self.db.begin().await?;
        let sql = "INSERT INTO server_secrets (name, value, created_at) VALUES ($1, $2, $3) \
                   ON CONFLICT (name) DO NOTHING";
        let spot = Spot::server(name);
        let sealed = self.sealer.seal(&candidate, &spot)?;
        let values = params![name, sealed, self.clock.now()];
        tx.execute(sql, values).await?;
        let sql = "SELECT value FROM server_secrets WHERE name = $1";
        let row = tx.fetch_optional(sql, params![name]).await?;
        let row = row.ok_or_else(|| Error::internal("cannot keep a secret", "no row"))?;
        let secret = self.sealer.open(&row.get::<String>("value")?, &spot)?;
        tx.commit().await?;
        Ok(secret)
    }
}
