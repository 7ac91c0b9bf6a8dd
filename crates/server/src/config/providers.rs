//! The model providers that the operator sets.

use anyhow::{Context, Result, bail};
use okra_domain::models::{NamedProvider, ProviderKind};
use okra_domain::provider::Provider;

use super::{Written, secret, text, variable_of, web_url};

/// The providers that are configured. A name without a provider's goes to the first, so those come
/// first whose models have names of every kind.
pub(super) fn providers(written: &Written) -> Result<Vec<NamedProvider>> {
    let kinds = [
        (
            ProviderKind::OpenAi,
            "openai_base_url",
            (&written.openai_base_url, Some(&written.openai_api_key)),
        ),
        (
            ProviderKind::Azure,
            "azure_openai_endpoint",
            (
                &written.azure_openai_endpoint,
                Some(&written.azure_openai_api_key),
            ),
        ),
        (
            ProviderKind::Ollama,
            "ollama_base_url",
            (&written.ollama_base_url, None),
        ),
        (
            ProviderKind::Anthropic,
            "anthropic_base_url",
            (
                &written.anthropic_base_url,
                Some(&written.anthropic_api_key),
            ),
        ),
        (
            ProviderKind::Gemini,
            "gemini_base_url",
            (&written.gemini_base_url, Some(&written.gemini_api_key)),
        ),
    ];
    let mut providers: Vec<NamedProvider> = Vec::new();
    for (kind, setting, (url, key)) in kinds {
        let (url, api_key) = (text(url), key.and_then(secret));
        if url.is_none() && api_key.is_none() {
            continue;
        }
        let setting = format!("{setting} ({})", variable_of(setting));
        let url = url.as_deref().or(kind.default_url());
        let url = url.with_context(|| format!("{setting} must be set where its key is"))?;
        let base_url = web_url(&setting, url)?;
        let endpoint = Provider { base_url, api_key };
        let provider = match kind {
            ProviderKind::OpenAi => NamedProvider::openai_compatible(endpoint),
            kind => NamedProvider {
                name: kind.as_str().to_owned(),
                kind,
                endpoint,
                api_version: text(&written.azure_openai_api_version)
                    .filter(|_| kind == ProviderKind::Azure),
            },
        };
        if providers.iter().any(|other| other.name == provider.name) {
            bail!(
                "{setting} and openai_base_url (OPENAI_BASE_URL) both make a provider named {}; \
                 leave one of them out",
                provider.name
            );
        }
        providers.push(provider);
    }
    Ok(providers)
}
