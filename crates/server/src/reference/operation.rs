//! One call of the API: its method and path, what goes in, what comes out.

use serde_json::Value;

use super::html::Html;
use super::{Document, markdown, object, schema};

/// A call, as the document defines it.
pub struct Operation<'a> {
    pub method: &'static str,
    pub path: &'a str,
    /// The path's own entry, whose parameters hold for each of its methods.
    pub item: &'a Value,
    pub definition: &'a Value,
    /// Where the page shows it.
    pub anchor: String,
}

impl<'a> Operation<'a> {
    /// What it is called in the contents.
    pub fn title(&self) -> &'a str {
        self.definition["summary"]
            .as_str()
            .filter(|summary| !summary.trim().is_empty())
            .unwrap_or(self.path)
    }

    /// Writes everything the document says about it.
    pub fn write(&self, page: &mut Html, document: &Document<'a>) {
        let anchor = &self.anchor;
        page.raw("<article aria-labelledby=\"")
            .text(anchor)
            .raw("\">\n<h3 id=\"")
            .text(anchor)
            .raw("\"><a href=\"#");
        page.text(anchor)
            .raw("\"><span class=\"method ")
            .raw(self.method)
            .raw("\">")
            .text(&self.method.to_uppercase());
        page.raw("</span> <code>")
            .text(self.path)
            .raw("</code></a></h3>\n");
        if let Some(summary) = self.definition["summary"].as_str() {
            page.raw("<p class=\"summary\">");
            markdown::inline(page, summary);
            page.raw("</p>\n");
        }
        if self.definition["deprecated"] == true {
            page.raw("<p><strong class=\"deprecated\">Deprecated</strong></p>\n");
        }
        markdown::write(
            page,
            self.definition["description"].as_str().unwrap_or_default(),
        );
        self.write_security(page, document);
        self.write_parameters(page, document);
        self.write_body(page, document);
        self.write_responses(page, document);
        page.raw("</article>\n");
    }

    fn write_security(&self, page: &mut Html, document: &Document<'_>) {
        let own = self
            .definition
            .get("security")
            .or_else(|| document.root.get("security"));
        let Some(alternatives) = own.and_then(Value::as_array) else {
            return;
        };
        let names: Vec<String> = alternatives
            .iter()
            .filter_map(object)
            .map(|schemes| schemes.keys().cloned().collect::<Vec<_>>().join(" and "))
            .collect();
        let optional = names.is_empty() || names.iter().any(String::is_empty);
        let needed: Vec<&str> = names
            .iter()
            .map(String::as_str)
            .filter(|name| !name.is_empty())
            .collect();
        page.raw("<p class=\"security\">Authentication: ");
        match (needed.is_empty(), optional) {
            (true, _) => page.raw("none"),
            (false, true) => page.text(&needed.join(" or ")).raw(" (optional)"),
            (false, false) => page.text(&needed.join(" or ")),
        };
        page.raw("</p>\n");
    }

    fn write_parameters(&self, page: &mut Html, document: &Document<'a>) {
        let list = |value: &'a Value| value["parameters"].as_array().into_iter().flatten();
        let own: Vec<&Value> = list(self.definition)
            .map(|parameter| document.resolve(parameter))
            .collect();
        let inherited = list(self.item)
            .map(|parameter| document.resolve(parameter))
            .filter(|inherited| {
                // A method's own parameter replaces the path's of the same name and place.
                !own.iter()
                    .any(|own| own["name"] == inherited["name"] && own["in"] == inherited["in"])
            });
        let parameters: Vec<&Value> = inherited.chain(own.iter().copied()).collect();
        if parameters.is_empty() {
            return;
        }
        page.raw("<h4>Parameters</h4>\n<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Parameters\">\n");
        page.raw("<table>\n<thead><tr><th scope=\"col\">Name</th><th scope=\"col\">In</th>");
        page.raw(
            "<th scope=\"col\">Type</th><th scope=\"col\">Description</th></tr></thead>\n<tbody>\n",
        );
        for parameter in parameters {
            write_parameter(page, document, parameter);
        }
        page.raw("</tbody>\n</table>\n</div>\n");
    }

    fn write_body(&self, page: &mut Html, document: &Document<'a>) {
        let Some(body) = self
            .definition
            .get("requestBody")
            .map(|body| document.resolve(body))
        else {
            return;
        };
        page.raw("<h4>Request body</h4>\n");
        if body["required"] != true {
            page.raw("<p>Optional.</p>\n");
        }
        markdown::write(page, body["description"].as_str().unwrap_or_default());
        write_content(page, document, body);
    }

    fn write_responses(&self, page: &mut Html, document: &Document<'a>) {
        let Some(responses) = object(&self.definition["responses"]) else {
            return;
        };
        page.raw("<h4>Responses</h4>\n");
        for (status, response) in responses {
            let response = document.resolve(response);
            page.raw("<div class=\"response\">\n<h5><code>")
                .text(status)
                .raw("</code></h5>\n");
            markdown::write(page, response["description"].as_str().unwrap_or_default());
            write_headers(page, document, response);
            write_content(page, document, response);
            page.raw("</div>\n");
        }
    }
}

