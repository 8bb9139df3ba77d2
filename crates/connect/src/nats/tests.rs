use super::*;

fn delivery(consumer: u64, stream: u64) -> (Place, Message) {
    let message = Message { id: stream.to_string(), receipt: consumer.to_string(), body: Vec::new() };
    (Place { stream, consumer }, message)
}

fn ids(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.id.as_str()).collect()
}

fn order(consumer: u64, stream: u64, unacknowledged: usize) -> Order {
    let hold = Duration::from_secs(30);
    Order::new(Place { stream, consumer }, unacknowledged, hold, Instant::now())
}

#[tokio::test(start_paused = true)]
async fn what_arrives_in_order_is_handed_on_at_once() {
    let mut order = order(4, 4, 0);
    assert_eq!(ids(&order.take(vec![delivery(5, 5), delivery(6, 6)], Instant::now())), ["5", "6"]);
    assert_eq!(ids(&order.take(vec![delivery(7, 9)], Instant::now())), ["9"]);
}

#[tokio::test(start_paused = true)]
async fn newer_messages_wait_for_what_an_earlier_process_held() {
    // Up to 10 was given out, of which 7 and 9 were not acknowledged.
    let mut order = order(10, 10, 2);
    let now = Instant::now();
    assert_eq!(ids(&order.take(vec![delivery(11, 11), delivery(12, 12)], now)), [""; 0]);
    assert_eq!(ids(&order.take(vec![delivery(13, 7)], now)), [""; 0]);
    assert_eq!(ids(&order.take(vec![delivery(14, 9)], now)), ["7", "9", "11", "12"]);
    assert_eq!(ids(&order.take(vec![delivery(15, 13)], now)), ["13"]);
}

#[tokio::test(start_paused = true)]
async fn newer_messages_wait_for_what_was_lost_with_a_connection() {
    let mut order = order(0, 0, 0);
    let now = Instant::now();
    assert_eq!(ids(&order.take(vec![delivery(1, 1)], now)), ["1"]);
    // 2 and 3 were given out and did not arrive.
    assert_eq!(ids(&order.take(vec![delivery(4, 4), delivery(5, 5)], now)), [""; 0]);
    assert_eq!(ids(&order.take(vec![delivery(6, 2), delivery(7, 3)], now)), ["2", "3", "4", "5"]);
}

#[tokio::test(start_paused = true)]
async fn what_never_comes_is_not_waited_for_for_ever() {
    let mut order = order(10, 10, 2);
    let now = Instant::now();
    assert_eq!(ids(&order.take(vec![delivery(11, 11), delivery(12, 7)], now)), [""; 0]);
    let later = now + Duration::from_secs(60);
    assert_eq!(ids(&order.take(Vec::new(), later)), ["7", "11"]);
}
