use super::*;
use crate::secret::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

#[test]
fn the_signature_is_that_of_the_standard() {
    // The example of the Standard Webhooks' specification.
    let key = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let signed = signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
    assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    assert!(super::key("whsec_%").is_err());
}

/// Answers each request with the next status; gives back what was asked.
async fn endpoint(statuses: &'static [u16]) -> (String, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        let mut asked = Vec::new();
        for status in statuses {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut text, mut piece) = (String::new(), [0; 4096]);
            while !text.ends_with("body") {
                let count = stream.read(&mut piece).await.unwrap();
                text += std::str::from_utf8(&piece[..count]).unwrap();
            }
            let location = "location: http://127.0.0.1:1/\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(format!("HTTP/1.1 {status} X\r\n{location}").as_bytes()).await.unwrap();
            asked.push(text);
        }
        asked
    });
    (url, serving)
}

fn notification(cursor: u64) -> Notification {
    let address = "orders/1".into();
    Notification { id: format!("hook-{cursor}"), address, cursor, seconds: 0, body: "body".into() }
}

#[tokio::test]
async fn only_success_is_taken_for_an_answer() {
    let (url, serving) = endpoint(&[204, 500, 302, 410]).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "s3cret").unwrap();
    let secret = Secret::File(file.path().into());
    let plan = WebhookPlan { url: url.clone(), secret, timeout: Duration::from_secs(60) };
    let hook = Webhook::open(&plan).unwrap();
    assert_eq!(hook.deliver(&[notification(1)]).await, [Ok(())]);
    for status in ["500 Internal Server Error", "302 Found", "410 Gone"] {
        let refused = Trouble::again(format!("{url} answered {status}"));
        assert_eq!(hook.deliver(&[notification(2)]).await, [Err(refused)]);
    }
    let asked = serving.await.unwrap();
    let header = |name: &str| {
        asked[0].lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap().to_owned()
    };
    assert_eq!(header("webhook-id"), "hook-1");
    let signed =
        signature(&key("s3cret").unwrap(), "hook-1", header("webhook-timestamp").parse().unwrap(), "body");
    assert_eq!(header("webhook-signature"), signed);
    let nobody = hook.deliver(&[notification(3)]).await;
    assert!(nobody[0].as_ref().is_err_and(|trouble| trouble.again), "{nobody:?}");
}
