//! What a definition says must hold of its instances, as `everstate check` tries it.

#![allow(missing_docs)]

use everstate_sim::check_properties;

/// Every finding as `line:column code message`.
fn findings(text: &str) -> Vec<String> {
    let line = |finding: everstate_chart::Finding| {
        format!("{}:{} {} {}", finding.line, finding.column, finding.code, finding.message)
    };
    check_properties("orders.yaml", text).into_iter().map(line).collect()
}

const ORDERS: &str = "
name: orders
context: {paid: 0}
events: {pay: {data: {type: object, properties: {amount: {type: integer, minimum: 1}}, required: [amount]}}}
initial: open
states:
  open:
    on:
      pay: {actions: {assign: {paid: context.paid + event.amount}}}
      ship: shipped
    after: {30m: {guard: context.paid == 0, target: closed}}
  shipped: {invoke: {id: parcel, task: parcel, onDone: closed, onError: open}}
  closed: {type: final}
";

#[test]
fn a_property_that_does_not_hold_is_told_with_the_shortest_way_there() {
    let text =
        format!("{ORDERS}properties:\n  - {{name: paid first, never: in('shipped') && context.paid == 0}}\n");
    assert_eq!(findings(&text), [r#"15:31 broken-property "paid first" does not hold after `ship`"#]);
    let hint = check_properties("orders.yaml", &text).remove(0).hint.unwrap();
    assert!(hint.contains("orders/1, in open, receives `ship` from outside: goes to shipped"), "{hint}");
    let text = format!("{ORDERS}properties: [{{never: ended && context.paid > 0}}]\n");
    assert_eq!(
        findings(&text),
        [
            r#"14:22 broken-property "never ended && context.paid > 0" does not hold after `pay`, `ship`, the end of task parcel"#
        ]
    );
    let text = format!("{ORDERS}properties: [{{never: in('closed') && states == []}}]\n");
    assert_eq!(findings(&text), [""; 0]);
    let text = format!(
        "{ORDERS}properties: [{{reachable: in('closed') && context.paid == 0}}, {{always: context.paid >= 0}}]\n"
    );
    assert_eq!(findings(&text), [""; 0]);
    let text = format!("{ORDERS}properties: [{{eventually: ended}}]\n");
    assert_eq!(findings(&text).len(), 1, "whoever pays must still ship");
}

#[test]
fn what_is_meant_to_be_is_silent_and_what_makes_no_sense_is_an_error() {
    let allowed = "allow: {broken-property: the shipper is trusted}\nproperties: [{never: in('shipped')}]\n";
    assert_eq!(findings(&format!("{ORDERS}{allowed}")), [""; 0]);
    let text = format!(
        "{ORDERS}properties: [{{never: in('shiped')}}, {{always: context.payd > 0}}, {{always: context.paid}}]\n"
    );
    let found = findings(&text);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].starts_with("14:25 expression the machine has no state \"shiped\""), "{found:?}");
    assert!(found[1].contains("payd") && found[2].contains("true or false"), "{found:?}");
    let hint = check_properties("orders.yaml", &text).remove(0).hint.unwrap();
    assert_eq!(hint, "did you mean in('shipped')?");
}

#[test]
fn the_page_of_findings_has_an_example_that_is_one() {
    let page = everstate_chart::findings_page();
    let after = page.split("### broken-property").nth(1).unwrap();
    let example = after.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(everstate_chart::read("orders.yaml", example).findings.is_empty());
    assert_eq!(check_properties("orders.yaml", example)[0].code, everstate_chart::Code::BrokenProperty);
}
