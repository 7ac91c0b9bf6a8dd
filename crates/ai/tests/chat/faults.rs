//! Providers that break off, hang, refuse and report errors.

use std::time::Duration;

use okra_ai::chat::{ChatModel, ChatModelConfig, Patience};
use okra_ai::error::{ProviderError, ProviderErrorKind};
use okra_testkit::provider::{ErrorReply, MockProvider, Script};

use crate::{config, model, question, raw, streamed};

/// How an answer of `script` fails, streamed and whole.
async fn failures(script: Script) -> [ProviderError; 2] {
    failures_within(Patience::default(), script).await
}

async fn failures_within(patience: Patience, script: Script) -> [ProviderError; 2] {
    let provider = MockProvider::start().await;
    provider.reply_by_default(script);
    let model = ChatModel::new(ChatModelConfig {
        patience,
        ..config(&provider)
    })
    .unwrap();
    [
        streamed(&model).await.unwrap_err(),
        model.complete(question()).await.unwrap_err(),
    ]
}

#[track_caller]
fn assert_kinds(errors: &[ProviderError], kinds: [ProviderErrorKind; 2]) {
    let found: Vec<_> = errors.iter().map(|error| error.kind).collect();
    assert_eq!(found, kinds, "{errors:?}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_an_error() {
    use ProviderErrorKind::{Connect, Interrupted, Malformed};
    for text in ["So far", ""] {
        let text = text.to_owned();
        let errors = failures(Script::CloseAfter { text: text.clone() }).await;
        assert_kinds(&errors, [Interrupted, Malformed]);
        let errors = failures(Script::ResetAfter { text }).await;
        for error in errors {
            // With no more than a packet of it sent, the head may be lost along with the rest.
            assert!(matches!(error.kind, Interrupted | Connect), "{error:?}");
        }
    }
}

#[tokio::test]
async fn broken_json_is_an_error() {
    let errors = failures(Script::MalformedAfter {
        text: "So far".to_owned(),
    })
    .await;
    assert_kinds(&errors, [ProviderErrorKind::Malformed; 2]);
}

#[tokio::test]
async fn an_empty_answer_is_an_error() {
    assert_kinds(
        &failures(Script::Empty).await,
        [ProviderErrorKind::Empty; 2],
    );
    assert_kinds(
        &failures(Script::text("")).await,
        [ProviderErrorKind::Empty; 2],
    );
}

#[tokio::test]
async fn an_error_within_the_stream_keeps_the_providers_words() {
    for text in ["So far", ""] {
        let errors = failures(Script::ErrorAfter {
            text: text.to_owned(),
            message: "The GPU caught fire; operator-key sk-proj-abcdef123456 is at fault"
                .to_owned(),
        })
        .await;
        assert_kinds(&errors, [ProviderErrorKind::Interrupted; 2]);
        for error in errors {
            assert_eq!(error.message, "The GPU caught fire; … sk-… is at fault");
        }
    }
}

#[tokio::test]
async fn a_provider_that_hangs_is_given_up() {
    let soon = Duration::from_millis(100);
    let before = Patience {
        first_token: soon,
        total: soon * 2,
        ..Patience::default()
    };
    let within = Patience {
        idle: soon,
        ..Patience::default()
    };
    let hang_after = |text: &str| Script::HangAfter {
        text: text.to_owned(),
    };
    for script in [Script::HangBeforeAnswer, hang_after("")] {
        let errors = failures_within(before, script).await;
        assert_kinds(&errors, [ProviderErrorKind::Timeout; 2]);
        assert!(errors[0].message.contains("in time"), "{}", errors[0]);
    }
    let provider = MockProvider::start().await;
    provider.reply(hang_after("So far"));
    let model = ChatModel::new(ChatModelConfig {
        patience: within,
        ..config(&provider)
    });
    let error = streamed(&model.unwrap()).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Timeout);
    assert!(error.message.contains("in the middle"), "{error}");
    provider.wait_for_disconnects(1).await;
}

#[tokio::test]
async fn faults_before_the_first_token_are_tried_once_more() {
    let once = [
        Script::error(500, "Broken"),
        Script::error(503, "Overloaded"),
        Script::error(429, "Slow down"),
        Script::Error(ErrorReply::new(429, "Slow down").with_header("retry-after", "0")),
        raw(
            "text/event-stream",
            "data: {\"error\":{\"message\":\"Busy\",\"code\":503}}\n\n",
        ),
    ];
    for script in once {
        let provider = MockProvider::start().await;
        provider.reply(script.clone());
        let completion = streamed(&model(&provider)).await;
        assert_eq!(
            completion.unwrap().text,
            "How long do refunds take?",
            "{script:?}"
        );
        assert_eq!(provider.request_count(), 2, "{script:?}");
    }
}

#[tokio::test]
async fn other_faults_are_not_tried_again() {
    let after_a_token = Script::ErrorAfter {
        text: "So far".to_owned(),
        message: "Overloaded".to_owned(),
    };
    let patient = Script::Error(ErrorReply::new(429, "Slow").with_header("retry-after", "60"));
    for script in [
        after_a_token,
        patient,
        Script::error(400, "Too long"),
        Script::Empty,
    ] {
        let provider = MockProvider::start().await;
        provider.reply_by_default(script.clone());
        streamed(&model(&provider)).await.unwrap_err();
        assert_eq!(provider.request_count(), 1, "{script:?}");
    }
}

#[tokio::test]
async fn two_faults_in_a_row_are_reported() {
    let provider = MockProvider::start().await;
    provider.reply(Script::error(503, "Overloaded"));
    provider.reply(Script::Error(
        ErrorReply::new(429, "Quota spent").with_header("retry-after", "7"),
    ));
    let error = streamed(&model(&provider)).await.unwrap_err();
    assert_eq!(error.message, "Quota spent");
    assert!(error.retryable());
    let expected = ProviderErrorKind::RateLimited {
        retry_after: Some(Duration::from_secs(7)),
    };
    assert_eq!(error.kind, expected);
    assert_eq!(provider.request_count(), 2);
}
