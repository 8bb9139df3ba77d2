//! Every example runs, and its own claims hold.

#[path = "../examples/account.rs"]
mod account;
#[path = "../examples/bank.rs"]
mod bank;
#[path = "../examples/counter.rs"]
mod counter;
#[path = "../examples/family.rs"]
mod family;
#[path = "../examples/ping_pong.rs"]
mod ping_pong;
#[path = "../examples/switch.rs"]
mod switch;

macro_rules! runs {
    ($($name:ident),*) => {
        $(#[test]
        fn $name() {
            $name::main().expect("it ends well");
        })*
    };
}

runs!(account, bank, counter, family, ping_pong, switch);
