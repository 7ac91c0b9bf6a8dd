//! People of the stories: how they get their accounts and sign in.

use okra_domain::Secret;
use okra_domain::person::{Purpose, Role};
use okra_server::accounts;
use serde_json::{Value, json};

use super::client::{Answer, Client};
use super::{TestApp, text};

/// Everybody's password, unless a story says otherwise.
pub const PASSWORD: &str = "correct horse battery staple";

impl TestApp {
    /// The token of a set-up link, as a start of the server makes one; `None` where somebody has an
    /// account.
    pub async fn set_up_token(&self) -> Option<String> {
        let store = self.engine.store();
        let link = accounts::set_up_link(store, "https://chat.example.com").await;
        let link = link.expect("a link can be made")?;
        let token = link.strip_prefix("https://chat.example.com/link#");
        Some(token.expect("the link's page").to_owned())
    }

    /// The token of an invitation to the organization of this name.
    pub async fn invitation(&self, organization: &str, email: &str, role: Role) -> String {
        let store = self.engine.store();
        let organization = store.organization_named(organization).await;
        let purpose = Purpose::Invitation {
            organization: organization.expect("an organization").id,
            email: email.to_owned(),
            role,
        };
        let token = uuid::Uuid::new_v4().to_string();
        let made = store.create_link(purpose, &Secret::new(&token)).await;
        made.expect("an invitation can be made");
        token
    }

    /// A browser in which a new member of the organization of this name is signed in.
    pub async fn member(&self, organization: &str, email: &str, role: Role) -> Client {
        let token = self.invitation(organization, email, role).await;
        let name = email.split('@').next();
        let accepted = self
            .accept(json!({"token": token, "name": name, "password": PASSWORD}))
            .await;
        self.browser(&accepted)
    }

    /// Accepts a link.
    pub async fn accept(&self, body: Value) -> Answer {
        self.nobody().account("POST", "/links/accept", body).await
    }

    /// Signs in.
    pub async fn sign_in(&self, email: &str, password: &str) -> Answer {
        let body = json!({"email": email, "password": password});
        self.nobody().account("POST", "/sign-in", body).await
    }

    /// The browser that got this answer to a sign-in.
    #[track_caller]
    pub fn browser(&self, answer: &Answer) -> Client {
        let me = answer.expect(200);
        assert!(!text(&me["person"]["id"]).is_empty(), "{me}");
        self.nobody().with_cookie(answer.header("set-cookie"))
    }
}
