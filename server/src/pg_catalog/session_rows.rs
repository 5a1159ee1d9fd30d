//! What sessions do, as `pg_catalog` shows it.
//!
//! In: the view, and through it all sessions. Out: tables whose rows are those of the moment they
//! are read. Of other roles' sessions only superusers see more than that they are there. Refuses to
//! change anything.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::common::{DataFusionError, Result};

use super::CatalogView;
use super::activity::{count, moment};
use super::cells::{Cell, Sparse};
use super::layout::{self, PG_CATALOG, SystemRelation};
use super::live::{LiveView, Source};
use crate::error::PgResult;
use crate::sessions::Member;
use crate::sessions::advisory::Key;
use crate::sessions::now::State;

type Rows = fn(&CatalogView) -> PgResult<Vec<Sparse<'static>>>;

/// A relation of `pg_catalog` about sessions, if it has one of that name.
pub fn session_table(name: &str, view: &Arc<CatalogView>) -> Option<Arc<dyn TableProvider>> {
    let rows: Rows = match name {
        "pg_cursors" => cursors,
        "pg_locks" => locks,
        "pg_prepared_statements" => prepared_statements,
        "pg_stat_activity" => activity,
        "pg_stat_database" => database,
        "pg_stat_gssapi" => gssapi,
        "pg_stat_ssl" => ssl,
        _ => return None,
    };
    let source = Live { view: Arc::clone(view), rows };
    Some(Arc::new(LiveView { relation: layout::find(PG_CATALOG, name)?, source }))
}

#[derive(Debug)]
struct Live {
    view: Arc<CatalogView>,
    rows: Rows,
}

#[async_trait]
impl Source for Live {
    async fn rows(&self, _: &SystemRelation) -> Result<Vec<Sparse<'static>>> {
        (self.rows)(&self.view).map_err(|error| DataFusionError::External(Box::new(error)))
    }
}

fn members(view: &CatalogView) -> PgResult<Vec<Arc<Member>>> {
    Ok(view.link.sessions()?.all())
}

/// Whether the session that asks may see what another one does.
fn sees(view: &CatalogView, member: &Member) -> bool {
    view.rights.has_role(member.role) || view.rights.has_role_named("pg_read_all_stats")
}

fn activity(view: &CatalogView) -> PgResult<Vec<Sparse<'static>>> {
    Ok(members(view)?.iter().map(|member| activity_row(view, member)).collect())
}

fn activity_row(view: &CatalogView, member: &Member) -> Sparse<'static> {
    let role = view.rights.snapshot().role_by_oid(member.role);
    let name = role.map_or(&member.who.user, |role| &role.name);
    let now = member.now().clone();
    let mut row = vec![
        ("datid", view.database_oid.into()),
        ("datname", view.database.clone().into()),
        ("pid", member.pid.into()),
        ("usesysid", member.role.0.into()),
        ("usename", name.clone().into()),
        ("application_name", now.application.as_ref().into()),
    ];
    if !sees(view, member) {
        row.push(("query", "<insufficient privilege>".into()));
        return row;
    }
    let waits = !matches!(now.state, State::Active);
    row.extend([
        ("client_addr", member.who.peer.ip().to_canonical().to_string().into()),
        ("client_port", i32::from(member.who.peer.port()).into()),
        ("backend_start", moment(member.since)),
        ("xact_start", now.transaction_began.map_or(Cell::Null, moment)),
        ("query_start", now.query_began.map_or(Cell::Null, moment)),
        ("state_change", moment(now.changed)),
        ("wait_event_type", waits.then_some("Client").into()),
        ("wait_event", waits.then_some("ClientRead").into()),
        ("state", now.state.word().into()),
        ("query", now.query.as_ref().into()),
        ("backend_type", "client backend".into()),
    ]);
    row
}

fn ssl(view: &CatalogView) -> PgResult<Vec<Sparse<'static>>> {
    let row = |member: &Arc<Member>| {
        let mut row = vec![("pid", member.pid.into())];
        if sees(view, member) {
            row.push(("ssl", member.who.is_encrypted.into()));
        }
        row
    };
    Ok(members(view)?.iter().map(row).collect())
}

