//! Functions that do something, or see what their statement has done.
//!
//! In: the view, and through it the session as it runs. Out: settings, other sessions, time that
//! passes. Each is called when the statement runs, once a row, and never while it is planned.
//! Refuses to change the session itself: it is asked, and does that when the statement has ended.

use std::sync::Arc;
use std::time::Duration;

use datafusion::common::{DataFusionError, Result};

use super::rows::Kind::{Bool, Float, Int, Text};
use super::rows::{Arg, Function, strict};
use crate::cancel::Reason;
use crate::error::{PgError, SqlState};
use crate::pg_catalog::CatalogView;
use crate::pg_catalog::cells::Cell;
use crate::session::variables;
use crate::sessions::Member;

pub(super) const FUNCTIONS: &[Function] = &[
    strict("current_setting", &[Text, Bool], "text", current_setting).optional(1).volatile(),
    strict("set_config", &[Text, Text, Bool], "text", set_config).sees_nulls().volatile(),
    strict("pg_cancel_backend", &[Int], "bool", cancel).volatile(),
    strict("pg_terminate_backend", &[Int, Int], "bool", terminate).optional(1).volatile(),
    strict("pg_notify", &[Text, Text], "void", notify).sees_nulls().volatile(),
    strict("pg_notification_queue_usage", &[], "float8", queue_usage).volatile(),
    strict("pg_sleep", &[Float], "void", sleep).volatile(),
    // What `pg_listening_channels()` is in the planner's rewrite.
    strict("mobula_listening", &[], "_text", listening),
];

/// A wait longer than this is one without end.
const WAIT_MAX_SECONDS: f64 = 1e9;

