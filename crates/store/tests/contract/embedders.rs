//! Choosing embedders, and the way from one to another.

use okra_domain::chatbot::Chatbot;
use okra_domain::embedder::{EmbedderChoice, Reembedding, Reranker, Serving};
use okra_domain::error::Result;
use okra_domain::provider::Provider;
use okra_domain::{Error, ErrorKind, ItemId, Secret};
use okra_store::embedders::{Lacking, NextVector, Switch};
use okra_store::jobs::{Job, Task};

use crate::on_every_database;
use crate::world::{LEASE, World, assert_fails, assert_not_found, ingested};

on_every_database![
    choices_are_kept_with_their_keys,
    new_vectors_take_over_together,
    what_changes_meanwhile_is_caught_up_with,
    a_newer_choice_replaces_the_older,
    a_way_that_fails_leaves_the_old_vectors,
    an_organizations_choice_reaches_its_chatbots,
    a_reading_that_ends_late_asks_for_vectors,
    a_vector_of_another_item_is_given,
    the_servers_choice_is_followed,
    an_older_built_in_model_is_left_whoever_chose_it,
    a_copy_goes_the_same_way,
];

fn transformer(model: &str) -> EmbedderChoice {
    EmbedderChoice::Transformer {
        model: model.to_owned(),
    }
}

fn serving(space: &str, embedder: Option<EmbedderChoice>) -> Serving {
    Serving {
        space: space.to_owned(),
        embedder,
    }
}

async fn fresh(world: &World, chatbot: &Chatbot) -> Result<Chatbot> {
    world
        .store
        .chatbot(chatbot.organization_id, chatbot.id)
        .await
}

/// What the spaces of built-in models begin with, and the one there is.
const BUILT_IN: (&str, &str) = ("built-in-", "built-in-2");

async fn choose(world: &World, chatbot: &Chatbot, model: &str, space: &str) -> Result<()> {
    let (choice, before) = (transformer(model), serving("space-1", None));
    world
        .store
        .choose_embedder(chatbot, Some(&choice), &before, space)
        .await
}

async fn lease_embed(world: &World) -> Result<Job> {
    let job = world.store.lease_job(LEASE).await?.expect("a job is due");
    assert_eq!(job.task, Task::Embed);
    Ok(job)
}

/// Vectors for these passages, each its ordinal under `mark`.
fn vectors(mark: u8, lacking: &[Lacking]) -> Vec<NextVector> {
    let vector = |it: &Lacking| NextVector {
        item_id: it.item_id,
        ordinal: it.chunk.ordinal,
        version: it.version,
        embedding: Some(vec![mark, u8::try_from(it.chunk.ordinal).unwrap_or(0)]),
    };
    lacking.iter().map(vector).collect()
}

async fn embeddings(
    world: &World,
    chatbot: &Chatbot,
    item: ItemId,
) -> Result<Vec<Option<Vec<u8>>>> {
    let chunks = world.store.item_chunks(chatbot, item).await?;
    Ok(chunks.into_iter().map(|chunk| chunk.embedding).collect())
}

fn standing(reembedding: Option<Reembedding>) -> Option<(i64, i64, Option<String>)> {
    reembedding.map(|it| (it.done, it.total, it.error))
}

async fn choices_are_kept_with_their_keys(world: World) -> Result<()> {
    let (ours, theirs) = (world.chatbot("Ours").await?, world.chatbot("Theirs").await?);
    assert_eq!(ours.embedding, okra_domain::embedder::Embedding::default());
    let endpoint = EmbedderChoice::Endpoint {
        provider: Provider {
            base_url: "https://models.example.com/v1".to_owned(),
            api_key: Some(Secret::new("sk-1234567890")),
        },
        model: "embed-1".to_owned(),
    };
    let before = serving("space-1", None);
    for choice in [endpoint, EmbedderChoice::Static, transformer("small")] {
        let set = world
            .store
            .choose_embedder(&ours, Some(&choice), &before, "space-2");
        set.await?;
        assert_eq!(fresh(&world, &ours).await?.embedding.own, Some(choice));
    }
    world
        .store
        .choose_embedder(&ours, None, &before, "space-1")
        .await?;
    assert_eq!(fresh(&world, &ours).await?.embedding.own, None);
    assert_eq!(fresh(&world, &theirs).await?.embedding.own, None);

    let reranker = Reranker {
        provider: Provider {
            base_url: "https://rerank.example.com".to_owned(),
            api_key: Some(Secret::new("sk-0987654321")),
        },
        model: None,
        top_n: 7,
    };
    let next = reranker.clone();
    let set = world.store.set_reranker(&ours, |current| {
        assert_eq!(current, None);
        Ok(Some(next))
    });
    set.await?;
    assert_eq!(fresh(&world, &ours).await?.reranker, Some(reranker.clone()));
    let refused = world
        .store
        .set_reranker(&ours, |_| Err(Error::invalid("No.")));
    assert_fails(refused.await, ErrorKind::Invalid);
    assert_eq!(fresh(&world, &ours).await?.reranker, Some(reranker));
    world.store.set_reranker(&ours, |_| Ok(None)).await?;
    assert_eq!(fresh(&world, &ours).await?.reranker, None);
    world.store.delete_chatbot(&ours).await?;
    assert_not_found(world.store.set_reranker(&ours, |_| Ok(None)).await);
    assert_not_found(choose(&world, &ours, "small", "space-2").await);
    Ok(())
}

