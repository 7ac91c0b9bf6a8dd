//! Tools: what a model may call, and its calls.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value};

use crate::error::{ProviderError, ProviderErrorKind};

/// Calls of one answer at most; a model that makes more is out of its mind.
const MOST_CALLS: usize = 128;

/// What the ids of calls begin with that the provider gave none.
pub(super) const MADE_ID: &str = "okra_call_";

/// Something that a model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// Its name: letters, digits, `_` and `-`, at most 64, which every provider takes.
    pub name: String,
    /// What it does and when it is of use, for the model.
    pub description: String,
    /// Its arguments, as a JSON Schema of an object.
    pub parameters: Value,
}

/// Whether a model may call tools, or must.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// As it sees fit.
    #[default]
    Auto,
    /// It may not, though it is told of them.
    None,
    /// It must call one at least.
    Required,
    /// It must call this one.
    Named(String),
}

/// A tool that the model called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall {
    /// Tells the answer's calls apart; made here where the provider gives none.
    pub id: String,
    /// The name of the tool, which need not exist.
    pub name: String,
    /// The arguments as the model wrote them, which need not be JSON; see [`ToolCall::arguments_for`].
    pub arguments: String,
    /// What the provider wants to see again with the call, word for word (Gemini's thought
    /// signature).
    pub signature: Option<String>,
}

/// Why a call cannot be made, in words that the model can mend it by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ToolFault {
    /// No tool has this name.
    #[error("There is no tool named {name:?}. {known}")]
    Unknown {
        /// The name that was called.
        name: String,
        /// A sentence that lists those there are.
        known: String,
    },
    /// The arguments are not what they should be.
    #[error("The arguments of {name} are not a JSON object: {problem}. Call it again with one.")]
    Malformed {
        /// The tool.
        name: String,
        /// What is wrong with them.
        problem: String,
    },
}

impl ToolCall {
    /// The arguments, where one of `tools` is called with a JSON object; else what to give back to
    /// the model as the call's result. Whether they suit the tool's schema is for the tool to say.
    pub fn arguments_for(&self, tools: &[Tool]) -> Result<Map<String, Value>, ToolFault> {
        if !tools.iter().any(|tool| tool.name == self.name) {
            let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
            return Err(ToolFault::Unknown {
                name: self.name.clone(),
                known: match names.is_empty() {
                    true => "There are no tools.".to_owned(),
                    false => format!("There are: {}.", names.join(", ")),
                },
            });
        }
        self.object().map_err(|problem| ToolFault::Malformed {
            name: self.name.clone(),
            problem,
        })
    }

    /// The arguments as they are sent back with the conversation: where they are no object, none.
    /// Some providers refuse a conversation that holds broken ones, and the result says what was
    /// wrong.
    pub(super) fn sent_back(&self) -> Map<String, Value> {
        self.object().unwrap_or_default()
    }

    fn object(&self) -> Result<Map<String, Value>, String> {
        // A tool without parameters is called with nothing at all by some models.
        if self.arguments.trim().is_empty() {
            return Ok(Map::new());
        }
        serde_json::from_str(&self.arguments).map_err(|error| error.to_string())
    }
}

/// A piece of a call.
#[derive(Debug, Default)]
pub(super) struct CallPiece {
    /// Which of the answer's calls it belongs to; `None` for one that is whole in itself.
    pub index: Option<usize>,
    pub id: Option<String>,
    pub name: Option<String>,
    /// More of the arguments.
    pub arguments: String,
    pub signature: Option<String>,
}

/// The calls of an answer, as they are put together.
#[derive(Debug, Default)]
pub(super) struct Calls {
    calls: Vec<Gathered>,
}

#[derive(Debug)]
struct Gathered {
    index: Option<usize>,
    call: ToolCall,
}

