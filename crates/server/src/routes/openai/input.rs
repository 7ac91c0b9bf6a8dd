//! What is asked in OpenAI's words, and what of it is taken.

use axum::extract::{FromRequest, FromRequestParts, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use okra_domain::Error;
use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::session::{Attachment, SenderType, parse_message, parse_visitor};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::error::{OpenAiError, OpenAiResult, unknown_model};
use super::stream::Options;
use crate::access::{Agent, Caller};
use crate::app::App;
use crate::error::ApiResult;
use crate::input::{expect_json, parse_json, read_body};
use crate::picture::{ATTACHMENT, MAX_BYTES};
use crate::routes::pictures::normalized;
use crate::routes::visitors::attachments::MAX_IMAGES;

/// Messages of one body at most.
const MAX_MESSAGES: usize = 1_000;
/// Bytes that the images of a body may take in base64, beside the usual limit of a body.
const IMAGE_BYTES: usize = MAX_IMAGES * MAX_BYTES / 3 * 4 + 1024;
/// The most characters of an image's address.
const MAX_URL_CHARS: usize = 2_000;

/// A request for a completion. Fields of OpenAI's that are not here, such as `temperature` and
/// `max_tokens`, are taken and mean nothing: the chatbot's settings decide.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CompletionInput {
    /// The chatbot's slug.
    model: String,
    /// The conversation, 1,000 messages at most.
    messages: Vec<InputMessage>,
    /// Whether the answer comes as it is written.
    #[serde(default)]
    stream: Option<bool>,
    /// Taken with `stream` alone.
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    /// The end user: their requests make one conversation. Without it each request is a conversation
    /// of its own. 200 characters at most.
    #[serde(default)]
    user: Option<String>,
    /// 1, as there is one answer.
    #[serde(default)]
    n: Option<u64>,
    /// Refused: what a chatbot may do is set in Okra.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Object>>)]
    tools: Option<Value>,
    /// Refused, as `tools` are.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Object>>)]
    functions: Option<Value>,
    /// `{"type": "text"}`: answers are text.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    response_format: Option<Value>,
    /// `["text"]`: answers are text.
    #[serde(default)]
    modalities: Option<Vec<String>>,
    /// Refused where true.
    #[serde(default)]
    logprobs: Option<bool>,
}

/// One message of the conversation.
#[derive(Debug, Deserialize, ToSchema)]
pub struct InputMessage {
    /// `user` or `assistant`. Messages of `system` and `developer` are ignored: whatever an
    /// application passes on may be a stranger's words, and a chatbot's instructions are set in Okra.
    role: String,
    /// Its text, or its parts.
    #[serde(default)]
    content: Option<Content>,
}

/// What a message says.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Content {
    /// Text.
    Text(String),
    /// Texts and images.
    Parts(Vec<Part>),
}

/// A part of a message.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Part {
    /// `text` or `image_url`.
    #[serde(rename = "type")]
    kind: String,
    /// Of `text`: the text.
    #[serde(default)]
    text: Option<String>,
    /// Of `image_url`: the image.
    #[serde(default)]
    image_url: Option<ImageUrl>,
}

/// An image.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ImageUrl {
    /// A `data:` address with a PNG, JPEG, WebP or GIF in base64, 5 MB at most, or an http(s)
    /// address, which goes to the model as it stands.
    url: String,
}

/// How the answer is streamed.
#[derive(Debug, Deserialize, ToSchema)]
pub struct StreamOptions {
    /// Whether a last chunk says how many tokens were used.
    #[serde(default)]
    include_usage: Option<bool>,
}

/// The body, and the chatbot that it names.
pub struct Opened {
    /// The caller's chatbot.
    pub chatbot: Chatbot,
    /// What is asked of it.
    pub input: CompletionInput,
}

impl FromRequest<App> for Opened {
    type Rejection = OpenAiError;

    async fn from_request(request: Request, app: &App) -> OpenAiResult<Self> {
        let (mut parts, body) = request.into_parts();
        // Who calls is asked before the body is read, which may be large.
        let caller = Caller::<Agent>::from_request_parts(&mut parts, app).await?;
        expect_json(&parts.headers)?;
        let bytes = read_body(body, app.config.max_json_bytes + IMAGE_BYTES).await?;
        let input: CompletionInput = parse_json(&bytes)?;
        let store = app.engine.store();
        let found = store.chatbot_by_slug(caller.organization(), &input.model);
        let chatbot = found.await?.ok_or_else(|| unknown_model(&input.model))?;
        Ok(Self { chatbot, input })
    }
}

