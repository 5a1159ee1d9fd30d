//! Names to tables and functions. In: a statement, a session's state, a catalog. Out: what
//! DataFusion's SQL planner asks for, all tables fetched before it starts. A name that is not found
//! is a typed error with its place. Decides nothing about rights.

use std::collections::HashMap;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::datatypes::{DataType, SchemaRef};
use async_trait::async_trait;
use datafusion::arrow;
use datafusion::catalog::{TableFunctionArgs, TableProvider};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{DFSchema, DataFusionError, Result, TableReference};
use datafusion::datasource::cte_worktable::CteWorkTable;
use datafusion::datasource::provider_as_source;
use datafusion::execution::SessionState;
use datafusion::logical_expr::planner::{
    ContextProvider, ExprPlanner, RelationPlanner, TypePlanner,
};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{
    AggregateUDF, Expr, HigherOrderUDF, ScalarUDF, TableSource, WindowUDF,
};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast;

use crate::dependencies::Independent;
use crate::parse;
use crate::types::PgTypes;

/// Where tables and session functions come from.
#[async_trait]
pub trait Catalog: Send + Sync {
    /// The table a name means in this session (search path applied), if there is one.
    async fn table(&self, name: &TableReference) -> Result<Option<Arc<dyn TableProvider>>>;
    /// A function that depends on the session or the catalog (`current_user`, `format_type`).
    fn function(&self, name: &str) -> Option<Arc<ScalarUDF>>;
    /// All relation names in reach, for hints.
    fn names(&self) -> Vec<String>;
}

/// A name that means nothing here. Positions are characters from 1.
#[derive(Debug, Clone)]
pub enum NameError {
    /// No table or view.
    Table {
        /// As it was written.
        name: String,
        /// A name that may have been meant.
        near: Option<String>,
        /// Where it was written.
        position: Option<usize>,
    },
    /// No table function.
    TableFunction {
        /// As it was written.
        name: String,
    },
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table { name, .. } => write!(f, "relation \"{name}\" does not exist"),
            Self::TableFunction { name } => write!(f, "function {name} does not exist"),
        }
    }
}

impl std::error::Error for NameError {}

/// One statement's view of the world.
pub(crate) struct Names<'a> {
    state: &'a SessionState,
    catalog: &'a dyn Catalog,
    tables: HashMap<TableReference, Arc<dyn TableSource>>,
    /// Whether a function of the catalog was asked for.
    called: AtomicBool,
    types: Arc<dyn TypePlanner>,
    relations: [Arc<dyn RelationPlanner>; 1],
}

impl<'a> Names<'a> {
    fn new(
        state: &'a SessionState,
        catalog: &'a dyn Catalog,
        tables: HashMap<TableReference, Arc<dyn TableSource>>,
    ) -> Self {
        let relations = [Arc::new(Independent::default()) as _];
        let called = AtomicBool::new(false);
        Self { state, catalog, tables, called, types: Arc::new(PgTypes), relations }
    }

    /// Whether what was planned reads the system's relations or calls its functions.
    pub(crate) fn uses_catalog(&self) -> bool {
        let reads = self.tables.keys().any(|name| name.schema() == Some("pg_catalog"));
        reads || self.called.load(Ordering::Relaxed)
    }

    /// Fetches every table a statement names.
    ///
    /// # Errors
    /// [`NameError`] for the first that is missing, or what fetching one said.
    pub(crate) async fn fetch(
        state: &'a SessionState,
        catalog: &'a dyn Catalog,
        sql: &str,
        statement: &Statement,
    ) -> Result<Self> {
        let mut tables = HashMap::new();
        for name in state.resolve_table_references(statement)? {
            match catalog.table(&name).await? {
                Some(table) => {
                    tables.insert(name, provider_as_source(table));
                }
                None if is_table_function(statement, &name) => {}
                None => return Err(missing(catalog, sql, statement, &name)),
            }
        }
        Ok(Self::new(state, catalog, tables))
    }
}

fn missing(
    catalog: &dyn Catalog,
    sql: &str,
    statement: &Statement,
    name: &TableReference,
) -> DataFusionError {
    let near = nearest(name.table(), catalog.names());
    let position = place(sql, statement, name);
    let name = match name.schema() {
        Some(schema) => format!("{schema}.{}", name.table()),
        None => name.table().to_owned(),
    };
    DataFusionError::External(Box::new(NameError::Table { name, near, position }))
}

/// The closest of `names`, when close enough to be meant.
pub fn nearest(wanted: &str, names: impl IntoIterator<Item = String>) -> Option<String> {
    let distance = |name: &String| strsim::damerau_levenshtein(wanted, name);
    let limit = (wanted.chars().count() / 3).max(1);
    let near = names.into_iter().map(|name| (distance(&name), name)).min()?;
    (near.0 > 0 && near.0 <= limit).then_some(near.1)
}

