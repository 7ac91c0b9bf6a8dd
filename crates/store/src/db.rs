//! One code path over SQLite and Postgres: the same SQL text with `$1` placeholders runs on both,
//! values go in as [`Param`]s and come out of a [`Row`]. Where the two differ (claiming a job), the
//! caller picks the text by [`Tx::is_postgres`].
//!
//! An enum over the two pools rather than sqlx's `Any`, which lacks UUIDs and JSON, and rather than
//! generics, which would reach every caller.

mod checkpoint;
mod many;
mod presence;

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use okra_domain::error::Result;
use okra_domain::{Error, ErrorKind, Timestamp};
use serde_json::Value;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::query::Query;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::types::Json;
use sqlx::{
    ConnectOptions, Connection as _, Decode, PgPool, Postgres, Row as _, Sqlite, SqliteConnection,
    SqlitePool, Transaction, Type,
};
use uuid::Uuid;

use checkpoint::Checkpoints;
pub(crate) use many::Many;
use presence::Presence;

static SQLITE_MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES_MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// The pools of one database.
#[derive(Clone)]
pub(crate) enum Db {
    /// SQLite has one writer at a time: writes queue for one connection instead of failing as busy.
    Sqlite {
        read: SqlitePool,
        write: SqlitePool,
        checkpoints: Arc<Checkpoints>,
        presence: Arc<Presence>,
    },
    Postgres(PgPool),
}

