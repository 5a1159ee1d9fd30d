//! Prepared statements and portals. In: what Parse and PREPARE say. Out: statements that can be
//! described and run. Both protocols share one map of names, as in PostgreSQL.

use std::sync::Arc;
use std::time::SystemTime;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::sql::parser::Statement as Sql;
use datafusion::sql::sqlparser::ast::{self, Expr, Statement};
use planner::cursors;
use planner::parse::Parsed;

use super::transactions::mends_transaction;
use super::{Connection, Fetched, Running, Stream};
use crate::encode::Format;
use crate::error::{PgError, PgResult, SqlState, engine};
use crate::meta::Oid;
use crate::params::decode_param;
use crate::queries::Watch;
use crate::session::{Transaction, in_failed_transaction};
use crate::statement::kind::{self, Kind};
use crate::statement::query::{self, Planned};
use crate::statement::rows::Rows;
use crate::statement::{Outcome, Shape, explain};
use crate::types::{arrow_type_of, oid, pg_type_of};

/// A statement that was parsed and, if it gives rows, planned.
#[derive(Debug)]
pub struct Prepared {
    /// Its text.
    pub sql: Arc<str>,
    /// None for an empty text.
    pub parsed: Option<Arc<Parsed>>,
    /// For queries.
    pub planned: Option<Planned>,
    /// The types of its parameters.
    pub parameters: Vec<u32>,
    /// Its columns, if it gives rows.
    pub shape: Option<Shape>,
    /// The catalog and the role it was planned with: others mean planning again.
    pub version: Version,
    /// When it was prepared.
    pub at: SystemTime,
    /// Whether by PREPARE; else by the protocol.
    pub is_from_sql: bool,
}

impl Prepared {
    /// One that needs no planning: an empty text, or one whose answer is known.
    fn planned(sql: &Arc<str>, planned: Option<Planned>, version: Version) -> Self {
        let shape = planned.as_ref().map(|planned| planned.shape.clone());
        Self {
            sql: Arc::clone(sql),
            parsed: None,
            planned,
            parameters: vec![],
            shape,
            version,
            at: SystemTime::now(),
            is_from_sql: false,
        }
    }
}

/// What a plan depends on beside its text: the version of the catalog, and whose rights it has.
pub type Version = (u64, Oid);

/// A statement with values, perhaps half read.
#[derive(Debug)]
pub struct Portal {
    /// The statement.
    pub prepared: Arc<Prepared>,
    /// The values of its parameters.
    pub values: Vec<ScalarValue>,
    /// The formats of its columns.
    pub formats: Vec<Format>,
    /// How far it is.
    pub progress: Progress,
    /// How many cursors and portals the session had made before it.
    pub number: u64,
}

/// How far a portal is.
#[derive(Debug)]
pub enum Progress {
    /// Not run yet.
    Start,
    /// Some rows were read; the rest waits, and the query goes on.
    Suspended(Box<Rows>, Option<Watch>),
    /// Some rows of a cursor were sent; the rest waits.
    Fetched(Box<Fetched>),
    /// Run to its end.
    Complete,
}

impl<S: Stream> Connection<S> {
    /// Parses and plans one statement for later.
    pub(super) async fn prepare(
        &mut self,
        running: &Running,
        sql: &Arc<str>,
        types: &[u32],
    ) -> PgResult<Prepared> {
        let version = self.version();
        let zone = self.session.variables.show("timezone").unwrap_or_default();
        if !matches!(self.session.transaction, Transaction::Failed(_))
            && let Some(constant) = self.shared.constants.get(sql, &zone)
        {
            return Ok(Prepared::planned(sql, Some(Planned::constant(constant)), version));
        }
        let parsed = self.parse(running, sql).await?;
        let mut statements = parsed.iter();
        let (first, more) = (statements.next(), statements.next());
        if more.is_some() {
            let message = "cannot insert multiple commands into a prepared statement";
            return Err(PgError::new(SqlState::SyntaxError, message));
        }
        let Some(parsed) = first else { return Ok(Prepared::planned(sql, None, version)) };
        if matches!(self.session.transaction, Transaction::Failed(_))
            && !mends_transaction(&parsed.statement)
        {
            return Err(in_failed_transaction());
        }
        let sql = Arc::clone(sql);
        self.prepare_parsed(running, sql, Arc::clone(parsed), types, version).await
    }

