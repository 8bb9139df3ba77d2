//! The definitions of a node, for those who ask from other threads.

use crate::error::StartError;
use crate::native;
use everstate_kernel::{Definition, DefinitionRecord, version_order};
use everstate_store::Reader;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// All definitions that are put, ready to run.
#[derive(Debug, Default)]
pub struct Definitions {
    by_name: RwLock<BTreeMap<Arc<str>, Vec<Known>>>,
}

/// A definition with its record.
#[derive(Debug, Clone)]
struct Known {
    definition: Arc<Definition>,
    record: DefinitionRecord,
}

impl Definitions {
    /// Compiles all that the store holds; behaviours in Rust are taken from those that the program brings along.
    pub(crate) fn read(reader: &dyn Reader, natives: &[Arc<Definition>]) -> Result<Definitions, StartError> {
        let definitions = Definitions::default();
        for record in reader.definitions()? {
            let definition = match native::is_native(&record.source) {
                true => native::bind(&record.id, natives)?,
                false => compile(&record)?,
            };
            definitions.insert(definition, record);
        }
        Ok(definitions)
    }

    pub(crate) fn insert(&self, definition: Arc<Definition>, record: DefinitionRecord) {
        let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        let versions = by_name.entry(definition.id.name.clone()).or_default();
        versions.push(Known { definition, record });
        versions.sort_by(|a, b| version_order(&a.definition.id.version, &b.definition.id.version));
    }

    /// The definition of that name and version; of the greatest version when none is given.
    pub fn find(&self, name: &str, version: Option<&str>) -> Option<Arc<Definition>> {
        self.known(name, version).map(|known| known.definition)
    }

    /// The same as it was put.
    pub fn record(&self, name: &str, version: Option<&str>) -> Option<DefinitionRecord> {
        self.known(name, version).map(|known| known.record)
    }

    /// All of them, by name and then by version.
    pub fn all(&self) -> Vec<(Arc<Definition>, DefinitionRecord)> {
        let by_name = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        by_name.values().flatten().map(|known| (known.definition.clone(), known.record.clone())).collect()
    }

    fn known(&self, name: &str, version: Option<&str>) -> Option<Known> {
        let by_name = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        let versions = by_name.get(name)?;
        match version {
            None => versions.last(),
            Some(version) => versions.iter().find(|known| &*known.definition.id.version == version),
        }
        .cloned()
    }
}

fn compile(record: &DefinitionRecord) -> Result<Arc<Definition>, StartError> {
    // A text that names no machine took its name from its file, so it is read under that name again.
    let (machine, findings) = everstate_chart::machine(&format!("{}.yaml", record.id.name), &record.source);
    match machine.filter(|machine| *machine.id() == record.id) {
        Some(machine) => Ok(Arc::new(machine.to_definition())),
        None => {
            let problem =
                findings.first().map_or("no reason given".into(), |finding| finding.message.clone());
            Err(StartError::Definition { id: record.id.clone(), problem })
        }
    }
}
