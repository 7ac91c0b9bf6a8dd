//! What a case begins with, and the short ways to what it needs.

use std::time::Duration;

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::knowledge::{Chunk, Item, Source};
use okra_domain::session::{AnswerFacts, Message, SenderType, Session};
use okra_domain::{Clock, ErrorKind, ItemId, MessageId, OrganizationId, Page, PageRequest, Secret};
use okra_store::jobs::{Job, Task};
use okra_store::knowledge::{Added, Ingested};
use okra_store::testing::{self, Backend, Place};
use okra_store::{SlugChoice, Store};
use serde_json::Map;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

/// The lease of a case's jobs.
pub const LEASE: Duration = Duration::from_secs(15);

/// A fresh store whose clock stands still until moved.
pub struct World {
    /// The store.
    pub store: Store,
    /// Where it lives.
    pub place: Place,
    /// On which database.
    pub backend: Backend,
}

impl World {
    /// Runs `case` on a fresh store, where this machine has the database.
    pub async fn run<F>(backend: Backend, case: impl FnOnce(World) -> F)
    where
        F: Future<Output = Result<()>>,
    {
        let Some((store, place)) = testing::store(backend).await else {
            return;
        };
        let world = World {
            store,
            place,
            backend,
        };
        if let Err(error) = case(world).await {
            panic!("the store refused what the case needs: {error:?}");
        }
    }

    /// The clock of the store.
    pub fn clock(&self) -> &Clock {
        self.store.clock()
    }

    /// The organization of this name.
    pub async fn organization(&self, name: &str) -> Result<OrganizationId> {
        let key = self.store.create_key(name, &random_key()).await?;
        Ok(key.organization_id)
    }

    /// A chatbot of this name in an organization named alike.
    pub async fn chatbot(&self, name: &str) -> Result<Chatbot> {
        let organization = self.organization(name).await?;
        let chatbot = Chatbot::new(organization, name, self.clock().now())?;
        self.store
            .create_chatbot(chatbot, SlugChoice::Derived)
            .await
    }

    /// Adds a text to a chatbot's knowledge; it waits to be read.
    pub async fn add_text(&self, chatbot: &Chatbot, content: &str) -> Result<Item> {
        let item = text(chatbot, content, self.clock());
        let mut added = self.store.add_items(chatbot, vec![item]).await?;
        match added.pop() {
            Some(Added::New(item)) => Ok(item),
            other => panic!("a text is always new, not {other:?}"),
        }
    }

    /// Adds an item whose chunks are `texts`, ready to be found.
    pub async fn add_ready(&self, chatbot: &Chatbot, texts: &[&str]) -> Result<Item> {
        let item = self.add_text(chatbot, &texts.join("\n\n")).await?;
        let job = self.lease_ingest(item.id).await?;
        assert!(
            self.store
                .finish_ingest(&job, item.id, ingested(texts))
                .await?,
            "a lease just taken is good"
        );
        self.store.item(chatbot, item.id).await
    }

    /// The chatbot's answer in a session, to be stored as long as nobody takes that over.
    pub fn answer(&self, session: &Session) -> (Message, AnswerFacts) {
        let message = Message {
            id: MessageId::new(),
            session_id: session.id,
            sender_type: SenderType::Bot,
            content: "An answer.".to_owned(),
            attachments: None,
            metadata: Map::new(),
            model: None,
            provider: None,
            tokens_used: 0,
            feedback: None,
            created_at: self.clock().now(),
        };
        let facts = AnswerFacts {
            takeovers: session.takeovers,
            ..AnswerFacts::default()
        };
        (message, facts)
    }

    /// Takes the next job, which must be to read `item`.
    pub async fn lease_ingest(&self, item: ItemId) -> Result<Job> {
        let job = self.store.lease_job(LEASE).await?.expect("a job is due");
        assert_eq!(job.task, Task::Ingest(item));
        Ok(job)
    }

    /// The database opened a second time, as another process would, with the same clock.
    pub async fn open_again(&self) -> Result<Store> {
        self.place.open(self.clock().clone()).await
    }

    /// Whether the store is on Postgres.
    pub fn is_postgres(&self) -> bool {
        self.backend == Backend::Postgres
    }

