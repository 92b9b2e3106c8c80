//! Users, teams and role bindings: rights that live, and what nobody may do with them.

use std::collections::BTreeSet;

use crate::story::*;
use jiff::SignedDuration;
use serde_json::json;
use trainmaster_core::access::{Identity, Permission, Role, TokenKind, TokenScope};
use trainmaster_core::command::{
    ActivityCommand, NewRelease, NewToken, NewUser, ReleaseCommand, UserChanges,
};
use trainmaster_core::ids::ReleaseId;
use trainmaster_core::status::{ActivityStatus, ReleaseStatus};
use trainmaster_core::{Command, Rejection};

const ASK: &str = "main/ask";

/// A release asks QA, then goes.
fn asking() -> String {
    process(
        "asking",
        "    - id: main\n      activities:\n        - {id: ask, uses: approval, with: {approvers: [team:qa]}}\n        - {id: go, uses: command, dependsOn: [ask], owners: [team:ops], with: {run: [go]}}",
    )
}

fn team(name: &str, organization: Option<&str>, members: &[&str]) -> String {
    let home = organization.map_or(String::new(), |name| format!(", organization: {name}"));
    format!(
        "apiVersion: trainmaster.dev/v1\nkind: Team\nmetadata: {{name: {name}{home}}}\nspec: {{members: [{}]}}\n",
        members.join(", ")
    )
}

fn binding(name: &str, organization: Option<&str>, role: Role, subject: &str, own: bool) -> String {
    let home = organization.map_or(String::new(), |name| format!(", organization: {name}"));
    format!(
        "apiVersion: trainmaster.dev/v1\nkind: RoleBinding\nmetadata: {{name: {name}{home}}}\nspec: {{role: {role}, subjects: [\"{subject}\"], own: {own}}}\n"
    )
}

fn abort() -> ReleaseCommand {
    ReleaseCommand::Abort {
        reason: "no".to_owned(),
    }
}

fn code<T: std::fmt::Debug>(result: Result<T, Rejection>) -> &'static str {
    result.expect_err("refused").code()
}

fn of(organization: &str) -> NewRelease {
    NewRelease {
        organization: organization.parse().ok(),
        ..new("asking", json!({}))
    }
}

#[test]
fn a_right_lives_as_long_as_its_binding_and_ends_with_the_commit_that_takes_it_away() {
    let mut story = Story::with(&asking());
    story.signs_in("mo");
    assert_eq!(code(story.create("mo", of("payments"))), "forbidden");
    story
        .try_apply(
            "root",
            &binding(
                "mo",
                Some("payments"),
                Role::ReleaseManager,
                "user:mo",
                false,
            ),
        )
        .expect("granted");
    let train = story.create("mo", of("payments")).expect("bound there");
    assert_eq!(code(story.create("mo", of("search"))), "forbidden");
    assert_eq!(
        code(story.create("mo", new("asking", json!({})))),
        "forbidden"
    );
    story
        .does(
            "mo",
            train,
            ReleaseCommand::Activate {
                inputs: Default::default(),
            },
        )
        .expect("may start it");
    story.restart_server();
    story
        .try_apply(
            "root",
            &binding("mo", Some("payments"), Role::Viewer, "user:mo", false),
        )
        .expect("changed");
    assert_eq!(code(story.does("mo", train, abort())), "forbidden");
    story
        .deletes("root", "RoleBinding", Some("payments"), "mo")
        .expect("taken away");
    assert_eq!(code(story.does("mo", train, abort())), "unknown-release");
}

