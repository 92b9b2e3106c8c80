//! The judge of rights against a second one that was written another way (reliability.md, S7).
//!
//! The judge walks from the question to what might grant it.
//! The model here does the opposite: it makes the whole set of what a token may do, by adding and taking away,
//! from a table of the roles that is written down once more, and looks the question up in it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use trainmaster_core::access::{
    Binding, Holder, Permission, Policy, Question, Role, Tie, TokenKind, TokenScope, User,
};
use trainmaster_core::ids::{Name, Owner, TokenId};

/// Who may what: administrator, release manager, author, operator, viewer.
const TABLE: &str = "
    release:read        a r w o v
    definition:edit     a r w
    release:edit        a r
    release:start       a r
    release:operate     a r o
    release:abort       a r
    activity:retry      a r o
    activity:ignore     a r o
    activity:override   a r
    activity:submit     a r o
    activity:approve    a r w o v
    freeze:edit         a r
    freeze:override     a r
    notification:edit   a r
    secret:edit         a r
    access:manage       a
    user:manage         a
    token:manage        a
    audit:read          a r
";

const LETTERS: [(&str, Role); 5] = [
    ("a", Role::Administrator),
    ("r", Role::ReleaseManager),
    ("w", Role::Author),
    ("o", Role::Operator),
    ("v", Role::Viewer),
];

/// What somebody may do where, being what to it; places are organizations, the empty one the account level.
type Allowed = BTreeSet<(String, String, Tie)>;

/// Rows of the table.
pub(crate) fn table() -> BTreeMap<String, BTreeSet<Role>> {
    let row = |line: &str| {
        let mut words = line.split_whitespace();
        let permission = words.next().expect("a permission").to_owned();
        let roles = words.map(|letter| {
            let found = LETTERS.iter().find(|(known, _)| *known == letter);
            found.expect("a role's letter").1
        });
        (permission, roles.collect())
    };
    TABLE
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(row)
        .collect()
}

/// Everything that a token may do, as a set; `nowhere-else` stands for organizations that nothing names.
fn model(world: &Facts, holder: &Holder) -> Allowed {
    let places = ["", "red", "blue", "green", "nowhere-else"];
    let table = table();
    let mut allowed = Allowed::new();
    let mut add = |role: Role, home: &str, own: bool| {
        for (permission, roles) in table.iter().filter(|(_, roles)| roles.contains(&role)) {
            let shared = permission == "release:read" || permission == "activity:approve";
            for place in places {
                let lies_within = home.is_empty() || home == place || (place.is_empty() && shared);
                for tie in [Tie::None, Tie::Release, Tie::Part] {
                    let fits = !own || tie != Tie::None || permission == "release:read";
                    if lies_within && fits && roles.contains(&role) {
                        allowed.insert((permission.clone(), place.to_owned(), tie));
                    }
                }
            }
        }
    };
    for role in &holder.roles {
        add(*role, text(holder.organization.as_ref()), false);
    }
    let live = match holder.kind {
        TokenKind::Service => false,
        TokenKind::Personal | TokenKind::Session => true,
        TokenKind::Feed => holder.roles.is_empty(),
    };
    for binding in world.bindings.iter().filter(|_| live) {
        let home = text(binding.organization.as_ref());
        let names = world.names(holder, home);
        if binding
            .subjects
            .iter()
            .any(|subject| names.contains(&subject.to_string()))
        {
            add(binding.role, home, binding.own);
        }
    }
    if let Some(scope) = &holder.scope {
        let home = text(scope.organization.as_ref());
        allowed.retain(|(permission, place, _)| passes(scope, home, permission, place));
    }
    let seen: BTreeSet<String> = allowed
        .iter()
        .filter(|(permission, ..)| permission == "release:read")
        .map(|(_, place, _)| place.clone())
        .collect();
    for place in seen {
        for permission in ["activity:retry", "activity:ignore", "activity:submit"] {
            let through = holder.scope.as_ref().is_none_or(|scope| {
                passes(scope, text(scope.organization.as_ref()), permission, &place)
            });
            if through {
                allowed.insert((permission.to_owned(), place.clone(), Tie::Part));
            }
        }
    }
    let shut_out = world
        .users
        .iter()
        .any(|user| user.name == holder.user && user.disabled);
    if shut_out { Allowed::new() } else { allowed }
}

