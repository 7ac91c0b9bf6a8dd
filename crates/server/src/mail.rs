//! E-mail: the one thing sent is a link, to the person it is for.
//!
//! A link is shown to whoever made it in any case, so a letter that cannot be sent costs nothing but a
//! line in the log.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use lettre::message::header::{ContentTransferEncoding, ContentType};
use lettre::message::{Body, Mailbox};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use okra_domain::Secret;
use okra_domain::person::Purpose;
use url::{Host, Url};
use uuid::Uuid;

use crate::accounts::MadeLink;

/// How long sending one letter may take, from the connection to the server's last word.
const PATIENCE: Duration = Duration::from_secs(10);

/// A mail server and the sender of what it is given; checked, not yet reached.
#[derive(Debug, Clone)]
pub struct Smtp {
    /// The server's name.
    pub host: String,
    /// With the password, and with how TLS begins.
    url: Secret,
    from: Mailbox,
}

impl Smtp {
    /// Reads `smtp_url` and `smtp_from`. Errors name the setting and the fix, never the password.
    pub fn parse(url: &str, from: &str) -> Result<Self> {
        let form = "smtp_url (OKRA_SMTP_URL) must be smtp://user:password@host:587 or \
                    smtps://user:password@host:465, special characters in user and password written \
                    as in URLs (@ as %40), and nothing after the port";
        let mut url = Url::parse(url).context(form)?;
        let host = match (url.scheme(), url.host()) {
            ("smtp" | "smtps", Some(Host::Domain(host))) => host.to_owned(),
            _ => bail!("{form}; the host is a name or an IPv4 address"),
        };
        let ends = url.path().trim_matches('/').is_empty() && url.query().is_none();
        ensure!(ends && url.fragment().is_none(), "{form}");
        let whole = url.username().is_empty() == url.password().is_none();
        ensure!(whole, "{form}; user and password go together");
        ensure!(
            !from.is_empty(),
            "smtp_from (OKRA_SMTP_FROM) must name the sender, such as Okra <okra@example.com>, where \
             smtp_url (OKRA_SMTP_URL) is set"
        );
        let from = from.parse().with_context(|| {
            format!(
                "smtp_from (OKRA_SMTP_FROM) must be an address such as okra@example.com or \
                 Okra <okra@example.com>, not {from:?}"
            )
        })?;
        if url.scheme() == "smtp" && !is_this_machine(&host) {
            url.set_query(Some("tls=required"));
        }
        Ok(Self {
            host,
            url: Secret::new(url),
            from,
        })
    }
}

fn is_this_machine(host: &str) -> bool {
    let address = host.parse::<Ipv4Addr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Sends links. Each takes a connection of its own: they are rare.
pub struct Mailer {
    host: String,
    from: Mailbox,
    transport: AsyncSmtpTransport<Tokio1Executor>,
    patience: Duration,
}

impl Mailer {
    /// For a server that may not be there yet. Fails where TLS cannot start.
    pub fn new(smtp: &Smtp) -> Result<Self> {
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(smtp.url.expose())
            .context("smtp_url (OKRA_SMTP_URL) cannot be used")?;
        // Some servers look at the name that is given in greeting.
        let name = ClientId::Domain(smtp.from.email.domain().to_owned());
        Ok(Self {
            host: smtp.host.clone(),
            from: smtp.from.clone(),
            transport: builder.hello_name(name).build(),
            patience: PATIENCE,
        })
    }

    /// Whether the server can be reached and signed in to; nothing is sent.
    pub async fn check(&self) -> Result<()> {
        let reached = tokio::time::timeout(self.patience, self.transport.test_connection());
        let problem = || {
            let host = &self.host;
            format!("the mail server {host} (OKRA_SMTP_URL) cannot be reached or signed in to")
        };
        let alive = reached.await.with_context(problem)?;
        ensure!(alive.with_context(problem)?, problem());
        Ok(())
    }

    /// Sends a link of an organization to `to`; whether the server took it. What went wrong is logged.
    pub async fn send_link(&self, made: &MadeLink, to: &str, organization: &str) -> bool {
        let sent = tokio::time::timeout(self.patience, self.try_to_send(made, to, organization));
        let sent = sent.await.map_err(anyhow::Error::from).flatten();
        if let Err(error) = &sent {
            let (host, error) = (&self.host, format!("{error:#}"));
            tracing::warn!(host, error, "a link was not sent by e-mail, only shown");
        }
        sent.is_ok()
    }

    async fn try_to_send(&self, made: &MadeLink, to: &str, organization: &str) -> Result<()> {
        let to: Address = to.parse().context("the address")?;
        let (subject, text) = letter(&made.link.purpose, organization, &made.url);
        // Not quoted-printable: some readers break its long lines, and links with them.
        let body = Body::new_with_encoding(text, ContentTransferEncoding::Base64);
        let body = body.map_err(|_| anyhow::anyhow!("the text cannot be written as base64"))?;
        let id = format!("<{}@{}>", Uuid::new_v4(), self.from.email.domain());
        let message = Message::builder()
            .from(self.from.clone())
            .to(to.into())
            .message_id(Some(id))
            .subject(subject)
            .header(ContentType::TEXT_PLAIN)
            .body(body)?;
        self.transport.send(message).await?;
        Ok(())
    }
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

#[cfg(test)]
mod tests;