#[test]
fn a_team_gives_its_members_what_it_is_bound_to_as_long_as_they_belong_to_it() {
    let mut story = Story::with(&asking());
    story.signs_in("tia");
    story
        .try_apply("root", &team("leads", Some("payments"), &["tia"]))
        .expect("a team");
    story
        .try_apply(
            "root",
            &binding(
                "leads",
                Some("payments"),
                Role::ReleaseManager,
                "team:leads",
                false,
            ),
        )
        .expect("bound");
    let train = story.create("tia", of("payments")).expect("as a lead");
    // The account's team of that name goes first: the organization's own is not meant any more.
    story
        .try_apply("root", &team("leads", None, &["nobody"]))
        .expect("a team");
    assert_eq!(
        code(story.does("tia", train, ReleaseCommand::Finalize)),
        "unknown-release"
    );
    story
        .deletes("root", "Team", None, "leads")
        .expect("deleted");
    story
        .does("tia", train, ReleaseCommand::Finalize)
        .expect("a lead again");
    story
        .try_apply("root", &team("leads", Some("payments"), &[]))
        .expect("emptied");
    assert_eq!(code(story.does("tia", train, abort())), "unknown-release");
    // An identity provider may name teams too, and only the server itself passes that on.
    let claims = |teams: &[&str]| Command::ChangeUser {
        user: "tia".parse().expect("a name"),
        changes: UserChanges {
            claimed_teams: Some(
                teams
                    .iter()
                    .map(|team| team.parse().expect("a name"))
                    .collect(),
            ),
            ..Default::default()
        },
    };
    assert_eq!(
        code(story.command(story.actor("tia"), claims(&["leads"]))),
        "not-yours"
    );
    story
        .command(trainmaster_core::Actor::System, claims(&["leads"]))
        .expect("told by the provider");
    story.create("tia", of("payments")).expect("as a lead");
    story
        .command(trainmaster_core::Actor::System, claims(&[]))
        .expect("told by the provider");
    assert_eq!(code(story.create("tia", of("payments"))), "forbidden");
}

#[test]
fn a_binding_for_own_releases_reaches_no_others() {
    let mut story = Story::with(&asking());
    story.signs_in("olga");
    story
        .try_apply(
            "root",
            &binding("own", None, Role::ReleaseManager, "user:olga", true),
        )
        .expect("granted");
    let own = story
        .create("olga", of("payments"))
        .expect("whoever makes it owns it");
    let others = story.create("ada", of("payments")).expect("ada's");
    assert_eq!(
        code(story.does("olga", others, ReleaseCommand::Finalize)),
        "forbidden"
    );
    story
        .does("olga", own, ReleaseCommand::Finalize)
        .expect("her own");
    let change = trainmaster_core::command::ReleaseChanges {
        manager: Some("user:olga".parse().ok()),
        ..Default::default()
    };
    let hand_over = Command::EditRelease {
        release: others,
        changes: Box::new(change),
        if_version: None,
    };
    assert_eq!(
        code(story.command(story.actor("olga"), hand_over.clone())),
        "forbidden"
    );
    story
        .command(story.actor("ada"), hand_over)
        .expect("ada hands it over");
    story
        .does("olga", others, ReleaseCommand::Finalize)
        .expect("managed by her now");
    let allowed = |story: &Story, release| {
        let actions = story
            .world
            .release_actions(story.holder("olga"), release, story.now);
        actions
            .iter()
            .any(|action| action.action == "cancel" && action.allowed)
    };
    let third = story.create("ada", of("payments")).expect("ada's");
    story
        .does("ada", third, ReleaseCommand::Finalize)
        .expect("finalized");
    assert!(allowed(&story, own) && allowed(&story, others) && !allowed(&story, third));
}

#[test]
fn every_member_of_an_owning_team_may_act_and_a_stakeholder_may_not() {
    let mut story = Story::with(&asking());
    for user in ["quin", "oli", "pia", "stan"] {
        story.signs_in(user);
        story
            .try_apply(
                "root",
                &binding(user, None, Role::Viewer, &format!("user:{user}"), false),
            )
            .expect("sees");
    }
    story
        .try_apply("root", &team("qa", None, &["quin"]))
        .expect("a team");
    story
        .try_apply("root", &team("ops", None, &["oli", "pia"]))
        .expect("a team");
    let new = NewRelease {
        stakeholders: vec!["user:stan".parse().expect("an owner")],
        start: true,
        ..new("asking", json!({}))
    };
    let train = story.create("ada", new).expect("started");
    assert_eq!(code(story.approve("stan", train, ASK)), "not-yours");
    assert_eq!(code(story.approve("oli", train, ASK)), "not-yours");
    story.approve("quin", train, ASK).expect("named by team");
    let fails = |story: &mut Story| story.finish(train, "main/go", broken("no"));
    let retry = || ActivityCommand::Retry {
        inputs: Default::default(),
        remedy: None,
        save_to: None,
        reason: "again".to_owned(),
    };
    for owner in ["oli", "pia"] {
        fails(&mut story);
        assert_eq!(story.stands(train, "main/go"), ActivityStatus::Failed);
        assert_eq!(
            code(story.person_does("stan", train, "main/go", retry())),
            "forbidden"
        );
        assert_eq!(
            code(story.person_does("quin", train, "main/go", retry())),
            "forbidden"
        );
        story
            .person_does(owner, train, "main/go", retry())
            .expect("an owner");
    }
    // Who leaves the team owns nothing any more.
    fails(&mut story);
    story
        .try_apply("root", &team("ops", None, &["pia"]))
        .expect("oli leaves");
    assert_eq!(
        code(story.person_does("oli", train, "main/go", retry())),
        "forbidden"
    );
}

