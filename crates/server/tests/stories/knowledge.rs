//! The life of knowledge: added, found, changed, disabled, deleted, in any order and at once.

use futures_util::future::join_all;
use okra_testkit::website::{MockSite, Page};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::support::{Bot, File, Stage, TestApp, list, text};

stories! {
    every_kind_becomes_ready_and_is_found,
    before_anything_exists_nothing_is_found,
    disabling_and_deleting_count_from_the_answer_on,
    changed_content_replaces_the_old_whole,
    the_same_bytes_are_one_item,
    a_failed_file_is_tried_again_when_sent_again,
    uploads_and_a_delete_at_once_end_consistently,
    what_many_writers_add_the_next_query_sees,
    korean_knowledge_answers_korean_questions,
    pages_inside_private_networks_are_refused,
    pages_that_fail_say_why,
    a_kept_up_index_finds_what_a_fresh_one_finds,
}

async fn every_kind_becomes_ready_and_is_found(stage: Stage) {
    let site = MockSite::start().await;
    let page = "<html><head><title>Opening hours</title></head><body><main><h1>Opening hours</h1>\
                <p>The museum opens at half past ten every morning except Monday.</p></main></body></html>";
    site.put("/hours", Page::html(page));
    let allow = site.address().to_string();
    let app = stage.app_with(&[("OKRA_FETCH_ALLOW", &allow)]).await;
    let bot = app.bot("Museum").await;
    let items = [
        bot.add(
            json!({"type": "text", "title": "Tickets", "content": "A ticket costs nine euros."}),
        )
        .await,
        bot.add(
            json!({"type": "qna", "question": "Are dogs allowed?", "answer": "Only guide dogs."}),
        )
        .await,
        bot.add(json!({"type": "url", "url": site.url("/hours")}))
            .await,
        bot.upload_one(
            "garden.md",
            "# Garden\n\nThe rose garden is behind the east wing.",
        )
        .await,
        bot.upload_one("rooms.csv", "room,floor\nEgypt,second\nRome,third\n")
            .await,
        bot.upload_one(
            "staff.json",
            r#"[{"name": "Kim", "role": "head of conservation"}]"#,
        )
        .await,
        bot.upload_one(
            "shop.html",
            "<h1>Shop</h1><p>Postcards are sold by the exit.</p>",
        )
        .await,
        bot.upload_one("notes.txt", "Lockers need a two euro coin.")
            .await,
    ];
    assert!(items.iter().all(|item| item["status"] == "pending"));
    app.work().await;
    for item in bot.items().await {
        assert_eq!(
            (&item["status"], &item["error"]),
            (&json!("ready"), &Value::Null),
            "{item}"
        );
        assert!(
            item["chunks"].as_i64() > Some(0) && item["size_bytes"].as_i64() > Some(0),
            "{item}"
        );
    }
    let questions = [
        ("How much is a ticket?", "nine euros"),
        ("May I bring my dog?", "guide dogs"),
        ("When does the museum open?", "half past ten"),
        ("Where is the rose garden?", "east wing"),
        ("On which floor is Egypt?", "second"),
        ("Who is head of conservation?", "Kim"),
        ("Where are postcards sold?", "by the exit"),
        ("What coin do lockers need?", "two euro coin"),
    ];
    for (question, answer) in questions {
        let best = &bot.query(question).await[0];
        assert!(
            text(&best["content"]).contains(answer),
            "{question}: {best}"
        );
    }
    let page = &bot.query("museum opens in the morning").await[0];
    assert_eq!(page["url"], json!(site.url("/hours")));
    assert_eq!(page["title"], "Opening hours");
    assert_eq!(bot.item(&items[2]["id"]).await["title"], "Opening hours");
}

async fn before_anything_exists_nothing_is_found(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Empty").await;
    assert!(bot.query("anything").await.is_empty());
    assert!(bot.items().await.is_empty());
    bot.add(json!({"type": "text", "content": "Tea is hot."}))
        .await;
    assert!(bot.query("tea").await.is_empty(), "nothing was read yet");
    app.work().await;
    assert_eq!(bot.query("tea").await.len(), 1);
}

