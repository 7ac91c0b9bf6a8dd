//! Answers that browsers save as files.

use axum::body::Body;
use axum::http::header;
use axum::response::Response;
use bytes::Bytes;
use futures_util::Stream;
use okra_domain::Error;

use crate::error::{ApiError, ApiResult};

/// How a file is saved.
pub struct Download<'a> {
    /// The name it is saved under.
    pub file_name: &'a str,
    /// Its media type.
    pub media_type: &'a str,
    /// Its size in bytes, where that is known.
    pub size: Option<u64>,
}

impl Download<'_> {
    /// The answer whose body is `content`. Where that fails half-way the connection breaks off, so
    /// that nobody takes a part for the whole.
    pub fn of(
        &self,
        content: impl Stream<Item = Result<Bytes, Error>> + Send + 'static,
    ) -> ApiResult<Response> {
        let mut response = Response::builder()
            .header(header::CONTENT_TYPE, self.media_type)
            .header(header::CONTENT_DISPOSITION, disposition(self.file_name))
            .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
            .header(header::CACHE_CONTROL, "private, no-store")
            // What was uploaded is shown by nobody under our origin, whatever a browser thinks.
            .header(
                header::CONTENT_SECURITY_POLICY,
                "default-src 'none'; sandbox",
            );
        if let Some(size) = self.size {
            response = response.header(header::CONTENT_LENGTH, size);
        }
        let content = futures_util::StreamExt::inspect(content, |piece| {
            if let Err(error) = piece {
                let cause = error.source.as_ref().map(ToString::to_string);
                tracing::error!(%error, cause, "a download broke off");
            }
        });
        let response = response.body(Body::from_stream(content));
        response.map_err(|error| ApiError(Error::internal("cannot answer with a file", error)))
    }
}

/// The name as RFC 6266 has it: plain for old clients, and percent-encoded UTF-8 for the rest.
fn disposition(file_name: &str) -> String {
    let plain: String = file_name
        .chars()
        .map(|c| match c {
            '"' | '\\' | '/' => '_',
            c if c.is_ascii_graphic() || c == ' ' => c,
            _ => '_',
        })
        .collect();
    let mut encoded = String::new();
    for byte in file_name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                encoded.push(byte.into());
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_quotes() {
        let check = |name, expected: &str| assert_eq!(disposition(name), expected);
        check(
            "a\".html\r\nx: y",
            "attachment; filename=\"a_.html__x: y\"; filename*=UTF-8''a%22.html%0D%0Ax%3A%20y",
        );
        check(
            "보고.pdf",
            "attachment; filename=\"__.pdf\"; filename*=UTF-8''%EB%B3%B4%EA%B3%A0.pdf",
        );
    }
}
