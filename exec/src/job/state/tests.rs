//! Each rule of a job's progress.

use super::Action::{self, Abandon, Answer, GiveUp, Group, Keep, Release, Submit};
use super::*;

fn shape(tasks: usize, inputs: &[usize]) -> Shape {
    Shape {
        tasks,
        inputs: inputs.to_vec(),
        by_hash: vec![],
        answers: Answers::No,
        repeatable: true,
        broadcast: None,
    }
}

fn attempt(stage: usize, task: usize, number: usize) -> Attempt {
    Attempt { stage, task, number }
}

fn begun(shapes: Vec<Shape>) -> Progress {
    Progress::new(shapes, 2)
}

/// An attempt that wrote nothing worth counting.
fn done(attempt: Attempt) -> Event {
    Event::Done(attempt, vec![])
}

#[test]
fn a_stage_begins_when_all_it_reads_is_there() {
    let last = Shape { answers: Answers::Together, ..shape(2, &[0, 1, 0]) };
    let mut job = begun(vec![shape(2, &[]), shape(1, &[]), last]);
    let first = [attempt(0, 0, 0), attempt(0, 1, 1), attempt(1, 0, 2)];
    assert_eq!(job.begin(), first.map(Submit));
    for ended in [first[1], first[2]] {
        assert_eq!(job.on(done(ended)), [Keep(ended)]);
    }
    let second = [attempt(2, 0, 3), attempt(2, 1, 4)];
    let submitted = [Keep(first[0]), Submit(second[0]), Submit(second[1])];
    assert_eq!(job.on(done(first[0])), submitted);
    let answered = [Keep(second[1]), Answer(2, 1), Release(2, 1)];
    assert_eq!(job.on(done(second[1])), answered);
    assert!(!job.is_complete());
    let released = [(2, 0), (0, 0), (0, 1), (1, 0)].map(|(s, t)| Release(s, t));
    let end = [&[Keep(second[0]), Answer(2, 0)][..], &released].concat();
    assert_eq!(job.on(done(second[0])), end);
    assert!(job.is_complete());
}

#[test]
fn a_report_that_comes_late_or_twice_does_nothing() {
    let mut job = begun(vec![shape(1, &[])]);
    let first = attempt(0, 0, 0);
    assert_eq!(job.begin(), [Submit(first)]);
    let second = attempt(0, 0, 1);
    assert_eq!(job.on(Event::Failed(first)), [Submit(second)]);
    assert_eq!(job.on(done(first)), []);
    assert_eq!(job.on(done(second)), [Keep(second), Release(0, 0)]);
    assert_eq!(job.on(done(second)), []);
}

#[test]
fn a_task_that_workers_fail_again_and_again_ends_the_query() {
    let mut job = begun(vec![shape(1, &[])]);
    let mut submitted = job.begin();
    for number in 0..FAILURES_MAX {
        assert_eq!(submitted, [Submit(attempt(0, 0, number))]);
        submitted = job.on(Event::Failed(attempt(0, 0, number)));
    }
    let last = attempt(0, 0, FAILURES_MAX - 1);
    assert_eq!(submitted, [GiveUp(Reason::Workers(last))]);
    assert!(job.is_complete());
}

#[test]
fn a_lost_output_is_made_again_with_what_it_needs() {
    // 0 is released when 1 is complete; then 2 misses 1.
    let mut job = begun(vec![shape(1, &[]), shape(1, &[0]), shape(1, &[1])]);
    job.begin();
    job.on(done(attempt(0, 0, 0)));
    let next = job.on(done(attempt(1, 0, 1)));
    assert_eq!(next, [Keep(attempt(1, 0, 1)), Release(0, 0), Submit(attempt(2, 0, 2))]);
    let again = job.on(Event::Missing(attempt(2, 0, 2), vec![(1, 0)]));
    assert_eq!(again, [Release(1, 0), Submit(attempt(0, 0, 3))]);
    assert_eq!(job.on(done(attempt(0, 0, 3))), [Keep(attempt(0, 0, 3)), Submit(attempt(1, 0, 4))]);
}

#[test]
fn what_was_made_again_is_not_what_an_earlier_attempt_missed() {
    let mut job = begun(vec![shape(1, &[]), shape(2, &[0])]);
    job.begin();
    job.on(done(attempt(0, 0, 0)));
    assert_eq!(job.on(Event::Missing(attempt(1, 0, 1), vec![(0, 0)])).len(), 2);
    assert_eq!(job.take_set_back(), 1);
    job.on(done(attempt(0, 0, 3)));
    // The other reader says the same of the same output, late.
    let again = job.on(Event::Missing(attempt(1, 1, 2), vec![(0, 0)]));
    assert_eq!(again, [Submit(attempt(1, 1, 5))]);
    assert_eq!(job.take_set_back(), 0);
}

