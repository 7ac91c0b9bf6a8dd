//! Archives that are cut off, broken or hostile: refused with the reason, and nothing is left.

use axum::body::Body;
use serde_json::{Value, json};

use super::zipped::Zipped;
use super::{exported, import, museum};
use crate::support::{BOUNDARY, Client, Stage, TestApp, text};

stories! {
    a_part_of_an_archive_is_refused_wherever_it_is_cut,
    broken_and_hostile_archives_are_refused_with_the_reason,
    too_much_is_refused_before_it_is_unpacked,
    an_upload_that_breaks_off_leaves_nothing,
}

/// What a chatbot and its files leave when it is deleted, and the archive made of it before.
async fn prepared(app: &TestApp) -> Vec<u8> {
    let bot = museum(app).await;
    let archive = exported(&bot, "").await;
    bot.client.delete(&bot.path("")).await.expect(200);
    app.work().await;
    archive
}

async fn nothing_is_left(app: &TestApp) {
    app.work().await;
    for client in [&app.client, &app.stranger] {
        let bots = client.get("/chatbots").await.expect(200);
        assert_eq!(bots["pagination"]["total"], 0, "{bots}");
    }
    app.stored_files(0).await;
    assert_eq!(app.engine.store().open_jobs().await.expect("counted"), 0);
}

async fn refused(client: &Client, archive: Vec<u8>, status: u16, reason: &str) {
    let answer = import(client, "", archive).await;
    assert_eq!(answer.status, status, "{reason}: {answer:?}");
    let error = answer.json();
    let told = text(&error["error"]);
    assert!(told.contains(reason), "{reason:?} in {told:?}");
}

async fn a_part_of_an_archive_is_refused_wherever_it_is_cut(stage: Stage) {
    let app = stage.app().await;
    let archive = prepared(&app).await;
    for part in 0..40 {
        let end = archive.len() * part / 40;
        refused(
            &app.client,
            archive[..end].to_vec(),
            422,
            "cannot be imported",
        )
        .await;
    }
    refused(
        &app.client,
        archive[..archive.len() - 1].to_vec(),
        422,
        "ends too early",
    )
    .await;
    nothing_is_left(&app).await;
}

/// One byte in the middle of an entry's packed bytes is another.
fn flipped(archive: &[u8], name: &str) -> Vec<u8> {
    let mut bytes = archive.to_vec();
    let at = bytes
        .windows(name.len())
        .position(|window| window == name.as_bytes())
        .expect("the entry's header");
    bytes[at + name.len() + 20] ^= 0x55;
    bytes
}

