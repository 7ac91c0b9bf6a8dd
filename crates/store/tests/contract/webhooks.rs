//! Endpoints of organizations, what is written for them, and the log of what was sent.

use std::time::Duration;

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::session::{Feedback, PLAYGROUND, Rating};
use okra_domain::webhook::{
    Attempt, DeliveryState, Endpoint, EndpointChange, EventKind, EventKinds, MAX_ENDPOINTS,
};
use okra_domain::{DeliveryId, ErrorKind, MessageId, OrganizationId, Secret, WebhookId};
use okra_store::jobs::{Job, Lane, Task};
use okra_store::sessions::{OpenTurn, SessionKey, UserMessage};
use okra_store::webhooks::{Noted, SendNext};
use serde_json::{Map, Value, json};

use crate::on_every_database;
use crate::world::{LEASE, World, assert_fails, assert_not_found, entries, page};

on_every_database![
    a_chatbot_comes_with_what_is_told,
    an_endpoint_is_its_organizations_own,
    an_event_is_written_with_what_it_tells_or_not_at_all,
    a_lead_is_an_address_that_is_new,
    a_delivery_is_tried_given_up_and_replayed,
    a_secret_opens_at_its_endpoint_and_address,
    secrets_move_with_the_master_key,
    senders_take_deliveries_and_workers_the_rest,
    an_endpoint_has_one_delivery_under_way,
    with_the_last_endpoint_goes_what_was_kept,
];

fn secret(text: &str) -> Secret {
    Secret::new(format!("whsec_{text}"))
}

async fn endpoint(
    world: &World,
    organization: OrganizationId,
    events: &[EventKind],
) -> Result<Endpoint> {
    let change = EndpointChange {
        url: Some("https://hooks.example.com/okra".to_owned()),
        events: Some(events.iter().copied().collect()),
        ..EndpointChange::default()
    };
    let endpoint = Endpoint::new(change, world.clock().now())?;
    let key = secret("AAAA");
    world
        .store
        .add_webhook(organization, &endpoint, &key)
        .await?;
    Ok(endpoint)
}

async fn told(world: &World, chatbot: &Chatbot) -> Result<EventKinds> {
    let read = world.store.chatbot(chatbot.organization_id, chatbot.id);
    Ok(read.await?.told)
}

/// The chatbot as a request reads it: with what is told.
async fn fresh(world: &World, chatbot: &Chatbot) -> Result<Chatbot> {
    world
        .store
        .chatbot(chatbot.organization_id, chatbot.id)
        .await
}

async fn asks(
    world: &World,
    chatbot: &Chatbot,
    (platform, token): (&str, &str),
    profile: Option<Value>,
) -> Result<OpenTurn> {
    let key = SessionKey::Visitor {
        platform: platform.to_owned(),
        token: Some(token.to_owned()),
        profile: profile.map(|profile| match profile {
            Value::Object(profile) => profile,
            _ => Map::new(),
        }),
    };
    let message = UserMessage {
        id: None,
        content: "안녕하세요".to_owned(),
        attachments: None,
    };
    world.store.open_turn(chatbot, &key, message, 10).await
}

/// Finds the endpoints of every event that waits; gives the types of the deliveries that are due then.
async fn announced(world: &World, endpoint: &Endpoint) -> Result<Vec<String>> {
    while let Some(job) = world.store.lease_job_in(Lane::Work, LEASE).await? {
        let Task::Announce(event) = job.task else {
            panic!("{job:?}");
        };
        assert!(world.store.announce(&job, event).await?);
    }
    let log = world.store.deliveries(endpoint, None, page(1, 100)).await?;
    let mut types: Vec<String> = log.entries.into_iter().map(|it| it.event_type).collect();
    types.sort();
    Ok(types)
}