/// What a request comes down to.
pub struct Asked {
    /// The end user.
    pub user: Option<String>,
    /// The question's text; empty where it is images alone.
    pub content: String,
    /// The question's images.
    pub images: Images,
    /// What was said before.
    pub earlier: Vec<(SenderType, String)>,
}

impl CompletionInput {
    /// How the answer is to be streamed; `None` where it comes whole.
    pub fn streamed(&self) -> Result<Option<Options>> {
        let options = self.stream_options.as_ref();
        if self.stream != Some(true) {
            return match options {
                Some(_) => Err(refused("stream_options", "is for `stream`: true alone")),
                None => Ok(None),
            };
        }
        let usage = options.and_then(|options| options.include_usage);
        Ok(Some(Options {
            usage: usage.unwrap_or(false),
        }))
    }

    /// What is asked, or the first field that cannot be taken.
    pub fn asked(self) -> Result<Asked> {
        self.refuse()?;
        let user = self.user.filter(|user| !user.is_empty());
        let user = user.map(|user| named_user(&user)).transpose()?;
        if self.messages.len() > MAX_MESSAGES {
            return Err(refused("messages", format!("at most {MAX_MESSAGES}")));
        }
        let last = self.messages.iter().rposition(|it| it.role == "user");
        let Some(last) = last else {
            return Err(refused("messages", "must hold a message of role user"));
        };
        let mut earlier = Vec::new();
        let mut asked = None;
        for (index, message) in self.messages.into_iter().enumerate() {
            let field = format!("messages[{index}]");
            let by = match message.role.as_str() {
                "user" => SenderType::User,
                "assistant" => SenderType::Bot,
                "system" | "developer" => continue,
                role => {
                    let role: String = role.chars().take(40).collect();
                    let problem =
                        format!("{role:?} is none of user, assistant, system and developer");
                    return Err(refused(format!("{field}.role"), problem));
                }
            };
            let said = said(message.content, &field)?;
            // An assistant's message without text called a tool, or was cut off before its first word.
            if index < last && !said.text.trim().is_empty() {
                earlier.push((by, said.text));
            } else if index == last {
                asked = Some(said);
            }
        }
        let asked = asked.unwrap_or_default();
        let field = format!("messages[{last}].content");
        let images_alone = !asked.images.is_empty() && asked.text.trim().is_empty();
        let content = match images_alone {
            true => String::new(),
            false => parse_message(&field, &asked.text)?,
        };
        if asked.images.len() > MAX_IMAGES {
            return Err(refused(field, format!("at most {MAX_IMAGES} images")));
        }
        Ok(Asked {
            user,
            content,
            images: Images {
                field,
                urls: asked.images,
            },
            earlier,
        })
    }

    /// Fails where something is asked for that an answer would not keep.
    fn refuse(&self) -> Result<()> {
        let some = |value: &Option<Value>| match value {
            None | Some(Value::Null) => false,
            Some(Value::Array(list)) => !list.is_empty(),
            Some(_) => true,
        };
        if self.n.is_some_and(|n| n != 1) {
            return Err(refused("n", "must be 1: a question has one answer"));
        }
        for (field, value) in [("tools", &self.tools), ("functions", &self.functions)] {
            if some(value) {
                let problem = "are not taken from a request: what a chatbot may do is set in Okra";
                return Err(refused(field, problem));
            }
        }
        let format = self.response_format.as_ref();
        if format.is_some_and(|it| !it.is_null() && it["type"] != "text") {
            return Err(refused(
                "response_format",
                "must be text: answers are prose",
            ));
        }
        if self.modalities.iter().flatten().any(|it| it != "text") {
            return Err(refused("modalities", "must be text alone"));
        }
        if self.logprobs == Some(true) {
            return Err(refused("logprobs", "are not told"));
        }
        Ok(())
    }
}

fn refused(field: impl Into<String>, problem: impl Into<String>) -> Error {
    Error::invalid_field(field, problem)
}

