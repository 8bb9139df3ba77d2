use super::*;

fn findings(text: &str) -> Vec<String> {
    let read = Plan::read(text);
    assert!(read.plan.is_none(), "{text}");
    let line = |finding: &Finding| {
        format!("{}:{} {}: {}", finding.line, finding.column, finding.code.as_str(), finding.message)
    };
    read.findings.iter().map(line).collect()
}

const WHOLE: &str = "\
server: https://everstate.example:7400
sources:
  - name: orders-in
    in_flight: 50
    nats:
      server: nats://one:4222,nats://two:4222
      stream: ORDERS
      consumer: everstate
      subject: orders.>
      dead_letter: dead.orders
      hold: 2s
      credentials: {file: /run/nats.creds}
  - name: legacy-in
    body: statemachine
    sqs:
      queue: https://sqs.eu-central-1.amazonaws.com/1/events
      region: eu-central-1
      dead_letter: https://sqs.eu-central-1.amazonaws.com/1/dead
sinks:
  - name: hook
    send: all
    kinds: [orders]
    from: beginning
    webhook: {url: 'https://shop.example/hooks', secret: {env: HOOK_SECRET}, timeout: 5s}
";

#[test]
fn a_whole_file_is_read() {
    let read = Plan::read(WHOLE);
    assert!(read.findings.is_empty(), "{:?}", read.findings);
    let plan = read.plan.unwrap();
    assert_eq!(plan.server.as_deref(), Some("https://everstate.example:7400"));
    assert_eq!((plan.sources.len(), plan.sources[0].in_flight, plan.sources[1].in_flight), (2, 50, 1_000));
    let Spoken::Nats(nats) = &plan.sources[0].queue else { panic!("{:?}", plan.sources[0]) };
    assert_eq!((nats.hold, nats.subject.as_str()), (Duration::from_secs(2), "orders.>"));
    assert_eq!(nats.credentials, Some(Secret::File("/run/nats.creds".into())));
    let Spoken::Sqs(sqs) = &plan.sources[1].queue else { panic!("{:?}", plan.sources[1]) };
    assert_eq!((sqs.hold, sqs.profile.as_str()), (Duration::from_secs(30), "default"));
    assert_eq!(plan.sources[1].form, Form::Statemachine);
    let hook = &plan.sinks[0];
    assert_eq!(hook.choice, Choice { all: true, kinds: vec!["orders".into()] });
    assert_eq!(hook.begin, Begin::Beginning);
    let Spoken::Webhook(webhook) = &hook.destination else { panic!("{hook:?}") };
    assert_eq!(webhook.timeout, Duration::from_secs(5));
}

#[test]
fn everything_that_is_wrong_is_told_with_its_place() {
    let text = "\
server: ftp://everstate
sinks:
  - name: a b
    webhook: {url: 'https://x', secret: whsec_abc}
  - name: hook
    sent: all
    webhook: {url: 'https://u:p@x', timeout: 1ms, secret: {env: A, file: b}}
  - name: hook
    in_flight: 0
    nats: {server: 'nats://n', subject: s}
    sqs: {queue: q, region: r}
sources:
  - sqs: {queue: q}
  - name: none
";
    assert_eq!(
        findings(text),
        [
            "1:9 bad-value: `server` is no address: \"ftp://everstate\"",
            "13:5 missing-key: a source has no `name`",
            "13:10 missing-key: an `sqs` part has no `region`",
            "13:10 missing-key: an `sqs` part has no `dead_letter`",
            "14:5 missing-key: a source has none of nats, sqs",
            "3:11 bad-value: name is not usable: \"a b\"",
            "4:41 wrong-type: `secret` holds a secret itself",
            "6:5 unknown-key: a sink has no key `sent`",
            "7:20 bad-value: `url` has credentials in it",
            "7:74 bad-value: a secret has one of env, file; `file` is one too many",
            "7:46 bad-value: `timeout` is from 100ms to 5m, this is 1ms",
            "8:11 bad-value: there is another source or sink with this name: hook",
            "9:16 bad-value: `in_flight` is a whole number from 1 to 100000",
            "11:10 bad-value: a sink has one of nats, sqs, webhook; `sqs` is one too many",
        ]
    );
    assert_eq!(findings("{}"), ["1:1 missing-key: there is nothing to connect: neither sources nor sinks"]);
    assert_eq!(findings("- 1"), ["1:1 wrong-type: a connector file is a map, this is a list"]);
    assert_eq!(findings("sinks: 1"), ["1:8 wrong-type: `sinks` is a list, this is a number"]);
    assert_eq!(
        findings("sinks: [a: {b"),
        ["1:14 malformed: not YAML: while parsing a flow mapping, did not find expected ',' or '}'"]
    );
}

#[test]
fn a_secret_is_never_shown() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "  s3cret\n").unwrap();
    let secret = Secret::File(file.path().into());
    assert_eq!(secret.read().as_deref(), Ok("s3cret"));
    assert!(!format!("{secret:?}").contains("s3cret"));
    std::fs::write(file.path(), "\n").unwrap();
    assert!(secret.read().unwrap_err().starts_with("there is no secret in the file "));
    let nowhere = Secret::Environment("EVERSTATE_NO_SUCH_VARIABLE".into());
    assert_eq!(nowhere.read().unwrap_err(), "the environment has no EVERSTATE_NO_SUCH_VARIABLE");
}
