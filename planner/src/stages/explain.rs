//! A stage graph for people. In: the graph. Out: lines: the head, then each stage from the last to
//! the first with its tasks, what it reads, where its rows go, and its plan.

use std::fmt::Write;
use std::sync::Arc;

use datafusion::physical_plan::displayable;
use exec::job::log::{Decision, StageFigures};
use exec::stage::{Broadcast, Determinism, Input, Output, Read, Stage, StageGraph, Work};

/// As much of a node's name as tells it from others.
const NODE_NAME_BYTES: usize = 8;

/// The text of EXPLAIN; with figures, of EXPLAIN ANALYZE.
pub fn explain(graph: &StageGraph, figures: Option<&[StageFigures]>, verbose: bool) -> String {
    let mut text = format!("Head: {}\n", inputs(&graph.head_inputs));
    push_plan(&mut text, &displayable(graph.head.as_ref()).indent(verbose).to_string());
    for (number, stage) in graph.stages.iter().enumerate().rev() {
        let figures = figures.and_then(|figures| figures.get(number));
        let work = work(stage, figures);
        let tasks = work.tasks.len();
        let plural = if tasks == 1 { "" } else { "s" };
        let output = match stage.output {
            Output::Hash { readers } => format!("rows by hash to {readers}"),
            Output::Whole => "rows whole".to_owned(),
        };
        let keys = if stage.keys { " and keys" } else { "" };
        let reads = inputs(&work.inputs);
        let class = match work.determinism {
            Determinism::Determinate => "",
            Determinism::Indeterminate => ", indeterminate",
        };
        let _ =
            writeln!(text, "Stage {number}: {tasks} task{plural}, {output}{keys}{class}; {reads}");
        match (figures, &stage.broadcast) {
            (Some(figures), _) => {
                let _ = writeln!(text, "  {}", measured(figures));
            }
            (None, Some(Broadcast { build, bytes_max, probe, .. })) => {
                let _ = writeln!(
                    text,
                    "  if stage {build} writes {bytes_max} bytes at most: its broadcast, joined in \
                     the tasks of stage {probe}"
                );
            }
            (None, None) => {}
        }
        push_plan(&mut text, &displayable(work.plan.as_ref()).indent(verbose).to_string());
    }
    text
}

/// What a stage's tasks do, or did.
pub fn work<'a>(stage: &'a Stage, figures: Option<&StageFigures>) -> &'a Work {
    let is_broadcast = |decision: &Decision| matches!(decision, Decision::Broadcast { .. });
    let decided = figures.is_some_and(|figures| figures.decisions.iter().any(is_broadcast));
    match stage.broadcast.as_ref().filter(|_| decided) {
        Some(broadcast) => &broadcast.work,
        None => &stage.work,
    }
}

fn measured(figures: &StageFigures) -> String {
    let StageFigures { done, rows_in, bytes_in, rows_out, bytes_out, spilled, .. } = figures;
    let memory = figures.memory;
    let [least, middle, most] =
        figures.elapsed.map(|time| format!("{:.2}", time.as_secs_f64() * 1e3));
    let queued = figures.queued.as_secs_f64() * 1e3;
    let failed = match figures.failed {
        0 => String::new(),
        failed => format!("; failed attempts: {failed}"),
    };
    let place = match figures.nodes.len() {
        0 => String::new(),
        _ => format!("; {}", nodes(figures)),
    };
    let decided: String =
        figures.decisions.iter().map(|decision| format!("; decided: {decision}")).collect();
    format!(
        "tasks done: {done}; in: {rows_in} rows, {bytes_in} bytes; out: {rows_out} rows, \
         {bytes_out} bytes, {spilled} spilled; memory: most {memory} bytes; \
         task ms: least {least}, \
         median {middle}, most {most}; queued ms: most {queued:.2}{place}{failed}{decided}"
    )
}

/// Where the tasks were, by the beginnings of the nodes' names; and how much of what they read.
fn nodes(figures: &StageFigures) -> String {
    let node = |(node, tasks): &(Arc<str>, usize)| {
        format!("{} of {tasks}", &node[..node.floor_char_boundary(NODE_NAME_BYTES)])
    };
    let nodes: Vec<_> = figures.nodes.iter().map(node).collect();
    let share = match figures.bytes_in {
        0 => String::new(),
        bytes => format!("; read in place: {} %", figures.bytes_at_hand * 100 / bytes),
    };
    format!("nodes: {}{share}", nodes.join(", "))
}

fn inputs(inputs: &[Input]) -> String {
    if inputs.is_empty() {
        return "reads files".to_owned();
    }
    let input = |(place, input): (usize, &Input)| {
        let read = match input.read {
            Read::Own => "by hash",
            Read::All | Read::Every => "whole",
            Read::Keys => "keys",
        };
        format!("{place}: stage {} {read}", input.stage)
    };
    let inputs: Vec<_> = inputs.iter().enumerate().map(input).collect();
    format!("inputs {}", inputs.join(", "))
}

fn push_plan(text: &mut String, plan: &str) {
    for line in plan.lines() {
        let _ = writeln!(text, "  {line}");
    }
}
