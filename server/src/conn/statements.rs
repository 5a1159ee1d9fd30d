//! Running one statement of this session, whatever protocol it came with. In: the parsed statement
//! and its values. Out: its outcome; rows are still to be sent.

use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::sql::parser::Statement as Sql;
use datafusion::sql::sqlparser::ast::{DiscardObject, ObjectName, ObjectNamePart, Statement};
use planner::commands::Command;
use planner::cursors;
use planner::parse::Parsed;
use planner::resolve::Catalog as _;

use super::prepared::Prepared;
use super::transactions::{ends_transaction, mends_transaction};
use super::{Connection, Running, Stream};
use crate::catalog::StatementCatalog;
use crate::error::{PgError, PgResult, SqlState, engine};
use crate::meta::Relation;
use crate::notify::pending::Wish;
use crate::session::variables::VARIABLES;
use crate::session::{Transaction, in_failed_transaction, limits};
use crate::statement::kind::{self, Kind};
use crate::statement::query::{self, Planned};
use crate::statement::{Outcome, command, copy, ddl, explain, session_commands};
use crate::types::{format_type, pg_type_of};
use crate::wire::backend;

impl<S: Stream> Connection<S> {
    /// Runs a statement up to its outcome. `alone` says that `sql` is this statement and no other.
    pub(super) async fn outcome(
        &mut self,
        running: &Running,
        sql: &Arc<str>,
        parsed: &Arc<Parsed>,
        alone: bool,
    ) -> PgResult<Outcome> {
        let kind = kind::of(&parsed.statement);
        self.admit(kind, parsed)?;
        if let Some(command) = &parsed.command {
            return self.command(running, command).await;
        }
        match kind {
            Kind::Query => {
                let (context, text, statement) =
                    (self.context(), Arc::clone(sql), Arc::clone(parsed));
                let work = self.shared.planning.spawn(async move {
                    let planned = query::plan(&context, &text, &statement, &[]).await?;
                    no_parameters(&planned, &text)?;
                    if alone {
                        query::remember(&context, &text, &planned);
                    }
                    query::ready(&context, &text, &planned, vec![]).await
                });
                self.wait(running, work).await
            }
            Kind::Session => self.session_statement(running, sql, parsed, alone).await,
            Kind::Definition(_) => {
                let (context, text, statement) =
                    (self.context(), Arc::clone(sql), Arc::clone(parsed));
                let work = async move { ddl::run(&context, &text, &statement).await };
                let work = self.shared.planning.spawn(work);
                self.wait(running, work).await
            }
            Kind::Write(what) => {
                // A table can be taken back with the catalog; a file under a name of its own
                // cannot.
                if matches!(parsed.statement, Sql::CopyTo(_)) {
                    self.session.outside_transaction(what)?;
                }
                let (context, text, statement) =
                    (self.context(), Arc::clone(sql), Arc::clone(parsed));
                let cancel = running.cancel.clone();
                let work = async move { copy::run(&context, &text, &statement, &cancel).await };
                let work = self.shared.planning.spawn(work);
                self.wait(running, work).await
            }
            Kind::Copy => self.copy(running, sql, parsed).await,
            Kind::Explain => {
                let (context, text, statement) =
                    (self.context(), Arc::clone(sql), Arc::clone(parsed));
                let cancel = running.cancel.clone();
                let work = self.shared.planning.spawn(async move {
                    match &statement.statement {
                        Sql::Explain(inner) => explain::run(&context, &text, inner, &cancel).await,
                        other => Err(PgError::unsupported(kind::words(other))),
                    }
                });
                self.wait(running, work).await
            }
            Kind::Unsupported => Err(PgError::unsupported(kind::words(&parsed.statement))),
        }
    }

    /// A prepared statement with its values.
    pub(super) async fn prepared_outcome(
        &mut self,
        running: &Running,
        prepared: Arc<Prepared>,
        values: Vec<ScalarValue>,
    ) -> PgResult<Outcome> {
        if prepared.planned.is_none() {
            let Some(parsed) = &prepared.parsed else { return Ok(Outcome::done("")) };
            return self.outcome(running, &prepared.sql, parsed, false).await;
        }
        if matches!(self.session.transaction, Transaction::Failed(_)) {
            return Err(in_failed_transaction());
        }
        let constant = prepared.planned.as_ref().and_then(|planned| planned.constant.as_ref());
        if let (Some(constant), true) = (constant, prepared.shape.is_some()) {
            return Ok(query::constant_rows(constant));
        }
        let prepared = self.current(running, prepared).await?;
        if let Some(asked) = prepared.parsed.as_deref().and_then(cursors::declared) {
            self.admit_cursor(&asked, true)?;
            let (text, planned) = (Arc::clone(&prepared.sql), prepared.planned.clone());
            return self.declare(running, &text, asked, planned, values).await;
        }
        let context = self.context();
        let work = self.shared.planning.spawn(async move {
            match &prepared.planned {
                Some(planned) => query::ready(&context, &prepared.sql, planned, values).await,
                None => Err(PgError::unsupported("this statement")),
            }
        });
        self.wait(running, work).await
    }

