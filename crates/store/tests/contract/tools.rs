//! Actions of organizations, what visitors leave to be reached by, and calls that are confirmed once.

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::tool::Contact;
use okra_domain::tool::action::{Action, ActionInput, MAX_ACTIONS, Method};
use okra_domain::tool::server::{MAX_SERVERS, Reach, ServedTool, ServerInput, ToolServer};
use okra_domain::webhook::{Endpoint, EndpointChange, EventKind};
use okra_domain::{ErrorKind, MessageId, OrganizationId, Secret};
use okra_store::sealing::MasterKeys;
use okra_store::sessions::{OpenTurn, SessionKey, UserMessage};
use okra_store::testing::everything_in;
use serde_json::{Map, json};

use crate::on_every_database;
use crate::world::{World, assert_fails, assert_not_found};

on_every_database![
    an_action_is_its_organizations_own,
    there_are_only_so_many_actions,
    headers_are_sealed_and_open_at_their_host_alone,
    a_server_is_its_organizations_own,
    a_contact_stays_whatever_the_page_says,
    a_message_that_may_be_said_once_is,
];

fn input(url: &str) -> ActionInput {
    ActionInput {
        title: Some("주문 조회".to_owned()),
        description: "Looks an order up.".to_owned(),
        method: Method::Patch,
        url: url.to_owned(),
        parameters: Some(
            json!({"properties": {"order_id": {"type": "string"}, "q": {}}, "required": ["order_id"]}),
        ),
        query: vec!["q".to_owned()],
        confirm: None,
        headers: Some(vec![(
            "x-key".to_owned(),
            Some(Secret::new("that-nobody-may-find")),
        )]),
    }
}

const URL: &str = "https://api.shop.example/orders/{order_id}";

async fn set(world: &World, organization: OrganizationId, name: &str, url: &str) -> Result<Action> {
    let now = world.clock().now();
    let change = |current: Option<&Action>| Action::of(name, input(url), current, now);
    world.store.set_action(organization, name, change).await
}

async fn an_action_is_its_organizations_own(world: World) -> Result<()> {
    let (ours, theirs) = (
        world.organization("Ours").await?,
        world.organization("Theirs").await?,
    );
    let store = &world.store;
    let made = set(&world, ours, "get_order", URL).await?;
    assert_eq!(store.action(ours, "get_order").await?, made);
    let other = set(&world, ours, "a_first", URL).await?;
    assert_eq!(store.actions(ours).await?, [other, made.clone()]);
    assert_eq!(store.actions(theirs).await?, []);
    assert_not_found(store.action(theirs, "get_order").await);
    assert_not_found(store.delete_action(theirs, "get_order").await);
    // Another organization's of the same name is another.
    set(
        &world,
        theirs,
        "get_order",
        "https://other.example/{order_id}",
    )
    .await?;
    assert_eq!(store.action(ours, "get_order").await?, made);
    world.clock().advance(std::time::Duration::from_secs(60));
    let changed = set(
        &world,
        ours,
        "get_order",
        "https://api.shop.example/v2/{order_id}",
    )
    .await?;
    assert_eq!(changed.created_at, made.created_at);
    assert!(changed.updated_at > made.updated_at);
    assert_eq!(store.action(ours, "get_order").await?, changed);
    store.delete_action(ours, "get_order").await?;
    assert_not_found(store.action(ours, "get_order").await);
    assert!(store.action(theirs, "get_order").await.is_ok());
    // What is refused changes nothing.
    let refused = |_: Option<&Action>| Action::of("Bad name", input(URL), None, made.created_at);
    assert_fails(
        store.set_action(ours, "a_first", refused).await,
        ErrorKind::Invalid,
    );
    assert_eq!(store.actions(ours).await?.len(), 1);
    Ok(())
}

async fn there_are_only_so_many_actions(world: World) -> Result<()> {
    let ours = world.organization("Ours").await?;
    for number in 0..MAX_ACTIONS {
        set(&world, ours, &format!("action_{number}"), URL).await?;
    }
    assert_fails(
        set(&world, ours, "one_more", URL).await,
        ErrorKind::Conflict,
    );
    set(&world, ours, "action_0", URL).await?;
    world.store.delete_action(ours, "action_1").await?;
    set(&world, ours, "one_more", URL).await.map(|_| ())
}

