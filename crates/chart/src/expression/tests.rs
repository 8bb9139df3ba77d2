//! Expressions in small: text in, value or message out.

use super::{Cost, EventMeta, Expression, InstanceMeta, Names, Scope, Type};
use crate::value::{Value, any_json};
use everstate_kernel::{Address, Time};
use proptest::prelude::*;
use std::sync::{Arc, LazyLock};

pub(super) static NOTHING: Value = Value::Null;
static NAME: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("pay"));
static ADDRESS: LazyLock<Address> = LazyLock::new(|| Address::parse("shop:orders/42").expect("an address"));
static META: LazyLock<EventMeta<'static>> =
    LazyLock::new(|| EventMeta { name: &NAME, id: "e-1", sender: None, time: Time(1_000), more: &NOTHING });
static INSTANCE: LazyLock<InstanceMeta<'static>> =
    LazyLock::new(|| InstanceMeta { address: &ADDRESS, version: "v1", incarnation: 3 });

/// A scope with this context and this event data.
pub(super) fn scope_of(context: &Value) -> Scope<'_> {
    Scope {
        context,
        event: context,
        event_meta: &META,
        instance: &INSTANCE,
        now: Time(1_234_567_890_123),
        active: &|state| state == "open",
        locals: &[],
        present: &[],
    }
}

const CONTEXT: &str =
    r#"{"total":100,"state":"open","items":[{"price":5},{"price":7.5}],"note":null,"name":"Jo"}"#;

