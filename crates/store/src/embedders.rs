//! Who turns texts into vectors, and the way from one to another.
//!
//! While another embedder takes over, its vectors are gathered beside those that answer; once every
//! passage has one, a single transaction puts them in place together with the chatbot's knowledge
//! version. Whatever changes meanwhile is caught up with first: the transaction stands only where the
//! version is the one at which nothing was lacking.

use okra_domain::chatbot::Chatbot;
use okra_domain::embedder::{EmbedderChoice, Embedding, Reembedding, Reranker, Serving};
use okra_domain::error::Result;
use okra_domain::knowledge::Chunk;
use okra_domain::{ChatbotId, Error, ItemId, OrganizationId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Store;
use crate::crash::{self, Point};
use crate::db::{Row, Tx, params, to_json};
use crate::events::Change;
use crate::jobs::{self, Job};
use crate::knowledge::{lock_chatbot, read_chunk};
use crate::providers::StoredEndpoint;
use crate::sealing::{Sealer, Spot};

/// Items looked at for one batch of passages.
const ITEMS: i64 = 64;

/// A passage that lacks a vector, and what it is embedded with.
#[derive(Debug, Clone, PartialEq)]
pub struct Lacking {
    /// The item it belongs to.
    pub item_id: ItemId,
    /// The item's title.
    pub title: String,
    /// The item's version when this was read: another one means another text.
    pub version: i64,
    /// The passage.
    pub chunk: Chunk,
}

/// A vector that was made for a [`Lacking`] passage.
#[derive(Debug, Clone, PartialEq)]
pub struct NextVector {
    /// The item.
    pub item_id: ItemId,
    /// The passage in it.
    pub ordinal: u32,
    /// The item's version that the passage was of.
    pub version: i64,
    /// The vector; `None` where the embedder makes nothing of the text.
    pub embedding: Option<Vec<u8>>,
}

/// What became of the attempt to put the new vectors in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// They answer from now on.
    Done,
    /// Something changed meanwhile and lacks vectors.
    Behind,
    /// The job was no longer ours.
    Lost,
}

impl Store {
    /// Sets the chatbot's own choice, `None` for its organization's, and begins the way there. `before`
    /// is who has made its vectors so far, `space` where those of the new choice lie.
    pub async fn choose_embedder(
        &self,
        chatbot: &Chatbot,
        choice: Option<&EmbedderChoice>,
        before: &Serving,
        space: &str,
    ) -> Result<()> {
        let mut tx = self.db.begin().await?;
        lock_chatbot(&mut tx, chatbot.id).await?;
        let sql = "UPDATE chatbots SET embedder = $1 WHERE id = $2 AND organization_id = $3";
        let values = params![
            choice
                .map(|it| written(it, &self.sealer, of_chatbot(chatbot.id)))
                .transpose()?,
            chatbot.id.0,
            chatbot.organization_id.0
        ];
        if tx.execute(sql, values).await? == 0 {
            return Err(Error::not_found("chatbot"));
        }
        self.set_out(&mut tx, chatbot.into(), before, space).await?;
        tx.commit().await?;
        self.tell_embedder(chatbot.organization_id, chatbot.id);
        Ok(())
    }

    /// The organization's choice; `None`: the server's.
    pub async fn organization_embedder(
        &self,
        organization: OrganizationId,
    ) -> Result<Option<EmbedderChoice>> {
        let sql = "SELECT embedder FROM organizations WHERE id = $1";
        match self.db.fetch_optional(sql, params![organization.0]).await? {
            Some(row) => choice(
                &row,
                "embedder",
                &self.sealer,
                of_organization(organization),
            ),
            None => Ok(None),
        }
    }

