//! Chatbots, always through their organization.

mod arrival;
mod duplicate;

use okra_domain::chatbot::{Chatbot, numbered_slug};
use okra_domain::error::Result;
use okra_domain::{
    ChatbotId, Error, ErrorKind, OrganizationId, Page, PageRequest, Secret, Timestamp,
};

use uuid::Uuid;

use crate::Store;
use crate::accounts::{self, KnownKey};
use crate::blobs;
use crate::budgets;
use crate::db::{Param, Row, Tx, is_unique_violation, params, to_json};
use crate::embedders;
use crate::jobs;
use crate::providers;
use crate::sealing::{Sealer, Spot};
use crate::webhooks;

pub use arrival::{ArrivingItem, Belongings};

/// Whether a taken slug may be numbered, or is the caller's own choice and a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlugChoice {
    /// We made it from the name: `-2`, `-3`, … on collision.
    Derived,
    /// The caller chose it.
    Chosen,
}

/// A chatbot as far as a list needs it that other programs read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedChatbot {
    /// Its public short name.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// How often a slug that was free a moment ago is looked for again: others make chatbots of this name at the same time.
const SLUG_TRIES: usize = 1_000;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, organization_id, slug, name, description, active, is_public, personality, \
             settings, suggestions, voice_widget_config, avatar, openai_api_key, \
             allowed_origins, identity_secret, knowledge_version, created_at, updated_at, \
             (SELECT o.models FROM organizations o \
             WHERE o.id = chatbots.organization_id) AS organization_models, \
             (SELECT t.day FROM organization_tokens t \
             WHERE t.organization_id = chatbots.organization_id) AS tokens_day, \
             (SELECT t.tokens FROM organization_tokens t \
             WHERE t.organization_id = chatbots.organization_id) AS tokens_used, \
             (SELECT o.webhooks FROM organizations o \
             WHERE o.id = chatbots.organization_id) AS organization_webhooks, \
             embedder, serving_space, serving_embedder, reranker, \
             (SELECT o.embedder FROM organizations o \
             WHERE o.id = chatbots.organization_id) AS organization_embedder \
             FROM chatbots ",
            $rest
        )
    };
}

impl Store {
    /// Stores a new chatbot; gives it back with the slug it really got.
    pub async fn create_chatbot(&self, chatbot: Chatbot, slug: SlugChoice) -> Result<Chatbot> {
        let mut tx = self.db.begin().await?;
        let made = insert(&mut tx, chatbot, slug, &self.sealer).await?;
        tx.commit().await?;
        Ok(made)
    }

    /// The organization's chatbot of this id.
    pub async fn chatbot(&self, organization: OrganizationId, id: ChatbotId) -> Result<Chatbot> {
        let sql = select!("WHERE id = $1 AND organization_id = $2");
        let values = params![id.0, organization.0];
        match self.db.fetch_optional(sql, values).await? {
            Some(row) => read(&row, &self.sealer),
            None => Err(Error::not_found("chatbot")),
        }
    }

    /// What [`Store::authenticate`] and [`Store::chatbot`] give, in one read: nearly every request of a program
    /// asks for both. The chatbot is `None` where the key's organization has none of this id.
    pub async fn authenticate_for(
        &self,
        key: &Secret,
        id: ChatbotId,
    ) -> Result<Option<(KnownKey, Option<Chatbot>)>> {
        let sql = concat!(
            "SELECT c.*, k.id AS key_id, k.organization_id AS key_organization_id, \
             k.last_used_at AS key_last_used_at FROM api_keys k LEFT JOIN (",
            select!(""),
            ") c ON c.id = $2 AND c.organization_id = k.organization_id \
             WHERE k.hash = $1 AND k.revoked_at IS NULL"
        );
        let values = params![accounts::hash(key), id.0];
        let Some(row) = self.db.fetch_optional(sql, values).await? else {
            return Ok(None);
        };
        let found = row.get::<Option<Uuid>>("id")?;
        let chatbot = found.map(|_| read(&row, &self.sealer)).transpose()?;
        Ok(Some((KnownKey::read(&row)?, chatbot)))
    }

    /// The organization's chatbots, oldest first.
    pub async fn chatbots(
        &self,
        organization: OrganizationId,
        page: PageRequest,
    ) -> Result<Page<Chatbot>> {
        let total = "SELECT COUNT(*) AS count FROM chatbots WHERE organization_id = $1";
        let total = self.db.count(total, params![organization.0]).await?;
        let sql = select!("WHERE organization_id = $1 ORDER BY created_at, id LIMIT $2 OFFSET $3");
        let values = params![organization.0, page.limit(), page.offset()];
        let rows = self.db.fetch_all(sql, values).await?;
        let entries = rows
            .iter()
            .map(|row| read(row, &self.sealer))
            .collect::<Result<_>>()?;
        Ok(page.of(entries, total))
    }

