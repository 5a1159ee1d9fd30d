//! Function calls, in expressions and in FROM.
//!
//! In: a call. Out: the same by its bare name; words that are calls without parentheses as calls;
//! set-returning functions that DataFusion lacks as `unnest` of an array; a function in FROM as
//! something that DataFusion reads rows from, with PostgreSQL's column names.
//! Refuses to know what functions return, except which return sets.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    DataType, Expr, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident,
    ObjectName, SelectItem, TableAlias, TableFactor, Value, Visit, Visitor,
};

use super::build::{self, call, replace};
use super::{casts, rows, table_oid};

/// Words that PostgreSQL's grammar knows as calls.
const SESSION_WORDS: &[&str] =
    &["current_catalog", "current_role", "current_schema", "current_user", "session_user"];

/// Functions whose rows a relation of `pg_catalog` has.
const AS_RELATIONS: &[(&str, &str)] = &[
    ("pg_available_extensions", "pg_available_extensions"),
    ("pg_cursor", "pg_cursors"),
    ("pg_get_keywords", "mobula_keywords"),
    ("pg_lock_status", "pg_locks"),
    ("pg_prepared_statement", "pg_prepared_statements"),
    ("pg_show_all_settings", "pg_settings"),
    ("pg_stat_get_activity", "pg_stat_activity"),
    ("pg_timezone_names", "pg_timezone_names"),
];

/// The columns of what `aclexplode` returns, and the function for each.
const ACL_COLUMNS: &[(&str, &str)] = &[
    ("grantor", "mobula_acl_grantor"),
    ("grantee", "mobula_acl_grantee"),
    ("privilege_type", "mobula_acl_privilege"),
    ("is_grantable", "mobula_acl_grantable"),
];

/// Columns of the catalogs that hold transactions' numbers.
const XID_COLUMNS: &[&str] = &[
    "backend_xid",
    "backend_xmin",
    "catalog_xmin",
    "datfrozenxid",
    "relfrozenxid",
    "transactionid",
];

/// True for names that are rewritten wherever they are called.
pub(super) fn knows(name: &str) -> bool {
    let known = [
        "_pg_expandarray",
        "aclexplode",
        "generate_subscripts",
        "pg_listening_channels",
        "regexp_split_to_table",
        "string_to_table",
        rows::ROW_TO_JSON,
    ];
    known.contains(&name) || name.starts_with("to_reg")
}

/// True for a bare word that is a call.
pub(super) fn is_session_word(ident: &Ident) -> bool {
    ident.quote_style.is_none() && SESSION_WORDS.contains(&ident.value.to_lowercase().as_str())
}

/// Rewrites a call, or a word that is one.
pub(super) fn rewrite(expr: &mut Expr) {
    match expr {
        Expr::Identifier(ident) if is_session_word(ident) => {
            *expr = call(&ident.value.to_lowercase(), vec![]);
        }
        Expr::Function(function) => {
            let Some(name) = build::function_name(&function.name) else {
                return;
            };
            if function.name.0.len() > 1 {
                build::keep_last(&mut function.name);
            }
            if matches!(function.args, FunctionArguments::None) {
                function.args = FunctionArguments::List(FunctionArgumentList {
                    duplicate_treatment: None,
                    args: vec![],
                    clauses: vec![],
                });
            }
            let Some(arguments) = build::plain_arguments(&function.args) else {
                return;
            };
            let set = match name.as_str() {
                "_pg_expandarray" => call("mobula_expandarray", arguments),
                "aclexplode" => call("mobula_acl_rows", acl_lists(arguments)),
                "generate_subscripts" => call("mobula_subscripts", arguments),
                "pg_listening_channels" => call("mobula_listening", arguments),
                "regexp_split_to_table" => call("regexp_split_to_array", arguments),
                "string_to_table" => call("string_to_array", arguments),
                "age" if is_xid(&arguments) => {
                    *expr = call("mobula_xid_age", arguments);
                    return;
                }
                _ => return,
            };
            *expr = call("unnest", vec![set]);
        }
        _ => {}
    }
}

/// True for the one argument of an `age` that is not about time.
fn is_xid(arguments: &[Expr]) -> bool {
    let [argument] = arguments else {
        return false;
    };
    let is_cast = matches!(build::bare(argument), Expr::Cast { data_type, .. }
        if casts::is_oid(data_type));
    let is_column = match build::bare(argument) {
        Expr::Identifier(ident) => XID_COLUMNS.contains(&build::folded(ident).as_str()),
        Expr::CompoundIdentifier(idents) => {
            idents.last().is_some_and(|last| XID_COLUMNS.contains(&build::folded(last).as_str()))
        }
        _ => false,
    };
    is_cast || is_column || table_oid::is_xid(argument)
}

