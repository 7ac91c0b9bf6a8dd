//! What the contract suite cannot bring about: a database without room.

use super::*;

#[tokio::test]
async fn a_database_that_was_full_is_written_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}/okra.db", folder.path().display());
    let db = Db::connect(&url).await.expect("a fresh database");
    let Db::Sqlite { write, .. } = &db else {
        panic!("{url} is SQLite's");
    };
    let insert = "INSERT INTO server_secrets (name, value, created_at) VALUES ($1, $2, 0)";
    let long = || "x".repeat(1_000_000);
    for number in 0..3 {
        // As many pages as there are; it counts for this connection.
        sqlx::query("PRAGMA max_page_count = 1")
            .execute(write)
            .await
            .expect("a limit");
        let mut tx = db.begin().await.expect("it can be begun");
        let small = params![format!("small {number}"), "y"];
        tx.execute(insert, small).await.expect("there is room");
        let error = tx
            .execute(insert, params![format!("long {number}"), long()])
            .await
            .expect_err("no room");
        assert_eq!(error.kind, ErrorKind::OutOfSpace, "{error:?}");
        drop(tx);
        let mut tx = db.begin().await.expect("it can be begun again");
        let values = params![format!("long {number}"), long()];
        tx.execute(insert, values).await.expect("there is room");
        tx.commit().await.expect("kept");
        let sql = "SELECT COUNT(*) AS count FROM server_secrets";
        assert_eq!(db.count(sql, params![]).await.expect("counted"), number + 1);
    }
    // A transaction that was given up costs no connection.
    let mut tx = db.begin().await.expect("begun");
    tx.execute(insert, params!["given up", "y"])
        .await
        .expect("written");
    drop(tx);
    let mut connection = write.acquire().await.expect("one");
    assert!(is_usable(&mut connection).await.expect("it answers"));
}

/// Rows of `server_secrets` that the database's file holds by itself, without its log.
async fn rows_in_the_file(path: &Path) -> i64 {
    let alone = path.with_extension("alone");
    std::fs::copy(path, &alone).expect("copied");
    let options = SqliteConnectOptions::new().filename(&alone);
    let mut alone = options.connect().await.expect("opened");
    let count = sqlx::query_scalar("SELECT COUNT(*) FROM server_secrets");
    let count = count.fetch_one(&mut alone).await.expect("counted");
    alone.close().await.expect("closed");
    count
}

#[tokio::test]
async fn the_log_is_copied_beside_the_writes_and_begins_anew_where_it_grew_long() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("okra.db");
    let url = format!("sqlite:{}", path.display());
    let db = Db::connect(&url).await.expect("a fresh database");
    let Db::Sqlite { checkpoints, .. } = &db else {
        panic!("{url} is SQLite's");
    };
    let insert = "INSERT INTO server_secrets (name, value, created_at) VALUES ($1, $2, 0)";
    let long = "x".repeat(10_000_000);
    let log = path.with_extension("db-wal");
    let length = || std::fs::metadata(&log).expect("a log").len();
    checkpoints.truncate().await.expect("emptied");
    assert_eq!(length(), 0);
    let before = rows_in_the_file(&path).await;
    // A transaction that is open keeps nobody from copying what was committed before it.
    let values = params!["first", "y"];
    db.execute(insert, values).await.expect("written");
    assert_eq!(rows_in_the_file(&path).await, before, "only the log has it");
    let mut tx = db.begin().await.expect("begun");
    tx.execute(insert, params!["second", "y"])
        .await
        .expect("written");
    checkpoints.copy().await.expect("copied");
    assert_eq!(rows_in_the_file(&path).await, before + 1);
    tx.commit().await.expect("kept");
    // Past the most pages the next write begins at the log's start, and what was too long is given back.
    for number in 0..4 {
        let values = params![format!("long {number}"), long.as_str()];
        db.execute(insert, values).await.expect("written");
    }
    assert!(length() > 40_000_000, "{}", length());
    checkpoints.copy().await.expect("copied");
    assert_eq!(rows_in_the_file(&path).await, before + 6);
    db.execute(insert, params!["last", "y"])
        .await
        .expect("written");
    assert!(length() <= 33_554_432, "{}", length());
    db.close().await;
    assert_eq!(
        rows_in_the_file(&path).await,
        before + 7,
        "closing copies the rest"
    );
}