    /// The organization's chatbot of this slug.
    pub async fn chatbot_by_slug(
        &self,
        organization: OrganizationId,
        slug: &str,
    ) -> Result<Option<Chatbot>> {
        let sql = select!("WHERE slug = $1 AND organization_id = $2");
        let values = params![slug, organization.0];
        let row = self.db.fetch_optional(sql, values).await?;
        row.map(|row| read(&row, &self.sealer)).transpose()
    }

    /// Those of the organization's chatbots that are switched on, oldest first.
    pub async fn listed_chatbots(
        &self,
        organization: OrganizationId,
    ) -> Result<Vec<ListedChatbot>> {
        let sql = "SELECT slug, name, description, created_at FROM chatbots \
                   WHERE organization_id = $1 AND active ORDER BY created_at, id";
        let rows = self.db.fetch_all(sql, params![organization.0]).await?;
        let listed = |row: &Row| {
            Ok(ListedChatbot {
                slug: row.get("slug")?,
                name: row.get("name")?,
                description: row.get("description")?,
                created_at: row.time("created_at")?,
            })
        };
        rows.iter().map(listed).collect()
    }

    /// The chatbot that visitors know by this slug, in any organization, unless it is switched off.
    /// For the visitor API alone, which decides by the request's origin whether it may be seen.
    pub async fn chatbot_for_visitors(&self, slug: &str) -> Result<Option<Chatbot>> {
        let sql = select!("WHERE slug = $1 AND active");
        let row = self.db.fetch_optional(sql, params![slug]).await?;
        row.map(|row| read(&row, &self.sealer)).transpose()
    }

    /// Every chatbot whose id or slug is `name`, in any organization. For the operator's command
    /// line only: no request reaches it.
    pub async fn find_chatbot_as_operator(&self, name: &str) -> Result<Chatbot> {
        let row = match name.parse::<ChatbotId>() {
            Ok(id) => {
                let sql = select!("WHERE id = $1");
                self.db.fetch_optional(sql, params![id.0]).await?
            }
            Err(_) => {
                let sql = select!("WHERE slug = $1");
                self.db.fetch_optional(sql, params![name]).await?
            }
        };
        match row {
            Some(row) => read(&row, &self.sealer),
            None => Err(Error::new(
                ErrorKind::NotFound,
                format!(
                    "There is no chatbot with the id or slug {name:?}; `okra chatbots list` shows them."
                ),
            )),
        }
    }

    /// Changes a chatbot: `change` gets it as it is, locked, and gives it as it shall be.
    pub async fn update_chatbot(
        &self,
        organization: OrganizationId,
        id: ChatbotId,
        change: impl FnOnce(&Chatbot) -> Result<Chatbot> + Send,
    ) -> Result<Chatbot> {
        let mut tx = self.db.begin().await?;
        let current = lock(&mut tx, organization, id, &self.sealer).await?;
        let next = change(&current)?;
        if next.slug != current.slug && has_slug(&mut tx, &next.slug).await? {
            return Err(slug_taken(&next.slug));
        }
        let sql = "UPDATE chatbots SET slug = $1, name = $2, description = $3, active = $4, \
                   is_public = $5, personality = $6, settings = $7, suggestions = $8, \
                   voice_widget_config = $9, avatar = $10, openai_api_key = $11, \
                   allowed_origins = $12, identity_secret = $13, \
                   updated_at = $14 WHERE id = $15 AND organization_id = $16";
        let mut values = columns(&next, &self.sealer)?;
        values.extend(params![next.updated_at, id.0, organization.0]);
        let written = tx.execute(sql, values).await;
        // Two changes may pass the check above together; the index then tells the second.
        written.map_err(|error| match is_unique_violation(&error) {
            true => slug_taken(&next.slug),
            false => error,
        })?;
        if let (Some(old), true) = (&current.avatar, current.avatar != next.avatar) {
            jobs::delete_blobs(
                &mut tx,
                (&current).into(),
                &blobs::avatar_path(id, old),
                self.clock.now(),
            )
            .await?;
        }
        tx.commit().await?;
        Ok(next)
    }

    /// Deletes a chatbot with all that belongs to it; its blobs follow in a job.
    pub async fn delete_chatbot(&self, chatbot: &Chatbot) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let (organization, id) = (chatbot.organization_id, chatbot.id);
        let current = lock(&mut tx, organization, id, &self.sealer).await?;
        let sql = "DELETE FROM jobs WHERE chatbot_id = $1 AND kind <> 'delete_blobs'";
        tx.execute(sql, params![current.id.0]).await?;
        let sql = "DELETE FROM chatbots WHERE id = $1 AND organization_id = $2";
        let values = params![current.id.0, current.organization_id.0];
        tx.execute(sql, values).await?;
        let folder = blobs::chatbot_folder(current.id);
        jobs::delete_blobs(&mut tx, (&current).into(), &folder, self.clock.now()).await?;
        tx.commit().await
    }
}

