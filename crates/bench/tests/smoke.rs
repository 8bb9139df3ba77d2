//! The benches at their smoke size, so that they cannot rot. Speed is not looked at.

use std::process::Command;

#[test]
fn every_bench_runs() {
    let output = Command::new(env!("CARGO_BIN_EXE_everstate-bench"))
        .args(["--smoke"])
        .output()
        .expect("the bench starts");
    let (told, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}\n{said}");
    for title in [
        "### One turn of a chart",
        "### Charts of many shapes",
        "### Durable turns",
        "### Through the API",
        "### One hot instance",
        "### As go-statemachine's clients send",
        "### Growth",
        "### Exploring systems of machines",
    ] {
        assert!(told.contains(title), "{title} is missing in:\n{told}");
    }
}

#[test]
fn an_unknown_bench_is_refused_with_the_known_ones() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_everstate-bench")).arg("truns").output().expect("it starts");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("truns") && said.contains("turns"), "{said}");
}
