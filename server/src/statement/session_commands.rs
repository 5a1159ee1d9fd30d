//! Statements that concern the session alone: SET, SHOW, BEGIN, DISCARD ... In: a statement and the
//! session. Out: what to answer; the session is changed. PREPARE and EXECUTE are the connection's,
//! since they share its prepared statements.

use std::sync::Arc;

use datafusion::sql::parser::{ResetStatement, Statement as Parsed};
use datafusion::sql::sqlparser::ast::{
    ContextModifier, Expr, Set, Statement, TransactionAccessMode, TransactionMode, UnaryOperator,
    Value,
};

use planner::commands::{Command, RoleName};

use super::Outcome;
use crate::error::{PgError, PgResult, SqlState};
use crate::meta::Snapshot;
use crate::rights::Rights;
use crate::session::settings::{Shown, check};
use crate::session::{Session, Transaction};

/// Runs a statement on the session.
///
/// # Errors
/// What PostgreSQL says: unknown settings, bad values, statements that are not supported.
pub fn run(session: &mut Session, statement: &Parsed) -> PgResult<Outcome> {
    let statement = match statement {
        Parsed::Reset(ResetStatement::Variable(name)) => {
            return reset(session, &name.to_string());
        }
        Parsed::Statement(statement) => statement,
        other => return Err(PgError::unsupported(super::kind::words(other))),
    };
    match statement.as_ref() {
        Statement::Set(set) => self::set(session, set),
        Statement::ShowVariable { variable } => {
            let words: Vec<_> = variable.iter().map(|ident| ident.value.clone()).collect();
            show(session, &words.join(" "))
        }
        Statement::StartTransaction { modes, .. } => {
            let warning = session.begin();
            apply_modes(session, modes)?;
            Ok(Outcome::noticed("BEGIN", warning))
        }
        Statement::Commit { chain, .. } => end(session, true, *chain),
        Statement::Rollback { chain, savepoint: None } => end(session, false, *chain),
        other => {
            let parsed = Parsed::Statement(Box::new(other.clone()));
            Err(PgError::unsupported(super::kind::words(&parsed)))
        }
    }
}

/// COMMIT and ROLLBACK; AND CHAIN begins another transaction like the one that ends.
fn end(session: &mut Session, commit: bool, chain: bool) -> PgResult<Outcome> {
    if chain && session.transaction == Transaction::Idle {
        let verb = if commit { "COMMIT" } else { "ROLLBACK" };
        let message = format!("{verb} AND CHAIN can only be used in transaction blocks");
        return Err(PgError::new(SqlState::NoActiveSqlTransaction, message));
    }
    let modes = ["transaction_read_only", "transaction_isolation"]
        .map(|name| (name, session.variables.value(name)));
    let (tag, warning) = session.end(commit);
    if chain {
        session.begin();
        for (name, value) in modes {
            session.variables.set(name, &value, true)?;
        }
    }
    Ok(Outcome::noticed(tag, warning))
}

/// SET ROLE and SET SESSION AUTHORIZATION.
///
/// # Errors
/// 22023 for a role that is not there, 42501 for one it may not become.
pub fn become_role(
    session: &mut Session,
    snapshot: &Arc<Snapshot>,
    command: &Command,
) -> PgResult<Outcome> {
    let variables = &mut session.variables;
    let is_session = matches!(command, Command::SetSession { .. });
    let (Command::SetRole { role, local } | Command::SetSession { role, local }) = command else {
        return Err(PgError::unsupported(command.tag()));
    };
    let oid = match role {
        None if is_session => variables.login_role(),
        None | Some(RoleName::Session) => variables.session_role(),
        Some(RoleName::Current) => variables.role(),
        Some(RoleName::Public) => return Err(no_such_role("public")),
        Some(RoleName::Named(name)) => {
            snapshot.find_role(name).map_err(|_| no_such_role(name))?.oid
        }
    };
    let role_name = snapshot.role_name(oid);
    let found = snapshot.role_by_oid(oid).ok_or_else(|| no_such_role(&role_name))?;
    if is_session {
        let login = Rights::of(snapshot, variables.login_role());
        if oid != login.role && !login.is_superuser() {
            let message = format!("permission denied to set session authorization \"{role_name}\"");
            return Err(PgError::new(SqlState::InsufficientPrivilege, message));
        }
        variables.set_session_role(&role_name, oid, found.superuser, *local);
    } else {
        let rights = Rights::of(snapshot, variables.session_role());
        if !rights.may_become(oid) {
            let message = format!("permission denied to set role \"{role_name}\"");
            return Err(PgError::new(SqlState::InsufficientPrivilege, message));
        }
        let shown = if role.is_none() { "none" } else { &role_name };
        variables.set_role(shown, oid, found.superuser, *local);
    }
    Ok(Outcome::done("SET"))
}

fn no_such_role(name: &str) -> PgError {
    PgError::new(SqlState::InvalidParameterValue, format!("role \"{name}\" does not exist"))
}