    /// Refuses what this transaction cannot run.
    fn admit(&self, kind: Kind, parsed: &Parsed) -> PgResult<()> {
        if matches!(self.session.transaction, Transaction::Failed(_))
            && !mends_transaction(&parsed.statement)
        {
            return Err(in_failed_transaction());
        }
        let what = match (parsed.command.as_deref(), kind) {
            (Some(command), _) if !command.is_of_session() => command.tag(),
            (None, Kind::Definition(what) | Kind::Write(what)) => what,
            _ => return Ok(()),
        };
        let on = |name| self.session.variables.show(name).is_ok_and(|value| value == "on");
        if on("transaction_read_only") {
            let message = format!("cannot execute {what} in a read-only transaction");
            let error = PgError::new(SqlState::ReadOnlySqlTransaction, message);
            let is_limit = self.session.variables.limits().is_read_only();
            return Err(if is_limit { error.hint(limits::HINT) } else { error });
        }
        Ok(())
    }

    /// A statement about roles, rights or names.
    async fn command(&mut self, running: &Running, command: &Arc<Command>) -> PgResult<Outcome> {
        if command.is_of_session() {
            self.settings_changed = true;
            let snapshot = self.session.snapshot(&self.shared);
            return session_commands::become_role(&mut self.session, &snapshot, command);
        }
        let (context, command) = (self.context(), Arc::clone(command));
        let work = async move { command::run(&context, &command).await };
        let work = self.shared.planning.spawn(work);
        self.wait(running, work).await
    }

    async fn session_statement(
        &mut self,
        running: &Running,
        sql: &Arc<str>,
        parsed: &Arc<Parsed>,
        alone: bool,
    ) -> PgResult<Outcome> {
        self.settings_changed = true;
        self.publish();
        if let Some(fetch) = cursors::fetch(&parsed.statement) {
            return self.fetch(running, &fetch).await;
        }
        if let Some(asked) = cursors::declared(parsed) {
            self.admit_cursor(&asked, alone)?;
            return self.declare(running, sql, asked, None, vec![]).await;
        }
        if ends_transaction(&parsed.statement) {
            self.end_definitions(&parsed.statement).await?;
        }
        let outcome = match &parsed.statement {
            Sql::Statement(statement) => match statement.as_ref() {
                Statement::Prepare { name, data_types, statement } => {
                    let name = name.value.clone();
                    Box::pin(self.sql_prepare(running, &name, data_types, statement)).await
                }
                Statement::Execute { name: Some(name), parameters, .. } => {
                    let prepared = self.statement(&last_part(name))?;
                    let values = self.execute_values(&prepared, parameters)?;
                    Box::pin(self.prepared_outcome(running, prepared, values)).await
                }
                Statement::Deallocate { name, .. } => {
                    self.deallocate(&name.value, name.quote_style.is_none())
                }
                Statement::Savepoint { name } => {
                    let saved = self.session.savepoint(&name.value, self.made);
                    saved.map(|()| Outcome::done("SAVEPOINT"))
                }
                Statement::ReleaseSavepoint { name } => {
                    let released = self.session.release(&name.value);
                    released.map(|()| Outcome::done("RELEASE"))
                }
                Statement::Rollback { savepoint: Some(name), .. } => {
                    let made = self.session.roll_back_to(&name.value)?;
                    self.portals.retain(|_, portal| portal.number < made);
                    self.cursors.forget_since(made);
                    Ok(Outcome::done("ROLLBACK"))
                }
                Statement::Close { cursor } => self.close_cursor(cursor),
                Statement::NOTIFY { .. }
                | Statement::LISTEN { .. }
                | Statement::UNLISTEN { .. } => self.ask_channels(statement),
                Statement::Discard { object_type } => self.discard(object_type),
                Statement::ShowTables { .. } => self.show_tables(),
                Statement::ExplainTable { table_name, .. } => {
                    self.describe_table(running, table_name, parsed.statement.clone()).await
                }
                _ => session_commands::run(&mut self.session, &parsed.statement),
            },
            _ => session_commands::run(&mut self.session, &parsed.statement),
        };
        if let (true, Ok(Outcome::Done { tag, .. })) =
            (ends_transaction(&parsed.statement), &outcome)
        {
            self.transaction_ended(tag == "COMMIT");
        }
        outcome
    }

