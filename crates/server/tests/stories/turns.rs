//! What a turn rests on, what it refuses, and what it may take; [`endings`] is how what a model wrote ends.

mod endings;

use okra_testkit::provider::{MockProvider, RecordedRequest, Script};
use serde_json::{Value, json};

use crate::support::{Bot, Page, Stage, TestApp, list, said, text};

stories! {
    only_the_passages_that_an_answer_marks_are_its_sources,
    a_model_that_marks_nothing_is_cited_by_its_words,
    a_follow_up_is_written_out_by_the_model_only_where_it_leans,
    a_follow_up_carries_earlier_terms_where_no_model_writes_it_out,
    knowledge_only_refuses_without_asking_the_model,
    a_person_is_offered_only_where_one_can_be_had,
    the_model_says_that_there_is_no_answer,
    a_pair_is_given_word_for_word_where_that_is_switched_on,
    questions_to_ask_next_come_with_the_answer,
    a_turn_that_takes_too_long_is_ended,
    an_answer_is_as_long_as_its_chatbot_allows,
    settings_of_answering_are_checked_and_absent_by_default,
    what_a_conversation_outgrows_is_summed_up_once,
}

async fn with(provider: &MockProvider, stage: Stage, more: &[(&str, &str)]) -> TestApp {
    let url = provider.base_url();
    let mut settings = vec![("OPENAI_BASE_URL", url.as_str())];
    settings.extend(more);
    stage.app_with(&settings).await
}

/// A chatbot of an outdoor shop.
async fn shop(app: &TestApp, answering: Value) -> Bot {
    let bot = app.bot("Shop").await;
    let items = json!({"items": [
        {"type": "text", "title": "Delivery", "content": "Standard delivery takes two days. Delivery costs 3,000 won. Tents cost 8,000 won to deliver."},
        {"type": "text", "title": "Rental", "content": "Tents can be rented in Busan. The deposit for a rented tent is 50,000 won."},
        {"type": "text", "title": "환불", "content": "반품 상품을 검수한 뒤 3일 안에 환불됩니다. 카드사에 따라 5일이 더 걸릴 수 있습니다."},
        {"type": "qna", "question": "Do you ship abroad?", "answer": "Yes – to all of *Europe*."},
    ]});
    bot.add(items).await;
    app.work().await;
    let settings = json!({"settings": {"answering": answering}});
    bot.client.patch(&bot.path(""), settings).await.expect(200);
    bot
}

fn titles(sources: &Value) -> Vec<&str> {
    list(sources)
        .iter()
        .map(|source| text(&source["title"]))
        .collect()
}

/// The reply to a question that goes on with this conversation.
async fn next(bot: &Bot, reply: &Value, question: &str) -> Value {
    let mut body = said(question);
    body["session_id"] = reply["session_id"].clone();
    bot.chat(body).await.expect(200)
}

async fn only_the_passages_that_an_answer_marks_are_its_sources(stage: Stage) {
    let provider = MockProvider::start().await;
    let app = with(&provider, stage, &[]).await;
    let bot = shop(&app, json!({})).await;
    let question = "What does it cost to have a tent delivered, and what to rent one?";
    // The numbers are those of the prompt, whatever order the passages came in.
    provider.reply(Script::text("?"));
    bot.ask(question).await;
    let prompt = provider.requests()[0].conversation().remove(0);
    let number = |title: &str| {
        let (before, _) = prompt
            .split_once(&format!("\" title=\"{title}\">"))
            .expect(title);
        before.rsplit('"').next().expect("a number").to_owned()
    };
    let (delivery, rental) = (number("Delivery"), number("Rental"));
    let answer = format!(
        "To deliver a tent costs 8,000 won [{delivery}]. To rent one, you leave a deposit.[{rental}][{delivery}] See [2024]."
    );
    provider.reply(Script::Text {
        text: answer.clone(),
        deltas: answer.len(),
    });
    let events = bot.stream(said(question)).await.events();
    let given = events
        .iter()
        .find(|(name, _)| name == "sources")
        .expect("sources");
    assert!(
        list(&given.1["sources"]).len() >= 2,
        "what it was given: {given:?}"
    );
    assert!(given.1["sources"][0].get("excerpt").is_none());
    let deltas = events.iter().filter(|(name, _)| name == "delta");
    let shown: String = deltas.map(|(_, data)| text(&data["content"])).collect();
    let expected =
        "To deliver a tent costs 8,000 won. To rent one, you leave a deposit. See [2024].";
    assert_eq!(shown, expected);
    let (_, done) = events.last().expect("an end");
    assert_eq!(done["content"], expected);
    let sources = &done["metadata"]["sources"];
    assert_eq!(titles(sources), ["Delivery", "Rental"], "{done}");
    assert_eq!(sources[0]["excerpt"], "Tents cost 8,000 won to deliver.");
    assert_eq!(
        sources[1]["excerpt"],
        "The deposit for a rented tent is 50,000 won."
    );
    assert_eq!(done["metadata"]["outcome"], "answered");
    // Whole, it is the same, with the passages.
    provider.reply(Script::text(format!("Two days. [{delivery}]")));
    let reply = bot.ask(question).await;
    assert_eq!(titles(&reply["sources"]), ["Delivery"]);
    assert_eq!(
        reply["sources"][0]["excerpt"],
        "Standard delivery takes two days."
    );
    assert!(
        text(&reply["sources"][0]["content"]).contains("3,000 won"),
        "{reply}"
    );
    assert_eq!(
        titles(&reply["message"]["metadata"]["sources"]),
        ["Delivery"]
    );
}

