//! Each provider's API: what it is sent, and what is read of its answers, good and bad.

mod faults;

use std::time::Duration;

use bytes::Bytes;
use okra_ai::chat::{
    ChatMessage, ChatModel, ChatModelConfig, ChatRequest, Finish, Image, Patience, Role, Tool,
    ToolChoice, Usage, Wire,
};
use okra_ai::error::ProviderErrorKind;
use okra_domain::Secret;
use okra_testkit::provider::{MockProvider, RecordedRequest, Script};
use serde_json::{Value, json};

use crate::{ANSWER, gathered, question};

const WIRES: [Wire; 4] = [Wire::OpenAi, Wire::Azure, Wire::Anthropic, Wire::Gemini];

/// A provider and a model that speaks `wire` to it. A bare address gets the wire's path.
async fn speaking(wire: Wire) -> (MockProvider, ChatModel) {
    speaking_within(wire, Patience::default()).await
}

async fn speaking_within(wire: Wire, patience: Patience) -> (MockProvider, ChatModel) {
    let provider = MockProvider::start().await;
    let model = ChatModel::new(ChatModelConfig {
        wire,
        patience,
        retry_pause: Duration::ZERO,
        ..ChatModelConfig::new(format!("http://{}", provider.address()))
            .with_key(Secret::new("operator-key"))
    });
    (provider, model.unwrap())
}

/// The question to a model with a name that every path takes, with two tools.
fn request() -> ChatRequest {
    ChatRequest {
        model: "model-1".to_owned(),
        tools: tools(),
        ..question()
    }
}

fn tools() -> Vec<Tool> {
    let parameters = json!({"type": "object", "properties": {"order": {"type": "integer"}}});
    let tool = |name: &str| Tool {
        name: name.to_owned(),
        description: format!("Does {name}."),
        parameters: parameters.clone(),
    };
    vec![tool("find_order"), tool("cancel_order")]
}

fn only_request(provider: &MockProvider) -> RecordedRequest {
    let mut requests = provider.requests();
    assert_eq!(requests.len(), 1);
    requests.remove(0)
}

#[tokio::test]
async fn every_wire_answers_whole_and_streamed() {
    let paths = [
        ["/v1/chat/completions"; 2],
        ["/openai/deployments/model-1/chat/completions?api-version=2024-10-21"; 2],
        ["/v1/messages"; 2],
        [
            "/v1beta/models/model-1:streamGenerateContent?alt=sse",
            "/v1beta/models/model-1:generateContent",
        ],
    ];
    for (wire, paths) in WIRES.into_iter().zip(paths) {
        let (provider, model) = speaking(wire).await;
        provider.reply_by_default(Script::Text {
            text: ANSWER.to_owned(),
            deltas: 5,
        });
        let answers = [
            gathered(&model, request()).await.unwrap(),
            model.complete(request()).await.unwrap(),
        ];
        for answer in answers {
            assert_eq!(answer.text, ANSWER, "{wire:?}");
            assert_eq!(answer.finish, Finish::Stop, "{wire:?}");
            assert_eq!(answer.model.as_deref(), Some("model-1"), "{wire:?}");
            let usage = Usage {
                input_tokens: 9,
                output_tokens: 8,
            };
            assert_eq!(answer.usage, usage, "{wire:?}");
        }
        for (request, path) in provider.requests().iter().zip(paths) {
            assert_eq!(request.path, path);
            assert_eq!(request.key(), Some("operator-key"), "{wire:?}");
        }
    }
}

#[tokio::test]
async fn a_models_name_cannot_lead_out_of_its_path() {
    for wire in [Wire::Azure, Wire::Gemini] {
        let (provider, model) = speaking(wire).await;
        for name in ["../../v1/models?x=", "a/../b", "a?b#c"] {
            let named = ChatRequest {
                model: name.to_owned(),
                ..request()
            };
            // What it is answered is the provider's business; where it was sent is ours.
            let _ = model.complete(named).await;
        }
        for request in provider.requests() {
            let path = request.path.split('?').next().unwrap();
            assert!(!path.contains("..") || path.contains("%2F"), "{path}");
            assert!(path.starts_with("/openai/deploy") || path.starts_with("/v1beta/models/"));
        }
        let dots = ChatRequest {
            model: "..".to_owned(),
            ..request()
        };
        if wire == Wire::Azure {
            let error = model.complete(dots).await.unwrap_err();
            assert_eq!(error.kind, ProviderErrorKind::NotConfigured);
        }
    }
}

