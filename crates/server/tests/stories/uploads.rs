//! Uploads that are wrong in some way: forms, names, sizes, and what is in the files.

use std::io::Write;

use axum::body::Body;
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;

use crate::support::{BOUNDARY, Bot, File, Form, Stage, TestApp, list, text};

stories! {
    forms_that_are_no_forms_are_refused,
    a_form_holds_one_to_a_hundred_files,
    a_file_may_be_as_large_as_configured,
    a_file_must_be_what_its_name_says,
    a_file_name_names_nothing_but_the_file,
    files_without_text_end_failed_with_their_reason,
    packed_and_nested_bombs_end_failed,
    characters_that_databases_refuse_do_no_harm,
}

const LOCKED: &[u8] = include_bytes!("../../../extract/tests/data/locked.pdf");
const SCANNED: &[u8] = include_bytes!("../../../extract/tests/data/scanned.pdf");
const HANDBOOK: &[u8] = include_bytes!("../../../../examples/handbook.pdf");

/// Neither an item nor a blob is left of what was refused.
async fn check_nothing_is_left(app: &TestApp, bot: &Bot) {
    assert!(bot.items().await.is_empty());
    assert_eq!(app.step().await, okra_engine::worker::Step::Idle);
    app.stored_files(0).await;
}

async fn forms_that_are_no_forms_are_refused(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    let path = bot.path("/knowledge-base/files");
    let send = async |media_type: Option<&str>, body: Vec<u8>| {
        bot.client
            .call("POST", &path, Body::from(body), media_type)
            .await
    };
    let good = || {
        Form::new()
            .file("files", File::new("a.txt", "Tea is hot."))
            .into_bytes()
    };
    let with_boundary = format!("multipart/form-data; boundary={BOUNDARY}");
    send(None, good())
        .await
        .refused(415, "unsupported_type", "");
    send(Some("application/json"), b"{}".to_vec())
        .await
        .refused(415, "unsupported_type", "");
    send(Some("multipart/form-data"), good())
        .await
        .refused(400, "invalid_request", "");
    send(Some("multipart/form-data; boundary="), good())
        .await
        .refused(400, "invalid_request", "");
    send(Some("multipart/form-data; boundary=other"), good())
        .await
        .refused(400, "invalid_request", "");
    for length in [0, 10, 60, 150, good().len() - 20] {
        let cut = send(Some(&with_boundary), good()[..length].to_vec()).await;
        cut.refused(400, "invalid_request", "");
    }
    send(Some(&with_boundary), b"\xFF\x00--".to_vec())
        .await
        .refused(400, "invalid_request", "");
    let headless =
        format!("--{BOUNDARY}\r\nContent-Disposition: form-data\r\n\r\nx\r\n--{BOUNDARY}--");
    let headless = send(Some(&with_boundary), headless.into_bytes()).await;
    headless.refused(400, "invalid_request", "files");
    let broken = futures_util::stream::iter([
        Ok(good()[..120].to_vec()),
        Err(std::io::Error::other("the client left")),
    ]);
    let broken = bot.client.call(
        "POST",
        &path,
        Body::from_stream(broken),
        Some(&with_boundary),
    );
    broken.await.refused(400, "invalid_request", "");
    check_nothing_is_left(&app, &bot).await;
}

async fn a_form_holds_one_to_a_hundred_files(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    let path = bot.path("/knowledge-base/files");
    let none = bot.client.form("POST", &path, Form::new()).await;
    none.refused(400, "invalid_request", "files");
    let field = bot
        .client
        .form("POST", &path, Form::new().field("files", "just text"))
        .await;
    field.refused(400, "invalid_request", "files");
    let files = |count: usize| {
        (0..count)
            .map(|n| File::new(&format!("{n}.txt"), format!("File {n}.")))
            .collect()
    };
    bot.upload(files(101)).await.refused(413, "too_large", "");
    check_nothing_is_left(&app, &bot).await;
    let all = bot.upload(files(100)).await.expect(202);
    assert_eq!(list(&all["data"]).len(), 100);
    // One bad file refuses the whole form, so that nobody wonders which of them went in.
    let other = app.bot("Other").await;
    let mixed = vec![
        File::new("good.txt", "Good."),
        File::new("bad.exe", "MZ\0\0"),
    ];
    other
        .upload(mixed)
        .await
        .refused(415, "unsupported_type", "");
    assert!(other.items().await.is_empty());
    // Any field name will do, other fields are ignored, and the shorter path does the same.
    let form = Form::new()
        .field("note", "hello")
        .file("upload[]", File::new("a.txt", "A."));
    let form = other
        .client
        .form("POST", &other.path("/knowledge-base"), form)
        .await;
    assert_eq!(list(&form.expect(202)["data"]).len(), 1);
}

