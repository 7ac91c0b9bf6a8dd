//! Documents become actions, and what cannot be one is told with its reason.

use serde_json::json;

use super::*;

fn shop() -> Value {
    json!({
        "openapi": "3.0.3",
        "servers": [{"url": "https://{region}.shop.example/v1/", "variables": {"region": {"default": "eu"}}}],
        "security": [{"token": []}],
        "paths": {
            "/orders/{orderId}": {
                "parameters": [{"$ref": "#/components/parameters/OrderId"}],
                "get": {
                    "operationId": "getOrder",
                    "summary": "Look an order up",
                    "description": "With its parcels.",
                    "parameters": [{"name": "expand", "in": "query", "schema": {"type": "string", "enum": ["parcels"], "example": "x"}}],
                },
                "delete": {
                    "summary": "Cancel\nan order",
                    "security": [],
                    "parameters": [{"name": "X-Reason", "in": "header", "required": true, "schema": {"type": "string"}}],
                },
            },
            "/orders": {
                "post": {
                    "operationId": "createOrder",
                    "parameters": [{"name": "dry", "in": "query", "schema": {"type": "boolean"}}],
                    "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/NewOrder"}}}},
                },
                "put": {"requestBody": {"required": true, "content": {"text/csv": {}}}},
                "patch": {"requestBody": {"content": {"application/json": {"schema": {"type": "array"}}}}},
            },
            "/files/{name}": {"get": {"operationId": "getFile"}},
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "parameters": {"OrderId": {"name": "orderId", "in": "path", "required": true, "schema": {"type": "string"}, "description": "Its number."}},
            "schemas": {
                "NewOrder": {"allOf": [{"$ref": "#/components/schemas/Base"}, {"properties": {"note": {"type": "string"}}}]},
                "Base": {"type": "object", "required": ["items"], "properties": {
                    "items": {"type": "array", "items": {"$ref": "#/components/schemas/Item"}},
                }},
                "Item": {"type": "object", "properties": {"sku": {"type": "string"}, "parent": {"$ref": "#/components/schemas/Item"}}},
            },
        },
    })
}

fn read(document: &Value) -> Described {
    described(document, None, Timestamp(0)).expect("a document")
}

#[test]
fn operations_become_actions() {
    let found = read(&shop());
    let names: Vec<&str> = found
        .drafts
        .iter()
        .map(|draft| draft.action.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["create_order", "get_order", "delete_orders_order_id"]
    );
    let [create, get, delete] = &found.drafts[..] else {
        panic!("three")
    };
    assert_eq!(
        get.action.url,
        "https://eu.shop.example/v1/orders/{orderId}"
    );
    assert_eq!(get.action.title, "Look an order up");
    assert_eq!(
        get.action.description,
        "Look an order up\nWith its parcels."
    );
    assert_eq!(
        get.action.parameters,
        json!({"type": "object", "required": ["orderId"], "properties": {
            "expand": {"type": "string", "enum": ["parcels"]},
            "orderId": {"type": "string", "description": "Its number."},
        }})
    );
    assert_eq!(
        (get.action.confirm, get.headers.as_slice()),
        (false, ["authorization".to_owned()].as_slice())
    );
    assert_eq!(
        (delete.action.confirm, delete.headers.as_slice()),
        (true, ["x-reason".to_owned()].as_slice())
    );
    assert_eq!(delete.action.title, "Cancel an order");
    assert_eq!(
        (create.action.confirm, create.action.query.as_slice()),
        (true, ["dry".to_owned()].as_slice())
    );
    assert_eq!(create.action.parameters["required"], json!(["items"]));
    assert_eq!(
        create.action.parameters["properties"]["note"],
        json!({"type": "string"})
    );
    let item = &create.action.parameters["properties"]["items"]["items"];
    assert_eq!(item["properties"]["sku"], json!({"type": "string"}));
    let skipped: Vec<&str> = found
        .skipped
        .iter()
        .map(|(operation, _)| operation.as_str())
        .collect();
    assert_eq!(
        skipped,
        ["GET /files/{name}", "PUT /orders", "PATCH /orders"]
    );
    assert!(
        found.skipped[1].1.contains("no JSON"),
        "{:?}",
        found.skipped
    );
}

#[test]
fn a_document_is_told_what_it_lacks() {
    let check = |document: Value, server: Option<&str>, field: &str| {
        let refused = described(&document, server, Timestamp(0)).expect_err("refused");
        assert_eq!(refused.details[0].field, field);
    };
    check(json!([]), None, "document");
    check(json!({"swagger": "2.0"}), None, "document");
    check(json!({"openapi": "3.1.0"}), None, "server");
    check(
        json!({"openapi": "3.1.0", "servers": [{"url": "/v1"}], "paths": {}}),
        None,
        "server",
    );
    check(
        json!({"openapi": "3.1.0"}),
        Some("https://a.example"),
        "document",
    );
    let mut moved = shop();
    moved["servers"] = Value::Null;
    let found = described(&moved, Some("http://10.0.0.1:8080"), Timestamp(0)).expect("a document");
    assert_eq!(
        found.drafts[1].action.url,
        "http://10.0.0.1:8080/orders/{orderId}"
    );
}

#[test]
fn an_evil_document_ends() {
    let mut schemas = Map::new();
    // Each refers to the next one ten times.
    for level in 0..30 {
        let next = json!({"$ref": format!("#/components/schemas/s{}", level + 1)});
        let properties: Map<String, Value> =
            (0..10).map(|it| (format!("p{it}"), next.clone())).collect();
        schemas.insert(
            format!("s{level}"),
            json!({"type": "object", "properties": properties}),
        );
    }
    let body =
        json!({"content": {"application/json": {"schema": {"$ref": "#/components/schemas/s0"}}}});
    let mut document = json!({
        "openapi": "3.1.0", "servers": [{"url": "https://a.example"}],
        "paths": {"/x": {"post": {"requestBody": body}}, "/loop": {"$ref": "#/paths/~1loop"},
                  "/odd": {"get": 7}, "/odder": []},
    });
    document["components"]["schemas"] = Value::Object(schemas);
    let found = read(&document);
    assert_eq!(
        found.skipped.len(),
        1,
        "its schema is longer than 16 KB: {found:?}"
    );
    let many: Map<String, Value> = (0..500)
        .map(|it| (format!("/p{it}"), json!({"get": {}})))
        .collect();
    let found = read(
        &json!({"openapi": "3.1.0", "servers": [{"url": "https://a.example"}], "paths": many}),
    );
    assert_eq!((found.drafts.len(), found.skipped.len()), (200, 1));
}

#[test]
fn names_suit_every_provider() {
    let check = |id: &str, expected: &str| assert_eq!(named(id), expected);
    check("getOrder", "get_order");
    check("GET_/orders/{id}", "get_orders_id");
    check("Orders.v2-list", "orders_v2_list");
    check("2fa", "call_2fa");
    check("주문", "call_");
    let mut names = BTreeMap::new();
    assert_eq!(unlike("a".to_owned(), &mut names), "a");
    assert_eq!(unlike("a".to_owned(), &mut names), "a_2");
}
