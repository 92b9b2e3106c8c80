//! What is known to be wrong before anything runs, and what a template reads.

use proptest::prelude::*;
use serde_json::Value as Json;
use trainmaster_expr::{Condition, ErrorKind, Scope, Template, Type};

use crate::conformance::expression;
use crate::world::{described, expect, scope, type_of, values};

#[test]
fn the_type_of_a_template_is_known_where_it_is_simple() {
    expect(
        r#"
        plain => string
        a ${inputs.replicas} b => string
        ${inputs.replicas} => number
        ${inputs.service} => string
        ${inputs.canary && inputs.replicas > 1} => boolean
        ${inputs.regions} => list
        ${inputs.regions[0]} => object
        ${inputs.regions[0].weight + 1} => number
        ${inputs.regions.map(r, r.name)[0]} => string
        ${inputs.regions.filter(r, r.weight > 1)[0].name} => string
        ${inputs.regions.all(r, 'gdpr' in r.tags)} => boolean
        ${inputs.service.split('-')[0]} => string
        ${inputs.limits.map(key, key)[0]} => string
        ${result.anything.goes[3]} => any
        ${result.count + 1} => number
        ${result.name + '-x'} => string
        ${result.a + result.b} => any
        ${inputs.canary ? 'a' : 'b'} => string
        ${inputs.canary ? 'a' : 1} => any
        ${inputs.?missing} => any
        ${inputs.?missing.orValue('a')} => any
        ${inputs.?service.orValue('a')} => string
        ${size(inputs.regions) + inputs.service.size()} => number
        ${has(inputs.missing.deeper)} => boolean
        ${phases["sign-off"].outputs.by} => string
        ${{'a': 1}.a} => number
        ${[1, 2][0]} => number
        ${timestamp(inputs.started) - duration('1h')} => any
        ${timestamp(inputs.started).getHours()} => number
        ${string(result.x)} => string
        ${inputs.note == null || result == null} => boolean
        ${inputs.service.matches('^s') && success()} => boolean
        "#,
        type_of,
    );
}

#[test]
fn names_that_do_not_exist_are_marked_with_what_was_meant() {
    expect(
        r#"
        go ${inptus.service} => UnknownName at ‹inptus›: `inptus` is not known here (did you mean `inputs`?)
        ${inputs.sevice} => UnknownName at ‹sevice›: `inputs` has no field `sevice` (did you mean `service`?)
        ${inputs . sevice} => UnknownName at ‹sevice›: `inputs` has no field `sevice` (did you mean `service`?)
        ${inputs['sevice']} => UnknownName at ‹'sevice'›: `inputs` has no field `sevice` (did you mean `service`?)
        ${phases.biuld.outputs.url} => UnknownName at ‹biuld›: `phases` has no field `biuld` (did you mean `build`?)
        ${inputs.regions.map(r, r.nane)} => UnknownName at ‹nane›: the object has no field `nane` (did you mean `name`?)
        ${replicas + 1} => UnknownName at ‹replicas›: `replicas` is not known here (did you mean `inputs.replicas`?)
        ${zzz} => UnknownName at ‹zzz›: `zzz` is not known here
        ${x.y} ${inputs.q} => UnknownName at ‹x›: `x` is not known here; UnknownName at ‹q›: `inputs` has no field `q`
        ${has(inptus.service)} => UnknownName at ‹inptus›: `inptus` is not known here (did you mean `inputs`?)
        ${[1].map(x, x) == [x]} => UnknownName at ‹x›: `x` is not known here
        ${inputs.?sevice} => any
        ${{'a': 1}.b} => UnknownName at ‹b›: the object has no field `b`
        "#,
        type_of,
    );
}

#[test]
fn a_name_with_dashes_written_bare_is_explained() {
    expect(
        r#"
        ${phases.sign-off.outputs.by} => UnknownName at ‹sign›: `phases` has no field `sign` (did you mean `phases["sign-off"]`?); UnknownName at ‹off›: `off` is not known here
        ${target-region} => UnknownName at ‹target›: `target` is not known here (did you mean `inputs["target-region"]`?); UnknownName at ‹region›: `region` is not known here
        ${phases["sign-of"].outputs.by} => UnknownName at ‹"sign-of"›: `phases` has no field `sign-of` (did you mean `phases["sign-off"]`?)
        "#,
        type_of,
    );
}