async fn a_model_that_marks_nothing_is_cited_by_its_words(stage: Stage) {
    let provider = MockProvider::start().await;
    let app = with(&provider, stage, &[]).await;
    let bot = shop(&app, json!({})).await;
    provider.reply(Script::text("카드사에 따라 5일이 더 걸릴 수 있습니다."));
    let reply = bot.ask("환불은 언제 되나요?").await;
    assert_eq!(titles(&reply["sources"]), ["환불"]);
    assert_eq!(
        reply["sources"][0]["excerpt"],
        "카드사에 따라 5일이 더 걸릴 수 있습니다."
    );
    provider.reply(Script::text("Hello! How can I help?"));
    let reply = bot.ask("Hello there, what does delivery cost?").await;
    assert_eq!(titles(&reply["sources"]), [""; 0]);
}

async fn a_follow_up_is_written_out_by_the_model_only_where_it_leans(stage: Stage) {
    let provider = MockProvider::start().await;
    let app = with(&provider, stage, &[]).await;
    let bot = shop(&app, json!({})).await;
    let first = bot.ask("Can I rent a tent somewhere in Korea?").await;
    assert_eq!(provider.request_count(), 1);
    provider.reply(Script::text("How much is the deposit for renting a tent?"));
    provider.reply(Script::text("50,000 won [1]."));
    let reply = next(&bot, &first, "and how much do I have to leave for it?").await;
    assert_eq!(provider.request_count(), 3);
    let requests = provider.requests();
    let rewriting = requests[1].conversation().join("\n");
    for part in [
        "You prepare a search",
        "Visitor: Can I rent a tent",
        "and how much do I have to leave",
    ] {
        assert!(rewriting.contains(part), "{part}: {rewriting}");
    }
    let limit = &requests[1].body;
    let limit = limit["max_tokens"]
        .as_u64()
        .or(limit["max_completion_tokens"].as_u64());
    assert_eq!(limit, Some(200));
    let metadata = &reply["message"]["metadata"];
    assert_eq!(
        metadata["looked_up"],
        "How much is the deposit for renting a tent?"
    );
    assert_eq!(titles(&reply["sources"]), ["Rental"]);
    let asked = requests[2].conversation();
    assert_eq!(
        asked.last().map(String::as_str),
        Some("user: and how much do I have to leave for it?")
    );
    // The tokens of both calls are counted.
    let counted = reply["message"]["tokens_used"].as_i64().expect("a number");
    let words = |request: &RecordedRequest| -> usize {
        let said = request.conversation();
        said.iter()
            .map(|line| line.split_whitespace().count() - 1)
            .sum()
    };
    let read = words(&requests[1]) + words(&requests[2]);
    assert!(
        counted > i64::try_from(read).expect("few"),
        "{counted} of {read}"
    );
    let reply = next(
        &bot,
        &reply,
        "How long does standard delivery to Busan take?",
    )
    .await;
    assert_eq!(provider.request_count(), 4, "it stands alone");
    assert_eq!(reply["message"]["metadata"].get("looked_up"), None);
}