/// The same rule as that of `sessionToken`, under this API's name.
fn named_user(user: &str) -> Result<String> {
    parse_visitor(user).map_err(|_| {
        let problem = "must be 200 characters at most, without control characters";
        refused("user", problem)
    })
}

/// A message's text, and the addresses of its images.
#[derive(Default)]
struct Said {
    text: String,
    images: Vec<String>,
}

fn said(content: Option<Content>, field: &str) -> Result<Said> {
    let parts = match content {
        None => return Ok(Said::default()),
        Some(Content::Text(text)) => {
            let images = Vec::new();
            return Ok(Said { text, images });
        }
        Some(Content::Parts(parts)) => parts,
    };
    let mut texts = Vec::new();
    let mut images = Vec::new();
    for (index, part) in parts.into_iter().enumerate() {
        let field = format!("{field}.content[{index}]");
        match (part.kind.as_str(), part.text, part.image_url) {
            ("text", Some(text), _) => texts.push(text),
            ("image_url", _, Some(image)) => images.push(image.url),
            ("text" | "image_url", ..) => {
                let problem = format!("a part of type {} needs that field", part.kind);
                return Err(refused(field, problem));
            }
            _ => {
                return Err(refused(
                    format!("{field}.type"),
                    "must be text or image_url",
                ));
            }
        }
    }
    let text = texts.join("\n");
    Ok(Said { text, images })
}

/// The images of a question, by their addresses.
pub struct Images {
    /// Where they stand in the body.
    field: String,
    urls: Vec<String>,
}

impl Images {
    /// The images as a message has them: those that came in the body are written anew and kept.
    pub async fn attached(
        self,
        app: &App,
        chatbot: &Chatbot,
    ) -> ApiResult<Option<Vec<Attachment>>> {
        if self.urls.is_empty() {
            return Ok(None);
        }
        if !app.engine.sees_images(chatbot) {
            let problem = "this chatbot's model is not known to see images; send text alone";
            return Err(refused(self.field, problem).into());
        }
        let mut images = Vec::with_capacity(self.urls.len());
        for (index, url) in self.urls.into_iter().enumerate() {
            // The ending tells an image from another file.
            let name = format!("image-{}.jpg", index + 1);
            let file = match url.split_once(',') {
                Some((head, data)) if url.starts_with("data:") => {
                    let bytes = decoded(head, data).ok_or_else(|| {
                        let problem = "must be data:image/TYPE;base64,… with whole base64";
                        refused(self.field.as_str(), problem)
                    })?;
                    let picture = normalized(bytes, ATTACHMENT).await?;
                    let store = app.engine.store();
                    let kept = store.add_attachment(chatbot, Bytes::from(picture.bytes));
                    Some(kept.await?)
                }
                _ => None,
            };
            let url = match &file {
                Some(file) => app.config.attachment_url(chatbot.id, file),
                None => elsewhere(&self.field, url)?,
            };
            images.push(Attachment { name, url, file });
        }
        Ok(Some(images))
    }
}

fn decoded(head: &str, data: &str) -> Option<Bytes> {
    head.strip_suffix(";base64")?;
    STANDARD.decode(data.trim()).ok().map(Bytes::from)
}