async fn headers_are_sealed_and_open_at_their_host_alone(world: World) -> Result<()> {
    let ours = world.organization("Ours").await?;
    let made = set(&world, ours, "get_order", URL).await?;
    let all = everything_in(&world.place).await;
    assert!(all.contains("api.shop.example") && !all.contains("that-nobody-may-find"));
    world
        .raw("UPDATE actions SET url = 'https://evil.example/{order_id}'")
        .await;
    assert_fails(
        world.store.action(ours, "get_order").await,
        ErrorKind::Internal,
    );
    world
        .raw(&format!("UPDATE actions SET url = '{URL}'"))
        .await;
    // A new master key takes them along.
    world.store.close().await;
    let id = world.place.master_keys.rotate()?;
    let again = world.open_again().await?;
    assert_eq!(again.action(ours, "get_order").await?, made);
    assert!(
        everything_in(&world.place)
            .await
            .contains(&format!("okra-sealed:{id}:"))
    );
    let MasterKeys::File(path) = &world.place.master_keys else {
        panic!("a place keeps its master key in a file");
    };
    let both = std::fs::read_to_string(path).expect("the file is there");
    let new = MasterKeys::Given(Secret::new(both.lines().next().expect("a line")));
    let (database, storage) = (&world.place.database_url, &world.place.storage_url);
    let alone = okra_store::Store::open(database, storage, &new, world.clock().clone()).await?;
    assert_eq!(alone.action(ours, "get_order").await?, made);
    Ok(())
}

fn tool_server(world: &World, name: &str, url: &str) -> Result<ToolServer> {
    let key = (
        "x-key".to_owned(),
        Some(Secret::new("that-nobody-may-find")),
    );
    let input = ServerInput {
        url: Some(url.to_owned()),
        command: None,
        headers: Some(vec![key]),
        unconfirmed: vec!["find".to_owned()],
    };
    let mut server = ToolServer::of(name, input, None, world.clock().now())?;
    server.tools.push(ServedTool {
        name: "find".to_owned(),
        title: "찾기".to_owned(),
        description: "Finds.".to_owned(),
        parameters: json!({"type": "object"}),
    });
    Ok(server)
}

async fn a_server_is_its_organizations_own(world: World) -> Result<()> {
    let (ours, theirs) = (
        world.organization("Ours").await?,
        world.organization("Theirs").await?,
    );
    let store = &world.store;
    let server = tool_server(&world, "crm", "https://tools.example/mcp")?;
    store.set_tool_server(ours, &server).await?;
    assert_eq!(
        store.tool_server(ours, "crm").await?.as_ref(),
        Some(&server)
    );
    assert_eq!(store.tool_servers(theirs).await?, []);
    assert_eq!(store.tool_server(theirs, "crm").await?, None);
    assert_not_found(store.delete_tool_server(theirs, "crm").await);
    let moved = tool_server(&world, "crm", "https://other.example/mcp")?;
    store.set_tool_server(ours, &moved).await?;
    assert_eq!(
        store.tool_servers(ours).await?,
        std::slice::from_ref(&moved)
    );
    assert!(
        !everything_in(&world.place)
            .await
            .contains("that-nobody-may-find")
    );
    // A command by its name, which no address can be.
    let command = ToolServer {
        reach: Reach::Command("crm".to_owned()),
        headers: Vec::new(),
        ..moved.clone()
    };
    store.set_tool_server(ours, &command).await?;
    assert_eq!(
        store.tool_server(ours, "crm").await?.as_ref(),
        Some(&command)
    );
    store.set_tool_server(ours, &moved).await?;
    // Its headers open for this server at this host alone, also under a new master key.
    world
        .raw("UPDATE tool_servers SET url = 'https://evil.example/mcp'")
        .await;
    assert_fails(store.tool_servers(ours).await, ErrorKind::Internal);
    world
        .raw("UPDATE tool_servers SET url = 'https://other.example/mcp'")
        .await;
    for number in 1..MAX_SERVERS {
        store
            .set_tool_server(
                ours,
                &tool_server(&world, &format!("s{number}"), "https://a.example")?,
            )
            .await?;
    }
    let more = tool_server(&world, "one_more", "https://a.example")?;
    assert_fails(
        store.set_tool_server(ours, &more).await,
        ErrorKind::Conflict,
    );
    store.set_tool_server(ours, &moved).await?;
    store.delete_tool_server(ours, "s1").await?;
    store.set_tool_server(ours, &more).await?;
    store.close().await;
    world.place.master_keys.rotate()?;
    let again = world.open_again().await?;
    assert_eq!(again.tool_server(ours, "crm").await?, Some(moved));
    Ok(())
}

