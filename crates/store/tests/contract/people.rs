//! People: their sign-ins, their places in organizations, and the links that bring them in.

use std::time::Duration;

use okra_domain::error::Result;
use okra_domain::person::{Purpose, Role, SIGN_IN_IDLE, SIGN_IN_LIFE};
use okra_domain::{ErrorKind, LinkId, OrganizationId, PersonId, Secret};
use okra_store::links::{Acceptance, NewPerson};
use okra_store::people::{Credentials, Member};

use crate::on_every_database;
use crate::world::{World, assert_fails, assert_not_found, random_key};

on_every_database! {
    a_sign_in_is_known_by_its_token_until_it_ends,
    the_last_visit_is_noted_once_a_minute,
    a_changed_password_lets_no_old_one_in,
    a_link_is_good_once_and_only_for_what_it_is_for,
    of_two_who_accept_a_link_together_one_gets_in,
    a_newer_link_voids_the_older,
    the_set_up_is_for_the_first_person_alone,
    a_known_person_joins_and_keeps_the_role,
    the_last_owner_stays_even_when_two_leave_together,
    what_belongs_to_another_organization_is_not_there,
    names_of_organizations_are_unique,
    the_operator_sees_everyone,
}

fn password(of: &str) -> Secret {
    Secret::new(format!("hash of {of}'s password"))
}

fn new_person(email: &str) -> NewPerson {
    NewPerson {
        email: email.to_owned(),
        name: email.to_uppercase(),
        password: password(email),
        organization: None,
    }
}

fn invitation(organization: OrganizationId, email: &str, role: Role) -> Purpose {
    Purpose::Invitation {
        organization,
        email: email.to_owned(),
        role,
    }
}

impl World {
    async fn link_to(&self, purpose: Purpose) -> Result<Secret> {
        let token = random_key();
        self.store.create_link(purpose, &token).await?;
        Ok(token)
    }

    /// A new person with this role, and what the password is checked against.
    pub async fn member(
        &self,
        organization: OrganizationId,
        email: &str,
        role: Role,
    ) -> Result<Credentials> {
        let token = self.link_to(invitation(organization, email, role)).await?;
        let accepted = Acceptance::NewPerson(new_person(email));
        let person = self.store.accept_link(&token, accepted).await?;
        let known = self.store.credentials(email).await?;
        let known = known.expect("an account was made");
        assert_eq!((known.person, &known.password), (person, &password(email)));
        Ok(known)
    }

    async fn signed_in(&self, who: &Credentials) -> Result<Secret> {
        let token = random_key();
        assert!(self.store.sign_in(who, &token).await?);
        Ok(token)
    }
}

async fn a_sign_in_is_known_by_its_token_until_it_ends(world: World) -> Result<()> {
    let store = &world.store;
    let (shop, cafe) = (
        world.organization("Shop").await?,
        world.organization("Cafe").await?,
    );
    let kim = world.member(shop, "kim@example.com", Role::Agent).await?;
    world.clock().advance(Duration::from_secs(1));
    let token = world
        .link_to(invitation(cafe, "kim@example.com", Role::Owner))
        .await?;
    store
        .accept_link(&token, Acceptance::Known(kim.person))
        .await?;

    let token = world.signed_in(&kim).await?;
    let found = store.signed_in(&token).await?.expect("a good sign-in");
    assert_eq!(
        (found.person.id, found.person.email.as_str()),
        (kim.person, "kim@example.com")
    );
    assert_eq!(found.person.name, "KIM@EXAMPLE.COM");
    let places: Vec<_> = found
        .memberships
        .iter()
        .map(|place| (place.organization_name.as_str(), place.role))
        .collect();
    assert_eq!(places, [("Shop", Role::Agent), ("Cafe", Role::Owner)]);
    assert_eq!(store.signed_in(&random_key()).await?, None);
    assert_eq!(store.signed_in(&Secret::new("")).await?, None);

    store.sign_out(&token).await?;
    assert_eq!(store.signed_in(&token).await?, None);
    let (one, other) = (world.signed_in(&kim).await?, world.signed_in(&kim).await?);
    store.sign_out_everywhere(kim.person).await?;
    assert_eq!(store.signed_in(&one).await?, None);
    assert_eq!(store.signed_in(&other).await?, None);

    let token = world.signed_in(&kim).await?;
    world.clock().advance(SIGN_IN_IDLE - Duration::from_secs(1));
    let found = store
        .signed_in(&token)
        .await?
        .expect("not idle for long enough");
    store.note_seen(&token, &found).await?;
    world.clock().advance(SIGN_IN_IDLE);
    assert_eq!(store.signed_in(&token).await?, None, "idle");

    let token = world.signed_in(&kim).await?;
    let mut left = SIGN_IN_LIFE;
    let step = SIGN_IN_IDLE / 2;
    while left > step {
        world.clock().advance(step);
        left -= step;
        let found = store.signed_in(&token).await?.expect("busy");
        store.note_seen(&token, &found).await?;
    }
    world.clock().advance(left);
    assert_eq!(store.signed_in(&token).await?, None, "at its end");
    Ok(())
}

