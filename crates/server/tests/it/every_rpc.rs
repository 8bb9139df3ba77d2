//! Every rpc of both APIs, found in their descriptors, with requests that no honest client makes: each field absent, of
//! the wrong type, odd or huge. So an rpc or a field that is added later is tried as well.
//!
//! Its one invariant: each is answered, no answer blames the server, and the server lives on.

use crate::world::{ORDERS, World, config};
use buffa::Message;
use buffa_descriptor::generated::descriptor::field_descriptor_proto::{Label, Type};
use buffa_descriptor::generated::descriptor::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};
use serde_json::{Map, Value as Json, json};
use std::collections::HashMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Texts that are no good name anywhere.
const ODD: [&str; 7] = [":", "/", "..", "\u{0}", "\u{202e}", "~", "$(reboot)"];

/// Longer than any name and any text for people, and shorter than what a request may have.
const HUGE: usize = (1 << 20) + 1;

struct Method {
    path: String,
    input: String,
    is_stream: bool,
}

/// What the descriptors say.
struct Promised {
    messages: HashMap<String, DescriptorProto>,
    methods: Vec<Method>,
}

fn promised() -> Promised {
    let set = FileDescriptorSet::decode_from_slice(everstate_api::DESCRIPTORS).expect("descriptors");
    let (mut messages, mut methods) = (HashMap::new(), Vec::new());
    for file in &set.file {
        let package = file.package.clone().unwrap_or_default();
        for message in &file.message_type {
            gather(&format!(".{package}"), message, &mut messages);
        }
        for service in &file.service {
            let service_name = service.name.clone().unwrap_or_default();
            methods.extend(service.method.iter().map(|method| Method {
                path: format!("/{package}.{service_name}/{}", method.name.as_deref().unwrap_or_default()),
                input: method.input_type.clone().unwrap_or_default(),
                is_stream: method.client_streaming == Some(true) || method.server_streaming == Some(true),
            }));
        }
    }
    Promised { messages, methods }
}

fn gather(within: &str, message: &DescriptorProto, all: &mut HashMap<String, DescriptorProto>) {
    let name = format!("{within}.{}", message.name.as_deref().unwrap_or_default());
    for nested in &message.nested_type {
        gather(&name, nested, all);
    }
    all.insert(name, message.clone());
}

/// Something that a field of that name may well have; other fields are left out.
fn plausible(name: &str) -> Option<Json> {
    Some(match name {
        "address" => json!("orders/1"),
        "addresses" => json!(["orders/1"]),
        "kind" | "name" => json!("orders"),
        "config" => json!("orders"),
        "version" | "from" | "to" | "from_version" | "to_version" => json!("v1"),
        "config_id" => json!("orders:v1"),
        "source" => json!(ORDERS),
        "file_name" => json!("orders.yaml"),
        "id" => json!("1"),
        "event_id" => json!("e1"),
        "state" => json!("open"),
        "states" => json!(["open"]),
        "queue" | "worker" => json!("w"),
        "reason" | "by" => json!("a test"),
        "event" => json!({ "name": "note", "transition": { "event": "note" } }),
        "fsm" => json!({ "config_id": "orders:v1" }),
        "limit" | "max" | "number" | "sequence" => json!(1),
        _ => return None,
    })
}

/// A request that may well be honest.
fn honest(message: &DescriptorProto) -> Map<String, Json> {
    let fields = message.field.iter().filter_map(|field| {
        let name = field.name.clone().unwrap_or_default();
        let value = plausible(&name)?;
        // Of several of a oneof only one can be given, and none is best.
        (field.oneof_index.is_none() && fits(field, &value)).then_some((name, value))
    });
    fields.collect()
}

/// Is the value of the field's type, as far as that can be told by its look?
fn fits(field: &FieldDescriptorProto, value: &Json) -> bool {
    let repeated = field.label == Some(Label::LABEL_REPEATED);
    match field.r#type {
        _ if repeated != value.is_array() => false,
        Some(Type::TYPE_STRING) => repeated || value.is_string(),
        Some(Type::TYPE_MESSAGE) => value.is_object(),
        Some(Type::TYPE_UINT32 | Type::TYPE_INT32 | Type::TYPE_UINT64 | Type::TYPE_INT64) => {
            value.is_number()
        }
        _ => false,
    }
}