#[tokio::test]
async fn calls_are_put_together_on_every_wire() {
    let long = json!({"order": 42, "note": "빨리 🙂".repeat(50)}).to_string();
    for wire in WIRES {
        let (provider, model) = speaking(wire).await;
        provider.reply_by_default(Script::Calls {
            text: "One moment.".to_owned(),
            calls: vec![
                ("find_order".to_owned(), long.clone()),
                ("cancel_order".to_owned(), "{}".to_owned()),
            ],
        });
        let answers = [
            gathered(&model, request()).await.unwrap(),
            model.complete(request()).await.unwrap(),
        ];
        for answer in answers {
            assert_eq!(answer.text, "One moment.", "{wire:?}");
            assert_eq!(answer.finish, Finish::ToolCalls, "{wire:?}");
            let names: Vec<&str> = answer
                .tool_calls
                .iter()
                .map(|it| it.name.as_str())
                .collect();
            assert_eq!(names, ["find_order", "cancel_order"], "{wire:?}");
            let arguments = answer.tool_calls[0].arguments_for(&tools()).unwrap();
            assert_eq!(
                Value::Object(arguments),
                serde_json::from_str::<Value>(&long).unwrap()
            );
            assert_ne!(answer.tool_calls[0].id, answer.tool_calls[1].id, "{wire:?}");
            let signature = answer.tool_calls[0].signature.as_deref();
            assert_eq!(
                signature,
                (wire == Wire::Gemini).then_some("c2ln"),
                "{wire:?}"
            );
        }
    }
}

#[tokio::test]
async fn calls_that_cannot_be_made_are_kept_with_what_is_wrong_with_them() {
    for wire in WIRES {
        let (provider, model) = speaking(wire).await;
        provider.reply(Script::Calls {
            text: String::new(),
            calls: vec![
                ("find_order".to_owned(), "{\"order\": 4".to_owned()),
                ("fly".to_owned(), "{}".to_owned()),
            ],
        });
        let answer = gathered(&model, request()).await.unwrap();
        assert_eq!(answer.text, "", "{wire:?}");
        let faults: Vec<String> = answer
            .tool_calls
            .iter()
            .map(|call| call.arguments_for(&tools()).unwrap_err().to_string())
            .collect();
        assert!(
            faults[0].contains("not a JSON object"),
            "{wire:?} {faults:?}"
        );
        assert!(
            faults[1].contains("find_order, cancel_order"),
            "{wire:?} {faults:?}"
        );
        // Both can be told to the model, which is asked on with them.
        let mut again = request();
        let mut called = ChatMessage::new(Role::Assistant, "");
        called.tool_calls = answer.tool_calls.clone();
        again.messages.push(called);
        for (call, fault) in answer.tool_calls.iter().zip(faults) {
            again.messages.push(ChatMessage::result(call, fault, true));
        }
        provider.reply(Script::text("I can't do that."));
        let answer = gathered(&model, again).await.unwrap();
        assert_eq!(answer.text, "I can't do that.", "{wire:?}");
    }
}

/// A conversation with everything in it: two system messages, an image, calls and their results.
fn conversation() -> ChatRequest {
    let mut shown = ChatMessage::new(Role::User, "Where is this?");
    shown.images = vec![
        Image::Jpeg(Bytes::from_static(b"\xFF\xD8\xFF")),
        Image::Address("https://shop.example/a.png".to_owned()),
    ];
    let call = |id: &str, arguments: &str| okra_ai::chat::ToolCall {
        id: id.to_owned(),
        name: "find_order".to_owned(),
        arguments: arguments.to_owned(),
        signature: Some("c2ln".to_owned()),
    };
    let calls = [
        call("call_a", "{\"order\":1}"),
        call("okra_call_7", "{\"order"),
    ];
    let mut called = ChatMessage::new(Role::Assistant, "");
    called.tool_calls = calls.to_vec();
    ChatRequest {
        messages: vec![
            ChatMessage::new(Role::System, "Be brief."),
            ChatMessage::new(Role::Assistant, "Hello!"),
            shown,
            called,
            ChatMessage::result(&calls[0], "On its way", false),
            ChatMessage::result(&calls[1], "Not JSON", true),
            ChatMessage::new(Role::System, "Be kind."),
        ],
        tool_choice: ToolChoice::Named("find_order".to_owned()),
        max_output_tokens: None,
        ..request()
    }
}

