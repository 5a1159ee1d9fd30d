//! PostgreSQL's SQL as DataFusion plans it, on the syntax tree. In: a parsed statement. Out: the
//! same meaning in words DataFusion gives that meaning, or a refusal: an error is better than a
//! silent other answer. Knows no tables and no types of columns.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    self, BinaryOperator, DataType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentList, FunctionArguments, Ident, ObjectName, Select, SelectItem, TableFactor,
    UnaryOperator, VisitMut, VisitorMut,
};

use crate::catalog_rewrite::rewrite_catalog_sql;
use crate::dialect_casts;
use crate::names;
use crate::parse::ParseError;

/// Rewrites a statement in place.
///
/// # Errors
/// [`ParseError::Unsupported`] for what DataFusion would silently answer otherwise.
pub fn rewrite(statement: &mut Statement) -> Result<(), ParseError> {
    match statement {
        Statement::Statement(inner) => rewrite_sql(inner),
        Statement::Explain(explain) => rewrite(&mut explain.statement),
        Statement::CopyTo(copy) => match &mut copy.source {
            datafusion::sql::parser::CopyToSource::Query(query) => walk(query.as_mut()),
            datafusion::sql::parser::CopyToSource::Relation(_) => Ok(()),
        },
        Statement::CreateExternalTable(_) | Statement::Reset(_) => Ok(()),
    }
}

fn rewrite_sql(statement: &mut ast::Statement) -> Result<(), ParseError> {
    rewrite_catalog_sql(statement);
    walk(statement)
}

fn walk<T: VisitMut>(tree: &mut T) -> Result<(), ParseError> {
    match tree.visit(&mut Dialect) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(what) => Err(ParseError::Unsupported(what.to_owned())),
    }
}

struct Dialect;

impl VisitorMut for Dialect {
    type Break = &'static str;