async fn the_last_visit_is_noted_once_a_minute(world: World) -> Result<()> {
    let shop = world.organization("Shop").await?;
    let kim = world.member(shop, "kim@example.com", Role::Viewer).await?;
    let token = world.signed_in(&kim).await?;
    let first = world.clock().now();
    let seen = async || {
        let found = world
            .store
            .signed_in(&token)
            .await?
            .expect("a good sign-in");
        world.store.note_seen(&token, &found).await?;
        let members = world.store.members(shop).await?;
        Result::Ok(members[0].person.last_seen_at)
    };
    assert_eq!(seen().await?, Some(first));
    world.clock().advance(Duration::from_secs(59));
    assert_eq!(seen().await?, Some(first), "within the minute");
    world.clock().advance(Duration::from_secs(1));
    assert_eq!(seen().await?, Some(world.clock().now()));
    Ok(())
}

async fn a_changed_password_lets_no_old_one_in(world: World) -> Result<()> {
    let store = &world.store;
    let shop = world.organization("Shop").await?;
    let kim = world.member(shop, "kim@example.com", Role::Viewer).await?;
    let (here, there) = (world.signed_in(&kim).await?, world.signed_in(&kim).await?);
    let fresh = Secret::new("another hash");
    assert!(store.change_password(&kim, &fresh, &here).await?);
    assert!(store.signed_in(&here).await?.is_some());
    assert_eq!(store.signed_in(&there).await?, None);
    // Whoever had the old password checked a moment ago comes too late.
    assert!(!store.sign_in(&kim, &random_key()).await?);
    assert!(!store.change_password(&kim, &password("eve"), &here).await?);
    let known = store.credentials("kim@example.com").await?;
    assert_eq!(known.map(|known| known.password), Some(fresh));
    assert_eq!(store.credentials("nobody@example.com").await?, None);
    Ok(())
}