    fn deallocate(&mut self, name: &str, plain: bool) -> PgResult<Outcome> {
        if plain && name.eq_ignore_ascii_case("all") {
            self.statements.clear();
            return Ok(Outcome::done("DEALLOCATE ALL"));
        }
        self.statement(name)?;
        self.statements.remove(name);
        Ok(Outcome::done("DEALLOCATE"))
    }

    fn discard(&mut self, what: &DiscardObject) -> PgResult<Outcome> {
        if matches!(what, DiscardObject::ALL) {
            self.session.outside_transaction("DISCARD ALL")?;
            self.session.variables.discard();
            self.statements.clear();
            self.portals.clear();
            self.cursors.close_all();
            self.session.notes.ask(Wish::UnlistenAll);
            self.shared.sessions.locks.give_back_all(self.registration.pid());
        }
        Ok(Outcome::done(format!("DISCARD {what}")))
    }

    /// Values of the settings clients are told of.
    fn reported(&self) -> impl Iterator<Item = String> + '_ {
        let told = VARIABLES.iter().filter(|variable| variable.reported.is_some());
        told.map(|variable| self.session.variables.get(variable))
    }

    /// Tells the client of settings that are not what it was told last.
    pub(super) fn report_settings(&mut self) {
        let now: Vec<String> = self.reported().collect();
        let names = VARIABLES.iter().filter_map(|variable| variable.reported);
        for (place, (name, value)) in names.zip(&now).enumerate() {
            if self.told.get(place) != Some(value) {
                backend::parameter(&mut self.out, name, value);
                if name == "application_name" {
                    self.registration.member().now().application = value.as_str().into();
                }
            }
        }
        self.told = now;
        self.settings_changed = false;
    }

    /// SHOW TABLES: what the search path reaches.
    pub(super) fn show_tables(&self) -> PgResult<Outcome> {
        let scope = self.context().scope;
        let seen = |relation: &&Arc<Relation>| scope.rights.sees(relation);
        let relations: Vec<_> = scope.snapshot.relations().filter(seen).collect();
        let column = |value: fn(&Relation) -> &str| {
            relations.iter().map(|relation| Some(value(relation).to_owned())).collect()
        };
        Outcome::table(
            "SHOW",
            &[
                ("table_schema", column(|relation| &relation.schema)),
                ("table_name", column(|relation| &relation.name)),
                ("table_type", column(|relation| relation.kind.noun())),
            ],
        )
    }

    /// DESCRIBE: columns with the types PostgreSQL would name.
    async fn describe_table(
        &mut self,
        running: &Running,
        name: &ObjectName,
        statement: Sql,
    ) -> PgResult<Outcome> {
        let parts: Vec<_> =
            name.0.iter().filter_map(ObjectNamePart::as_ident).map(|i| i.value.clone()).collect();
        let reference = match parts.as_slice() {
            [schema, table] => {
                datafusion::common::TableReference::partial(schema.clone(), table.clone())
            }
            _ => datafusion::common::TableReference::bare(last_part(name)),
        };
        let context = self.context();
        let work = self.shared.planning.spawn(async move {
            let state = context.state();
            let catalog =
                StatementCatalog::new(&context.shared, &state, &context.scope, &statement);
            let table = catalog.table(&reference).await.map_err(|e| engine::from_engine(&e, ""))?;
            let missing = || {
                let message = format!("relation \"{reference}\" does not exist");
                PgError::new(SqlState::UndefinedTable, message)
            };
            Ok(table.ok_or_else(missing)?.schema())
        });
        let schema = self.wait(running, work).await?;
        let fields = schema.fields();
        let types = fields.iter().map(|field| {
            let shown = pg_type_of(field);
            Some(format_type(shown.oid, Some(shown.typmod)))
        });
        let nullable = |field: &Arc<datafusion::arrow::datatypes::Field>| {
            Some(if field.is_nullable() { "YES" } else { "NO" }.to_owned())
        };
        Outcome::table(
            "DESCRIBE",
            &[
                ("column_name", fields.iter().map(|field| Some(field.name().clone())).collect()),
                ("data_type", types.collect()),
                ("is_nullable", fields.iter().map(nullable).collect()),
            ],
        )
    }
}

pub(super) fn no_parameters(planned: &Planned, sql: &str) -> PgResult<()> {
    match &planned.query {
        Some(query) if !query.parameters.is_empty() => {
            let place = planner::places::Places::of(sql).parameter();
            Err(PgError::new(SqlState::UndefinedParameter, "there is no parameter $1").at(place))
        }
        _ => Ok(()),
    }
}

fn last_part(name: &ObjectName) -> String {
    let last = name.0.last().and_then(ObjectNamePart::as_ident);
    last.map(|ident| ident.value.clone()).unwrap_or_default()
}
