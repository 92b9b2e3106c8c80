//! Signing in: what was proven counts if it still holds, and what it leaves behind is bounded.

use jiff::SignedDuration;
use trainmaster_core::access::{Identity, Role, TokenKind};
use trainmaster_core::command::NewUser;
use trainmaster_core::ids::{Name, TokenId};
use trainmaster_core::signin::{FailedSignIn, Person, Proof, SignIn, SignInMethod};
use trainmaster_core::{Actor, Command, Event, Rejection};

use crate::story::*;

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn house() -> Story {
    let phases =
        "    - id: main\n      activities:\n        - {id: go, uses: command, with: {run: [go]}}";
    Story::with(&process("plain", phases))
}

fn ada() -> NewUser {
    NewUser {
        name: name("ada"),
        display_name: "Ada".to_owned(),
        email: String::new(),
        identity: None,
        credential: Some("first".to_owned()),
    }
}

fn by_password(credential: &str) -> Proof {
    Proof::Password {
        user: name("ada"),
        credential: credential.to_owned(),
    }
}

fn by_provider(subject: &str, wanted: &str, teams: &[&str]) -> Proof {
    Proof::Identity {
        identity: Identity {
            issuer: "https://login.example".to_owned(),
            subject: subject.to_owned(),
        },
        provider: name("house"),
        person: Person {
            name: name(wanted),
            display_name: wanted.to_owned(),
            email: String::new(),
            teams: teams.iter().map(|team| name(team)).collect(),
            may_be_new: true,
        },
    }
}

/// Somebody signs in with a browser; each time it is another token.
fn sign_in(story: &mut Story, proof: Proof) -> Result<Vec<Event>, Rejection> {
    let digest = format!("{:064}", story.journal.len());
    let sign_in = SignIn {
        proof,
        source: "198.51.100.7".to_owned(),
        digest,
        kind: TokenKind::Session,
        scope: None,
        expires_at: story.now + SignedDuration::from_hours(24),
        description: "a browser".to_owned(),
        replaces: None,
    };
    story.command(Actor::System, Command::SignIn(Box::new(sign_in)))
}

fn kinds(events: &[Event]) -> Vec<String> {
    events.iter().map(kind).collect()
}

fn sessions(story: &Story) -> Vec<TokenId> {
    let open = story
        .world
        .holders()
        .filter(|holder| holder.kind == TokenKind::Session && holder.is_valid(story.now));
    open.map(|holder| holder.token).collect()
}

#[test]
fn a_password_that_was_changed_while_it_was_compared_lets_nobody_in() {
    let mut story = house();
    story
        .command(Actor::System, Command::CreateUser(ada()))
        .expect("made");
    let events = sign_in(&mut story, by_password("first")).expect("let in");
    assert_eq!(kinds(&events), ["TokenIssued", "SignedIn"]);
    assert!(events.iter().all(|event| event.by == "user:ada"));
    let set = Command::SetCredential {
        user: name("ada"),
        credential: "second".to_owned(),
    };
    story.command(Actor::System, set).expect("set");
    assert!(
        sessions(&story).is_empty(),
        "sessions of the old password have ended"
    );
    let late = sign_in(&mut story, by_password("first"));
    assert_eq!(late, Err(Rejection::SignInRefused));
    sign_in(&mut story, by_password("second")).expect("let in");
    story
        .command(Actor::System, Command::DisableUser { user: name("ada") })
        .expect("shut out");
    assert!(sessions(&story).is_empty());
    let shut_out = sign_in(&mut story, by_password("second"));
    assert_eq!(shut_out, Err(Rejection::SignInRefused));
}

#[test]
fn of_many_sessions_the_oldest_end_and_ended_ones_are_forgotten() {
    let mut story = house();
    story
        .command(Actor::System, Command::CreateUser(ada()))
        .expect("made");
    for _ in 0..40 {
        sign_in(&mut story, by_password("first")).expect("let in");
    }
    assert_eq!(sessions(&story).len(), 20);
    let kept = story
        .world
        .holders()
        .filter(|holder| holder.kind == TokenKind::Session);
    assert!(kept.count() <= 31, "ended sessions do not pile up");
    // What ended a month ago is forgotten with anybody's sign-in.
    story.passes("768h");
    sign_in(&mut story, by_password("first")).expect("let in");
    let kept = story
        .world
        .holders()
        .filter(|holder| holder.kind == TokenKind::Session);
    assert_eq!(kept.count(), 1);
}

#[test]
fn a_person_of_a_provider_is_known_by_issuer_and_subject_and_takes_no_name_that_means_somebody() {
    let mut story = house();
    story
        .command(Actor::System, Command::CreateUser(ada()))
        .expect("made");
    story.person("grace", &[], Role::Administrator);
    let events = sign_in(&mut story, by_provider("1", "ada", &["qa"])).expect("let in");
    assert_eq!(
        kinds(&events),
        [
            "UserCreated",
            "IdentityLinked",
            "UserChanged",
            "TokenIssued",
            "SignedIn"
        ]
    );
    let known = |story: &Story, subject: &str| {
        let identity = Identity {
            issuer: "https://login.example".to_owned(),
            subject: subject.to_owned(),
        };
        story
            .world
            .user_of_identity(&identity)
            .map(|user| user.name.to_string())
    };
    assert_eq!(known(&story, "1").as_deref(), Some("ada-2"));
    sign_in(&mut story, by_provider("2", "grace", &[])).expect("let in");
    assert_eq!(
        known(&story, "2").as_deref(),
        Some("grace-2"),
        "a token bears the name"
    );
    let again = sign_in(&mut story, by_provider("1", "root", &["qa"])).expect("let in");
    assert_eq!(kinds(&again), ["TokenIssued", "SignedIn"]);
    let without = sign_in(&mut story, by_provider("1", "root", &[])).expect("let in");
    assert_eq!(kinds(&without), ["UserChanged", "TokenIssued", "SignedIn"]);
    story
        .command(
            Actor::System,
            Command::DisableUser {
                user: name("ada-2"),
            },
        )
        .expect("shut out");
    let shut_out = sign_in(&mut story, by_provider("1", "ada", &[]));
    assert_eq!(shut_out, Err(Rejection::SignInRefused));
}

#[test]
fn only_the_server_reports_sign_ins_and_failures_hold_nothing_that_was_typed() {
    let mut story = house();
    story.person("grace", &[], Role::Administrator);
    let failed = FailedSignIn {
        user: Some(name("nobody")),
        method: SignInMethod::Password,
        provider: None,
        source: "198.51.100.7\r\nforged".to_owned(),
        reason: "the password\u{1b}[31m is wrong".to_owned(),
        failures: 3,
        left_out: 0,
    };
    let grace = story.actor("grace");
    let refused = story.command(grace, Command::SignInFailed(failed.clone()));
    assert!(refused.is_err());
    let events = story
        .command(Actor::System, Command::SignInFailed(failed))
        .expect("told");
    let text = serde_json::to_string(&events).expect("JSON");
    assert!(
        !text.contains("nobody"),
        "an account that does not exist is not named: {text}"
    );
    assert!(!text.contains("\\r") && !text.contains("\\u001b"), "{text}");
}