async fn a_link_is_good_once_and_only_for_what_it_is_for(world: World) -> Result<()> {
    let store = &world.store;
    let shop = world.organization("Shop").await?;
    let kim = world.member(shop, "kim@example.com", Role::Viewer).await?;
    let signed_in = world.signed_in(&kim).await?;
    let reset = world.link_to(Purpose::Reset { person: kim.person }).await?;
    let shown = store.link(&reset).await?;
    assert_eq!(shown.organization, None);
    assert_eq!(
        shown.person.map(|person| person.email).as_deref(),
        Some("kim@example.com")
    );
    for wrong in [
        Acceptance::NewPerson(new_person("eve@example.com")),
        Acceptance::Known(kim.person),
    ] {
        assert_not_found(store.accept_link(&reset, wrong).await);
    }
    let fresh = Secret::new("a new hash");
    let accept = || store.accept_link(&reset, Acceptance::NewPassword(fresh.clone()));
    assert_eq!(accept().await?, kim.person);
    assert_eq!(
        store.signed_in(&signed_in).await?,
        None,
        "signed out everywhere"
    );
    let error = accept().await.expect_err("it was used");
    assert_eq!(
        (error.kind, error.code),
        (ErrorKind::NotFound, Some("link_invalid"))
    );
    assert_not_found(store.link(&reset).await);

    let invited = world
        .link_to(invitation(shop, "lee@example.com", Role::Agent))
        .await?;
    let shown = store.link(&invited).await?;
    assert_eq!(
        (shown.organization.as_deref(), shown.person),
        (Some("Shop"), None)
    );
    let wrong = Acceptance::NewPassword(fresh);
    assert_not_found(store.accept_link(&invited, wrong).await);
    world.clock().advance(shown.link.purpose.life());
    assert_not_found(store.link(&invited).await);
    let late = Acceptance::NewPerson(new_person("lee@example.com"));
    assert_not_found(store.accept_link(&invited, late).await);
    assert_eq!(store.invitations(shop).await?, []);
    Ok(())
}

async fn of_two_who_accept_a_link_together_one_gets_in(world: World) -> Result<()> {
    let shop = world.organization("Shop").await?;
    let token = world
        .link_to(invitation(shop, "kim@example.com", Role::Admin))
        .await?;
    let accepting = (0..8).map(|_| {
        let (store, token) = (world.store.clone(), token.clone());
        let acceptance = Acceptance::NewPerson(new_person("kim@example.com"));
        tokio::spawn(async move { store.accept_link(&token, acceptance).await })
    });
    let mut accepted = 0;
    for done in futures_util::future::join_all(accepting).await {
        match done.expect("no panic") {
            Ok(_) => accepted += 1,
            Err(error) => assert_eq!(error.code, Some("link_invalid"), "{error:?}"),
        }
    }
    assert_eq!(accepted, 1);
    assert_eq!(world.store.members(shop).await?.len(), 1);
    Ok(())
}

async fn a_newer_link_voids_the_older(world: World) -> Result<()> {
    let store = &world.store;
    let (shop, cafe) = (
        world.organization("Shop").await?,
        world.organization("Cafe").await?,
    );
    let kim = world.member(shop, "kim@example.com", Role::Viewer).await?;
    let purposes = [
        Purpose::Reset { person: kim.person },
        invitation(shop, "lee@example.com", Role::Agent),
    ];
    for purpose in purposes {
        let older = world.link_to(purpose.clone()).await?;
        let newer = world.link_to(purpose).await?;
        assert_not_found(store.link(&older).await);
        store.link(&newer).await?;
    }
    // Another organization's invitation is a matter of its own.
    world
        .link_to(invitation(cafe, "lee@example.com", Role::Owner))
        .await?;
    let invited = store.invitations(shop).await?;
    assert_eq!(invited.len(), 1);
    assert_eq!(
        invited[0].purpose,
        invitation(shop, "lee@example.com", Role::Agent)
    );
    let again = invitation(shop, "kim@example.com", Role::Owner);
    let error = store.create_link(again, &random_key()).await;
    let error = error.expect_err("a member already");
    assert_eq!(
        (error.kind, error.code),
        (ErrorKind::Conflict, Some("already_member"))
    );
    Ok(())
}