    fn pre_visit_query(&mut self, query: &mut ast::Query) -> ControlFlow<Self::Break> {
        refuse_counting_sets(&query.body)?;
        limit_by_fetch(query)
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        if select.into.is_some() {
            return ControlFlow::Break("SELECT INTO");
        }
        // Before the names: a set-returning call keeps its own name when it is wrapped.
        names::name_items(select);
        select.projection.iter_mut().for_each(spread_series);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<Self::Break> {
        match table {
            TableFactor::Table { sample: Some(_), .. } => ControlFlow::Break("TABLESAMPLE"),
            TableFactor::Table { with_ordinality: true, .. }
            | TableFactor::Function { with_ordinality: true, .. }
            | TableFactor::UNNEST { with_ordinality: true, .. } => {
                ControlFlow::Break("WITH ORDINALITY")
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        match expr {
            // In PostgreSQL a caret raises to a power.
            Expr::BinaryOp { op: BinaryOperator::BitwiseXor | BinaryOperator::PGExp, .. } => {
                replace(expr, |old| match old {
                    Expr::BinaryOp { left, right, .. } => {
                        call("power", vec![to_double(*left), to_double(*right)])
                    }
                    other => other,
                });
            }
            Expr::SimilarTo { .. } => replace(expr, similar_to),
            Expr::Substring { .. } => replace(expr, matched),
            Expr::Cast { data_type, .. } => {
                widen_float(data_type);
                replace(expr, dialect_casts::rewrite);
            }
            Expr::TypedString(_) | Expr::Interval(_) | Expr::Function(_) => {
                replace(expr, dialect_casts::rewrite);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// `FETCH FIRST 2 ROWS ONLY` is `LIMIT 2`.
fn limit_by_fetch(query: &mut ast::Query) -> ControlFlow<&'static str> {
    let Some(fetch) = query.fetch.take() else { return ControlFlow::Continue(()) };
    if fetch.with_ties || fetch.percent {
        return ControlFlow::Break("FETCH FIRST WITH TIES");
    }
    let rows = fetch.quantity.unwrap_or_else(|| Expr::value(ast::Value::Number("1".into(), false)));
    let offset = match query.limit_clause.take() {
        Some(ast::LimitClause::LimitOffset { offset, .. }) => offset,
        _ => None,
    };
    let (limit, limit_by) = (Some(rows), vec![]);
    query.limit_clause = Some(ast::LimitClause::LimitOffset { limit, offset, limit_by });
    ControlFlow::Continue(())
}

/// These take away one row for each equal one; DataFusion's take away all.
fn refuse_counting_sets(mut body: &ast::SetExpr) -> ControlFlow<&'static str> {
    use ast::{SetOperator, SetQuantifier};
    while let ast::SetExpr::SetOperation { op, set_quantifier, left, right } = body {
        match (op, set_quantifier) {
            (SetOperator::Except | SetOperator::Minus, SetQuantifier::All) => {
                return ControlFlow::Break("EXCEPT ALL");
            }
            (SetOperator::Intersect, SetQuantifier::All) => {
                return ControlFlow::Break("INTERSECT ALL");
            }
            _ => refuse_counting_sets(right)?,
        }
        body = left;
    }
    ControlFlow::Continue(())
}

fn replace(expr: &mut Expr, change: impl FnOnce(Expr) -> Expr) {
    let old = std::mem::replace(expr, Expr::value(ast::Value::Null));
    *expr = change(old);
}

/// `float` without a size, and sizes above 24, are eight bytes.
fn widen_float(data_type: &mut DataType) {
    use ast::ExactNumberInfo::{None as Unsized, Precision};
    match data_type {
        DataType::Float(Unsized) => *data_type = DataType::DoublePrecision,
        DataType::Float(Precision(bits)) if *bits > 24 => *data_type = DataType::DoublePrecision,
        DataType::Float(_) => *data_type = DataType::Real,
        _ => {}
    }
}

fn to_double(expr: Expr) -> Expr {
    Expr::Cast {
        kind: ast::CastKind::DoubleColon,
        expr: Box::new(expr),
        data_type: DataType::DoublePrecision,
        array: false,
        format: None,
    }
}

/// `x SIMILAR TO p` is `x ~ similar_to_escape(p)`, as PostgreSQL itself plans it.
fn similar_to(expr: Expr) -> Expr {
    let Expr::SimilarTo { negated, expr, pattern, escape_char } = expr else { return expr };
    let mut arguments = vec![*pattern];
    arguments.extend(escape_char.map(Expr::Value));
    let regex = call("similar_to_escape", arguments);
    let op = BinaryOperator::PGRegexMatch;
    let matches = Expr::BinaryOp { left: expr, op, right: Box::new(regex) };
    if negated {
        let nested = Expr::Nested(Box::new(matches));
        return Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(nested) };
    }
    Expr::Nested(Box::new(matches))
}

/// `substring(x from 'p')` is what the pattern matches, or its first group.
fn matched(expr: Expr) -> Expr {
    let Expr::Substring { expr: text, substring_from: Some(from), substring_for: None, .. } = &expr
    else {
        return expr;
    };
    let is_pattern = matches!(from.as_ref(), Expr::Value(value)
        if matches!(&value.value, ast::Value::SingleQuotedString(_)));
    if !is_pattern {
        return expr;
    }
    let groups = call("regexp_match", vec![text.as_ref().clone(), from.as_ref().clone()]);
    let first = Expr::value(ast::Value::Number("1".into(), false));
    call("array_element", vec![groups, first])
}

/// `generate_series` in a select list gives a row for each value, not one array.
fn spread_series(item: &mut SelectItem) {
    let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else {
        return;
    };
    let series = |f: &Function| f.name.to_string().eq_ignore_ascii_case("generate_series");
    if matches!(expr, Expr::Function(function) if series(function)) {
        replace(expr, |old| call("unnest", vec![old]));
    }
}

/// A plain function call.
pub(crate) fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    let unnamed = |argument| FunctionArg::Unnamed(FunctionArgExpr::Expr(argument));
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: arguments.into_iter().map(unnamed).collect(),
            clauses: vec![],
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    })
}
