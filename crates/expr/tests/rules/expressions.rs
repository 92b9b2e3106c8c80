//! What templates and conditions give.

use crate::world::{answer_of, expect, value_of};

#[test]
fn a_lone_expression_keeps_its_type_and_other_parts_are_joined_as_text() {
    expect(
        r#"
        ${inputs.replicas} => 3
        ${inputs.regions[0].tags} => []
        ${inputs.limits} => {"cpu":2,"memory":"2Gi"}
        ${inputs.note} => null
        ${inputs.canary} => true
        plain text => "plain text"
        rel-${inputs.replicas}-${inputs.service} => "rel-3-shop"
        ${inputs.service}${inputs.canary} => "shoptrue"
        ${inputs.service} .  => "shop ."
        ratio ${inputs.ratio} ${4.0 / 2.0} => "ratio 0.5 2"
        $${inputs.service} => "${inputs.service}"
        $$${inputs.service} => "$${inputs.service}"
        $$$${inputs.service} => "$$${inputs.service}"
        $5 and $x and ${'$'} => "$5 and $x and $"
        ${'}'}|${"}"}|${r'\'}|${'''a'}'b'''} => "}|}|\\|a'}'b"
        ${{'a': {'b': 1}}.a.b}! => "1!"
        ${'a\'}'}. => "a'}."
        ü ${'é' + 'ß'} ü => "ü éß ü"
        "#,
        value_of,
    );
}

#[test]
fn only_scalars_go_into_a_text() {
    expect(
        r#"
        a ${inputs.regions} => WrongType at ‹regions›: a list cannot be put into a text
        a ${inputs.limits} => WrongType at ‹limits›: an object cannot be put into a text
        a ${inputs.note} => WrongType at ‹note›: null cannot be put into a text
        a ${inputs.?missing} => Missing at ‹missing›: there is no value to put into the text; give one with `.orValue(…)`
        a ${inputs.?service} => "a shop"
        a ${inputs.?missing.orValue('b')} => "a b"
        "#,
        value_of,
    );
}

#[test]
fn names_with_dashes_are_written_in_brackets() {
    expect(
        r#"
        ${phases["sign-off"].outputs.by} => "ann"
        ${phases.`sign-off`.outputs.by} => "ann"
        ${inputs['target-region']} => "eu-west"
        ${phases.sign-off.outputs.by} => Missing at ‹sign›: `phases.sign` has no value (did you mean `phases["sign-off"]`?)
        "#,
        value_of,
    );
}

#[test]
fn numbers_mix_and_whole_ones_stay_whole() {
    expect(
        r#"
        ${inputs.replicas + 1} => 4
        ${inputs.replicas * inputs.ratio} => 1.5
        ${inputs.replicas / 2} => 1
        ${-inputs.replicas % 2} => -1
        ${inputs.big + 0} => 9007199254740993
        ${inputs.big == 9007199254740992.0} => false
        ${inputs.big > 9007199254740992.0} => true
        ${7.0 / 2} => 3.5
        ${1 == 1.0 && 2 > 1.5 && !(1 < 0.5)} => true
        ${0x10} => 16
        ${10u + 1} => 11
        ${1e3} => 1000.0
        ${double('2.5') + int('2')} => 4.5
        ${int(2.9)} => 2
        ${int(-2.9)} => -2
        ${string(1.0)} => "1"
        ${math.greatest(1, 2.5, 2)} => 2.5
        ${math.least([3, 1, 2])} => 1
        ${[math.abs(-2), math.ceil(1.2), math.floor(-1.2), math.round(2.5), math.trunc(-1.7), math.sign(-3)]} => [2,2.0,-2.0,3.0,-1.0,-1]
        ${1 / 0} => Failed at ‹/›: a division by zero
        ${1 % 0} => Failed at ‹%›: a division by zero
        ${9223372036854775807 + 1} => Failed at ‹+›: the number is out of range
        ${-9223372036854775808} => -9223372036854775808
        ${1.0 / 0} => Failed at ‹/›: the result is no finite number
        ${5.5 % 2} => WrongType at ‹%›: `%` takes whole numbers
        ${9223372036854775808} => Syntax at ‹9223372036854775808›: the number is too large
        ${int('2.5')} => Failed at ‹int›: the text is no whole number
        "#,
        value_of,
    );
}

#[test]
fn texts_are_counted_in_characters() {
    expect(
        r#"
        ${size('héllo') + 'héllo'.size()} => 10
        ${'héllo'.charAt(1) + 'héllo'.substring(1, 3) + 'héllo'.substring(3)} => "ééllo"
        ${'héllo'.indexOf('l')} => 2
        ${'héllo'.indexOf('l', 3)} => 3
        ${'héllo'.lastIndexOf('l')} => 3
        ${'héllo'.lastIndexOf('l', 2)} => 2
        ${'héllo'.indexOf('z')} => -1
        ${'a-b-c'.split('-')} => ["a","b","c"]
        ${'a-b-c'.split('-', 2)} => ["a","b-c"]
        ${'a-b-c'.split('-', 0)} => []
        ${'añb'.split('')} => ["a","ñ","b"]
        ${['a', 'b'].join() + ['a', 'b'].join(', ')} => "aba, b"
        ${'a-b-c'.replace('-', '+') + 'a-b-c'.replace('-', '', 1)} => "a+b+cab-c"
        ${' x '.trim() + 'Ab'.upperAscii() + 'Ab'.lowerAscii() + 'abc'.reverse()} => "xABabcba"
        ${'release/1.2'.matches('^release/\\d+\\.\\d+$')} => true
        ${matches('main', '^release')} => false
        ${inputs.service.matches(inputs.service + '$')} => true
        ${'shop'.startsWith('sh') && 'shop'.endsWith('op') && 'shop'.contains('ho')} => true
        ${'b' > 'a' && 'a' + 'b' == 'ab'} => true
        ${bool('true') && !bool('false')} => true
        ${'abc'.charAt(9)} => Failed at ‹charAt›: the position is outside the text
        ${'abc'.substring(2, 1)} => Failed at ‹substring›: the position is outside the text
        ${'abc'.matches('(')} => Syntax at ‹'('›: the pattern is not a valid regular expression
        ${bool('maybe')} => Failed at ‹bool›: the text is neither `true` nor `false`
        "#,
        value_of,
    );
}

#[test]
fn lists_and_objects_are_walked_in_one_order() {
    expect(
        r#"
        ${inputs.regions.filter(r, 'gdpr' in r.tags).map(r, r.name)} => ["eu-west"]
        ${inputs.regions.map(r, r.weight > 1, r.name)} => ["eu-west"]
        ${inputs.regions.sortBy(r, r.name).map(r, r.weight)} => [2,1]
        ${inputs.regions.all(r, r.weight > 0)} => true
        ${inputs.regions.exists(r, r.weight > 5)} => false
        ${inputs.regions.exists_one(r, r.weight == 2)} => true
        ${inputs.limits.map(key, key)} => ["cpu","memory"]
        ${{'z': 1, 'a': 2}.map(key, key)} => ["a","z"]
        ${{'z': 1, 'a': 2}} => {"a":2,"z":1}
        ${inputs.regions.map(service, inputs.service + service.name)} => ["shopus-east","shopeu-west"]
        ${[1, 2].map(x, [3, 4].map(y, x * y))} => [[3,4],[6,8]]
        ${[1, 2].map(x, [3, 4].map(x, x))} => [[3,4],[3,4]]
        ${[3, 1, 2].sort() + [1, 1.0, 2].distinct()} => [1,2,3,1,2]
        ${['b', 'a'].sort()} => ["a","b"]
        ${[[1], [2, [3]]].flatten()} => [1,2,[3]]
        ${[[1], [2, [3]]].flatten(2)} => [1,2,3]
        ${lists.range(3).reverse() + [1, 2, 3].slice(1, 2)} => [2,1,0,2]
        ${1 in [1.0] && 'cpu' in inputs.limits && !('gpu' in inputs.limits)} => true
        ${{'a': [1]} == {'a': [1.0]} && [1] != [2] && null == inputs.note} => true
        ${1 == 'a' || null == false} => false
        ${result.body.items[2]} => 3
        ${result.body.items[result.body.items[0]]} => 2
        ${result.body.items[7]} => Missing at ‹[›: the position is outside the list
        ${result.body.items[-1]} => Missing at ‹[›: the position is outside the list
        ${inputs[inputs.service]} => Missing at ‹[›: the object has no such key
        ${['b', 1].sort()} => WrongType at ‹sort›: a string and a number cannot be put in order
        ${{'a': 1, 'a': 2}} => Failed at ‹'a'›: the same key is given twice
        ${{1: 2}} => WrongType at ‹1›: a key is a string
        ${1 in 2} => WrongType at ‹in›: `in` takes a list or an object after it, not a number
        "#,
        value_of,
    );
}

#[test]
fn what_may_be_absent_is_asked_for() {
    expect(
        r#"
        ${inputs.?missing.orValue('none')} => "none"
        ${inputs.?missing.deeper.orValue('none')} => "none"
        ${inputs.?limits.cpu.orValue(1)} => 2
        ${inputs[?'service'].value()} => "shop"
        ${result.body.items[?9].orValue(0)} => 0
        ${inputs.?note.?x.orValue('none')} => "none"
        ${result.code.?x.orValue('none')} => "none"
        ${has(result.code.x)} => false
        ${inputs.?missing} => null
        ${inputs.?service} => "shop"
        ${[?inputs.?missing, ?inputs.?service, 1]} => ["shop",1]
        ${{?'a': inputs.?missing, ?'b': inputs.?service}} => {"b":"shop"}
        ${inputs.?missing.or(inputs.?service).value()} => "shop"
        ${inputs.?missing.hasValue() || optional.none().hasValue()} => false
        ${optional.of(1).value() + optional.ofNonZeroValue(0).orValue(5)} => 6
        ${has(inputs.service) && !has(inputs.missing) && !has(inputs.missing.deeper)} => true
        ${has(inputs['service']) && !has(inputs.note.x)} => true
        ${has(phases["sign-off"].outputs.by)} => true
        ${inputs.missing} => Missing at ‹missing›: `inputs.missing` has no value
        ${nowhere} => Missing at ‹nowhere›: `nowhere` has no value
        ${inputs.?missing.value()} => Missing at ‹value›: the optional has no value
        ${inputs.note.x} => WrongType at ‹x›: null has no field `x`
        ${has(inputs)} => Syntax at ‹has›: `has` takes a field, as in `has(inputs.region)`
        "#,
        value_of,
    );
}

#[test]
fn moments_are_given_and_never_asked_from_a_clock() {
    expect(
        r#"
        ${timestamp(inputs.started) + duration('1h')} => "2026-03-29T01:30:00Z"
        ${timestamp(inputs.started).getHours('Europe/Berlin')} => 1
        ${(timestamp(inputs.started) + duration('1h')).getHours('Europe/Berlin')} => 3
        ${timestamp(inputs.started).getHours('+02:30')} => 3
        ${[timestamp(inputs.started)].map(t, [t.getFullYear(), t.getMonth(), t.getDate(), t.getDayOfMonth(), t.getDayOfWeek(), t.getDayOfYear(), t.getMinutes(), t.getSeconds(), t.getMilliseconds()])} => [[2026,2,29,28,0,87,30,0,0]]
        ${timestamp('2026-03-02T00:00:00+02:00') - timestamp('2026-03-01T00:00:00Z')} => "79200s"
        ${timestamp(inputs.started) > timestamp('2026-01-01T00:00:00Z')} => true
        ${duration('1h30m') + duration('1.5s') - duration('500ms')} => "5401s"
        ${duration('-90m').getMinutes()} => -90
        ${duration('90m') == duration('1.5h')} => true
        ${string(duration('1ms'))} => "0.001s"
        at ${timestamp(0)} => "at 1970-01-01T00:00:00Z"
        ${int(timestamp('1970-01-01T00:01:00Z'))} => 60
        ${timestamp('tomorrow')} => Failed at ‹timestamp›: the text is no timestamp such as `2026-03-01T09:00:00Z`
        ${timestamp('2026-03-01T00:00:00+01:00[Europe/Berlin]')} => Failed at ‹timestamp›: the text is no timestamp such as `2026-03-01T09:00:00Z`
        ${duration('1 hour')} => Failed at ‹duration›: the text is no duration such as `1h30m`
        ${timestamp(0).getHours('Mars/Olympus')} => Failed at ‹getHours›: there is no such time zone
        ${timestamp('9999-12-30T00:00:00Z') + duration('24h')} => Failed at ‹+›: the time is out of range
        ${now()} => UnknownFunction at ‹now›: there is no function `now`
        "#,
        value_of,
    );
}

#[test]
fn what_one_side_decides_the_other_cannot_spoil() {
    expect(
        r#"
        false && nowhere => false
        nowhere && false => false
        true || nowhere => true
        nowhere || true => true
        true && nowhere => Missing at ‹nowhere›: `nowhere` has no value
        [1, 2].exists(x, x == 2 || nowhere) => true
        ['a', 2].exists(x, x == 2 && x > 1) => true
        [1, 2].all(x, x > 5 && nowhere) => false
        inputs.canary ? true : nowhere => true
        nowhere ? true : true => Missing at ‹nowhere›: `nowhere` has no value
        "#,
        answer_of,
    );
}

#[test]
fn a_condition_is_bare_or_in_one_hole_and_answers_true_or_false() {
    expect(
        r#"
        inputs.canary => true
        ${inputs.canary} => true
        ${ inputs.replicas > 2 && inputs.service == 'shop' }  => true
        success() => true
        failure() || inputs.replicas == 0 => false
        always() && !failure() => true
        inputs.service => WrongType at ‹service›: a condition is true or false, not a string
        ${inputs.canary} && true => Syntax at ‹ && true›: a condition is one expression; nothing may follow its `${…}`
        !inputs.service => WrongType at ‹!›: `!` takes a boolean, not a string
        "#,
        answer_of,
    );
}

#[test]
fn what_cannot_be_read_is_marked_where_it_stands() {
    expect(
        r#"
        a ${inputs. => Syntax at ‹${›: `${` is never closed; write `$${` for a plain `${`
        a ${} => Syntax at ‹›: the expression is empty
        a ${'x} => Syntax at ‹'›: the quote is never closed
        a ${1 +} => Syntax at ‹}›: the expression ends too early
        a ${1 2} => Syntax at ‹2›: `2` is not expected here
        ü ${ü} => Syntax at ‹ü›: `ü` is not expected here
        a ${1 + for} => Syntax at ‹for›: `for` is a reserved word
        a ${'\q'} => Syntax at ‹'›: the string holds an invalid escape
        ${b'x'} => Syntax at ‹b'x'›: bytes are not available
        ${Point{x: 1}} => Syntax at ‹{›: messages are not available; an object is written `{"name": value}`
        ${.inputs} => Syntax at ‹inputs›: a name does not begin with a dot here
        ${inputs.service.spilt('-')} => UnknownFunction at ‹spilt›: there is no function `spilt` (did you mean `split`?)
        ${Size(inputs.regions)} => UnknownFunction at ‹Size›: there is no function `Size` (did you mean `size`?)
        ${split('a-b', '-')} => UnknownFunction at ‹split›: there is no function `split` (did you mean `value.split(…)`?)
        ${inputs.replicas.string()} => UnknownFunction at ‹string›: there is no function `string` (did you mean `string(value)`?)
        ${math.max(1, 2)} => UnknownFunction at ‹math.max›: there is no function `math.max` (did you mean `math.greatest`?)
        ${math.celi(1.5)} => UnknownFunction at ‹math.celi›: there is no function `math.celi` (did you mean `math.ceil`?)
        ${'a'.split()} => WrongType at ‹split›: `split` does not take 0 arguments
        ${success(1)} => WrongType at ‹success›: `success` does not take 1 argument
        ${[1].map(1, 2)} => Syntax at ‹1›: `map` takes a name for its element first, as in `map(x, …)`
        "#,
        value_of,
    );
}