    /// Sets the organization's choice, and begins the way there for each chatbot without one of its own.
    pub async fn choose_organization_embedder(
        &self,
        organization: OrganizationId,
        choice: Option<&EmbedderChoice>,
        before: &Serving,
        space: &str,
    ) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let sql = "UPDATE organizations SET embedder = $1 WHERE id = $2";
        let stored = |it| written(it, &self.sealer, of_organization(organization));
        let values = params![choice.map(stored).transpose()?, organization.0];
        tx.execute(sql, values).await?;
        let sql = "SELECT id FROM chatbots WHERE organization_id = $1 AND embedder IS NULL";
        let rows = tx.fetch_all(sql, params![organization.0]).await?;
        let mut told = Vec::with_capacity(rows.len());
        for row in rows {
            let chatbot = ChatbotId(row.get("id")?);
            lock_chatbot(&mut tx, chatbot).await?;
            let owner = jobs::Owner::new(organization, chatbot);
            self.set_out(&mut tx, owner, before, space).await?;
            told.push(chatbot);
        }
        tx.commit().await?;
        for chatbot in told {
            self.tell_embedder(organization, chatbot);
        }
        Ok(())
    }

    /// Begins the way to `space` for every chatbot that follows the server's choice and whose vectors
    /// lie elsewhere; to new vectors for every chatbot, whatever it chose, whose vectors are of a built-in model (their
    /// spaces begin with the first of `built_in`) that is not the one there is now (the second); and for every item
    /// whose vectors lie elsewhere than its chatbot's. Gives how many chatbots that is.
    pub async fn follow_server_embedder(&self, space: &str, built_in: (&str, &str)) -> Result<u64> {
        let now = self.clock.now();
        let sql = "SELECT b.id, b.organization_id FROM chatbots b \
                   JOIN organizations o ON o.id = b.organization_id \
                   WHERE (b.serving_space <> $1 AND b.embedder IS NULL AND o.embedder IS NULL) \
                   OR (b.serving_space LIKE $2 AND b.serving_space <> $3) \
                   OR EXISTS (SELECT 1 FROM knowledge_items i WHERE i.chatbot_id = b.id \
                   AND i.embedding_space <> COALESCE(b.serving_space, $1))";
        let (all, now_there) = built_in;
        let values = params![space, format!("{all}%"), now_there];
        let rows = self.db.fetch_all(sql, values).await?;
        let mut begun = 0;
        for row in rows {
            let chatbot = ChatbotId(row.get("id")?);
            let organization = OrganizationId(row.get("organization_id")?);
            let mut tx = self.db.begin().await?;
            let owner = jobs::Owner::new(organization, chatbot);
            begun += jobs::embed_at_start(&mut tx, owner, now).await?;
            tx.commit().await?;
        }
        Ok(begun)
    }

    /// Notes whose vectors a chatbot's first ones are.
    pub async fn begin_serving(&self, chatbot: &Chatbot, serving: &Serving) -> Result<()> {
        let sql = "UPDATE chatbots SET serving_space = $1, serving_embedder = $2 \
                   WHERE id = $3 AND serving_space IS NULL";
        let stored = |it| written(it, &self.sealer, of_chatbot(chatbot.id));
        let embedder = serving.embedder.as_ref().map(stored).transpose()?;
        let values = params![serving.space.as_str(), embedder, chatbot.id.0];
        self.db.execute(sql, values).await.map(|_| ())
    }

    /// How far new vectors have come; `None` where all are in place.
    pub async fn reembedding(&self, chatbot: &Chatbot) -> Result<Option<Reembedding>> {
        let sql = "SELECT space, done, total, dimension, error FROM reembeddings \
                   WHERE chatbot_id = $1";
        let row = self.db.fetch_optional(sql, params![chatbot.id.0]).await?;
        row.as_ref().map(read_reembedding).transpose()
    }

    /// Takes a job up that leads to `space`: counts what there is and what was made before. `None`
    /// where the job is no longer ours.
    pub async fn begin_reembedding(&self, job: &Job, space: &str) -> Result<Option<Reembedding>> {
        let mut tx = self.db.begin().await?;
        lock_chatbot(&mut tx, job.chatbot_id).await?;
        if !jobs::keep(&mut tx, job, false).await? {
            return Ok(None);
        }
        let begun = begin(&mut tx, job.chatbot_id, space).await?;
        tx.commit().await?;
        self.tell_embedder(job.organization_id, job.chatbot_id);
        Ok(Some(begun))
    }

    /// Passages that lack a vector in `space`, `most` of them at once.
    pub async fn lacking_vectors(
        &self,
        chatbot: &Chatbot,
        space: &str,
        most: usize,
    ) -> Result<Vec<Lacking>> {
        let sql = "SELECT i.id, i.title, v.version FROM knowledge_items i \
                   JOIN knowledge_changes v ON v.chatbot_id = i.chatbot_id AND v.item_id = i.id \
                   WHERE i.chatbot_id = $1 AND i.embedding_space <> $2 \
                   AND i.chunks > (SELECT COUNT(*) FROM next_vectors n WHERE n.item_id = i.id) \
                   ORDER BY i.id LIMIT $3";
        let values = params![chatbot.id.0, space, ITEMS];
        let mut lacking = Vec::new();
        for row in self.db.fetch_all(sql, values).await? {
            let item_id = ItemId(row.get("id")?);
            let (title, version): (String, i64) = (row.get("title")?, row.get("version")?);
            let sql = "SELECT c.ordinal, c.headings, c.page, c.text, c.question FROM chunks c \
                       WHERE c.item_id = $1 AND NOT EXISTS (SELECT 1 FROM next_vectors n \
                       WHERE n.item_id = c.item_id AND n.ordinal = c.ordinal) \
                       ORDER BY c.ordinal LIMIT $2";
            let room = i64::try_from(most - lacking.len()).unwrap_or(i64::MAX);
            for row in self.db.fetch_all(sql, params![item_id.0, room]).await? {
                lacking.push(Lacking {
                    item_id,
                    title: title.clone(),
                    version,
                    chunk: read_chunk(&row)?,
                });
            }
            if lacking.len() >= most {
                break;
            }
        }
        Ok(lacking)
    }

    /// The chatbot's knowledge version just now.
    pub async fn knowledge_version(&self, chatbot: &Chatbot) -> Result<i64> {
        let sql = "SELECT knowledge_version AS count FROM chatbots WHERE id = $1";
        self.db.count(sql, params![chatbot.id.0]).await
    }

    /// Keeps vectors beside those that answer, except of items that changed since, and counts the job as
    /// tried for the first time again: it gets on. `false` where the job is no longer ours: nothing is
    /// kept.
    pub async fn keep_next_vectors(
        &self,
        job: &Job,
        dimension: Option<usize>,
        vectors: Vec<NextVector>,
    ) -> Result<bool> {
        let mut tx = self.db.begin().await?;
        lock_chatbot(&mut tx, job.chatbot_id).await?;
        if !jobs::keep(&mut tx, job, true).await? {
            return Ok(false);
        }
        let mut kept = 0_i64;
        let mut known: Option<(ItemId, i64)> = None;
        for vector in vectors {
            let version = match known {
                Some((item, version)) if item == vector.item_id => version,
                _ => version_of(&mut tx, job.chatbot_id, vector.item_id).await?,
            };
            known = Some((vector.item_id, version));
            if version != vector.version {
                continue;
            }
            let sql = "INSERT INTO next_vectors (item_id, ordinal, embedding) VALUES ($1, $2, $3) \
                       ON CONFLICT (item_id, ordinal) DO NOTHING";
            let values = params![vector.item_id.0, vector.ordinal, vector.embedding];
            kept += i64::try_from(tx.execute(sql, values).await?).unwrap_or_default();
        }
        let sql = "UPDATE reembeddings SET done = done + $1, \
                   dimension = COALESCE(dimension, $2) WHERE chatbot_id = $3";
        let dimension = dimension.and_then(|dimension| i64::try_from(dimension).ok());
        let values = params![kept, dimension, job.chatbot_id.0];
        tx.execute(sql, values).await?;
        tx.commit().await?;
        self.tell_embedder(job.organization_id, job.chatbot_id);
        Ok(true)
    }

    /// Puts the new vectors in place of the old and ends the job, in one transaction, provided that
    /// nothing changed since `version`, at which no passage lacked one.
    pub async fn switch_embedder(&self, job: &Job, next: &Serving, version: i64) -> Result<Switch> {
        let id = job.chatbot_id.0;
        let mut tx = self.db.begin().await?;
        lock_chatbot(&mut tx, job.chatbot_id).await?;
        if !jobs::finish(&mut tx, job).await? {
            return Ok(Switch::Lost);
        }
        let space = next.space.as_str();
        let sql = "UPDATE chatbots SET knowledge_version = knowledge_version + 1, \
                   serving_space = $1, serving_embedder = $2 \
                   WHERE id = $3 AND knowledge_version = $4";
        let stored = |it| written(it, &self.sealer, of_chatbot(job.chatbot_id));
        let embedder = next.embedder.as_ref().map(stored).transpose()?;
        if tx
            .execute(sql, params![space, embedder, id, version])
            .await?
            == 0
        {
            return Ok(Switch::Behind);
        }
        let sql = "UPDATE chunks SET embedding = (SELECT n.embedding FROM next_vectors n \
                   WHERE n.item_id = chunks.item_id AND n.ordinal = chunks.ordinal) \
                   WHERE item_id IN (SELECT id FROM knowledge_items \
                   WHERE chatbot_id = $1 AND embedding_space <> $2)";
        tx.execute(sql, params![id, space]).await?;
        // All at once, those too that were in the space before: an index that had left them out, because
        // another space answered, has to load them.
        let sql = "UPDATE knowledge_changes SET version = $1 WHERE chatbot_id = $2";
        tx.execute(sql, params![version + 1, id]).await?;
        let sql = "UPDATE knowledge_items SET embedding_space = $1 \
                   WHERE chatbot_id = $2 AND embedding_space IS NOT NULL";
        tx.execute(sql, params![space, id]).await?;
        forget(&mut tx, job.chatbot_id).await?;
        crash::pass(Point::SwitchOpen);
        tx.commit().await?;
        crash::pass(Point::SwitchDone);
        self.tell_embedder(job.organization_id, job.chatbot_id);
        Ok(Switch::Done)
    }

    /// Gives the way to another embedder up, with the reason, and ends the job: the vectors that answer
    /// go on answering, and those made so far are kept for another attempt.
    pub async fn fail_reembedding(&self, job: &Job, reason: &str) -> Result<bool> {
        let mut tx = self.db.begin().await?;
        lock_chatbot(&mut tx, job.chatbot_id).await?;
        if !jobs::finish(&mut tx, job).await? {
            return Ok(false);
        }
        let sql = "UPDATE reembeddings SET error = $1 WHERE chatbot_id = $2";
        tx.execute(sql, params![reason, job.chatbot_id.0]).await?;
        tx.commit().await?;
        self.tell_embedder(job.organization_id, job.chatbot_id);
        Ok(true)
    }

    /// Sets or forgets who puts the passages found in order once more: `change` gets the present one.
    pub async fn set_reranker(
        &self,
        chatbot: &Chatbot,
        change: impl FnOnce(Option<&Reranker>) -> Result<Option<Reranker>> + Send,
    ) -> Result<Option<Reranker>> {
        let mut tx = self.db.begin().await?;
        lock_chatbot(&mut tx, chatbot.id).await?;
        let sql = "SELECT id, reranker FROM chatbots WHERE id = $1 AND organization_id = $2";
        let values = params![chatbot.id.0, chatbot.organization_id.0];
        let Some(row) = tx.fetch_optional(sql, values).await? else {
            return Err(Error::not_found("chatbot"));
        };
        let next = change(reranker(&row, &self.sealer)?.as_ref())?;
        let sql = "UPDATE chatbots SET reranker = $1 WHERE id = $2";
        let stored = |next: &Reranker| StoredReranker::of(next, chatbot.id, &self.sealer);
        let stored = next.as_ref().map(stored);
        tx.execute(sql, params![stored.transpose()?, chatbot.id.0])
            .await?;
        tx.commit().await?;
        Ok(next)
    }

    /// Where the chatbot's vectors so far are of another space than those of its new choice, has new
    /// ones made; where there are none, there is nothing to do.
    async fn set_out(
        &self,
        tx: &mut Tx,
        owner: jobs::Owner,
        before: &Serving,
        space: &str,
    ) -> Result<()> {
        let id = owner.chatbot();
        let sql = "SELECT COUNT(*) AS count FROM knowledge_items \
                   WHERE chatbot_id = $1 AND embedding_space IS NOT NULL";
        let row = tx.fetch_optional(sql, params![id.0]).await?;
        let read = row.map(|row| row.get::<i64>("count")).transpose()?;
        if read == Some(0) {
            let sql = "UPDATE chatbots SET serving_space = NULL, serving_embedder = NULL \
                       WHERE id = $1";
            tx.execute(sql, params![id.0]).await?;
            return forget(tx, id).await;
        }
        let sql = "UPDATE chatbots SET serving_space = $1, serving_embedder = $2 \
                   WHERE id = $3 AND serving_space IS NULL";
        let stored = |it| written(it, &self.sealer, of_chatbot(id));
        let embedder = before.embedder.as_ref().map(stored).transpose()?;
        let values = params![before.space.as_str(), embedder, id.0];
        tx.execute(sql, values).await?;
        begin(tx, id, space).await?;
        jobs::embed(tx, owner, self.clock.now()).await?;
        Ok(())
    }

    fn tell_embedder(&self, organization: OrganizationId, chatbot: ChatbotId) {
        self.events.tell(organization, Change::Embedder(chatbot));
    }
}