fn visitor(profile: Option<serde_json::Value>) -> SessionKey {
    let profile = profile.map(|it| it.as_object().cloned().unwrap_or_else(Map::new));
    SessionKey::Visitor {
        platform: "web".to_owned(),
        token: Some("v1".to_owned()),
        profile,
    }
}

async fn says(world: &World, chatbot: &Chatbot, key: &SessionKey) -> Result<OpenTurn> {
    let said = UserMessage {
        id: None,
        content: "Hello".to_owned(),
        attachments: None,
    };
    world.store.open_turn(chatbot, key, said, 10).await
}

async fn a_contact_stays_whatever_the_page_says(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop").await?;
    let change = EndpointChange {
        url: Some("https://hooks.example.com".to_owned()),
        events: Some([EventKind::LeadCaptured].into_iter().collect()),
        ..EndpointChange::default()
    };
    let endpoint = Endpoint::new(change, world.clock().now())?;
    world
        .store
        .add_webhook(
            chatbot.organization_id,
            &endpoint,
            &Secret::new("whsec_AAAA"),
        )
        .await?;
    let chatbot = world
        .store
        .chatbot(chatbot.organization_id, chatbot.id)
        .await?;
    let page = visitor(Some(json!({"anonymous": true, "page": "/"})));
    let session = says(&world, &chatbot, &page).await?.session;
    let contact = |name, email, phone| Contact::parse(name, email, phone);
    let store = &world.store;
    let kim = contact(Some("Kim"), Some("kim@x.example"), None)?;
    store
        .record_contact(&chatbot, session.id, kim.clone())
        .await?;
    store.record_contact(&chatbot, session.id, kim).await?;
    store
        .record_contact(
            &chatbot,
            session.id,
            contact(None, None, Some("010 1234 5678"))?,
        )
        .await?;
    let expected = json!({"anonymous": false, "page": "/", "name": "Kim", "email": "kim@x.example", "phone": "010 1234 5678"});
    let read = store.session(&chatbot, session.id).await?;
    assert_eq!(json!(read.metadata), expected);
    let again = says(&world, &chatbot, &page).await?.session;
    assert_eq!(
        json!(again.metadata),
        expected,
        "the page's next message does not take it away"
    );
    // What the site says of its visitor comes first.
    let vouched = visitor(Some(json!({"anonymous": false, "name": "Kim Minsu"})));
    let read = says(&world, &chatbot, &vouched).await?.session;
    assert_eq!(read.metadata["name"], "Kim Minsu");
    assert_eq!(read.metadata["email"], "kim@x.example");
    // The endpoint asks for them and so its organization tells of them; the event has a kind and a body.
    let named = everything_in(&world.place)
        .await
        .matches("lead.captured")
        .count();
    assert_eq!(named, 4, "an address that is known is no new lead");
    let elsewhere = world.chatbot("Other").await?;
    let unknown = store
        .record_contact(&elsewhere, session.id, contact(Some("K"), None, None)?)
        .await;
    assert_not_found(unknown);
    Ok(())
}

async fn a_message_that_may_be_said_once_is(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop").await?;
    let key = visitor(None);
    let said = |id| UserMessage {
        id: Some(id),
        content: "Yes".to_owned(),
        attachments: None,
    };
    let (first, second) = (MessageId::new(), MessageId::new());
    let store = &world.store;
    let opened = store
        .open_turn_once(&chatbot, &key, said(first), 10)
        .await?;
    let refused = store.open_turn_once(&chatbot, &key, said(first), 10).await;
    assert_eq!(
        refused.as_ref().err().and_then(|error| error.code),
        Some("already_confirmed")
    );
    assert_fails(refused, ErrorKind::Conflict);
    // Of several at once one stands; others' messages go on.
    let at_once = tokio::join!(
        store.open_turn_once(&chatbot, &key, said(second), 10),
        store.open_turn_once(&chatbot, &key, said(second), 10),
        says(&world, &chatbot, &key),
    );
    assert_eq!(
        [at_once.0.is_ok(), at_once.1.is_ok()]
            .iter()
            .filter(|ok| **ok)
            .count(),
        1
    );
    at_once.2?;
    let page = crate::world::page(1, 10);
    let messages = store.messages(&opened.session, page).await?;
    assert_eq!(messages.entries.len(), 3);
    Ok(())
}