fn write_parameter<'a>(page: &mut Html, document: &Document<'a>, parameter: &'a Value) {
    page.raw("<tr><th scope=\"row\"><code>")
        .text(parameter["name"].as_str().unwrap_or_default())
        .raw("</code>");
    if parameter["required"] == true {
        page.raw(" <span class=\"required\">required</span>");
    }
    if parameter["deprecated"] == true {
        page.raw(" <span class=\"deprecated\">deprecated</span>");
    }
    page.raw("</th><td>")
        .text(parameter["in"].as_str().unwrap_or_default())
        .raw("</td><td>");
    schema::write_type(page, document, &parameter["schema"]);
    schema::write_constraints(page, &parameter["schema"]);
    page.raw("</td><td>");
    markdown::write(page, parameter["description"].as_str().unwrap_or_default());
    if let Some(example) = parameter.get("example") {
        page.raw("<p>Example: <code>")
            .text(&schema::one_line(example))
            .raw("</code></p>");
    }
    page.raw("</td></tr>\n");
}

fn write_headers<'a>(page: &mut Html, document: &Document<'a>, response: &'a Value) {
    let Some(headers) = object(&response["headers"]).filter(|headers| !headers.is_empty()) else {
        return;
    };
    page.raw("<p>Headers:</p>\n<ul>\n");
    for (name, header) in headers {
        page.raw("<li><code>").text(name).raw("</code> ");
        markdown::inline(
            page,
            document.resolve(header)["description"]
                .as_str()
                .unwrap_or_default(),
        );
        page.raw("</li>\n");
    }
    page.raw("</ul>\n");
}

/// Writes a body: for each media type its fields and its examples.
fn write_content<'a>(page: &mut Html, document: &Document<'a>, body: &'a Value) {
    for (media_type, content) in object(&body["content"]).into_iter().flatten() {
        page.raw("<p class=\"media\"><code>")
            .text(media_type)
            .raw("</code>");
        if let Some(definition) = content.get("schema") {
            page.raw(": ");
            schema::write_type(page, document, definition);
            page.raw("</p>\n");
            schema::write_fields(page, document, definition);
        } else {
            page.raw("</p>\n");
        }
        if let Some(example) = content.get("example") {
            write_example(page, None, example);
        }
        for (name, example) in object(&content["examples"]).into_iter().flatten() {
            let example = document.resolve(example);
            let label = example["summary"].as_str().unwrap_or(name);
            write_example(
                page,
                Some(label),
                example.get("value").unwrap_or(&Value::Null),
            );
        }
    }
}

fn write_example(page: &mut Html, label: Option<&str>, example: &Value) {
    page.raw("<p class=\"label\">Example");
    if let Some(label) = label {
        page.raw(": ").text(label);
    }
    // A region that scrolls must be reachable by keyboard.
    page.raw("</p>\n<pre tabindex=\"0\"><code>");
    match example {
        // Also bodies that are not JSON, such as an event stream, are given as a string.
        Value::String(text) => page.text(text),
        other => page.text(&format!("{other:#}")),
    };
    page.raw("</code></pre>\n");
}
