use everstate_chart::trace::answer;
fn main(){ let t=std::fs::read_to_string(std::env::args().nth(1).unwrap()).unwrap();
 println!("{}", answer(&serde_json::json!({"id":1,"scxml":t,"events":[{"advance":30000}]}).to_string())); }
