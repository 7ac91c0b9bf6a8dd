//! The letters that links are sent in, each to the person it is for.
//!
//! A link is shown to whoever made it in any case, so a letter that cannot be sent costs nothing but a
//! line in the log.

use okra_domain::person::Purpose;
use okra_engine::mail::{Letter, Mailer};
use uuid::Uuid;

use crate::accounts::MadeLink;

/// Sends a link of an organization to `to`; whether the server took it. What went wrong is logged.
pub async fn send_link(mailer: &Mailer, made: &MadeLink, to: &str, organization: &str) -> bool {
    let (subject, text) = letter(&made.link.purpose, organization, &made.url);
    let sent = mailer.send(Letter {
        id: Uuid::new_v4(),
        to,
        subject: &subject,
        text: &text,
    });
    let sent = sent.await;
    if let Err(error) = &sent {
        let host = mailer.host();
        tracing::warn!(host, ?error, "a link was not sent by e-mail, only shown");
    }
    sent.is_ok()
}

/// The subject and the text of a link's letter, in English and in Korean: who is invited has told
/// nobody yet which of them to use.
fn letter(purpose: &Purpose, organization: &str, url: &str) -> (String, String) {
    match purpose {
        Purpose::SetUp { .. } | Purpose::Invitation { .. } => (
            format!("{organization}: your invitation · 초대장"),
            format!(
                "You are invited to {organization} on Okra. This link lets you in; it works once, for \
                 7 days:\n\n{url}\n\nIf you do not know why you got this, ignore it.\n\n\
                 ────\n\n\
                 Okra의 {organization}에 초대되었습니다. 위 링크로 들어오실 수 있습니다. 링크는 한 번만, \
                 7일 동안 쓸 수 있습니다.\n\n영문을 모르는 초대라면 이 메일을 무시해 주세요.\n"
            ),
        ),
        Purpose::Reset { .. } => (
            format!("{organization}: a new password · 새 비밀번호"),
            format!(
                "With this link you choose a new password for Okra; it works once, for a day:\n\n\
                 {url}\n\nAn admin of {organization} made it. If you did not ask for it, ignore it: \
                 your password stays as it is.\n\n\
                 ────\n\n\
                 위 링크에서 Okra의 새 비밀번호를 정하실 수 있습니다. 링크는 한 번만, 하루 동안 쓸 수 \
                 있습니다.\n\n{organization}의 관리자가 만든 링크입니다. 요청하지 않으셨다면 무시해 \
                 주세요. 비밀번호는 그대로입니다.\n"
            ),
        ),
    }
}
