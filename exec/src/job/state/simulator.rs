//! Thousands of jobs with random graphs and random misfortune, from a seed. Checked of each: it
//! ends; an attempt is submitted only when all it reads is kept; no output is answered twice, none
//! is mixed of attempts that may differ; nothing is left unreleased.

use std::collections::{HashMap, HashSet};

use super::*;

const JOBS: u64 = 40_000;
/// Events after which a job that has not ended never will.
const EVENTS_MAX: usize = 20_000;

/// SplitMix64 (Steele, Lea, Flood 2014): few lines, and the same on every machine.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, count: usize) -> usize {
        (self.next() % count as u64) as usize
    }

    fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

fn graph(chance: &mut Chance) -> Vec<Shape> {
    let count = 1 + chance.below(6);
    let mut shapes: Vec<Shape> = vec![];
    for number in 0..count {
        let inputs = (0..number).filter(|_| chance.percent(40)).collect();
        let (tasks, repeatable) = (1 + chance.below(4), chance.percent(75));
        shapes.push(Shape { tasks, inputs, answers: number + 1 == count, repeatable });
    }
    shapes
}

/// What a cluster and a head would know.
#[derive(Default)]
struct World {
    running: Vec<Attempt>,
    /// Attempts whose reports may come although nobody waits for them.
    stray: Vec<Attempt>,
    kept: HashMap<(usize, usize), Attempt>,
    answered: HashSet<(usize, usize)>,
    /// Outputs the head will say it did not get.
    unanswered: Vec<(usize, usize)>,
    gave_up: bool,
    restarts: usize,
    /// Who read which attempt of an indeterminate stage.
    reads: Vec<(Attempt, Attempt)>,
}

impl World {
    fn act(
        &mut self,
        shapes: &[Shape],
        actions: Vec<Action>,
        chance: &mut Chance,
        misfortune: usize,
    ) {
        for action in actions {
            match action {
                Action::Submit(attempt) => self.submit(shapes, attempt),
                Action::Keep(attempt) => {
                    let key = (attempt.stage, attempt.task);
                    assert!(self.kept.insert(key, attempt).is_none(), "kept twice: {attempt:?}");
                }
                Action::Answer(stage, task) => {
                    assert!(self.kept.contains_key(&(stage, task)), "answered before it was kept");
                    if chance.percent(misfortune) {
                        self.unanswered.push((stage, task));
                    } else {
                        assert!(self.answered.insert((stage, task)), "answered twice");
                    }
                }
                Action::Release(stage, task) => {
                    assert!(self.kept.remove(&(stage, task)).is_some(), "released twice");
                }
                Action::Restart => {
                    assert!(self.answered.is_empty(), "restarted after an answer");
                    self.stray.append(&mut self.running);
                    self.kept.clear();
                    self.restarts += 1;
                }
                Action::GiveUp(_) => self.gave_up = true,
            }
        }
    }

    fn submit(&mut self, shapes: &[Shape], attempt: Attempt) {
        assert!(!self.gave_up, "submitted after the end");
        for &input in &shapes[attempt.stage].inputs {
            for task in 0..shapes[input].tasks {
                let kept = self.kept.get(&(input, task)).expect("submitted before its input");
                if !shapes[input].repeatable {
                    self.reads.push((attempt, *kept));
                }
            }
        }
        self.running.push(attempt);
        // Of an output that may differ, all that is running or kept has read one attempt.
        let counts = |reader: &Attempt| self.running.contains(reader) || self.is_kept(reader);
        let mut seen = HashMap::new();
        for (_, read) in self.reads.iter().filter(|(reader, _)| counts(reader)) {
            let first = seen.entry((read.stage, read.task)).or_insert(read.number);
            assert_eq!(*first, read.number, "two attempts of one output were read");
        }
    }

    fn is_kept(&self, attempt: &Attempt) -> bool {
        self.kept.get(&(attempt.stage, attempt.task)) == Some(attempt)
    }

    /// The next thing that happens.
    fn event(&mut self, shapes: &[Shape], chance: &mut Chance, misfortune: usize) -> Event {
        if let Some((stage, task)) = self.unanswered.pop() {
            return Event::Unanswered(stage, task);
        }
        if !self.stray.is_empty() && (self.running.is_empty() || chance.percent(10)) {
            let late = chance.below(self.stray.len());
            return Event::Done(self.stray.swap_remove(late));
        }
        let attempt = self.running.swap_remove(chance.below(self.running.len()));
        let inputs = &shapes[attempt.stage].inputs;
        if chance.percent(misfortune) && !inputs.is_empty() {
            let input = inputs[chance.below(inputs.len())];
            return Event::Missing(attempt, input, chance.below(shapes[input].tasks));
        }
        if chance.percent(misfortune) {
            if chance.percent(20) {
                self.stray.push(attempt);
            }
            return Event::Failed(attempt);
        }
        if chance.percent(5) {
            self.stray.push(attempt);
        }
        Event::Done(attempt)
    }
}

/// Runs one job; whether it was answered, and how often it began again.
fn run(seed: u64) -> (bool, usize) {
    let mut chance = Chance(seed);
    let shapes = graph(&mut chance);
    let misfortune = [0, 2, 10, 30][chance.below(4)];
    let mut job = Progress::new(shapes.clone());
    let mut world = World::default();
    world.act(&shapes, job.begin(), &mut chance, misfortune);
    for _ in 0..EVENTS_MAX {
        let quiet = world.running.is_empty() && world.stray.is_empty();
        if world.gave_up || (quiet && world.unanswered.is_empty()) {
            break;
        }
        let event = world.event(&shapes, &mut chance, misfortune);
        world.act(&shapes, job.on(event), &mut chance, misfortune);
    }
    assert!(job.is_complete(), "it does not end");
    if !world.gave_up {
        let last = shapes.len() - 1;
        let answers = (0..shapes[last].tasks).map(|task| (last, task)).collect();
        assert_eq!(world.answered, answers, "an answer is missing");
        assert!(world.kept.is_empty(), "left unreleased: {:?}", world.kept);
    }
    (!world.gave_up, world.restarts)
}

#[test]
fn every_job_ends_rightly() {
    let (mut answered, mut restarts) = (0, 0);
    for seed in 0..JOBS {
        let outcome = std::panic::catch_unwind(|| run(seed));
        let Ok((answer, restarted)) = outcome else { panic!("seed {seed}") };
        answered += usize::from(answer);
        restarts += restarted;
    }
    // The misfortune is real, and most jobs survive it.
    assert!(answered > JOBS as usize / 2 && answered < JOBS as usize, "{answered} answered");
    assert!(restarts > 1_000, "{restarts} restarts");
}