async fn a_chatbot_comes_with_what_is_told(world: World) -> Result<()> {
    let (ours, theirs) = (world.chatbot("Ours").await?, world.chatbot("Theirs").await?);
    let store = &world.store;
    let organization = ours.organization_id;
    assert!(told(&world, &ours).await?.is_empty());
    let two = [EventKind::MessageCreated, EventKind::FeedbackCreated];
    let first = endpoint(&world, organization, &two).await?;
    assert_eq!(told(&world, &ours).await?, two.into_iter().collect());
    let second = endpoint(&world, organization, &[EventKind::KnowledgeReady]).await?;
    assert!(
        told(&world, &ours)
            .await?
            .contains(EventKind::KnowledgeReady)
    );
    let all = |it: Endpoint| {
        let events = Some(EventKinds::default());
        it.changed(
            EndpointChange {
                events,
                ..EndpointChange::default()
            },
            first.created_at,
        )
    };
    store.change_webhook(organization, second.id, all).await?;
    assert_eq!(told(&world, &ours).await?, EventKinds::all());
    let off = |it: Endpoint| {
        let active = Some(false);
        it.changed(
            EndpointChange {
                active,
                ..EndpointChange::default()
            },
            first.created_at,
        )
    };
    store.change_webhook(organization, second.id, off).await?;
    assert_eq!(told(&world, &ours).await?, two.into_iter().collect());
    store.delete_webhook(organization, first.id).await?;
    assert!(told(&world, &ours).await?.is_empty());
    assert!(told(&world, &theirs).await?.is_empty());
    let visitors = store.chatbot_for_visitors(&ours.slug).await?;
    assert!(visitors.expect("active").told.is_empty());
    Ok(())
}

async fn an_endpoint_is_its_organizations_own(world: World) -> Result<()> {
    let (ours, theirs) = (
        world.organization("Ours").await?,
        world.organization("Theirs").await?,
    );
    let store = &world.store;
    let made = endpoint(&world, ours, &[]).await?;
    assert_eq!(store.webhook(ours, made.id).await?, made);
    assert_eq!(store.webhooks(ours).await?, std::slice::from_ref(&made));
    assert_eq!(store.webhooks(theirs).await?, []);
    for (organization, id) in [(theirs, made.id), (ours, WebhookId::new())] {
        assert_not_found(store.webhook(organization, id).await);
        assert_not_found(store.change_webhook(organization, id, Ok).await);
        assert_not_found(store.delete_webhook(organization, id).await);
        assert_not_found(store.test_webhook(organization, id).await);
        assert_not_found(store.replay(organization, id, DeliveryId::new()).await);
        let since = world.clock().now();
        assert_not_found(store.replay_failed(organization, id, since).await);
        let key = secret("BBBB");
        let rotated = store.rotate_webhook_secret(organization, id, &key, LEASE);
        assert_not_found(rotated.await);
    }
    for _ in 1..MAX_ENDPOINTS {
        endpoint(&world, ours, &[]).await?;
    }
    assert_fails(endpoint(&world, ours, &[]).await, ErrorKind::Conflict);
    endpoint(&world, theirs, &[]).await?;
    assert_not_found(endpoint(&world, OrganizationId::new(), &[]).await);
    Ok(())
}

async fn an_event_is_written_with_what_it_tells_or_not_at_all(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop").await?;
    let store = &world.store;
    asks(&world, &chatbot, ("web", "kim"), None).await?;
    assert_eq!(store.open_jobs().await?, 0, "nobody listens");
    let listening = endpoint(&world, chatbot.organization_id, &[]).await?;
    let chatbot = fresh(&world, &chatbot).await?;
    asks(&world, &chatbot, (PLAYGROUND, "builder"), None).await?;
    assert_eq!(store.open_jobs().await?, 0, "a trial is nobody's business");
    let turn = asks(&world, &chatbot, ("web", "kim"), None).await?;
    assert_eq!(announced(&world, &listening).await?, ["message.created"]);
    asks(&world, &chatbot, ("web", "lee"), None).await?;
    let expected = ["conversation.started", "message.created", "message.created"];
    assert_eq!(announced(&world, &listening).await?, expected);

    // The same message a second time is the same message.
    let id = MessageId::new();
    for _ in 0..2 {
        let said = UserMessage {
            id: Some(id),
            content: "once".to_owned(),
            attachments: None,
        };
        let key = SessionKey::Id(turn.session.id);
        store.open_turn(&chatbot, &key, said, 10).await?;
    }
    assert_eq!(announced(&world, &listening).await?.len(), 4);
    // What is refused leaves no event behind.
    let feedback = Feedback {
        rating: Rating::Down,
        comment: None,
    };
    let rated = store.set_feedback(&chatbot, &turn.session, id, Some(feedback));
    assert_not_found(rated.await);
    assert_eq!(announced(&world, &listening).await?.len(), 4);

    // Knowledge: with the transaction that makes it ready.
    let item = world.add_text(&chatbot, "Tea").await?;
    let job = store.lease_job_in(Lane::Work, LEASE).await?;
    let job = job.expect("the item is to be read");
    assert_eq!(job.task, Task::Ingest(item.id));
    assert!(store.fail_ingest(&job, item.id, "Too hot.").await?);
    assert!(!store.fail_ingest(&job, item.id, "Too hot.").await?);
    let all = announced(&world, &listening).await?;
    assert_eq!(all.iter().filter(|it| *it == "knowledge.failed").count(), 1);
    let log = store.deliveries(&listening, None, page(1, 1)).await?;
    let delivery = entries(log, 1, 5).remove(0);
    let body = store.delivery_body(&listening, delivery.id).await?;
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(body["type"], "knowledge.failed");
    assert_eq!(body["data"]["item"]["error"], "Too hot.");
    assert_eq!(body["data"]["chatbot_id"], json!(chatbot.id));
    Ok(())
}

