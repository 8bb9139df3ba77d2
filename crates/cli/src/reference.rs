//! The reference of the command line as Markdown, made from what the program itself accepts.
//!
//! Its one invariant: nothing is written here that the program does not know, so the page cannot go stale.

use clap::{Arg, Command};
use std::fmt::Write;

/// The whole page.
pub(crate) fn markdown(root: &mut Command) -> String {
    root.build();
    let mut page = String::from(
        "# Command line\n\nMade from the program itself by `cargo xtask generate`; do not edit by hand.\n\n",
    );
    page += &about(root);
    page += "## Options of every command\n\n";
    page += &options(root.get_arguments());
    if let Some(after) = root.get_after_long_help() {
        page += &fenced(&after.to_string());
    }
    for command in root.get_subcommands_mut().filter(|command| !command.is_hide_set()) {
        section(command, 2, &mut page);
    }
    while page.ends_with("\n\n") {
        page.pop();
    }
    page
}

fn section(command: &mut Command, level: usize, page: &mut String) {
    let title = command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned();
    // Writing to a String cannot fail.
    let _ = writeln!(page, "{} {title}\n", "#".repeat(level));
    *page += &about(command);
    *page += &fenced(&command.render_usage().to_string().replacen("Usage: ", "", 1));
    *page += &options(command.get_arguments().filter(|argument| !argument.is_global_set()));
    if let Some(after) = command.get_after_long_help().or(command.get_after_help()) {
        *page += &fenced(&after.to_string());
    }
    for inner in command.get_subcommands_mut() {
        section(inner, level + 1, page);
    }
}

fn about(command: &Command) -> String {
    let about = command.get_long_about().or(command.get_about());
    about.map_or(String::new(), |about| format!("{}\n\n", about.to_string().trim()))
}

fn fenced(text: &str) -> String {
    format!("```text\n{}\n```\n\n", text.trim())
}

fn options<'a>(arguments: impl Iterator<Item = &'a Arg>) -> String {
    let mut list = String::new();
    for argument in
        arguments.filter(|one| !one.is_hide_set() && one.get_id() != "help" && one.get_id() != "version")
    {
        let _ = writeln!(list, "- {}", option(argument));
    }
    if !list.is_empty() {
        list.push('\n');
    }
    list
}

/// `--limit <N>`: At most so many. Default: `100`.
fn option(argument: &Arg) -> String {
    let mut names = Vec::new();
    if let Some(short) = argument.get_short() {
        names.push(format!("-{short}"));
    }
    if let Some(long) = argument.get_long() {
        names.push(format!("--{long}"));
    }
    let mut head = names.join(", ");
    if argument.get_action().takes_values() {
        let name = argument.get_value_names().and_then(|names| names.first());
        let name = name.map_or_else(|| argument.get_id().as_str().to_uppercase(), ToString::to_string);
        head = if head.is_empty() { name } else { format!("{head} {name}") };
    }
    let help = argument.get_long_help().or(argument.get_help()).map(ToString::to_string).unwrap_or_default();
    let mut text = format!("`{head}`: {}", help.replace('\n', " "));
    let values: Vec<_> =
        argument.get_possible_values().iter().map(|one| format!("`{}`", one.get_name())).collect();
    if !values.is_empty() && argument.get_action().takes_values() {
        let _ = write!(text, ". One of {}", values.join(", "));
    }
    if let (Some(default), true) =
        (argument.get_default_values().first(), argument.get_action().takes_values())
    {
        let _ = write!(text, ". Default: `{}`", default.to_string_lossy());
    }
    if let Some(variable) = argument.get_env() {
        let _ = write!(text, ". Environment: `{}`", variable.to_string_lossy());
    }
    text
}
