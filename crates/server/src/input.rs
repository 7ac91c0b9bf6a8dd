//! Reading what clients send, with errors that name the field.

use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use axum::body::Body;
use axum::extract::multipart::MultipartError;
use axum::extract::{FromRequest, FromRequestParts, Multipart, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use okra_domain::{Error, ErrorKind, PageRequest, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use utoipa::IntoParams;

use crate::app::App;
use crate::error::{ApiError, ApiResult};

/// A JSON body: at most the configured size, UTF-8, of the named type. Unknown fields are ignored;
/// a field of the wrong type is named by its path.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> ApiResult<Self> {
        expect_json(request.headers())?;
        let bytes = read_body(request.into_body(), app.config.max_json_bytes).await?;
        parse_json(&bytes).map(Self)
    }
}

/// The header `Idempotency-Key`, by which a request that may be sent twice is known.
pub struct IdempotencyKey(pub Option<String>);

/// The most characters of a key.
const MAX_KEY_CHARS: usize = 200;

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> ApiResult<Self> {
        let Some(key) = parts.headers.get("idempotency-key") else {
            return Ok(Self(None));
        };
        let key = key.to_str().unwrap_or_default().trim();
        if key.is_empty() || key.len() > MAX_KEY_CHARS {
            let problem = format!("must be 1 to {MAX_KEY_CHARS} visible ASCII characters");
            return Err(ApiError(Error::invalid_field("Idempotency-Key", problem)));
        }
        Ok(Self(Some(key.to_owned())))
    }
}

/// Fails where the body says that it is something else.
pub fn expect_json(headers: &HeaderMap) -> ApiResult<()> {
    let media_type = media_type(headers);
    if media_type.is_empty() || media_type == "application/json" || media_type.ends_with("+json") {
        return Ok(());
    }
    Err(ApiError(Error::new(
        ErrorKind::UnsupportedType,
        format!("The body must be JSON (content-type: application/json), not {media_type}."),
    )))
}

/// The media type of a request's body, in lower case and without parameters.
pub fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE);
    let value = value.and_then(|value| value.to_str().ok()).unwrap_or("");
    let media_type = value.split(';').next().unwrap_or_default();
    media_type.trim().to_ascii_lowercase()
}

/// Reads a body whole, `limit` bytes at most.
pub async fn read_body(body: Body, limit: usize) -> ApiResult<Bytes> {
    axum::body::to_bytes(body, limit).await.map_err(|error| {
        let over = std::error::Error::source(&error)
            .is_some_and(|source| source.is::<http_body_util::LengthLimitError>());
        ApiError(if over {
            let message = format!("The body is larger than {} KB.", limit / 1024);
            Error::new(ErrorKind::TooLarge, message)
        } else {
            Error::invalid("The body could not be read to its end.")
        })
    })
}

/// Reads a body as a multipart form. Another type is a wrong type; a form without a boundary is
/// malformed.
pub async fn multipart(request: Request) -> ApiResult<Multipart> {
    let media_type = media_type(request.headers());
    if media_type != "multipart/form-data" {
        let message = format!("The body must be multipart/form-data, not {media_type:?}.");
        return Err(ApiError(Error::new(ErrorKind::UnsupportedType, message)));
    }
    let form = Multipart::from_request(request, &()).await;
    form.map_err(|_| ApiError(Error::invalid("The form's content-type names no boundary.")))
}

/// Why a multipart form could not be read on.
pub fn form_error(error: MultipartError) -> Error {
    let why = error.body_text();
    Error::invalid(format!("The upload could not be read: {why}."))
}

/// Parses a JSON body.
pub fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> ApiResult<T> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(ApiError(Error::invalid(
            "The body is empty; a JSON object was expected.",
        )));
    }
    refuse_nul(bytes)?;
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value: T = serde_path_to_error::deserialize(&mut deserializer).map_err(json_error)?;
    let end = deserializer.end();
    end.map_err(|error| Error::invalid(format!("The body is not valid JSON: {error}.")))?;
    Ok(value)
}

/// Parses one value that was already read as JSON; `prefix` is the path it stands at.
pub fn parse_value<T: DeserializeOwned>(prefix: &str, value: Value) -> ApiResult<T> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = match error.path().to_string().as_str() {
            "." => prefix.to_owned(),
            path if prefix.is_empty() => path.to_owned(),
            path => format!("{prefix}.{path}"),
        };
        let problem = error.into_inner().to_string();
        ApiError(match path.as_str() {
            "" => unexpected_json(&problem),
            _ => Error::invalid_field(path, problem),
        })
    })
}

/// An error about the body as a whole, such as a field that is missing.
fn unexpected_json(problem: &str) -> Error {
    Error::invalid(format!(
        "The body is not the JSON that was expected: {problem}."
    ))
}

fn json_error(error: serde_path_to_error::Error<serde_json::Error>) -> ApiError {
    let path = error.path().to_string();
    let inner = error.into_inner();
    ApiError(match inner.classify() {
        serde_json::error::Category::Data if path != "." => {
            Error::invalid_field(path, inner.to_string())
        }
        serde_json::error::Category::Data => unexpected_json(&inner.to_string()),
        _ => Error::invalid(format!("The body is not valid JSON: {inner}.")),
    })
}