    /// The number that a statement gives, past the store.
    pub async fn count(&self, sql: &str) -> i64 {
        let url = &self.place.database_url;
        let sql = AssertSqlSafe(sql.to_owned());
        let counted = match self.backend {
            Backend::Sqlite => {
                let connection = SqliteConnection::connect(url).await;
                let mut connection = connection.expect("the file opens");
                sqlx::query_scalar(sql).fetch_one(&mut connection).await
            }
            Backend::Postgres => {
                let connection = PgConnection::connect(url).await;
                let mut connection = connection.expect("the database answers");
                sqlx::query_scalar(sql).fetch_one(&mut connection).await
            }
        };
        counted.expect("the statement is valid")
    }

    /// Runs a statement behind the store's back.
    pub async fn raw(&self, sql: &str) {
        let url = &self.place.database_url;
        let sql = AssertSqlSafe(sql.to_owned());
        let done = match self.backend {
            Backend::Sqlite => {
                let connection = SqliteConnection::connect(url).await;
                let mut connection = connection.expect("the file opens");
                let done = sqlx::query(sql).execute(&mut connection).await;
                done.map(|_| ())
            }
            Backend::Postgres => {
                let connection = PgConnection::connect(url).await;
                let mut connection = connection.expect("the database answers");
                let done = sqlx::query(sql).execute(&mut connection).await;
                done.map(|_| ())
            }
        };
        done.expect("the statement is valid");
    }
}

/// A key as the command line makes them, unlike any other.
pub fn random_key() -> Secret {
    let bytes = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4()];
    let text: String = bytes.iter().map(|id| id.simple().to_string()).collect();
    Secret::new(&text[..48])
}

/// A text item that is not stored yet.
pub fn text(chatbot: &Chatbot, content: &str, clock: &Clock) -> Item {
    let source = Source::Text {
        content: content.to_owned(),
    };
    Item::new(chatbot.id, None, source, clock.now()).expect("a text with content is valid")
}

/// A file that is not stored yet; `bytes` stand for their hash.
pub fn file(chatbot: &Chatbot, bytes: &str, clock: &Clock) -> Item {
    let source = Source::File {
        file_name: format!("{bytes}.txt"),
        media_type: "text/plain".to_owned(),
        sha256: format!("hash of {bytes}"),
    };
    Item::new(chatbot.id, None, source, clock.now()).expect("a named file is valid")
}

/// What reading an item with these passages makes.
pub fn ingested(texts: &[&str]) -> Ingested {
    let chunks = (1..).zip(texts).map(|(ordinal, text)| Chunk {
        ordinal,
        headings: vec!["Guide".to_owned(), format!("Part {ordinal}")],
        page: Some(ordinal),
        text: (*text).to_owned(),
        question: None,
        embedding: Some(vec![u8::try_from(ordinal % 256).unwrap_or(0), 0, 255]),
    });
    let characters: usize = texts.iter().map(|text| text.chars().count()).sum();
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    Ingested {
        title: None,
        chunks: chunks.collect(),
        characters: i64::try_from(characters).expect("a test's text is short"),
        size_bytes: i64::try_from(bytes).expect("a test's text is short"),
        embedding_space: "space-1".to_owned(),
        text_file: None,
    }
}

/// Page `page` of `limit` entries.
pub fn page(page: u32, limit: u32) -> PageRequest {
    PageRequest::new(Some(page), Some(limit)).expect("a valid page")
}

/// Asserts that a call failed as `kind`.
#[track_caller]
pub fn assert_fails<T: std::fmt::Debug>(result: Result<T>, kind: ErrorKind) {
    match result {
        Err(error) => assert_eq!(error.kind, kind, "{error:?}"),
        Ok(value) => panic!("{kind:?} was expected, not {value:?}"),
    }
}

/// Asserts that there is no such thing for this caller.
#[track_caller]
pub fn assert_not_found<T: std::fmt::Debug>(result: Result<T>) {
    assert_fails(result, ErrorKind::NotFound);
}

/// Asserts where a page lies in its list, and gives its entries.
#[track_caller]
pub fn entries<T>(page: Page<T>, number: u32, total: i64) -> Vec<T> {
    assert_eq!(
        (page.pagination.page, page.pagination.total),
        (number, total)
    );
    page.entries
}