async fn a_follow_up_carries_earlier_terms_where_no_model_writes_it_out(stage: Stage) {
    let provider = MockProvider::start().await;
    let app = with(&provider, stage, &[]).await;
    let bot = shop(&app, json!({})).await;
    let check = async |bot: &Bot, question: &str, then: &str, title: &str| {
        let first = bot.ask(question).await;
        provider.reply(Script::error(400, "No."));
        let reply = next(bot, &first, then).await;
        assert_eq!(
            reply["message"]["metadata"]["looked_up"],
            format!("{question}\n{then}")
        );
        let prompt = provider
            .requests()
            .pop()
            .expect("a request")
            .conversation()
            .remove(0);
        let (_, passages) = prompt.rsplit_once("<passages-").expect("passages");
        let best = format!("<passage number=\"1\" title=\"{title}\">");
        assert!(passages.contains(&best), "{best} in {passages}");
    };
    check(
        &bot,
        "Where can I rent a camping tent?",
        "and what is the deposit for that?",
        "Rental",
    )
    .await;
    check(
        &bot,
        "반품한 신발 환불은 얼마나 걸리나요?",
        "그건 카드사에 따라 달라요?",
        "환불",
    )
    .await;
}

async fn knowledge_only_refuses_without_asking_the_model(stage: Stage) {
    let provider = MockProvider::start().await;
    let app = with(&provider, stage, &[]).await;
    let bot = shop(&app, json!({"knowledgeOnly": true})).await;
    for (question, words) in [
        ("What is the capital of Australia?", "a person can answer"),
        ("여자친구랑 헤어졌어요", "담당자"),
        ("Quelle est la capitale de l'Australie ?", "une personne"),
    ] {
        let events = bot.stream(said(question)).await.events();
        let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["session", "sources", "delta", "done"]);
        let done = &events[3].1;
        assert!(text(&done["content"]).contains(words), "{question}: {done}");
        let metadata = &done["metadata"];
        assert_eq!(metadata["answered_by"], "nothing");
        assert_eq!(metadata["outcome"], "unanswered");
        assert_eq!(metadata["offer_person"], true);
        assert_eq!(metadata["model_used"], false);
        assert_eq!(done["tokens_used"], 0);
    }
    let refused = bot.ask("What is the capital of Australia?").await;
    let refused = next(&bot, &refused, "and who is the mayor of it?").await;
    let metadata = &refused["message"]["metadata"];
    assert_eq!(metadata["answered_by"], "nothing");
    assert_eq!(
        metadata["looked_up"],
        "What is the capital of Australia?\nand who is the mayor of it?"
    );
    assert_eq!(provider.request_count(), 0);
    let reply = bot.ask("How long does standard delivery take?").await;
    assert_eq!(provider.request_count(), 1);
    assert_eq!(reply["message"]["metadata"]["answered_by"], "model");
    assert_eq!(reply["message"]["metadata"].get("offer_person"), None);
    let overview = app.client.get("/overview").await.expect(200);
    let counted = overview.to_string();
    assert!(
        counted.contains("\"unanswered\":5") && counted.contains("\"answered\":1"),
        "{counted}"
    );
}

async fn a_person_is_offered_only_where_one_can_be_had(stage: Stage) {
    let provider = MockProvider::start().await;
    let app = with(&provider, stage, &[]).await;
    let bot = shop(&app, json!({"knowledgeOnly": true})).await;
    let off = json!({"settings": {"isHumanHandoverEnabled": false}});
    bot.client.patch(&bot.path(""), off).await.expect(200);
    for (question, words) in [
        ("What is the capital of Australia?", "I don't know"),
        ("여자친구랑 헤어졌어요", "찾지 못했습니다"),
    ] {
        let message = bot.ask(question).await["message"].clone();
        let said = text(&message["content"]);
        assert!(said.contains(words), "{message}");
        assert!(
            !said.contains("person") && !said.contains("담당자"),
            "{message}"
        );
        assert_eq!(message["metadata"]["outcome"], "unanswered");
        assert_eq!(message["metadata"].get("offer_person"), None, "{message}");
    }
    provider.reply(Script::text("I don't know. [none]"));
    let reply = bot.ask("How long does standard delivery take?").await;
    let metadata = &reply["message"]["metadata"];
    assert_eq!(metadata["outcome"], "unanswered");
    assert_eq!(metadata.get("offer_person"), None, "{metadata}");
}

