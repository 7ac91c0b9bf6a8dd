//! An organization's people and keys: who comes, who goes, and who decides.

use std::time::Duration;

use okra_domain::person::Role;
use serde_json::{Value, json};

use crate::support::{Answer, Client, PASSWORD, Stage, TestApp, keys_of, list, sorted, text};

stories! {
    an_invited_person_comes_in_once,
    of_two_who_open_an_invitation_together_one_comes_in,
    whoever_has_an_account_joins_with_its_password,
    an_invitation_is_taken_back_or_replaced,
    roles_change_at_once_and_an_owner_stays,
    a_forgotten_password_is_replaced_by_a_link,
    people_and_keys_of_others_are_nothing,
    a_key_is_shown_once_and_revoked,
    an_organization_is_renamed_by_its_owner,
    odd_invitations_are_refused_with_the_field,
}

const KIM: &str = "kim@example.com";
const LEE: &str = "lee@example.com";

/// The token of a link that an answer holds.
fn token(answer: &Value) -> String {
    let link = text(&answer["link"]);
    let token = link.strip_prefix("https://chat.example.com/link#");
    token.expect("the link's page").to_owned()
}

async fn invite(by: &Client, email: &str, role: &str) -> Answer {
    by.post("/people", json!({"email": email, "role": role}))
        .await
}

async fn people(of: &Client) -> (Vec<Value>, Vec<Value>) {
    let people = of.get("/people").await.expect(200);
    (
        list(&people["data"]).clone(),
        list(&people["invitations"]).clone(),
    )
}

async fn id_of(of: &Client, email: &str) -> String {
    let (members, _) = people(of).await;
    let found = members.iter().find(|member| member["email"] == email);
    text(&found.expect("a member")["id"]).to_owned()
}

async fn show(app: &TestApp, token: &str) -> Answer {
    app.nobody()
        .account("POST", "/links/show", json!({"token": token}))
        .await
}

async fn an_invited_person_comes_in_once(stage: Stage) {
    let app = stage.app().await;
    let owner = app.member("Ours", KIM, Role::Owner).await;
    let invited = invite(&owner, " Lee@Example.com", "agent")
        .await
        .expect(201);
    assert_eq!(keys_of(&invited), sorted("invitation link sent"));
    let invitation = &invited["invitation"];
    assert_eq!(
        keys_of(invitation),
        sorted("id email role expires_at created_at")
    );
    assert_eq!(
        (&invitation["email"], &invitation["role"]),
        (&json!(LEE), &json!("agent"))
    );
    let (members, invitations) = people(&owner).await;
    assert_eq!(
        (members.len(), &invitations),
        (1, &vec![invitation.clone()])
    );
    let fields = "id name email role last_seen_at created_at";
    assert_eq!(keys_of(&members[0]), sorted(fields));

    let token = token(&invited);
    let shown = show(&app, &token).await.expect(200);
    let expected = json!({"kind": "invitation", "organization": "Ours", "email": LEE, "name": null,
        "has_account": false});
    assert_eq!(shown, expected);
    // The address is the invitation's, whatever is sent.
    let body = json!({"token": token, "name": "Lee", "email": "eve@example.com",
        "password": PASSWORD, "organization": "Mine"});
    let browser = app.browser(&app.accept(body.clone()).await);
    let me = browser.account("GET", "", Value::Null).await.expect(200);
    assert_eq!(me["person"]["email"], LEE);
    let place = &me["organizations"][0];
    assert_eq!(
        (&place["name"], &place["role"]),
        (&json!("Ours"), &json!("agent"))
    );
    show(&app, &token).await.refused(404, "link_invalid", "");
    app.accept(body).await.refused(404, "link_invalid", "");
    let (members, invitations) = people(&browser).await;
    assert_eq!((members.len(), invitations.len()), (2, 0));
    assert_eq!(
        (&members[1]["name"], &members[1]["role"]),
        (&json!("Lee"), &json!("agent"))
    );
    assert!(members[1]["last_seen_at"].is_string(), "{members:?}");

    let again = invite(&owner, LEE, "admin").await;
    again.refused(409, "already_member", "");
}