fn passes(scope: &TokenScope, home: &str, permission: &str, place: &str) -> bool {
    let shared = permission == "release:read" || permission == "activity:approve";
    let named = scope
        .permissions
        .as_ref()
        .is_none_or(|some| some.iter().any(|one| one.as_str() == permission));
    named && (home.is_empty() || home == place || (place.is_empty() && shared))
}

fn text(name: Option<&Name>) -> &str {
    name.map_or("", Name::as_str)
}

/// What is true in one invented installation.
#[derive(Debug, Default)]
struct Facts {
    bindings: Vec<Binding>,
    teams: Vec<(Option<Name>, Name, BTreeSet<Name>)>,
    users: Vec<User>,
}

impl Facts {
    fn policy(&self) -> Policy {
        let mut policy = Policy::default();
        for binding in &self.bindings {
            policy.set_binding(binding.clone());
        }
        for (organization, name, members) in &self.teams {
            policy.set_team(organization.clone(), name.clone(), members.clone());
        }
        for user in &self.users {
            policy.set_user(user.clone());
        }
        policy
    }

    /// Everything that a holder is called in something of a place, roles aside.
    fn names(&self, holder: &Holder, place: &str) -> BTreeSet<String> {
        let mut names = BTreeSet::from([format!("user:{}", holder.user)]);
        names.extend(holder.teams.iter().map(|team| format!("team:{team}")));
        for user in self.users.iter().filter(|user| user.name == holder.user) {
            names.extend(user.claimed_teams.iter().map(|team| format!("team:{team}")));
        }
        // A team of the place is meant only where the account has none of that name.
        let of_account: BTreeSet<&Name> = self
            .teams
            .iter()
            .filter(|(organization, ..)| organization.is_none())
            .map(|(_, name, _)| name)
            .collect();
        for (organization, name, members) in &self.teams {
            let meant = organization.is_none()
                || (text(organization.as_ref()) == place && !of_account.contains(name));
            if meant && members.contains(&holder.user) {
                names.insert(format!("team:{name}"));
            }
        }
        names
    }

    /// Everything that a holder is called in something of a place.
    fn all_names(&self, holder: &Holder, place: &str) -> BTreeSet<String> {
        let mut names = self.names(holder, place);
        let covers = |home: &str| home.is_empty() || home == place;
        if covers(text(holder.organization.as_ref())) {
            names.extend(holder.roles.iter().map(|role| format!("role:{role}")));
        }
        let live = match holder.kind {
            TokenKind::Service => false,
            TokenKind::Feed => holder.roles.is_empty(),
            TokenKind::Personal | TokenKind::Session => true,
        };
        for binding in self.bindings.iter().filter(|binding| live && !binding.own) {
            let home = text(binding.organization.as_ref());
            let here = self.names(holder, home);
            if covers(home)
                && binding
                    .subjects
                    .iter()
                    .any(|subject| here.contains(&subject.to_string()))
            {
                names.insert(format!("role:{}", binding.role));
            }
        }
        names
    }
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.roll(list.len())]
    }

    fn some<T: Clone + Ord>(&mut self, list: &[T], odds: usize) -> BTreeSet<T> {
        let mut some = BTreeSet::new();
        for item in list {
            if self.roll(odds) == 0 {
                some.insert(item.clone());
            }
        }
        some
    }
}