async fn disabling_and_deleting_count_from_the_answer_on(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    let question = "What is the secret word?";
    let pair = json!({"type": "qna", "question": question, "answer": "Pomegranate."});
    let id = bot.add(pair).await["id"].clone();
    app.work().await;
    let answers = async || {
        let found = bot.found(question).await.contains("Pomegranate");
        let reply = bot.ask(question).await;
        let said = text(&reply["message"]["content"]).contains("Pomegranate");
        let cited = reply["sources"].to_string().contains("Pomegranate");
        assert_eq!((found, found), (said, cited), "{reply}");
        found
    };
    let base = bot.path("/knowledge-base");
    assert!(answers().await);
    bot.client
        .patch(&base, json!({"id": id, "enabled": false}))
        .await
        .expect(200);
    assert!(!answers().await, "disabled");
    bot.client
        .patch(&base, json!({"id": id, "enabled": true}))
        .await
        .expect(200);
    assert!(answers().await, "enabled again");
    let one = format!("{base}?id={}", text(&id));
    bot.client
        .patch(&one, json!({"enabled": false}))
        .await
        .expect(200);
    bot.client
        .patch(&one, json!({"answer": "Pomegranate!"}))
        .await
        .expect(200);
    app.work().await;
    assert!(!answers().await, "reading it anew does not enable it");
    bot.client
        .patch(&one, json!({"enabled": true}))
        .await
        .expect(200);
    assert!(answers().await);
    bot.client.delete(&one).await.expect(200);
    assert!(!answers().await, "deleted");
    bot.client.delete(&one).await.refused(404, "not_found", "");
    bot.client
        .patch(&one, json!({"enabled": true}))
        .await
        .refused(404, "not_found", "");
    app.work().await;
    assert!(!answers().await && bot.items().await.is_empty());
}

async fn changed_content_replaces_the_old_whole(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    let base = bot.path("/knowledge-base");
    let note = bot
        .add(json!({"type": "text", "content": "Our hotline is 111-2222."}))
        .await;
    let pair = bot
        .add(json!({"type": "qna", "question": "Opening hours?", "answer": "Nine to five."}))
        .await;
    app.work().await;
    let note_change = json!({"id": note["id"], "content": "Our hotline is 333-4444."});
    let changed = bot.client.patch(&base, note_change).await.expect(200);
    assert_eq!(changed["data"]["status"], "pending");
    let pair_change = json!({"id": pair["id"], "answer": "Ten to six."});
    bot.client.patch(&base, pair_change).await.expect(200);
    assert!(
        bot.found("opening hours").await.contains("Nine to five"),
        "until it was read anew"
    );
    app.work().await;
    let found = bot.found("hotline, and opening hours?").await;
    assert!(
        found.contains("333-4444") && found.contains("Ten to six"),
        "{found}"
    );
    assert!(
        !found.contains("111-2222") && !found.contains("Nine to five"),
        "{found}"
    );
    let reply = bot.ask("Opening hours?").await;
    assert_eq!(reply["message"]["content"], "Ten to six.");

    let title = json!({"id": note["id"], "title": "Telephone"});
    bot.client.patch(&base, title).await.expect(200);
    app.work().await;
    assert_eq!(bot.query("telephone").await[0]["title"], "Telephone");
    for (field, value) in [
        ("question", "a"),
        ("answer", "a"),
        ("url", "http://a.example"),
    ] {
        let wrong = json!({"id": note["id"], field: value});
        bot.client
            .patch(&base, wrong)
            .await
            .refused(400, "invalid_request", field);
    }
    let empty = json!({"id": note["id"], "content": "  "});
    bot.client
        .patch(&base, empty)
        .await
        .refused(400, "invalid_request", "content");
}