async fn new_vectors_take_over_together(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    // Without knowledge there is nothing to make, and nobody's vectors answer.
    choose(&world, &chatbot, "small", "space-2").await?;
    assert_eq!(world.store.open_jobs().await?, 0);
    assert_eq!(fresh(&world, &chatbot).await?.embedding.serving, None);
    let first = world.add_ready(&chatbot, &["one", "two"]).await?;
    let second = world.add_ready(&chatbot, &["three"]).await?;
    let first_serving = serving("space-1", Some(EmbedderChoice::Static));
    world.store.begin_serving(&chatbot, &first_serving).await?;
    world
        .store
        .begin_serving(&chatbot, &serving("other", None))
        .await?;

    choose(&world, &chatbot, "small", "space-2").await?;
    let chosen = fresh(&world, &chatbot).await?;
    assert_eq!(chosen.embedding.serving, Some(first_serving));
    let standing_now = async || Ok::<_, Error>(standing(world.store.reembedding(&chatbot).await?));
    assert_eq!(standing_now().await?, Some((0, 3, None)));
    let job = lease_embed(&world).await?;
    let begun = world.store.begin_reembedding(&job, "space-2").await?;
    assert_eq!(begun.map(|it| (it.done, it.total)), Some((0, 3)));

    let lacking = world.store.lacking_vectors(&chatbot, "space-2", 2).await?;
    let texts: Vec<&str> = lacking.iter().map(|it| it.chunk.text.as_str()).collect();
    assert_eq!(texts, ["one", "two"]);
    assert_eq!(
        (lacking[0].item_id, lacking[0].title.as_str()),
        (first.id, "one")
    );
    assert!(
        world
            .store
            .keep_next_vectors(&job, Some(2), vectors(9, &lacking))
            .await?
    );
    assert_eq!(standing_now().await?, Some((2, 3, None)));
    // The old ones answer.
    assert_eq!(
        embeddings(&world, &chatbot, first.id).await?[1],
        Some(vec![2, 0, 255])
    );
    // As after a crash: what was made stays made.
    world.clock().advance(LEASE);
    let job = lease_embed(&world).await?;
    let begun = world.store.begin_reembedding(&job, "space-2").await?;
    let begun = begun.expect("the job is ours");
    assert_eq!((begun.done, begun.total, begun.dimension), (2, 3, Some(2)));

    let lacking = world.store.lacking_vectors(&chatbot, "space-2", 64).await?;
    assert_eq!(lacking.len(), 1);
    let mut last = vectors(9, &lacking);
    last[0].embedding = None;
    assert!(world.store.keep_next_vectors(&job, Some(2), last).await?);
    let version = world.store.knowledge_version(&chatbot).await?;
    assert!(
        world
            .store
            .lacking_vectors(&chatbot, "space-2", 64)
            .await?
            .is_empty()
    );
    let next = serving("space-2", Some(transformer("small")));
    let switched = world.store.switch_embedder(&job, &next, version).await?;
    assert_eq!(switched, Switch::Done);
    assert_eq!(
        fresh(&world, &chatbot).await?.embedding.serving,
        Some(next.clone())
    );
    let new = [Some(vec![9, 1]), Some(vec![9, 2])];
    assert_eq!(embeddings(&world, &chatbot, first.id).await?, new);
    assert_eq!(embeddings(&world, &chatbot, second.id).await?, [None]);
    let indexed = world.store.indexed_item(&chatbot, second.id).await?;
    assert_eq!(indexed.embedding_space.as_deref(), Some("space-2"));
    let changes = world.store.knowledge_changes(&chatbot, version).await?;
    assert_eq!((changes.version, changes.items.len()), (version + 1, 2));
    assert_eq!(standing_now().await?, None);
    assert_eq!(world.store.open_jobs().await?, 0);
    let lost = world
        .store
        .switch_embedder(&job, &next, version + 1)
        .await?;
    assert_eq!(lost, Switch::Lost);
    Ok(())
}

