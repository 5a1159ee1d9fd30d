//! EXPLAIN (FORMAT JSON). In: a plan where it is to run, and whether it ran. Out: the document: an
//! array with one object, as PostgreSQL has it, with its names where it has such a thing. Times are
//! milliseconds.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use datafusion::physical_plan::metrics::MetricValue;
use datafusion::physical_plan::{DisplayFormatType, ExecutionPlan, ExecutionPlanProperties};
use exec::job::log::StageFigures;
use exec::stage::{Broadcast, Input, Output, Read, Stage, Work};
use exec::staged::StagedExec;
use planner::stages::{self, Local};
use serde_json::{Map, Value, json};

use crate::statement::query::Placed;
use crate::statement::replan::Joins;

/// What to show besides the plan.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options {
    /// What was measured.
    pub analyze: bool,
    /// All that a node says of itself.
    pub verbose: bool,
}

/// The document, laid out for people too.
pub(super) fn document(placed: &Placed, options: Options) -> String {
    let mut explained = match placed.plan.downcast_ref::<StagedExec>() {
        Some(job) => staged(job, options),
        None => in_one_process(&placed.plan, placed.local.as_ref(), options),
    };
    if placed.joins != Joins::Hash {
        explained["Planned Again"] = placed.joins.to_string().into();
    }
    format!("{:#}", Value::Array(vec![explained]))
}

fn in_one_process(plan: &Arc<dyn ExecutionPlan>, local: Option<&Local>, options: Options) -> Value {
    let mut object = json!({ "Runner": "local", "Plan": tree(plan, options) });
    if let Some(reason) = local {
        object["Reason"] = reason.to_string().into();
    }
    object
}

fn staged(job: &StagedExec, options: Options) -> Value {
    let graph = job.graph();
    let figures = if options.analyze { job.log().figures() } else { vec![] };
    let stages = graph.stages.iter().enumerate().map(|(number, spec)| {
        let figures = figures.get(number);
        let mut object = stage(number, spec, stages::work(spec, figures), options);
        if let Some(figures) = figures {
            object.extend(measured(figures));
        }
        Value::Object(object)
    });
    json!({
        "Runner": "staged",
        "Head": { "Inputs": inputs(&graph.head_inputs), "Plan": tree(&graph.head, options) },
        "Stages": stages.collect::<Vec<_>>(),
    })
}

fn stage(number: usize, stage: &Stage, work: &Work, options: Options) -> Map<String, Value> {
    let (output, readers) = match stage.output {
        Output::Hash { readers } => ("hash", Some(readers)),
        Output::Whole => ("whole", None),
    };
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
    put("Stage", number.into());
    put("Tasks", work.tasks.len().into());
    put("Partitions", work.plan.output_partitioning().partition_count().into());
    put("Output", output.into());
    if let Some(readers) = readers {
        put("Readers", readers.into());
    }
    put("Keys", stage.keys.into());
    if let Some(broadcast) = &stage.broadcast {
        let Broadcast { build, bytes_max, probe, .. } = broadcast;
        let alternative = json!({ "Build": build, "Max Bytes": bytes_max, "Probe": probe });
        put("Broadcast", alternative);
    }
    put("Determinism", work.determinism.word().into());
    put("Inputs", inputs(&work.inputs));
    put("Plan", tree(&work.plan, options));
    object
}

fn inputs(inputs: &[Input]) -> Value {
    let read = |input: &Input| match input.read {
        Read::Own => "hash",
        Read::All | Read::Every => "whole",
        Read::Keys => "keys",
    };
    inputs.iter().map(|input| json!({ "Stage": input.stage, "Read": read(input) })).collect()
}

fn measured(figures: &StageFigures) -> Map<String, Value> {
    let [least, middle, most] = figures.elapsed.map(millis);
    let decisions: Vec<_> = figures.decisions.iter().map(ToString::to_string).collect();
    let pairs = [
        ("Tasks Done", figures.done.into()),
        ("Rows In", figures.rows_in.into()),
        ("Bytes In", figures.bytes_in.into()),
        ("Rows Out", figures.rows_out.into()),
        ("Bytes Out", figures.bytes_out.into()),
        ("Spilled Bytes", figures.spilled.into()),
        ("Max Task Memory", figures.memory.into()),
        ("Min Task Time", least.into()),
        ("Median Task Time", middle.into()),
        ("Max Task Time", most.into()),
        ("Max Queue Time", millis(figures.queued).into()),
        (
            "Nodes",
            figures.nodes.iter().map(|(node, tasks)| (node.to_string(), json!(tasks))).collect(),
        ),
        ("Bytes Read In Place", figures.bytes_at_hand.into()),
        ("Failed Attempts", figures.failed.into()),
        ("Decisions", decisions.into()),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A plan and what is below it.
fn tree(plan: &Arc<dyn ExecutionPlan>, options: Options) -> Value {
    let mut object = json!({
        "Node Type": plan.name(),
        "Details": Line(plan.as_ref(), options.verbose).to_string(),
    });
    let metrics = plan.metrics().filter(|_| options.analyze);
    if let Some(metrics) = metrics.map(|metrics| metrics.aggregate_by_name()) {
        let shown = metrics.iter().filter_map(|metric| metric_value(metric.value()));
        let shown: Map<_, _> = shown.collect();
        // What ran in tasks has its figures with its stage.
        if !shown.is_empty() {
            object["Metrics"] = shown.into();
        }
        if let Some(rows) = metrics.output_rows() {
            object["Actual Rows"] = rows.into();
        }
    }
    let children = plan.children();
    if !children.is_empty() {
        object["Plans"] = children.into_iter().map(|child| tree(child, options)).collect();
    }
    object
}

/// A metric under its own name; of moments nothing is told.
fn metric_value(metric: &MetricValue) -> Option<(String, Value)> {
    let value = match metric {
        MetricValue::StartTimestamp(_) | MetricValue::EndTimestamp(_) => return None,
        MetricValue::ElapsedCompute(time) | MetricValue::Time { time, .. } => {
            millis(Duration::from_nanos(time.value() as u64)).into()
        }
        MetricValue::PruningMetrics { .. }
        | MetricValue::Ratio { .. }
        | MetricValue::Custom { .. } => metric.to_string().into(),
        counted => counted.as_usize().into(),
    };
    Some((metric.name().to_owned(), value))
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// A node in one line.
struct Line<'a>(&'a dyn ExecutionPlan, bool);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verbose = if self.1 { DisplayFormatType::Verbose } else { DisplayFormatType::Default };
        self.0.fmt_as(verbose, f)
    }
}