async fn the_same_bytes_are_one_item(stage: Stage) {
    let app = stage.app().await;
    let (bot, other) = (app.bot("Shop").await, app.bot("Other").await);
    let first = bot.upload_one("a.txt", "Tea is hot.").await;
    app.work().await;
    let again = bot.upload(vec![
        File::new("b.txt", "Tea is hot."),
        File::new("c.txt", "Ice is cold."),
        File::new("d.txt", "Ice is cold."),
    ]);
    let again = again.await.expect(202);
    let ids: Vec<&Value> = list(&again["data"])
        .iter()
        .map(|item| &item["id"])
        .collect();
    assert_eq!(ids[0], &first["id"]);
    assert_eq!(ids[1], ids[2]);
    assert_eq!(again["data"][0]["title"], "a.txt");
    app.work().await;
    assert_eq!(bot.items().await.len(), 2);
    assert_eq!(bot.found("tea").await.matches("Tea is hot.").count(), 1);
    assert_ne!(
        other.upload_one("a.txt", "Tea is hot.").await["id"],
        first["id"]
    );
    let one = bot.path(&format!("/knowledge-base?id={}", text(&first["id"])));
    bot.client.delete(&one).await.expect(200);
    app.work().await;
    let anew = bot.upload_one("a.txt", "Tea is hot.").await;
    assert_ne!(anew["id"], first["id"]);
    app.work().await;
    assert_eq!(bot.found("tea").await.matches("Tea is hot.").count(), 1);
    assert_eq!(other.found("tea").await.matches("Tea is hot.").count(), 1);
}

async fn a_failed_file_is_tried_again_when_sent_again(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    let first = bot.upload_one("bad.json", "{\"a\": ").await;
    app.work().await;
    assert_eq!(bot.item(&first["id"]).await["status"], "failed");
    let again = bot.upload_one("bad.json", "{\"a\": ").await;
    assert_eq!(
        (&again["id"], &again["status"]),
        (&first["id"], &json!("pending"))
    );
    assert_eq!(again["error"], Value::Null);
    app.work().await;
    assert_eq!(bot.item(&first["id"]).await["status"], "failed");
}

async fn uploads_and_a_delete_at_once_end_consistently(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    for round in 0..6 {
        let bytes = format!("Round {round} is about walnuts.");
        let first = bot.upload_one("a.txt", bytes.clone()).await;
        if round % 2 == 0 {
            app.work().await;
        }
        let one = bot.path(&format!("/knowledge-base?id={}", text(&first["id"])));
        let upload = || bot.upload(vec![File::new("b.txt", bytes.clone())]);
        let (left, deleted, right, ()) =
            tokio::join!(upload(), bot.client.delete(&one), upload(), app.work());
        deleted.expect(200);
        for answer in [left, right] {
            // The item that it was recognised as may have gone under its feet.
            assert!([202, 404, 409].contains(&answer.status), "{answer:?}");
        }
        app.work().await;
        let items = bot.items().await;
        assert!(items.len() <= 1, "{items:?}");
        assert!(
            items
                .iter()
                .all(|item| item["status"] == "ready" && item["id"] != first["id"])
        );
        assert_eq!(bot.query("walnuts").await.len(), items.len());
        for item in items {
            let one = bot.path(&format!("/knowledge-base?id={}", text(&item["id"])));
            bot.client.delete(&one).await.expect(200);
        }
        app.work().await;
        assert!(bot.query("walnuts").await.is_empty());
    }
}

async fn what_many_writers_add_the_next_query_sees(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    let write = |n: usize| {
        let bot = bot.clone();
        async move {
            let content = format!("Walnut number {n} lies in drawer {n}.");
            bot.add(json!({"type": "text", "title": format!("W{n}"), "content": content}))
                .await;
            bot.query("walnut").await;
        }
    };
    let workers = async {
        for _ in 0..40 {
            app.step().await;
        }
    };
    tokio::join!(join_all((0..40).map(write)), workers);
    app.work().await;
    let mut titles: Vec<String> = bot
        .query("walnut drawer")
        .await
        .iter()
        .map(|result| text(&result["title"]).to_owned())
        .collect();
    titles.sort();
    titles.dedup();
    assert_eq!(titles.len(), 40, "{titles:?}");
}

