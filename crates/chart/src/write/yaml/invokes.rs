//! Machines that states invoke, in the native format.
//!
//! It refuses to write a machine inside of another: here each is a definition of its own. Its one invariant: an
//! invocation has the id that it had, so that its events keep their names.

use super::{Entries, Writer};
use crate::chart::Chart;
use crate::code::{StateIndex, Template};
use crate::invoke::{Invoke, Source, TYPES};
use crate::model::Descriptor;
use crate::write::lose;
use crate::write::yaml_text::Tree;

impl Writer<'_, '_> {
    pub(super) fn invokes(&mut self, at: StateIndex, place: &str) -> Vec<Tree> {
        let chart = self.chart;
        let numbered = chart.state(at).invokes.iter().enumerate();
        numbered.filter_map(|(number, invoke)| self.invoke(at, number, invoke, place)).collect()
    }

    fn invoke(&mut self, at: StateIndex, number: usize, invoke: &Invoke, place: &str) -> Option<Tree> {
        if let Source::Task(_) = &invoke.source {
            return self.task(invoke);
        }
        let called = invoke.id.as_deref().unwrap_or("without id");
        let mut lost = |what: &str| lose(self.contents.losses, place, format!("left out: {what} ({called})"));
        let known = |kind: &Template| matches!(kind, Template::Fixed(name) if TYPES.contains(&&**name));
        if invoke.kind.as_ref().is_some_and(|kind| !known(kind)) {
            lost("an invoked machine of a type that is computed, or that there is none of");
            return None;
        }
        let Source::Definition(source) = &invoke.source else {
            lost("an invoked machine that is written inside of this one; make it a definition of its own");
            return None;
        };
        if invoke.id_location.is_some() {
            lost("the storing of an invoked machine's id");
        }
        if !invoke.finalize.is_empty() {
            lost("what is done with the events of an invoked machine before they are taken");
        }
        let mut entries: Entries = Vec::new();
        // The reader gives this one to what has none of its own.
        let given = format!("{number}.{}", self.chart.state(at).path);
        if let Some(id) = invoke.id.as_deref().filter(|id| **id != *given) {
            entries.push(("id".to_owned(), Tree::text(id)));
        }
        entries.push(("src".to_owned(), Tree::Text(self.contents.template(source))));
        let input = self
            .contents
            .payload(&invoke.payload)
            .filter(|input| !matches!(input, Tree::Plain(text) if text == "null"));
        entries.extend(input.map(|input| ("input".to_owned(), input)));
        if invoke.forwards {
            entries.push(("autoForward".to_owned(), Tree::Plain("true".to_owned())));
        }
        Some(Tree::Map(entries))
    }

    /// In SCXML the failing of an invoked machine has no event of its own.
    pub(super) fn failing_of_invoked(&mut self) {
        let asks = |one: &Descriptor| matches!(one, Descriptor::Any) || one.matches("error.communication");
        let chart = self.chart;
        if chart.rules.is_some()
            && chart.states.iter().any(|state| !state.invokes.is_empty())
            && chart.transitions.iter().any(|one| one.descriptors.iter().any(asks))
        {
            let what = "an invoked machine that fails is told of by error.invoke.ID here, by error.communication in SCXML";
            lose(self.contents.losses, "", what);
        }
    }
}

/// Is it the end of something that the chart invokes?
pub(super) fn is_end(chart: &Chart, name: &str) -> bool {
    let Some(id) = name.strip_prefix("done.invoke.") else { return false };
    chart.states.iter().flat_map(|state| &state.invokes).any(|invoke| invoke.id.as_deref() == Some(id))
}
