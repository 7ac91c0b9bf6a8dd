//! What people reply goes out by e-mail where the visitor does not see it: by a job, put off long enough for whoever is
//! still there to read.
//!
//! At least once: a letter counts as sent when the mail server said so and that is noted. A server that dies in between
//! sends it again, under the same id.

use std::time::Duration;

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::handling::MAIL_AFTER;
use okra_domain::session::Session;
use okra_domain::{Error, ErrorKind, SessionId, Timestamp};
use okra_store::jobs::Job;
use okra_store::sessions::{Mailed, Unseen};

use crate::Engine;
use crate::mail::{Letter, Unsent};
use crate::worker::Step;

/// How long after each attempt that failed the next one is made: a day and seven hours in all. The last attempt is the
/// one after these.
const DELAYS: [Duration; 5] = [
    Duration::from_secs(60),
    Duration::from_secs(10 * 60),
    Duration::from_secs(60 * 60),
    Duration::from_secs(6 * 60 * 60),
    Duration::from_secs(24 * 60 * 60),
];
/// Messages of one letter at most, the latest ones.
const MESSAGES: u32 = 20;
/// Letters of one conversation within 24 hours at most.
const A_DAY: u32 = 10;
/// Characters of what people wrote in one letter at most.
const CHARS: usize = 20_000;

impl Engine {
    /// Sends what people wrote in a session since its visitor was last seen there.
    pub(crate) async fn mail_replies(&self, job: &Job, id: SessionId) -> Result<Step> {
        let store = self.store();
        let Some((chatbot, session)) = self.followed_up(job, id).await? else {
            store.end_mail(job).await?;
            return Ok(Step::Dropped);
        };
        let (Some(mailer), Some(to)) = (self.mailer(), session.email()) else {
            store.end_mail(job).await?;
            return Ok(Step::Dropped);
        };
        let unseen = store.unseen_replies(&chatbot, id, MESSAGES, A_DAY).await?;
        let ([first, ..], [.., last]) = (&*unseen.messages, &*unseen.messages) else {
            store.end_mail(job).await?;
            return Ok(Step::Dropped);
        };
        let due = first.created_at.after(MAIL_AFTER).max(unseen.free_at);
        let wait = until(store.clock().now(), due);
        if !wait.is_zero() {
            store.postpone_job(job, wait).await?;
            return Ok(Step::Deferred);
        }
        let unsent = match may_try(job.attempts) {
            true => {
                let (subject, text) = self.letter_of(&chatbot, &session, &unseen);
                let letter = Letter {
                    id: last.id.0,
                    to,
                    subject: &subject,
                    text: &text,
                };
                mailer.send(letter).await.err()
            }
            false => Some(Unsent::Never("sending it stopped the server".to_owned())),
        };
        let host = mailer.host();
        if let (Some(Unsent::Later(why)), Some(delay)) = (&unsent, next_delay(job.attempts)) {
            tracing::warn!(host, why, session = %id, "a reply was not sent by e-mail; trying again later");
            store.retry_job(job, delay).await?;
            return Ok(Step::Deferred);
        }
        let is_sent = unsent.is_none();
        if let Some(Unsent::Later(why) | Unsent::Never(why)) = unsent {
            tracing::warn!(host, why, session = %id, "sending a reply by e-mail was given up");
        }
        let mailed = Mailed { to, is_sent };
        let messages = &unseen.messages;
        store.note_mailed(job, &chatbot, messages, mailed).await?;
        Ok(if is_sent { Step::Done } else { Step::Failed })
    }

    /// The job's chatbot and session, where both are there and the chatbot still has replies sent.
    async fn followed_up(&self, job: &Job, id: SessionId) -> Result<Option<(Chatbot, Session)>> {
        let store = self.store();
        let found = async {
            let chatbot = store.chatbot(job.organization_id, job.chatbot_id).await?;
            let session = store.session(&chatbot, id).await?;
            Ok::<_, Error>((chatbot, session))
        };
        match found.await {
            Ok((chatbot, session)) if chatbot.settings.is_email_follow_up_enabled => {
                Ok(Some((chatbot, session)))
            }
            Ok(_) => Ok(None),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The subject and the text of a letter, with the hosted page's address where there is one.
    fn letter_of(&self, chatbot: &Chatbot, session: &Session, unseen: &Unseen) -> (String, String) {
        let base = self.parts.options.public_url.as_deref();
        let base = base.filter(|_| chatbot.is_public && chatbot.active);
        let page = base.map(|base| format!("{base}/c/{}", chatbot.slug));
        let korean = speaks_korean(session);
        letter(&chatbot.name, korean, unseen, page.as_deref())
    }
}

/// From one time to another; nothing where that has passed.
fn until(now: Timestamp, due: Timestamp) -> Duration {
    Duration::from_micros(u64::try_from(due.0.saturating_sub(now.0)).unwrap_or(0))
}

/// Whether an attempt that was begun this often, this time included, is one of those that are made: attempts that took
/// the whole process down were never seen to fail.
fn may_try(attempts: i64) -> bool {
    usize::try_from(attempts).is_ok_and(|attempts| attempts <= DELAYS.len() + 1)
}

/// How long after the `attempts`th attempt the next one is made; `None` after the last.
fn next_delay(attempts: i64) -> Option<Duration> {
    let made = usize::try_from(attempts.max(1) - 1).ok()?;
    DELAYS.get(made).copied()
}

fn speaks_korean(session: &Session) -> bool {
    let language = session.metadata.get("language").and_then(|it| it.as_str());
    language.is_some_and(|tag| tag.to_lowercase().starts_with("ko"))
}

/// The subject and the text of a letter. Nothing of it is the visitor's: who leaves somebody else's address cannot have
/// us write to them what they please.
fn letter(chatbot: &str, korean: bool, unseen: &Unseen, page: Option<&str>) -> (String, String) {
    let name = one_line(chatbot);
    let mut said = String::new();
    for message in &unseen.messages {
        let agent = message.metadata.get("agent").and_then(|it| it.get("name"));
        if let Some(agent) = agent.and_then(|it| it.as_str()) {
            said.push_str(&format!("{}:\n", one_line(agent)));
        }
        said.push_str(message.content.trim());
        for file in message.attachments.iter().flatten() {
            said.push_str(&format!("\n{}: {}", one_line(&file.name), file.url));
        }
        said.push_str("\n\n");
    }
    let is_cut = said.chars().count() > CHARS;
    if is_cut {
        said = said.chars().take(CHARS).collect::<String>() + "…\n\n";
    }
    let page = page.map(|page| format!("{page}\n\n")).unwrap_or_default();
    let more = match (is_cut || unseen.has_earlier, korean) {
        (false, _) => "",
        (true, true) => "나머지 메시지는 채팅에서 볼 수 있습니다. ",
        (true, false) => "There is more in the chat. ",
    };
    if korean {
        let end = "이 메일에 답장하셔도 전달되지 않습니다. 대화를 이어 가려면 대화를 시작한 페이지를 같은 \
                   브라우저로 여세요.";
        let text =
            format!("{said}────\n\n{page}{more}{name}에 남기신 문의에 대한 답변입니다. {end}\n");
        return (format!("{name}: 답변이 도착했습니다"), text);
    }
    let end = "Nobody reads what is answered to this e-mail: to go on, open the page where you began the chat, in \
               the same browser.";
    let text = format!("{said}────\n\n{page}{more}This answers what you asked {name}. {end}\n");
    (format!("{name}: you have a reply"), text)
}

/// The words without line ends and other control characters.
fn one_line(text: &str) -> String {
    let clean = text.replace(char::is_control, " ");
    clean.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