async fn korean_knowledge_answers_korean_questions(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("고객 지원").await;
    let items = json!({"items": [
        {"type": "text", "title": "배송 안내", "content": "배송은 평일 기준 이틀이 걸립니다. 제주도는 사흘이 걸립니다."},
        {"type": "text", "title": "교환 및 반품", "content": "반품은 물건을 받은 날부터 30일 이내에 신청할 수 있습니다."},
        {"type": "qna", "question": "영업 시간이 어떻게 되나요?", "answer": "평일 오전 아홉 시부터 오후 여섯 시까지입니다."},
    ]});
    bot.client
        .post(&bot.path("/knowledge-base"), items)
        .await
        .expect(202);
    bot.upload_one(
        "회원 등급.txt",
        "골드 회원은 구매액의 3퍼센트를 적립합니다.",
    )
    .await;
    let euc_kr = include_bytes!("../../../extract/tests/data/euc-kr.txt");
    let euc_kr = bot.upload_one("오래된 파일.txt", euc_kr).await;
    app.work().await;
    assert_eq!(bot.item(&euc_kr["id"]).await["status"], "ready");
    let check = async |question: &str, expected: &str| {
        let best = &bot.query(question).await[0];
        assert!(
            text(&best["content"]).contains(expected),
            "{question}: {best}"
        );
        let reply = bot.ask(question).await;
        assert!(
            text(&reply["message"]["content"]).contains(expected),
            "{question}: {reply}"
        );
    };
    check("반품은 며칠 이내에 신청해야 하나요?", "30일").await;
    check("제주도까지 배송은 얼마나 걸려요?", "사흘").await;
    check("영업 시간이 어떻게 되나요?", "오전 아홉 시").await;
    check("골드 회원은 얼마나 적립되나요?", "3퍼센트").await;
    let unknown = bot.ask("화성의 수도는 어디입니까?").await;
    assert_eq!(
        unknown["message"]["metadata"]["answered_by"], "nothing",
        "{unknown}"
    );
    assert!(
        text(&unknown["message"]["content"]).contains("찾지 못했습니다"),
        "{unknown}"
    );
}

