//! The model providers that organizations use in place of the server's. A chatbot comes with its
//! organization's, so that a turn needs no query for it.

use okra_domain::error::Result;
use okra_domain::models::{ModelSettings, NamedProvider};
use okra_domain::provider::Provider;
use okra_domain::{OrganizationId, Secret};

use crate::Store;
use crate::db::{Row, params};

impl Store {
    /// The organization's own provider, where it has one.
    pub async fn provider(&self, organization: OrganizationId) -> Result<Option<Provider>> {
        let sql = "SELECT base_url AS provider_url, api_key AS provider_key FROM providers \
                   WHERE organization_id = $1";
        let row = self.db.fetch_optional(sql, params![organization.0]).await?;
        match row {
            Some(row) => read(&row),
            None => Ok(None),
        }
    }

    /// Changes the organization's provider: `change` gets the present one, and gives the next.
    pub async fn set_provider(
        &self,
        organization: OrganizationId,
        change: impl FnOnce(Option<&Provider>) -> Result<Provider> + Send,
    ) -> Result<Provider> {
        let mut tx = self.db.begin().await?;
        // An UPDATE that changes nothing locks the organization on both databases.
        let sql = "UPDATE organizations SET name = name WHERE id = $1";
        tx.execute(sql, params![organization.0]).await?;
        let sql = "SELECT base_url AS provider_url, api_key AS provider_key FROM providers \
                   WHERE organization_id = $1";
        let row = tx.fetch_optional(sql, params![organization.0]).await?;
        let current = row.as_ref().map(read).transpose()?.flatten();
        let next = change(current.as_ref())?;
        let sql = "INSERT INTO providers (organization_id, base_url, api_key, updated_at) \
                   VALUES ($1, $2, $3, $4) ON CONFLICT (organization_id) DO UPDATE SET \
                   base_url = excluded.base_url, api_key = excluded.api_key, \
                   updated_at = excluded.updated_at";
        let key = next.api_key.as_ref().map(|key| key.expose().to_owned());
        let base_url = next.base_url.as_str();
        let values = params![organization.0, base_url, key, self.clock.now()];
        tx.execute(sql, values).await?;
        tx.commit().await?;
        Ok(next)
    }

    /// Forgets the organization's provider: the server's answers again.
    pub async fn delete_provider(&self, organization: OrganizationId) -> Result<()> {
        let sql = "DELETE FROM providers WHERE organization_id = $1";
        self.db.execute(sql, params![organization.0]).await?;
        Ok(())
    }
}

/// What the organization decided on models, from the same columns as [`read`].
pub(crate) fn read_models(row: &Row) -> Result<ModelSettings> {
    let providers = read(row)?.map(NamedProvider::openai_compatible);
    Ok(ModelSettings {
        providers: providers.into_iter().collect(),
        ..ModelSettings::default()
    })
}

/// The provider in the columns `provider_url` and `provider_key`.
fn read(row: &Row) -> Result<Option<Provider>> {
    let Some(base_url) = row.get::<Option<String>>("provider_url")? else {
        return Ok(None);
    };
    let api_key: Option<String> = row.get("provider_key")?;
    Ok(Some(Provider {
        base_url,
        api_key: api_key.map(Secret::new),
    }))
}