async fn a_lead_is_an_address_that_is_new(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop").await?;
    let leads = [EventKind::LeadCaptured];
    let listening = endpoint(&world, chatbot.organization_id, &leads).await?;
    let chatbot = fresh(&world, &chatbot).await?;
    for (token, profile, expected) in [
        ("kim", None, 0),
        ("kim", Some(json!({"name": "Kim"})), 0),
        ("kim", Some(json!({"email": "kim@example.com"})), 1),
        ("kim", Some(json!({"email": "kim@example.com"})), 1),
        ("kim", Some(json!({"email": "other@example.com"})), 2),
        ("lee", Some(json!({"email": "lee@example.com"})), 3),
    ] {
        asks(&world, &chatbot, ("web", token), profile.clone()).await?;
        let told = announced(&world, &listening).await?;
        assert_eq!(told.len(), expected, "{token} {profile:?}");
    }
    Ok(())
}

async fn due(world: &World) -> Result<(Job, DeliveryId)> {
    let job = world.store.lease_job_in(Lane::Deliveries, LEASE).await?;
    let job = job.expect("a delivery is due");
    let Task::Deliver(id) = job.task else {
        panic!("{job:?}");
    };
    Ok((job, id))
}

async fn a_delivery_is_tried_given_up_and_replayed(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop").await?;
    let (store, organization) = (&world.store, chatbot.organization_id);
    let listening = endpoint(&world, organization, &[]).await?;
    let began = world.clock().now();
    let made = store.test_webhook(organization, listening.id).await?;
    assert_eq!((made.state, made.attempts), (DeliveryState::Pending, 0));
    let failed = |status: Option<u16>| Attempt {
        at: began,
        status,
        error: Some("No.".to_owned()),
        response: None,
    };
    let (job, id) = due(&world).await?;
    assert_eq!((id, job.attempts), (made.id, 1));
    let wait = Duration::from_secs(60);
    let refused = failed(Some(500));
    let noted = store.note_attempt(&job, id, &refused, SendNext::After(wait));
    assert_eq!(noted.await?, Noted::Kept);
    let noted = store.note_attempt(&job, id, &refused, SendNext::Never);
    assert_eq!(noted.await?, Noted::Lost, "its lease is over");
    let shown = store.delivery(&listening, id).await?;
    assert_eq!(shown.last, Some(failed(Some(500))));
    assert_eq!(shown.next_at, Some(began.after(wait)));
    assert!(
        store.lease_job(LEASE).await?.is_none(),
        "not before its time"
    );

    world.clock().advance(wait);
    let (job, id) = due(&world).await?;
    assert_eq!(job.attempts, 2);
    store
        .note_attempt(&job, id, &failed(None), SendNext::Never)
        .await?;
    let shown = store.delivery(&listening, id).await?;
    assert_eq!((shown.state, shown.attempts), (DeliveryState::Failed, 2));
    assert_eq!(store.open_jobs().await?, 0);

    let later = world.clock().now();
    assert_eq!(
        store
            .replay_failed(organization, listening.id, later)
            .await?,
        0
    );
    assert_eq!(
        store
            .replay_failed(organization, listening.id, began)
            .await?,
        1
    );
    let (job, id) = due(&world).await?;
    assert_eq!(job.attempts, 1);
    // Asked for again meanwhile: what is under way counts for nothing.
    store.replay(organization, listening.id, id).await?;
    let fine = Attempt {
        at: later,
        status: Some(200),
        error: None,
        response: None,
    };
    let noted = store.note_attempt(&job, id, &fine, SendNext::Never).await?;
    assert_eq!(noted, Noted::Lost);
    let (job, id) = due(&world).await?;
    let noted = store.note_attempt(&job, id, &fine, SendNext::Never).await?;
    assert_eq!(noted, Noted::Kept);
    let delivered = Some(DeliveryState::Delivered);
    let log = store.deliveries(&listening, delivered, page(1, 10)).await?;
    assert_eq!(entries(log, 1, 1)[0].last, Some(fine));
    let pending = Some(DeliveryState::Pending);
    entries(
        store.deliveries(&listening, pending, page(1, 10)).await?,
        1,
        0,
    );

    // Gone: the endpoint is switched off, and says so.
    store.replay(organization, listening.id, id).await?;
    let (job, id) = due(&world).await?;
    store
        .note_attempt(&job, id, &failed(Some(410)), SendNext::Gone)
        .await?;
    let gone = store.webhook(organization, listening.id).await?;
    assert!(!gone.active && gone.disabled_reason.is_some());
    assert!(told(&world, &chatbot).await?.is_empty());
    let refused = store.replay(organization, listening.id, id).await;
    assert_fails(refused, ErrorKind::Conflict);
    // With an endpoint goes what it was sent.
    store.delete_webhook(organization, listening.id).await?;
    assert!(store.sending(id).await?.is_none());
    Ok(())
}

