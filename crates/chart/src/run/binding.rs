//! The first values of data: all at the start, or, when binding is late, of each state when it is first entered.
//!
//! It refuses to know why a state is entered. Its one invariant: a datum gets its first value once.

use super::Run;
use crate::chart::Datum;
use crate::code::StateIndex;
use crate::value::{Key, Map, Value};
use everstate_kernel::Fault;
use std::sync::Arc;

impl Run<'_> {
    /// Gives all data its first value, or only that of the machine itself when binding is late.
    pub(crate) fn bind(&mut self, given: &Value) -> Result<(), Fault> {
        let chart = self.chart;
        let Some(rules) = &chart.rules else { return Ok(()) };
        let entries = rules.data.iter().map(|datum| (Key::from(&*datum.id), Value::Null));
        self.context = Value::from(Map::from_entries(entries.collect()));
        for datum in rules.data.iter().filter(|datum| !rules.late || datum.state == 0) {
            let outer = if datum.state == 0 { given.field(&datum.id).cloned() } else { None };
            self.bind_one(datum, outer)?;
        }
        Ok(())
    }

    fn bind_one(&mut self, datum: &Datum, outer: Option<Value>) -> Result<(), Fault> {
        let value = match (outer, &datum.value) {
            (Some(value), _) => value,
            (None, None) => return Ok(()),
            (None, Some(formula)) => match self.value(formula) {
                Ok(value) => value,
                Err(fault) => return self.raise_error("error.execution", fault, None),
            },
        };
        if let Value::Map(map) = &mut self.context {
            Arc::make_mut(map).insert(Key::from(&*datum.id), value);
        }
        Ok(())
    }

    /// Gives the data of a state its first value when the state is entered for the first time.
    pub(super) fn bind_late(&mut self, state: StateIndex) -> Result<(), Fault> {
        let chart = self.chart;
        let Some(rules) = &chart.rules else { return Ok(()) };
        if state == 0 || rules.data.iter().all(|datum| datum.state != state) {
            return Ok(());
        }
        let bound = &mut self.session_mut().bound;
        let Err(at) = bound.binary_search(&state) else { return Ok(()) };
        bound.insert(at, state);
        rules
            .data
            .iter()
            .filter(|datum| datum.state == state)
            .try_for_each(|datum| self.bind_one(datum, None))
    }
}
