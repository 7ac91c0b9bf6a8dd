//! Sends events to endpoints, as Standard Webhooks has it: signed, again and again until one is taken,
//! under the same id each time. A step of the worker's each; nothing is in memory between two of them.

use std::sync::PoisonError;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use okra_domain::error::Result;
use okra_domain::webhook::{Attempt, Sending};
use okra_domain::{DeliveryId, Error, ErrorKind, Secret, Timestamp, WebhookEventId};
use okra_store::jobs::Job;
use okra_store::webhooks::{Noted, SendNext};
use sha2::Sha256;

use crate::Engine;
use crate::fetch::{Post, Posted};
use crate::worker::{Step, log};

/// What a secret begins with; the rest is base64.
pub const SECRET_PREFIX: &str = "whsec_";
/// How long after each attempt that failed the next one is made: three days and a half in all. The last
/// attempt is the one after these.
const DELAYS: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 60 * 60),
    Duration::from_secs(5 * 60 * 60),
    Duration::from_secs(10 * 60 * 60),
    Duration::from_secs(14 * 60 * 60),
    Duration::from_secs(20 * 60 * 60),
    Duration::from_secs(24 * 60 * 60),
];
/// The longest that an endpoint may ask to be left alone.
const MAX_WAIT: Duration = Duration::from_secs(24 * 60 * 60);
/// How often what is older than the log goes back is deleted.
const TRIMMED_EVERY: Duration = Duration::from_secs(60 * 60);
/// Characters that are kept of a refusal.
const KEPT_CHARS: usize = 500;

impl Engine {
    /// Fails with a sentence where events may not be sent to this address.
    pub fn check_webhook_url(&self, url: &str) -> Result<()> {
        let checked = self.parts.fetcher.check_target(url);
        checked.map_err(|error| Error::invalid_field("url", error.message))
    }

    /// Makes deliveries of an event.
    pub(crate) async fn announce(&self, job: &Job, event: WebhookEventId) -> Result<Step> {
        match self.store().announce(job, event).await? {
            true => {
                self.wake_workers();
                Ok(Step::Done)
            }
            false => Ok(Step::Dropped),
        }
    }

    /// Deletes what is older than the log of deliveries goes back, once an hour; the workers see to it.
    pub(crate) async fn trim_deliveries(&self) {
        let store = self.store();
        let now = store.clock().now();
        {
            // A poisoned lock guards a time that is whole at any moment.
            let trimmed = self.trimmed.lock();
            let mut trimmed = trimmed.unwrap_or_else(PoisonError::into_inner);
            if trimmed.is_some_and(|at| now.since(at) < TRIMMED_EVERY) {
                return;
            }
            *trimmed = Some(now);
        }
        if let Err(error) = store.trim_deliveries().await {
            log("the log of deliveries was not trimmed", &error);
        }
    }

    /// Makes one attempt at a delivery.
    pub(crate) async fn deliver(&self, job: &Job, id: DeliveryId) -> Result<Step> {
        let store = self.store();
        let Some(sending) = store.sending(id).await? else {
            store.finish_job(job).await?;
            return Ok(Step::Dropped);
        };
        let at = store.clock().now();
        let (attempt, next) = match sending.active {
            true => self.attempt(job, sending, at).await?,
            false => {
                let off = "The endpoint is switched off; switch it on and send this again.";
                (failed(at, off.to_owned()), SendNext::Never)
            }
        };
        let step = match (&attempt.error, next) {
            (None, _) => Step::Done,
            (Some(_), SendNext::After(_)) => Step::Deferred,
            (Some(_), SendNext::Never | SendNext::Gone) => Step::Failed,
        };
        match store.note_attempt(job, id, &attempt, next).await? {
            Noted::Kept => Ok(step),
            Noted::Lost => Ok(Step::Dropped),
        }
    }

    async fn attempt(
        &self,
        job: &Job,
        sending: Sending,
        at: Timestamp,
    ) -> Result<(Attempt, SendNext)> {
        let id = sending.event_id.to_string();
        // Signed anew each time, since receivers refuse timestamps that are old.
        let seconds = at.0.div_euclid(1_000_000);
        let signatures = sending
            .secrets
            .iter()
            .map(|secret| sign(secret, &id, seconds, &sending.body))
            .collect::<Result<Vec<_>>>()?;
        let headers = [
            ("webhook-id", id),
            ("webhook-timestamp", seconds.to_string()),
            ("webhook-signature", signatures.join(" ")),
        ];
        let post = Post {
            url: &sending.url,
            headers: &headers,
            body: sending.body,
        };
        let posted = self.parts.fetcher.post(post).await;
        let wait = posted.as_ref().ok().and_then(|it| it.retry_after);
        let attempt = match posted {
            Ok(posted) => told(at, posted),
            Err(error) => failed(at, error.message),
        };
        let next = match attempt.status {
            Some(410) => SendNext::Gone,
            _ => after(job.attempts, wait),
        };
        Ok((attempt, next))
    }
}