async fn of_two_who_open_an_invitation_together_one_comes_in(stage: Stage) {
    let app = stage.app().await;
    let invited = invite(&app.client, LEE, "viewer").await.expect(201);
    let body = |name: &str| json!({"token": token(&invited), "name": name, "password": PASSWORD});
    let (one, other) = tokio::join!(app.accept(body("One")), app.accept(body("Other")));
    let (won, lost) = match one.status {
        200 => (one, other),
        _ => (other, one),
    };
    app.browser(&won);
    // Whoever was slower finds the link used, or an account whose password this is not.
    assert!([401, 404].contains(&lost.status), "{lost:?}");
    assert_eq!(lost.header("set-cookie"), "");
    assert_eq!(people(&app.client).await.0.len(), 1);
}

async fn whoever_has_an_account_joins_with_its_password(stage: Stage) {
    let app = stage.app().await;
    app.member("Theirs", LEE, Role::Owner).await;
    let invited = invite(&app.client, LEE, "admin").await.expect(201);
    let shown = show(&app, &token(&invited)).await.expect(200);
    assert_eq!(
        (&shown["has_account"], &shown["name"]),
        (&json!(true), &json!("lee"))
    );
    let accept = |password: &str| {
        let body = json!({"token": token(&invited), "name": "Eve", "password": password});
        app.accept(body)
    };
    accept("wrong horse")
        .await
        .refused(401, "sign_in_failed", "");
    let browser = app.browser(&accept(PASSWORD).await);
    let me = browser.account("GET", "", Value::Null).await.expect(200);
    assert_eq!(me["person"]["name"], "lee", "the account stays as it was");
    let roles: Vec<&str> = list(&me["organizations"])
        .iter()
        .map(|place| text(&place["role"]))
        .collect();
    assert_eq!(roles, ["owner", "admin"]);
    accept(PASSWORD).await.refused(404, "link_invalid", "");
}

async fn an_invitation_is_taken_back_or_replaced(stage: Stage) {
    let app = stage.app().await;
    let first = invite(&app.client, LEE, "viewer").await.expect(201);
    let second = invite(&app.client, LEE, "agent").await.expect(201);
    show(&app, &token(&first))
        .await
        .refused(404, "link_invalid", "");
    show(&app, &token(&second)).await.expect(200);
    let id = |invited: &Value| text(&invited["invitation"]["id"]).to_owned();
    let path = |id: &str| format!("/people/invitations/{id}");
    let gone = app.client.delete(&path(&id(&first))).await;
    gone.refused(404, "not_found", "");
    let taken = app.stranger.delete(&path(&id(&second))).await;
    taken.refused(404, "not_found", "");
    app.client
        .delete(&path(&id(&second)))
        .await
        .expect_nothing(204);
    show(&app, &token(&second))
        .await
        .refused(404, "link_invalid", "");

    let late = invite(&app.client, LEE, "viewer").await.expect(201);
    app.clock.advance(Duration::from_secs(7 * 24 * 60 * 60));
    show(&app, &token(&late))
        .await
        .refused(404, "link_invalid", "");
    assert_eq!(people(&app.client).await.1, Vec::<Value>::new());

    // What owners gave, admins do not take.
    let owner = app.member("Ours", KIM, Role::Owner).await;
    let owners = invite(&owner, LEE, "owner").await.expect(201);
    let taken = app.client.delete(&path(&id(&owners))).await;
    taken.refused(403, "role_too_low", "");
    show(&app, &token(&owners)).await.expect(200);
}

