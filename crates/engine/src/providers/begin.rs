//! The beginning of an answer: by the chatbot's own model, or by the one that stands in where that
//! fails before its first word, be it after its calls. Later it is too late: the visitor has read what it said.

use std::sync::Arc;
use std::time::Duration;

use okra_ai::chat::{ChatModel, ChatRequest, ChatStream, sees_images};
use okra_ai::error::ProviderError;
use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::models::{ModelSettings, TokensUsed};
use okra_domain::{Error, ErrorKind, OrganizationId, Secret};

use super::Chosen;
use crate::Engine;

/// The word for an organization whose tokens for today are used up.
pub const BUDGET_SPENT: &str = "budget_spent";

/// A day, after which tokens are counted anew.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Who answers first; an error where the chatbot's model is nobody's, and another stands in.
pub(crate) type First = std::result::Result<Chosen, ProviderError>;

/// An answer that has begun.
pub(crate) struct Begun {
    pub stream: ChatStream,
    /// The name of the provider that answers.
    pub provider: String,
    /// The name of the model, as it was chosen by.
    pub model: String,
    /// What failed before.
    pub instead_of: Option<Failed>,
    /// Whether the model that answers was shown the images.
    pub sees: bool,
    /// By which the same model is asked to go on.
    pub again: Again,
}

/// A model that has begun to answer, to be asked again with what its calls came to.
pub(crate) struct Again {
    client: Arc<ChatModel>,
    model: String,
    key: Option<Secret>,
    sees: bool,
}

impl Again {
    /// Asks it.
    pub(crate) async fn ask(
        &self,
        mut request: ChatRequest,
    ) -> std::result::Result<ChatStream, ProviderError> {
        if !self.sees {
            for message in &mut request.messages {
                message.images.clear();
            }
        }
        request.model.clone_from(&self.model);
        request.api_key.clone_from(&self.key);
        self.client.stream(request).await
    }
}

/// A model that did not begin.
pub(crate) struct Failed {
    pub model: String,
    pub error: String,
}

impl Engine {
    /// Who is to answer for the chatbot; `None` where no provider is set. Fails where its model is
    /// nobody's, or the organization's tokens for today are used up.
    pub(crate) fn first(&self, chatbot: &Chatbot) -> Result<Option<First>> {
        let first = match self.chosen(chatbot, &chatbot.settings.model) {
            Ok(None) => return Ok(None),
            Ok(Some(chosen)) => Ok(chosen),
            Err(error) if stand_in(chatbot).is_some() => Err(error),
            Err(error) => return Err(crate::chat::provider_error(error)),
        };
        self.check_budget(&chatbot.models, chatbot.tokens_used)?;
        Ok(Some(first))
    }

    /// Fails where the organization's tokens for today are used up.
    pub async fn check_tokens(
        &self,
        organization: OrganizationId,
        settings: &ModelSettings,
    ) -> Result<()> {
        if settings.tokens_a_day.is_none() {
            return Ok(());
        }
        let store = &self.parts.store;
        let used = TokensUsed {
            day: store.clock().now().day_number(),
            tokens: store.tokens_today(organization).await?,
        };
        self.check_budget(settings, used)
    }

    fn check_budget(&self, settings: &ModelSettings, used: TokensUsed) -> Result<()> {
        let Some(tokens_a_day) = settings.tokens_a_day else {
            return Ok(());
        };
        let now = self.parts.store.clock().now();
        if used.left_of(tokens_a_day, now) > 0 {
            return Ok(());
        }
        let message = "The tokens for today are used up; answers go on after midnight UTC. An admin \
                       can allow more (tokens_a_day, PATCH /api/external/providers).";
        // In whole seconds, as clients are told; a second too late rather than one too early.
        let wait = now.midnight().after(DAY).since(now);
        let wait = Duration::from_secs(wait.as_secs() + 1);
        Err(Error::new(ErrorKind::RateLimited(wait), message).coded(BUDGET_SPENT))
    }

    /// Has the answer begun by whoever is first, or by the model that stands in.
    pub(crate) async fn begin_answer(
        &self,
        chatbot: &Chatbot,
        first: First,
        request: ChatRequest,
    ) -> std::result::Result<Begun, ProviderError> {
        let kept = stand_in(chatbot).map(|_| request.clone());
        let error = match first {
            Ok(chosen) => match ask(&chatbot.settings.model, chosen, request).await {
                Ok(begun) => return Ok(begun),
                Err(error) => error,
            },
            Err(error) => error,
        };
        match kept {
            Some(request) => self.begin_instead(chatbot, error, request).await,
            None => Err(error),
        }
    }

    /// Has the answer begun by the model that stands in for the chatbot's own, which failed; the same failure where
    /// none does.
    pub(crate) async fn begin_instead(
        &self,
        chatbot: &Chatbot,
        error: ProviderError,
        request: ChatRequest,
    ) -> std::result::Result<Begun, ProviderError> {
        let Some(name) = stand_in(chatbot) else {
            return Err(error);
        };
        let own = chatbot.settings.model.as_str();
        tracing::info!(model = own, stand_in = name, %error, "another model answers");
        metrics::counter!("okra_fallbacks_total").increment(1);
        let second = match self.chosen(chatbot, name) {
            Ok(Some(chosen)) => ask(name, chosen, request).await,
            Ok(None) => return Err(error),
            Err(second) => Err(second),
        };
        let failed = Failed {
            model: own.to_owned(),
            error: error.message.clone(),
        };
        match second {
            Ok(begun) => Ok(Begun {
                instead_of: Some(failed),
                ..begun
            }),
            Err(second) => {
                let message = format!(
                    "{} ({name}, in its place: {})",
                    error.message, second.message
                );
                Err(ProviderError::new(error.kind, message))
            }
        }
    }
}

/// The model that answers where the chatbot's own does not begin: the chatbot's choice, else its
/// organization's. Not the same one again.
pub(crate) fn stand_in(chatbot: &Chatbot) -> Option<&str> {
    let own = chatbot.settings.fallback_model.as_deref().map(str::trim);
    let own = own.filter(|name| !name.is_empty());
    let name = own.or(chatbot.models.fallback_model.as_deref())?;
    (name != chatbot.settings.model).then_some(name)
}

async fn ask(
    name: &str,
    chosen: Chosen,
    request: ChatRequest,
) -> std::result::Result<Begun, ProviderError> {
    let again = Again {
        sees: sees_images(&chosen.model),
        client: chosen.client,
        model: chosen.model,
        key: chosen.key,
    };
    Ok(Begun {
        stream: again.ask(request).await?,
        provider: chosen.provider,
        model: name.to_owned(),
        instead_of: None,
        sees: again.sees,
        again,
    })
}