fn set(session: &mut Session, set: &Set) -> PgResult<Outcome> {
    match set {
        Set::SingleAssignment { scope, variable, values, .. } => {
            let local = *scope == Some(ContextModifier::Local);
            assign(session, &variable.to_string(), values, local)
        }
        Set::SetTimeZone { local, value } => {
            assign(session, "timezone", std::slice::from_ref(value), *local)
        }
        Set::SetNames { charset_name, .. } => {
            session.variables.set("client_encoding", &charset_name.value, false)?;
            Ok(Outcome::done("SET"))
        }
        Set::SetNamesDefault {} => reset(session, "client_encoding").map(|_| Outcome::done("SET")),
        Set::SetTransaction { modes, session: all, .. } => {
            if *all { set_defaults(session, modes) } else { apply_modes(session, modes) }?;
            Ok(Outcome::done("SET"))
        }
        other => Err(PgError::unsupported(format!("\"{other}\""))),
    }
}

fn assign(session: &mut Session, name: &str, values: &[Expr], local: bool) -> PgResult<Outcome> {
    let name = name.trim_matches('"');
    if let [Expr::Identifier(word)] = values
        && word.quote_style.is_none()
        && word.value.eq_ignore_ascii_case("default")
    {
        session.variables.reset(name, local)?;
        return Ok(Outcome::done("SET"));
    }
    let values = values.iter().map(plain_value).collect::<PgResult<Vec<_>>>()?.join(", ");
    if local && session.transaction == Transaction::Idle {
        // It changes nothing, but has to make sense.
        check(name, &values, true)?;
        let message = "SET LOCAL can only be used in transaction blocks";
        let warning = PgError::warning(SqlState::NoActiveSqlTransaction, message);
        return Ok(Outcome::noticed("SET", Some(warning)));
    }
    session.variables.set(name, &values, local)?;
    Ok(Outcome::done("SET"))
}

/// The text of a value in SET: a word, a string, a number.
fn plain_value(expr: &Expr) -> PgResult<String> {
    match expr {
        Expr::Identifier(word) => Ok(match word.quote_style {
            Some(_) => format!("\"{}\"", word.value),
            None => word.value.clone(),
        }),
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text)
            | Value::DoubleQuotedString(text)
            | Value::EscapedStringLiteral(text)
            | Value::Number(text, _) => Ok(text.clone()),
            Value::Boolean(value) => Ok(value.to_string()),
            other => Err(PgError::unsupported(format!("the value {other} in SET"))),
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => Ok(format!("-{}", plain_value(expr)?)),
        Expr::UnaryOp { op: UnaryOperator::Plus, expr } => plain_value(expr),
        other => Ok(other.to_string()),
    }
}

fn apply_modes(session: &mut Session, modes: &[TransactionMode]) -> PgResult<()> {
    for mode in modes {
        match mode {
            TransactionMode::AccessMode(access) => {
                let value = if *access == TransactionAccessMode::ReadOnly { "on" } else { "off" };
                session.variables.set("transaction_read_only", value, true)?;
            }
            TransactionMode::IsolationLevel(level) => {
                let level = level.to_string().to_lowercase();
                session.variables.set("transaction_isolation", &level, true)?;
            }
        }
    }
    Ok(())
}

/// SET SESSION CHARACTERISTICS AS TRANSACTION.
fn set_defaults(session: &mut Session, modes: &[TransactionMode]) -> PgResult<()> {
    for mode in modes {
        let (name, value) = match mode {
            TransactionMode::AccessMode(access) => {
                let value = if *access == TransactionAccessMode::ReadOnly { "on" } else { "off" };
                ("default_transaction_read_only", value.to_owned())
            }
            TransactionMode::IsolationLevel(level) => {
                ("default_transaction_isolation", level.to_string().to_lowercase())
            }
        };
        session.variables.set(name, &value, false)?;
    }
    Ok(())
}

fn reset(session: &mut Session, name: &str) -> PgResult<Outcome> {
    if name.eq_ignore_ascii_case("all") {
        session.variables.reset_all();
    } else {
        session.variables.reset(name.trim_matches('"'), false)?;
    }
    Ok(Outcome::done("RESET"))
}

fn show(session: &Session, words: &str) -> PgResult<Outcome> {
    let lower = words.to_lowercase();
    let name = match lower.as_str() {
        "all" => return show_all(session),
        "transaction isolation level" => "transaction_isolation",
        "time zone" => "timezone",
        "session authorization" => "session_authorization",
        other => other,
    };
    let name = name.replace(' ', ".");
    let value = session.variables.show(&name)?;
    let known = crate::session::variables::find(&name).ok();
    let title = known.and_then(|variable| variable.reported).unwrap_or(&name);
    Outcome::table("SHOW", &[(title, vec![Some(value)])])
}

fn show_all(session: &Session) -> PgResult<Outcome> {
    let all = session.variables.all();
    let column =
        |value: fn(&Shown) -> &str| all.iter().map(|shown| Some(value(shown).to_owned())).collect();
    let name = |shown: &'_ Shown| shown.variable.and_then(|variable| variable.reported);
    let names = all.iter().map(|shown| Some(name(shown).unwrap_or(shown.name.as_ref()).to_owned()));
    Outcome::table(
        "SHOW",
        &[
            ("name", names.collect()),
            ("setting", column(|shown| &shown.value)),
            ("description", column(|shown| shown.variable.map_or("", |variable| variable.about))),
        ],
    )
}