async fn roles_change_at_once_and_an_owner_stays(stage: Stage) {
    let app = stage.app().await;
    let owner = app.member("Ours", KIM, Role::Owner).await;
    let admin = app.member("Ours", "park@example.com", Role::Admin).await;
    let lee = app.member("Ours", LEE, Role::Viewer).await;
    let kim_id = id_of(&owner, KIM).await;
    let lee_id = id_of(&owner, LEE).await;
    let set = async |by: &Client, id: &str, role: &str| {
        by.patch(&format!("/people/{id}"), json!({"role": role}))
            .await
    };
    let remove = async |by: &Client, id: &str| by.delete(&format!("/people/{id}")).await;

    let make = json!({"name": "Mine"});
    lee.post("/chatbots", make.clone())
        .await
        .refused(403, "role_too_low", "");
    let changed = set(&admin, &lee_id, "admin").await.expect(200);
    assert_eq!(
        (&changed["id"], &changed["role"]),
        (&json!(lee_id), &json!("admin"))
    );
    lee.post("/chatbots", make).await.expect(200);
    // Owners are the owners' matter.
    for by in [&admin, &app.client] {
        set(by, &lee_id, "owner")
            .await
            .refused(403, "role_too_low", "");
        set(by, &kim_id, "viewer")
            .await
            .refused(403, "role_too_low", "");
        remove(by, &kim_id).await.refused(403, "role_too_low", "");
        invite(by, "new@example.com", "owner")
            .await
            .refused(403, "role_too_low", "");
    }
    set(&owner, &kim_id, "admin")
        .await
        .refused(409, "last_owner", "");
    remove(&owner, &kim_id).await.refused(409, "last_owner", "");
    set(&owner, &lee_id, "owner").await.expect(200);
    set(&owner, &kim_id, "agent").await.expect(200);
    set(&owner, &lee_id, "viewer")
        .await
        .refused(403, "role_too_low", "");
    set(&lee, &lee_id, "viewer")
        .await
        .refused(409, "last_owner", "");

    remove(&admin, &kim_id).await.expect_nothing(204);
    owner
        .get("/chatbots")
        .await
        .refused(403, "no_organization", "");
    let me = owner.account("GET", "", Value::Null).await.expect(200);
    assert_eq!(me["organizations"], json!([]), "the account is still there");
    remove(&admin, &kim_id).await.refused(404, "not_found", "");
    let odd = set(&lee, &kim_id, "boss").await;
    odd.refused(400, "invalid_request", "role");
}

async fn a_forgotten_password_is_replaced_by_a_link(stage: Stage) {
    let app = stage.app().await;
    let owner = app.member("Ours", KIM, Role::Owner).await;
    let lee = app.member("Ours", LEE, Role::Agent).await;
    let (kim_id, lee_id) = (id_of(&owner, KIM).await, id_of(&owner, LEE).await);
    let reset = async |by: &Client, id: &str| {
        by.post(&format!("/people/{id}/reset-link"), json!({}))
            .await
    };
    reset(&lee, &kim_id).await.refused(403, "role_too_low", "");
    reset(&app.client, &kim_id)
        .await
        .refused(403, "role_too_low", "");
    let made = reset(&app.client, &lee_id).await.expect(200);
    assert_eq!(keys_of(&made), sorted("link sent"));
    let shown = show(&app, &token(&made)).await.expect(200);
    let expected = json!({"kind": "reset", "organization": null, "email": LEE, "name": "lee",
        "has_account": true});
    assert_eq!(shown, expected);
    let accept = |password: &str| app.accept(json!({"token": token(&made), "password": password}));
    accept("short")
        .await
        .refused(400, "invalid_request", "password");
    let fresh = app.browser(&accept("a password to remember").await);
    let me = fresh.account("GET", "", Value::Null).await.expect(200);
    assert_eq!(me["person"]["email"], LEE);
    let over = lee.account("GET", "", Value::Null).await;
    over.refused(401, "unauthorized", "");
    app.sign_in(LEE, PASSWORD)
        .await
        .refused(401, "sign_in_failed", "");
    app.browser(&app.sign_in(LEE, "a password to remember").await);
    accept(PASSWORD).await.refused(404, "link_invalid", "");

    let late = reset(&owner, &lee_id).await.expect(200);
    app.clock.advance(Duration::from_secs(24 * 60 * 60));
    show(&app, &token(&late))
        .await
        .refused(404, "link_invalid", "");
    // The link would open another organization too.
    let invited = invite(&app.stranger, LEE, "admin").await.expect(201);
    let body = json!({"token": token(&invited), "password": "a password to remember"});
    app.browser(&app.accept(body).await);
    reset(&owner, &lee_id)
        .await
        .refused(403, "belongs_elsewhere", "");
}

async fn people_and_keys_of_others_are_nothing(stage: Stage) {
    let app = stage.app().await;
    app.member("Ours", KIM, Role::Admin).await;
    let id = id_of(&app.client, KIM).await;
    let keys = app.client.get("/keys").await.expect(200);
    let key = text(&keys["data"][0]["id"]).to_owned();
    let nothing = "019b0000-0000-7000-8000-000000000000";
    let theirs = app.member("Theirs", LEE, Role::Owner).await;
    for by in [&app.stranger, &theirs] {
        for (person, key) in [(id.as_str(), key.as_str()), (nothing, nothing), ("x", "x")] {
            let path = format!("/people/{person}");
            let answers = [
                by.patch(&path, json!({"role": "viewer"})).await,
                by.delete(&path).await,
                by.post(&format!("{path}/reset-link"), json!({})).await,
                by.delete(&format!("/keys/{key}")).await,
            ];
            for answer in answers {
                answer.refused(404, "not_found", "");
            }
        }
    }
    assert_eq!(people(&app.client).await.0[0]["role"], "admin");
    assert_eq!(people(&theirs).await.0.len(), 1);
    assert_eq!(app.client.get("/keys").await.expect(200), keys);
}