#[test]
fn a_token_is_limited_at_the_moment_of_use_and_never_raised() {
    let mut story = Story::with(&asking());
    story.signs_in("mo");
    story
        .try_apply(
            "root",
            &binding("mo", None, Role::Administrator, "user:mo", false),
        )
        .expect("granted");
    let limits = |permissions: &[Permission], organization: Option<&str>| TokenScope {
        permissions: (!permissions.is_empty()).then(|| permissions.iter().copied().collect()),
        organization: organization.map(|name| name.parse().expect("a name")),
    };
    story
        .asks_for_token(
            "mo",
            "narrow",
            TokenKind::Personal,
            Some(limits(
                &[
                    Permission::Read,
                    Permission::ReleaseEdit,
                    Permission::AccessManage,
                ],
                None,
            )),
        )
        .expect("her own");
    story
        .asks_for_token(
            "mo",
            "local",
            TokenKind::Personal,
            Some(limits(&[], Some("payments"))),
        )
        .expect("her own");
    let train = story.create("narrow", of("payments")).expect("may edit");
    let refused = story
        .does(
            "narrow",
            train,
            ReleaseCommand::Activate {
                inputs: Default::default(),
            },
        )
        .expect_err("left out");
    assert!(
        refused
            .to_string()
            .contains("the token leaves `release:start` out"),
        "{refused}"
    );
    // What the token leaves out cannot be handed out with it either, nor got by asking for another token.
    let grant = binding("x", None, Role::Viewer, "user:eve", false);
    assert_eq!(code(story.try_apply("narrow", &grant)), "forbidden");
    assert_eq!(
        code(story.asks_for_token("narrow", "wide", TokenKind::Personal, None)),
        "invalid-input"
    );
    assert_eq!(
        code(story.asks_for_token(
            "local",
            "wide",
            TokenKind::Personal,
            Some(limits(&[], Some("search")))
        )),
        "invalid-input"
    );
    assert_eq!(
        code(story.asks_for_token("ada", "wide", TokenKind::Personal, None)),
        "not-yours"
    );
    assert_eq!(
        code(story.asks_for_token("mo", "sign-in", TokenKind::Session, None)),
        "not-yours"
    );
    story.create("local", of("payments")).expect("in its place");
    let refused = story.create("local", of("search")).expect_err("elsewhere");
    assert!(
        refused
            .to_string()
            .contains("limited to organization `payments`"),
        "{refused}"
    );
    // The person loses the role, and the token with it, at the next request.
    story
        .deletes("root", "RoleBinding", None, "mo")
        .expect("taken away");
    assert_eq!(code(story.create("local", of("payments"))), "forbidden");
    assert_eq!(code(story.create("narrow", of("payments"))), "forbidden");
}

#[test]
fn approving_can_be_left_out_of_a_token() {
    let mut story = Story::with(&asking());
    story.signs_in("quin");
    story
        .try_apply("root", &team("qa", None, &["quin"]))
        .expect("a team");
    story
        .try_apply(
            "root",
            &binding("quin", None, Role::Operator, "user:quin", false),
        )
        .expect("bound");
    let all_but: BTreeSet<Permission> = Permission::ALL
        .into_iter()
        .filter(|one| *one != Permission::ActivityApprove)
        .collect();
    story
        .asks_for_token(
            "quin",
            "machine",
            TokenKind::Personal,
            Some(TokenScope {
                permissions: Some(all_but),
                organization: None,
            }),
        )
        .expect("her own");
    let train = story.start("asking", json!({}));
    assert_eq!(code(story.approve("machine", train, ASK)), "forbidden");
    story
        .approve("quin", train, ASK)
        .expect("with all her rights");
}