/// Inserts a chatbot under a slug that is free.
async fn insert(
    tx: &mut Tx,
    chatbot: Chatbot,
    slug: SlugChoice,
    sealer: &Sealer,
) -> Result<Chatbot> {
    let sql = "INSERT INTO chatbots (id, organization_id, slug, name, description, active, \
               is_public, personality, settings, suggestions, voice_widget_config, avatar, \
               openai_api_key, allowed_origins, identity_secret, knowledge_version, \
               created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, \
               $11, $12, $13, $14, $15, $16, $17, $18) \
               ON CONFLICT (slug) DO NOTHING";
    let base = chatbot.slug.clone();
    let mut candidate = chatbot;
    for _ in 0..SLUG_TRIES {
        if let SlugChoice::Derived = slug {
            candidate.slug = free_slug(tx, &base).await?;
        }
        let mut values = params![candidate.id.0, candidate.organization_id.0];
        values.extend(columns(&candidate, sealer)?);
        values.extend(params![
            candidate.knowledge_version,
            candidate.created_at,
            candidate.updated_at
        ]);
        if tx.execute(sql, values).await? == 1 {
            return Ok(candidate);
        }
        if let SlugChoice::Chosen = slug {
            break;
        }
    }
    Err(slug_taken(&base))
}

/// A slug made of `base` that nobody has at the moment. Numbers are taken one after the other, so the first free one
/// is found by doubling and halving: some thirty looks among ten thousand chatbots of one name.
async fn free_slug(tx: &mut Tx, base: &str) -> Result<String> {
    let (mut taken, mut free) = (0_u32, 1_u32);
    while has_slug(tx, &numbered_slug(base, free)).await? {
        taken = free;
        free = free.saturating_mul(2);
    }
    while free - taken > 1 {
        let between = taken + (free - taken) / 2;
        match has_slug(tx, &numbered_slug(base, between)).await? {
            true => taken = between,
            false => free = between,
        }
    }
    Ok(numbered_slug(base, free))
}

async fn has_slug(tx: &mut Tx, slug: &str) -> Result<bool> {
    let sql = "SELECT 1 AS one FROM chatbots WHERE slug = $1";
    Ok(tx.fetch_optional(sql, params![slug]).await?.is_some())
}

/// Takes the chatbot's row for this transaction. An UPDATE that changes nothing locks on both
/// databases, where SELECT … FOR UPDATE is Postgres' alone.
async fn lock(
    tx: &mut Tx,
    organization: OrganizationId,
    id: ChatbotId,
    sealer: &Sealer,
) -> Result<Chatbot> {
    let sql = "UPDATE chatbots SET updated_at = updated_at WHERE id = $1 AND organization_id = $2";
    tx.execute(sql, params![id.0, organization.0]).await?;
    let sql = select!("WHERE id = $1 AND organization_id = $2");
    match tx
        .fetch_optional(sql, params![id.0, organization.0])
        .await?
    {
        Some(row) => read(&row, sealer),
        None => Err(Error::not_found("chatbot")),
    }
}

/// Slug to identity secret, in the order that both statements above name them.
fn columns(chatbot: &Chatbot, sealer: &Sealer) -> Result<Vec<Param>> {
    let seal = |secret: &Option<Secret>, column| {
        sealer.seal_some(secret.as_ref(), &Spot::chatbot(chatbot.id, column))
    };
    Ok(params![
        chatbot.slug.as_str(),
        chatbot.name.as_str(),
        chatbot.description.clone(),
        chatbot.active,
        chatbot.is_public,
        to_json(&chatbot.personality)?,
        to_json(&chatbot.settings)?,
        chatbot.suggestions.as_ref().map(to_json).transpose()?,
        chatbot
            .voice_widget_config
            .as_ref()
            .map(to_json)
            .transpose()?,
        chatbot.avatar.clone(),
        seal(&chatbot.openai_api_key, "openai_api_key")?,
        to_json(&chatbot.allowed_origins)?,
        seal(&chatbot.identity_secret, "identity_secret")?,
    ])
}

fn read(row: &Row, sealer: &Sealer) -> Result<Chatbot> {
    let id = ChatbotId(row.get("id")?);
    let secret = |column: &str| sealer.open_some(row.get(column)?, &Spot::chatbot(id, column));
    Ok(Chatbot {
        id,
        organization_id: OrganizationId(row.get("organization_id")?),
        slug: row.get("slug")?,
        name: row.get("name")?,
        description: row.get("description")?,
        active: row.get("active")?,
        is_public: row.get("is_public")?,
        personality: row.json("personality")?,
        settings: row.json("settings")?,
        suggestions: row.optional_json("suggestions")?,
        voice_widget_config: row.optional_json("voice_widget_config")?,
        avatar: row.get("avatar")?,
        openai_api_key: secret("openai_api_key")?,
        models: providers::read(row, sealer)?,
        tokens_used: budgets::read(row)?,
        told: webhooks::read_told(row)?,
        embedding: embedders::read_embedding(row, sealer)?,
        reranker: embedders::reranker(row, sealer)?,
        allowed_origins: row.json("allowed_origins")?,
        identity_secret: secret("identity_secret")?,
        knowledge_version: row.get("knowledge_version")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

fn slug_taken(slug: &str) -> Error {
    let mut error = Error::invalid_field("slug", format!("\"{slug}\" is taken; choose another"));
    error.kind = ErrorKind::Conflict;
    error
}
