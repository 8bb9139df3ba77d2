//! Prints `docs/errors.md`.

use std::io::Write;

fn main() -> std::io::Result<()> {
    std::io::stdout().write_all(everstate_server::errors_page().as_bytes())
}