/// Rewrites a function in FROM.
pub(super) fn in_from(table: &mut TableFactor) {
    let (name, arguments, alias, numbered) = match table {
        TableFactor::Table { name, args: Some(args), alias, with_ordinality, .. } => {
            (name, &mut args.args, alias, *with_ordinality)
        }
        TableFactor::Function { name, args, alias, with_ordinality, .. } => {
            (name, args, alias, *with_ordinality)
        }
        TableFactor::UNNEST { alias, array_exprs, with_ordinality: false, .. } => {
            if let [_] = array_exprs.as_slice() {
                name_column(alias, Ident::new("unnest"));
            }
            return;
        }
        TableFactor::UNNEST { alias, array_exprs, with_ordinality, .. } => {
            *with_ordinality = false;
            number_rows("unnest", array_exprs, alias);
            return;
        }
        _ => return,
    };
    let Some(function) = build::function_name(name) else {
        return;
    };
    let of_rows = numbered || arguments.iter().any(varies);
    if numbered && function == "aclexplode" {
        return;
    }
    if let Some(mut arrays) = spread(&function, arguments, of_rows) {
        let mut alias = alias.take();
        match function.as_str() {
            "aclexplode" => name_acl_columns(&mut alias),
            _ if numbered => number_rows(&function, &mut arrays, &mut alias),
            _ if arrays.len() == 1 && function != "_pg_expandarray" => {
                name_column(&mut alias, Ident::new(&function));
            }
            _ => {}
        }
        *table = unnest(arrays, alias);
        return;
    }
    if numbered {
        return;
    }
    build::keep_last(name);
    if function == "generate_series" {
        arguments.iter_mut().for_each(widen);
        name_column(alias, Ident::new(&function));
        return;
    }
    let plain = arguments.iter().map(build::plain_argument).collect::<Option<Vec<_>>>();
    if let Some((function, relation)) = AS_RELATIONS.iter().find(|known| known.0 == function) {
        let alias = alias.take().or_else(|| Some(named(function)));
        read_relation(table, relation, alias);
    } else if is_scalar(&function)
        && let Some(plain) = plain
    {
        let alias = alias.take();
        one_row(table, &function, plain, alias);
    }
}

/// What `aclexplode` returns has columns with names of their own.
fn name_acl_columns(alias: &mut Option<TableAlias>) {
    let name = alias.take().unwrap_or_else(|| named("aclexplode"));
    let mut columns: Vec<_> = name.columns.into_iter().map(|column| column.name).collect();
    let given = columns.len();
    columns.extend(ACL_COLUMNS.iter().skip(given).map(|(column, _)| Ident::new(*column)));
    *alias = Some(build::alias(name.name, columns));
}

/// `WITH ORDINALITY`: one array more, of the numbers of the rows.
fn number_rows(function: &str, arrays: &mut Vec<Expr>, alias: &mut Option<TableAlias>) {
    let (name, mut columns) = match alias.take() {
        Some(alias) => {
            let written = alias.columns.into_iter().map(|column| column.name);
            (alias.name, written.collect::<Vec<_>>())
        }
        None => (Ident::new(function), vec![]),
    };
    let only = if arrays.len() == 1 { name.clone() } else { Ident::new(function) };
    while columns.len() < arrays.len() {
        columns.push(only.clone());
    }
    if columns.len() == arrays.len() {
        columns.push(Ident::new("ordinality"));
    }
    arrays.push(call("mobula_ordinals", arrays.clone()));
    *alias = Some(build::alias(name, columns));
}

