//! The end of a conversation, as its visitor sees it: saying that it is settled, and rating it.

use axum::Json as JsonBody;
use axum::extract::State;
use okra_domain::handling::Handling;
use okra_domain::session::{MAX_COMMENT_CHARS, SCORES, SessionRating};
use okra_domain::{Error, ErrorKind};
use serde::Deserialize;
use utoipa::ToSchema;

use super::Asking;
use super::people::{change, own};
use crate::app::App;
use crate::error::{ApiError, ApiResult, ErrorBody};
use crate::input::Json;
use crate::wire::people::VisitorHandling;

/// End the conversation
///
/// Settles it, as an agent can. When the visitor writes again it goes on with the chatbot.
#[utoipa::path(post, path = "/api/public/chatbot/{slug}/end", operation_id = "endOwnConversation",
    tag = "Visitors", security(("visitor" = [])),
    params(("slug" = String, Path, description = "The chatbot's slug.")),
    responses((status = 200, body = VisitorHandling), (status = 401, body = ErrorBody),
              (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
              (status = 429, body = ErrorBody)))]
pub async fn end(State(app): State<App>, asking: Asking) -> ApiResult<JsonBody<VisitorHandling>> {
    enabled(&asking)?;
    change(&app, &asking, Handling::ended).await
}

/// What the visitor thinks of the conversation.
#[derive(Debug, Deserialize, ToSchema)]
pub struct RatingInput {
    /// How satisfied: from 1, not at all, to 5, very.
    #[schema(minimum = 1, maximum = 5)]
    score: i64,
    /// Why, 2,000 characters at most.
    comment: Option<String>,
}

/// Rate the conversation
///
/// Once it was settled, by the visitor or by an agent; another rating takes the place of the one before. For chatbots
/// whose `settings.isRatingEnabled` is on.
#[utoipa::path(put, path = "/api/public/chatbot/{slug}/rating", operation_id = "rateOwnConversation",
    tag = "Visitors", security(("visitor" = [])),
    params(("slug" = String, Path, description = "The chatbot's slug.")),
    request_body = RatingInput,
    responses((status = 200, body = SessionRating), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 404, body = ErrorBody), (status = 409, body = ErrorBody),
              (status = 429, body = ErrorBody)))]
pub async fn rate(
    State(app): State<App>,
    asking: Asking,
    Json(input): Json<RatingInput>,
) -> ApiResult<JsonBody<SessionRating>> {
    enabled(&asking)?;
    if !SCORES.contains(&input.score) {
        let error = Error::invalid_field("score", "must be a whole number from 1 to 5");
        return Err(ApiError(error));
    }
    let comment = input.comment.map(|comment| comment.trim().to_owned());
    let comment = comment.filter(|comment| !comment.is_empty());
    let long = |text: &String| text.chars().count() > MAX_COMMENT_CHARS;
    if comment.as_ref().is_some_and(long) {
        let problem = format!("at most {MAX_COMMENT_CHARS} characters");
        return Err(ApiError(Error::invalid_field("comment", problem)));
    }
    let session = own(&app, &asking).await?;
    let store = app.engine.store();
    let rating = store.rate_session(&asking.chatbot, &session, input.score, comment);
    Ok(JsonBody(rating.await?))
}

fn enabled(asking: &Asking) -> Result<(), Error> {
    if asking.chatbot.settings.is_rating_enabled {
        return Ok(());
    }
    let message = "Conversations with this chatbot are not rated (settings.isRatingEnabled).";
    Err(Error::new(ErrorKind::Forbidden, message).coded("ratings_disabled"))
}