async fn what_changes_meanwhile_is_caught_up_with(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let item = world.add_ready(&chatbot, &["old"]).await?;
    let gone = world.add_ready(&chatbot, &["gone"]).await?;
    choose(&world, &chatbot, "small", "space-2").await?;
    let job = lease_embed(&world).await?;
    world.store.begin_reembedding(&job, "space-2").await?;
    let version = world.store.knowledge_version(&chatbot).await?;
    let lacking = world.store.lacking_vectors(&chatbot, "space-2", 64).await?;
    assert_eq!(lacking.len(), 2);

    let again = |item: &okra_domain::knowledge::Item| Ok((item.clone(), true));
    world.store.update_item(&chatbot, item.id, again).await?;
    let reading = world.lease_ingest(item.id).await?;
    world
        .store
        .finish_ingest(&reading, item.id, ingested(&["new", "and more"]))
        .await?;
    world.store.delete_item(&chatbot, gone.id).await?;
    // Vectors of texts that are no more are not kept.
    assert!(
        world
            .store
            .keep_next_vectors(&job, Some(2), vectors(9, &lacking))
            .await?
    );
    let lacking = world.store.lacking_vectors(&chatbot, "space-2", 64).await?;
    let texts: Vec<&str> = lacking.iter().map(|it| it.chunk.text.as_str()).collect();
    assert_eq!(texts, ["new", "and more"]);
    let next = serving("space-2", Some(transformer("small")));
    let behind = world.store.switch_embedder(&job, &next, version).await?;
    assert_eq!(behind, Switch::Behind);
    assert!(
        world
            .store
            .keep_next_vectors(&job, Some(2), vectors(9, &lacking))
            .await?
    );
    // Read once more after its vectors were made: they went with the old passages.
    world.store.update_item(&chatbot, item.id, again).await?;
    let reading = world.lease_ingest(item.id).await?;
    world
        .store
        .finish_ingest(&reading, item.id, ingested(&["newest"]))
        .await?;
    let lacking = world.store.lacking_vectors(&chatbot, "space-2", 64).await?;
    assert_eq!(lacking.len(), 1);
    assert!(
        world
            .store
            .keep_next_vectors(&job, Some(2), vectors(8, &lacking))
            .await?
    );
    let version = world.store.knowledge_version(&chatbot).await?;
    let done = world.store.switch_embedder(&job, &next, version).await?;
    assert_eq!(done, Switch::Done);
    assert_eq!(
        embeddings(&world, &chatbot, item.id).await?,
        [Some(vec![8, 1])]
    );
    Ok(())
}

async fn a_newer_choice_replaces_the_older(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    world.add_ready(&chatbot, &["one", "two"]).await?;
    choose(&world, &chatbot, "small", "space-2").await?;
    let old = lease_embed(&world).await?;
    world.store.begin_reembedding(&old, "space-2").await?;
    let lacking = world.store.lacking_vectors(&chatbot, "space-2", 1).await?;
    assert!(
        world
            .store
            .keep_next_vectors(&old, Some(2), vectors(9, &lacking))
            .await?
    );

    choose(&world, &chatbot, "large", "space-3").await?;
    let standing_now = standing(world.store.reembedding(&chatbot).await?);
    assert_eq!(standing_now, Some((0, 2, None)));
    assert!(
        !world
            .store
            .keep_next_vectors(&old, Some(2), vectors(9, &lacking))
            .await?
    );
    assert_eq!(world.store.begin_reembedding(&old, "space-2").await?, None);
    assert!(!world.store.fail_reembedding(&old, "too late").await?);
    let new = lease_embed(&world).await?;
    world.store.begin_reembedding(&new, "space-3").await?;
    let lacking = world.store.lacking_vectors(&chatbot, "space-3", 64).await?;
    assert_eq!(
        lacking.len(),
        2,
        "vectors of another space are none of this"
    );
    // Back to what answers: nothing lacks, and what was begun is forgotten.
    let (before, version) = (
        serving("space-1", None),
        world.store.knowledge_version(&chatbot).await?,
    );
    world
        .store
        .choose_embedder(&chatbot, None, &before, "space-1")
        .await?;
    let back = lease_embed(&world).await?;
    world.store.begin_reembedding(&back, "space-1").await?;
    assert!(
        world
            .store
            .lacking_vectors(&chatbot, "space-1", 64)
            .await?
            .is_empty()
    );
    let switched = world.store.switch_embedder(&back, &before, version).await?;
    assert_eq!(switched, Switch::Done);
    assert_eq!(world.store.reembedding(&chatbot).await?, None);
    Ok(())
}