async fn a_secret_opens_at_its_endpoint_and_address(world: World) -> Result<()> {
    let organization = world.organization("Ours").await?;
    let store = &world.store;
    let listening = endpoint(&world, organization, &[]).await?;
    let delivery = store.test_webhook(organization, listening.id).await?.id;
    let signs = async || -> Result<Vec<String>> {
        let sending = store.sending(delivery).await?.expect("it is there");
        let secrets = sending.secrets.iter();
        Ok(secrets.map(|secret| secret.expose().to_owned()).collect())
    };
    assert_eq!(signs().await?, ["whsec_AAAA"]);
    let hour = Duration::from_secs(60 * 60);
    let key = secret("BBBB");
    let rotated = store.rotate_webhook_secret(organization, listening.id, &key, hour);
    assert_eq!(
        rotated.await?.previous_until,
        Some(world.clock().now().after(hour))
    );
    assert_eq!(signs().await?, ["whsec_BBBB", "whsec_AAAA"]);
    let moved = |it: Endpoint| {
        let url = Some("https://elsewhere.example.com/".to_owned());
        it.changed(
            EndpointChange {
                url,
                ..EndpointChange::default()
            },
            listening.created_at,
        )
    };
    store
        .change_webhook(organization, listening.id, moved)
        .await?;
    assert_eq!(signs().await?, ["whsec_BBBB", "whsec_AAAA"]);
    world.clock().advance(hour);
    assert_eq!(signs().await?, ["whsec_BBBB"]);
    let key = secret("CCCC");
    let rotated = store.rotate_webhook_secret(organization, listening.id, &key, Duration::ZERO);
    assert_eq!(rotated.await?.previous_until, None);
    assert_eq!(signs().await?, ["whsec_CCCC"]);
    // Whoever can write to the database and not read the key cannot have events sent elsewhere.
    world
        .raw("UPDATE webhook_endpoints SET url = 'https://thief.example.com/'")
        .await;
    assert_fails(store.sending(delivery).await, ErrorKind::Internal);
    Ok(())
}

