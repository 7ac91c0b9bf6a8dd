//! The API's reference as one HTML page, made from the OpenAPI document.
//!
//! The route `/docs` serves what [`render`] returns; nothing here can fail, because what a document leaves out is left
//! out of the page. The page holds no script and loads nothing, so that it works offline and under
//! [`CONTENT_SECURITY_POLICY`]; the usual viewers need a megabyte of script to show the same facts.
//!
//! Reading order: [`render`] lays out the page, `operation` writes one call, `schema` the fields of a type, `markdown`
//! the descriptions, and `html` keeps text from becoming markup.

mod html;
mod markdown;
mod operation;
mod schema;

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value};

use html::Html;
use operation::Operation;

/// The policy to serve the page with: nothing may run or be loaded, and only the page's own style sheet applies.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const STYLE: &str = include_str!("reference/style.css");

/// Renders an OpenAPI 3.1 document as a self-contained HTML page, in UTF-8.
///
/// Every text of the document is escaped, also where the document is not one of ours. References are followed inside
/// the document only.
pub fn render(openapi: &Value) -> String {
    let document = Document::new(openapi);
    let groups = document.operations_by_tag();
    let title = openapi["info"]["title"].as_str().unwrap_or("API reference");
    let mut page = Html::new();
    page.raw("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    page.raw("<meta name=\"color-scheme\" content=\"light dark\">\n<title>")
        .text(title)
        .raw("</title>\n<style>\n");
    page.raw(STYLE).raw(
        "</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to the reference</a>\n",
    );
    page.raw("<header>\n<h1>").text(title);
    if let Some(version) = openapi["info"]["version"].as_str() {
        page.raw(" <small>").text(version).raw("</small>");
    }
    page.raw("</h1>\n</header>\n");
    contents(&mut page, &document, &groups);
    page.raw("<main id=\"main\">\n");
    about(&mut page, &document);
    for group in &groups {
        write_group(&mut page, &document, group);
    }
    schemas(&mut page, &document);
    page.raw("</main>\n</body>\n</html>\n");
    page.finish()
}

/// An OpenAPI document with an anchor for each of its schemas.
struct Document<'a> {
    root: &'a Value,
    /// From a schema's name to its anchor on the page.
    schema_anchors: BTreeMap<&'a str, String>,
}

/// The operations of one tag, in the order of their paths.
struct Group<'a> {
    name: &'a str,
    description: Option<&'a str>,
    anchor: String,
    operations: Vec<Operation<'a>>,
}

const METHODS: [&str; 8] = [
    "get", "post", "put", "patch", "delete", "head", "options", "trace",
];
/// Where operations without a tag are found.
const UNTAGGED: &str = "Other";

impl<'a> Document<'a> {
    fn new(root: &'a Value) -> Self {
        let mut anchors = Anchors::default();
        let names = object(&root["components"]["schemas"])
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str());
        let schema_anchors = names
            .map(|name| (name, anchors.assign("schema", name)))
            .collect();
        Document {
            root,
            schema_anchors,
        }
    }

    /// Follows references inside the document; a reference that leads nowhere or in a circle gives `null`.
    fn resolve(&self, value: &'a Value) -> &'a Value {
        let mut value = value;
        for _ in 0..8 {
            match value["$ref"].as_str() {
                None => return value,
                Some(reference) => {
                    let pointer = reference.strip_prefix('#').unwrap_or_default();
                    value = Some(pointer)
                        .filter(|p| !p.is_empty())
                        .and_then(|p| self.root.pointer(p))
                        .unwrap_or(&Value::Null);
                }
            }
        }
        &Value::Null
    }

    /// Groups the operations by their first tag: the tags that the document describes first, then the others.
    fn operations_by_tag(&self) -> Vec<Group<'a>> {
        let mut anchors = Anchors::default();
        let mut groups: Vec<Group<'a>> = Vec::new();
        for tag in self.root["tags"].as_array().into_iter().flatten() {
            if let Some(name) = tag["name"].as_str() {
                let anchor = anchors.assign("tag", name);
                groups.push(Group {
                    name,
                    description: tag["description"].as_str(),
                    anchor,
                    operations: Vec::new(),
                });
            }
        }
        let mut operation_anchors = Anchors::default();
        for (path, item) in object(&self.root["paths"]).into_iter().flatten() {
            let item = self.resolve(item);
            for method in METHODS {
                let Some(definition) = item.get(method).filter(|definition| definition.is_object())
                else {
                    continue;
                };
                let label = definition["operationId"]
                    .as_str()
                    .map_or_else(|| format!("{method} {path}"), String::from);
                let anchor = operation_anchors.assign("call", &label);
                let operation = Operation {
                    method,
                    path,
                    item,
                    definition,
                    anchor,
                };
                let tag = definition["tags"][0].as_str().unwrap_or(UNTAGGED);
                match groups.iter_mut().find(|group| group.name == tag) {
                    Some(group) => group.operations.push(operation),
                    None => {
                        let anchor = anchors.assign("tag", tag);
                        groups.push(Group {
                            name: tag,
                            description: None,
                            anchor,
                            operations: vec![operation],
                        });
                    }
                }
            }
        }
        groups.retain(|group| !group.operations.is_empty());
        groups
    }
}

/// Hands out anchors that are unique on the page and stay the same while names do.
#[derive(Default)]
struct Anchors {
    used: HashSet<String>,
}