async fn broken_and_hostile_archives_are_refused_with_the_reason(stage: Stage) {
    let app = stage.app().await;
    let archive = prepared(&app).await;
    let whole = Zipped::read(&archive);
    let check = async |change: &dyn Fn(&mut Zipped), reason: &str| {
        let mut zipped = whole.clone();
        change(&mut zipped);
        refused(&app.client, zipped.sealed(), 422, reason).await;
    };
    let manifest = |pointer: &'static str, value: Value| {
        move |zipped: &mut Zipped| {
            let mut manifest = zipped.manifest();
            *manifest.pointer_mut(pointer).expect("a field") = value.clone();
            zipped.set("manifest.json", manifest.to_string());
        }
    };
    let line = |from: &'static str, to: &'static str| {
        move |zipped: &mut Zipped| {
            let lines = zipped.text("knowledge.jsonl");
            assert!(lines.contains(from), "{from} in {lines}");
            zipped.set("knowledge.jsonl", lines.replacen(from, to, 1));
        }
    };
    // The manifest.
    check(&manifest("/version", json!(2)), "version 2 of the format").await;
    check(&manifest("/format", json!("other")), "no chatbot's").await;
    check(
        &manifest("/chatbot/name", json!(" ")),
        "name: must not be empty",
    )
    .await;
    check(
        &manifest(
            "/chatbot/settings",
            json!({"snippet": {"primaryColor": "red"}}),
        ),
        "primaryColor",
    )
    .await;
    check(
        &manifest("/chatbot/voice_widget_config", json!({"voice": 7})),
        "voice",
    )
    .await;
    check(&manifest("/chatbot/slug", json!("../x")), "slug").await;
    // Entries.
    for name in ["../evil", "/etc/passwd", "files/../../x", "a\\b", "C:x"] {
        check(&|zipped: &mut Zipped| zipped.push(name, "x"), "leads out").await;
    }
    let file = whole.name("files/");
    let text_name = whole.name("texts/");
    check(&|zipped: &mut Zipped| zipped.remove(&file), "missing").await;
    check(&|zipped: &mut Zipped| zipped.remove(&text_name), "missing").await;
    check(
        &|zipped: &mut Zipped| zipped.remove("knowledge.jsonl"),
        "0 entries",
    )
    .await;
    check(
        &|zipped: &mut Zipped| zipped.set(&file, "# Other bytes"),
        "SHA-256 differs",
    )
    .await;
    check(&|zipped: &mut Zipped| zipped.set(&file, ""), "is empty").await;
    check(
        &|zipped: &mut Zipped| zipped.set("avatar.png", "no picture"),
        "avatar",
    )
    .await;
    // Lines.
    check(&line("\"status\":\"ready\"", "\"status\":\"odd\""), "odd").await;
    check(
        &line("{\"item\":", "{\"thing\":"),
        "line 1 of knowledge.jsonl",
    )
    .await;
    check(&line("\"ordinal\":1", "\"ordinal\":2"), "out of order").await;
    check(&line("\"vector\":\"", "\"vector\":\"////"), "vector").await;
    check(&line("\"created_at\":\"2", "\"created_at\":\"x"), "no time").await;
    check(&line("\"sha256\":\"", "\"sha256\":\"z"), "sha256").await;
    check(
        &line("\"file_name\":\"정원.md\"", "\"file_name\":\"정원.exe\""),
        "cannot be imported",
    )
    .await;
    check(
        &|zipped: &mut Zipped| {
            let lines = zipped.text("knowledge.jsonl");
            zipped.set("knowledge.jsonl", format!("{lines}{lines}"));
        },
        "two items",
    )
    .await;
    check(
        &|zipped: &mut Zipped| {
            let lines = zipped.text("evals.jsonl");
            zipped.set("evals.jsonl", format!("{lines}{lines}"));
        },
        "evals.jsonl",
    )
    .await;
    check(
        &|zipped: &mut Zipped| zipped.set("evals.jsonl", "{\"name\": \"x\", \"questions\": []}\n"),
        "1 to 1000",
    )
    .await;
    // As it stands, without a manifest that fits.
    let mut unsealed = whole.clone();
    unsealed.set(
        "knowledge.jsonl",
        whole.text("knowledge.jsonl").replace("nine", "ten"),
    );
    refused(&app.client, unsealed.packed(), 422, "SHA-256 differs").await;
    let mut fewer = whole.clone();
    let lines = whole.text("knowledge.jsonl");
    fewer.set(
        "knowledge.jsonl",
        lines.lines().next().expect("a line").to_owned() + "\n",
    );
    refused(&app.client, fewer.packed(), 422, "lines, not").await;
    let mut bare = whole.clone();
    bare.remove("manifest.json");
    refused(&app.client, bare.packed(), 422, "no manifest.json").await;
    refused(
        &app.client,
        b"not a zip at all, however long it may be".to_vec(),
        422,
        "no zip",
    )
    .await;
    refused(
        &app.client,
        flipped(&archive, &file),
        422,
        "cannot be imported",
    )
    .await;
    refused(&app.client, twice_named(&whole), 422, "same name").await;
    nothing_is_left(&app).await;
}

