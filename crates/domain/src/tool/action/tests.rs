//! What an action may be, and which arguments suit it.

use serde_json::json;

use super::*;

fn input(url: &str) -> ActionInput {
    ActionInput {
        title: None,
        description: "Looks an order up.".to_owned(),
        method: Method::Get,
        url: url.to_owned(),
        parameters: Some(json!({
            "properties": {
                "order_id": {"type": "string"},
                "count": {"type": "integer"},
                "state": {"type": "string", "enum": ["open", "closed"]},
            },
            "required": ["order_id"],
        })),
        query: Vec::new(),
        confirm: None,
        headers: None,
    }
}

fn made(input: ActionInput, current: Option<&Action>) -> Result<Action> {
    Action::of("get_order", input, current, Timestamp(1))
}

fn field(result: Result<Action>) -> Option<String> {
    result.err().map(|error| error.details[0].field.clone())
}

#[test]
fn arguments_have_places_in_path_and_query_alone() {
    let check = |url: &str, fits: bool| {
        assert_eq!(made(input(url), None).is_ok(), fits, "{url}");
    };
    check("https://api.shop.example/orders/{order_id}", true);
    check(
        " https://api.shop.example/orders?id={order_id}&n={count} ",
        true,
    );
    check("https://api.shop.example?id={order_id}", true);
    check("https://api.shop.example/orders", true);
    check("http://10.0.0.1:8080/x", true); // whether it may be reached is the gate's to say
    for odd in [
        "",
        "api.shop.example/{order_id}",
        "ftp://api.shop.example/{order_id}",
        "https://{order_id}/orders",
        "https://api.{order_id}.example/orders",
        "https://api.shop.example{order_id}/orders",
        "https://api.shop.example:{count}/orders",
        "{order_id}",
        "https://a:b@api.shop.example/{order_id}",
        "https://api.shop.example\\{order_id}",
        "https://api.shop.example/{order_id",
        "https://api.shop.example/order_id}",
        "https://api.shop.example/{}",
        "https://api.shop.example/{other}",
        "https://api.shop.example/{order_id}#x",
        "https:///orders/{order_id}",
    ] {
        check(odd, false);
    }
    assert_eq!(
        pieces("a{b}c"),
        Some(vec![
            Piece::Text("a"),
            Piece::Argument("b"),
            Piece::Text("c")
        ])
    );
}

#[test]
fn a_rule_that_is_broken_is_named() {
    let url = "https://api.shop.example/orders/{order_id}";
    let check = |change: fn(&mut ActionInput), expected: &str| {
        let mut input = input(url);
        change(&mut input);
        assert_eq!(field(made(input, None)).as_deref(), Some(expected));
    };
    check(|it| it.description = " ".to_owned(), "description");
    check(|it| it.description = "a".repeat(1_001), "description");
    check(|it| it.title = Some("a".repeat(101)), "title");
    check(|it| it.parameters = Some(json!([])), "parameters");
    check(
        |it| it.parameters = Some(json!({"type": "string"})),
        "parameters.type",
    );
    check(
        |it| it.parameters = Some(json!({"properties": {"a b": {}}})),
        "parameters.properties.a b",
    );
    check(
        |it| it.parameters = Some(json!({"properties": {"order_id": 1}})),
        "parameters.properties.order_id",
    );
    check(
        |it| it.parameters = Some(json!({"properties": {"order_id": {}}, "required": ["x"]})),
        "parameters.required",
    );
    check(
        |it| {
            it.parameters =
                Some(json!({"properties": {"order_id": {"description": "a".repeat(17_000)}}}))
        },
        "parameters",
    );
    check(|it| it.query = vec!["x".to_owned()], "query[0]");
    check(
        |it| it.headers = Some(vec![("host".to_owned(), Some(Secret::new("x")))]),
        "headers.host",
    );
    check(
        |it| it.headers = Some(vec![("a b".to_owned(), Some(Secret::new("x")))]),
        "headers.a b",
    );
    check(
        |it| it.headers = Some(vec![("x-key".to_owned(), Some(Secret::new("a\nb")))]),
        "headers.x-key",
    );
    check(
        |it| it.headers = Some(vec![("x-key".to_owned(), None)]),
        "headers.x-key",
    );
    for odd in ["", "Get", "1a", "a-b", "search_knowledge", &"a".repeat(65)] {
        let error = Action::of(odd, input(url), None, Timestamp(1)).expect_err(odd);
        assert_eq!(error.details[0].field, "name");
    }
}