/// Counts, and forgets what was made for another space.
async fn begin(tx: &mut Tx, chatbot: ChatbotId, space: &str) -> Result<Reembedding> {
    let sql = "SELECT space FROM reembeddings WHERE chatbot_id = $1";
    let row = tx.fetch_optional(sql, params![chatbot.0]).await?;
    let under_way: Option<String> = row.map(|row| row.get("space")).transpose()?;
    if under_way.is_some_and(|under_way| under_way != space) {
        forget(tx, chatbot).await?;
    }
    let count = async |tx: &mut Tx, sql, values| -> Result<i64> {
        let row = tx.fetch_optional(sql, values).await?;
        Ok(row.map(|row| row.get("count")).transpose()?.unwrap_or(0))
    };
    let sql = "SELECT COUNT(*) AS count FROM chunks c JOIN knowledge_items i ON i.id = c.item_id \
               WHERE i.chatbot_id = $1 AND i.embedding_space <> $2";
    let total = count(tx, sql, params![chatbot.0, space]).await?;
    let sql = "SELECT COUNT(*) AS count FROM next_vectors n \
               JOIN knowledge_items i ON i.id = n.item_id WHERE i.chatbot_id = $1";
    let done = count(tx, sql, params![chatbot.0]).await?;
    let sql = "INSERT INTO reembeddings (chatbot_id, space, done, total) VALUES ($1, $2, $3, $4) \
               ON CONFLICT (chatbot_id) DO UPDATE SET done = excluded.done, \
               total = excluded.total, error = NULL \
               RETURNING space, done, total, dimension, error";
    let values = params![chatbot.0, space, done, total];
    match tx.fetch_optional(sql, values).await? {
        Some(row) => read_reembedding(&row),
        None => Err(Error::not_found("chatbot")),
    }
}