/// When a delivery is sent again that failed for the `attempts`th time.
fn after(attempts: i64, asked: Option<Duration>) -> SendNext {
    let done = usize::try_from(attempts.max(1) - 1).unwrap_or(usize::MAX);
    match DELAYS.get(done) {
        None => SendNext::Never,
        Some(delay) => SendNext::After((*delay).max(asked.unwrap_or_default().min(MAX_WAIT))),
    }
}

fn told(at: Timestamp, posted: Posted) -> Attempt {
    let status = posted.status;
    let error = match status {
        200..300 => None,
        300..400 => Some(format!(
            "The endpoint redirects ({status}), which is not followed: give it its final address."
        )),
        410 => Some("The endpoint answered 410 Gone and was switched off.".to_owned()),
        _ => Some(format!("The endpoint answered {status}.")),
    };
    let shown = posted.beginning.chars().filter(|it| *it != '\0');
    let response: String = shown.take(KEPT_CHARS).collect();
    Attempt {
        at,
        status: Some(status),
        response: error
            .is_some()
            .then_some(response)
            .filter(|it| !it.is_empty()),
        error,
    }
}

fn failed(at: Timestamp, error: String) -> Attempt {
    Attempt {
        at,
        status: None,
        error: Some(error),
        response: None,
    }
}

/// The signature of Standard Webhooks, `v1,BASE64`.
fn sign(secret: &Secret, id: &str, seconds: i64, body: &str) -> Result<String> {
    let broken = || Error::new(ErrorKind::Internal, "a webhook's secret is none");
    let key = secret.expose().strip_prefix(SECRET_PREFIX);
    let key = key
        .and_then(|key| STANDARD.decode(key).ok())
        .ok_or_else(broken)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| broken())?;
    mac.update(format!("{id}.{seconds}.{body}").as_bytes());
    Ok(format!(
        "v1,{}",
        STANDARD.encode(mac.finalize().into_bytes())
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_specification() {
        // The example that the reference libraries test themselves with.
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let signed = sign(&secret, id, 1_614_265_330, r#"{"test": 2432232314}"#);
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signed.expect("signed"), expected);
        for odd in ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!", ""] {
            assert!(sign(&Secret::new(odd), id, 1, "{}").is_err(), "{odd}");
        }
    }

    #[test]
    fn a_delivery_is_sent_ten_times_at_most_and_never_too_soon() {
        let seconds = |count| SendNext::After(Duration::from_secs(count));
        let check = |attempts, asked: Option<u64>, expected| {
            let asked = asked.map(Duration::from_secs);
            assert_eq!(after(attempts, asked), expected, "{attempts} {asked:?}");
        };
        check(1, None, seconds(5));
        check(2, None, seconds(300));
        check(9, None, seconds(24 * 60 * 60));
        check(10, None, SendNext::Never);
        check(10, Some(5), SendNext::Never);
        check(1_000, None, SendNext::Never);
        check(1, Some(60), seconds(60));
        check(2, Some(60), seconds(300));
        check(1, Some(u64::MAX), seconds(24 * 60 * 60));
    }

    #[test]
    fn what_an_endpoint_answers_is_success_or_a_sentence() {
        let posted = |status: u16, beginning: &str| Posted {
            status,
            retry_after: None,
            beginning: beginning.to_owned(),
        };
        let fine = told(Timestamp(1), posted(204, "ok"));
        assert_eq!((fine.error, fine.response), (None, None));
        let moved = told(Timestamp(1), posted(301, ""));
        assert!(
            moved
                .error
                .is_some_and(|error| error.contains("final address"))
        );
        let refused = told(Timestamp(1), posted(500, &"가\0".repeat(1_000)));
        assert_eq!(refused.error.as_deref(), Some("The endpoint answered 500."));
        assert_eq!(refused.response, Some("가".repeat(500)));
    }
}
