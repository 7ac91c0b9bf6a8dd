//! Q&A pairs as CSV: taken line by line, recognised, and given back as they came.

use serde_json::{Value, json};

use crate::support::{Answer, Bot, File, Form, Stage, list, text};

stories! {
    lines_are_taken_and_the_bad_ones_told,
    what_is_known_is_recognised_and_replaced_where_asked,
    spreadsheets_of_many_makes_are_read,
    what_is_written_is_known_again,
    what_is_no_table_is_refused,
}

async fn send(bot: &Bot, query: &str, csv: impl Into<Vec<u8>>) -> Answer {
    let form = Form::new()
        .field("note", "x")
        .file("file", File::new("pairs.csv", csv));
    let path = bot.path(&format!("/knowledge-base/qna{query}"));
    bot.client.form("POST", &path, form).await
}

async fn taken(bot: &Bot, csv: impl Into<Vec<u8>>) -> Value {
    send(bot, "", csv).await.expect(200)
}

/// The outcomes of a report, line by line.
fn outcomes(report: &Value) -> Vec<(u64, String)> {
    let outcome = |line: &Value| {
        let number = line["line"].as_u64().expect("a number");
        (number, text(&line["outcome"]).to_owned())
    };
    list(&report["lines"]).iter().map(outcome).collect()
}

/// Every pair, oldest first.
async fn pairs(bot: &Bot) -> Vec<(String, String)> {
    let mut items = bot.items().await;
    items.reverse();
    let both = |item: &Value| {
        let source = &item["source"];
        (
            text(&source["question"]).to_owned(),
            text(&source["answer"]).to_owned(),
        )
    };
    items.iter().map(both).collect()
}

async fn lines_are_taken_and_the_bad_ones_told(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    let csv = format!(
        "no,Answer,Question\n1,Yes.,Do you ship?\n2,,Open on Sunday?\n3,Nine.,\n\
         4,\"Two\nlines.\",How many?\n5,Long,{}\n6,No.,do you  SHIP?\n7,Yes.,Do you ship?\n",
        "x".repeat(2_001)
    );
    let report = taken(&bot, csv).await;
    let expected = [
        (2, "taken"),
        (3, "refused"),
        (4, "refused"),
        (5, "taken"),
        (7, "refused"),
        (8, "refused"),
        (9, "known"),
    ];
    let expected: Vec<_> = expected.map(|(line, what)| (line, what.to_owned())).into();
    assert_eq!(outcomes(&report), expected, "{report}");
    let counts = ["taken", "known", "changed", "refused"].map(|it| report[it].as_u64());
    assert_eq!(counts, [Some(2), Some(1), Some(0), Some(4)]);
    let reasons: Vec<&str> = list(&report["lines"])
        .iter()
        .filter_map(|line| line["reason"].as_str())
        .collect();
    for (reason, part) in reasons.iter().zip([
        "no answer",
        "no question",
        "at most 2000",
        "Line 2",
        "repeats line 2",
    ]) {
        assert!(reason.contains(part), "{part}: {reasons:?}");
    }
    app.work().await;
    assert!(bot.found("How many?").await.contains("Two\nlines."));
    assert!(
        bot.items()
            .await
            .iter()
            .all(|item| item["status"] == "ready")
    );
}

async fn what_is_known_is_recognised_and_replaced_where_asked(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    bot.add(
        json!({"type": "qna", "title": "Shipping", "question": "Do you ship?", "answer": "Yes."}),
    )
    .await;
    let again = taken(&bot, "Do you ship?,Yes.\n").await;
    assert_eq!(outcomes(&again), [(1, "known".to_owned())]);
    let other = "question,answer\nDo you ship?,\"Yes, abroad too.\"\n";
    let refused = taken(&bot, other).await;
    assert_eq!(outcomes(&refused), [(2, "refused".to_owned())]);
    assert!(text(&refused["lines"][0]["reason"]).contains("otherwise"));
    let changed = send(&bot, "?replace=true", other).await.expect(200);
    assert_eq!(
        (&changed["changed"], &changed["taken"]),
        (&json!(1), &json!(0))
    );
    app.work().await;
    let items = bot.items().await;
    assert_eq!((items.len(), &items[0]["title"]), (1, &json!("Shipping")));
    assert!(bot.found("Do you ship?").await.contains("Yes, abroad too."));
    let odd = send(&bot, "?replace=maybe", other).await;
    odd.refused(400, "invalid_request", "replace");
}

