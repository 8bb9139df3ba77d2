//! What a system file says of members that are alike.
//!
//! It refuses to believe it. Its one invariant: who is named is a member of the cast.

use super::reader::Reader;
use everstate_chart::Code;
use everstate_chart::document::Node;

impl Reader<'_> {
    /// Members that differ in nothing but their names.
    pub(super) fn symmetric(&mut self, node: &Node) {
        let Some(items) = self.items(node, "symmetric") else { return };
        let mut members = Vec::new();
        for item in items {
            let Some(name) = self.text_of(item, "a member") else { continue };
            match self.system.cast.iter().find(|member| *member.name == *name) {
                Some(member) => members.push(member.address.clone()),
                None => {
                    let message = format!("no member of the cast is called {name:?}");
                    self.report(Code::UnknownName, item.span.clone(), message, self.known_members());
                }
            }
        }
        if let Err(problem) = self.system.check_symmetric(&members) {
            self.report(Code::BadValue, node.span.clone(), problem, "");
        }
        self.system.symmetric = members;
    }
}
