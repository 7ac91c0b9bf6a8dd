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
