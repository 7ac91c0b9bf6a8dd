//! Who may what: docs/access.md, walked call by call.

use std::collections::{BTreeMap, BTreeSet};

use okra_domain::person::Role;
use okra_server::app::Spec;
use serde_json::Value;

use crate::support::{Client, PASSWORD, Stage, TestApp, text};

stories! {
    every_call_opens_to_whom_the_table_says,
}

/// A UUID that names nothing: what may be called finds nothing, and changes nothing.
const NOTHING: &str = "019b0000-0000-7000-8000-000000000000";
const TABLE: &str = include_str!("../../../../docs/access.md");
/// The table's columns.
const CALLERS: [&str; 6] = ["nobody", "viewer", "agent", "admin", "owner", "key"];

/// `GET /path` to whether each of [`CALLERS`] may.
fn table() -> BTreeMap<String, Vec<bool>> {
    let mut rows = BTreeMap::new();
    for line in TABLE.lines().filter(|line| line.starts_with("| `")) {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        let call = cells.next().unwrap_or_default().trim_matches('`');
        let marks: Vec<bool> = cells
            .map(|mark| match mark {
                "✓" => true,
                "–" => false,
                other => panic!("{other:?} in {line}"),
            })
            .collect();
        assert_eq!(marks.len(), CALLERS.len(), "{line}");
        assert_eq!(rows.insert(call.to_owned(), marks), None, "{call} twice");
    }
    rows
}

#[test]
fn every_call_is_in_the_table_and_says_how_it_is_opened() {
    let spec: Value = serde_json::from_str(&Spec::render().expect("rendered").json).expect("JSON");
    let mut calls = BTreeSet::new();
    let table = table();
    for (path, operations) in spec["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            let call = format!("{} {path}", method.to_uppercase());
            let schemes = match &operation["security"] {
                Value::Null => spec["security"].to_string(),
                own => own.to_string(),
            };
            let marks = &table
                .get(&call)
                .unwrap_or_else(|| panic!("{call} is missing"));
            let session = schemes.contains("session");
            let key = schemes.contains("api_key") && schemes.contains("bearer");
            let of_programs = ["/api/external/", "/v1/"];
            match of_programs.iter().any(|it| path.starts_with(it)) {
                true => assert!(session && (key || !marks[5]), "{call}: {schemes}"),
                false => assert!(!key, "{call}: {schemes}"),
            }
            calls.insert(call);
        }
    }
    let known: BTreeSet<String> = table.into_keys().collect();
    assert_eq!(known, calls, "the table names calls that there are");
}

async fn every_call_opens_to_whom_the_table_says(stage: Stage) {
    let app = stage
        .app_with(&[("OKRA_ADDRESS_SIGN_INS_PER_MINUTE", "10000")])
        .await;
    let mut callers = vec![app.nobody()];
    for role in [Role::Viewer, Role::Agent, Role::Admin, Role::Owner] {
        callers.push(app.member("Ours", &email(role.as_str()), role).await);
    }
    callers.push(app.client.clone());
    for (call, marks) in table() {
        let (method, path) = call.split_once(' ').expect("a method and a path");
        let path = path.replace("{slug}", "nothing");
        let path: Vec<&str> = path
            .split('/')
            .map(|part| if part.starts_with('{') { NOTHING } else { part })
            .collect();
        let path = path.join("/");
        for ((name, client), may) in CALLERS.iter().zip(&mut callers).zip(&marks) {
            let (status, code) = client.knock(method, &path).await;
            let told = format!("{name}: {call} → {status} {code}");
            // To the calls of accounts a key is nothing.
            let refused = match *name == "nobody" || path.starts_with("/api/account") {
                true => (401, "unauthorized"),
                false => (403, "role_too_low"),
            };
            match may {
                true => assert!(
                    !["unauthorized", "role_too_low"].contains(&&*code),
                    "{told}"
                ),
                false => assert_eq!((status, code.as_str()), refused, "{told}"),
            }
            if path.contains("sign-out") && !["nobody", "key"].contains(name) {
                *client = again(&app, name).await;
            }
        }
    }
}

fn email(role: &str) -> String {
    format!("{role}@example.com")
}

async fn again(app: &TestApp, role: &str) -> Client {
    let browser = app.browser(&app.sign_in(&email(role), PASSWORD).await);
    let me = browser.account("GET", "", Value::Null).await.expect(200);
    assert_eq!(text(&me["organizations"][0]["role"]), role);
    browser
}
