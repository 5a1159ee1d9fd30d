//! Thousands of jobs with random graphs and random misfortune, from a seed. Checked of each: it
//! ends; no attempt waits for ever, for one that says nothing is taken for lost; an attempt is
//! submitted only when all it reads is kept; no output is answered twice, none is mixed of attempts
//! that may differ; nothing is left unreleased.

use std::collections::{HashMap, HashSet};

use super::*;

const JOBS: u64 = 40_000;
/// Events after which a job that has not ended never will.
const EVENTS_MAX: usize = 20_000;
const AHEAD: usize = 2;

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
        let inputs: Vec<_> = (0..number).filter(|_| chance.percent(40)).collect();
        let by_hash = inputs.iter().copied().filter(|_| chance.percent(50)).collect();
        let (tasks, repeatable) = (1 + chance.below(4), chance.percent(75));
        let answers = match number + 1 == count {
            true => [Answers::Together, Answers::InTurn][chance.below(2)],
            false => Answers::No,
        };
        let broadcast = None;
        shapes.push(Shape { tasks, inputs, by_hash, answers, repeatable, broadcast });
    }
    for number in 0..count {
        shapes[number].broadcast = broadcast(&shapes, number, chance);
    }
    shapes
}

/// Another shape for a stage that alone reads one which reads a third, if it is lucky.
fn broadcast(shapes: &[Shape], number: usize, chance: &mut Chance) -> Option<Broadcast> {
    let reads = |stage: usize, input: usize| shapes[stage].inputs.contains(&input);
    let inputs = &shapes[number].inputs;
    let alone = |probe: &&usize| (0..shapes.len()).filter(|it| reads(*it, **probe)).count() == 1;
    let probe = *inputs.iter().find(alone)?;
    let build = *inputs.iter().find(|build| reads(probe, **build))?;
    let rest = inputs.iter().filter(|input| ![build, probe].contains(input));
    let inputs: Vec<_> = rest.chain(&shapes[probe].inputs).copied().collect();
    let by_hash = inputs.iter().copied().filter(|_| chance.percent(50)).collect();
    let bytes_max = 4 * READ_BYTES_MIN;
    let (tasks, repeatable) = (1 + chance.below(shapes[number].tasks), chance.percent(75));
    Some(Broadcast { build, bytes_max, probe, tasks, inputs, by_hash, repeatable })
}

/// What a cluster and a head would know.
#[derive(Default)]
struct World {
    planned: Vec<Shape>,
    /// As they are decided to be.
    shapes: Vec<Shape>,
    spared: HashSet<usize>,
    broadcasts: usize,
    running: Vec<Attempt>,
    /// Attempts whose reports may come although nobody waits for them.
    stray: Vec<Attempt>,
    kept: HashMap<(usize, usize), Attempt>,
    answered: HashSet<(usize, usize)>,
    /// Tasks of stages that have fewer than planned.
    groups: HashMap<usize, Vec<Range<usize>>>,
    /// Tasks that the head has asked for.
    asked: usize,
    /// Outputs the head will say it did not get.
    unanswered: Vec<(usize, usize)>,
    gave_up: bool,
    unrepeatable: bool,
    /// Who read which attempt of an indeterminate stage.
    reads: Vec<(Attempt, Attempt)>,
}