fn is_table_function(statement: &Statement, name: &TableReference) -> bool {
    struct Calls<'a>(&'a TableReference, bool);
    impl ast::Visitor for Calls<'_> {
        type Break = ();
        fn pre_visit_table_factor(&mut self, table: &ast::TableFactor) -> ControlFlow<()> {
            if let ast::TableFactor::Table { name, args: Some(_), .. } = table {
                self.1 |= last_part(name).eq_ignore_ascii_case(self.0.table());
            }
            ControlFlow::Continue(())
        }
    }
    let mut calls = Calls(name, false);
    if let Some(inner) = sql_statement(statement) {
        let _ = ast::Visit::visit(inner, &mut calls);
    }
    calls.1
}

/// Where a statement first names a table.
fn place(sql: &str, statement: &Statement, name: &TableReference) -> Option<usize> {
    let found = ast::visit_relations(sql_statement(statement)?, |relation| {
        if last_part(relation).eq_ignore_ascii_case(name.table()) {
            let first = relation.0.first().and_then(ast::ObjectNamePart::as_ident);
            return ControlFlow::Break(first.map(|ident| ident.span.start));
        }
        ControlFlow::Continue(())
    });
    match found {
        ControlFlow::Break(Some(start)) => parse::position(sql, start.line, start.column),
        _ => None,
    }
}

fn sql_statement(statement: &Statement) -> Option<&ast::Statement> {
    match statement {
        Statement::Statement(inner) => Some(inner),
        Statement::Explain(explain) => sql_statement(&explain.statement),
        _ => None,
    }
}

fn last_part(name: &ast::ObjectName) -> &str {
    let last = name.0.last().and_then(ast::ObjectNamePart::as_ident);
    last.map_or("", |ident| ident.value.as_str())
}

impl ContextProvider for Names<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        let found = self.tables.get(&name).cloned();
        found.ok_or_else(|| missing(self.catalog, "", &empty_statement(), &name))
    }

    fn get_table_function_source(
        &self,
        name: &str,
        args: Vec<Expr>,
    ) -> Result<Arc<dyn TableSource>> {
        let Some(function) = self.state.table_functions().get(name) else {
            let name = name.to_owned();
            return Err(DataFusionError::External(Box::new(NameError::TableFunction { name })));
        };
        let context = SimplifyContext::builder()
            .with_config_options(Arc::clone(self.state.config_options()))
            .with_query_execution_start_time(
                self.state.execution_props().query_execution_start_time,
            )
            .build();
        let simplifier = ExprSimplifier::new(context);
        let schema = DFSchema::empty();
        let simple = |arg| simplifier.coerce(arg, &schema).and_then(|e| simplifier.simplify(e));
        let args = args.into_iter().map(simple).collect::<Result<Vec<_>>>()?;
        let args = TableFunctionArgs::new(&args, self.state);
        Ok(provider_as_source(function.create_table_provider_with_args(args)?))
    }

    fn create_cte_work_table(&self, name: &str, schema: SchemaRef) -> Result<Arc<dyn TableSource>> {
        Ok(provider_as_source(Arc::new(CteWorkTable::new(name, schema))))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        let found = self.catalog.function(name);
        self.called.fetch_or(found.is_some(), Ordering::Relaxed);
        found.or_else(|| self.state.scalar_functions().get(name).cloned())
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.state.higher_order_functions().get(name).cloned()
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.state.aggregate_functions().get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.state.window_functions().get(name).cloned()
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.state.expr_planners()
    }

    fn get_relation_planners(&self) -> &[Arc<dyn RelationPlanner>] {
        &self.relations
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::clone(&self.types))
    }

    fn get_variable_type(&self, _: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.state.config_options()
    }

    fn udf_names(&self) -> Vec<String> {
        self.state.scalar_functions().keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        self.state.higher_order_functions().keys().cloned().collect()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.state.aggregate_functions().keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.state.window_functions().keys().cloned().collect()
    }
}

fn empty_statement() -> Statement {
    Statement::Statement(Box::new(ast::Statement::Commit {
        chain: false,
        end: false,
        modifier: None,
    }))
}

/// Type names alone, for column definitions.
pub fn type_names(state: &SessionState) -> impl ContextProvider + '_ {
    struct Nothing;
    #[async_trait]
    impl Catalog for Nothing {
        async fn table(&self, _: &TableReference) -> Result<Option<Arc<dyn TableProvider>>> {
            Ok(None)
        }
        fn function(&self, _: &str) -> Option<Arc<ScalarUDF>> {
            None
        }
        fn names(&self) -> Vec<String> {
            vec![]
        }
    }
    Names::new(state, &Nothing, HashMap::new())
}
