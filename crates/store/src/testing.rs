//! Throw-away stores for tests, on every backend that this machine offers.

use std::time::Duration;

use okra_domain::{Clock, Timestamp};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use uuid::Uuid;

use crate::Store;

/// The environment variable that names a Postgres server where databases may be made.
pub const POSTGRES_VARIABLE: &str = "OKRA_TEST_POSTGRES_URL";

/// The databases that the same assertions run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// A file in a temporary folder.
    Sqlite,
    /// A database of its own on the server that [`POSTGRES_VARIABLE`] names.
    Postgres,
}

/// Where a throw-away store lives. Its folder goes when this is dropped.
pub struct Place {
    /// For [`Store::open`].
    pub database_url: String,
    /// For [`Store::open`].
    pub storage_url: String,
    /// The folder that holds the blobs, and the database file on SQLite.
    pub folder: tempfile::TempDir,
}

/// A place for a fresh store, or `None` (and a line that says so) where this machine has no such
/// backend.
pub async fn place(backend: Backend) -> Option<Place> {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let storage_url = format!("file://{}/blobs", folder.path().display());
    let database_url = match backend {
        Backend::Sqlite => format!("sqlite:{}/okra.db", folder.path().display()),
        Backend::Postgres => match std::env::var(POSTGRES_VARIABLE) {
            Ok(server) => create_database(&server).await,
            Err(_) => {
                eprintln!("skipped on Postgres: {POSTGRES_VARIABLE} is not set");
                return None;
            }
        },
    };
    Some(Place {
        database_url,
        storage_url,
        folder,
    })
}

/// A fresh store with a clock that stands at a fixed moment until moved.
pub async fn store(backend: Backend) -> Option<(Store, Place)> {
    let place = place(backend).await?;
    let clock = Clock::manual(Timestamp(1_750_000_000_000_000));
    let store = Store::open(&place.database_url, &place.storage_url, clock).await;
    Some((store.expect("a fresh store opens"), place))
}

/// Makes a database look as if an Okra with a later schema had opened it.
pub async fn pretend_newer(database_url: &str) {
    let sql = "INSERT INTO _sqlx_migrations \
               (version, description, installed_on, success, checksum, execution_time) \
               VALUES (99999999, 'from the future', CURRENT_TIMESTAMP, TRUE, '', 1)";
    let written = if database_url.starts_with("sqlite:") {
        let mut connection = SqliteConnection::connect(database_url)
            .await
            .expect("the database file opens");
        let written = sqlx::query(sql).execute(&mut connection).await;
        written.map(|_| ())
    } else {
        let mut connection = PgConnection::connect(database_url)
            .await
            .expect("the database answers");
        let written = sqlx::query(sql).execute(&mut connection).await;
        written.map(|_| ())
    };
    written.expect("the table of migrations takes another");
}

async fn create_database(server: &str) -> String {
    let name = format!("okra_{}", Uuid::new_v4().simple());
    let connect = tokio::time::timeout(Duration::from_secs(30), PgConnection::connect(server));
    let connection = connect.await.expect("Postgres answers in time");
    let mut connection = connection.expect("the Postgres server for tests can be reached");
    // The name is ours: hex digits behind a prefix.
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .execute(&mut connection)
        .await
        .expect("a database can be made");
    let mut url = url::Url::parse(server).expect("the variable holds a URL");
    url.set_path(&name);
    url.into()
}