async fn a_way_that_fails_leaves_the_old_vectors(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let item = world.add_ready(&chatbot, &["one", "two"]).await?;
    choose(&world, &chatbot, "small", "space-2").await?;
    let job = lease_embed(&world).await?;
    world.store.begin_reembedding(&job, "space-2").await?;
    let lacking = world.store.lacking_vectors(&chatbot, "space-2", 1).await?;
    world
        .store
        .keep_next_vectors(&job, Some(2), vectors(9, &lacking))
        .await?;
    assert!(world.store.fail_reembedding(&job, "Invalid key.").await?);
    let failed = standing(world.store.reembedding(&chatbot).await?);
    assert_eq!(failed, Some((1, 2, Some("Invalid key.".to_owned()))));
    assert_eq!(world.store.open_jobs().await?, 0);
    assert_eq!(
        embeddings(&world, &chatbot, item.id).await?[0],
        Some(vec![1, 0, 255])
    );
    let serves = fresh(&world, &chatbot).await?.embedding.serving;
    assert_eq!(serves, Some(serving("space-1", None)));
    // Chosen once more, it goes on where it was.
    choose(&world, &chatbot, "small", "space-2").await?;
    let again = standing(world.store.reembedding(&chatbot).await?);
    assert_eq!(again, Some((1, 2, None)));
    let job = lease_embed(&world).await?;
    assert_eq!(job.attempts, 1);
    Ok(())
}

async fn an_organizations_choice_reaches_its_chatbots(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let organization = chatbot.organization_id;
    let other = Chatbot::new(organization, "Other", world.clock().now())?;
    let other = world
        .store
        .create_chatbot(other, okra_store::SlugChoice::Derived)
        .await?;
    let stranger = world.chatbot("Stranger").await?;
    for bot in [&chatbot, &other, &stranger] {
        world.add_ready(bot, &["text"]).await?;
    }
    choose(&world, &other, "own", "space-1").await?;
    let finish = lease_embed(&world).await?;
    let version = world.store.knowledge_version(&other).await?;
    let own = serving("space-1", Some(transformer("own")));
    world.store.switch_embedder(&finish, &own, version).await?;

    let (choice, before) = (transformer("small"), serving("space-1", None));
    world
        .store
        .choose_organization_embedder(organization, Some(&choice), &before, "space-2")
        .await?;
    assert_eq!(
        world.store.organization_embedder(organization).await?,
        Some(choice.clone())
    );
    assert_eq!(
        fresh(&world, &chatbot).await?.embedding.wanted(),
        Some(&choice)
    );
    assert_eq!(
        fresh(&world, &other).await?.embedding.own,
        Some(transformer("own"))
    );
    assert_eq!(fresh(&world, &stranger).await?.embedding.wanted(), None);
    let job = lease_embed(&world).await?;
    assert_eq!(
        (job.chatbot_id, world.store.open_jobs().await?),
        (chatbot.id, 1)
    );
    assert_eq!(world.store.reembedding(&other).await?, None);
    let before = serving("space-2", Some(choice));
    world
        .store
        .choose_organization_embedder(organization, None, &before, "space-1")
        .await?;
    assert_eq!(world.store.organization_embedder(organization).await?, None);
    Ok(())
}

async fn a_reading_that_ends_late_asks_for_vectors(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let item = world.add_text(&chatbot, "text").await?;
    let reading = world.lease_ingest(item.id).await?;
    world
        .store
        .begin_serving(&chatbot, &serving("space-2", None))
        .await?;
    world
        .store
        .finish_ingest(&reading, item.id, ingested(&["text"]))
        .await?;
    let job = lease_embed(&world).await?;
    assert_eq!(job.chatbot_id, chatbot.id);
    Ok(())
}

