//! What is wrong with a definition, or looks wrong: findings with a stable code and a place in the text, and their
//! rendering with an excerpt.
//!
//! It refuses to know how findings are made. Its one invariant: every code has one severity, and one sentence
//! that explains it, in [`Code::table`].

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use std::fmt;
use std::ops::Range;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The definition cannot be used.
    Error,
    /// It can be used, and probably does not do what was meant.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        })
    }
}

macro_rules! codes {
    ($($variant:ident $text:literal $severity:ident $explanation:literal;)*) => {
        /// What sort of finding. The text of a code never changes its meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $explanation] $variant,)*
        }
        impl Code {
            /// Every code.
            pub const ALL: &'static [Code] = &[$(Code::$variant),*];

            /// Text, severity and explanation of a code.
            pub const fn table(self) -> (&'static str, Severity, &'static str) {
                match self {
                    $(Code::$variant => ($text, Severity::$severity, $explanation),)*
                }
            }
        }
    };
}

codes! {
    Malformed "malformed" Error "The text is not YAML, JSON or XML.";
    TooLarge "too-large" Error "The definition goes over a limit of size, depth or count.";
    DuplicateKey "duplicate-key" Error "A key stands twice in one map; only one of them could count.";
    DuplicateState "duplicate-state" Error "Two states have the same name under one parent, or the same id.";
    UnknownKey "unknown-key" Error "A key that the format does not know.";
    WrongType "wrong-type" Error "A value of another type than the key takes.";
    BadValue "bad-value" Error "A value of the right type that is not allowed here.";
    MissingKey "missing-key" Error "A key that must be there is not.";
    Unsupported "unsupported" Error "Known from other statechart tools, and not supported here.";
    MissingInitial "missing-initial" Error "A state with sub-states does not say which one it begins with.";
    BadInitial "bad-initial" Error "An initial state that is not inside the state it is the initial one of.";
    UnknownTarget "unknown-target" Error "A transition leads to a state that does not exist.";
    ConflictingTargets "conflicting-targets" Error "Targets of one transition that cannot be active together.";
    UnknownName "unknown-name" Error "A guard or action is used by a name that is not defined.";
    NameCycle "name-cycle" Error "Named guards or actions that use each other in a circle.";
    HistoryDefault "history-default" Error "A history without a default, where none can be derived, or with one outside of its parent.";
    Expression "expression" Error "An expression does not parse or does not type-check.";
    UnknownState "unknown-state" Error "An expression or guard asks for a state that does not exist.";
    EventlessLoop "eventless-loop" Error "Eventless transitions without a guard that lead in a circle: every turn there would run into the limit.";
    FailingExpression "failing-expression" Warning "An expression of an SCXML document that is none, or that can only fail: the machine is told by `error.execution` when it comes to it.";
    Ignored "ignored" Warning "Something for other tools that is passed over here.";
    Unreachable "unreachable-state" Warning "A state that no transition leads to.";
    DeadEnd "dead-end" Warning "A state that is not final and in which nothing can happen any more.";
    Shadowed "shadowed-transition" Warning "A transition that can never fire since one before it always does.";
    Unhandled "unhandled-event" Warning "An event that the chart sends to itself and that no state takes.";
    UndeclaredEvent "undeclared-event" Warning "The definition declares its events, and a transition names another one.";
    NeverPresent "never-present" Warning "An expression asks who is present for a pattern that no endpoint of the machine is ever told of: nobody ever is.";
    BrokenProperty "broken-property" Warning "A property of the definition does not hold: something can happen to an instance that breaks it. Reported by `everstate check`, which explores one.";
    Unused "unused-name" Warning "A named guard or action that nothing uses, or a declared event that no state takes.";
}

impl Code {
    /// The stable text, such as `unknown-target`.
    pub const fn as_str(self) -> &'static str {
        self.table().0
    }

    /// How bad it is.
    pub const fn severity(self) -> Severity {
        self.table().1
    }

    /// One sentence on what it means.
    pub const fn explanation(self) -> &'static str {
        self.table().2
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that is wrong or looks wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What sort.
    pub code: Code,
    /// How bad.
    pub severity: Severity,
    /// What is wrong, for a person.
    pub message: String,
    /// Where, in bytes of the text.
    pub span: Range<usize>,
    /// Where, as a line counted from 1.
    pub line: usize,
    /// Where, as a column counted from 1 in characters.
    pub column: usize,
    /// Where in the chart: a path such as `states.open.on.pay.guard`, or empty.
    pub path: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Longer lines are not shown as excerpts: a terminal does not hold them.
const EXCERPT_LINE_BYTES_MAX: usize = 2_000;

/// A finding as text for people: message, place, excerpt and hint.
pub fn render(finding: &Finding, file_name: &str, source: &str, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(&finding.message).id(finding.code.as_str());
    let mut span = finding.span.start.min(source.len())..finding.span.end.min(source.len());
    // An excerpt shows the first line of what a finding is about; more would bury the message.
    if let Some(end) = source.get(span.clone()).and_then(|text| text.find('\n')) {
        span.end = span.start + end.max(1);
    }
    let line_start = source.get(..span.start).map_or(0, |text| text.rfind('\n').map_or(0, |at| at + 1));
    let line_end =
        source.get(span.start..).and_then(|text| text.find('\n')).map_or(source.len(), |at| span.start + at);
    let mut report = if line_end - line_start <= EXCERPT_LINE_BYTES_MAX && source.get(span.clone()).is_some()
    {
        // Only the lines around are given to the renderer, so that its cost does not depend on the file's size.
        let (from, to) = (line_start, line_end.max(span.end));
        let snippet = Snippet::source(&source[from..to])
            .line_start(finding.line)
            .path(file_name)
            .annotation(AnnotationKind::Primary.span(span.start - from..span.end - from));
        title.element(snippet)
    } else {
        let origin =
            annotate_snippets::Origin::path(file_name).line(finding.line).char_column(finding.column);
        title.element(origin)
    };
    if let Some(hint) = &finding.hint {
        report = report.element(Level::HELP.with_name("hint").message(hint));
    }
    let mut text = renderer.render(&[report]);
    text.push('\n');
    text
}

/// The name among `known` that is nearest to `name`, if one is near enough to be meant.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = name.to_ascii_lowercase();
    let allowed = match name.chars().count() {
        0..=2 => 1,
        3..=5 => 2,
        _ => 3,
    };
    known
        .into_iter()
        .take(10_000)
        .filter(|candidate| candidate.len().abs_diff(name.len()) <= 3 * allowed)
        .map(|candidate| (strsim::osa_distance(&folded, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