#[test]
fn a_user_who_is_shut_out_gets_nowhere_and_a_new_password_ends_sign_ins() {
    let mut story = Story::with(&asking());
    story.signs_in("mo");
    story
        .try_apply(
            "root",
            &binding("mo", None, Role::ReleaseManager, "user:mo", false),
        )
        .expect("granted");
    story.machine_token("bot", "mo", Role::Viewer);
    story.sign_in_token("mo", "browser");
    let user = || "mo".parse().expect("a name");
    let set = |credential: &str| Command::SetCredential {
        user: user(),
        credential: credential.to_owned(),
    };
    story.create("browser", of("payments")).expect("signed in");
    story
        .command(story.actor("mo"), set("c-1"))
        .expect("her own password");
    assert_eq!(
        code(story.create("browser", of("payments"))),
        "invalid-token"
    );
    story
        .create("mo", of("payments"))
        .expect("other tokens stay");
    assert_eq!(
        code(story.command(story.actor("bot"), set("c-2"))),
        "forbidden"
    );
    assert_eq!(
        code(story.command(story.actor("ada"), Command::DisableUser { user: user() })),
        "forbidden"
    );
    story
        .command(story.actor("root"), Command::DisableUser { user: user() })
        .expect("shut out");
    for token in ["mo", "bot", "browser"] {
        assert_eq!(
            code(story.create(token, of("payments"))),
            "invalid-token",
            "{token}"
        );
    }
    story.restart_server();
    assert_eq!(code(story.create("mo", of("payments"))), "invalid-token");
    story
        .command(story.actor("root"), Command::EnableUser { user: user() })
        .expect("let in again");
    assert_eq!(code(story.create("mo", of("payments"))), "invalid-token");
    let own = Command::DisableUser {
        user: "root".parse().expect("a name"),
    };
    assert_eq!(
        code(story.command(story.actor("root"), own)),
        "unknown-user"
    );
}

#[test]
fn an_identity_belongs_to_one_user() {
    let mut story = Story::with(&asking());
    story.signs_in("mo");
    story.signs_in("eve");
    let identity = Identity {
        issuer: "https://id.example".to_owned(),
        subject: "42".to_owned(),
    };
    let link = |user: &str| Command::LinkIdentity {
        user: user.parse().expect("a name"),
        identity: identity.clone(),
    };
    assert_eq!(
        code(story.command(story.actor("eve"), link("eve"))),
        "forbidden"
    );
    story
        .command(trainmaster_core::Actor::System, link("mo"))
        .expect("proved");
    assert_eq!(
        code(story.command(trainmaster_core::Actor::System, link("eve"))),
        "invalid-input"
    );
    assert_eq!(
        story
            .world
            .user_of_identity(&identity)
            .expect("known")
            .name
            .as_str(),
        "mo"
    );
    let unlink = Command::UnlinkIdentity {
        user: "mo".parse().expect("a name"),
        identity: identity.clone(),
    };
    assert_eq!(
        code(story.command(story.actor("eve"), unlink.clone())),
        "forbidden"
    );
    story.command(story.actor("mo"), unlink).expect("her own");
    assert_eq!(story.world.user_of_identity(&identity), None);
}

/// Everything that somebody could do to hand a role at a place to `eve`, by every route there is.
fn routes(role: Role, place: Option<&str>) -> Vec<(&'static str, Route)> {
    vec![
        (
            "binding",
            Route::Apply(binding("new", place, role, "user:eve", false)),
        ),
        (
            "own binding",
            Route::Apply(binding("new", place, role, "user:eve", true)),
        ),
        (
            "team",
            Route::Apply(team(
                &format!("holds-{role}-{}", place.unwrap_or("all")),
                place,
                &["eve"],
            )),
        ),
        ("token", Route::Token(role)),
        (
            "user",
            Route::Become(format!("{role}-{}", place.unwrap_or("all"))),
        ),
    ]
}

enum Route {
    Apply(String),
    Token(Role),
    Become(String),
}

