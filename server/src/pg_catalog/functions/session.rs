//! Functions about the server and the session that asks.
//!
//! In: the view. Out: its names and numbers.
//! Refuses to do anything: what has an effect is in `effects`.

use std::net::SocketAddr;
use std::sync::LazyLock;

use datafusion::common::Result;

use super::rows::Kind::{Bool, Int};
use super::rows::{Arg, Function, strict};
use crate::pg_catalog::CatalogView;
use crate::pg_catalog::cells::Cell;
use crate::pg_catalog::layout::PG_CATALOG;

/// The PostgreSQL release whose catalogs and behaviour we announce.
pub(in crate::pg_catalog) const SERVER_VERSION: &str = "16.3";

/// Transactions have no numbers here, but clients expect a positive one.
const TRANSACTION: i64 = 1000;

pub(super) const FUNCTIONS: &[Function] = &[
    strict("version", &[], "text", |_, _| Ok(version().into())),
    strict("current_database", &[], "name", database),
    strict("current_catalog", &[], "name", database),
    strict("current_schema", &[], "name", current_schema),
    strict("current_schemas", &[Bool], "_name", current_schemas),
    strict("current_user", &[], "name", user),
    strict("current_role", &[], "name", user),
    strict("session_user", &[], "name", session_user),
    strict("user", &[], "name", user),
    strict("pg_backend_pid", &[], "int4", |view, _| Ok(view.backend_pid.into())),
    strict("pg_is_in_recovery", &[], "bool", |_, _| Ok(false.into())),
    strict("pg_is_wal_replay_paused", &[], "bool", |_, _| Ok(false.into())),
    strict("pg_postmaster_start_time", &[], "timestamptz", |_, _| Ok((*STARTED).into())),
    strict("pg_conf_load_time", &[], "timestamptz", |_, _| Ok((*STARTED).into())),
    strict("txid_current", &[], "int8", |_, _| Ok(TRANSACTION.into())),
    strict("txid_current_if_assigned", &[], "int8", null),
    strict("pg_my_temp_schema", &[], "oid", |_, _| Ok(0.into())),
    strict("pg_is_other_temp_schema", &[Int], "bool", |_, _| Ok(false.into())),
    strict("inet_server_addr", &[], "inet", |view, _| Ok(address(local(view)))),
    strict("inet_server_port", &[], "int4", |view, _| Ok(port(local(view)))),
    strict("inet_client_addr", &[], "inet", |view, _| Ok(address(peer(view)))),
    strict("inet_client_port", &[], "int4", |view, _| Ok(port(peer(view)))),
    strict("pg_jit_available", &[], "bool", |_, _| Ok(false.into())),
    strict("pg_blocking_pids", &[Int], "_int4", |_, _| Ok(Cell::List(vec![]))),
    strict("getdatabaseencoding", &[], "name", |_, _| Ok("UTF8".into())),
    strict("pg_client_encoding", &[], "name", |_, _| Ok("UTF8".into())),
];

/// When the first session looked, which is when the server began to serve.
static STARTED: LazyLock<i64> = LazyLock::new(|| chrono::Utc::now().timestamp_micros());

/// Fixes the time that `pg_postmaster_start_time()` tells, if nothing has yet.
pub(super) fn note_start() {
    LazyLock::force(&STARTED);
}

/// What `version()` says; drivers read the PostgreSQL release from its beginning.
fn version() -> String {
    let (arch, os) = (std::env::consts::ARCH, std::env::consts::OS);
    format!("PostgreSQL {SERVER_VERSION} (Mobula {}) on {arch}-{os}", env!("CARGO_PKG_VERSION"))
}

fn null(_: &CatalogView, _: &[Arg<'_>]) -> Result<Cell> {
    Ok(Cell::Null)
}

fn database(view: &CatalogView, _: &[Arg<'_>]) -> Result<Cell> {
    Ok(view.database.as_str().into())
}

fn user(view: &CatalogView, _: &[Arg<'_>]) -> Result<Cell> {
    Ok(view.user.as_str().into())
}

fn session_user(view: &CatalogView, _: &[Arg<'_>]) -> Result<Cell> {
    Ok(view.session_user.as_str().into())
}

fn current_schema(view: &CatalogView, _: &[Arg<'_>]) -> Result<Cell> {
    Ok(view.existing_path().next().into())
}

/// The search path; with `true`, also the schema that is searched without being named.
fn current_schemas(view: &CatalogView, args: &[Arg<'_>]) -> Result<Cell> {
    let mut names: Vec<Cell> = view.existing_path().map(Cell::from).collect();
    if args[0].is_true() && !view.search_path.iter().any(|name| name == PG_CATALOG) {
        names.insert(0, PG_CATALOG.into());
    }
    Ok(Cell::List(names))
}

fn peer(view: &CatalogView) -> Option<SocketAddr> {
    view.link.member().ok().map(|member| member.who.peer)
}

fn local(view: &CatalogView) -> Option<SocketAddr> {
    view.link.member().ok().and_then(|member| member.who.local)
}

fn address(end: Option<SocketAddr>) -> Cell {
    end.map(|end| end.ip().to_canonical().to_string()).into()
}

fn port(end: Option<SocketAddr>) -> Cell {
    end.map(|end| i32::from(end.port())).into()
}