#[test]
fn what_changes_something_is_confirmed_unless_told_otherwise() {
    let check = |method, confirm, expected: bool| {
        let input = ActionInput {
            method,
            confirm,
            ..input("https://api.shop.example/orders")
        };
        assert_eq!(
            made(input, None).expect("proper").confirm,
            expected,
            "{method:?} {confirm:?}"
        );
    };
    check(Method::Get, None, false);
    check(Method::Get, Some(true), true);
    check(Method::Post, None, true);
    check(Method::Delete, None, true);
    check(Method::Post, Some(false), false);
    assert_eq!(parse_method("patch").expect("a method"), Method::Patch);
    assert!(parse_method("TRACE").is_err());
}

#[test]
fn a_header_stays_only_with_its_host() {
    let with = |url: &str, headers: Option<Vec<(&str, Option<&str>)>>| {
        let header =
            |(name, value): (&str, Option<&str>)| (name.to_owned(), value.map(Secret::new));
        ActionInput {
            headers: headers.map(|it| it.into_iter().map(header).collect()),
            ..input(url)
        }
    };
    let first = made(
        with(
            "https://a.example/{order_id}",
            Some(vec![("X-Key", Some("k"))]),
        ),
        None,
    )
    .expect("proper");
    assert_eq!(
        (
            first.headers[0].name.as_str(),
            first.headers[0].value.expose()
        ),
        ("x-key", "k")
    );
    let kept = made(with("https://a.example/v2/{order_id}", None), Some(&first)).expect("proper");
    assert_eq!(kept.headers, first.headers);
    let named = made(
        with("https://a.example/", Some(vec![("x-key", None)])),
        Some(&first),
    )
    .expect("proper");
    assert_eq!(named.headers, first.headers);
    for elsewhere in [
        "https://b.example/",
        "http://a.example/",
        "https://a.example:8443/",
    ] {
        assert_eq!(
            made(with(elsewhere, None), Some(&first))
                .expect("proper")
                .headers,
            []
        );
        let named = made(with(elsewhere, Some(vec![("x-key", None)])), Some(&first));
        assert_eq!(field(named).as_deref(), Some("headers.x-key"));
    }
    let none = made(with("https://a.example/", Some(Vec::new())), Some(&first)).expect("proper");
    assert_eq!(none.headers, []);
}

#[test]
fn arguments_are_held_to_the_schema() {
    let action = made(input("https://api.shop.example/orders/{order_id}"), None).expect("proper");
    let check = |arguments: Value, expected: Option<&str>| {
        let fault = action.fault_of(arguments.as_object().expect("an object"));
        assert_eq!(
            fault.is_none(),
            expected.is_none(),
            "{arguments}: {fault:?}"
        );
        assert!(
            fault
                .unwrap_or_default()
                .contains(expected.unwrap_or_default())
        );
    };
    check(json!({"order_id": "7"}), None);
    check(json!({"order_id": "7", "count": 2, "state": "open"}), None);
    check(json!({"order_id": "7", "count": null}), None);
    check(json!({"order_id": "7", "count": 2.0}), None);
    check(json!({}), Some("order_id is needed"));
    check(json!({"order_id": null}), Some("order_id is needed"));
    check(json!({"order_id": 7}), Some("of type string"));
    check(
        json!({"order_id": "7", "count": 2.5}),
        Some("of type integer"),
    );
    check(json!({"order_id": "7", "state": "lost"}), Some("one of"));
    check(json!({"order_id": "7", "id": "7"}), Some("no argument"));
}
