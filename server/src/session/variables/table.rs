//! The settings that the server has a use for, or has of its own. In: nothing. Out: a table, by
//! name. What is done with a value is not known here.

use super::Kind::{self, Bool, Encoding, Fixed, Integer, Only, Text, Word, Zone};
use super::amounts::{BYTES, MILLIS};
use super::{SERVER_VERSION, Variable};

const fn plain(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    about: &'static str,
) -> Variable {
    Variable { name, reported: None, kind, default, about, category: "Mobula", context: "user" }
}

const fn told(
    name: &'static str,
    reported: &'static str,
    kind: Kind,
    default: &'static str,
    about: &'static str,
) -> Variable {
    Variable { reported: Some(reported), ..plain(name, kind, default, about) }
}

const TIME: Kind = Kind::Amount(&MILLIS, 0, i32::MAX as i64);
const MILLIS_OR_OFF: Kind = Kind::Amount(&MILLIS, -1, i32::MAX as i64);

const fn bytes(most: i64) -> Kind {
    Kind::Amount(&BYTES, 0, most)
}

const ISOLATION: &[&str] =
    &["read committed", "repeatable read", "serializable", "read uncommitted"];
const LEVELS: &[&str] =
    &["debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error"];

pub(super) const TABLE: &[Variable] = &[
    told("application_name", "application_name", Text, "", "Name of the client's program."),
    plain("bytea_output", Word(&["hex", "escape"]), "hex", "How bytea is printed."),
    told("client_encoding", "client_encoding", Encoding, "UTF8", "The encoding of all text."),
    plain("client_min_messages", Word(LEVELS), "notice", "Least level of notices sent."),
    told("datestyle", "DateStyle", Kind::DateStyle, "ISO, MDY", "How dates are printed and read."),
    plain("default_table_access_method", Fixed, "heap", "PostgreSQL's word for any table."),
    plain("default_transaction_isolation", Word(ISOLATION), "read committed", "Accepted."),
    told(
        "default_transaction_read_only",
        "default_transaction_read_only",
        Bool,
        "off",
        "Accepted.",
    ),
    plain("extra_float_digits", Integer(-15, 3), "1", "Digits of floats beyond the usual."),
    plain(
        "idle_in_transaction_session_timeout",
        TIME,
        "0",
        "Ends a session idle in a transaction.",
    ),
    plain("idle_session_timeout", TIME, "0", "Ends an idle session."),
    told("in_hot_standby", "in_hot_standby", Fixed, "off", "Never."),
    told("integer_datetimes", "integer_datetimes", Fixed, "on", "Always."),
    told(
        "intervalstyle",
        "IntervalStyle",
        Word(&["postgres", "postgres_verbose", "sql_standard", "iso_8601"]),
        "postgres",
        "How intervals are printed.",
    ),
    told("is_superuser", "is_superuser", Fixed, "off", "Whether the role may do everything."),
    plain("lc_collate", Fixed, "C", "Text compares by its bytes."),
    plain("lc_ctype", Fixed, "C.UTF-8", "Classes of characters."),
    plain("listen_addresses", Fixed, "", "Where the server listens."),
    plain(
        "log_min_duration_statement",
        MILLIS_OR_OFF,
        "-1",
        "Statements that take as long are logged with their text; -1: none.",
    ),
    plain("lock_timeout", TIME, "0", "Ends the wait for an advisory lock."),
    plain("max_connections", Fixed, "10000", "Sessions at the same time."),
    plain("max_identifier_length", Fixed, "63", "Bytes of a name."),
    plain("max_index_keys", Fixed, "32", "There are no indexes."),
    plain(
        "mobula.broadcast_bytes",
        bytes(1 << 30),
        "4MB",
        "Size of a build side that staged tasks read whole, at most, when it is found small.",
    ),
    plain(
        "mobula.local_threshold",
        bytes(1 << 60),
        "64MB",
        "Size of files; on Ray, a query that reads less runs in the server.",
    ),
    plain("mobula.lose_outputs", Bool, "off", "Loses outputs of staged tasks; a test."),
    plain("mobula.max_cpus", Integer(0, 1 << 20), "0", "CPUs a query has at a time; 0: all."),
    plain(
        "mobula.max_scan_bytes",
        bytes(1 << 60),
        "0",
        "Size of files that one query may read; 0: any.",
    ),
    plain("mobula.repeat_tasks", Bool, "off", "Runs staged tasks twice; compares."),
    plain("mobula.runner", Word(&["local", "staged", "ray"]), "local", "What runs queries."),
    plain("mobula.stage_tasks", Integer(0, 1_024), "0", "Tasks of a stage, at most; 0: by slots."),
    plain("mobula.task_partitions", Integer(0, 256), "0", "Partitions of a task; 0: by slots."),
    plain("port", Fixed, "5432", "Where the server listens."),
    plain("role", Fixed, "none", "What SET ROLE chose."),
    told("search_path", "search_path", Text, "\"$user\", public", "Where names are looked up."),
    told("server_encoding", "server_encoding", Fixed, "UTF8", "The encoding of all text."),
    told("server_version", "server_version", Fixed, SERVER_VERSION, "The PostgreSQL behaved as."),
    plain("server_version_num", Fixed, "160003", "The same as a number."),
    told("session_authorization", "session_authorization", Fixed, "", "The role that logged in."),
    plain("ssl", Fixed, "off", "Whether TLS is offered."),
    told(
        "standard_conforming_strings",
        "standard_conforming_strings",
        Only,
        "on",
        "A backslash is a character.",
    ),
    plain("statement_timeout", TIME, "0", "Cancels a statement."),
    plain("superuser_reserved_connections", Fixed, "3", "Sessions kept for superusers."),
    told("timezone", "TimeZone", Zone, "Etc/UTC", "The session's time zone."),
    plain("track_activity_query_size", Fixed, "4kB", "Text of a query that is shown."),
    plain("transaction_isolation", Word(ISOLATION), "read committed", "Accepted."),
    plain("transaction_read_only", Bool, "off", "Accepted."),
    plain("wal_level", Fixed, "replica", "There is no log."),
];