async fn body_sent(wire: Wire) -> Value {
    let (provider, model) = speaking(wire).await;
    provider.reply(Script::text("Here."));
    gathered(&model, conversation()).await.unwrap();
    let request = only_request(&provider);
    if wire == Wire::Anthropic {
        assert_eq!(request.headers["anthropic-version"], "2023-06-01");
    }
    request.body
}

#[tokio::test]
async fn openai_is_sent_the_conversation_in_its_words() {
    let body = body_sent(Wire::OpenAi).await;
    assert_eq!(body, body_sent(Wire::Azure).await);
    let messages = body["messages"].as_array().unwrap();
    let roles: Vec<&str> = messages
        .iter()
        .filter_map(|it| it["role"].as_str())
        .collect();
    let expected = [
        "system",
        "assistant",
        "user",
        "assistant",
        "tool",
        "tool",
        "system",
    ];
    assert_eq!(roles, expected);
    assert_eq!(
        messages[2]["content"][1]["image_url"]["url"],
        "data:image/jpeg;base64,/9j/"
    );
    let function = |arguments: &str| json!({"name": "find_order", "arguments": arguments});
    let calls = json!([
        {"id": "call_a", "type": "function", "function": function("{\"order\":1}")},
        {"id": "okra_call_7", "type": "function", "function": function("{}")},
    ]);
    assert_eq!(messages[3]["tool_calls"], calls);
    let result = json!({"role": "tool", "content": "On its way", "tool_call_id": "call_a"});
    assert_eq!(messages[4], result);
    assert!(messages[1].get("tool_calls").is_none() && messages[1].get("tool_call_id").is_none());
    let tool = &body["tools"][0];
    assert_eq!(
        (&tool["type"], &tool["function"]["name"]),
        (&json!("function"), &json!("find_order"))
    );
    assert_eq!(tool["function"]["parameters"]["type"], "object");
    let choice = json!({"type": "function", "function": {"name": "find_order"}});
    assert_eq!(body["tool_choice"], choice);
}

#[tokio::test]
async fn anthropic_is_sent_the_conversation_in_its_words() {
    let body = body_sent(Wire::Anthropic).await;
    let text = |text: &str| json!({"type": "text", "text": text});
    let call = |id: &str, input: Value| json!({"type": "tool_use", "id": id, "name": "find_order", "input": input});
    let result = |id: &str, content: &str, failed: bool| json!({"type": "tool_result", "tool_use_id": id, "content": content, "is_error": failed});
    let shown = json!([
        {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "/9j/"}},
        {"type": "image", "source": {"type": "url", "url": "https://shop.example/a.png"}},
        text("Where is this?"),
    ]);
    let messages = json!([
        {"role": "user", "content": [text("(The beginning of the conversation is left out.)")]},
        {"role": "assistant", "content": [text("Hello!")]},
        {"role": "user", "content": shown},
        {"role": "assistant", "content":
            [call("call_a", json!({"order": 1})), call("okra_call_7", json!({}))]},
        {"role": "user", "content":
            [result("call_a", "On its way", false), result("okra_call_7", "Not JSON", true)]},
    ]);
    assert_eq!(body["messages"], messages);
    assert_eq!(body["system"], "Be brief.\n\nBe kind.");
    assert_eq!(body["max_tokens"], 4096);
    assert_eq!(body["temperature"], 0.5);
    assert_eq!(body["stream"], true);
    assert_eq!(body["tools"][1]["name"], "cancel_order");
    assert_eq!(body["tools"][1]["input_schema"]["type"], "object");
    assert_eq!(
        body["tool_choice"],
        json!({"type": "tool", "name": "find_order"})
    );
}