/// Values of another type than the field has.
fn wrong(field: &FieldDescriptorProto) -> Vec<Json> {
    if field.label == Some(Label::LABEL_REPEATED) {
        return vec![json!(7), json!("x"), json!(true)];
    }
    match (field.r#type, field.type_name.as_deref()) {
        // It takes anything.
        (Some(Type::TYPE_MESSAGE), Some(".google.protobuf.Value")) => Vec::new(),
        (Some(Type::TYPE_MESSAGE), _) => vec![json!(7), json!("x")],
        (Some(Type::TYPE_STRING | Type::TYPE_BYTES), _) => vec![json!(7), json!({}), json!([])],
        (Some(Type::TYPE_BOOL), _) => vec![json!("x"), json!({}), json!(7)],
        (Some(Type::TYPE_ENUM), _) => vec![json!({}), json!([])],
        (Some(Type::TYPE_DOUBLE | Type::TYPE_FLOAT), _) => vec![json!("x"), json!({})],
        _ => vec![json!("x"), json!({}), json!(1.5), json!(1e300)],
    }
}

/// Values of the field's type that nobody means.
fn odd(field: &FieldDescriptorProto) -> Vec<Json> {
    let repeated = field.label == Some(Label::LABEL_REPEATED);
    let one: Vec<Json> = match (field.r#type, field.type_name.as_deref()) {
        (Some(Type::TYPE_STRING), _) => {
            let texts = ODD.iter().map(|text| json!(text));
            texts.chain([json!(""), json!("h".repeat(HUGE))]).collect()
        }
        (Some(Type::TYPE_BYTES), _) => vec![json!(""), json!("AAAA".repeat(HUGE / 4))],
        (Some(Type::TYPE_MESSAGE), Some(".google.protobuf.Timestamp")) => {
            vec![json!("0001-01-01T00:00:00Z"), json!("9999-12-31T23:59:59.999999999Z")]
        }
        (Some(Type::TYPE_MESSAGE), Some(".google.protobuf.Duration")) => {
            vec![json!("-1s"), json!("0s"), json!("315576000000s")]
        }
        (Some(Type::TYPE_MESSAGE), Some(".google.protobuf.Value")) => {
            let deep = (0..90).fold(json!(1), |inner, _| json!([inner]));
            vec![json!(9_007_199_254_740_993_u64), json!("h".repeat(HUGE)), json!({ "\u{0}": null }), deep]
        }
        (Some(Type::TYPE_MESSAGE), _) => vec![json!({})],
        (Some(Type::TYPE_BOOL), _) => vec![json!(true), json!(false)],
        (Some(Type::TYPE_ENUM), _) => vec![json!(7_777), json!(-1)],
        (Some(Type::TYPE_UINT32), _) => vec![json!(0), json!(u32::MAX)],
        (Some(Type::TYPE_INT32), _) => vec![json!(i32::MIN), json!(i32::MAX)],
        (Some(Type::TYPE_UINT64), _) => vec![json!("0"), json!(u64::MAX.to_string())],
        (Some(Type::TYPE_INT64), _) => vec![json!(i64::MIN.to_string()), json!(i64::MAX.to_string())],
        _ => vec![json!(0)],
    };
    if !repeated {
        return one;
    }
    let many = one.first().map(|value| Json::Array(vec![value.clone(); 10_001]));
    one.into_iter().map(|value| json!([value])).chain(many).collect()
}

/// Asks, and answers the status. Of a stream only that: some have no end.
async fn ask(world: &World, method: &Method, body: &str, may_wait: bool) -> (u16, String) {
    let mut stream = tokio::net::TcpStream::connect(world.server.address()).await.expect("connected");
    let (kind, body) = match method.is_stream {
        false => ("application/json", body.as_bytes().to_vec()),
        true => {
            let length = u32::try_from(body.len()).expect("a small body").to_be_bytes();
            ("application/connect+json", [&[0][..], &length, body.as_bytes()].concat())
        }
    };
    // What waits for something to happen need not wait for long.
    let timeout = if may_wait { "connect-timeout-ms: 50\r\n" } else { "" };
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{timeout}content-type: {kind}\r\n\
         content-length: {}\r\n\r\n",
        method.path,
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    // A server that refuses a large body may close before it has read it whole.
    let _ = stream.write_all(&body).await;
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut piece).await {
        answer.extend_from_slice(&piece[..read]);
        if method.is_stream && answer.windows(4).any(|end| end == b"\r\n\r\n") {
            break;
        }
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, answer)
}

