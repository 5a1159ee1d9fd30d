//! Output column names as PostgreSQL gives them. In: a select list. Out: the same list with every
//! item named. DataFusion wants names to differ within a select list and PostgreSQL does not, so a
//! repeated name carries an invisible mark behind it, which [`shown`] takes off again.

use std::collections::HashSet;

use datafusion::sql::sqlparser::ast::{
    CastKind, Expr, FunctionArguments, Ident, ObjectNamePart, Query, Select, SelectItem, SetExpr,
};

/// Begins the mark; no one types this character.
const MARK: char = '\u{1f}';
/// The name of a column without one.
const UNNAMED: &str = "?column?";

/// PostgreSQL cuts longer names, in bytes.
pub const NAME_MAX_BYTES: usize = 63;

/// An identifier as PostgreSQL keeps it: lower case unless quoted, cut.
pub fn folded(value: &str, is_quoted: bool) -> String {
    let mut name = if is_quoted { value.to_owned() } else { value.to_lowercase() };
    name.truncate(name.floor_char_boundary(NAME_MAX_BYTES));
    name
}

/// A column's name as the client sees it.
pub fn shown(name: &str) -> &str {
    name.split(MARK).next().unwrap_or(name)
}

/// Names every item of a select list. `top` says that only the client sees the names, so that a
/// repeated one can be marked; elsewhere a reference by name must find it unmarked.
pub fn name_items(select: &mut Select) {
    let wildcard = select.projection.iter().any(is_wildcard);
    let mut seen = HashSet::new();
    for item in &mut select.projection {
        match item {
            SelectItem::UnnamedExpr(expr) => {
                let plain = plain_column(expr);
                let name = column_name(expr).unwrap_or_else(|| UNNAMED.to_owned());
                let taken = !seen.insert(name.clone());
                // A plain column keeps its own name, and with it its table.
                if plain && !taken && !wildcard {
                    continue;
                }
                let marked = taken || (wildcard && plain);
                let alias = if marked { mark(&name, &mut seen) } else { name };
                let expr = std::mem::replace(expr, Expr::value(placeholder()));
                *item = SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', alias) };
            }
            SelectItem::ExprWithAlias { alias, .. } => {
                let name = normalized(alias);
                if !seen.insert(name.clone()) {
                    *alias = Ident::with_quote('"', mark(&name, &mut seen));
                }
            }
            _ => {}
        }
    }
}

fn placeholder() -> datafusion::sql::sqlparser::ast::Value {
    datafusion::sql::sqlparser::ast::Value::Null
}

fn mark(name: &str, seen: &mut HashSet<String>) -> String {
    let mut count = seen.len();
    loop {
        let marked = format!("{name}{MARK}{count}");
        if seen.insert(marked.clone()) {
            return marked;
        }
        count += 1;
    }
}

fn is_wildcard(item: &SelectItem) -> bool {
    matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..))
}

fn plain_column(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
}

fn normalized(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

/// The name PostgreSQL derives from an expression, if it derives one.
fn column_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(ident) => Some(normalized(ident)),
        Expr::CompoundIdentifier(idents) => idents.last().map(normalized),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => column_name(inner),
        Expr::Cast { expr, data_type, kind, .. } => strong_name(expr)
            .or_else(|| (*kind != CastKind::SafeCast).then(|| type_name(&data_type.to_string()))),
        Expr::TypedString(typed) => Some(type_name(&typed.data_type.to_string())),
        Expr::Function(function) => match (&function.name.0.last(), &function.args) {
            (Some(ObjectNamePart::Identifier(_)), FunctionArguments::Subquery(_)) => {
                Some("array".to_owned())
            }
            (Some(ObjectNamePart::Identifier(ident)), _) => Some(normalized(ident)),
            _ => None,
        },
        Expr::Case { else_result, .. } => {
            let inner = else_result.as_ref().and_then(|e| strong_name(e));
            Some(inner.unwrap_or_else(|| "case".to_owned()))
        }
        Expr::Exists { .. } => Some("exists".to_owned()),
        Expr::Array(_) => Some("array".to_owned()),
        Expr::Tuple(_) => Some("row".to_owned()),
        Expr::Extract { .. } => Some("extract".to_owned()),
        Expr::Substring { .. } => Some("substring".to_owned()),
        Expr::Position { .. } => Some("position".to_owned()),
        Expr::Overlay { .. } => Some("overlay".to_owned()),
        Expr::Trim { .. } => Some("btrim".to_owned()),
        Expr::Ceil { .. } => Some("ceil".to_owned()),
        Expr::Floor { .. } => Some("floor".to_owned()),
        Expr::AtTimeZone { .. } => Some("timezone".to_owned()),
        Expr::Interval(_) => Some("interval".to_owned()),
        Expr::Subquery(query) => subquery_name(query),
        Expr::CompoundFieldAccess { root, .. } => column_name(root),
        Expr::Value(value)
            if matches!(value.value, datafusion::sql::sqlparser::ast::Value::Boolean(_)) =>
        {
            Some("bool".to_owned())
        }
        _ => None,
    }
}

/// The name that a cast or CASE around the expression keeps: that of a column or function, not
/// that of a type.
fn strong_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => strong_name(inner),
        Expr::Cast { expr, .. } => strong_name(expr),
        Expr::Case { else_result, .. } => else_result.as_ref().and_then(|e| strong_name(e)),
        Expr::TypedString(_) | Expr::Interval(_) | Expr::Value(_) => None,
        other => column_name(other),
    }
}

/// A scalar subquery is named as its only column.
fn subquery_name(query: &Query) -> Option<String> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    match select.projection.first()? {
        SelectItem::UnnamedExpr(expr) => column_name(expr),
        SelectItem::ExprWithAlias { alias, .. } => Some(normalized(alias)),
        _ => None,
    }
}

/// The catalog's name of a type written in SQL.
fn type_name(written: &str) -> String {
    let lower = written.to_lowercase();
    let base = lower.split(['(', '[']).next().unwrap_or(&lower).trim();
    match base {
        "int" | "integer" => "int4",
        "bigint" => "int8",
        "smallint" => "int2",
        "double precision" | "double" | "float" => "float8",
        "real" => "float4",
        "decimal" | "dec" => "numeric",
        "boolean" => "bool",
        "character varying" => "varchar",
        "character" | "char" => "bpchar",
        "timestamp without time zone" => "timestamp",
        "timestamp with time zone" => "timestamptz",
        "time without time zone" => "time",
        other => other.rsplit('.').next().unwrap_or(other),
    }
    .to_owned()
}