#[test]
fn nobody_hands_out_a_role_that_they_do_not_hold_by_any_route() {
    let mut accepted = 0;
    for held in Role::ALL {
        for home in [None, Some("payments")] {
            // In each place a team holds each role, and a person who cannot sign in yet too.
            let mut story = Story::with(&asking());
            story.signs_in("eve");
            for role in Role::ALL {
                for place in [None, Some("payments"), Some("search")] {
                    let label = format!("{role}-{}", place.unwrap_or("all"));
                    story
                        .try_apply("root", &team(&format!("holds-{label}"), place, &["nobody"]))
                        .expect("a team");
                    story
                        .try_apply(
                            "root",
                            &binding(
                                &format!("t-{label}"),
                                place,
                                role,
                                &format!("team:holds-{label}"),
                                false,
                            ),
                        )
                        .expect("bound");
                    story
                        .try_apply(
                            "root",
                            &binding(
                                &format!("u-{label}"),
                                place,
                                role,
                                &format!("user:{label}"),
                                false,
                            ),
                        )
                        .expect("bound");
                }
            }
            story.signs_in("ann");
            story
                .try_apply("root", &binding("ann", home, held, "user:ann", false))
                .expect("bound");
            for role in Role::ALL {
                for place in [None, Some("payments"), Some("search")] {
                    for (what, route) in routes(role, place) {
                        let command = match route {
                            Route::Apply(text) => story.try_apply("ann", &text),
                            Route::Token(role) => story.issues_token("ann", "eve", role, place),
                            Route::Become(user) => story.creates_user("ann", &user),
                        };
                        // Users belong to the account, so only its administrators decide how people get in.
                        let covers = if what == "user" {
                            home.is_none()
                        } else {
                            home.is_none() || home == place
                        };
                        let expected = held == Role::Administrator && covers;
                        assert_eq!(
                            command.is_ok(),
                            expected,
                            "{held} at {home:?} hands {role} at {place:?} out by {what}: {command:?}"
                        );
                        accepted += u32::from(command.is_ok());
                    }
                }
            }
        }
    }
    assert!(accepted > 50, "{accepted}");
}

#[test]
fn who_manages_access_hands_out_only_what_they_hold_themselves() {
    let mut story = Story::with(&asking());
    story.signs_in("lena");
    story
        .try_apply(
            "root",
            &binding(
                "lena",
                Some("payments"),
                Role::Administrator,
                "user:lena",
                false,
            ),
        )
        .expect("bound");
    story
        .try_apply("root", &team("leads", None, &[]))
        .expect("a team");
    story
        .try_apply(
            "root",
            &binding("leads", None, Role::Administrator, "team:leads", false),
        )
        .expect("bound");
    // Not to herself, not by a team that holds more elsewhere, not by moving a team out of the way.
    for text in [
        binding("me", None, Role::Administrator, "user:lena", false),
        binding("me", Some("search"), Role::Viewer, "user:lena", false),
        team("leads", None, &["lena"]),
    ] {
        assert_eq!(code(story.try_apply("lena", &text)), "forbidden", "{text}");
    }
    story
        .try_apply("lena", &team("leads", Some("payments"), &["lena"]))
        .expect("a team of hers, which the account's binding does not mean");
    assert_eq!(code(story.create("lena", of("search"))), "forbidden");
    assert_eq!(
        code(story.deletes("lena", "Team", None, "leads")),
        "forbidden"
    );
    // A token limited to managing access hands nothing out.
    let scope = TokenScope {
        permissions: Some(BTreeSet::from([
            Permission::Read,
            Permission::AccessManage,
            Permission::TokenManage,
        ])),
        organization: None,
    };
    story
        .asks_for_token("lena", "narrow", TokenKind::Personal, Some(scope))
        .expect("her own");
    assert_eq!(
        code(story.try_apply(
            "narrow",
            &binding("b", Some("payments"), Role::Operator, "user:eve", false)
        )),
        "forbidden"
    );
    assert_eq!(
        code(
            story
                .issues_token("narrow", "eve", Role::Operator, Some("payments"))
                .map(drop)
        ),
        "forbidden"
    );
    // Nor does a machine's token carry the name of a known person, or a team that is not hers to fill.
    story.signs_in("ben");
    assert_eq!(
        code(story.issues_token("lena", "ben", Role::Viewer, Some("payments"))),
        "forbidden"
    );
    let mut with_team = story.new_token("x", "bot", vec![Role::Viewer], Some("payments"));
    with_team.teams = vec!["leads".parse().expect("a name")];
    let issued = story.command(story.actor("lena"), Command::IssueToken(with_team));
    assert_eq!(code(issued), "forbidden");
}

