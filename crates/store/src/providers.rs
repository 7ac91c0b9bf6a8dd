//! What organizations decided on models, in one document beside the organization: a chatbot comes with
//! it, so that a turn needs no query for it. Keys in it are sealed.

use okra_domain::error::Result;
use okra_domain::models::{ModelSettings, NamedProvider};
use okra_domain::provider::Provider;
use okra_domain::{Error, OrganizationId};
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::budgets;
use crate::db::{Row, params, to_json};
use crate::sealing::{Sealer, Spot};

impl Store {
    /// What the organization decided on models.
    pub async fn model_settings(&self, organization: OrganizationId) -> Result<ModelSettings> {
        let sql = "SELECT id AS organization_id, models AS organization_models \
                   FROM organizations WHERE id = $1";
        match self.db.fetch_optional(sql, params![organization.0]).await? {
            Some(row) => read(&row, &self.sealer),
            None => Err(Error::not_found("organization")),
        }
    }

    /// Changes what the organization decided: `change` gets it as it is, locked, and gives it as it
    /// shall be.
    pub async fn change_model_settings(
        &self,
        organization: OrganizationId,
        change: impl FnOnce(ModelSettings) -> Result<ModelSettings> + Send,
    ) -> Result<ModelSettings> {
        let mut tx = self.db.begin().await?;
        // An UPDATE that changes nothing locks the organization on both databases.
        let sql = "UPDATE organizations SET name = name WHERE id = $1 \
                   RETURNING id AS organization_id, models AS organization_models";
        let row = tx.fetch_optional(sql, params![organization.0]).await?;
        let row = row.ok_or_else(|| Error::not_found("organization"))?;
        let current = read(&row, &self.sealer)?;
        let counted = current.tokens_a_day.is_some();
        let next = change(current)?;
        if next.tokens_a_day.is_some() && !counted {
            budgets::begin(&mut tx, organization, self.clock.now()).await?;
        }
        let stored = Stored::of(organization, &next, &self.sealer)?;
        let sql = "UPDATE organizations SET models = $1 WHERE id = $2";
        tx.execute(sql, params![to_json(&stored)?, organization.0])
            .await?;
        tx.commit().await?;
        Ok(next)
    }
}

#[derive(Serialize, Deserialize)]
struct Stored {
    providers: Vec<StoredProvider>,
    fallback_model: Option<String>,
    tokens_a_day: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct StoredProvider {
    name: String,
    kind: String,
    #[serde(flatten)]
    endpoint: StoredEndpoint,
    api_version: Option<String>,
}

/// An address with its key, sealed for the row that holds it and for that address.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredEndpoint {
    base_url: String,
    api_key: Option<String>,
}

impl StoredEndpoint {
    pub fn seal(endpoint: &Provider, sealer: &Sealer, spot: impl Fn(&str) -> Spot) -> Result<Self> {
        Ok(Self {
            base_url: endpoint.base_url.clone(),
            api_key: sealer.seal_some(endpoint.api_key.as_ref(), &spot(&endpoint.base_url))?,
        })
    }

    pub fn open(self, sealer: &Sealer, spot: impl Fn(&str) -> Spot) -> Result<Provider> {
        Ok(Provider {
            api_key: sealer.open_some(self.api_key, &spot(&self.base_url))?,
            base_url: self.base_url,
        })
    }
}

impl Stored {
    fn of(owner: OrganizationId, settings: &ModelSettings, sealer: &Sealer) -> Result<Self> {
        let spot = |url: &str| Spot::organization_endpoint(owner, url);
        let stored = |it: &NamedProvider| {
            Ok(StoredProvider {
                name: it.name.clone(),
                kind: it.kind.as_str().to_owned(),
                endpoint: StoredEndpoint::seal(&it.endpoint, sealer, spot)?,
                api_version: it.api_version.clone(),
            })
        };
        Ok(Self {
            providers: settings
                .providers
                .iter()
                .map(stored)
                .collect::<Result<_>>()?,
            fallback_model: settings.fallback_model.clone(),
            tokens_a_day: settings.tokens_a_day,
        })
    }
}

/// What is in the column `organization_models`, of the organization in `organization_id`.
pub(crate) fn read(row: &Row, sealer: &Sealer) -> Result<ModelSettings> {
    let Some(stored) = row.optional_json::<Stored>("organization_models")? else {
        return Ok(ModelSettings::default());
    };
    let owner = OrganizationId(row.get("organization_id")?);
    let spot = |url: &str| Spot::organization_endpoint(owner, url);
    let provider = |it: StoredProvider| {
        Ok(NamedProvider {
            name: it.name,
            kind: it.kind.parse()?,
            endpoint: it.endpoint.open(sealer, spot)?,
            api_version: it.api_version,
        })
    };
    let providers = stored.providers.into_iter().map(provider);
    Ok(ModelSettings {
        providers: providers.collect::<Result<_>>()?,
        fallback_model: stored.fallback_model,
        tokens_a_day: stored.tokens_a_day,
    })
}