#[test]
fn operands_of_known_types_must_go_together() {
    expect(
        r#"
        ${inputs.service + 1} => WrongType at ‹+›: `+` does not take a string and a number
        ${inputs.service - 'a'} => WrongType at ‹-›: `-` does not take a string and a string
        ${!inputs.service} => WrongType at ‹service›: `!` takes a boolean, not a string
        ${-inputs.canary} => WrongType at ‹canary›: `-` takes a number, not a boolean
        ${inputs.service == 1} => WrongType at ‹==›: `==` does not take a string and a number
        ${inputs.service < inputs.replicas} => WrongType at ‹<›: `<` does not take a string and a number
        ${inputs.regions < inputs.regions} => WrongType at ‹<›: `<` does not take a list and a list
        ${inputs.canary[0]} => WrongType at ‹[›: a boolean cannot be indexed
        ${inputs.regions['a']} => WrongType at ‹'a'›: a list has no field `a`
        ${inputs.regions[inputs.service]} => WrongType at ‹service›: a list cannot be indexed with a string
        ${inputs.limits[0]} => WrongType at ‹0›: an object cannot be indexed with a number
        ${inputs.service.name} => WrongType at ‹name›: a string has no field `name`
        ${inputs.service && true} => WrongType at ‹service›: `&&` takes booleans, not a string
        ${inputs.service ? 1 : 2} => WrongType at ‹service›: `?` takes a boolean before it, not a string
        ${inputs.replicas.split(',')} => WrongType at ‹split›: `split` takes a string here, not a number
        ${inputs.service.split(1)} => WrongType at ‹1›: `split` takes a string here, not a number
        ${inputs.service.matches(1)} => WrongType at ‹1›: `matches` takes a string, not a number
        ${inputs.replicas.map(x, x)} => WrongType at ‹replicas›: `map` takes a list or an object, not a number
        ${inputs.regions.filter(r, r.name)} => WrongType at ‹name›: `filter` takes a boolean here, not a string
        ${1 in [inputs.service]} => WrongType at ‹in›: `in` does not take a number and a list
        ${inputs.?replicas + 1} => WrongType at ‹+›: `+` does not take an optional value and a number
        ${inputs.service.orValue('a')} => WrongType at ‹orValue›: `orValue` takes an optional value here, not a string
        a ${inputs.regions} => WrongType at ‹regions›: a list cannot be put into a text
        a ${null} => WrongType at ‹null›: null cannot be put into a text
        "#,
        type_of,
    );
}

#[test]
fn a_condition_must_be_boolean() {
    let checked = |source: &str| match Condition::parse(source).expect(source).check(&scope()) {
        Ok(()) => "ok".to_owned(),
        Err(errors) => described(source, &errors[0]),
    };
    expect(
        r#"
        inputs.canary => ok
        result.ok => ok
        ${success() && inputs.replicas > 2} => ok
        inputs.service => WrongType at ‹service›: a condition is true or false, not a string
        inputs.?canary => WrongType at ‹canary›: a condition is true or false, not an optional value
        inputs.regions.map(r, true) => WrongType at ‹map›: a condition is true or false, not a list
        "#,
        checked,
    );
}

#[test]
fn outcome_functions_are_refused_outside_a_when() {
    let condition = Condition::parse("always() || success()").expect("it is a condition");
    assert!(condition.uses_outcome());
    assert!(
        !Condition::parse("inputs.canary")
            .expect("too")
            .uses_outcome()
    );
    let errors = condition
        .check(&Scope::default())
        .expect_err("the scope has no outcome functions");
    let kinds: Vec<_> = errors.iter().map(|error| error.kind).collect();
    assert_eq!(kinds, [ErrorKind::UnknownFunction; 2]);
}

#[test]
fn other_keys_of_an_open_object_may_be_anything() {
    let scope = Scope {
        names: [("vars".to_owned(), Type::open_object([("n", Type::Number)]))].into(),
        ..Scope::default()
    };
    let kind = |source| Template::parse(source).expect(source).check(&scope);
    assert_eq!(kind("${vars.other.deeper}"), Ok(Type::Any));
    assert_eq!(kind("${vars.n}"), Ok(Type::Number));
    assert!(kind("${vars.n + 'a'}").is_err());
}

#[test]
fn references_are_the_paths_read_with_their_places() {
    let read = |source: &str| {
        let template = Template::parse(source).expect(source);
        let read: Vec<String> = template
            .references()
            .map(|reference| {
                let mark = if reference.optional { "?" } else { "" };
                format!("{}{mark}@{}", reference.path.join("/"), reference.offset)
            })
            .collect();
        match read.is_empty() {
            true => "nothing".to_owned(),
            false => read.join(" "),
        }
    };
    expect(
        r#"
        plain $${inputs.a} => nothing
        ${phases.build.activities.compile.outputs.url} => phases/build/activities/compile/outputs/url@2
        é ${phases["sign-off"].outputs} ${vars.x} => phases/sign-off/outputs@5 vars/x@35
        ${inputs.regions.map(r, r.name + vars.suffix)} => inputs/regions@2 vars/suffix@33
        ${inputs.regions[index].name} => inputs/regions@2 index@17
        ${inputs.regions[0].name} => inputs/regions@2
        ${inputs.?a.b.orValue(vars.b)} => inputs/a/b?@2 vars/b@22
        ${has(inputs.a.b) && inputs[?"c"] == d} => inputs/a/b?@6 inputs/c?@21 d@37
        ${math.abs(x) + size(y.z)} => x@11 y/z@21
        ${inputs.service.split('-')[0]} => inputs/service@2
        "#,
        read,
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_value_is_of_the_type_that_the_check_promised(source in expression()) {
        let template = Template::parse(&format!("${{{source}}}")).expect("it is an expression");
        if let (Ok(kind), Ok(value)) = (template.check(&scope()), template.evaluate(&values())) {
            prop_assert!(is_of(&value, &kind), "{} gave {} for {:?}", source, value, kind);
        }
    }
}

fn is_of(value: &Json, kind: &Type) -> bool {
    match (kind, value) {
        (Type::Any, _)
        | (Type::Null, Json::Null)
        | (Type::Boolean, Json::Bool(_))
        | (Type::Number, Json::Number(_))
        | (Type::String, Json::String(_)) => true,
        (Type::List(element), Json::Array(values)) => {
            values.iter().all(|value| is_of(value, element))
        }
        (Type::Object { fields, open }, Json::Object(values)) => {
            let known = fields
                .iter()
                .all(|(name, kind)| values.get(name).is_some_and(|value| is_of(value, kind)));
            known && (*open || values.len() == fields.len())
        }
        _ => false,
    }
}