#[test]
fn whoever_asks_for_a_release_cannot_make_themselves_its_approver() {
    for role in ["team", "role"] {
        let asks = if role == "team" {
            asking()
        } else {
            asking().replace("team:qa", "role:operator")
        };
        let mut story = Story::with(&asks);
        story.signs_in("rita");
        story.signs_in("quin");
        story
            .try_apply(
                "root",
                &binding("rita", None, Role::Administrator, "user:rita", false),
            )
            .expect("bound");
        story
            .try_apply(
                "root",
                &binding("quin", None, Role::Operator, "user:quin", false),
            )
            .expect("bound");
        story
            .try_apply("root", &team("qa", None, &["quin"]))
            .expect("a team");
        story.passes("PT1M");
        let train = starts(&mut story, "rita");
        assert_eq!(code(story.approve("rita", train, ASK)), "not-yours");
        story.passes("PT1M");
        // By the group, by the policy, by a token of a machine, by a person of her making.
        if role == "team" {
            story
                .try_apply("rita", &team("qa", None, &["quin", "rita", "puppet"]))
                .expect("she may in general");
        } else {
            story
                .try_apply(
                    "rita",
                    &binding("me", None, Role::Operator, "user:rita", false),
                )
                .expect("she may in general");
        }
        let refused = story
            .approve("rita", train, ASK)
            .expect_err("her own request");
        assert!(
            refused
                .to_string()
                .contains("user:rita asked for the release and has changed"),
            "{refused}"
        );
        story
            .creates_user("rita", "puppet")
            .expect("she may in general");
        story.personal_token("puppet");
        if role == "role" {
            story
                .try_apply(
                    "rita",
                    &binding("puppet", None, Role::Operator, "user:puppet", false),
                )
                .expect("she may in general");
        } else {
            story
                .try_apply(
                    "rita",
                    &binding("puppet", None, Role::Viewer, "user:puppet", false),
                )
                .expect("she may in general");
        }
        assert_eq!(code(story.approve("puppet", train, ASK)), "not-yours");
        let mut token = story.new_token("bot", "bot", vec![Role::Operator], None);
        token.teams = vec!["qa".parse().expect("a name")];
        story
            .command(story.actor("rita"), Command::IssueToken(token))
            .expect("she may in general");
        story.knows("bot");
        let refused = story.approve("bot", train, ASK).expect_err("her own token");
        assert!(
            refused.to_string().contains("made this token since"),
            "{refused}"
        );
        // The template is pinned: another process now changes nothing for a release under way.
        story
            .try_apply(
                "rita",
                &asks
                    .replace("approvers: [team:qa]", "approvers: [user:rita]")
                    .replace("approvers: [role:operator]", "approvers: [user:rita]"),
            )
            .expect("she may in general");
        assert_eq!(code(story.approve("rita", train, ASK)), "not-yours");
        // Once somebody else has confirmed who belongs to it, it counts again.
        if role == "team" {
            story
                .try_apply("root", &team("qa", None, &["quin"]))
                .expect("confirmed");
            story.approve("quin", train, ASK).expect("was always asked");
        } else {
            story.approve("quin", train, ASK).expect("was always asked");
        }
        assert_eq!(story.status(train), ReleaseStatus::Running);
    }
}

fn starts(story: &mut Story, user: &str) -> ReleaseId {
    let new = NewRelease {
        start: true,
        ..new("asking", json!({}))
    };
    story.create(user, new).expect("a release that may start")
}

#[test]
fn a_role_of_an_organization_is_none_at_account_level() {
    let asks = asking().replace("team:qa", "role:release-manager");
    let mut story = Story::with(&asks);
    story.person_of("orla", &[], Role::ReleaseManager, Some("payments"));
    let train = story.start("asking", json!({}));
    assert_eq!(code(story.approve("orla", train, ASK)), "not-yours");
    story.approve("ada", train, ASK).expect("of the account");
}

#[test]
fn an_author_writes_definitions_and_runs_nothing() {
    let mut story = Story::with(&asking());
    story.person("will", &[], Role::Author);
    story
        .try_apply("will", &asking().replace("name: asking", "name: other"))
        .expect("a definition");
    assert_eq!(
        code(story.create("will", new("asking", json!({})))),
        "forbidden"
    );
    assert_eq!(
        code(story.try_apply("will", &team("qa", None, &["will"]))),
        "forbidden"
    );
    // A release group makes and starts releases by itself, so it takes the right to.
    let head = "apiVersion: trainmaster.dev/v1\nkind: ReleaseGroup\nmetadata: {name: weekly}\n";
    let plain = format!("{head}spec: {{process: asking}}\n");
    let weekly = plain.replace("asking}", "asking, cadence: {every: weekly}, startDate: 2026-02-02, startTime: \"09:00\", duration: 2d}");
    let group = [weekly, plain]
        .into_iter()
        .find(|text| trainmaster_core::definition::parse(text, None).is_ok())
        .expect("a release group");
    let refused = story
        .try_apply("will", &group)
        .expect_err("starts releases");
    assert!(
        matches!(
            &refused,
            Rejection::Forbidden {
                permission: Permission::ReleaseEdit,
                ..
            }
        ),
        "{refused}"
    );
}