/// Postgres can't store U+0000 in text, so no text may hold it.
fn refuse_nul(bytes: &[u8]) -> ApiResult<()> {
    let escape = br"\u0000";
    if !bytes.windows(escape.len()).any(|window| window == escape) {
        return Ok(());
    }
    let value: Value = serde_json::from_slice(bytes).unwrap_or_default();
    fn holds_nul(value: &Value) -> bool {
        match value {
            Value::String(text) => text.contains('\0'),
            Value::Array(values) => values.iter().any(holds_nul),
            Value::Object(map) => map
                .iter()
                .any(|(key, value)| key.contains('\0') || holds_nul(value)),
            _ => false,
        }
    }
    if holds_nul(&value) {
        return Err(ApiError(Error::invalid(
            "Text must not contain the character U+0000.",
        )));
    }
    Ok(())
}

/// Reads a field that may be absent (`None`), `null` (`Some(None)`) or given (`Some(Some(…))`).
pub fn nullable<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

/// `?page=` and `?limit=`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)] // Only its description is used; reading names the field at fault.
pub struct PageParams {
    /// Which page, from 1.
    #[param(minimum = 1, default = 1)]
    page: Option<u32>,
    /// Entries a page, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

/// The page that a request asks for.
pub struct Paging(pub PageRequest);

impl<S: Send + Sync> FromRequestParts<S> for Paging {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> ApiResult<Self> {
        let page = query_number(parts, "page")?;
        let limit = query_number(parts, "limit")?;
        Ok(Self(PageRequest::new(page, limit)?))
    }
}

/// Every value of a request's query string, read one by one with errors that name the field.
pub struct QueryParams(Vec<(String, String)>);

/// Which end of a day a filter means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// Its first moment.
    Beginning,
    /// The first moment of the next day.
    End,
}

/// The most characters of a search.
const MAX_SEARCH_CHARS: usize = 200;

impl QueryParams {
    /// The value of this name; an empty one counts as none.
    pub fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        let value = found.map(|(_, value)| value.as_str());
        value.filter(|value| !value.is_empty())
    }

    /// A value that is one of the domain's words, which `words` lists.
    pub fn word<T: FromStr>(&self, name: &str, words: &str) -> ApiResult<Option<T>> {
        let value = self.text(name).map(str::parse).transpose();
        value.map_err(|_| ApiError(Error::invalid_field(name, format!("must be {words}"))))
    }

    /// `true` or `false`.
    pub fn bool(&self, name: &str) -> ApiResult<Option<bool>> {
        match self.text(name) {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(_) => {
                let error = Error::invalid_field(name, "must be true or false");
                Err(ApiError(error))
            }
        }
    }

    /// A whole number within `range`.
    pub fn number<T>(&self, name: &str, range: RangeInclusive<T>) -> ApiResult<Option<T>>
    where
        T: FromStr + PartialOrd + std::fmt::Display,
    {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let number = text.parse().ok().filter(|number| range.contains(number));
        let number = number.ok_or_else(|| {
            let (first, last) = (range.start(), range.end());
            let problem = format!("must be a whole number from {first} to {last}");
            Error::invalid_field(name, problem)
        })?;
        Ok(Some(number))
    }

    /// A moment, or a day in UTC, of which `edge` counts.
    pub fn moment(&self, name: &str, edge: Edge) -> ApiResult<Option<Timestamp>> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let day = Timestamp::parse_day(text).map(|day| match edge {
            Edge::Beginning => day,
            Edge::End => day.after(Duration::from_secs(24 * 60 * 60)),
        });
        let moment = day.or_else(|| Timestamp::parse(text)).ok_or_else(|| {
            let problem =
                "must be a day such as 2025-01-22, or a time such as 2025-01-22T04:30:45Z";
            Error::invalid_field(name, problem)
        })?;
        Ok(Some(moment))
    }

    /// The words of `?search=`.
    pub fn search(&self) -> ApiResult<Option<String>> {
        let words = self.text("search").map(str::trim);
        let words = words.filter(|words| !words.is_empty());
        match words {
            Some(words) if words.chars().count() > MAX_SEARCH_CHARS => {
                let problem = format!("at most {MAX_SEARCH_CHARS} characters");
                Err(ApiError(Error::invalid_field("search", problem)))
            }
            words => Ok(words.map(str::to_owned)),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for QueryParams {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> ApiResult<Self> {
        query_pairs(parts).map(Self)
    }
}

fn query_number(parts: &Parts, name: &str) -> ApiResult<Option<u32>> {
    let Some(text) = query_value(parts, name)? else {
        return Ok(None);
    };
    let number = text
        .parse()
        .map_err(|_| Error::invalid_field(name, "must be a whole number"))?;
    Ok(Some(number))
}

/// One value of a request's query string.
pub fn query_value(parts: &Parts, name: &str) -> ApiResult<Option<String>> {
    let found = query_pairs(parts)?.into_iter().find(|(key, _)| key == name);
    Ok(found.map(|(_, value)| value))
}

fn query_pairs(parts: &Parts) -> ApiResult<Vec<(String, String)>> {
    let pairs = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
        .map_err(|error| Error::invalid(format!("The query string cannot be read: {error}")))?;
    Ok(pairs.0)
}

/// An id that a client wrote; what is no id names nothing.
pub fn parse_id<T: FromStr>(text: &str, what: &str) -> ApiResult<T> {
    text.parse().map_err(|_| ApiError(Error::not_found(what)))
}