/// An archive whose directory names an entry twice: written under another name of the same length,
/// which is then put right in header and directory.
fn twice_named(whole: &Zipped) -> Vec<u8> {
    let mut zipped = whole.clone();
    zipped.push("manifest.jsoN", zipped.text("manifest.json"));
    let mut bytes = zipped.packed();
    let name = b"manifest.jsoN";
    for at in 0..bytes.len() - name.len() {
        if bytes[at..].starts_with(name) {
            bytes[at + name.len() - 1] = b'n';
        }
    }
    bytes
}

async fn too_much_is_refused_before_it_is_unpacked(stage: Stage) {
    let app = stage
        .app_with(&[("OKRA_MAX_IMPORT_MB", "1"), ("OKRA_MAX_UPLOAD_MB", "1")])
        .await;
    let whole = Zipped::read(&prepared(&app).await);
    let with = |name: &str, content: Vec<u8>| {
        let mut zipped = whole.clone();
        zipped.set(name, content);
        zipped
    };
    let mut state = 1_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        // Knuth's MMIX generator: what it gives does not pack.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    })
    .take(2_000_000)
    .collect();
    let packed = with("noise", noise).packed();
    assert!(packed.len() > 1024 * 1024);
    refused(&app.client, packed, 413, "over 1 MB (OKRA_MAX_IMPORT_MB)").await;

    let bomb = with("zeros", vec![0; 11 * 1024 * 1024]).packed();
    assert!(bomb.len() < 100_000);
    refused(&app.client, bomb.clone(), 413, "more than 10 MB").await;
    // The directory may lie about the size; what is stated is all that is unpacked.
    let file = whole.name("files/");
    let big = with(&file, vec![b' '; 2 * 1024 * 1024]);
    refused(&app.client, big.clone().sealed(), 413, "larger than 1 MB").await;
    refused(
        &app.client,
        understated(big, 2 * 1024 * 1024),
        422,
        "cannot be imported",
    )
    .await;

    let manifest = whole.text("manifest.json") + &" ".repeat(1024 * 1024);
    refused(
        &app.client,
        with("manifest.json", manifest.into()).packed(),
        413,
        "manifest.json",
    )
    .await;
    let line = format!("{{\"item\": \"{}\"}}\n", "x".repeat(9 * 1024 * 1024));
    refused(
        &app.client,
        with("knowledge.jsonl", line.into()).sealed(),
        413,
        "over 8 MB",
    )
    .await;

    let mut many = Zipped::read(&whole.packed()).packed();
    let end = many.len() - 22;
    many[end + 8..end + 12].copy_from_slice(&[0xff; 4]);
    refused(&app.client, many, 422, "cannot be imported").await;
    nothing_is_left(&app).await;
}

/// An archive whose directory states ten bytes for an entry of `size`.
fn understated(zipped: Zipped, size: u32) -> Vec<u8> {
    let mut bytes = zipped.sealed();
    let size = size.to_le_bytes();
    let mut changed = 0;
    for at in 0..bytes.len() - 4 {
        if bytes[at..at + 4] == size {
            bytes[at..at + 4].copy_from_slice(&10_u32.to_le_bytes());
            changed += 1;
        }
    }
    assert!(changed >= 1, "the size stands in the directory");
    bytes
}

async fn an_upload_that_breaks_off_leaves_nothing(stage: Stage) {
    let app = stage.app().await;
    let archive = prepared(&app).await;
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"archive\"; filename=\"a.zip\"\r\n\r\n"
    );
    let mut body = head.into_bytes();
    body.extend_from_slice(&archive);
    let media_type = format!("multipart/form-data; boundary={BOUNDARY}");
    let answer = app
        .client
        .call(
            "POST",
            "/chatbot/import",
            Body::from(body),
            Some(&media_type),
        )
        .await;
    answer.refused(400, "invalid_request", "");
    let answer = app.client.post("/chatbot/import", json!({})).await;
    answer.refused(415, "unsupported_type", "");
    let form = crate::support::Form::new().field("archive-name", "x");
    let answer = app.client.form("POST", "/chatbot/import", form).await;
    answer.refused(400, "invalid_request", "archive");
    nothing_is_left(&app).await;
}