pub(super) fn raise(error: PgError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

fn current_setting(view: &CatalogView, args: &[Arg<'_>]) -> Result<Cell> {
    let name = args[0].text();
    match view.link.setting(name) {
        Some(value) => Ok(value.into()),
        None if args.get(1).is_some_and(Arg::is_true) => Ok(Cell::Null),
        None => Err(raise(variables::unknown(name))),
    }
}

fn set_config(view: &CatalogView, args: &[Arg<'_>]) -> Result<Cell> {
    let Arg::Text(name) = args[0] else {
        let message = "SET requires parameter name";
        return Err(raise(PgError::new(SqlState::NullNotAllowed, message)));
    };
    let value = if let Arg::Text(value) = args[1] { Some(value) } else { None };
    view.link.set(name, value, args[2].is_true()).map(Cell::from).map_err(raise)
}

fn cancel(view: &CatalogView, args: &[Arg<'_>]) -> Result<Cell> {
    let denials = [
        "must be a superuser to cancel superuser query",
        "must be a member of the role whose query is being canceled or member of \
         pg_signal_backend",
    ];
    let found = other(view, args[0].int(), denials)?;
    if let Some(member) = &found {
        member.cancel(Reason::Request);
    }
    Ok(found.is_some().into())
}

fn terminate(view: &CatalogView, args: &[Arg<'_>]) -> Result<Cell> {
    let timeout = args.get(1).map_or(0, Arg::int);
    let Ok(timeout) = u64::try_from(timeout) else {
        let message = "\"timeout\" must not be negative";
        return Err(raise(PgError::new(SqlState::NumericOutOfRange, message)));
    };
    let denials = [
        "must be a superuser to terminate superuser process",
        "must be a member of the role whose process is being terminated or member of \
         pg_signal_backend",
    ];
    let Some(member) = other(view, args[0].int(), denials)? else { return Ok(false.into()) };
    member.end(Reason::Shutdown);
    if timeout == 0 {
        return Ok(true.into());
    }
    let time = Duration::from_millis(timeout);
    let is_gone = view.link.wait(member.gone(), Some(time)).map_err(raise)?.is_some();
    if !is_gone {
        let (pid, unit) = (member.pid, if timeout == 1 { "millisecond" } else { "milliseconds" });
        warn(view, format!("backend with PID {pid} did not terminate within {timeout} {unit}"));
    }
    Ok(is_gone.into())
}

/// The session with that process id, if the caller may act on it.
fn other(view: &CatalogView, pid: i64, denials: [&str; 2]) -> Result<Option<Arc<Member>>> {
    let sessions = view.link.sessions().map_err(raise)?;
    let Some(member) = i32::try_from(pid).ok().and_then(|pid| sessions.get(pid)) else {
        warn(view, format!("PID {pid} is not a PostgreSQL backend process"));
        return Ok(None);
    };
    let rights = &view.rights;
    let of_superuser =
        rights.snapshot().role_by_oid(member.role).is_some_and(|role| role.superuser);
    let denial = if of_superuser && !rights.is_superuser() {
        denials[0]
    } else if rights.has_role(member.role) || rights.has_role_named("pg_signal_backend") {
        return Ok(Some(member));
    } else {
        denials[1]
    };
    Err(raise(PgError::new(SqlState::InsufficientPrivilege, denial)))
}

pub(super) fn warn(view: &CatalogView, message: String) {
    view.link.notice(PgError::warning(SqlState::Warning, message));
}

fn notify(view: &CatalogView, args: &[Arg<'_>]) -> Result<Cell> {
    view.link.notify(args[0].text(), args[1].text()).map_err(raise)?;
    Ok("".into())
}

fn queue_usage(view: &CatalogView, _: &[Arg<'_>]) -> Result<Cell> {
    Ok(Cell::Float(view.link.sessions().map_err(raise)?.channels.usage()))
}

fn sleep(view: &CatalogView, args: &[Arg<'_>]) -> Result<Cell> {
    let seconds = args[0].float().clamp(0.0, WAIT_MAX_SECONDS);
    if seconds > 0.0 {
        let time = Duration::from_secs_f64(seconds);
        view.link.wait(std::future::pending::<()>(), Some(time)).map_err(raise)?;
    }
    Ok("".into())
}

fn listening(view: &CatalogView, _: &[Arg<'_>]) -> Result<Cell> {
    let sessions = view.link.sessions().map_err(raise)?;
    let channels = sessions.channels.of(view.backend_pid);
    Ok(Cell::List(channels.into_iter().map(Cell::from).collect()))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::meta::{Oid, RoleChange, Snapshot};
    use crate::rights::Rights;
    use crate::session::link::Link;
    use crate::sessions::{Registration, Sessions, Who};

    fn log_in(sessions: &Arc<Sessions>, role: Oid, user: &str) -> Registration {
        let peer = SocketAddr::from(([127, 0, 0, 1], 5));
        let who = Who { user: user.to_owned(), peer, local: None, is_encrypted: false };
        sessions.register(who, role, 4, 10, None).expect("room")
    }

    #[test]
    fn who_may_end_whose_sessions() {
        let sessions = Arc::new(Sessions::default());
        let mut snapshot = Snapshot::default();
        let mut role = |oid, name, superuser| {
            let with = RoleChange { superuser: Some(superuser), ..RoleChange::default() };
            snapshot.create_role(Oid(oid), name, &with).expect("a new role");
            log_in(&sessions, Oid(oid), name)
        };
        let all = [role(1, "root", true), role(2, "alice", false), role(3, "bob", false)];
        let snapshot = Arc::new(snapshot);
        for (user, may) in [("root", [true; 3]), ("alice", [false, true, false])] {
            let mine = all.iter().find(|one| one.member().who.user == user).expect("is there");
            let link = Link::new(Arc::clone(&sessions), Arc::clone(mine.member()));
            let view = CatalogView {
                user: user.to_owned(),
                rights: Arc::new(Rights::of(&snapshot, mine.member().role)),
                link: Arc::new(link),
                ..CatalogView::default()
            };
            let done = all.iter().map(|one| {
                let words = ["superuser", "member"];
                other(&view, one.pid().into(), words).map(|found| found.is_some())
            });
            assert_eq!(done.map(|done| done.unwrap_or(false)).collect::<Vec<_>>(), may, "{user}");
            assert!(matches!(other(&view, 0, ["", ""]), Ok(None)));
            assert_eq!(view.link.take_notices().len(), 1);
        }
    }
}