async fn the_set_up_is_for_the_first_person_alone(world: World) -> Result<()> {
    let store = &world.store;
    let shop = world.organization("Shop").await?;
    assert!(!store.has_people().await?);
    assert_eq!(
        store.first_organization().await?.map(|first| first.id),
        Some(shop)
    );
    let older = world.link_to(Purpose::SetUp { organization: shop }).await?;
    let token = world.link_to(Purpose::SetUp { organization: shop }).await?;
    assert_not_found(store.link(&older).await);
    let named = |name: &str| {
        let organization = Some(name.to_owned());
        let person = new_person("kim@example.com");
        Acceptance::NewPerson(NewPerson {
            organization,
            ..person
        })
    };
    world.organization("Cafe").await?;
    assert_fails(
        store.accept_link(&token, named("Cafe")).await,
        ErrorKind::Conflict,
    );
    assert!(!store.has_people().await?, "a taken name changed nothing");
    store.accept_link(&token, named("Shop of Kim")).await?;
    assert!(store.has_people().await?);
    assert_eq!(store.organization(shop).await?.name, "Shop of Kim");
    assert_eq!(store.members(shop).await?[0].role, Role::Owner);
    let late = world.link_to(Purpose::SetUp { organization: shop }).await?;
    assert_not_found(store.link(&late).await);
    assert_not_found(store.accept_link(&late, named("Mine")).await);
    Ok(())
}

async fn a_known_person_joins_and_keeps_the_role(world: World) -> Result<()> {
    let store = &world.store;
    let (shop, cafe) = (
        world.organization("Shop").await?,
        world.organization("Cafe").await?,
    );
    let kim = world.member(shop, "kim@example.com", Role::Viewer).await?;
    let token = world
        .link_to(invitation(cafe, "kim@example.com", Role::Admin))
        .await?;
    let shown = store.link(&token).await?;
    assert_eq!(shown.person.map(|person| person.id), Some(kim.person));
    // A second account of one address there is not; the link is still good.
    let twice = Acceptance::NewPerson(new_person("kim@example.com"));
    assert_fails(store.accept_link(&token, twice).await, ErrorKind::Conflict);
    assert!(!store.is_elsewhere_too(shop, kim.person).await?);
    store
        .accept_link(&token, Acceptance::Known(kim.person))
        .await?;
    assert!(store.is_elsewhere_too(shop, kim.person).await?);
    assert_eq!(store.member(cafe, kim.person).await?.role, Role::Admin);
    assert_eq!(store.member(shop, kim.person).await?.role, Role::Viewer);
    let mut person = store.member(shop, kim.person).await?.person;
    person.name = "Kim".to_owned();
    person.language = Some("ko".to_owned());
    store.update_person(&person).await?;
    assert_eq!(store.person_of("kim@example.com").await?, Some(person));
    Ok(())
}

async fn the_last_owner_stays_even_when_two_leave_together(world: World) -> Result<()> {
    let shop = world.organization("Shop").await?;
    let kim = world.member(shop, "kim@example.com", Role::Owner).await?;
    let leave = async |person: PersonId, role: Option<Role>| {
        world.store.change_member(shop, person, |_| Ok(role)).await
    };
    for role in [None, Some(Role::Admin)] {
        let error = leave(kim.person, role).await.expect_err("the last owner");
        assert_eq!(
            (error.kind, error.code),
            (ErrorKind::Conflict, Some("last_owner"))
        );
    }
    let lee = world.member(shop, "lee@example.com", Role::Viewer).await?;
    let refuse = |_: &Member| Err(okra_domain::Error::invalid("no"));
    let refused = world.store.change_member(shop, lee.person, refuse).await;
    assert_fails(refused, ErrorKind::Invalid);
    let made = leave(lee.person, Some(Role::Owner))
        .await?
        .expect("a member");
    assert_eq!((made.role, made.person.id), (Role::Owner, lee.person));

    let leaving = [kim.person, lee.person].map(|person| {
        let store = world.store.clone();
        tokio::spawn(async move { store.change_member(shop, person, |_| Ok(None)).await })
    });
    let mut left = 0;
    for done in futures_util::future::join_all(leaving).await {
        match done.expect("no panic") {
            Ok(_) => left += 1,
            Err(error) => assert_eq!(error.code, Some("last_owner"), "{error:?}"),
        }
    }
    assert_eq!(left, 1);
    let members = world.store.members(shop).await?;
    assert_eq!(
        members.iter().map(|member| member.role).collect::<Vec<_>>(),
        [Role::Owner]
    );
    Ok(())
}

