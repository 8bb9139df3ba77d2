//! Definitions.

use super::instance::cut;
use super::moment::second;
use crate::paint::Paint;
use crate::table::Table;
use everstate_client::api;

/// Definitions in a table.
pub(crate) fn definitions(definitions: &[api::Definition], paint: Paint) -> String {
    let mut table = Table::new(&["definition", "states", "events", "put", "description"])
        .right(1)
        .colour(0, Paint::bold)
        .colour(4, Paint::dim);
    for definition in definitions {
        table.row(vec![
            format!("{}:{}", definition.name, definition.version),
            definition.states.len().to_string(),
            cut(&definition.events.join(", ")),
            definition.put_time.as_option().map_or(String::new(), second),
            definition.description.lines().next().unwrap_or_default().to_owned(),
        ]);
    }
    table.render(paint)
}

/// What became of putting one.
pub(crate) fn put(answer: &api::PutDefinitionResponse, file: &str) -> String {
    let definition = answer.definition.as_option().cloned().unwrap_or_default();
    let word = if answer.fresh { "put" } else { "already there" };
    format!("{}:{}  {word}  {file}\n", definition.name, definition.version)
}
