//! E-mail: the mail server that the operator names, and what is sent through it.
//!
//! Links are sent while whoever made them waits; what people reply is sent by a job (`replies`).

use std::net::Ipv4Addr;
use std::time::Duration;

use lettre::address::AddressError;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Category;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use okra_domain::error::Result;
use okra_domain::{Error, ErrorKind, Secret};
use url::{Host, Url};
use uuid::Uuid;

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
        let odd = |more: &str| Error::invalid(format!("{form}{more}"));
        let mut url = Url::parse(url).map_err(|_| odd(""))?;
        let host = match (url.scheme(), url.host()) {
            ("smtp" | "smtps", Some(Host::Domain(host))) => host.to_owned(),
            _ => return Err(odd("; the host is a name or an IPv4 address")),
        };
        let ends = url.path().trim_matches('/').is_empty() && url.query().is_none();
        if !ends || url.fragment().is_some() {
            return Err(odd(""));
        }
        if url.username().is_empty() != url.password().is_none() {
            return Err(odd("; user and password go together"));
        }
        if from.is_empty() {
            let message = "smtp_from (OKRA_SMTP_FROM) must name the sender, such as Okra \
                           <okra@example.com>, where smtp_url (OKRA_SMTP_URL) is set";
            return Err(Error::invalid(message));
        }
        let from = from.parse().map_err(|error: AddressError| {
            let message = format!(
                "smtp_from (OKRA_SMTP_FROM) must be an address such as okra@example.com or \
                 Okra <okra@example.com>, not {from:?}: {error}"
            );
            Error::invalid(message)
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

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub struct Letter<'a> {
    /// The same where the same is sent again, after a server died before it noted that the first was taken: by it
    /// mailboxes tell that they have it already.
    pub id: Uuid,
    /// Whom it is for.
    pub to: &'a str,
    /// What it is about, one line.
    pub subject: &'a str,
    /// Its text.
    pub text: &'a str,
}

/// Why a letter was not taken.
#[derive(Debug)]
pub enum Unsent {
    /// It never will be: the address is none, or the mail server refuses it for good.
    Never(String),
    /// It may be later.
    Later(String),
}

/// Sends letters. Each takes a connection of its own: they are rare.
pub struct Mailer {
    host: String,
    from: Mailbox,
    transport: AsyncSmtpTransport<Tokio1Executor>,
    patience: Duration,
}

impl Mailer {
    /// For a server that may not be there yet. Fails where TLS cannot start.
    pub fn new(smtp: &Smtp) -> Result<Self> {
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(smtp.url.expose());
        let unusable = "smtp_url (OKRA_SMTP_URL) cannot be used";
        let builder = builder.map_err(|error| Error::internal(unusable, error))?;
        // Some servers look at the name that is given in greeting.
        let name = ClientId::Domain(smtp.from.email.domain().to_owned());
        Ok(Self {
            host: smtp.host.clone(),
            from: smtp.from.clone(),
            transport: builder.hello_name(name).build(),
            patience: PATIENCE,
        })
    }

    /// The server's name.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether the server can be reached and signed in to; nothing is sent.
    pub async fn check(&self) -> Result<()> {
        let problem = || {
            let host = &self.host;
            let message =
                format!("the mail server {host} (OKRA_SMTP_URL) cannot be reached or signed in to");
            Error::new(ErrorKind::Unavailable, message)
        };
        let reached = tokio::time::timeout(self.patience, self.transport.test_connection());
        let alive = reached.await.map_err(|error| problem().caused_by(error))?;
        match alive.map_err(|error| problem().caused_by(error))? {
            true => Ok(()),
            false => Err(problem()),
        }
    }

    /// Sends a letter; the server has taken it then.
    pub async fn send(&self, letter: Letter<'_>) -> Result<(), Unsent> {
        let sent = tokio::time::timeout(self.patience, self.try_to_send(letter)).await;
        let late = |_| Unsent::Later("the mail server did not answer in time".to_owned());
        sent.map_err(late)?
    }

    async fn try_to_send(&self, letter: Letter<'_>) -> Result<(), Unsent> {
        let never = |error: &dyn std::fmt::Display| Unsent::Never(error.to_string());
        let to = letter.to.parse::<Address>();
        let to = to.map_err(|error: AddressError| never(&error))?;
        // Not quoted-printable: some readers break its long lines, and links with them.
        let text = letter.text.to_owned();
        let body = Body::new_with_encoding(text, ContentTransferEncoding::Base64);
        let body = body.map_err(|_| Unsent::Never("the text cannot be written".to_owned()))?;
        let id = format!("<{}@{}>", letter.id, self.from.email.domain());
        // Or two machines thank each other for ever (RFC 3834).
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        let automatic = HeaderValue::new(automatic, "auto-generated".to_owned());
        let message = Message::builder()
            .from(self.from.clone())
            .to(to.into())
            .message_id(Some(id))
            .subject(letter.subject)
            .raw_header(automatic)
            .header(ContentType::TEXT_PLAIN)
            .body(body)
            .map_err(|error| never(&error))?;
        match self.transport.send(message).await {
            Ok(_) => Ok(()),
            // 53x is about us, who signed in wrongly: that is the operator's to put right, and may be soon.
            Err(error)
                if error.is_permanent()
                    && error.status().map(|code| code.category) != Some(Category::Unspecified3) =>
            {
                Err(never(&error))
            }
            Err(error) => Err(Unsent::Later(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests;
