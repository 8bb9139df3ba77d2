//! The `everstate` command. All it does is in the library beside it, where it can be tested.

fn main() -> std::process::ExitCode {
    everstate_cli::main(std::env::args_os())
}
