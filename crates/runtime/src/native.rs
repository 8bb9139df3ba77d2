//! Behaviours in Rust in the store: a program brings them along, so the store holds only that they are needed.
//!
//! It refuses to guess: a behaviour that the program does not have, or has only in an older version, is an error that
//! names it. Its one invariant: the same behaviour has the same text in every program.

use crate::error::StartError;
use everstate_kernel::{Definition, DefinitionId, version_order};
use std::cmp::Ordering;
use std::sync::Arc;

/// What the text of such a definition begins with. No chart does: `rust` is no type of a definition.
const MARK: &str = "type: rust\n";

/// The text that the store holds of it.
pub(crate) fn source(id: &DefinitionId) -> Arc<str> {
    Arc::from(format!("{MARK}name: {}\nversion: {}\n", id.name, id.version))
}

/// Is it the text of a behaviour in Rust?
pub(crate) fn is_native(source: &str) -> bool {
    source.starts_with(MARK)
}

/// The definition with the behaviour that the program has. An older version in the store gets the behaviour of today,
/// which reads older states.
pub(crate) fn bind(id: &DefinitionId, natives: &[Arc<Definition>]) -> Result<Arc<Definition>, StartError> {
    let problem = |problem: String| Err(StartError::Native { id: id.clone(), problem });
    let Some(native) = natives.iter().find(|native| native.id.name == id.name) else {
        return problem(format!(
            "this program does not register {:?}; register it, or open the folder with the program that does",
            id.name
        ));
    };
    match version_order(&id.version, &native.id.version) {
        Ordering::Equal => Ok(native.clone()),
        Ordering::Less => {
            let (behaviour, policy) = (native.behaviour.clone(), native.policy.clone());
            Ok(Arc::new(Definition { id: id.clone(), behaviour, policy }))
        }
        Ordering::Greater => problem(format!(
            "this program knows it up to version {}; use the program that wrote the newer one",
            native.id.version
        )),
    }
}
