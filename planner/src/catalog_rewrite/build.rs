//! Small pieces of syntax tree.
//!
//! In: names and parts. Out: expressions, queries, aliases. Knows no meaning.

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArguments, Ident, ObjectName, ObjectNamePart, OrderByExpr, Query, SelectItem, SetExpr,
    Statement, TableAlias, TableAliasColumnDef, TableWithJoins, Value,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

pub(super) use crate::dialect::call;

/// NULL.
pub(super) fn null() -> Expr {
    Expr::value(Value::Null)
}

/// A string literal.
pub(super) fn string(text: &str) -> Expr {
    Expr::value(Value::SingleQuotedString(text.to_owned()))
}

/// A whole number.
pub(super) fn number(value: u32) -> Expr {
    Expr::value(Value::Number(value.to_string(), false))
}

/// `CAST(expr AS data_type)`.
pub(super) fn cast(expr: Expr, data_type: DataType) -> Expr {
    let kind = CastKind::Cast;
    Expr::Cast { kind, expr: Box::new(expr), data_type, array: false, format: None }
}

/// Puts what `change` makes of an expression in its place.
pub(super) fn replace(expr: &mut Expr, change: impl FnOnce(Expr) -> Expr) {
    let old = std::mem::replace(expr, null());
    *expr = change(old);
}

/// `array_agg(expr ORDER BY ...)`.
pub(super) fn array_agg(expr: Expr, order: Vec<OrderByExpr>) -> Expr {
    let mut made = call("array_agg", vec![expr]);
    if let Expr::Function(Function { args: FunctionArguments::List(list), .. }) = &mut made
        && !order.is_empty()
    {
        list.clauses.push(FunctionArgumentClause::OrderBy(order));
    }
    made
}

/// `count(*)`.
pub(super) fn count_all() -> Expr {
    let mut made = call("count", vec![]);
    if let Expr::Function(Function { args: FunctionArguments::List(list), .. }) = &mut made {
        list.args.push(FunctionArg::Unnamed(FunctionArgExpr::Wildcard));
    }
    made
}

/// `SELECT items FROM from`. `None` only if the parser stops knowing `SELECT 1`.
pub(super) fn query(items: Vec<SelectItem>, from: Vec<TableWithJoins>) -> Option<Box<Query>> {
    let parsed = Parser::parse_sql(&PostgreSqlDialect {}, "SELECT 1").ok()?;
    let Some(Statement::Query(mut query)) = parsed.into_iter().next() else {
        return None;
    };
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.projection = items;
        select.from = from;
    }
    Some(query)
}

/// `AS name(columns)`.
pub(super) fn alias(name: Ident, columns: Vec<Ident>) -> TableAlias {
    let column = |name| TableAliasColumnDef { name, data_type: None };
    let columns = columns.into_iter().map(column).collect();
    TableAlias { explicit: true, name, columns, at: None }
}

/// An identifier as it is compared: in lower case unless quoted.
pub(super) fn folded(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

/// The parts of a name as they are compared; none if a part is not an identifier.
pub(super) fn parts(name: &ObjectName) -> Vec<String> {
    let parts = name.0.iter().map(|part| part.as_ident().map(folded));
    parts.collect::<Option<Vec<_>>>().unwrap_or_default()
}

/// Keeps the last part of a name.
pub(super) fn keep_last(name: &mut ObjectName) {
    if let Some(ObjectNamePart::Identifier(last)) = name.0.pop() {
        *name = ObjectName::from(vec![last]);
    }
}

/// The name of a function, without `pg_catalog.` or `information_schema.`.
pub(super) fn function_name(name: &ObjectName) -> Option<String> {
    match parts(name).as_slice() {
        [name] => Some(name.clone()),
        [schema, name] if is_system_schema(schema) => Some(name.clone()),
        _ => None,
    }
}

/// True for the two schemas that the system brings.
pub(super) fn is_system_schema(name: &str) -> bool {
    matches!(name, "pg_catalog" | "information_schema")
}

/// The expressions that a function is called with, if they are nothing else.
pub(super) fn plain_arguments(arguments: &FunctionArguments) -> Option<Vec<Expr>> {
    let FunctionArguments::List(list) = arguments else {
        return None;
    };
    list.args.iter().map(plain_argument).collect()
}

/// One such argument.
pub(super) fn plain_argument(argument: &FunctionArg) -> Option<Expr> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    }
}

/// The text of a string literal.
pub(super) fn string_of(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => Some(text),
            _ => None,
        },
        Expr::Nested(inner) => string_of(inner),
        _ => None,
    }
}

/// An expression without the parentheses around it.
pub(super) fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Nested(inner) => bare(inner),
        other => other,
    }
}
