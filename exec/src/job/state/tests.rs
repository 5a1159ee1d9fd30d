//! Each rule of a job's progress.

use super::Action::{Answer, GiveUp, Keep, Release, Restart, Submit};
use super::*;

fn shape(tasks: usize, inputs: &[usize]) -> Shape {
    Shape { tasks, inputs: inputs.to_vec(), answers: false, repeatable: true }
}

fn attempt(stage: usize, task: usize, number: usize) -> Attempt {
    Attempt { stage, task, number }
}

#[test]
fn a_stage_begins_when_all_it_reads_is_there() {
    let last = Shape { answers: true, ..shape(2, &[0, 1, 0]) };
    let mut job = Progress::new(vec![shape(2, &[]), shape(1, &[]), last]);
    let first = [attempt(0, 0, 0), attempt(0, 1, 1), attempt(1, 0, 2)];
    assert_eq!(job.begin(), first.map(Submit));
    for done in [first[1], first[2]] {
        assert_eq!(job.on(Event::Done(done)), [Keep(done)]);
    }
    let second = [attempt(2, 0, 3), attempt(2, 1, 4)];
    let submitted = [Keep(first[0]), Submit(second[0]), Submit(second[1])];
    assert_eq!(job.on(Event::Done(first[0])), submitted);
    assert_eq!(job.on(Event::Done(second[1])), [Keep(second[1]), Answer(2, 1)]);
    assert!(!job.is_complete());
    let released = [(0, 0), (0, 1), (1, 0), (2, 0), (2, 1)].map(|(s, t)| Release(s, t));
    let end = [&[Keep(second[0]), Answer(2, 0)][..], &released].concat();
    assert_eq!(job.on(Event::Done(second[0])), end);
    assert!(job.is_complete());
}

#[test]
fn a_report_that_comes_late_or_twice_does_nothing() {
    let mut job = Progress::new(vec![shape(1, &[])]);
    let first = attempt(0, 0, 0);
    assert_eq!(job.begin(), [Submit(first)]);
    let second = attempt(0, 0, 1);
    assert_eq!(job.on(Event::Failed(first)), [Submit(second)]);
    assert_eq!(job.on(Event::Done(first)), []);
    assert_eq!(job.on(Event::Done(second)), [Keep(second), Release(0, 0)]);
    assert_eq!(job.on(Event::Done(second)), []);
}

#[test]
fn a_task_that_workers_fail_again_and_again_ends_the_query() {
    let mut job = Progress::new(vec![shape(1, &[])]);
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
    let mut job = Progress::new(vec![shape(1, &[]), shape(1, &[0]), shape(1, &[1])]);
    job.begin();
    job.on(Event::Done(attempt(0, 0, 0)));
    let done = job.on(Event::Done(attempt(1, 0, 1)));
    assert_eq!(done, [Keep(attempt(1, 0, 1)), Release(0, 0), Submit(attempt(2, 0, 2))]);
    let again = job.on(Event::Missing(attempt(2, 0, 2), 1, 0));
    assert_eq!(again, [Release(1, 0), Submit(attempt(0, 0, 3))]);
    assert_eq!(
        job.on(Event::Done(attempt(0, 0, 3))),
        [Keep(attempt(0, 0, 3)), Submit(attempt(1, 0, 4))]
    );
}

#[test]
fn an_indeterminate_output_that_was_read_restarts_the_query() {
    let limit = Shape { repeatable: false, ..shape(1, &[]) };
    let mut job = Progress::new(vec![limit.clone(), shape(2, &[0])]);
    job.begin();
    job.on(Event::Done(attempt(0, 0, 0)));
    let restarted = job.on(Event::Missing(attempt(1, 0, 1), 0, 0));
    assert_eq!(restarted, [Restart, Submit(attempt(0, 0, 3))]);
    // The other attempt's report comes late.
    assert_eq!(job.on(Event::Done(attempt(1, 1, 2))), []);

    let answering = Shape { answers: true, ..shape(2, &[0]) };
    let mut job = Progress::new(vec![limit, answering]);
    job.begin();
    job.on(Event::Done(attempt(0, 0, 0)));
    job.on(Event::Done(attempt(1, 0, 1)));
    let ended = job.on(Event::Missing(attempt(1, 1, 2), 0, 0));
    assert_eq!(ended, [GiveUp(Reason::Unrepeatable)]);
}
