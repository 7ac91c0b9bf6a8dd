//! The clients of chatbots' rerankers: one for each in use, since a client pools connections.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use okra_ai::error::ProviderError;
use okra_ai::rerank::{RerankConfig, RerankModel};
use okra_domain::embedder::Reranker;

use crate::fetch::Gate;

/// Clients kept at most; beyond that all are made anew.
const MOST: usize = 64;

/// How long a visitor waits for a better order.
const PATIENCE: Duration = Duration::from_secs(3);

/// Address, key and model.
type Key = (String, Option<String>, Option<String>);

#[derive(Default)]
pub(crate) struct Rerankers(Mutex<HashMap<Key, Arc<RerankModel>>>);

impl Rerankers {
    pub(crate) fn at(
        &self,
        reranker: &Reranker,
        gate: &Gate,
    ) -> Result<Arc<RerankModel>, ProviderError> {
        let provider = &reranker.provider;
        let secret = provider.api_key.as_ref().map(|key| key.expose().to_owned());
        let key = (provider.base_url.clone(), secret, reranker.model.clone());
        // A poisoned lock guards a map that is whole between any two of its calls.
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let client = Arc::new(RerankModel::new(RerankConfig {
            base_url: provider.base_url.clone(),
            model: reranker.model.clone(),
            api_key: provider.api_key.clone(),
            reach: gate.reach(&provider.base_url),
            timeout: PATIENCE,
        })?);
        if clients.len() >= MOST {
            clients.clear();
        }
        clients.insert(key, client.clone());
        Ok(client)
    }
}