impl World {
    fn act(&mut self, actions: Vec<Action>, chance: &mut Chance, misfortune: usize) {
        for action in actions {
            match action {
                Action::Submit(attempt) => self.submit(attempt),
                Action::Group(stage, groups) => {
                    let all = groups.iter().flat_map(Range::clone).collect::<Vec<_>>();
                    assert_eq!(all, (0..self.shapes[stage].tasks).collect::<Vec<_>>());
                    assert!(self.groups.insert(stage, groups).is_none(), "grouped twice");
                }
                Action::Broadcast(stage, bytes) => self.broadcast(stage, bytes),
                Action::Abandon(attempt) => {
                    self.running.retain(|running| *running != attempt);
                    self.stray.push(attempt);
                }
                Action::Keep(attempt) => {
                    let key = (attempt.stage, attempt.task);
                    assert!(self.kept.insert(key, attempt).is_none(), "kept twice: {attempt:?}");
                }
                Action::Answer(stage, task) if task >= self.tasks(stage) => {
                    assert!(self.answered.insert((stage, task)), "answered twice");
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
                Action::GiveUp(reason) => {
                    self.gave_up = true;
                    self.unrepeatable = reason == Reason::Unrepeatable;
                }
            }
        }
    }

    /// Tasks of a stage that run.
    fn tasks(&self, stage: usize) -> usize {
        self.groups.get(&stage).map_or(self.shapes[stage].tasks, Vec::len)
    }

    fn broadcast(&mut self, stage: usize, bytes: usize) {
        let broadcast = self.shapes[stage].broadcast.clone().expect("a broadcast");
        let Broadcast { build, bytes_max, probe, tasks, inputs, by_hash, repeatable } = broadcast;
        assert!(bytes <= bytes_max, "it is not small");
        let is_there = |task| self.kept.contains_key(&(build, task));
        assert!((0..self.tasks(build)).all(is_there), "its size is not known");
        let begun = |of: usize| {
            let kept = self.kept.keys().any(|(stage, _)| *stage == of);
            kept || self.running.iter().any(|attempt| attempt.stage == of)
        };
        assert!(!begun(stage) && !begun(probe), "it has begun");
        let shape = self.shapes[stage].clone();
        self.shapes[stage] = Shape { tasks, inputs, by_hash, repeatable, broadcast: None, ..shape };
        assert!(self.spared.insert(probe), "spared twice");
        self.broadcasts += 1;
    }

    fn submit(&mut self, attempt: Attempt) {
        assert!(!self.gave_up, "submitted after the end");
        assert!(!self.spared.contains(&attempt.stage), "submitted what is not needed");
        let shapes = &self.shapes;
        assert!(attempt.task < self.tasks(attempt.stage), "submitted a spared task");
        if shapes[attempt.stage].answers == Answers::InTurn {
            assert!(attempt.task < self.asked + AHEAD, "submitted before it was asked for");
        }
        for &input in &shapes[attempt.stage].inputs {
            for task in 0..self.tasks(input) {
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
    fn event(&mut self, chance: &mut Chance, misfortune: usize) -> Event {
        if let Some((stage, task)) = self.unanswered.pop() {
            return Event::Unanswered(stage, task);
        }
        if !self.stray.is_empty() && (self.running.is_empty() || chance.percent(10)) {
            let late = chance.below(self.stray.len());
            return Event::Done(self.stray.swap_remove(late), sizes(chance));
        }
        let last = self.shapes.len() - 1;
        if self.asks() && (self.running.is_empty() || chance.percent(20)) {
            self.asked += 1;
            return Event::Asked(last, self.asked - 1);
        }
        let attempt = self.running.swap_remove(chance.below(self.running.len()));
        let inputs = &self.shapes[attempt.stage].inputs;
        if chance.percent(misfortune) && !inputs.is_empty() {
            let input = inputs[chance.below(inputs.len())];
            let lost = |chance: &mut Chance| (input, chance.below(self.tasks(input)));
            let outputs = (0..1 + chance.below(3)).map(|_| lost(chance)).collect();
            return Event::Missing(attempt, outputs);
        }
        if chance.percent(misfortune) {
            self.running.push(attempt);
            return Event::Silent(attempt);
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
        Event::Done(attempt, sizes(chance))
    }

    /// Whether the head may ask for another task's output: it has all before it.
    fn asks(&self) -> bool {
        let last = self.shapes.len() - 1;
        self.shapes[last].answers == Answers::InTurn
            && self.asked < self.planned[last].tasks
            && (0..self.asked).all(|task| self.answered.contains(&(last, task)))
    }
}

/// What an attempt wrote for each of as many tasks as there may be.
fn sizes(chance: &mut Chance) -> Vec<usize> {
    (0..4).map(|_| chance.below(READ_BYTES_MIN)).collect()
}

/// Runs one job; whether it was answered, whether it lost what cannot be made again, and how many
/// of its stages ran as a broadcast.
fn run(seed: u64) -> (bool, bool, usize) {
    let mut chance = Chance(seed);
    let shapes = graph(&mut chance);
    let misfortune = [0, 2, 10, 30][chance.below(4)];
    let mut job = Progress::new(shapes.clone(), AHEAD);
    let planned = shapes.clone();
    let mut world = World { planned, shapes, ..World::default() };
    world.act(job.begin(), &mut chance, misfortune);
    for _ in 0..EVENTS_MAX {
        let quiet = world.running.is_empty() && world.stray.is_empty() && !world.asks();
        if world.gave_up || (quiet && world.unanswered.is_empty()) {
            break;
        }
        let event = world.event(&mut chance, misfortune);
        world.act(job.on(event), &mut chance, misfortune);
    }
    assert!(job.is_complete(), "it does not end");
    if !world.gave_up {
        let last = world.planned.len() - 1;
        let answers = (0..world.planned[last].tasks).map(|task| (last, task)).collect();
        assert_eq!(world.answered, answers, "an answer is missing");
        assert!(world.kept.is_empty(), "left unreleased: {:?}", world.kept);
    }
    (!world.gave_up, world.unrepeatable, world.broadcasts)
}

#[test]
fn every_job_ends_rightly() {
    let (mut answered, mut unrepeatable, mut broadcasts) = (0, 0, 0);
    for seed in 0..JOBS {
        let outcome = std::panic::catch_unwind(|| run(seed));
        let Ok((answer, lost, broadcast)) = outcome else { panic!("seed {seed}") };
        answered += usize::from(answer);
        unrepeatable += usize::from(lost);
        broadcasts += broadcast;
    }
    // The misfortune is real, and most jobs survive it.
    assert!(answered > JOBS as usize / 2 && answered < JOBS as usize, "{answered} answered");
    assert!(unrepeatable > 1_000, "{unrepeatable} lost what cannot be made again");
    assert!(broadcasts > 1_000, "{broadcasts} broadcasts");
}
