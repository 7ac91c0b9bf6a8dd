//! `okra ask`: one question on the command line.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use okra_domain::session::parse_message;
use okra_engine::Engine;
use okra_engine::chat::{TurnEvent, TurnRequest, used_sources};
use okra_store::sessions::{SessionKey, UserMessage};

/// Runs `okra ask`.
pub async fn run(engine: &Arc<Engine>, chatbot: &str, question: String) -> Result<ExitCode> {
    let chatbot = engine.store().find_chatbot_as_operator(chatbot).await?;
    let request = TurnRequest {
        answer_id: None,
        session: SessionKey::Visitor {
            platform: "cli".to_owned(),
            token: None,
            profile: None,
        },
        message: UserMessage {
            id: None,
            content: parse_message("question", &question)?,
            attachments: None,
        },
        earlier: Vec::new(),
        own_history: false,
        confirms: None,
    };
    let mut turn = engine.begin_turn(&chatbot, request).await?;
    let mut sources = Vec::new();
    while let Some(event) = turn.next().await {
        match event {
            TurnEvent::Sources(given) => sources = given,
            TurnEvent::Delta(text) => {
                super::print(&text)?;
            }
            TurnEvent::ToolCall(call) => {
                super::print(&format!("[{}]\n", call.title))?;
            }
            TurnEvent::ToolResult(_) => {}
            TurnEvent::Done(message) => {
                sources = used_sources(&message, &sources);
                super::print("\n")?;
            }
            TurnEvent::Failed(error) => return Err((*error).into()),
            // Nobody else knows this conversation, so nobody takes it over.
            TurnEvent::HandedOver => {}
        }
    }
    let mut err = std::io::stderr().lock();
    for source in sources {
        let page = source
            .page
            .map_or(String::new(), |page| format!(", page {page}"));
        let (title, chunk) = (&source.title, source.chunk);
        writeln!(
            err,
            "  {title}, chunk {chunk}{page} ({:.2})",
            source.similarity
        )?;
    }
    Ok(ExitCode::SUCCESS)
}