async fn the_model_says_that_there_is_no_answer(stage: Stage) {
    let provider = MockProvider::start().await;
    let app = with(&provider, stage, &[]).await;
    let bot = shop(&app, json!({})).await;
    for (said_by_model, shown) in [
        (
            "I don't know who delivers. [none]",
            "I don't know who delivers.",
        ),
        (
            "[none]",
            "I'm sorry, I don't know. I couldn't find an answer to that in what I have been given.",
        ),
    ] {
        provider.reply(Script::text(said_by_model));
        let reply = bot
            .ask("Which courier does your standard delivery use?")
            .await;
        assert_eq!(reply["message"]["content"], shown);
        assert_eq!(list(&reply["sources"]).len(), 0);
        let metadata = &reply["message"]["metadata"];
        assert_eq!(metadata["outcome"], "unanswered");
        assert_eq!(metadata["offer_person"], true);
    }
}

async fn a_pair_is_given_word_for_word_where_that_is_switched_on(stage: Stage) {
    let provider = MockProvider::start().await;
    provider.reply_by_default(Script::text("The model's words."));
    let app = with(&provider, stage, &[]).await;
    let bot = shop(&app, json!({"verbatim": true})).await;
    let reply = bot.ask("Do you ship abroad?").await;
    assert_eq!(provider.request_count(), 0);
    assert_eq!(reply["message"]["content"], "Yes – to all of *Europe*.");
    assert_eq!(reply["message"]["metadata"]["answered_by"], "qna");
    assert_eq!(titles(&reply["sources"]), ["Do you ship abroad?"]);
    // Neither a question that is only near it, nor one in another language.
    for question in [
        "How long does shipping a heavy tent to Sweden take?",
        "해외로 배송되나요?",
    ] {
        let reply = bot.ask(question).await;
        assert_eq!(
            reply["message"]["metadata"]["answered_by"], "model",
            "{question}"
        );
    }
    let off = json!({"settings": {"answering": null}});
    bot.client.patch(&bot.path(""), off).await.expect(200);
    let reply = bot.ask("Do you ship abroad?").await;
    assert_eq!(reply["message"]["content"], "The model's words.");
}

async fn questions_to_ask_next_come_with_the_answer(stage: Stage) {
    let provider = MockProvider::start().await;
    let app = with(&provider, stage, &[]).await;
    let bot = shop(&app, json!({"followUps": true})).await;
    bot.client
        .patch(&bot.path(""), json!({"is_public": true}))
        .await
        .expect(200);
    let slug = bot.show().await["slug"].clone();
    let page = Page::new(&app, text(&slug), None).begun(json!({})).await;
    let answer = "Two days. [1]\n\n[next] What does delivery cost?\n[next] Can I rent a tent?";
    provider.reply(Script::Text {
        text: answer.to_owned(),
        deltas: 9,
    });
    let events = page
        .ask("How long does standard delivery take?")
        .await
        .events();
    let (_, done) = events.last().expect("an end");
    assert_eq!(done["content"], "Two days.");
    let suggestions = json!(["What does delivery cost?", "Can I rent a tent?"]);
    assert_eq!(done["suggestions"], suggestions);
    assert_eq!(
        provider.request_count(),
        1,
        "they cost no call of their own"
    );
    let prompt = provider.requests()[0].conversation().remove(0);
    assert!(prompt.contains("[next]"), "{prompt}");
    let messages = page.messages().await;
    assert_eq!(messages["data"][1]["suggestions"], suggestions);
    let off = json!({"settings": {"answering": {"followUps": false}}});
    bot.client.patch(&bot.path(""), off).await.expect(200);
    page.ask("How long does standard delivery take?").await;
    let prompt = provider
        .requests()
        .pop()
        .expect("a request")
        .conversation()
        .remove(0);
    assert!(!prompt.contains("[next]"), "{prompt}");
}

async fn a_turn_that_takes_too_long_is_ended(stage: Stage) {
    let provider = MockProvider::start().await;
    let app = with(&provider, stage, &[("OKRA_MAX_TURN_SECONDS", "5")]).await;
    let bot = shop(&app, json!({})).await;
    provider.reply(Script::HangAfter {
        text: "Two da".to_owned(),
    });
    let events = bot
        .stream(said("How long does standard delivery take?"))
        .await
        .events();
    let (name, last) = events.last().expect("an end");
    assert_eq!(
        (name.as_str(), &last["code"]),
        ("error", &json!("turn_timeout"))
    );
    assert!(text(&last["error"]).contains("5 seconds"), "{last}");
    provider.wait_for_disconnects(1).await;
    let messages = bot.messages(&events[0].1["session_id"]).await;
    assert_eq!(messages[1]["content"], "Two da");
    assert_eq!(messages[1]["metadata"]["ended"], "failed");
    assert_eq!(messages[1]["metadata"]["outcome"], "failed");
}