    async fn prepare_parsed(
        &mut self,
        running: &Running,
        sql: Arc<str>,
        parsed: Arc<Parsed>,
        types: &[u32],
        version: Version,
    ) -> PgResult<Prepared> {
        let given = types.iter().map(|oid| given_type(*oid)).collect::<PgResult<Vec<_>>>()?;
        let declared = cursors::declared(&parsed);
        let (is_query, is_declare) =
            (kind::of(&parsed.statement) == Kind::Query, declared.is_some());
        let planned = match declared.map(|declared| Arc::new(declared.query)) {
            None if !is_query => None,
            of_cursor => {
                let statement = of_cursor.unwrap_or_else(|| Arc::clone(&parsed));
                let (context, text) = (self.context(), Arc::clone(&sql));
                let work = async move {
                    let planned = query::plan(&context, &text, &statement, &given).await?;
                    if is_query {
                        query::remember(&context, &text, &planned);
                    }
                    Ok(planned)
                };
                let work = self.shared.planning.spawn(work);
                Some(self.wait(running, work).await?)
            }
        };
        let parameters = match &planned {
            Some(planned) => parameter_oids(planned, types),
            None => vec![],
        };
        let shape = match &planned {
            Some(_) if is_declare => None,
            Some(planned) => Some(planned.shape.clone()),
            None => self.shape_of_utility(&parsed)?,
        };
        let (parsed, at, is_from_sql) = (Some(parsed), SystemTime::now(), false);
        Ok(Prepared { sql, parsed, planned, parameters, shape, version, at, is_from_sql })
    }

    /// The columns of SHOW, EXPLAIN and their like.
    fn shape_of_utility(&mut self, parsed: &Parsed) -> PgResult<Option<Shape>> {
        let shape = |outcome| match outcome {
            Outcome::Rows { shape, .. } => Some(shape),
            Outcome::Fetched(_) | Outcome::Copied(_) | Outcome::Done { .. } => None,
        };
        if let Some(fetch) = cursors::fetch(&parsed.statement) {
            let cursor = self.cursors.get(&fetch.cursor).ok();
            return Ok(cursor.filter(|_| fetch.gives_rows).map(|cursor| cursor.shape.clone()));
        }
        match &parsed.statement {
            Sql::Explain(explain) => explain::described(&explain.options).map(shape),
            Sql::Statement(statement) => match statement.as_ref() {
                Statement::ShowVariable { .. } => {
                    crate::statement::session_commands::run(&mut self.session, &parsed.statement)
                        .map(shape)
                }
                Statement::ShowTables { .. } => self.show_tables().map(shape),
                Statement::ExplainTable { .. } => {
                    let columns = ["column_name", "data_type", "is_nullable"];
                    Outcome::table("DESCRIBE", &columns.map(|name| (name, vec![]))).map(shape)
                }
                Statement::Execute { name: Some(name), .. } => {
                    Ok(self.statements.get(&name.to_string()).and_then(|p| p.shape.clone()))
                }
                _ => Ok(None),
            },
            _ => Ok(None),
        }
    }

    /// PREPARE.
    pub(super) async fn sql_prepare(
        &mut self,
        running: &Running,
        name: &str,
        types: &[ast::DataType],
        statement: &Statement,
    ) -> PgResult<Outcome> {
        if self.statements.has(name) {
            return Err(duplicate_statement(name));
        }
        let oids = types.iter().map(sql_type_oid).collect::<PgResult<Vec<_>>>()?;
        let text = statement.to_string().into();
        let prepared = self.prepare(running, &text, &oids).await?;
        self.keep_statement(name, Prepared { is_from_sql: true, ..prepared })?;
        Ok(Outcome::done("PREPARE"))
    }

    /// Keeps a prepared statement under its name.
    pub(super) fn keep_statement(&mut self, name: &str, prepared: Prepared) -> PgResult<()> {
        let most = self.shared.settings.max_prepared_statements;
        if self.statements.count() >= most && !self.statements.has(name) {
            let message = format!("too many prepared statements (limit {most})");
            return Err(PgError::new(SqlState::ConfigurationLimit, message)
                .hint("Close statements that are not used, or raise max_prepared_statements."));
        }
        self.statements.put(name, Arc::new(prepared));
        Ok(())
    }

    /// The values of EXECUTE's parameters: literals, read as their types.
    pub(super) fn execute_values(
        &self,
        prepared: &Prepared,
        given: &[Expr],
    ) -> PgResult<Vec<ScalarValue>> {
        if given.len() != prepared.parameters.len() {
            let message = "wrong number of parameters for prepared statement";
            let (wanted, got) = (prepared.parameters.len(), given.len());
            return Err(PgError::new(SqlState::SyntaxError, message)
                .detail(format!("Expected {wanted} parameters but got {got}.")));
        }
        let options = self.session.variables.format_options();
        let value = |(expr, oid): (&Expr, &u32)| {
            let text = literal_text(expr)?;
            decode_param(*oid, Format::Text, text.as_deref().map(str::as_bytes), &options)
        };
        given.iter().zip(&prepared.parameters).map(value).collect()
    }

