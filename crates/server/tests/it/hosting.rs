//! Behaviours in Rust in a server, beside charts.

use crate::world::{World, config};
use everstate::{Address, AnyAddress, Behaviour, Context, definition};
use everstate_server::Server;
use serde::{Deserialize, Serialize};

/// Greets, and can be told to greet a chart.
#[derive(Default, Clone, Serialize, Deserialize)]
struct Greeter {
    greeted: u32,
}

#[derive(Serialize, Deserialize)]
enum Greet {
    Hello(String),
    Pass(AnyAddress),
}

impl Behaviour for Greeter {
    const NAME: &str = "greeters";
    type Message = Greet;
    type Reply = String;
    type Error = String;

    fn handle(&mut self, greet: Greet, context: &mut Context<Self>) -> Result<String, String> {
        self.greeted += 1;
        match greet {
            Greet::Hello(name) if name.is_empty() => Err("who?".into()),
            Greet::Hello(name) => Ok(format!("hello {name}")),
            Greet::Pass(to) => {
                context.send_event(&to, "note", ());
                Ok("passed".into())
            }
        }
    }
}

#[tokio::test]
async fn a_behaviour_in_rust_is_served_beside_charts() {
    let config = config(&[]);
    let natives = vec![definition::<Greeter>().expect("a name")];
    let server = Server::start_hosting(config, natives).await.expect("a server");
    let world = World::around(server);
    world.put(crate::world::ORDERS).await.expect("a good definition");
    world.start("1").await;
    let greeter = Address::<Greeter>::new("1").expect("an id");
    let send = |id: &str, name: &str, data: &str| {
        let body = format!(
            r#"{{"address": "{greeter}", "event": {{"id": "{id}", "name": "{name}", "data": {data}}}}}"#
        );
        let world = &world;
        async move { world.post("/everstate.v1.Everstate/SendEvent", &body).await }
    };
    let (status, said) = send("a", "Hello", r#""Ann""#).await;
    assert_eq!(status, 200, "{said}");
    assert!(said.contains(r#""reply":"hello Ann""#), "{said}");
    let (_, said) = send("b", "Hello", r#""""#).await;
    assert!(said.contains(r#""reason":"refused""#) && said.contains("who?"), "{said}");
    let (_, said) = send("c", "Pass", r#""orders/1""#).await;
    assert!(said.contains(r#""reply":"passed""#), "{said}");
    let (_, shown) =
        world.post("/everstate.v1.Everstate/GetInstance", &format!(r#"{{"address": "{greeter}"}}"#)).await;
    assert!(shown.contains(r#""greeted":2"#), "{shown}");
}
