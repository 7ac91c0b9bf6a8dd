//! Start, idle memory, and the size of the binary.

use std::path::Path;

use anyhow::Result;
use serde_json::json;

use crate::server::{Server, all_read, new_chatbot, query};
use crate::table::{Samples, Table, millis};

const STARTS: usize = 7;

/// Measures it.
pub async fn run(binary: &Path) -> Result<Table> {
    let mut table = Table::default();
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let first = Server::start(binary, &data, None).await?;
    table.plain("first start, empty folder", millis(first.started_in), "ms");
    let idle = first.resident_mb()?;
    use_it(&first).await?;
    let used = first.resident_mb()?;
    first.stop().await?;

    let mut starts = Samples::default();
    for _ in 0..STARTS {
        let server = Server::start(binary, &data, None).await?;
        starts.push(server.started_in);
        server.stop().await?;
    }
    let figure = format!("start to first /healthz 200, median of {STARTS}");
    table.at_most(figure, starts.median(), 150.0, "ms");
    table.plain("the same, slowest", starts.percentile(1.0), "ms");
    table.plain("resident memory before any request", idle, "MB");
    let figure = "resident memory, embedder in use, after 10 queries";
    table.at_most(figure, used, 80.0, "MB");
    let size = std::fs::metadata(binary)?.len() as f64 / 1e6;
    table.at_most("release binary", size, 80.0, "MB");
    Ok(table)
}

/// An item read, embedded and found ten times.
async fn use_it(server: &Server) -> Result<()> {
    let mut connection = server.connect().await?;
    let bot = new_chatbot(&mut connection).await?;
    let text = json!({ "type": "text", "content": "Returns are free within 30 days of delivery." });
    let path = format!("{bot}/knowledge-base");
    connection.post(&path, &text).await?;
    all_read(&mut connection, &bot).await?;
    for _ in 0..10 {
        let found = query(&mut connection, &bot, "How long may I return things?").await?;
        anyhow::ensure!(found.len() == 1, "the item is not found");
    }
    Ok(())
}
