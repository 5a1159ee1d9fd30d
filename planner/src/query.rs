//! From a statement to a plan that runs. In: a parsed query, a session's state, a catalog. Out: the
//! logical plan with its parameters, the optimized plan, the physical plan. Runs nothing.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{ParamValues, Result, ScalarValue};
use datafusion::execution::SessionState;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::sql::parser::Statement;
use datafusion::sql::planner::{ParserOptions, PlannerContext, SqlToRel};
use datafusion::sql::sqlparser::ast::{self, Visit, Visitor};

use crate::parse::Parsed;
use crate::reg_values;
use crate::resolve::{Catalog, Names};
use crate::types::holds_unsized_numeric;

/// A query with its parameters' types settled.
#[derive(Debug, Clone)]
pub struct Query {
    /// Not yet optimized; parameters are still places.
    pub plan: LogicalPlan,
    /// The types of `$1`, `$2` ...
    pub parameters: Vec<FieldRef>,
    /// Whether it reads catalogs, in which unsigned numbers are oids.
    pub reads_catalog: bool,
}

/// Plans a query. `given` are the parameter types a client declared, as far as it did; the others
/// follow from where a parameter stands, or are text.
///
/// # Errors
/// What DataFusion says of a statement without meaning, or [`crate::resolve::NameError`].
pub async fn plan(
    state: &SessionState,
    catalog: &dyn Catalog,
    sql: &str,
    parsed: &Parsed,
    given: &[Option<DataType>],
) -> Result<Query> {
    let names = Names::fetch(state, catalog, sql, &parsed.statement).await?;
    let to_plan = |types: &[FieldRef]| {
        let types = types.iter().cloned().map(Some).collect();
        let mut context = PlannerContext::new().with_prepare_param_data_types(types);
        let planner = SqlToRel::new_with_options(&names, options(state));
        let plan = match &parsed.statement {
            Statement::Statement(statement) => planner
                .sql_statement_to_plan_with_context(ast::Statement::clone(statement), &mut context),
            other => planner.statement_to_plan(other.clone()),
        };
        match names.uses_catalog() {
            true => reg_values::rewrite(plan?, catalog),
            false => plan,
        }
    };
    let plan = to_plan(&[])?;
    if parsed.parameters == 0 {
        return Ok(Query { plan, parameters: vec![], reads_catalog: names.uses_catalog() });
    }
    let cast = parameter_casts(&parsed.statement);
    let cast = cast.into_iter().filter_map(|(id, sql_type)| {
        let planner = SqlToRel::new_with_options(&names, options(state));
        Some((id, type_of(&planner, sql_type)?))
    });
    let mut known: HashMap<_, _> = by_place(&plan)?;
    known.extend(cast);
    let parameters = settle(&plan, parsed.parameters, given, &known)?;
    let reads_catalog = names.uses_catalog();
    Ok(Query { plan: to_plan(&parameters)?, parameters, reads_catalog })
}

/// The types of parameters: those the client declared, then those of casts, then what their
/// neighbours have.
fn settle(
    plan: &LogicalPlan,
    count: usize,
    given: &[Option<DataType>],
    cast: &HashMap<String, FieldRef>,
) -> Result<Vec<FieldRef>> {
    let inferred = plan.get_parameter_types()?;
    let field = |number: usize| {
        let id = format!("${number}");
        let plain = |data_type| Arc::new(Field::new(id.clone(), data_type, true));
        if let Some(declared) = given.get(number - 1).cloned().flatten() {
            return plain(declared);
        }
        if let Some(field) = cast.get(&id) {
            return Arc::new(field.as_ref().clone().with_name(id));
        }
        plain(inferred.get(&id).cloned().flatten().unwrap_or(DataType::Utf8))
    };
    Ok((1..=count).map(field).collect())
}