async fn secrets_move_with_the_master_key(world: World) -> Result<()> {
    let organization = world.organization("Ours").await?;
    let store = &world.store;
    let listening = endpoint(&world, organization, &[]).await?;
    let delivery = store.test_webhook(organization, listening.id).await?.id;
    let key = secret("BBBB");
    store
        .rotate_webhook_secret(organization, listening.id, &key, LEASE)
        .await?;
    world.place.master_keys.rotate()?;
    let reopened = world.open_again().await?;
    let sending = reopened.sending(delivery).await?.expect("it is there");
    let secrets: Vec<&str> = sending.secrets.iter().map(Secret::expose).collect();
    assert_eq!(secrets, ["whsec_BBBB", "whsec_AAAA"]);
    Ok(())
}

async fn senders_take_deliveries_and_workers_the_rest(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop").await?;
    let (store, organization) = (&world.store, chatbot.organization_id);
    let listening = endpoint(&world, organization, &[]).await?;
    store.test_webhook(organization, listening.id).await?;
    world.clock().advance(Duration::from_secs(1));
    let item = world.add_text(&chatbot, "Tea").await?;
    let work = store.lease_job_in(Lane::Work, LEASE).await?.expect("work");
    assert_eq!(work.task, Task::Ingest(item.id));
    assert!(store.lease_job_in(Lane::Work, LEASE).await?.is_none());
    due(&world).await?;
    assert!(store.lease_job_in(Lane::Deliveries, LEASE).await?.is_none());
    world.clock().advance(LEASE + LEASE);
    let any = store
        .lease_job_in(Lane::Any, LEASE)
        .await?
        .expect("the oldest");
    assert!(matches!(any.task, Task::Deliver(_)), "{any:?}");
    Ok(())
}

async fn an_endpoint_has_one_delivery_under_way(world: World) -> Result<()> {
    let organization = world.organization("Ours").await?;
    let store = &world.store;
    let (slow, other) = (
        endpoint(&world, organization, &[]).await?,
        endpoint(&world, organization, &[]).await?,
    );
    let mut sent = Vec::new();
    for to in [&slow, &slow, &other] {
        sent.push(store.test_webhook(organization, to.id).await?.id);
        world.clock().advance(Duration::from_secs(1));
    }
    let (first, id) = due(&world).await?;
    assert_eq!(id, sent[0]);
    let (_, id) = due(&world).await?;
    assert_eq!(id, sent[2], "the other endpoint's");
    for lane in [Lane::Deliveries, Lane::Any] {
        assert_eq!(store.lease_job_in(lane, LEASE).await?, None);
    }
    let fine = Attempt {
        at: world.clock().now(),
        status: Some(200),
        error: None,
        response: None,
    };
    store
        .note_attempt(&first, sent[0], &fine, SendNext::Never)
        .await?;
    let (_, id) = due(&world).await?;
    assert_eq!(id, sent[1]);
    // Not for ever, where whoever sent it is dead.
    world.clock().advance(LEASE);
    due(&world).await?;
    due(&world).await?;

    // Senders of two processes that look at the same time.
    world.clock().advance(LEASE);
    for _ in 0..20 {
        store.test_webhook(organization, slow.id).await?;
    }
    let neighbour = world.open_again().await?;
    let senders = (0..8).map(|n| {
        let store = if n % 2 == 0 { store } else { &neighbour }.clone();
        tokio::spawn(async move { store.lease_job_in(Lane::Deliveries, LEASE).await })
    });
    let mut taken = 0;
    for leased in futures_util::future::join_all(senders).await {
        taken += usize::from(leased.expect("no panic")?.is_some());
    }
    assert_eq!(taken, 2, "one of each endpoint");
    Ok(())
}

async fn with_the_last_endpoint_goes_what_was_kept(world: World) -> Result<()> {
    let organization = world.organization("Ours").await?;
    let store = &world.store;
    let (first, last) = (
        endpoint(&world, organization, &[]).await?,
        endpoint(&world, organization, &[]).await?,
    );
    store.test_webhook(organization, first.id).await?;
    let kept = "SELECT COUNT(*) FROM webhook_events";
    store.delete_webhook(organization, first.id).await?;
    assert_eq!(world.count(kept).await, 1);
    store.delete_webhook(organization, last.id).await?;
    assert_eq!(world.count(kept).await, 0);
    Ok(())
}
