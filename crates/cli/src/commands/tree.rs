//! `tree`: an instance with what it has spawned, and what those have.
//!
//! Each is asked for by itself, so in a living tree what is shown of two may be of two moments.

use crate::arguments::Shared;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::{document, meant, render};
use clap::Args;
use everstate_client::{Client, ClientError, api};

/// Instances shown of one tree. Ten screens; whoever has more asks for a part.
const SHOWN_MAX: usize = 500;

/// Show an instance with those that it has spawned, and theirs
#[derive(Debug, Args)]
pub(crate) struct Tree {
    /// The instance, KIND/ID
    address: String,
}

/// An instance and what it has spawned, in the order of spawning.
pub(crate) struct Node {
    /// What its parent calls it; empty for the one asked for.
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) stopping: bool,
    /// None when it has not begun yet or is gone already.
    pub(crate) instance: Option<api::Instance>,
    pub(crate) children: Vec<Node>,
    /// Are there more than are shown?
    pub(crate) cut: bool,
}

impl Tree {
    pub(crate) async fn run(self, shared: &Shared, output: &mut Output) -> Result<Exit, Failure> {
        let client = meant::prompt_client(shared)?;
        let root = client.instance(meant::address(&self.address)?).await?;
        let tree = grown(&client, root).await?;
        if output.json() {
            output.document(&document::tree(&tree))?;
        } else {
            output.data(&render::tree(&tree, output.paint()))?;
        }
        Ok(Exit::Fine)
    }
}

/// Asks level by level, so that what is cut is the deepest.
async fn grown(client: &Client, root: api::Instance) -> Result<Node, Failure> {
    let itself = api::Child { address: root.address.clone(), ..Default::default() };
    let mut nodes = vec![node(&itself, Some(root))];
    let mut parents = vec![0];
    let mut at = 0;
    while at < nodes.len() {
        let children = nodes[at].instance.as_ref().map(|one| one.children.clone()).unwrap_or_default();
        for child in children {
            if nodes.len() >= SHOWN_MAX {
                nodes[at].cut = true;
                break;
            }
            let instance = match client.instance(&child.address).await {
                Ok(instance) => Some(instance),
                Err(error) if unknown(&error) => None,
                Err(error) => return Err(error.into()),
            };
            nodes.push(node(&child, instance));
            parents.push(at);
        }
        at += 1;
    }
    // Every one comes after its parent, so from the back each is whole when it is put into its parent.
    for at in (1..nodes.len()).rev() {
        let child = nodes.remove(at);
        nodes[parents[at]].children.insert(0, child);
    }
    Ok(nodes.remove(0))
}

fn unknown(error: &ClientError) -> bool {
    error.code() == "unknown-instance"
}

fn node(child: &api::Child, instance: Option<api::Instance>) -> Node {
    Node {
        name: child.name.clone(),
        address: child.address.clone(),
        stopping: child.stopping,
        instance,
        children: Vec::new(),
        cut: false,
    }
}