/// The types that places ask for where DataFusion infers none: `x = ANY($1)` an array, and limits a
/// number.
fn by_place(plan: &LogicalPlan) -> Result<HashMap<String, FieldRef>> {
    let mut found = HashMap::new();
    let mut note = |expr: &Expr, data_type: DataType| {
        if let Expr::Placeholder(place) = expr {
            let field = Field::new(place.id.clone(), data_type, true);
            found.entry(place.id.clone()).or_insert_with(|| Arc::new(field));
        }
    };
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Limit(limit) = node {
            for rows in [&limit.skip, &limit.fetch].into_iter().flatten() {
                note(rows, DataType::Int64);
            }
        }
        let schema = merge_schema(&node.inputs());
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                if let Expr::ScalarFunction(call) = part
                    && call.name() == "array_has"
                    && let [array, item] = call.args.as_slice()
                    && let Ok(item) = item.get_type(&schema)
                {
                    note(array, DataType::new_list(item, true));
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(found)
}

/// The types written directly over parameters, as in `$1::int[]`.
fn parameter_casts(statement: &Statement) -> HashMap<String, ast::DataType> {
    struct Found(HashMap<String, ast::DataType>);
    impl Visitor for Found {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &ast::Expr) -> ControlFlow<()> {
            if let ast::Expr::Cast { expr, data_type, .. } = expr
                && let ast::Expr::Value(value) = expr.as_ref()
                && let ast::Value::Placeholder(id) = &value.value
            {
                self.0.entry(id.clone()).or_insert_with(|| data_type.clone());
            }
            ControlFlow::Continue(())
        }
    }
    let mut found = Found(HashMap::new());
    if let Statement::Statement(statement) = statement {
        let _ = statement.visit(&mut found);
    }
    found.0
}

/// A type as columns have it; none for one that does not exist, which planning refuses, and for
/// those whose text is a name that only the catalog knows.
fn type_of(planner: &SqlToRel<'_, Names>, data_type: ast::DataType) -> Option<FieldRef> {
    if matches!(data_type, ast::DataType::Regclass) {
        return None;
    }
    let name = ast::Ident::new("parameter");
    let schema = planner.build_schema(vec![ast::ColumnDef { name, data_type, options: vec![] }]);
    schema.ok()?.fields().first().cloned()
}

fn options(state: &SessionState) -> ParserOptions {
    let options = &state.config_options().sql_parser;
    ParserOptions {
        parse_float_as_decimal: options.parse_float_as_decimal,
        collect_spans: options.collect_spans,
        default_null_ordering: options.default_null_ordering.as_str().into(),
        ..ParserOptions::default()
    }
}

/// Puts values in the place of parameters.
///
/// # Errors
/// When a value does not fit its parameter's type.
pub fn bind(query: &Query, values: Vec<ScalarValue>) -> Result<LogicalPlan> {
    if query.parameters.is_empty() {
        return Ok(query.plan.clone());
    }
    let typed = values.into_iter().zip(&query.parameters).map(|(value, field)| {
        // A numeric keeps the digits it was sent with.
        let numeric = matches!(value, ScalarValue::Decimal128(..))
            && holds_unsized_numeric(field.data_type());
        if numeric || value.data_type() == *field.data_type() {
            return Ok(value);
        }
        value.cast_to(field.data_type())
    });
    let values = typed.collect::<Result<Vec<_>>>()?;
    query.plan.clone().replace_params_with_values(&ParamValues::from(values))
}

/// Optimizes a plan.
///
/// # Errors
/// A statement without meaning that planning did not see, such as an overflow between constants.
pub fn optimize(state: &SessionState, plan: &LogicalPlan) -> Result<LogicalPlan> {
    state.optimize(plan)
}

/// Makes a plan that runs.
///
/// # Errors
/// What listing files or reading their footers said, or a plan that cannot be run.
pub async fn physical(
    state: &SessionState,
    optimized: &LogicalPlan,
) -> Result<Arc<dyn ExecutionPlan>> {
    state.query_planner().create_physical_plan(optimized, state).await
}