/// Compiles against the context's types and evaluates; the value as JSON, or what is wrong and where.
fn outcome(source: &str) -> String {
    let context = Value::from_json(CONTEXT).expect("the context parses");
    let event = Value::from_json(r#"{"amount":120,"tags":["a","b"]}"#).expect("the event parses");
    let names = Names::new().context(Some(Type::of_initial(&context)));
    let expression = match Expression::compile(source, &names) {
        Ok(expression) => expression,
        Err(errors) => {
            let told = |error: &super::ExpressionError| format!("{}: {error}", &source[error.span.clone()]);
            return errors.iter().map(told).collect::<Vec<_>>().join("\n");
        }
    };
    let scope = Scope { event: &event, ..scope_of(&context) };
    match expression.evaluate(&scope, &mut Cost::new(100_000)) {
        Ok(value) => value.to_json().unwrap_or_else(|error| error.to_string()),
        Err(error) => format!("fault at {}: {error}", &source[error.span.clone()]),
    }
}

#[track_caller]
fn check(source: &str, expected: &str) {
    assert_eq!(outcome(source), expected, "{source}");
}

#[test]
fn what_a_chart_sees() {
    check("event.amount >= context.total && size(context.items) < 10 && context.state == 'open'", "true");
    check("event['amount'] + 1", "121");
    check("_event.name + ' ' + _event.id + ' ' + string(_event.time)", r#""pay e-1 1970-01-01T00:00:01Z""#);
    check("_event.sender == null && _event.data.amount == 120", "true");
    check("instance.address + ' ' + instance.version", r#""shop:orders/42 v1""#);
    check(
        "[instance.space, instance.kind, instance.id, string(instance.incarnation)]",
        r#"["shop","orders","42","3"]"#,
    );
    check("instance['kind']", r#""orders""#);
    check("now > timestamp('2009-02-13T00:00:00Z')", "true");
    check("now", r#""2009-02-13T23:31:30.123Z""#);
    check("in('open') && !In('shut')", "true");
    check("'a' in event.tags && !('c' in event.tags) && in('open')", "true");
    check("event.?coupon.orValue('none')", r#""none""#);
    check("context.items.map(item, item.price).sum()", "12.5");
    check("context.items.filter(item, item.price > 6)", r#"[{"price":7.5}]"#);
    check("context.total * 1.5", "150.0");
    check("context.note == null && (has(event.amount) ? true : false)", "true");
}

#[test]
fn further_fields_of_an_event() {
    let names = Names::new().event_field("sendid", Type::String);
    let expression =
        Expression::compile("has(_event.sendid) && _event.sendid == 'a'", &names).expect("compiles");
    let scope = scope_of(&NOTHING);
    assert_eq!(expression.evaluate_bool(&scope, &mut Cost::new(100)), Ok(false));
    let more = Value::from_json(r#"{"sendid":"a"}"#).expect("parses");
    let meta = EventMeta { more: &more, ..*scope.event_meta };
    let scope = Scope { event_meta: &meta, ..scope };
    assert_eq!(expression.evaluate_bool(&scope, &mut Cost::new(100)), Ok(true));
}

#[test]
fn mistakes_are_told_with_place_and_hint() {
    check("context.totl + 1", "totl: there is no field 'totl'; did you mean 'total'?");
    check(
        "context.?coupon.orValue('none')",
        "coupon: there is no field 'coupon'; it has items, name, note, state, total",
    );
    check("contxt.total", "contxt: unknown name: 'contxt'; did you mean 'context'?");
    check(
        "context.name.startWith('J')",
        "startWith: unknown function: 'startWith'; did you mean 'startsWith'?",
    );
    check("context.name.size(1)", "size: 'size' takes 0 arguments, here are 1");
    check("length(context.name)", "length: unknown function: 'length'");
    check("context.name + 1", "context.name + 1: '+' does not take string and int; convert with string(x)");
    check(
        "context.name == 1",
        "context.name == 1: '==' compares string with int; they are never equal; convert one, as in string(x)",
    );
    check(
        "context.name && true",
        "context.name: '&&' takes a bool, this is string; compare it: x != 0, x != '', x != null",
    );
    check(
        "context.totl > 1 && contxt == 2",
        "totl: there is no field 'totl'; did you mean 'total'?\n\
         contxt: unknown name: 'contxt'; did you mean 'context'?",
    );
    check(
        "now.getHours('Mars/Base')",
        "'Mars/Base': unknown time zone: 'Mars/Base'; write a name such as Europe/Berlin, or an offset such as +02:00",
    );
    check("context.name.matches('(')", "'(': malformed pattern: unclosed group");
}

#[test]
fn an_empty_context_has_no_fields() {
    let names = Names::new().context(Some(Type::of_initial(&Value::from_json("{}").expect("parses"))));
    let errors = Expression::compile("context.total", &names).map(|_| ()).unwrap_err();
    assert_eq!(errors[0].to_string(), "there is no field 'total'; it has no fields");
}

#[test]
fn what_does_not_parse_is_told_with_place_and_hint() {
    check(
        "context.total = 1",
        "=: unexpected character: \"=\"; write '==' to compare; expressions cannot assign",
    );
    check("context.total >", ": expected a value, found the end");
    check("(1 + 2", "(: expected ')', found the end; add ')'");
    check("true and false", "and: expected an operator or the end, found 'and'; write '&&'");
    check(
        "in + 1",
        "in: 'in' has no operand; write in('state') to ask for a state, or an operand before 'in'",
    );
    check("'abc", "'abc: text has no end; end it with '");
    check(r"'a\é'", r"\é: unknown escape in a text; write '\\' for a backslash, or put r before the quote");
    check("", ": expression is empty; write a value, such as true or context.total");
    check(
        "Foo{a: 1}",
        "{: typed objects are not supported; write a map with its keys in quotes: {'name': value}",
    );
    check("1 +* 2", "*: expected a value, found '*'");
    check("package == 1", "package: 'package' is a reserved word; choose another name");
}

#[test]
fn faults_are_not_false() {
    check("event.amonut > 1", "fault at amonut: there is no field 'amonut'; ask with has(…) before");
    check("event.amount / 0 > 1", "fault at event.amount / 0: division by zero");
    check(
        "9223372036854775807 + event.amount",
        "fault at 9223372036854775807 + event.amount: whole number overflows 64 bits",
    );
    check("event.amount && true", "fault at event.amount: a condition is a bool, this is int");
    check("event.tags[2]", "fault at event.tags[2]: index 2 is beyond the 2 items");
    check("event.tags.name", "fault at name: a value of type list has no field 'name'");
    check("event.missing > 1 || event.amount == 120", "true");
    check("event.missing > 1 && event.amount != 120", "false");
    check(
        "event.missing > 1 || event.amount != 120",
        "fault at missing: there is no field 'missing'; ask with has(…) before",
    );
}

#[test]
fn states_asked_are_told() {
    let expression = Expression::compile("in('a.b') && !In(\"c\")", &Names::new()).expect("compiles");
    assert_eq!(expression.states_asked().collect::<Vec<_>>(), [("a.b", 3..8), ("c", 17..20)]);
}

#[test]
fn declared_variables_have_slots_and_hide_the_standard_ones() {
    let mut names = Names::new();
    assert_eq!(names.declare("item", Type::Dyn), 0);
    assert_eq!(names.declare("event", Type::Int), 1);
    let expression = Expression::compile("item.n + event", &names).expect("compiles");
    let locals = [Value::from_json(r#"{"n":1}"#).expect("parses"), Value::Int(41)];
    let scope = Scope { locals: &locals, ..scope_of(&NOTHING) };
    assert_eq!(expression.evaluate(&scope, &mut Cost::new(100)), Ok(Value::Int(42)));
    let unbound = expression.evaluate(&scope_of(&NOTHING), &mut Cost::new(100));
    assert_eq!(unbound.map_err(|error| error.message), Err("variable has no value yet".to_owned()));
    names.truncate(0);
    assert!(Expression::compile("item", &names).is_err());
    let late = Expression::compile("nobody.knows || true", &names.unchecked()).expect("compiles");
    assert_eq!(late.evaluate_bool(&scope_of(&NOTHING), &mut Cost::new(100)), Ok(true));
}

/// None of these may end otherwise than with an error, and soon.
#[test]
fn hostile_texts_are_refused() {
    let deep = 10_000;
    let bind = |n: usize| format!("cel.bind(x{n}, [[x{}]], ", n.saturating_sub(1));
    let growing = (1..60).map(bind).collect::<String>();
    let texts = [
        format!("{}1{}", "(".repeat(deep), ")".repeat(deep)),
        format!("{}1{}", "[".repeat(deep), "]".repeat(deep)),
        format!("{}1{}", "{1:".repeat(deep), "}".repeat(deep)),
        format!("{}true", "!".repeat(deep)),
        format!("{}1", "-".repeat(deep)),
        format!("{}1", "true ? 1 : ".repeat(deep / 4)),
        format!("1{}", "+1".repeat(deep)),
        format!("context{}", ".a".repeat(deep)),
        format!("context{}", "[0]".repeat(deep)),
        format!("{}1{}", "f(".repeat(deep), ")".repeat(deep)),
        format!("cel.bind(x0, 1, {growing}x59{})", ")".repeat(59)),
        "a".repeat(1 << 20),
        "(".repeat(1 << 20),
    ];
    for text in texts {
        let errors = Expression::compile(&text, &Names::new()).map(|_| ()).unwrap_err();
        assert!(!errors[0].message.is_empty(), "{}", &text[..40]);
    }
}

#[test]
fn long_chains_of_conditions_are_fine() {
    let source = format!("true{}", " && true".repeat(5_000));
    let expression = Expression::compile(&source, &Names::new()).expect("compiles");
    assert_eq!(expression.evaluate_bool(&scope_of(&NOTHING), &mut Cost::new(10_000)), Ok(true));
}

/// The value of a variable that doubles each time it is put into itself must not be written for ever.
#[test]
fn shared_parts_are_paid_for_as_often_as_they_are_written() {
    let expression = Expression::compile("[context, context]", &Names::new()).expect("compiles");
    let mut value = Value::Int(1);
    let failed = (0..100).find_map(|_| {
        let next = expression.evaluate(&scope_of(&value), &mut Cost::new(100_000));
        next.map(|next| value = next).err().map(|error| error.limit)
    });
    assert_eq!(failed, Some(true));
}

/// Expressions that are cheap to write and dear to evaluate stop at the limit, and soon.
#[test]
fn the_cost_limit_holds() {
    let list = Value::list((0..1_000).map(Value::Int).collect());
    for source in [
        "context.all(a, context.all(b, context.all(c, a + b + c >= 0)))",
        "context.map(a, context.map(b, context.map(c, a)))",
        "context.exists(a, context.exists(b, a.x || b.y))",
        "cel.bind(s, 'aaaaaaaaaaaaaaaa' + string(context[0]), cel.bind(t, s.replace('', s), \
         cel.bind(u, t.replace('', t), u.replace('', u).replace('', u))))",
        "context.map(a, context.map(b, 'xxxxxxxxxxxxxxxxxxxx').join('y')).join('y').split('')",
        "context.map(a, string(a)).join().matches('(a?){200}b')",
        "context.map(a, string(a)).join().matches('(a?){20' + string(context[0]) + '}b')",
        "context.all(a, timestamp(a).getHours('Europe/Ber' + 'lin' + string(a).substring(0, 0)) >= 0)",
        "context.map(a, context) == context.map(a, context)",
        "context.map(a, context).distinct().size() > 0",
    ] {
        let expression = Expression::compile(source, &Names::new()).expect(source);
        let mut cost = Cost::new(50_000);
        let result = expression.evaluate(&scope_of(&list), &mut cost);
        assert!(result.as_ref().is_err_and(|error| error.limit), "{source}: {result:?}");
        assert_eq!(cost.remaining(), 0);
    }
}

/// The short way is taken by what it is made for, and both ways lead to the same.
#[test]
fn the_short_way_gives_what_the_long_one_gives() {
    let context = Value::from_json(
        r#"{"n":7,"x":7.5,"state":"open","items":[1,2],"prices":{"bolt":3,"nail":1.5},"on":true,"none":null}"#,
    );
    let context = context.expect("the context parses");
    let event = Value::from_json(r#"{"item":"bolt","count":20}"#).expect("the event parses");
    let scope = Scope { event: &event, ..scope_of(&context) };
    for (source, is_short) in [
        ("context.n", true),
        ("context.n + 1", true),
        ("(context.n + 1) * event.count - 3", true),
        ("context.n >= 7 && size(context.items) < 10 && context.state == 'open'", true),
        ("context.prices[event.item] * event.count + context.n < 1000", true),
        ("context.x > context.n || context.on", true),
        ("!(context.state != 'open')", true),
        ("context.state < 'p'", false),
        ("context.n == context.x", false),
        ("context.none == null", false),
        ("context.n / 2 > 3", false),
        ("9223372036854775807 + context.n", false),
        ("context.prices[context.n]", false),
        ("context.n && context.on", false),
        ("context.missing || context.on", false),
        ("size(context.state) == 4", false),
    ] {
        let expression = Expression::compile(source, &Names::new()).expect(source);
        let cost = || Cost::new(100_000);
        let short = expression.short(scope.roots(), &mut cost());
        assert_eq!(short.is_some(), is_short, "{source}");
        if let Some(short) = short {
            assert_eq!(expression.long(&scope, &mut cost()), Ok(short), "{source}");
        }
        if let Some(short) = expression.short_truth(scope.roots(), &mut cost()) {
            assert_eq!(expression.long_truth(&scope, &mut cost()), Ok(short), "{source}");
        }
    }
}

fn any_source() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("context".to_owned()),
        Just("event".to_owned()),
        Just("now".to_owned()),
        Just("x".to_owned()),
        "[0-9]{1,3}",
        Just("1.5".to_owned()),
        Just("'ab'".to_owned()),
        Just("true".to_owned()),
        Just("null".to_owned()),
        Just("2u".to_owned()),
        Just("[]".to_owned()),
        Just("b'x'".to_owned()),
    ];
    leaf.prop_recursive(5, 60, 3, |inner| {
        let two = (inner.clone(), inner.clone());
        let sign = "[-+*/%<>]|&&|[|][|]|==|!=| in ";
        prop_oneof![
            (two.clone(), sign).prop_map(|((a, b), sign)| format!("({a} {sign} {b})")),
            two.clone().prop_map(|(a, b)| format!("[{a}, {b}]")),
            two.clone().prop_map(|(a, b)| format!("{{'a': {a}, 'b': {b}}}")),
            two.clone().prop_map(|(a, b)| format!("{a}[{b}]")),
            two.clone().prop_map(|(a, b)| format!("{a}.all(x, {b})")),
            two.clone().prop_map(|(a, b)| format!("{a}.map(x, {b})")),
            two.clone().prop_map(|(a, b)| format!("{a}.filter(x, {b})")),
            two.clone().prop_map(|(a, b)| format!("{a}.?a.orValue({b})")),
            two.clone().prop_map(|(a, b)| format!("({a} ? {b} : {a})")),
            two.prop_map(|(a, b)| format!("{a}.replace({b}, 'abc')")),
            inner.clone().prop_map(|a| format!("size({a})")),
            inner.clone().prop_map(|a| format!("string({a})")),
            inner.clone().prop_map(|a| format!("{a}.a")),
            inner.clone().prop_map(|a| format!("-{a}")),
            inner.prop_map(|a| format!("'%s'.format([{a}])")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_text_compiles_or_not(text in "\\PC{0,60}") {
        if let Err(errors) = Expression::compile(&text, &Names::new()) {
            for error in errors {
                prop_assert!(text.get(error.span.clone()).is_some(), "{:?}", error);
            }
        }
    }

    #[test]
    fn any_words_compile_or_not(
        words in prop::collection::vec("[a-z(){}.,?:+!<>=&|'\"0-9]|\\[|\\]|in|true|has|''' |\\\\|é", 0..40),
    ) {
        for text in [words.join(" "), words.concat()] {
            for names in [Names::new(), Names::new().unchecked()] {
                let errors = Expression::compile(&text, &names).err().unwrap_or_default();
                for error in errors {
                    prop_assert!(text.get(error.span.clone()).is_some(), "{:?}", error);
                }
            }
        }
    }

    #[test]
    fn the_short_way_never_gives_anything_else(source in any_source(), context in any_json()) {
        if let Ok(expression) = Expression::compile(&source, &Names::new().unchecked()) {
            let scope = scope_of(&context);
            if let Some(short) = expression.short(scope.roots(), &mut Cost::new(1_000_000)) {
                prop_assert_eq!(expression.long(&scope, &mut Cost::new(1_000_000)), Ok(short));
            }
            if let Some(short) = expression.short_truth(scope.roots(), &mut Cost::new(1_000_000)) {
                prop_assert_eq!(expression.long_truth(&scope, &mut Cost::new(1_000_000)), Ok(short));
            }
        }
    }

    #[test]
    fn what_is_spent_is_never_more_than_there_was(
        source in any_source(),
        context in any_json(),
        budget in 0u64..2_000,
    ) {
        if let Ok(expression) = Expression::compile(&source, &Names::new().unchecked()) {
            let mut plenty = Cost::new(1_000_000);
            let scope = scope_of(&context);
            let whole = expression.evaluate(&scope, &mut plenty);
            let spent = 1_000_000 - plenty.remaining();
            let mut cost = Cost::new(budget);
            let again = expression.evaluate(&scope, &mut cost);
            if budget >= spent {
                // With enough the answer is the same, at the same price.
                prop_assert_eq!(again, whole);
                prop_assert_eq!(cost.remaining(), budget - spent);
            } else {
                prop_assert!(again.is_err_and(|error| error.limit));
                prop_assert_eq!(cost.remaining(), 0);
            }
        }
    }
}
