//! Carries an HTTP action out: the arguments are put where they belong, and the answer's beginning is read.

use okra_domain::tool::action::{Action, Piece, pieces};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};
use url::Url;

use crate::Engine;
use crate::fetch::Call;

/// Bytes of an answer that are read; what is more is left.
const READ: usize = 64 * 1024;

/// What is not a letter or digit is encoded but for what never means anything in an address.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

impl Engine {
    /// Carries out what the action asks for with these arguments; gives what was answered, or why that failed, in
    /// words for the model.
    pub(crate) async fn act(
        &self,
        action: &Action,
        arguments: &Map<String, Value>,
    ) -> Result<String, String> {
        if let Some(fault) = action.fault_of(arguments) {
            return Err(fault);
        }
        // What the operator allows may have changed since it was made.
        self.check_action(action).map_err(|error| {
            error
                .details
                .into_iter()
                .map(|it| it.problem)
                .collect::<String>()
        })?;
        let (url, body) = request(action, arguments)?;
        let headers = action.headers.iter();
        let call = Call {
            method: action.method.as_str(),
            url: &url,
            headers: headers
                .map(|it| (it.name.as_str(), it.value.expose()))
                .collect(),
            body: body.map(|body| Value::Object(body).to_string()),
            read: READ,
        };
        let answered = self
            .parts
            .fetcher
            .call(call)
            .await
            .map_err(|error| error.message)?;
        let mut text = answered.text();
        if answered.cut {
            text.push_str("\n(The answer is longer than 64 KB; the rest was left out.)");
        }
        match answered.status {
            200..300 if text.trim().is_empty() => {
                Ok(format!("Done ({}), with no content.", answered.status))
            }
            200..300 => Ok(text),
            300..400 => Err(format!(
                "The system redirects ({}), which is not followed.",
                answered.status
            )),
            status => Err(format!("The system answered {status}.\n{text}")
                .trim_end()
                .to_owned()),
        }
    }
}

/// Where the request goes, and its body where it has one.
fn request(
    action: &Action,
    arguments: &Map<String, Value>,
) -> Result<(String, Option<Map<String, Value>>), String> {
    let mut filled = String::new();
    let mut placed: Vec<&str> = Vec::new();
    let template = pieces(&action.url).ok_or("The tool's address cannot be read.")?;
    for piece in template {
        match piece {
            Piece::Text(text) => filled.push_str(text),
            Piece::Argument(name) => {
                let text = arguments.get(name).map(plain).unwrap_or_default();
                // A path of dots leads elsewhere, however it is written.
                if text.chars().all(|c| c == '.') {
                    return Err(format!("The argument {name} is needed."));
                }
                filled.extend(utf8_percent_encode(&text, VALUE));
                placed.push(name);
            }
        }
    }
    let mut url =
        Url::parse(&filled).map_err(|_| "The tool's address cannot be read.".to_owned())?;
    if url.origin() != action.origin() {
        return Err("The tool's address leads to another host.".to_owned());
    }
    let rest = arguments
        .iter()
        .filter(|(name, value)| !placed.contains(&name.as_str()) && !value.is_null());
    let mut body = Map::new();
    for (name, value) in rest {
        if action.method.has_body() && !action.query.contains(name) {
            body.insert(name.clone(), value.clone());
            continue;
        }
        let mut pairs = url.query_pairs_mut();
        match value {
            Value::Array(values) => values.iter().for_each(|value| {
                pairs.append_pair(name, &plain(value));
            }),
            value => {
                pairs.append_pair(name, &plain(value));
            }
        }
    }
    let body = action.method.has_body().then_some(body);
    Ok((url.into(), body))
}

/// A value as an address has it.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use okra_domain::Timestamp;
    use okra_domain::tool::action::{ActionInput, Method};
    use serde_json::json;

    use super::*;

    fn asked(
        method: Method,
        url: &str,
        query: &[&str],
        arguments: Value,
    ) -> Result<(String, Option<Value>), String> {
        let names = ["id", "q", "list", "deep"];
        let properties = names.map(|name| (name.to_owned(), json!({})));
        let input = ActionInput {
            title: None,
            description: "x".to_owned(),
            method,
            url: url.to_owned(),
            parameters: Some(json!({"properties": Map::from_iter(properties)})),
            query: query.iter().map(|name| (*name).to_owned()).collect(),
            confirm: None,
            headers: None,
        };
        let action = Action::of("x", input, None, Timestamp(0)).expect("proper");
        let (url, body) = request(&action, arguments.as_object().expect("an object"))?;
        Ok((url, body.map(Value::Object)))
    }

    #[test]
    fn arguments_go_where_they_belong() {
        use Method::{Delete, Get, Post};
        let check =
            |method, url, query: &[&str], arguments, expected: &str, body: Option<Value>| {
                let expected = expected.to_owned();
                assert_eq!(asked(method, url, query, arguments), Ok((expected, body)));
            };
        let url = "https://a.example/o/{id}";
        check(
            Get,
            url,
            &[],
            json!({"id": "7"}),
            "https://a.example/o/7",
            None,
        );
        check(
            Get,
            url,
            &[],
            json!({"id": 7, "q": "a b&c"}),
            "https://a.example/o/7?q=a+b%26c",
            None,
        );
        check(
            Get,
            url,
            &[],
            json!({"id": 7, "list": ["a", 1]}),
            "https://a.example/o/7?list=a&list=1",
            None,
        );
        check(
            Delete,
            url,
            &[],
            json!({"id": 7, "q": null}),
            "https://a.example/o/7",
            None,
        );
        check(
            Post,
            url,
            &["q"],
            json!({"id": 7, "q": "x", "deep": {"a": [1]}}),
            "https://a.example/o/7?q=x",
            Some(json!({"deep": {"a": [1]}})),
        );
        check(
            Post,
            url,
            &[],
            json!({"id": 7}),
            "https://a.example/o/7",
            Some(json!({})),
        );
        check(
            Get,
            "https://a.example/o?key={id}",
            &[],
            json!({"id": "a&b=c", "q": 1}),
            "https://a.example/o?key=a%26b%3Dc&q=1",
            None,
        );
    }

    #[test]
    fn an_argument_leads_nowhere_else() {
        let url = "https://a.example/o/{id}/items";
        for evil in ["", ".", ".."] {
            assert!(
                asked(Method::Get, url, &[], json!({"id": evil})).is_err(),
                "{evil:?}"
            );
        }
        assert!(asked(Method::Get, url, &[], json!({})).is_err());
        for (evil, expected) in [
            ("../admin", "https://a.example/o/..%2Fadmin/items"),
            ("a/b?c#d", "https://a.example/o/a%2Fb%3Fc%23d/items"),
            ("@evil.example", "https://a.example/o/%40evil.example/items"),
            ("\\evil", "https://a.example/o/%5Cevil/items"),
            ("%2e%2e", "https://a.example/o/%252e%252e/items"),
            ("a\r\nb", "https://a.example/o/a%0D%0Ab/items"),
        ] {
            let (url, _) = asked(Method::Get, url, &[], json!({"id": evil})).expect(evil);
            assert_eq!(url, expected);
        }
    }
}