impl Db {
    /// Opens a database and brings its schema up to date.
    pub(crate) async fn connect(url: &str) -> Result<Self> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Self::connect_postgres(url).await
        } else if let Some(path) = url.strip_prefix("sqlite:") {
            Self::connect_sqlite(Path::new(path.strip_prefix("//").unwrap_or(path))).await
        } else {
            Err(Error::invalid(
                "The database URL must begin with postgres:// or sqlite: (OKRA_DATABASE_URL).",
            ))
        }
    }

    async fn connect_sqlite(path: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // With a write-ahead log, NORMAL loses nothing when the process is killed; a power cut
            // may take the last transactions but never breaks the file.
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(10))
            .foreign_keys(true)
            .statement_cache_capacity(200)
            // See `checkpoint`. What one had to be long for is given back when it begins anew.
            .pragma("wal_autocheckpoint", "0")
            .pragma("journal_size_limit", "33554432")
            // Each statement would be timed and its text prepared for a log that nobody reads.
            .disable_statement_logging();
        let pool = |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .idle_timeout(None)
                .max_lifetime(None)
                .test_before_acquire(false)
        };
        let doing = || format!("cannot open the database {}", path.display());
        let presence = Arc::new(Presence::come(path).await?);
        let write = pool(1).after_release(|connection, _| Box::pin(is_usable(connection)));
        let write = write.connect_with(options.clone()).await;
        let write = write.map_err(|error| Error::internal(doing(), error))?;
        SQLITE_MIGRATIONS
            .run(&write)
            .await
            .map_err(migration_error)?;
        let copying = pool(1).connect_lazy_with(options.clone());
        let read = pool(8).connect_with(options.read_only(true)).await;
        let read = read.map_err(|error| Error::internal(doing(), error))?;
        Ok(Self::Sqlite {
            read,
            checkpoints: Arc::new(Checkpoints::new(copying, write.clone())),
            write,
            presence,
        })
    }

    async fn connect_postgres(url: &str) -> Result<Self> {
        let options = PgConnectOptions::from_str(url)
            .map_err(|error| Error::invalid(format!("OKRA_DATABASE_URL is not valid: {error}")))?
            .application_name("okra");
        let pool = PgPoolOptions::new()
            .max_connections(20)
            .acquire_timeout(Duration::from_secs(10))
            .connect_with(options)
            .await
            .map_err(|error| Error::internal("cannot connect to the Postgres database", error))?;
        POSTGRES_MIGRATIONS
            .run(&pool)
            .await
            .map_err(migration_error)?;
        Ok(Self::Postgres(pool))
    }

    /// Whether no other process has the database open, nor can open it before
    /// [`Db::let_others_in`]. On Postgres nobody can know.
    pub(crate) fn is_alone(&self) -> bool {
        match self {
            Self::Sqlite { presence, .. } => presence.is_alone(),
            Self::Postgres(_) => false,
        }
    }

    /// Ends the opening: from now on others may open the database too.
    pub(crate) async fn let_others_in(&self) -> Result<()> {
        match self {
            Self::Sqlite { presence, .. } => presence.let_others_in().await,
            Self::Postgres(_) => Ok(()),
        }
    }

    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Begins a transaction that writes.
    pub(crate) async fn begin(&self) -> Result<Tx> {
        match self {
            // IMMEDIATE takes the write lock at once: another process waits its turn here instead
            // of failing in the middle.
            Self::Sqlite {
                write, checkpoints, ..
            } => {
                let begun = write.begin_with("BEGIN IMMEDIATE").await;
                begun.map(|tx| Tx::Sqlite(tx, checkpoints.clone()))
            }
            Self::Postgres(pool) => pool.begin().await.map(Tx::Postgres),
        }
        .map_err(sql_error)
    }

    /// Runs one reading statement.
    pub(crate) async fn fetch_all(
        &self,
        sql: &'static str,
        params: Vec<Param>,
    ) -> Result<Vec<Row>> {
        match self {
            Self::Sqlite { read, .. } => {
                let rows = sqlite(sql, params).fetch_all(read).await;
                rows.map(|rows| rows.into_iter().map(Row::Sqlite).collect())
            }
            Self::Postgres(pool) => {
                let rows = postgres(sql, params).fetch_all(pool).await;
                rows.map(|rows| rows.into_iter().map(Row::Postgres).collect())
            }
        }
        .map_err(sql_error)
    }

    /// Runs one reading statement that gives at most one row.
    pub(crate) async fn fetch_optional(
        &self,
        sql: &'static str,
        params: Vec<Param>,
    ) -> Result<Option<Row>> {
        match self {
            Self::Sqlite { read, .. } => {
                let row = sqlite(sql, params).fetch_optional(read).await;
                row.map(|row| row.map(Row::Sqlite))
            }
            Self::Postgres(pool) => {
                let row = postgres(sql, params).fetch_optional(pool).await;
                row.map(|row| row.map(Row::Postgres))
            }
        }
        .map_err(sql_error)
    }

    /// Counts with one statement whose only column is `count`.
    pub(crate) async fn count(&self, sql: &'static str, params: Vec<Param>) -> Result<i64> {
        match self.fetch_optional(sql, params).await? {
            Some(row) => row.get("count"),
            None => Ok(0),
        }
    }

    /// Runs one writing statement in a transaction of its own; gives the rows it touched.
    pub(crate) async fn execute(&self, sql: &'static str, params: Vec<Param>) -> Result<u64> {
        match self {
            Self::Sqlite {
                write, checkpoints, ..
            } => {
                let done = sqlite(sql, params).execute(write).await;
                checkpoints.note_write();
                done.map(|done| done.rows_affected())
            }
            Self::Postgres(pool) => {
                let done = postgres(sql, params).execute(pool).await;
                done.map(|done| done.rows_affected())
            }
        }
        .map_err(sql_error)
    }

    /// Whether what is deleted or replaced from now on is overwritten, rather than left in free pages;
    /// once it is not any more, the write-ahead log is emptied too. Postgres keeps old rows until its
    /// vacuum.
    pub(crate) async fn overwrite_deleted(&self, on: bool) -> Result<()> {
        let Self::Sqlite { checkpoints, .. } = self else {
            return Ok(());
        };
        if on {
            return self
                .execute("PRAGMA secure_delete = ON", params![])
                .await
                .map(|_| ());
        }
        self.execute("PRAGMA secure_delete = OFF", params![])
            .await?;
        checkpoints.truncate().await.map_err(sql_error)
    }

    /// Closes every connection, after what runs on them has ended.
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite {
                read,
                write,
                checkpoints,
                ..
            } => {
                read.close().await;
                checkpoints.close().await;
                write.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// Whether a connection of SQLite's that comes back can be given out again. Where the disk is full SQLite
/// ends a transaction by itself; the driver's own end of it then fails, and it would refuse to begin another
/// one for ever.
async fn is_usable(connection: &mut SqliteConnection) -> sqlx::Result<bool> {
    if !connection.is_in_transaction() {
        return Ok(true);
    }
    // It may be on its way to be rolled back.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

/// A transaction; dropped without [`Tx::commit`] it is rolled back.
pub(crate) enum Tx {
    Sqlite(Transaction<'static, Sqlite>, Arc<Checkpoints>),
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    pub(crate) async fn fetch_all(
        &mut self,
        sql: &'static str,
        params: Vec<Param>,
    ) -> Result<Vec<Row>> {
        match self {
            Self::Sqlite(tx, _) => {
                let rows = sqlite(sql, params).fetch_all(&mut **tx).await;
                rows.map(|rows| rows.into_iter().map(Row::Sqlite).collect())
            }
            Self::Postgres(tx) => {
                let rows = postgres(sql, params).fetch_all(&mut **tx).await;
                rows.map(|rows| rows.into_iter().map(Row::Postgres).collect())
            }
        }
        .map_err(sql_error)
    }

    pub(crate) async fn fetch_optional(
        &mut self,
        sql: &'static str,
        params: Vec<Param>,
    ) -> Result<Option<Row>> {
        match self {
            Self::Sqlite(tx, _) => {
                let row = sqlite(sql, params).fetch_optional(&mut **tx).await;
                row.map(|row| row.map(Row::Sqlite))
            }
            Self::Postgres(tx) => {
                let row = postgres(sql, params).fetch_optional(&mut **tx).await;
                row.map(|row| row.map(Row::Postgres))
            }
        }
        .map_err(sql_error)
    }

    pub(crate) async fn execute(&mut self, sql: &'static str, params: Vec<Param>) -> Result<u64> {
        match self {
            Self::Sqlite(tx, _) => {
                let done = sqlite(sql, params).execute(&mut **tx).await;
                done.map(|done| done.rows_affected())
            }
            Self::Postgres(tx) => {
                let done = postgres(sql, params).execute(&mut **tx).await;
                done.map(|done| done.rows_affected())
            }
        }
        .map_err(sql_error)
    }

    pub(crate) async fn commit(self) -> Result<()> {
        match self {
            Self::Sqlite(tx, checkpoints) => {
                let committed = tx.commit().await;
                checkpoints.note_write();
                committed
            }
            Self::Postgres(tx) => tx.commit().await,
        }
        .map_err(sql_error)
    }
}

/// One value bound to a statement. `None` is NULL of the right type, which Postgres asks for.
pub(crate) enum Param {
    Uuid(Option<Uuid>),
    Int(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    Bool(bool),
    Json(Option<Value>),
}

macro_rules! param_from {
    ($($type:ty => $variant:ident($convert:expr)),* $(,)?) => {$(
        impl From<$type> for Param {
            fn from(value: $type) -> Self {
                #[allow(clippy::redundant_closure_call)]
                Self::$variant(($convert)(value))
            }
        }
    )*};
}

param_from! {
    Uuid => Uuid(Some),
    Option<Uuid> => Uuid(|v| v),
    i64 => Int(Some),
    u32 => Int(|v: u32| Some(v.into())),
    Option<i64> => Int(|v| v),
    Timestamp => Int(|t: Timestamp| Some(t.0)),
    Option<Timestamp> => Int(|t: Option<Timestamp>| t.map(|t| t.0)),
    String => Text(|v: String| Some(without_nul(v))),
    &str => Text(|v: &str| Some(without_nul(v.to_owned()))),
    Option<String> => Text(|v: Option<String>| v.map(without_nul)),
    Vec<u8> => Bytes(Some),
    Option<Vec<u8>> => Bytes(|v| v),
    bool => Bool(|v| v),
    Value => Json(|v: Value| Some(json_without_nul(v))),
    Option<Value> => Json(|v: Option<Value>| v.map(json_without_nul)),
}

/// The text with U+FFFD for every U+0000, which Postgres refuses in texts. Done here for both
/// databases, since texts come from documents and models as well as from checked input.
fn without_nul(text: String) -> String {
    match text.contains('\0') {
        true => text.replace('\0', "\u{fffd}"),
        false => text,
    }
}

fn json_without_nul(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(without_nul(text)),
        Value::Array(values) => values.into_iter().map(json_without_nul).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (without_nul(name), json_without_nul(value)))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

/// Collects statement values, each turned into a [`Param`].
macro_rules! params {
    ($($value:expr),* $(,)?) => { vec![$($crate::db::Param::from($value)),*] };
}
pub(crate) use params;

fn sqlite(sql: &'static str, params: Vec<Param>) -> Query<'static, Sqlite, SqliteArguments> {
    let mut query = sqlx::query(sql);
    for param in params {
        query = match param {
            Param::Uuid(value) => query.bind(value),
            Param::Int(value) => query.bind(value),
            Param::Text(value) => query.bind(value),
            Param::Bytes(value) => query.bind(value),
            Param::Bool(value) => query.bind(value),
            Param::Json(value) => query.bind(value.map(Json)),
        };
    }
    query
}

fn postgres(sql: &'static str, params: Vec<Param>) -> Query<'static, Postgres, PgArguments> {
    let mut query = sqlx::query(sql);
    for param in params {
        query = match param {
            Param::Uuid(value) => query.bind(value),
            Param::Int(value) => query.bind(value),
            Param::Text(value) => query.bind(value),
            Param::Bytes(value) => query.bind(value),
            Param::Bool(value) => query.bind(value),
            Param::Json(value) => query.bind(value.map(Json)),
        };
    }
    query
}

/// What a column can be read as, on both databases.
pub(crate) trait Column:
    for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>
{
}

impl<T> Column for T where
    T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>
{
}

/// A row of either database.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    /// A column's value; NULL reads as `None` of an `Option`.
    pub(crate) fn get<T: Column>(&self, column: &str) -> Result<T> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
        .map_err(|error| Error::internal(format!("cannot read column {column}"), error))
    }

    /// A JSON column, as the type that was stored.
    pub(crate) fn json<T: serde::de::DeserializeOwned + 'static>(&self, column: &str) -> Result<T> {
        self.get::<Json<T>>(column).map(|value| value.0)
    }

    /// A JSON column that may be NULL.
    pub(crate) fn optional_json<T: serde::de::DeserializeOwned + 'static>(
        &self,
        column: &str,
    ) -> Result<Option<T>> {
        Ok(self.get::<Option<Json<T>>>(column)?.map(|value| value.0))
    }

    /// A column of microseconds.
    pub(crate) fn time(&self, column: &str) -> Result<Timestamp> {
        self.get(column).map(Timestamp)
    }

    /// A column of microseconds that may be NULL.
    pub(crate) fn optional_time(&self, column: &str) -> Result<Option<Timestamp>> {
        Ok(self.get::<Option<i64>>(column)?.map(Timestamp))
    }

    /// A column that holds one of the domain's words.
    pub(crate) fn word<T: FromStr<Err = Error>>(&self, column: &str) -> Result<T> {
        let word: String = self.get(column)?;
        word.parse()
            .map_err(|error: Error| Error::internal(format!("cannot read column {column}"), error))
    }
}

/// The pattern of `LOWER(…) LIKE LOWER(…) ESCAPE '\'` that finds `words` anywhere in a text. SQLite's
/// LOWER knows ASCII alone: there other letters are found in the case they were written in.
pub(crate) fn like(words: &str) -> String {
    let mut pattern = String::with_capacity(words.len() + 2);
    pattern.push('%');
    for character in words.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

/// Writes a domain value as JSON for a statement.
pub(crate) fn to_json(value: &impl serde::Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(|error| Error::internal("cannot write JSON", error))
}

fn sql_error(error: sqlx::Error) -> Error {
    let failure = match &error {
        sqlx::Error::PoolTimedOut | sqlx::Error::Io(_) => Error::new(
            ErrorKind::Unavailable,
            "The database does not answer; try again shortly.",
        ),
        sqlx::Error::Database(inner) if inner.is_foreign_key_violation() => {
            Error::new(ErrorKind::NotFound, "What this belongs to was deleted.")
        }
        sqlx::Error::Database(inner) if says_full(inner.as_ref()) => Error::out_of_space(),
        _ => Error::new(ErrorKind::Internal, "a database statement failed"),
    };
    failure.caused_by(error)
}

/// Whether the database had no room to write: SQLite's SQLITE_FULL and SQLITE_IOERR_SHMSIZE, and
/// Postgres' disk_full.
fn says_full(error: &dyn sqlx::error::DatabaseError) -> bool {
    matches!(error.code().as_deref(), Some("13" | "4874" | "53100"))
}

/// Whether a statement failed because what it wrote must be unique and is there already.
pub(crate) fn is_unique_violation(error: &Error) -> bool {
    let source = error.source.as_ref();
    source
        .and_then(|source| source.downcast_ref::<sqlx::Error>())
        .and_then(sqlx::Error::as_database_error)
        .is_some_and(|error| error.is_unique_violation())
}

fn migration_error(error: MigrateError) -> Error {
    match error {
        MigrateError::VersionMissing(version) => Error::new(
            ErrorKind::Unavailable,
            format!(
                "This database was made by a newer Okra (it has schema step {version}, which this \
                 binary does not know). Start the newer binary, or restore a backup from before \
                 the upgrade."
            ),
        ),
        other => Error::internal("cannot bring the database's schema up to date", other),
    }
}

#[cfg(test)]
mod tests;
