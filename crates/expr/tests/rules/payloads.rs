//! Text is data: what looks like code of another language, or like a template, stays text.

use serde_json::json;
use trainmaster_expr::{Condition, Outcome, Template, Values};

use crate::world::values;

/// Payloads that templates and expression languages of other tools have fallen for.
const PAYLOADS: [&str; 22] = [
    "#{T(java.lang.Runtime).getRuntime().exec('id')}",
    "T(java.lang.Runtime).getRuntime().exec('id')",
    "%{(#a=@java.lang.System@getenv())}",
    "{{ 7*7 }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{% for x in ().__class__.__base__.__subclasses__() %}{% endfor %}",
    "{{config.items()}}",
    "<%= `id` %>",
    "<script>alert(1)</script>",
    "javascript:alert(document.cookie)",
    "{{constructor.constructor('return process')()}}",
    "\"; require('child_process').exec('id'); //",
    "\".execute() as String",
    "@groovy.transform.ASTTest(value={ assert 'id'.execute() })",
    "$(id)",
    "`id`",
    "; rm -rf / #",
    "$x $HOME $$ $1",
    "{{=<% %>=}}<%& file %>",
    "*{7*7} ~{x} @{y}",
    "{\"$ne\": null}",
    "../../etc/passwd\u{0}",
];

#[test]
fn text_of_other_languages_stays_text() {
    for payload in PAYLOADS {
        let template = Template::parse(payload).expect(payload);
        assert!(template.is_literal(), "{payload}");
        assert_eq!(template.evaluate(&values()), Ok(json!(payload)));
    }
}

#[test]
fn a_value_is_never_read_as_a_template() {
    let traps = [
        "${password}",
        "$${password}",
        "${'a' + 'b'}",
        "${",
        "}",
        "$",
    ];
    for trap in traps.into_iter().chain(PAYLOADS) {
        let values = Values {
            names: [("x".to_owned(), json!(trap))].into(),
            ..values()
        };
        let evaluate = |source: &str| Template::parse(source).expect(source).evaluate(&values);
        assert_eq!(evaluate("${x}"), Ok(json!(trap)));
        assert_eq!(evaluate("<${x}>"), Ok(json!(format!("<{trap}>"))));
        assert_eq!(evaluate("${[x, x + x][0]}"), Ok(json!(trap)));
        assert_eq!(evaluate("${{'k': x}}"), Ok(json!({ "k": trap })));
        let condition = Condition::parse("x == x && size(x) > 0").expect("it is a condition");
        assert_eq!(condition.evaluate(&values), Ok(true));
    }
}

#[test]
fn a_result_that_looks_like_a_template_is_not_evaluated_again() {
    let template = Template::parse("${'$' + '{password}'}").expect("it is a template");
    assert_eq!(template.evaluate(&values()), Ok(json!("${password}")));
}

#[test]
fn there_is_no_way_to_the_host() {
    for source in [
        "${env('HOME')}",
        "${exec('id')}",
        "${import('fs')}",
        "${''.class}",
        "${inputs.__proto__}",
        "${inputs.constructor}",
        "${this}",
        "${type(1)}",
        "${T(java.lang.Runtime)}",
        "${random()}",
        "${now()}",
        "${uuid()}",
    ] {
        let value = Template::parse(source).and_then(|template| template.evaluate(&values()));
        assert!(value.is_err(), "{source} gave {value:?}");
    }
}

#[test]
fn messages_never_hold_a_value() {
    let secret = "hunter2";
    for source in [
        "${password + 1}",
        "${password.missing}",
        "${password[0]}",
        "${inputs[password]}",
        "${-password}",
        "${password ? 1 : 2}",
        "${int(password)}",
        "${double(password)}",
        "${bool(password)}",
        "${timestamp(password)}",
        "${duration(password)}",
        "${timestamp(0).getHours(password)}",
        "${'x'.matches(password + '(')}",
        "${[password].map(p, p + 1)}",
        "${{password: 1, 'hunter2'.trim(): 2}}",
        "${[password, 1].sort()}",
        "${[[password]].join()}",
        "${password.substring(99)}",
        "${math.greatest(password)}",
        "${[1][int('9' + string(size(password)))]}",
        "${password && true}",
        "${1 in password}",
        "${{password: 1}.missing}",
        "${password < 1}",
        "${optional.of(password) + 1}",
    ] {
        let error = Template::parse(source)
            .expect(source)
            .evaluate(&values())
            .expect_err(source);
        assert!(
            !format!("{error} {error:?}").contains(secret),
            "{source}: {error}"
        );
    }
}

#[test]
fn outcomes_are_answers_about_what_came_before() {
    let ask = |source: &str, outcome| {
        let values = Values {
            outcome,
            ..values()
        };
        Condition::parse(source).expect(source).evaluate(&values)
    };
    let failed = Some(Outcome {
        success: false,
        failure: true,
    });
    assert_eq!(ask("success()", failed), Ok(false));
    assert_eq!(ask("failure()", failed), Ok(true));
    assert_eq!(ask("always()", None), Ok(true));
    assert!(ask("success()", None).is_err());
}

#[test]
fn templates_and_conditions_are_their_source_in_json() {
    let template: Template = serde_json::from_value(json!("a ${inputs.service}")).expect("valid");
    assert_eq!(json!(template), json!("a ${inputs.service}"));
    assert_eq!(
        template,
        Template::parse("a ${inputs.service}").expect("valid")
    );
    let condition: Condition = serde_json::from_value(json!("success()")).expect("valid");
    assert_eq!(json!(condition), json!("success()"));
    let error = serde_json::from_value::<Template>(json!("${1 +}")).expect_err("incomplete");
    assert!(error.to_string().contains("ends too early"), "{error}");
}

#[test]
fn parsed_text_is_shared_between_threads() {
    fn is_shared<T: Send + Sync + Clone + 'static>() {}
    is_shared::<Template>();
    is_shared::<Condition>();
}