async fn forget(tx: &mut Tx, chatbot: ChatbotId) -> Result<()> {
    let sql = "DELETE FROM next_vectors WHERE item_id IN \
               (SELECT id FROM knowledge_items WHERE chatbot_id = $1)";
    tx.execute(sql, params![chatbot.0]).await?;
    let sql = "DELETE FROM reembeddings WHERE chatbot_id = $1";
    tx.execute(sql, params![chatbot.0]).await?;
    Ok(())
}

async fn version_of(tx: &mut Tx, chatbot: ChatbotId, item: ItemId) -> Result<i64> {
    // A deleted item's change is still noted, so its chunks are looked for.
    let sql = "SELECT v.version FROM knowledge_changes v JOIN knowledge_items i ON i.id = v.item_id \
               WHERE v.chatbot_id = $1 AND v.item_id = $2";
    let row = tx.fetch_optional(sql, params![chatbot.0, item.0]).await?;
    Ok(row.map(|row| row.get("version")).transpose()?.unwrap_or(-1))
}

/// The chatbot's embedding, from the columns `embedder`, `organization_embedder` and `serving_…`.
pub(crate) fn read_embedding(row: &Row, sealer: &Sealer) -> Result<Embedding> {
    let space: Option<String> = row.get("serving_space")?;
    let id = ChatbotId(row.get("id")?);
    let organization = OrganizationId(row.get("organization_id")?);
    let embedder = choice(row, "serving_embedder", sealer, of_chatbot(id))?;
    let of_organization = of_organization(organization);
    Ok(Embedding {
        own: choice(row, "embedder", sealer, of_chatbot(id))?,
        organization: choice(row, "organization_embedder", sealer, of_organization)?,
        serving: space.map(|space| Serving { space, embedder }),
    })
}

