use super::*;

#[test]
fn credentials_are_read_from_the_part_that_is_named() {
    let text = "\
[default]
aws_access_key_id = one
# a comment
[ other ]
AWS_ACCESS_KEY_ID=two
aws_secret_access_key = a=b
";
    let other = profile(text, "other").unwrap();
    assert_eq!(
        (other["aws_access_key_id"].as_str(), other["aws_secret_access_key"].as_str()),
        ("two", "a=b")
    );
    assert_eq!(profile(text, "default").unwrap().len(), 1);
    assert_eq!(profile(text, "nobody"), None);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let of = |profile: &str| Place { file: Some(file.path().into()), profile: profile.into() }.read();
    assert_eq!(of("other").unwrap().secret_access_key(), "a=b");
    assert_eq!(of("default").unwrap_err(), "the SQS credentials have no aws_secret_access_key");
}

#[test]
fn groups_are_addresses_or_digests_of_them() {
    assert_eq!(group("orders/42"), "orders/42");
    for address in [format!("orders/{}", "x".repeat(200)), "orders/für".into()] {
        let group = group(&address);
        assert!(group.len() == 64 && group.bytes().all(|b| b.is_ascii_hexdigit()), "{group}");
    }
}

#[test]
fn requests_are_as_large_as_the_service_allows() {
    let of = |bytes: usize| Notification {
        id: String::new(),
        address: "a/1".into(),
        cursor: 0,
        seconds: 0,
        body: "x".repeat(bytes),
    };
    assert_eq!(fitting(&[of(10), of(10), of(10)]), 3);
    assert_eq!(fitting(&[of(200_000), of(50_000), of(50_000)]), 2);
    assert_eq!(fitting(&[of(300_000), of(1)]), 1);
    assert_eq!((seconds(Duration::from_millis(1_500)), seconds(Duration::from_secs(30))), (2, 30));
}
