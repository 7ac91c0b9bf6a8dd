//! Throw-away stores for tests, on every backend that this machine offers.

use std::time::Duration;

use okra_domain::error::Result;
use okra_domain::{Clock, Timestamp};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use uuid::Uuid;

use crate::Store;
use crate::sealing::MasterKeys;

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
    /// For [`Store::open`].
    pub master_keys: MasterKeys,
    /// The folder that holds the blobs, and the database file on SQLite.
    pub folder: tempfile::TempDir,
}

impl Place {
    /// The store that lives here.
    pub async fn open(&self, clock: Clock) -> Result<Store> {
        Store::open(
            &self.database_url,
            &self.storage_url,
            &self.master_keys,
            clock,
        )
        .await
    }
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
    let master_keys = MasterKeys::File(folder.path().join("master.key"));
    Some(Place {
        master_keys,
        database_url,
        storage_url,
        folder,
    })
}

/// A fresh store with a clock that stands at a fixed moment until moved.
pub async fn store(backend: Backend) -> Option<(Store, Place)> {
    let place = place(backend).await?;
    let clock = Clock::manual(Timestamp(1_750_000_000_000_000));
    let store = place.open(clock).await.expect("a fresh store opens");
    Some((store, place))
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

/// Everything that lies in the database, as text: its files on SQLite, every row of every table on
/// Postgres.
pub async fn everything_in(place: &Place) -> String {
    if place.database_url.starts_with("sqlite:") {
        let mut all = Vec::new();
        for file in ["okra.db", "okra.db-wal"] {
            all.extend(std::fs::read(place.folder.path().join(file)).unwrap_or_default());
        }
        return String::from_utf8_lossy(&all).into_owned();
    }
    let connection = PgConnection::connect(&place.database_url).await;
    let mut connection = connection.expect("the database answers");
    let sql =
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'";
    let tables: Vec<(String,)> = sqlx::query_as(sql)
        .fetch_all(&mut connection)
        .await
        .expect("tables are listed");
    let mut all = String::new();
    for (table,) in tables {
        let sql = format!("SELECT COALESCE(string_agg(t::text, ' '), '') FROM {table} t");
        let rows: (String,) = sqlx::query_as(AssertSqlSafe(sql))
            .fetch_one(&mut connection)
            .await
            .expect("a table is read");
        all.push_str(&rows.0);
    }
    all
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