// ---- words for these stories

impl Story {
    fn new_token(
        &self,
        digest: &str,
        user: &str,
        roles: Vec<Role>,
        organization: Option<&str>,
    ) -> NewToken {
        NewToken {
            digest: format!("digest-of-{digest}"),
            user: user.parse().expect("a name"),
            teams: Vec::new(),
            roles,
            organization: organization.map(|name| name.parse().expect("a name")),
            kind: TokenKind::Service,
            scope: None,
            expires_at: Some(self.now + SignedDuration::from_hours(24 * 300)),
            description: String::new(),
        }
    }

    /// The server lets a new user in, by a personal token of the same name.
    fn signs_in(&mut self, user: &str) {
        let new = NewUser {
            name: user.parse().expect("a name"),
            display_name: String::new(),
            email: String::new(),
            identity: None,
            credential: None,
        };
        self.command(trainmaster_core::Actor::System, Command::CreateUser(new))
            .expect("a user");
        self.personal_token(user);
    }

    fn personal_token(&mut self, user: &str) {
        let token = NewToken {
            kind: TokenKind::Personal,
            ..self.new_token(user, user, Vec::new(), None)
        };
        self.command(trainmaster_core::Actor::System, Command::IssueToken(token))
            .expect("a token");
        self.knows(user);
    }

    fn sign_in_token(&mut self, user: &str, digest: &str) {
        let token = NewToken {
            kind: TokenKind::Session,
            ..self.new_token(digest, user, Vec::new(), None)
        };
        self.command(trainmaster_core::Actor::System, Command::IssueToken(token))
            .expect("a token");
        self.knows(digest);
    }

    fn machine_token(&mut self, digest: &str, user: &str, role: Role) {
        let token = self.new_token(digest, user, vec![role], None);
        self.command(trainmaster_core::Actor::System, Command::IssueToken(token))
            .expect("a token");
        self.knows(digest);
    }

    /// Asks for a further token of one's own.
    fn asks_for_token(
        &mut self,
        with: &str,
        digest: &str,
        kind: TokenKind,
        scope: Option<TokenScope>,
    ) -> Result<(), Rejection> {
        let user = self.holder(with).user.to_string();
        let token = NewToken {
            kind,
            scope,
            ..self.new_token(digest, &user, Vec::new(), None)
        };
        self.command(self.actor(with), Command::IssueToken(token))?;
        self.knows(digest);
        Ok(())
    }

    fn issues_token(
        &mut self,
        with: &str,
        user: &str,
        role: Role,
        organization: Option<&str>,
    ) -> Result<(), Rejection> {
        let user = if user == "eve" { "a-machine" } else { user };
        let digest = format!("{with}-{user}-{role}-{}", organization.unwrap_or("all"));
        let token = self.new_token(&digest, user, vec![role], organization);
        self.command(self.actor(with), Command::IssueToken(token))
            .map(drop)
    }

    fn creates_user(&mut self, with: &str, user: &str) -> Result<(), Rejection> {
        let new = NewUser {
            name: user.parse().expect("a name"),
            display_name: String::new(),
            email: String::new(),
            identity: None,
            credential: Some("c".to_owned()),
        };
        self.command(self.actor(with), Command::CreateUser(new))
            .map(drop)
    }

    fn deletes(
        &mut self,
        with: &str,
        kind: &str,
        organization: Option<&str>,
        name: &str,
    ) -> Result<(), Rejection> {
        let kind = trainmaster_core::ids::ResourceKind::ALL
            .into_iter()
            .find(|known| known.as_str() == kind);
        let key = trainmaster_core::ids::ResourceKey {
            kind: kind.expect("a kind"),
            organization: organization.map(|name| name.parse().expect("a name")),
            name: name.parse().expect("a name"),
        };
        self.command(
            self.actor(with),
            Command::DeleteResource {
                key,
                if_revision: None,
            },
        )
        .map(drop)
    }
}