impl Anchors {
    fn assign(&mut self, kind: &str, name: &str) -> String {
        let plain = name
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|part| !part.is_empty());
        let base = std::iter::once(kind)
            .chain(plain)
            .collect::<Vec<_>>()
            .join("-");
        let mut anchor = base.clone();
        let mut number = 1;
        while !self.used.insert(anchor.clone()) {
            number += 1;
            // Two dashes, which no name yields, so that `a-2` and the second `a` do not meet.
            anchor = format!("{base}--{number}");
        }
        anchor
    }
}

fn object(value: &Value) -> Option<&Map<String, Value>> {
    value.as_object()
}

fn contents(page: &mut Html, document: &Document<'_>, groups: &[Group<'_>]) {
    page.raw("<nav aria-labelledby=\"contents\">\n<h2 id=\"contents\">Contents</h2>\n<ul>\n");
    page.raw("<li><a href=\"#about\">About</a></li>\n");
    if has_security(document) {
        page.raw("<li><a href=\"#authentication\">Authentication</a></li>\n");
    }
    for group in groups {
        page.raw("<li><a href=\"#")
            .text(&group.anchor)
            .raw("\">")
            .text(group.name)
            .raw("</a>\n<ul>\n");
        for operation in &group.operations {
            page.raw("<li><a href=\"#")
                .text(&operation.anchor)
                .raw("\">")
                .text(operation.title())
                .raw("</a></li>\n");
        }
        page.raw("</ul>\n</li>\n");
    }
    if !document.schema_anchors.is_empty() {
        page.raw("<li><a href=\"#schemas\">Schemas</a>\n<ul>\n");
        for (name, anchor) in &document.schema_anchors {
            page.raw("<li><a href=\"#")
                .text(anchor)
                .raw("\">")
                .text(name)
                .raw("</a></li>\n");
        }
        page.raw("</ul>\n</li>\n");
    }
    page.raw("</ul>\n</nav>\n");
}

fn about(page: &mut Html, document: &Document<'_>) {
    page.raw("<section aria-labelledby=\"about\">\n<h2 id=\"about\">About</h2>\n");
    if let Some(description) = document.root["info"]["description"].as_str() {
        markdown::write(page, description);
    }
    let servers = document.root["servers"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    if !servers.is_empty() {
        page.raw("<h3>Servers</h3>\n<ul>\n");
        for server in servers {
            page.raw("<li><code>")
                .text(server["url"].as_str().unwrap_or_default())
                .raw("</code>");
            if let Some(description) = server["description"].as_str() {
                page.raw(" ").text(description);
            }
            page.raw("</li>\n");
        }
        page.raw("</ul>\n");
    }
    page.raw("</section>\n");
    if has_security(document) {
        authentication(page, document);
    }
}

fn has_security(document: &Document<'_>) -> bool {
    object(&document.root["components"]["securitySchemes"])
        .is_some_and(|schemes| !schemes.is_empty())
}

fn authentication(page: &mut Html, document: &Document<'_>) {
    page.raw("<section aria-labelledby=\"authentication\">\n<h2 id=\"authentication\">Authentication</h2>\n<dl>\n");
    for (name, scheme) in object(&document.root["components"]["securitySchemes"])
        .into_iter()
        .flatten()
    {
        let scheme = document.resolve(scheme);
        let word = |key: &str| scheme[key].as_str().unwrap_or_default();
        page.raw("<dt><code>")
            .text(name)
            .raw("</code></dt>\n<dd><p>");
        match word("type") {
            "http" if word("scheme").eq_ignore_ascii_case("bearer") => {
                page.raw("Send the header <code>Authorization: Bearer &lt;key&gt;</code>.");
            }
            "http" => {
                page.raw("HTTP authentication of the kind <code>")
                    .text(word("scheme"))
                    .raw("</code>.");
            }
            "apiKey" => {
                page.raw("Send the key as <code>")
                    .text(word("name"))
                    .raw("</code> (")
                    .text(word("in"))
                    .raw(").");
            }
            other => {
                page.raw("Of the kind <code>").text(other).raw("</code>.");
            }
        }
        page.raw("</p>\n");
        markdown::write(page, word("description"));
        page.raw("</dd>\n");
    }
    page.raw("</dl>\n</section>\n");
}

fn write_group(page: &mut Html, document: &Document<'_>, group: &Group<'_>) {
    page.raw("<section aria-labelledby=\"")
        .text(&group.anchor)
        .raw("\">\n<h2 id=\"")
        .text(&group.anchor)
        .raw("\">");
    page.text(group.name).raw("</h2>\n");
    markdown::write(page, group.description.unwrap_or_default());
    for operation in &group.operations {
        operation.write(page, document);
    }
    page.raw("</section>\n");
}

fn schemas(page: &mut Html, document: &Document<'_>) {
    if document.schema_anchors.is_empty() {
        return;
    }
    page.raw("<section aria-labelledby=\"schemas\">\n<h2 id=\"schemas\">Schemas</h2>\n");
    for (name, anchor) in &document.schema_anchors {
        let definition = &document.root["components"]["schemas"][*name];
        page.raw("<article aria-labelledby=\"")
            .text(anchor)
            .raw("\">\n<h3 id=\"")
            .text(anchor)
            .raw("\"><code>");
        page.text(name).raw("</code></h3>\n");
        schema::write_definition(page, document, name, definition);
        page.raw("</article>\n");
    }
    page.raw("</section>\n");
}

#[cfg(test)]
mod tests;