/// What one method is tried with: what it is, the request, and whether it must be refused as malformed.
fn requests(method: &Method, promised: &Promised) -> Vec<(String, String, bool)> {
    let mut all = vec![
        ("nothing".to_owned(), "{}".to_owned(), false),
        ("no JSON".to_owned(), "{".to_owned(), true),
        ("a number".to_owned(), "7".to_owned(), true),
        // The library takes an empty list for a message without fields.
        ("a list".to_owned(), "[]".to_owned(), false),
    ];
    if method.input.starts_with(".google.protobuf.") {
        let texts = ODD.iter().map(|text| ((*text).to_owned(), json!(text).to_string(), false));
        all[0].1 = "\"\"".into();
        if method.input.ends_with("StringValue") {
            all.extend(texts.chain([("huge".to_owned(), json!("h".repeat(HUGE)).to_string(), false)]));
        } else {
            all[0].1 = "{}".into();
        }
        return all;
    }
    let message = &promised.messages[&method.input];
    let honest = honest(message);
    all.push(("an honest one".to_owned(), Json::Object(honest.clone()).to_string(), false));
    // One of a newer client is passed over.
    all.push(("an unknown field".to_owned(), json!({ "no such field": 1 }).to_string(), false));
    for field in &message.field {
        let name = field.name.clone().unwrap_or_default();
        let mut lacking = honest.clone();
        if lacking.remove(&name).is_some() {
            all.push((format!("no {name}"), Json::Object(lacking).to_string(), false));
        }
        let with = |value: Json| {
            let mut request = honest.clone();
            request.insert(name.clone(), value);
            Json::Object(request).to_string()
        };
        all.extend(wrong(field).into_iter().map(|value| (format!("{name} = {value}"), with(value), true)));
        all.extend(odd(field).into_iter().map(|value| (format!("odd {name}"), with(value), false)));
        // And what lies within, one level down.
        let within = field.type_name.as_deref().and_then(|inner| promised.messages.get(inner));
        let is_ours = field.type_name.as_deref().is_some_and(|inner| !inner.starts_with(".google."));
        let (Some(within), true) = (within, is_ours) else { continue };
        let repeated = field.label == Some(Label::LABEL_REPEATED);
        for inner in &within.field {
            let inner_name = inner.name.clone().unwrap_or_default();
            for value in odd(inner) {
                let mut one = crate::every_rpc::honest(within);
                one.insert(inner_name.clone(), value);
                let one = Json::Object(one);
                let value = if repeated { json!([one]) } else { one };
                all.push((format!("odd {name}.{inner_name}"), with(value), false));
            }
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_field_of_every_rpc_absent_wrong_odd_and_huge() {
    let world = World::with(config(&[])).await;
    world.put(ORDERS).await.expect("put");
    let promised = promised();
    assert!(promised.methods.len() > 40, "both services are there");
    let mut wrong = Vec::new();
    for method in &promised.methods {
        // An earlier one may have deleted it; then it is there anew.
        let start = r#"{"kind":"orders","id":"1"}"#;
        let _ = world.post("/everstate.v1.Everstate/StartInstance", start).await;
        for (what, body, malformed) in requests(method, &promised) {
            let (status, answer) = ask(&world, method, &body, !malformed).await;
            let fine = match (method.is_stream, malformed) {
                (true, _) => (200..500).contains(&status),
                (false, true) => status == 400,
                // 504: it waited for something that does not happen. 501: what is asked for is not offered.
                (false, false) => (200..500).contains(&status) || matches!(status, 501 | 504),
            };
            if !fine {
                let (what, answer): (String, String) =
                    (what.chars().take(100).collect(), answer.chars().take(500).collect());
                wrong.push(format!("{} with {what}: {answer}", method.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong answers:\n{}", wrong.len(), wrong[..wrong.len().min(50)].join("\n"));
    let (status, answer) = world.raw("GET", "/readyz", "", b"").await;
    assert_eq!((status, answer.as_str()), (200, "ready\n"));
    world.put(&ORDERS.replace("version: v1", "version: v77")).await.expect("the server lives");
    world.server.stop().await.expect("stopped");
}