impl Calls {
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    pub fn push(&mut self, piece: CallPiece) -> Result<(), ProviderError> {
        let id = piece.id.filter(|id| !id.is_empty());
        let name = piece.name.filter(|name| !name.is_empty());
        let same = |gathered: &&mut Gathered| {
            // Servers are known to count all calls as the first; a new id tells.
            let another = id.as_ref().is_some_and(|id| *id != gathered.call.id);
            gathered.index == piece.index && !(another && name.is_some())
        };
        let begun = self.calls.iter_mut().rev().find(same);
        if let (Some(gathered), Some(_)) = (begun, piece.index) {
            let call = &mut gathered.call;
            call.arguments.push_str(&piece.arguments);
            call.signature = piece.signature.or(call.signature.take());
            return Ok(());
        }
        let Some(name) = name else {
            let message = "The model provider sent a tool call without the tool's name.";
            return Err(ProviderError::new(ProviderErrorKind::Malformed, message));
        };
        if self.calls.len() == MOST_CALLS {
            let message = format!("The model called more than {MOST_CALLS} tools at once.");
            return Err(ProviderError::new(ProviderErrorKind::Malformed, message));
        }
        let id = id.unwrap_or_else(made_id);
        self.calls.push(Gathered {
            index: piece.index,
            call: ToolCall {
                id,
                name,
                arguments: piece.arguments,
                signature: piece.signature,
            },
        });
        Ok(())
    }

    /// The calls, in the order in which they began.
    pub fn take(&mut self) -> impl Iterator<Item = ToolCall> + use<> {
        let calls = std::mem::take(&mut self.calls);
        calls.into_iter().map(|gathered| gathered.call)
    }
}

/// An id unlike any other that this process made: a conversation has many answers.
fn made_id() -> String {
    static MADE: AtomicU64 = AtomicU64::new(0);
    format!("{MADE_ID}{}", MADE.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call(name: &str, arguments: &str) -> ToolCall {
        ToolCall {
            id: "1".to_owned(),
            name: name.to_owned(),
            arguments: arguments.to_owned(),
            signature: None,
        }
    }

    #[test]
    fn a_call_that_cannot_be_made_says_why() {
        let tools = ["search", "order"].map(|name| Tool {
            name: name.to_owned(),
            description: String::new(),
            parameters: json!({"type": "object"}),
        });
        let words = |name, arguments| {
            let fault = call(name, arguments).arguments_for(&tools);
            fault.expect_err("a fault").to_string()
        };
        assert_eq!(
            words("serach", "{}"),
            "There is no tool named \"serach\". There are: search, order."
        );
        assert!(words("search", "{\"q\": ").contains("not a JSON object: EOF"));
        assert!(words("search", "[1]").contains("not a JSON object"));
        assert_eq!(call("search", "[1").sent_back(), Map::new());
        for empty in ["", " ", "{}"] {
            assert_eq!(call("order", empty).arguments_for(&tools), Ok(Map::new()));
        }
        assert!(call("order", "").arguments_for(&[]).is_err());
    }

    #[test]
    fn pieces_are_put_together_whatever_they_are_counted_by() {
        let piece = |index, id: Option<&str>, name: Option<&str>, arguments: &str| CallPiece {
            index,
            id: id.map(str::to_owned),
            name: name.map(str::to_owned),
            arguments: arguments.to_owned(),
            signature: None,
        };
        let mut calls = Calls::default();
        for piece in [
            piece(Some(0), Some("a"), Some("search"), ""),
            piece(Some(1), Some("b"), Some("order"), "{\"n\""),
            piece(Some(0), None, None, "{\"q\":"),
            piece(Some(1), Some("b"), None, ":1}"),
            piece(Some(0), Some(""), Some(""), "1}"),
            // A server that counts every call as the first.
            piece(Some(0), Some("c"), Some("search"), "{}"),
            piece(None, None, Some("order"), "{}"),
        ] {
            calls.push(piece).expect("a piece of a call");
        }
        let mut found: Vec<_> = calls
            .take()
            .map(|call| (call.id, call.name, call.arguments))
            .collect();
        let made = found.pop().expect("four calls");
        assert!(made.0.starts_with(MADE_ID) && made.1 == "order", "{made:?}");
        let expected = [
            ("a", "search", "{\"q\":1}"),
            ("b", "order", "{\"n\":1}"),
            ("c", "search", "{}"),
        ];
        let expected = expected
            .map(|(id, name, arguments)| (id.to_owned(), name.to_owned(), arguments.to_owned()));
        assert_eq!(found, expected);
        assert!(calls.push(piece(Some(9), None, None, "{}")).is_err());
        for _ in 0..MOST_CALLS {
            calls
                .push(piece(None, None, Some("search"), ""))
                .expect("few enough");
        }
        assert!(calls.push(piece(None, None, Some("search"), "")).is_err());
    }
}