async fn a_key_is_shown_once_and_revoked(stage: Stage) {
    let app = stage.app().await;
    let admin = app.member("Ours", KIM, Role::Admin).await;
    let made = admin
        .post("/keys", json!({"name": " CI "}))
        .await
        .expect(201);
    let key = text(&made["key"]);
    assert!(
        key.len() == 48 && key.bytes().all(|b| b.is_ascii_hexdigit()),
        "{key}"
    );
    let data = &made["data"];
    assert_eq!(
        keys_of(data),
        sorted("id name hint created_at last_used_at")
    );
    let expected = (&json!("CI"), &json!(key[44..]), &json!(null));
    assert_eq!(
        (&data["name"], &data["hint"], &data["last_used_at"]),
        expected
    );
    let program = app.nobody().with_key(key);
    program.get("/chatbots").await.expect(200);
    let listed = admin.get("/keys").await.expect(200);
    let found = list(&listed["data"])
        .iter()
        .find(|listed| listed["id"] == data["id"]);
    assert!(found.expect("it is listed")["last_used_at"].is_string());
    assert!(!listed.to_string().contains(&key[..40]), "{listed}");
    let nameless = admin.post("/keys", json!({})).await.expect(201);
    assert_eq!(nameless["data"]["name"], json!(null));
    for odd in ["", "x\ny", &"x".repeat(101)] {
        let refused = admin.post("/keys", json!({"name": odd})).await;
        refused.refused(400, "invalid_request", "name");
    }

    let path = format!("/keys/{}", text(&data["id"]));
    admin.delete(&path).await.expect_nothing(204);
    program
        .get("/chatbots")
        .await
        .refused(401, "unauthorized", "");
    admin.delete(&path).await.refused(404, "not_found", "");
    let listed = admin.get("/keys").await.expect(200);
    assert_eq!(list(&listed["data"]).len(), 2);
}

async fn an_organization_is_renamed_by_its_owner(stage: Stage) {
    let app = stage.app().await;
    let owner = app.member("Ours", KIM, Role::Owner).await;
    let rename =
        async |by: &Client, name: &str| by.patch("/organization", json!({"name": name})).await;
    rename(&app.client, "Mine")
        .await
        .refused(403, "role_too_low", "");
    rename(&owner, "Theirs").await.refused(409, "conflict", "");
    for odd in ["", " ", "x\ny", &"x".repeat(101)] {
        rename(&owner, odd)
            .await
            .refused(400, "invalid_request", "name");
    }
    let renamed = rename(&owner, " 우리 가게 ").await.expect(200);
    assert_eq!(keys_of(&renamed["organization"]), sorted("id name"));
    assert_eq!(renamed["organization"]["name"], "우리 가게");
    assert_eq!(app.client.get("/organization").await.expect(200), renamed);
    let theirs = app.stranger.get("/organization").await.expect(200);
    assert_eq!(theirs["organization"]["name"], "Theirs");
}

async fn odd_invitations_are_refused_with_the_field(stage: Stage) {
    let app = stage.app().await;
    let long = format!("{}@example.com", "k".repeat(250));
    for email in [
        "",
        "lee",
        "lee@",
        "a@b@c",
        "lee@example.com\nBcc: x@y.example",
        &long,
    ] {
        let refused = invite(&app.client, email, "viewer").await;
        refused.refused(400, "invalid_request", "email");
    }
    let refused = invite(&app.client, "lee\0@example.com", "viewer").await;
    refused.refused(400, "invalid_request", "");
    for role in ["", "boss", "Owner"] {
        let refused = invite(&app.client, LEE, role).await;
        refused.refused(400, "invalid_request", "role");
    }
    let nobody = app.client.post("/people", json!({"role": "viewer"})).await;
    nobody.refused(400, "invalid_request", "");
    assert_eq!(people(&app.client).await.1, Vec::<Value>::new());
}