async fn pages_inside_private_networks_are_refused(stage: Stage) {
    let site = MockSite::start().await;
    site.put("/secret", Page::html("<p>The secret of the intranet.</p>"));
    let open = MockSite::start().await;
    open.put("/leads-in", Page::redirect(302, &site.url("/secret")));
    let allow = open.address().to_string();
    let app = stage.app_with(&[("OKRA_FETCH_ALLOW", &allow)]).await;
    let bot = app.bot("Shop").await;
    let port = site.address().port();
    for url in [
        site.url("/secret"),
        format!("http://localhost:{port}/secret"),
        format!("http://2130706433:{port}/secret"),
        format!("http://[::ffff:127.0.0.1]:{port}/secret"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://10.0.0.1/".to_owned(),
        "http://[::1]/".to_owned(),
        open.url("/leads-in"),
        "ftp://example.com/a".to_owned(),
        "file:///etc/passwd".to_owned(),
        "not an address".to_owned(),
    ] {
        let added = bot
            .client
            .post(
                &bot.path("/knowledge-base"),
                json!({"type": "url", "url": url}),
            )
            .await;
        let id = added.expect(202)["data"][0]["id"].clone();
        app.work().await;
        let item = bot.item(&id).await;
        assert_eq!(item["status"], "failed", "{item}");
        let reason = text(&item["error"]);
        assert!(
            reason.starts_with("This ") && reason.ends_with('.'),
            "{url}: {reason}"
        );
    }
    assert!(site.requests().is_empty(), "nothing was asked for");
    assert!(bot.query("secret intranet").await.is_empty());
}

async fn pages_that_fail_say_why(stage: Stage) {
    let site = MockSite::start().await;
    site.put("/empty", Page::html(""));
    site.put(
        "/film",
        Page::typed("video/mp4", b"\0\0\0\x18ftypisom".to_vec()),
    );
    site.put("/broken", Page::html("<p>x</p>").with_status(503));
    site.put("/endless", Page::endless("<p>and so on</p>".repeat(1_000)));
    let settings = [
        ("OKRA_FETCH_ALLOW", &*site.address().to_string()),
        ("OKRA_FETCH_MAX_MB", "1"),
    ];
    let app = stage.app_with(&settings).await;
    let bot = app.bot("Shop").await;
    for (path, reason) in [
        ("/missing", "There is no page at this address."),
        ("/empty", "is empty."),
        ("/film", "video/mp4"),
        ("/endless", "larger than 1 MB"),
        ("/broken", "503"),
    ] {
        let id = bot.add(json!({"type": "url", "url": site.url(path)})).await["id"].clone();
        for _ in 0..6 {
            app.work().await;
            app.clock.advance(std::time::Duration::from_secs(600));
        }
        let item = bot.item(&id).await;
        assert_eq!(item["status"], "failed", "{path}: {item}");
        assert!(text(&item["error"]).contains(reason), "{path}: {item}");
    }
}

/// Fifty changes of every sort, the same in every run.
async fn change_at_random(app: &TestApp, bot: &Bot) {
    let mut random = StdRng::seed_from_u64(50);
    let words = [
        "tea",
        "milk",
        "sugar",
        "kettle",
        "차",
        "우유",
        "설탕",
        "주전자",
    ];
    let base = bot.path("/knowledge-base");
    for _ in 0..50 {
        let items = bot.items().await;
        let chosen = |random: &mut StdRng| items[random.random_range(0..items.len())]["id"].clone();
        let sentence: Vec<&str> = (0..6)
            .map(|_| words[random.random_range(0..words.len())])
            .collect();
        let sentence = format!("{}.", sentence.join(" "));
        let choice = if items.len() < 5 {
            0
        } else {
            random.random_range(0..7)
        };
        match choice {
            0 | 1 => drop(
                bot.add(json!({"type": "text", "title": "T", "content": sentence}))
                    .await,
            ),
            2 => drop(
                bot.add(json!({"type": "qna", "question": sentence, "answer": "Yes."}))
                    .await,
            ),
            3 => {
                let change = json!({"id": chosen(&mut random), "title": sentence});
                bot.client.patch(&base, change).await.expect(200);
            }
            4 | 5 => {
                let change = json!({"id": chosen(&mut random), "enabled": random.random_bool(0.5)});
                bot.client.patch(&base, change).await.expect(200);
            }
            _ => {
                let path = format!("{base}?id={}", text(&chosen(&mut random)));
                bot.client.delete(&path).await.expect(200);
            }
        }
        if random.random_bool(0.6) {
            app.step().await;
        }
        bot.query("tea").await;
    }
    app.work().await;
}

async fn a_kept_up_index_finds_what_a_fresh_one_finds(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    change_at_random(&app, &bot).await;
    let fresh = app.restarted().await;
    for query in [
        "tea",
        "milk and sugar",
        "우유 차",
        "주전자 kettle",
        "Yes",
        "T",
    ] {
        let path = bot.path("/query-knowledge");
        let body = json!({"query": query, "limit": 50});
        let anew = fresh.post(&path, body.clone()).await.expect(200);
        let kept = bot.client.post(&path, body).await.expect(200);
        assert!(!list(&anew["results"]).is_empty(), "{query}");
        assert_eq!(places(&kept), places(&anew), "{query}");
    }
}

/// What was found, in an order that ties do not change, with similarities to four digits.
fn places(found: &Value) -> Vec<(i64, String)> {
    let mut places: Vec<(i64, String)> = list(&found["results"])
        .iter()
        .map(|result| {
            let similarity = result["similarity"].as_f64().expect("a number");
            let place = format!(
                "{} {} {}",
                result["knowledge_id"], result["chunk"], result["content"]
            );
            ((similarity * 1e4).round() as i64, place)
        })
        .collect();
    places.sort();
    places
}