async fn what_belongs_to_another_organization_is_not_there(world: World) -> Result<()> {
    let store = &world.store;
    let (shop, cafe) = (
        world.organization("Shop").await?,
        world.organization("Cafe").await?,
    );
    let kim = world.member(shop, "kim@example.com", Role::Owner).await?;
    world
        .link_to(invitation(shop, "lee@example.com", Role::Agent))
        .await?;
    let invited = store.invitations(shop).await?[0].id;
    let key = store
        .create_key_of(shop, Some("CI".to_owned()), &random_key())
        .await?;
    assert_eq!(key.name.as_deref(), Some("CI"));

    assert_not_found(store.member(cafe, kim.person).await);
    assert_not_found(store.change_member(cafe, kim.person, |_| Ok(None)).await);
    assert_not_found(store.delete_invitation(cafe, invited, |_| Ok(())).await);
    assert_not_found(
        store
            .delete_invitation(shop, LinkId::new(), |_| Ok(()))
            .await,
    );
    assert_not_found(store.revoke_key(cafe, key.id).await);
    assert_eq!(
        (store.members(cafe).await?, store.invitations(cafe).await?),
        (vec![], vec![])
    );
    assert!(!store.keys(cafe).await?.contains(&key));

    assert_eq!(store.keys(shop).await?.last(), Some(&key));
    store.revoke_key(shop, key.id).await?;
    assert!(!store.keys(shop).await?.contains(&key));
    assert_not_found(store.revoke_key(shop, key.id).await);
    let refused =
        store.delete_invitation(shop, invited, |_| Err(okra_domain::Error::invalid("no")));
    assert_fails(refused.await, ErrorKind::Invalid);
    assert_eq!(
        store.invitations(shop).await?.len(),
        1,
        "a refusal changes nothing"
    );
    store.delete_invitation(shop, invited, |_| Ok(())).await?;
    assert_eq!(store.invitations(shop).await?, []);
    Ok(())
}

async fn names_of_organizations_are_unique(world: World) -> Result<()> {
    let store = &world.store;
    let (shop, cafe) = (
        world.organization("Shop").await?,
        world.organization("Cafe").await?,
    );
    assert_fails(
        store.rename_organization(shop, "Cafe").await,
        ErrorKind::Conflict,
    );
    store.rename_organization(shop, "Shop").await?;
    store.rename_organization(shop, "가게").await?;
    assert_eq!(store.organization(shop).await?.name, "가게");
    assert_eq!(store.organization_named("Cafe").await?.id, cafe);
    assert_not_found(store.organization(OrganizationId::new()).await);
    assert_not_found(
        store
            .rename_organization(OrganizationId::new(), "New")
            .await,
    );
    Ok(())
}

async fn the_operator_sees_everyone(world: World) -> Result<()> {
    let (shop, cafe) = (
        world.organization("Shop").await?,
        world.organization("Cafe").await?,
    );
    let lee = world.member(shop, "lee@example.com", Role::Owner).await?;
    let kim = world.member(shop, "kim@example.com", Role::Viewer).await?;
    let token = world
        .link_to(invitation(cafe, "lee@example.com", Role::Agent))
        .await?;
    world.clock().advance(Duration::from_secs(1));
    world
        .store
        .accept_link(&token, Acceptance::Known(lee.person))
        .await?;
    world
        .store
        .change_member(shop, kim.person, |_| Ok(None))
        .await?;
    let people = world.store.people_as_operator().await?;
    let people: Vec<_> = people
        .iter()
        .map(|(person, places)| {
            let places = places.iter().map(|place| place.organization_name.as_str());
            (person.email.as_str(), places.collect::<Vec<_>>())
        })
        .collect();
    let expected = [
        ("kim@example.com", vec![]),
        ("lee@example.com", vec!["Shop", "Cafe"]),
    ];
    assert_eq!(people, expected);
    Ok(())
}
