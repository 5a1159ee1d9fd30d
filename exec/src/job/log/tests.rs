//! What a log shows of attempts that were made up.

use super::super::attempt::AttemptState;
use super::*;
use crate::cluster::{Done, Failure};
use crate::task::Report;

fn log(tasks: &[usize]) -> Arc<JobLog> {
    let stages = tasks.iter().map(|tasks| (*tasks, Determinism::Determinate));
    Arc::new(JobLog::of(stages, Teller::default()))
}

fn done(millis: u64) -> Done {
    let elapsed = Duration::from_millis(millis);
    let report = Report { rows: 2, bytes: 10, elapsed, queued: elapsed, ..Report::default() };
    Done { outputs: vec![], report }
}

fn attempt(stage: usize, task: usize, number: usize) -> Attempt {
    Attempt { stage, task, number }
}

#[test]
fn figures_add_up() {
    let log = log(&[1, 3]);
    for (task, millis) in [9, 1, 5].into_iter().enumerate() {
        let watch = log.submitted(attempt(1, task, task));
        watch.started();
        watch.ended(&Ok(done(millis)));
    }
    let [empty, three] = &log.figures()[..] else { panic!("two stages") };
    assert_eq!((empty.tasks, empty.done, empty.rows_out), (1, 0, 0));
    assert_eq!((three.tasks, three.done, three.rows_out, three.bytes_out), (3, 3, 6, 30));
    assert_eq!(three.elapsed.map(|time| time.as_millis()), [1, 5, 9]);
    assert_eq!(three.queued.as_millis(), 9);
}

#[test]
fn attempts_have_their_states() {
    let log = log(&[2]);
    let states = || log.attempts().iter().map(|one| one.state).collect::<Vec<_>>();
    let first = log.submitted(attempt(0, 0, 0));
    let second = log.submitted(attempt(0, 1, 1));
    assert_eq!(states(), [AttemptState::Queued; 2]);
    first.started();
    assert_eq!(states(), [AttemptState::Running, AttemptState::Queued]);
    first.ended(&Err(Failure::Worker { words: "gone".to_owned(), lack: None }.into()));
    drop(second);
    assert_eq!(states(), [AttemptState::Failed, AttemptState::Cancelled]);
    let again = log.submitted(attempt(0, 0, 2));
    again.ended(&Ok(done(1)));
    let attempts = log.attempts();
    assert_eq!((attempts[2].task, attempts[2].attempt), (0, 2));
    assert_eq!(attempts[0].failure.as_deref(), Some("gone"));
    let stage = &log.figures()[0];
    assert_eq!((stage.done, stage.failed, log.attempt_count()), (1, 1, 3));
}

#[test]
fn an_error_of_the_query_is_not_told_here() {
    let log = log(&[1]);
    let error = datafusion::common::exec_datafusion_err!("of the query");
    log.submitted(attempt(0, 0, 0)).ended(&Err(error));
    let [one] = &log.attempts()[..] else { panic!("one attempt") };
    assert_eq!((one.state, one.failure.as_ref()), (AttemptState::Failed, None));
}

#[test]
fn decisions_change_the_number_of_tasks() {
    let log = log(&[8]);
    log.decided(0, Decision::Tasks { planned: 8, ran: 2 });
    let stage = &log.figures()[0];
    assert_eq!((stage.tasks, stage.decisions[0].to_string()), (2, "tasks: 2 instead of 8".into()));
}