/// True for an argument that depends on a row, as a function beside a table may, or on a value of
/// the client's: DataFusion reads its own series with literals only.
fn varies(argument: &FunctionArg) -> bool {
    struct Find;
    impl Visitor for Find {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
                Expr::Value(value) if matches!(value.value, Value::Placeholder(_)) => {
                    ControlFlow::Break(())
                }
                Expr::Identifier(ident) if !is_session_word(ident) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    build::plain_argument(argument).is_some_and(|expr| expr.visit(&mut Find).is_break())
}

fn named(name: &str) -> TableAlias {
    build::alias(Ident::new(name), vec![])
}

/// `f(...) s` has a column `s`, and `f(...)` alone one called as the function.
fn name_column(alias: &mut Option<TableAlias>, function: Ident) {
    match alias {
        Some(alias) if alias.columns.is_empty() => {
            *alias = build::alias(alias.name.clone(), vec![alias.name.clone()]);
        }
        Some(_) => {}
        None => *alias = Some(build::alias(function.clone(), vec![function])),
    }
}

/// DataFusion's `generate_series` takes eight bytes where PostgreSQL's arguments have four.
fn widen(argument: &mut FunctionArg) {
    let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = argument else {
        return;
    };
    let narrow = match build::bare(expr) {
        Expr::Function(function) => {
            let counts = ["array_length", "array_lower", "array_upper", "cardinality"];
            build::function_name(&function.name).is_some_and(|n| counts.contains(&n.as_str()))
        }
        Expr::Cast { data_type, .. } => matches!(
            data_type,
            DataType::Int(_)
                | DataType::Int2(_)
                | DataType::Int4(_)
                | DataType::Integer(_)
                | DataType::SmallInt(_)
        ),
        _ => false,
    };
    if narrow {
        replace(expr, |old| build::cast(old, DataType::BigInt(None)));
    }
}

/// What `unnest` is given for a set-returning function; for a series only where it must be.
fn spread(function: &str, arguments: &[FunctionArg], series: bool) -> Option<Vec<Expr>> {
    let known = match function {
        "unnest"
        | "aclexplode"
        | "generate_subscripts"
        | "_pg_expandarray"
        | "pg_listening_channels"
        | "regexp_split_to_table"
        | "string_to_table" => true,
        "generate_series" => series,
        _ => false,
    };
    if !known {
        return None;
    }
    let plain = arguments.iter().map(build::plain_argument).collect::<Option<Vec<_>>>()?;
    Some(match function {
        "generate_subscripts" => vec![call("mobula_subscripts", plain)],
        "generate_series" => vec![call("generate_series", plain)],
        "_pg_expandarray" => vec![call("mobula_expandarray", plain)],
        "pg_listening_channels" => vec![call("mobula_listening", plain)],
        "regexp_split_to_table" => vec![call("regexp_split_to_array", plain)],
        "string_to_table" => vec![call("string_to_array", plain)],
        "aclexplode" => acl_lists(plain),
        _ => plain,
    })
}

/// Each column of what `aclexplode` returns, as a list.
fn acl_lists(arguments: Vec<Expr>) -> Vec<Expr> {
    let text = call("mobula_text", arguments);
    ACL_COLUMNS.iter().map(|(_, list)| call(list, vec![text.clone()])).collect()
}

fn unnest(array_exprs: Vec<Expr>, alias: Option<TableAlias>) -> TableFactor {
    TableFactor::UNNEST {
        alias,
        array_exprs,
        with_offset: false,
        with_offset_alias: None,
        with_ordinality: false,
    }
}

fn read_relation(table: &mut TableFactor, relation: &str, new_alias: Option<TableAlias>) {
    if let TableFactor::Table { name, args, alias, .. } = table {
        *name = ObjectName::from(vec![Ident::new("pg_catalog"), Ident::new(relation)]);
        *args = None;
        *alias = new_alias;
    }
}

/// Functions of the catalogs that return one value. Others may return sets, or be the server's.
fn is_scalar(name: &str) -> bool {
    let begins = [
        "current_",
        "has_",
        "inet_",
        "pg_advisory_",
        "pg_get_",
        "pg_is_",
        "pg_try_advisory_",
        "to_reg",
        "txid_",
    ];
    let exact = [
        "format_type",
        "obj_description",
        "pg_backend_pid",
        "pg_cancel_backend",
        "pg_notify",
        "pg_postmaster_start_time",
        "pg_sleep",
        "pg_terminate_backend",
        "session_user",
        "set_config",
        "version",
    ];
    begins.iter().any(|begin| name.starts_with(begin)) || exact.contains(&name)
}

/// `(SELECT f(...) AS f) AS alias (alias)`.
fn one_row(
    table: &mut TableFactor,
    function: &str,
    arguments: Vec<Expr>,
    mut alias: Option<TableAlias>,
) {
    let column = Ident::new(function);
    let item = SelectItem::ExprWithAlias { expr: call(function, arguments), alias: column.clone() };
    let Some(subquery) = build::query(vec![item], vec![]) else {
        return;
    };
    name_column(&mut alias, column);
    *table = TableFactor::Derived { lateral: false, subquery, alias, sample: None };
}