    /// A prepared statement by name.
    pub(super) fn statement(&self, name: &str) -> PgResult<Arc<Prepared>> {
        self.statements.get(name).ok_or_else(|| {
            let message = match name {
                "" => "unnamed prepared statement does not exist".to_owned(),
                name => format!("prepared statement \"{name}\" does not exist"),
            };
            PgError::new(SqlState::InvalidStatementName, message)
        })
    }

    /// A prepared statement as the catalog is now.
    pub(super) async fn current(
        &mut self,
        running: &Running,
        prepared: Arc<Prepared>,
    ) -> PgResult<Arc<Prepared>> {
        let version = self.version();
        let (Some(parsed), true) = (&prepared.parsed, prepared.planned.is_some()) else {
            return Ok(prepared);
        };
        if prepared.version == version {
            return Ok(prepared);
        }
        let (sql, types) = (Arc::clone(&prepared.sql), prepared.parameters.clone());
        let again = self.prepare_parsed(running, sql, Arc::clone(parsed), &types, version).await?;
        let columns = |p: &Prepared| p.shape.as_ref().map(|shape| shape.columns.clone());
        if columns(&again) != columns(&prepared) {
            return Err(other_columns());
        }
        Ok(Arc::new(again))
    }

    fn version(&self) -> Version {
        (self.session.snapshot(&self.shared).version(), self.session.variables.role())
    }

    /// Parses a text on a thread with a large stack.
    pub(super) async fn parse(
        &mut self,
        running: &Running,
        sql: &str,
    ) -> PgResult<Vec<Arc<Parsed>>> {
        let most = usize::try_from(self.shared.settings.max_query_text.0).unwrap_or(usize::MAX);
        if sql.len() > most {
            let message = format!("the statement's text is longer than {most} bytes");
            return Err(PgError::new(SqlState::ProgramLimitExceeded, message)
                .hint("Load data with files, or raise max_query_text."));
        }
        let text = sql.to_owned();
        let work = async move {
            let parsed = planner::parse::parse(&text).map_err(engine::from_parse)?;
            Ok(parsed.into_iter().map(Arc::new).collect())
        };
        let work = self.shared.planning.spawn(work);
        self.wait(running, work).await
    }
}

/// A statement would give other columns than it was described with.
pub(super) fn other_columns() -> PgError {
    PgError::new(SqlState::FeatureNotSupported, "cached plan must not change result type")
}

/// 42P05.
pub(super) fn duplicate_statement(name: &str) -> PgError {
    let message = format!("prepared statement \"{name}\" already exists");
    PgError::new(SqlState::DuplicatePreparedStatement, message)
}

fn given_type(oid: u32) -> PgResult<Option<DataType>> {
    if oid == 0 || oid == self::oid::UNKNOWN {
        return Ok(None);
    }
    let known = arrow_type_of(oid);
    known.map(Some).ok_or_else(|| PgError::unsupported(format!("a parameter of type oid {oid}")))
}

/// What the client declared, else what planning found.
fn parameter_oids(planned: &Planned, given: &[u32]) -> Vec<u32> {
    let fields = planned.query.iter().flat_map(|query| query.parameters.iter());
    fields
        .enumerate()
        .map(|(index, field)| match given.get(index) {
            Some(oid) if *oid != 0 && *oid != self::oid::UNKNOWN => *oid,
            _ => pg_type_of(field).oid,
        })
        .collect()
}

fn sql_type_oid(data_type: &ast::DataType) -> PgResult<u32> {
    let written = data_type.to_string().to_lowercase();
    let found = crate::types::all_types().find(|t| t.name == written || t.sql_name == written);
    let unknown = || {
        let message = format!("type \"{written}\" does not exist");
        PgError::new(SqlState::UndefinedObject, message)
    };
    match written.as_str() {
        "int" => Ok(oid::INT4),
        "float" | "double" => Ok(oid::FLOAT8),
        "decimal" => Ok(oid::NUMERIC),
        _ => found.map(|t| t.oid).ok_or_else(unknown),
    }
}

/// A literal's text; none for NULL.
fn literal_text(expr: &Expr) -> PgResult<Option<String>> {
    match expr {
        Expr::Value(value) => match &value.value {
            ast::Value::Null => Ok(None),
            ast::Value::SingleQuotedString(text)
            | ast::Value::EscapedStringLiteral(text)
            | ast::Value::Number(text, _) => Ok(Some(text.clone())),
            ast::Value::Boolean(value) => Ok(Some(value.to_string())),
            other => Err(PgError::unsupported(format!("the value {other} in EXECUTE"))),
        },
        Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr } => {
            Ok(literal_text(expr)?.map(|text| format!("-{text}")))
        }
        Expr::Cast { expr, .. } | Expr::Nested(expr) => literal_text(expr),
        _ => {
            Err(PgError::unsupported("an expression as a parameter of EXECUTE")
                .hint("Give a literal."))
        }
    }
}
