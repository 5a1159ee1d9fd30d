//! Function calls, in expressions and in FROM.
//!
//! In: a call. Out: the same by its bare name; words that are calls without parentheses as calls;
//! set-returning functions that DataFusion lacks as `unnest` of an array; a function in FROM as
//! something that DataFusion reads rows from, with PostgreSQL's column names.
//! Refuses to know what functions return, except which return sets.

use datafusion::sql::sqlparser::ast::{
    DataType, Expr, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident,
    ObjectName, SelectItem, TableAlias, TableFactor,
};

use super::build::{self, call, replace};

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

/// True for names that are rewritten wherever they are called.
pub(super) fn knows(name: &str) -> bool {
    matches!(name, "generate_subscripts" | "_pg_expandarray" | "pg_listening_channels")
        || name.starts_with("to_reg")
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
            let set = match name.as_str() {
                "_pg_expandarray" => "mobula_expandarray",
                "generate_subscripts" => "mobula_subscripts",
                "pg_listening_channels" => "mobula_listening",
                _ => return,
            };
            if let Some(arguments) = build::plain_arguments(&function.args) {
                *expr = call("unnest", vec![call(set, arguments)]);
            }
        }
        _ => {}
    }
}

/// Rewrites a function in FROM.
pub(super) fn in_from(table: &mut TableFactor) {
    let (name, arguments, alias) = match table {
        TableFactor::Table { name, args: Some(args), alias, with_ordinality: false, .. } => {
            (name, &mut args.args, alias)
        }
        TableFactor::Function { name, args, alias, with_ordinality: false, .. } => {
            (name, args, alias)
        }
        TableFactor::UNNEST { alias, array_exprs, with_ordinality: false, .. } => {
            if let [_] = array_exprs.as_slice() {
                name_column(alias, Ident::new("unnest"));
            }
            return;
        }
        _ => return,
    };
    let Some(function) = build::function_name(name) else {
        return;
    };
    build::keep_last(name);
    let relation = AS_RELATIONS.iter().find(|known| known.0 == function);
    match function.as_str() {
        "generate_series" => {
            arguments.iter_mut().for_each(widen);
            name_column(alias, Ident::new(&function));
        }
        "unnest" | "generate_subscripts" | "_pg_expandarray" | "pg_listening_channels" => {
            if let Some(array_exprs) = spread(&function, arguments) {
                let mut alias = alias.take();
                if function != "_pg_expandarray" {
                    name_column(&mut alias, Ident::new(&function));
                }
                *table = unnest(array_exprs, alias);
            }
        }
        _ => {
            let plain = arguments.iter().map(build::plain_argument).collect::<Option<Vec<_>>>();
            if let Some((function, relation)) = relation {
                let alias = alias.take().or_else(|| Some(named(function)));
                read_relation(table, relation, alias);
            } else if is_scalar(&function)
                && let Some(plain) = plain
            {
                let alias = alias.take();
                one_row(table, &function, plain, alias);
            }
        }
    }
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

/// What `unnest` is given for a set-returning function.
fn spread(function: &str, arguments: &[FunctionArg]) -> Option<Vec<Expr>> {
    let plain = arguments.iter().map(build::plain_argument).collect::<Option<Vec<_>>>()?;
    Some(match function {
        "generate_subscripts" => vec![call("mobula_subscripts", plain)],
        "_pg_expandarray" => vec![call("mobula_expandarray", plain)],
        "pg_listening_channels" => vec![call("mobula_listening", plain)],
        _ => plain,
    })
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
