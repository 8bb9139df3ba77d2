//! The simulation of the node, run: seeds of every day, seeds of past failures, and bugs that must be found.
use super::{CI_SEEDS, KEPT_SEEDS, Plan, run, shrink};

/// Runs a plan, and says how to see it again when something is wrong.
#[track_caller]
fn holds(plan: &Plan) {
    let verdict = run(plan, None);
    if let Some(failure) = &verdict.failure {
        let shrunk = shrink(plan, None, 60);
        let story = run(&shrunk, None).story.join("\n");
        panic!(
            "plan {plan}: {}: {}\nshrunk: cargo run -p everstate-sim --features node --example fleet -- plan '{shrunk}'\n{story}",
            failure.check, failure.what
        );
    }
}

/// A part of the seeds of every day, so that the parts run side by side.
fn part(part: u64) {
    let quarter = (CI_SEEDS.end - CI_SEEDS.start).div_ceil(4);
    let first = CI_SEEDS.start + part * quarter;
    (first..CI_SEEDS.end.min(first + quarter)).for_each(|seed| holds(&Plan::of(seed)));
}

#[test]
fn every_promise_holds_in_the_first_seeds_of_every_day() {
    part(0);
}

#[test]
fn every_promise_holds_in_the_second_seeds_of_every_day() {
    part(1);
}

#[test]
fn every_promise_holds_in_the_third_seeds_of_every_day() {
    part(2);
}

#[test]
fn every_promise_holds_in_the_last_seeds_of_every_day() {
    part(3);
}

/// Histories and ended instances go within the run, and everything else holds all the same.
#[test]
fn every_promise_holds_when_little_is_kept() {
    let first = CI_SEEDS.start;
    (first..first + 40).for_each(|seed| holds(&Plan::of(seed).retaining()));
}

#[test]
fn something_is_let_go_of_in_a_run_that_keeps_little() {
    let counts: Vec<usize> = (1..4).map(|seed| run(&Plan::of(seed).retaining(), None).expired).collect();
    assert!(counts.iter().all(|count| *count > 5), "{counts:?}");
}

#[test]
fn every_promise_holds_in_the_seeds_of_past_failures() {
    for line in KEPT_SEEDS.lines() {
        if let Some(plan) = Plan::read(line).unwrap_or_else(|problem| panic!("{problem}")) {
            holds(&plan);
        }
    }
}

#[test]
fn one_seed_gives_one_run() {
    for seed in [1, 2, 3] {
        let (first, second) = (run(&Plan::of(seed), None), run(&Plan::of(seed), None));
        assert_eq!(first.story, second.story);
        assert_eq!(first, second, "byte for byte");
    }
}

#[test]
fn a_plan_is_its_line() {
    let plan = Plan::of(9).with(|deed| deed % 3 == 0, |fault| fault != 1);
    assert_eq!(Plan::read(&plan.to_string()), Ok(Some(plan)));
    assert_eq!(Plan::read("9 # why"), Ok(Some(Plan::of(9))));
    let retaining = Plan::of(9).with(|_| true, |fault| fault != 1).retaining();
    assert_eq!(Plan::read(&retaining.to_string()), Ok(Some(retaining)));
    assert_eq!(Plan::read("  # nothing"), Ok(None));
    for wrong in ["x", "1 2", "1 deeds a faults -"] {
        assert!(Plan::read(wrong).is_err(), "{wrong}");
    }
}

/// A bug is found by one of the seeds of every day. The others are tried by `cargo xtask mutations`.
macro_rules! found {
    ($($test:ident: $bug:ident),* $(,)?) => {
        mod a_bug_is_found {
            use super::super::{Bug, CI_SEEDS, Plan, run};

            $(#[test]
            fn $test() {
                let mut seeds = CI_SEEDS;
                let found = seeds.find(|seed| run(&Plan::of(*seed), Some(Bug::$bug)).failure.is_some());
                assert!(found.is_some(), "no seed of {CI_SEEDS:?} finds it");
            })*
        }
    };
}

found! {
    skip_sync: SkipSync,
    weak_commit: WeakCommit,
    answer_before_commit: AnswerBeforeCommit,
    forget_dedupe: ForgetDedupe,
}