const USERS: [&str; 4] = ["ada", "ben", "cleo", "dan"];
const TEAMS: [&str; 3] = ["qa", "ops", "dev"];
const PLACES: [&str; 4] = ["", "red", "blue", "green"];

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn names(list: &[&str]) -> Vec<Name> {
    list.iter().copied().map(name).collect()
}

fn facts(dice: &mut Dice) -> Facts {
    let at = Timestamp::UNIX_EPOCH;
    let mut facts = Facts::default();
    for user in USERS {
        if dice.roll(3) == 0 {
            facts.users.push(User {
                name: name(user),
                display_name: String::new(),
                email: String::new(),
                disabled: dice.roll(8) == 0,
                identities: BTreeSet::new(),
                credential: None,
                claimed_teams: dice.some(&names(&TEAMS), 4),
                created_at: at,
                created_by: "system".to_owned(),
                updated_at: at,
                vouched_at: at,
                vouched_by: "system".to_owned(),
            });
        }
    }
    for place in PLACES {
        for team in TEAMS {
            if dice.roll(3) == 0 {
                let members = dice.some(&names(&USERS), 3);
                facts.teams.push((place.parse().ok(), name(team), members));
            }
        }
    }
    for number in 0..dice.roll(6) {
        let subjects = (0..=dice.roll(2)).map(|_| {
            let text = match dice.roll(2) {
                0 => format!("user:{}", dice.pick(&USERS)),
                _ => format!("team:{}", dice.pick(&TEAMS)),
            };
            text.parse::<Owner>().expect("an owner")
        });
        let subjects = subjects.collect();
        facts.bindings.push(Binding {
            organization: dice.pick(&PLACES).parse().ok(),
            name: name(&format!("binding-{number}")),
            role: *dice.pick(&Role::ALL),
            subjects,
            own: dice.roll(4) == 0,
        });
    }
    facts
}

fn holder(dice: &mut Dice) -> Holder {
    let kinds = [
        TokenKind::Service,
        TokenKind::Personal,
        TokenKind::Session,
        TokenKind::Feed,
    ];
    let kind = *dice.pick(&kinds);
    let bare = matches!(kind, TokenKind::Personal | TokenKind::Session) || dice.roll(3) == 0;
    let scope = (dice.roll(3) == 0).then(|| TokenScope {
        permissions: (dice.roll(2) == 0).then(|| dice.some(&Permission::ALL, 2)),
        organization: dice.pick(&PLACES).parse().ok(),
    });
    Holder {
        token: TokenId(1),
        digest: String::new(),
        user: name(dice.pick::<&str>(&USERS)),
        teams: dice.some(&names(&TEAMS), 5).into_iter().collect(),
        roles: if bare {
            Vec::new()
        } else {
            dice.some(&Role::ALL, 3).into_iter().collect()
        },
        organization: dice.pick(&PLACES).parse().ok(),
        kind,
        scope,
        expires_at: None,
        issued_at: Timestamp::UNIX_EPOCH,
        issued_by: "system".to_owned(),
        description: String::new(),
        revoked: false,
    }
}

#[test]
fn the_judge_agrees_with_a_model_that_works_the_other_way() {
    let mut dice = Dice(20_261_121);
    let (mut cases, mut granted) = (0_u32, 0_u32);
    while cases < 120_000 {
        let facts = facts(&mut dice);
        let policy = facts.policy();
        for _ in 0..4 {
            let holder = holder(&mut dice);
            let expected = model(&facts, &holder);
            for _ in 0..30 {
                let permission = *dice.pick(&Permission::ALL);
                let place = *dice.pick(&["", "red", "blue", "green", "nowhere-else"]);
                let tie = *dice.pick(&[Tie::None, Tie::Release, Tie::Part]);
                let organization: Option<Name> = place.parse().ok();
                let question = Question {
                    permission,
                    organization: organization.as_ref(),
                    tie,
                };
                let verdict = policy.judge(&holder, &question);
                let known = (permission.to_string(), place.to_owned(), tie);
                assert_eq!(
                    verdict.is_granted(),
                    expected.contains(&known),
                    "{known:?}: {verdict:?}\n{holder:#?}\n{facts:#?}"
                );
                cases += 1;
                granted += u32::from(verdict.is_granted());
            }
            check_sight(&facts, &policy, &holder, &expected);
            check_names(&facts, &policy, &holder, &mut dice);
        }
    }
    // Both answers come up often, so that the agreement means something.
    assert!(
        granted > cases / 10 && granted < cases / 10 * 9,
        "{granted} of {cases}"
    );
}

