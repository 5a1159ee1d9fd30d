//! The state plans are made with. In: the engine's settings. Out: a DataFusion session state with
//! PostgreSQL's functions and rules, cloned for each session. Holds no tables.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::optimizer::{Analyzer, Optimizer};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::prelude::SessionConfig;
use exec::codec::Functions;

use crate::arithmetic::{self, PgArithmetic};
use crate::barriers::NameBarriers;
use crate::casts::TextForms;
use crate::conjunctions::Conjunctions;
use crate::cooperative::CooperativeJoins;
use crate::dependencies::before_those_who_ask;
use crate::distinct_sums::with_their_types;
use crate::dynamic_filters::{PlaceDynamicFilters, TrimDynamicFilters};
use crate::ends_of_knowledge::EndsOfKnowledge;
use crate::fast_decimals::{self, FastDecimals};
use crate::functions;
use crate::lateral::LateralRows;
use crate::not_in::NullAwareIn;
use crate::offsets::SortsAboveOffsets;
use crate::volatile_items;

/// Functions that DataFusion has under a PostgreSQL name with another meaning: better unknown than
/// wrong.
const OTHER_MEANING: &[&str] = &["format", "to_char", "to_date", "to_timestamp"];

/// Builds the state every session starts from. `forms` reads and prints values in casts.
///
/// # Errors
/// A function that cannot be registered; a bug.
pub fn base_state(
    config: SessionConfig,
    runtime: Arc<RuntimeEnv>,
    forms: Arc<dyn TextForms>,
) -> Result<SessionState> {
    let mut analyzer = Analyzer::new();
    analyzer.rules.insert(0, Arc::new(LateralRows));
    analyzer.rules.insert(1, Arc::new(NullAwareIn));
    analyzer.rules.insert(2, Arc::new(PgArithmetic::new(Arc::clone(&forms))));
    let mut state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_default_features()
        .with_analyzer_rules(analyzer.rules)
        .with_optimizer_rules(before_those_who_ask(with_their_types(Optimizer::new().rules)))
        .with_optimizer_rule(Arc::new(FastDecimals))
        .with_physical_optimizer_rules(physical_rules())
        .build();
    datafusion_pg_functions::register_all(&mut state);
    for name in OTHER_MEANING {
        state.deregister_udf(name)?;
    }
    let texts = [forms.text_input(), forms.to_text()].into_iter().chain(forms.printers());
    let operators = arithmetic::functions().into_iter().chain(fast_decimals::functions());
    for function in functions::scalar().into_iter().chain(operators).chain(texts) {
        state.register_udf(function)?;
    }
    for function in functions::ranks(&state) {
        state.register_udwf(function)?;
    }
    Ok(state)
}

/// The functions of a state, as plans for workers name them.
pub fn functions_of(state: &SessionState) -> Functions {
    Functions {
        scalar: state.scalar_functions().clone(),
        aggregate: state.aggregate_functions().clone(),
        window: state.window_functions().clone(),
        higher_order: state.higher_order_functions().clone(),
    }
}

/// DataFusion's rules with ours among them.
fn physical_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    volatile_items::stay(&mut rules);
    if let Some(sorts) = rules.iter().position(|rule| rule.name() == "EnsureRequirements") {
        rules[sorts] = Arc::new(SortsAboveOffsets::new(Arc::clone(&rules[sorts])));
        rules.insert(sorts, Arc::new(EndsOfKnowledge));
    }
    let before = rules.iter().position(|rule| rule.name() == "EnsureCooperative");
    let before = before.unwrap_or(rules.len());
    rules.insert(before, Arc::new(CooperativeJoins));
    rules.insert(before + 1, Arc::new(PlaceDynamicFilters));
    rules.insert(before + 2, Arc::new(NameBarriers));
    rules.push(Arc::new(TrimDynamicFilters));
    rules.push(Arc::new(Conjunctions));
    rules
}
