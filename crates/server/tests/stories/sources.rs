//! Whole sites, feeds and folders: read once, kept fresh, stopped, gone on with.

mod drawn;
mod fresh;
mod hostile;
mod kinds;
mod site;

use okra_testkit::website::{MockSite, Page};
use serde_json::{Value, json};

use crate::support::{Bot, Client, Stage, TestApp, list, text};

/// A page with a title, a passage and links, whose version is its content.
pub fn page(title: &str, passage: &str, links: &[&str]) -> Page {
    let links: String = links
        .iter()
        .map(|link| format!("<li><a href=\"{link}\">more</a></li>"))
        .collect();
    let html = format!(
        "<html><head><title>{title}</title></head><body><nav>Home · Shop · Basket</nav>\
         <main><h1>{title}</h1><p>{passage}</p></main><nav><ul>{links}</ul></nav></body></html>"
    );
    let etag = format!("\"{}\"", html.len());
    Page::html(html).with_header("etag", &etag)
}

/// The application, a chatbot, and a site that it may read.
async fn beginning(stage: Stage) -> (TestApp, Bot, MockSite) {
    let site = MockSite::start().await;
    let allow = site.address().to_string();
    let app = stage.app_with(&[("OKRA_FETCH_ALLOW", &allow)]).await;
    let bot = app.bot("Shop").await;
    (app, bot, site)
}

/// Calls about the sources of one chatbot.
pub struct Sources<'a> {
    client: &'a Client,
    bot: &'a Bot,
}

pub fn sources(bot: &Bot) -> Sources<'_> {
    Sources {
        client: &bot.client,
        bot,
    }
}

impl Sources<'_> {
    fn path(&self, source: &Value, rest: &str) -> String {
        self.bot
            .path(&format!("/sources/{}{rest}", text(&source["id"])))
    }

    /// Adds a source that is accepted.
    pub async fn add(&self, source: Value) -> Value {
        let added = self.client.post(&self.bot.path("/sources"), source).await;
        added.expect(202)["data"].clone()
    }

    /// Adds a site with these options.
    pub async fn add_site(&self, site: &MockSite, options: Value) -> Value {
        let source = json!({"type": "site", "address": site.url("/"), "options": options});
        self.add(source).await
    }

    /// The source as it is now.
    pub async fn show(&self, source: &Value) -> Value {
        self.client.get(&self.path(source, "")).await.expect(200)["data"].clone()
    }

    /// Asks for a sync.
    pub async fn sync(&self, source: &Value) {
        let asked = self
            .client
            .post(&self.path(source, "/sync"), json!({}))
            .await;
        asked.expect(202);
    }

    /// Its pages that pass this query.
    async fn pages(&self, source: &Value, query: &str) -> Vec<Value> {
        let path = self.path(source, &format!("/pages?limit=200&{query}"));
        list(&self.client.get(&path).await.expect(200)["data"]).clone()
    }

    /// The paths of its pages in this state, sorted.
    pub async fn paths(&self, source: &Value, state: &str) -> Vec<String> {
        let pages = self.pages(source, &format!("state={state}")).await;
        let mut paths: Vec<String> = pages.iter().map(|page| path_of(&page["address"])).collect();
        paths.sort();
        paths
    }

    /// The page at this path.
    pub async fn page(&self, source: &Value, path: &str) -> Value {
        let pages = self.pages(source, "").await;
        let found = pages.iter().find(|page| path_of(&page["address"]) == path);
        found
            .unwrap_or_else(|| panic!("{path} in {pages:?}"))
            .clone()
    }

    /// What its log tells, oldest first: the event and the path of each page.
    pub async fn log(&self, source: &Value) -> Vec<(String, String)> {
        let path = self.path(source, "/log?limit=200");
        let answer = self.client.get(&path).await.expect(200);
        let told = list(&answer["data"]).iter().rev().map(|entry| {
            let about = match &entry["address"] {
                Value::Null => entry["detail"].as_str().unwrap_or_default().to_owned(),
                address => path_of(address),
            };
            (text(&entry["event"]).to_owned(), about)
        });
        told.collect()
    }
}

/// What follows the host in an address; the whole of what has none.
fn path_of(address: &Value) -> String {
    let address = text(address);
    match address
        .split_once("://")
        .and_then(|(_, rest)| rest.split_once('/'))
    {
        Some((_, path)) => format!("/{path}"),
        None => address.to_owned(),
    }
}

/// The finished sync's counts in the log's words.
pub fn finished(
    added: u32,
    changed: u32,
    unchanged: u32,
    retired: u32,
    failed: u32,
) -> (String, String) {
    let counts = format!(
        "{added} added, {changed} changed, {unchanged} unchanged, {retired} retired, {failed} failed"
    );
    ("finished".to_owned(), counts)
}

fn event(name: &str, path: &str) -> (String, String) {
    (name.to_owned(), path.to_owned())
}