async fn a_file_may_be_as_large_as_configured(stage: Stage) {
    let app = stage.app_with(&[("OKRA_MAX_UPLOAD_MB", "4")]).await;
    let bot = app.bot("Shop").await;
    let megabytes = |count: usize| "All work and no play. ".repeat(count * 1024 * 1024 / 22);
    bot.upload(vec![File::new("big.txt", megabytes(5))])
        .await
        .refused(413, "too_large", "");
    check_nothing_is_left(&app, &bot).await;
    let files = (0..3).map(|n| File::new(&format!("{n}.txt"), format!("{n} {}", megabytes(3))));
    let accepted = bot.upload(files.collect()).await.expect(202);
    assert!(
        accepted["data"][2]["size_bytes"].as_i64() > Some(3_000_000),
        "{accepted}"
    );
}

async fn a_file_must_be_what_its_name_says(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    let program = b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0".to_vec();
    for (name, bytes) in [
        ("picture.pdf", png.clone()),
        ("picture.txt", png),
        ("program.txt", program.clone()),
        ("program.exe", program),
        ("archive.docx", b"%PDF-1.7\n".to_vec()),
        ("book.xlsx", b"no zip at all".to_vec()),
        ("data.bin", b"text".to_vec()),
        ("noextension", b"\x7fELF\x02\x01\x01\0".to_vec()),
    ] {
        let answer = bot.upload(vec![File::new(name, bytes)]).await;
        answer.refused(415, "unsupported_type", "");
    }
    let empty = bot.upload(vec![File::new("empty.txt", "")]).await;
    empty.refused(422, "unprocessable", "");
    check_nothing_is_left(&app, &bot).await;
}

async fn a_file_name_names_nothing_but_the_file(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    for (number, (sent, kept)) in [
        ("../../../etc/passwd.txt", "passwd.txt"),
        ("C:\\\\Windows\\\\system32\\\\a.txt", "a.txt"),
        ("/absolute.txt", "absolute.txt"),
        ("한글 문서 (1).txt", "한글 문서 (1).txt"),
        ("<script>alert(1)<.txt", "<script>alert(1)<.txt"),
        ("a\tb.txt", "ab.txt"),
        ("..txt", "..txt"),
    ]
    .into_iter()
    .enumerate()
    {
        let item = bot.upload_one(sent, format!("File number {number}.")).await;
        assert_eq!(item["source"]["file_name"], kept, "{item}");
        assert_eq!(item["title"], kept);
    }
    let long = format!("{}.txt", "x".repeat(400));
    bot.upload(vec![File::new(&long, "x")])
        .await
        .refused(400, "invalid_request", "files");
    bot.upload(vec![File::new("dir/", "x")])
        .await
        .refused(400, "invalid_request", "files");
    app.work().await;
    assert!(
        bot.items()
            .await
            .iter()
            .all(|item| item["status"] == "ready")
    );
}

/// Uploads, reads, and gives why it failed.
async fn reason(app: &TestApp, bot: &Bot, name: &str, bytes: Vec<u8>) -> String {
    let id = bot.upload_one(name, bytes).await["id"].clone();
    app.work().await;
    let item = bot.item(&id).await;
    assert_eq!(item["status"], "failed", "{item}");
    assert_eq!(
        (&item["chunks"], &item["synced_at"]),
        (&json!(0), &Value::Null)
    );
    text(&item["error"]).to_owned()
}