fn gssapi(view: &CatalogView) -> PgResult<Vec<Sparse<'static>>> {
    let no = || Cell::from(false);
    let row = |member: &Arc<Member>| {
        let flags = ["gss_authenticated", "encrypted", "credentials_delegated"];
        let flags = flags.into_iter().map(|name| (name, no()));
        [("pid", member.pid.into())].into_iter().chain(flags).collect()
    };
    Ok(members(view)?.iter().map(row).collect())
}

/// Numbers of `pg_stat_database` about what is not done here.
const NONE_OF: &[&str] = &[
    "blks_read",
    "blks_hit",
    "tup_returned",
    "tup_fetched",
    "tup_inserted",
    "tup_updated",
    "tup_deleted",
    "conflicts",
    "temp_files",
    "temp_bytes",
    "deadlocks",
];

fn database(view: &CatalogView) -> PgResult<Vec<Sparse<'static>>> {
    let sessions = view.link.sessions()?;
    let totals = &sessions.totals;
    let mut row = vec![
        ("datid", view.database_oid.into()),
        ("datname", view.database.clone().into()),
        ("numbackends", count(sessions.count())),
        ("xact_commit", count(totals.commits())),
        ("xact_rollback", count(totals.rollbacks())),
        ("sessions", count(totals.sessions())),
        ("sessions_abandoned", count(totals.abandoned())),
        ("sessions_fatal", count(totals.fatal())),
        ("sessions_killed", count(totals.killed())),
    ];
    row.extend(NONE_OF.iter().map(|name| (*name, Cell::Int(0))));
    Ok(vec![row])
}

/// Advisory locks: there are no others.
fn locks(view: &CatalogView) -> PgResult<Vec<Sparse<'static>>> {
    let row = |(key, pid, is_shared): (Key, i32, bool)| {
        let (class, object, kind) = match key {
            Key::One(number) => {
                let bits = number.cast_unsigned();
                ((bits >> 32) as u32, bits as u32, 1)
            }
            Key::Two(first, second) => (first.cast_unsigned(), second.cast_unsigned(), 2),
        };
        vec![
            ("locktype", "advisory".into()),
            ("database", view.database_oid.into()),
            ("classid", class.into()),
            ("objid", object.into()),
            ("objsubid", kind.into()),
            ("pid", pid.into()),
            ("mode", if is_shared { "ShareLock" } else { "ExclusiveLock" }.into()),
            ("granted", true.into()),
            ("fastpath", false.into()),
        ]
    };
    Ok(view.link.sessions()?.locks.all().into_iter().map(row).collect())
}

fn cursors(view: &CatalogView) -> PgResult<Vec<Sparse<'static>>> {
    let row = |declared: &Arc<crate::cursors::Declared>| {
        vec![
            ("name", declared.name.clone().into()),
            ("statement", declared.statement.as_ref().into()),
            ("is_holdable", declared.holds.into()),
            ("is_binary", declared.is_binary.into()),
            ("is_scrollable", declared.scrolls.into()),
            ("creation_time", moment(declared.at)),
        ]
    };
    Ok(view.link.cursors().iter().map(row).collect())
}

fn prepared_statements(view: &CatalogView) -> PgResult<Vec<Sparse<'static>>> {
    let row = |(name, prepared): &(String, Arc<crate::conn::Prepared>)| {
        let oids = |oids: Vec<u32>| Cell::List(oids.into_iter().map(Cell::from).collect());
        let columns = prepared
            .shape
            .as_ref()
            .map(|shape| oids(shape.columns.iter().map(|column| column.column_type.oid).collect()));
        vec![
            ("name", name.clone().into()),
            ("statement", prepared.sql.as_ref().into()),
            ("prepare_time", moment(prepared.at)),
            ("parameter_types", oids(prepared.parameters.clone())),
            ("result_types", columns.unwrap_or(Cell::Null)),
            ("from_sql", prepared.is_from_sql.into()),
            ("generic_plans", Cell::Int(0)),
            ("custom_plans", Cell::Int(0)),
        ]
    };
    Ok(view.link.statements.all().iter().map(row).collect())
}