#[tokio::test]
async fn gemini_is_sent_the_conversation_in_its_words() {
    let body = body_sent(Wire::Gemini).await;
    let call = |args: Value| json!({"name": "find_order", "args": args});
    let mut first = call(json!({"order": 1}));
    first["id"] = json!("call_a");
    let shown = json!([
        {"inlineData": {"mimeType": "image/jpeg", "data": "/9j/"}},
        {"fileData": {"fileUri": "https://shop.example/a.png"}},
        {"text": "Where is this?"},
    ]);
    // The second call's id is one that we made, of which Google knows nothing.
    let contents = json!([
        {"role": "model", "parts": [{"text": "Hello!"}]},
        {"role": "user", "parts": shown},
        {"role": "model", "parts": [
            {"functionCall": first, "thoughtSignature": "c2ln"},
            {"functionCall": call(json!({})), "thoughtSignature": "c2ln"},
        ]},
        {"role": "user", "parts": [
            {"functionResponse":
                {"name": "find_order", "id": "call_a", "response": {"output": "On its way"}}},
            {"functionResponse": {"name": "find_order", "response": {"error": "Not JSON"}}},
        ]},
    ]);
    assert_eq!(body["contents"], contents);
    let system = json!({"parts": [{"text": "Be brief."}, {"text": "Be kind."}]});
    assert_eq!(body["systemInstruction"], system);
    assert_eq!(body["generationConfig"], json!({"temperature": 0.5}));
    let declared = &body["tools"][0]["functionDeclarations"][0];
    assert_eq!(declared["parametersJsonSchema"]["type"], "object");
    let choice = json!({"mode": "ANY", "allowedFunctionNames": ["find_order"]});
    assert_eq!(body["toolConfig"], json!({"functionCallingConfig": choice}));
    assert!(body.get("model").is_none() && body.get("stream").is_none());
}

#[tokio::test]
async fn each_choice_of_tools_has_its_word() {
    let words = [
        (ToolChoice::Auto, ["auto", "auto", "AUTO"]),
        (ToolChoice::None, ["none", "none", "NONE"]),
        (ToolChoice::Required, ["required", "any", "ANY"]),
    ];
    for (choice, words) in words {
        let wires = [Wire::OpenAi, Wire::Anthropic, Wire::Gemini];
        for (wire, word) in wires.into_iter().zip(words) {
            let (provider, model) = speaking(wire).await;
            let asked = ChatRequest {
                tool_choice: choice.clone(),
                ..request()
            };
            model.complete(asked).await.unwrap();
            let body = only_request(&provider).body;
            let sent = match wire {
                Wire::OpenAi | Wire::Azure => &body["tool_choice"],
                Wire::Anthropic => &body["tool_choice"]["type"],
                Wire::Gemini => &body["toolConfig"]["functionCallingConfig"]["mode"],
            };
            assert_eq!(sent, word, "{wire:?}");
        }
    }
    // Without tools there is nothing to choose.
    for wire in WIRES {
        let (provider, model) = speaking(wire).await;
        let asked = ChatRequest {
            tools: Vec::new(),
            ..request()
        };
        model.complete(asked).await.unwrap();
        let body = only_request(&provider).body;
        for name in ["tools", "tool_choice", "toolConfig"] {
            assert!(body.get(name).is_none(), "{wire:?} {name}");
        }
    }
}

#[tokio::test]
async fn each_wire_lists_its_models() {
    let paths = ["/v1", "/openai", "/v1", "/v1beta"];
    for (wire, path) in WIRES.into_iter().zip(paths) {
        let provider = MockProvider::start().await;
        let address = format!("http://{}{path}", provider.address());
        let model = ChatModel::new(ChatModelConfig {
            wire,
            ..ChatModelConfig::new(address)
        });
        let listed = model.unwrap().models(None, Duration::from_secs(5)).await;
        let expected: &[&str] = match wire {
            // The one that only embeds is left out.
            Wire::Gemini => &["mock-chat"],
            _ => &["mock-chat", "mock-embedding"],
        };
        assert_eq!(listed.unwrap(), expected, "{wire:?}");
    }
}