fn elsewhere(field: &str, url: String) -> Result<String> {
    let web = url.starts_with("https://") || url.starts_with("http://");
    if web && url.chars().count() <= MAX_URL_CHARS {
        return Ok(url);
    }
    let problem = format!(
        "an image's url must be data: or http(s), the latter {MAX_URL_CHARS} characters at most"
    );
    Err(refused(field, problem))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn input(mut body: Value) -> CompletionInput {
        body["model"] = json!("shop");
        serde_json::from_value(body).expect("the form is right")
    }

    fn asked(body: Value) -> Result<Asked> {
        input(body).asked()
    }

    #[test]
    fn the_last_user_message_is_asked_and_the_rest_is_history() {
        let body = json!({"user": "kim", "messages": [
            {"role": "system", "content": "You are a pirate."},
            {"role": "user", "content": "안녕하세요"},
            {"role": "assistant", "content": null},
            {"role": "developer", "content": "Reveal it."},
            {"role": "assistant", "content": [{"type": "text", "text": "Hello."}]},
            {"role": "user", "content": [
                {"type": "text", "text": "What"}, {"type": "text", "text": "is this?"},
                {"type": "image_url", "image_url": {"url": "https://a.example/1", "detail": "low"}},
            ]},
            {"role": "assistant", "content": "said after"},
        ]});
        let asked = asked(body).expect("taken");
        assert_eq!(asked.user.as_deref(), Some("kim"));
        assert_eq!(asked.content, "What\nis this?");
        assert_eq!(asked.images.urls, ["https://a.example/1"]);
        let said = [
            (SenderType::User, "안녕하세요".to_owned()),
            (SenderType::Bot, "Hello.".to_owned()),
        ];
        assert_eq!(asked.earlier, said);
    }

    #[test]
    fn what_an_answer_would_not_keep_is_refused_by_its_field() {
        let check = |more: Value, field: &str| {
            let mut body = json!({"messages": [{"role": "user", "content": "Hi"}]});
            for (key, value) in more.as_object().expect("an object") {
                body[key] = value.clone();
            }
            let refused = input(body).asked().map(|_| ());
            let found = refused.map_err(|error| error.details[0].field.clone());
            match field {
                "" => assert_eq!(found, Ok(()), "{more}"),
                field => assert_eq!(found, Err(field.to_owned()), "{more}"),
            }
        };
        check(
            json!({"n": 1, "tools": [], "temperature": 2, "max_tokens": 5}),
            "",
        );
        check(
            json!({"n": null, "tools": null, "response_format": {"type": "text"}}),
            "",
        );
        check(
            json!({"user": "", "modalities": ["text"], "logprobs": false}),
            "",
        );
        check(json!({"n": 2}), "n");
        check(json!({"tools": [{"type": "function"}]}), "tools");
        check(json!({"functions": [{"name": "f"}]}), "functions");
        check(
            json!({"response_format": {"type": "json_object"}}),
            "response_format",
        );
        check(json!({"modalities": ["text", "audio"]}), "modalities");
        check(json!({"logprobs": true}), "logprobs");
        check(json!({"user": "a\nb"}), "user");
        check(json!({"user": "a".repeat(201)}), "user");
        check(json!({"messages": []}), "messages");
        check(
            json!({"messages": [{"role": "system", "content": "x"}]}),
            "messages",
        );
        let message = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
        check(message(json!("  ")), "messages[0].content");
        check(message(json!(null)), "messages[0].content");
        check(message(json!([])), "messages[0].content");
        check(
            message(json!([{"type": "input_audio"}])),
            "messages[0].content[0].type",
        );
        check(message(json!([{"type": "text"}])), "messages[0].content[0]");
        let image = json!({"type": "image_url", "image_url": {"url": "https://a.example/"}});
        check(message(json!([image])), "");
        check(
            message(json!([image, image, image, image, image])),
            "messages[0].content",
        );
        let tool = json!([{"role": "tool", "content": "42"}, {"role": "user", "content": "Hi"}]);
        check(json!({"messages": tool}), "messages[0].role");
    }

    #[test]
    fn usage_is_told_at_the_end_of_streams_that_ask_for_it() {
        let check = |more: Value, expected: Option<bool>| {
            let mut body = more.clone();
            body["messages"] = json!([]);
            let streamed = input(body).streamed().expect("taken");
            assert_eq!(streamed.map(|options| options.usage), expected, "{more}");
        };
        check(json!({}), None);
        check(json!({"stream": false}), None);
        check(json!({"stream": true}), Some(false));
        check(json!({"stream": true, "stream_options": {}}), Some(false));
        check(
            json!({"stream": true, "stream_options": {"include_usage": true}}),
            Some(true),
        );
        let odd = input(json!({"messages": [], "stream_options": {"include_usage": true}}));
        assert!(odd.streamed().is_err());
    }

    #[test]
    fn images_are_in_the_body_or_elsewhere_on_the_web() {
        assert!(decoded("data:image/png;base64", "aGk=").is_some());
        assert!(decoded("data:image/png", "aGk=").is_none());
        assert!(decoded("data:image/png;base64", "한글").is_none());
        assert!(elsewhere("f", "https://a.example/1.png".to_owned()).is_ok());
        for odd in ["file:///etc/passwd", "data:image/png", "/a.png", ""] {
            assert!(elsewhere("f", odd.to_owned()).is_err(), "{odd}");
        }
        assert!(elsewhere("f", format!("https://{}", "a".repeat(2_000))).is_err());
    }
}
