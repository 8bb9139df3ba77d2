//! Random machines and events: the engine, in a node of the kernel, against the recommendation's algorithm written
//! literally (`literal.rs`), and against itself, stored and restored before every microstep.
//!
//! `EVERSTATE_FUZZ_CASES=100000` sets how many. What fails is shrunk, and its seed kept in `regressions.txt`.

mod document;
mod literal;

use document::{Document, Genes, Stimulus, event, genes};
use everstate_chart::trace::{self, Machine, NoTrace};
use everstate_kernel::Json;
use literal::{Literal, Stuck};
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, TestRunner};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Cases of a normal run.
const CASES: u32 = 1_500;

fn stimuli() -> impl Strategy<Value = Vec<Stimulus>> {
    let one = prop_oneof![
        4 => any::<u8>().prop_map(|gene| Stimulus::Event(event(gene))),
        1 => (0u64..6).prop_map(|tens| Stimulus::Advance(tens * 10)),
    ];
    prop::collection::vec(one, 0..8)
}

/// What the engine shows; none when it refuses the document for a circle that it is sure of.
fn engine(text: &str, stimuli: &[Stimulus], restless: bool) -> Result<Option<Vec<literal::Shown>>, String> {
    let failed = |error: NoTrace| format!("{error:?}");
    let mut machine = match Machine::new(text, restless) {
        Ok(machine) => machine,
        Err(NoTrace::Stuck(_)) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut steps = vec![machine.start().map_err(failed)?];
    for stimulus in stimuli {
        let stimulus = match stimulus {
            Stimulus::Event(name) => trace::Stimulus::Event(Arc::from(name.as_str()), Json::NULL),
            Stimulus::Advance(span) => trace::Stimulus::Advance(*span),
        };
        steps.push(machine.step(stimulus).map_err(failed)?);
    }
    Ok(Some(steps.into_iter().map(|step| (step.configuration, step.log)).collect()))
}

fn by_the_book(document: &Document, stimuli: &[Stimulus]) -> Result<Vec<literal::Shown>, Stuck> {
    let mut literal = Literal::new(document);
    let mut shown = vec![literal.start()?];
    for stimulus in stimuli {
        shown.push(literal.step(stimulus)?);
    }
    Ok(shown)
}

fn check(genes: &Genes, stimuli: &[Stimulus], compared: &AtomicU32) -> Result<(), TestCaseError> {
    let document = Document::of(genes);
    let Ok(expected) = by_the_book(&document, stimuli) else { return Ok(()) };
    let text = document.to_scxml();
    for restless in [false, true] {
        match engine(&text, stimuli, restless) {
            Ok(None) => return Ok(()),
            Ok(Some(actual)) => {
                for (at, (actual, expected)) in actual.iter().zip(&expected).enumerate() {
                    prop_assert_eq!(
                        actual,
                        expected,
                        "step {} (restless {}) of {}\n{:?}",
                        at,
                        restless,
                        text,
                        stimuli
                    );
                }
            }
            Err(error) => return Err(TestCaseError::fail(format!("{error}\n{text}\n{stimuli:?}"))),
        }
    }
    compared.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

#[test]
fn random_machines_do_what_the_recommendation_says() {
    let cases =
        std::env::var("EVERSTATE_FUZZ_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(CASES);
    let config = Config {
        cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/fuzz/regressions.txt"))),
        max_shrink_iters: 20_000,
        ..Config::default()
    };
    let compared = AtomicU32::new(0);
    let result = TestRunner::new(config)
        .run(&(genes(), stimuli()), |(genes, stimuli)| check(&genes, &stimuli, &compared));
    if let Err(error) = result {
        panic!("{error}");
    }
    let compared = compared.into_inner();
    assert!(compared >= cases / 2, "only {compared} of {cases} machines came to rest and could be compared");
}