async fn files_without_text_end_failed_with_their_reason(stage: Stage) {
    // Nobody reads this language, whether tesseract is installed or not.
    let app = stage.app_with(&[("OKRA_OCR_LANGUAGES", "none")]).await;
    let bot = app.bot("Shop").await;
    let scanned = reason(&app, &bot, "scan.pdf", SCANNED.to_vec()).await;
    assert!(
        scanned.starts_with("Its text is in pictures, and ") && scanned.contains("apt install"),
        "{scanned}"
    );
    let locked = reason(&app, &bot, "locked.pdf", LOCKED.to_vec()).await;
    assert_eq!(
        locked,
        "This PDF is protected by a password. Remove the password and upload it again."
    );
    let half = HANDBOOK[..HANDBOOK.len() / 8].to_vec();
    let half = reason(&app, &bot, "half.pdf", half).await;
    assert!(half.starts_with("The file is damaged: "), "{half}");
    let blank = reason(&app, &bot, "blank.txt", b" \n\t\n ".to_vec()).await;
    assert_eq!(blank, "The file holds no text.");
    let json = reason(&app, &bot, "cut.json", b"{\"a\": [1, 2".to_vec()).await;
    assert!(json.starts_with("The file is damaged: "), "{json}");
    let docx = reason(&app, &bot, "cut.docx", b"PK\x03\x04cut off".to_vec()).await;
    assert!(docx.starts_with("The file is "), "{docx}");
    assert!(bot.query("anything").await.is_empty());
}

/// A docx or xlsx whose entry `name` unpacks to `megabytes` of spaces.
fn bomb(name: &str, others: &[(&str, &str)], megabytes: usize) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let deflated =
        SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    for (name, content) in others {
        archive.start_file(*name, deflated).expect("an entry");
        archive.write_all(content.as_bytes()).expect("written");
    }
    archive.start_file(name, deflated).expect("an entry");
    let spaces = vec![b' '; 1024 * 1024];
    for _ in 0..megabytes {
        archive.write_all(&spaces).expect("written");
    }
    archive.finish().expect("an archive").into_inner()
}

async fn packed_and_nested_bombs_end_failed(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    let types = r#"<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>"#;
    let types = [("[Content_Types].xml", types)];
    for (file, entry) in [
        ("bomb.docx", "word/document.xml"),
        ("bomb.xlsx", "xl/workbook.xml"),
    ] {
        let why = reason(&app, &bot, file, bomb(entry, &types, 300)).await;
        assert!(why.starts_with("The file is "), "{file}: {why}");
    }
    let nested = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let why = reason(&app, &bot, "deep.json", nested.into_bytes()).await;
    assert!(why.starts_with("The file is nested too deeply"), "{why}");
    let nested = "<div>".repeat(10_000) + "Tea" + &"</div>".repeat(10_000);
    let html = bot.upload_one("deep.html", nested).await;
    let quotes = "> ".repeat(10_000) + "Tea";
    let quotes = bot.upload_one("deep.md", quotes).await;
    app.work().await;
    for item in [html, quotes] {
        let item = bot.item(&item["id"]).await;
        assert!(
            ["ready", "failed"].contains(&text(&item["status"])),
            "{item}"
        );
    }
}

async fn characters_that_databases_refuse_do_no_harm(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    let files = [
        (
            "nul.json",
            "{\"note\": \"walnut one\\u0000end\"}".to_owned(),
        ),
        (
            "nul.html",
            "<title>a&#0;b</title><p>walnut two&#0;end</p>".to_owned(),
        ),
        (
            "nul.csv",
            "name,note\nx,walnut three \u{fffe} \u{1b}[31m\n".to_owned(),
        ),
        ("nul.md", "# Head&#8;ing\n\nwalnut four &#0; end".to_owned()),
        (
            "odd.txt",
            "walnut five \u{200b}\u{202e}\u{feff}\u{e000}\u{10ffff} end".to_owned(),
        ),
    ];
    for (name, content) in files {
        let item = bot.upload_one(name, content).await;
        app.work().await;
        let item = bot.item(&item["id"]).await;
        assert_eq!(item["status"], "ready", "{item}");
    }
    let found = bot.found("walnut").await;
    for word in ["one", "two", "three", "four", "five"] {
        assert!(
            found.contains(&format!("walnut {word}")),
            "{word} in {found}"
        );
    }
    assert!(!found.contains('\0'));
}