/// What may be seen, and where something may be done at all.
fn check_sight(facts: &Facts, policy: &Policy, holder: &Holder, expected: &Allowed) {
    let may = |permission: &str, place: &str| {
        expected.contains(&(permission.to_owned(), place.to_owned(), Tie::None))
    };
    let seen = policy.seen(holder);
    for place in ["", "red", "blue", "green", "nowhere-else"] {
        let organization: Option<Name> = place.parse().ok();
        let listed = seen.includes(organization.as_ref());
        assert_eq!(
            listed,
            may("release:read", place),
            "{place}\n{holder:#?}\n{facts:#?}"
        );
    }
    assert_eq!(seen.is_everywhere(), may("release:read", "nowhere-else"));
    for permission in Permission::ALL {
        let place = policy.where_may(holder, permission);
        assert_eq!(
            place.is_everywhere(),
            may(permission.as_str(), "nowhere-else"),
            "{permission}\n{holder:#?}\n{facts:#?}"
        );
        let somewhere = expected
            .iter()
            .any(|(known, _, tie)| known == permission.as_str() && *tie != Tie::Part);
        assert_eq!(
            policy.may_somewhere(holder, permission),
            somewhere,
            "{permission}\n{holder:#?}\n{facts:#?}"
        );
    }
}

/// Whom an owner means.
fn check_names(facts: &Facts, policy: &Policy, holder: &Holder, dice: &mut Dice) {
    for _ in 0..6 {
        let place = *dice.pick(&PLACES);
        let organization: Option<Name> = place.parse().ok();
        let owner = match dice.roll(3) {
            0 => format!("user:{}", dice.pick(&USERS)),
            1 => format!("team:{}", dice.pick(&TEAMS)),
            _ => format!("role:{}", dice.pick(&Role::ALL)),
        };
        let meant = policy.means(
            holder,
            organization.as_ref(),
            &owner.parse().expect("an owner"),
        );
        let expected = facts.all_names(holder, place).contains(&owner);
        assert_eq!(
            meant, expected,
            "{owner} in `{place}`\n{holder:#?}\n{facts:#?}"
        );
        if meant {
            let wide: Vec<String> = policy
                .names_of(holder)
                .iter()
                .map(ToString::to_string)
                .collect();
            assert!(wide.contains(&owner), "{owner} in {wide:?}");
        }
    }
}

#[test]
fn roles_grant_what_the_table_says() {
    let table = table();
    assert_eq!(table.len(), Permission::ALL.len());
    for permission in Permission::ALL {
        let roles: BTreeSet<Role> = Role::ALL
            .into_iter()
            .filter(|role| role.grants(permission))
            .collect();
        assert_eq!(table[permission.as_str()], roles, "{permission}");
        assert_eq!(permission.as_str().parse::<Permission>(), Ok(permission));
    }
}

#[test]
fn the_page_about_roles_shows_the_table() {
    let page = include_str!("../../../../docs/ACCESS.md");
    for permission in Permission::ALL {
        let mut row = format!("| `{permission}` |");
        for role in Role::ALL {
            row.push_str(if role.grants(permission) {
                " yes |"
            } else {
                " |"
            });
        }
        assert!(page.contains(&row), "docs/ACCESS.md lacks the row\n{row}");
    }
}