async fn a_vector_of_another_item_is_given(world: World) -> Result<()> {
    let (chatbot, other) = (world.chatbot("Old").await?, world.chatbot("Other").await?);
    world.add_ready(&other, &["text"]).await?;
    let first = world.add_ready(&chatbot, &["one", "two"]).await?;
    let beside = async |item, space| world.store.vector_beside(&chatbot, item, space).await;
    assert_eq!(beside(first.id, "space-1").await?, None, "its own is none");
    let second = world.add_text(&chatbot, "three").await?;
    let vector = beside(second.id, "space-1").await?.expect("the first's");
    assert_eq!(vector[1..], [0, 255]);
    assert_eq!(beside(second.id, "space-2").await?, None);
    Ok(())
}

async fn the_servers_choice_is_followed(world: World) -> Result<()> {
    let (chatbot, settled) = (world.chatbot("Old").await?, world.chatbot("Settled").await?);
    let own = world.chatbot("Own").await?;
    for bot in [&chatbot, &settled, &own] {
        world.add_ready(bot, &["text"]).await?;
        world
            .store
            .begin_serving(bot, &serving("space-1", None))
            .await?;
    }
    choose(&world, &own, "own", "space-1").await?;
    let kept = lease_embed(&world).await?;
    world.store.finish_job(&kept).await?;
    assert_eq!(
        world
            .store
            .follow_server_embedder("space-1", BUILT_IN)
            .await?,
        0
    );
    assert_eq!(
        world
            .store
            .follow_server_embedder("space-2", BUILT_IN)
            .await?,
        2
    );
    // A chatbot that is there, and an item of it that is not.
    let stray = "UPDATE knowledge_items SET embedding_space = 'space-0' WHERE chatbot_id IN \
                 (SELECT id FROM chatbots WHERE name = 'Own')";
    world.raw(stray).await;
    assert_eq!(
        world
            .store
            .follow_server_embedder("space-1", BUILT_IN)
            .await?,
        1
    );
    assert_eq!(world.store.open_jobs().await?, 3);
    // One that took the server down before is not begun as if it were new.
    let taken = lease_embed(&world).await?;
    world
        .store
        .follow_server_embedder("space-2", BUILT_IN)
        .await?;
    let mut again = lease_embed(&world).await?;
    while again.chatbot_id != taken.chatbot_id {
        again = lease_embed(&world).await?;
    }
    assert_eq!((taken.attempts, again.attempts), (1, 2));
    Ok(())
}

async fn an_older_built_in_model_is_left_whoever_chose_it(world: World) -> Result<()> {
    let chatbot = world.chatbot("Own").await?;
    world.add_ready(&chatbot, &["text"]).await?;
    choose(&world, &chatbot, "own", "space-1").await?;
    let first = lease_embed(&world).await?;
    world.store.finish_job(&first).await?;
    for (serving, begun) in [("built-in-2", 0), ("elsewhere", 0), ("built-in-1", 1)] {
        let sql = format!("UPDATE chatbots SET serving_space = '{serving}'");
        world.raw(&sql).await;
        let sql = format!("UPDATE knowledge_items SET embedding_space = '{serving}'");
        world.raw(&sql).await;
        let followed = world.store.follow_server_embedder("space-1", BUILT_IN);
        assert_eq!(followed.await?, begun, "{serving}");
    }
    assert_eq!(lease_embed(&world).await?.chatbot_id, chatbot.id);
    Ok(())
}

async fn a_copy_goes_the_same_way(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    world.add_ready(&chatbot, &["one"]).await?;
    choose(&world, &chatbot, "small", "space-2").await?;
    let copy = world.store.duplicate_chatbot(&chatbot, None).await?;
    let (original, copy) = (fresh(&world, &chatbot).await?, fresh(&world, &copy).await?);
    assert_eq!(copy.embedding, original.embedding);
    let first = lease_embed(&world).await?;
    let second = lease_embed(&world).await?;
    let mut asked = [first.chatbot_id, second.chatbot_id];
    asked.sort();
    let mut expected = [chatbot.id, copy.id];
    expected.sort();
    assert_eq!(asked, expected);
    Ok(())
}