async fn an_answer_is_as_long_as_its_chatbot_allows(stage: Stage) {
    let provider = MockProvider::start().await;
    let app = with(&provider, stage, &[("OKRA_MAX_ANSWER_TOKENS", "300")]).await;
    let bot = shop(&app, json!({"maxTokens": 200})).await;
    let asked = async || {
        bot.ask("How long does standard delivery take?").await;
        let body = provider.requests().pop().expect("a request").body;
        let limit = body["max_tokens"].as_u64();
        limit.or(body["max_completion_tokens"].as_u64())
    };
    assert_eq!(asked().await, Some(200));
    let more = json!({"settings": {"answering": {"maxTokens": 4_000}}});
    bot.client.patch(&bot.path(""), more).await.expect(200);
    assert_eq!(
        asked().await,
        Some(300),
        "the server's limit is never exceeded"
    );
}

async fn settings_of_answering_are_checked_and_absent_by_default(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    assert_eq!(bot.show().await["settings"].get("answering"), None);
    for (answering, field) in [
        (json!({"maxTokens": 0}), "settings.answering.maxTokens"),
        (
            json!({"linkHosts": ["https://a.example"]}),
            "settings.answering.linkHosts[0]",
        ),
        (
            json!({"knowledgeOnly": "yes"}),
            "settings.answering.knowledgeOnly",
        ),
    ] {
        let change = json!({"settings": {"answering": answering}});
        let refused = bot.client.patch(&bot.path(""), change).await;
        refused.refused(400, "invalid_request", field);
    }
    let change = json!({"settings": {"answering": {"knowledgeOnly": true, "verbatim": false}}});
    bot.client.patch(&bot.path(""), change).await.expect(200);
    let shown = bot.show().await["settings"]["answering"].clone();
    let expected =
        json!({"knowledgeOnly": true, "verbatim": false, "followUps": false, "linkHosts": []});
    assert_eq!(shown, expected);
}

async fn what_a_conversation_outgrows_is_summed_up_once(stage: Stage) {
    let provider = MockProvider::start().await;
    let app = with(&provider, stage, &[]).await;
    let bot = shop(&app, json!({})).await;
    let ask = async |number: usize| {
        let mut body = said(&format!(
            "How long does standard delivery of parcel number {number} take?"
        ));
        body["sessionToken"] = json!("one");
        bot.chat(body).await.expect(200)
    };
    for number in 1..=10 {
        ask(number).await;
    }
    assert_eq!(provider.request_count(), 10, "twenty messages have room");
    provider.reply(Script::text("Echo."));
    provider.reply(Script::text("The visitor asked of ten parcels."));
    ask(11).await;
    provider.wait_for_requests(12).await;
    let summing = provider.requests()[11].conversation();
    assert!(summing[0].contains("Sum up a conversation"), "{summing:?}");
    assert!(
        summing[1].contains("parcel number 1 take") && !summing[1].contains("parcel number 11"),
        "{summing:?}"
    );
    // It is kept a moment after it was answered; a turn that comes before may have it summed up once more.
    provider.reply_by_default(Script::text("The visitor asked of ten parcels."));
    let mut number = 12;
    let prompt = loop {
        ask(number).await;
        let prompt = provider.requests().pop().expect("a request").conversation();
        if prompt[0].contains("The visitor asked of ten parcels.") {
            break prompt;
        }
        assert!(number < 15, "the summary never came: {prompt:?}");
        number += 1;
    };
    assert!(
        !prompt
            .iter()
            .any(|said| said.contains("parcel number 1 take")),
        "what it covers is not said twice"
    );
    assert!(
        prompt
            .iter()
            .any(|said| said.contains("parcel number 11 take"))
    );
    let before = provider.request_count();
    ask(20).await;
    ask(21).await;
    assert_eq!(
        provider.request_count(),
        before + 2,
        "no turn is summed up anew"
    );
}