/// Copies what a chatbot's vectors are, beside the vectors themselves. Keys are sealed anew, since they
/// open in their own row alone.
pub(crate) async fn copy(
    tx: &mut Tx,
    from: &Chatbot,
    to: ChatbotId,
    sealer: &Sealer,
) -> Result<()> {
    let stored = |it: &EmbedderChoice| written(it, sealer, of_chatbot(to));
    let serving = from.embedding.serving.as_ref();
    let embedder = serving.and_then(|it| it.embedder.as_ref());
    let reranker = from.reranker.as_ref();
    let sql = "UPDATE chatbots SET embedder = $1, serving_space = $2, serving_embedder = $3, \
               reranker = $4 WHERE id = $5";
    let values = params![
        from.embedding.own.as_ref().map(stored).transpose()?,
        serving.map(|it| it.space.clone()),
        embedder.map(stored).transpose()?,
        reranker
            .map(|it| StoredReranker::of(it, to, sealer))
            .transpose()?,
        to.0
    ];
    tx.execute(sql, values).await.map(|_| ())
}

fn of_chatbot(id: ChatbotId) -> impl Fn(&str) -> Spot {
    move |base_url| Spot::chatbot_endpoint(id, base_url)
}

fn of_organization(id: OrganizationId) -> impl Fn(&str) -> Spot {
    move |base_url| Spot::organization_endpoint(id, base_url)
}