#[test]
fn an_indeterminate_output_that_was_read_ends_the_job() {
    let limit = Shape { repeatable: false, ..shape(1, &[]) };
    let mut job = begun(vec![limit.clone(), shape(2, &[0])]);
    job.begin();
    job.on(done(attempt(0, 0, 0)));
    let ended = job.on(Event::Missing(attempt(1, 0, 1), vec![(0, 0)]));
    assert_eq!(ended, [GiveUp(Reason::Unrepeatable)]);
    // The other attempt's report comes late.
    assert_eq!(job.on(done(attempt(1, 1, 2))), []);
}

#[test]
fn tasks_that_would_read_little_become_one() {
    let reads = Shape { by_hash: vec![0], ..shape(4, &[0]) };
    let last = Shape { answers: Answers::Together, ..reads };
    let mut job = begun(vec![shape(1, &[]), last]);
    job.begin();
    let sizes = vec![READ_BYTES_MIN, 1, READ_BYTES_MIN - 2, 1];
    let first = attempt(0, 0, 0);
    let (second, third) = (attempt(1, 0, 1), attempt(1, 1, 2));
    assert_eq!(
        job.on(Event::Done(first, sizes)),
        [Keep(first), Group(1, vec![0..1, 1..4]), Submit(second), Submit(third)]
    );
    // The head is told of those that do not run.
    assert_eq!(
        job.on(done(third)),
        [Keep(third), Answer(1, 1), Answer(1, 2), Answer(1, 3), Release(1, 1)]
    );
    assert_eq!(job.on(done(second)), [Keep(second), Answer(1, 0), Release(1, 0), Release(0, 0)]);
    assert!(job.is_complete());
}

#[test]
fn what_the_head_reads_in_turn_is_made_a_little_ahead() {
    let mut job = begun(vec![Shape { answers: Answers::InTurn, ..shape(5, &[]) }]);
    let of = |task| attempt(0, task, task);
    assert_eq!(job.begin(), [Submit(of(0)), Submit(of(1))]);
    assert_eq!(job.on(done(of(1))), [Keep(of(1)), Answer(0, 1), Release(0, 1)]);
    assert_eq!(job.on(Event::Asked(0, 0)), [Submit(of(2))]);
    assert_eq!(job.on(Event::Asked(0, 0)), []);
    assert_eq!(job.on(Event::Asked(0, 2)), [Submit(of(3)), Submit(of(4))]);
    assert!(!job.is_complete());
}

#[test]
fn an_attempt_that_nothing_is_heard_of_is_abandoned_for_another() {
    let mut job = begun(vec![shape(1, &[])]);
    let (first, second) = (attempt(0, 0, 0), attempt(0, 0, 1));
    assert_eq!(job.begin(), [Submit(first)]);
    assert_eq!(job.on(Event::Silent(first)), [Abandon(first), Submit(second)]);
    assert_eq!(job.on(done(first)), []);
    assert_eq!(job.on(done(second)), [Keep(second), Release(0, 0)]);
}

#[test]
fn a_join_with_a_small_build_side_does_the_work_of_its_probe_side() {
    // 2 joins 0 and 1 by hash; 1 reads the keys of 0.
    let broadcast = Broadcast {
        build: 0,
        bytes_max: 10,
        probe: 1,
        tasks: 2,
        inputs: vec![0],
        by_hash: vec![],
        repeatable: true,
    };
    let join = Shape { by_hash: vec![0, 1], broadcast: Some(broadcast), ..shape(3, &[0, 1]) };
    let join = Shape { answers: Answers::Together, ..join };
    let shapes = vec![shape(1, &[]), shape(2, &[0]), join];
    let first = attempt(0, 0, 0);

    let mut job = begun(shapes.clone());
    job.begin();
    let (one, two) = (attempt(2, 0, 1), attempt(2, 1, 2));
    let decided = job.on(Event::Done(first, vec![3, 3, 4]));
    assert_eq!(decided, [Keep(first), Action::Broadcast(2, 10), Submit(one), Submit(two)]);
    assert_eq!(job.on(done(one)), [Keep(one), Answer(2, 0), Answer(2, 2), Release(2, 0)]);
    assert_eq!(job.on(done(two)), [Keep(two), Answer(2, 1), Release(2, 1), Release(0, 0)]);
    assert!(job.is_complete());

    let mut job = begun(shapes);
    job.begin();
    let (one, two) = (attempt(1, 0, 1), attempt(1, 1, 2));
    let decided = job.on(Event::Done(first, vec![3, 4, 4]));
    assert_eq!(decided, [Keep(first), Submit(one), Submit(two)]);
}