async fn spreadsheets_of_many_makes_are_read(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    let korean = "질문;답변\n반품은 언제까지 할 수 있나요?;제품을 받은 날부터 30일 안에 반품할 수 있습니다.\n";
    let wide: Vec<u8> = "\u{feff}Question\tAnswer\nWide?\tYes\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let euc_kr = include_bytes!("pairs/euc-kr.csv").to_vec();
    for csv in [korean.as_bytes().to_vec(), wide, euc_kr] {
        let report = taken(&bot, csv).await;
        assert_eq!(report["taken"], 1, "{report}");
    }
    let all = pairs(&bot).await;
    assert!(
        all.iter()
            .any(|(question, _)| question == "반품은 언제까지 할 수 있나요?"),
        "{all:?}"
    );
    assert!(
        all.contains(&(
            "영업 시간은 어떻게 되나요?".to_owned(),
            "오전 아홉 시부터 오후 여섯 시까지 영업합니다.".to_owned()
        )),
        "{all:?}"
    );
    assert!(
        all.contains(&("Wide?".to_owned(), "Yes".to_owned())),
        "{all:?}"
    );
}

async fn what_is_written_is_known_again(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    let path = bot.path("/knowledge-base/qna");
    let empty = bot.client.get(&path).await;
    assert_eq!(empty.body, "\u{feff}question,answer\r\n");
    let csv = "Q,A\n=1+1?,\"-5, or \"\"less\"\"\"\n서울?,네\n";
    taken(&bot, csv).await;
    bot.add(json!({"type": "text", "content": "No pair."}))
        .await;
    let many: String = (0..600)
        .map(|n| format!("Number {n}?,It is {n}.\n"))
        .collect();
    taken(&bot, many).await;
    let written = bot.client.get(&path).await;
    assert_eq!(written.header("content-type"), "text/csv; charset=utf-8");
    assert!(
        written
            .header("content-disposition")
            .contains("shop-qna-2025-01-22.csv")
    );
    let lines = String::from_utf8(written.body.to_vec()).expect("UTF-8");
    let begin = "\u{feff}question,answer\r\n'=1+1?,\"'-5, or \"\"less\"\"\"\r\n서울?,네\r\nNumber 0?,It is 0.\r\n";
    assert!(lines.starts_with(begin), "{lines}");
    assert_eq!(lines.lines().count(), 603);
    let again = taken(&bot, lines.clone()).await;
    assert_eq!(
        (&again["known"], &again["refused"]),
        (&json!(602), &json!(0))
    );
    let other = app.bot("Other").await;
    assert_eq!(taken(&other, lines.clone()).await["taken"], 602);
    let written = other.client.get(&other.path("/knowledge-base/qna")).await;
    assert_eq!(written.body, lines.as_bytes());
}

async fn what_is_no_table_is_refused(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    let check = async |csv: Vec<u8>, status: u16, code: &str, part: &str| {
        let answer = send(&bot, "", csv).await;
        answer.refused(status, code, "");
        assert!(
            text(&answer.json()["error"]).contains(part),
            "{part}: {answer:?}"
        );
    };
    check(Vec::new(), 422, "unprocessable", "no lines").await;
    check(b"\n ,\n".to_vec(), 422, "unprocessable", "no lines").await;
    check(
        b"one column\nof text\n".to_vec(),
        422,
        "unprocessable",
        "Two columns",
    )
    .await;
    check(
        b"question,notes\na,b\n".to_vec(),
        422,
        "unprocessable",
        "no column for the answer",
    )
    .await;
    check(
        b"\0\x01\x02\x03binary".to_vec(),
        422,
        "unprocessable",
        "not text",
    )
    .await;
    let many: String = (0..10_001).map(|n| format!("{n}?,x\n")).collect();
    check(many.into(), 413, "too_large", "at most 10000").await;
    let large = format!("Q?,{}\n", "x".repeat(16 * 1024 * 1024));
    check(large.into(), 413, "too_large", "16 MB").await;
    let path = bot.path("/knowledge-base/qna");
    let form = Form::new().field("other", "x");
    bot.client
        .form("POST", &path, form)
        .await
        .refused(400, "invalid_request", "file");
    bot.client
        .post(&path, json!({}))
        .await
        .refused(415, "unsupported_type", "");
    assert!(bot.items().await.is_empty());
}