/// Writes a new chatbot's own choice, where it has one, in the caller's transaction.
pub(crate) async fn set_own(tx: &mut Tx, chatbot: &Chatbot, sealer: &Sealer) -> Result<()> {
    let Some(own) = &chatbot.embedding.own else {
        return Ok(());
    };
    let sql = "UPDATE chatbots SET embedder = $1 WHERE id = $2";
    let own = written(own, sealer, of_chatbot(chatbot.id))?;
    let values = params![own, chatbot.id.0];
    tx.execute(sql, values).await.map(|_| ())
}

fn read_reembedding(row: &Row) -> Result<Reembedding> {
    let (done, total): (i64, i64) = (row.get("done")?, row.get("total")?);
    Ok(Reembedding {
        space: row.get("space")?,
        done: done.min(total),
        total,
        dimension: row.get("dimension")?,
        error: row.get("error")?,
    })
}

/// A choice as it is stored, its key sealed.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Stored {
    Static,
    Transformer {
        model: String,
    },
    Endpoint {
        #[serde(flatten)]
        endpoint: StoredEndpoint,
        model: String,
    },
}

#[derive(Serialize, Deserialize)]
struct StoredReranker {
    #[serde(flatten)]
    endpoint: StoredEndpoint,
    model: Option<String>,
    top_n: u32,
}

impl StoredReranker {
    /// As JSON, for the row of this chatbot.
    fn of(reranker: &Reranker, chatbot: ChatbotId, sealer: &Sealer) -> Result<Value> {
        to_json(&Self {
            endpoint: StoredEndpoint::seal(&reranker.provider, sealer, of_chatbot(chatbot))?,
            model: reranker.model.clone(),
            top_n: reranker.top_n,
        })
    }
}

fn written(choice: &EmbedderChoice, sealer: &Sealer, spot: impl Fn(&str) -> Spot) -> Result<Value> {
    to_json(&match choice {
        EmbedderChoice::Static => Stored::Static,
        EmbedderChoice::Transformer { model } => Stored::Transformer {
            model: model.clone(),
        },
        EmbedderChoice::Endpoint { provider, model } => Stored::Endpoint {
            endpoint: StoredEndpoint::seal(provider, sealer, spot)?,
            model: model.clone(),
        },
    })
}

fn choice(
    row: &Row,
    column: &str,
    sealer: &Sealer,
    spot: impl Fn(&str) -> Spot,
) -> Result<Option<EmbedderChoice>> {
    let Some(stored) = row.optional_json(column)? else {
        return Ok(None);
    };
    Ok(Some(match stored {
        Stored::Static => EmbedderChoice::Static,
        Stored::Transformer { model } => EmbedderChoice::Transformer { model },
        Stored::Endpoint { endpoint, model } => EmbedderChoice::Endpoint {
            provider: endpoint.open(sealer, spot)?,
            model,
        },
    }))
}

/// The reranker in the column of that name, of the chatbot in `id`.
pub(crate) fn reranker(row: &Row, sealer: &Sealer) -> Result<Option<Reranker>> {
    let Some(stored) = row.optional_json::<StoredReranker>("reranker")? else {
        return Ok(None);
    };
    let spot = of_chatbot(ChatbotId(row.get("id")?));
    Ok(Some(Reranker {
        provider: stored.endpoint.open(sealer, spot)?,
        model: stored.model,
        top_n: stored.top_n,
    }))
}
