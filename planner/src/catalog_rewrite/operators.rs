//! Operators, collations, subscripts and arrays written as text.
//!
//! In: an expression. Out: the same in words that DataFusion's planner has.
//! Refuses to know the types of columns: where it matters, a function is called that looks.

use datafusion::sql::sqlparser::ast::{
    AccessExpr, Array, BinaryOperator, CaseWhen, Expr, Subscript, Value, ValueWithSpan,
};

use super::build::{self, call, replace};

/// Columns of PostgreSQL's two vector types, which count from 0; DataFusion counts from 1.
const VECTORS: &[&str] = &[
    "indclass",
    "indcollation",
    "indkey",
    "indoption",
    "partattrs",
    "partclass",
    "partcollation",
    "proargtypes",
    "stxkeys",
    "tgattr",
];

/// Rewrites one expression whose parts are rewritten already.
pub(super) fn rewrite(expr: &mut Expr) {
    match expr {
        Expr::BinaryOp { left, op, right } => {
            if let BinaryOperator::PGCustomBinaryOperator(parts) = op
                && let Some(plain) = plain_operator(parts)
            {
                *op = plain;
            }
            if matches!(op, BinaryOperator::Eq | BinaryOperator::NotEq) {
                compare_as_text(left, right);
            }
        }
        Expr::Collate { expr: inner, collation } if sorts_by_bytes(&build::parts(collation)) => {
            let plain = std::mem::replace(inner.as_mut(), build::null());
            *expr = plain;
        }
        Expr::AnyOp { right, .. } | Expr::AllOp { right, .. } => {
            if let Some(items) = build::string_of(right).and_then(array_items) {
                **right = array_of(items);
            }
        }
        Expr::Case { operand: Some(operand), conditions, .. } => {
            let needs_text = |when: &CaseWhen| is_letter_or_array(&when.condition);
            if is_column(operand) && conditions.iter().any(needs_text) {
                as_text(operand);
            }
        }
        Expr::CompoundFieldAccess { root, access_chain } => access(root, access_chain),
        Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. } => {
            if let Some(escape) = odd_escape(escape_char.as_ref()) {
                replace(pattern, |old| escaped_by_backslash(old, &escape));
                *escape_char = None;
            }
        }
        _ => {}
    }
}

/// The operator that `OPERATOR(pg_catalog.~)` names.
fn plain_operator(parts: &[String]) -> Option<BinaryOperator> {
    let symbol = match parts {
        [symbol] => symbol,
        [schema, symbol] if schema == "pg_catalog" => symbol,
        _ => return None,
    };
    Some(match symbol.as_str() {
        "=" => BinaryOperator::Eq,
        "<>" | "!=" => BinaryOperator::NotEq,
        "<" => BinaryOperator::Lt,
        "<=" => BinaryOperator::LtEq,
        ">" => BinaryOperator::Gt,
        ">=" => BinaryOperator::GtEq,
        "+" => BinaryOperator::Plus,
        "-" => BinaryOperator::Minus,
        "*" => BinaryOperator::Multiply,
        "/" => BinaryOperator::Divide,
        "%" => BinaryOperator::Modulo,
        "||" => BinaryOperator::StringConcat,
        "~" => BinaryOperator::PGRegexMatch,
        "~*" => BinaryOperator::PGRegexIMatch,
        "!~" => BinaryOperator::PGRegexNotMatch,
        "!~*" => BinaryOperator::PGRegexNotIMatch,
        "~~" => BinaryOperator::PGLikeMatch,
        "~~*" => BinaryOperator::PGILikeMatch,
        "!~~" => BinaryOperator::PGNotLikeMatch,
        "!~~*" => BinaryOperator::PGNotILikeMatch,
        "@>" => BinaryOperator::AtArrow,
        "<@" => BinaryOperator::ArrowAt,
        _ => return None,
    })
}

/// True for collations that compare bytes, as DataFusion always does.
fn sorts_by_bytes(collation: &[String]) -> bool {
    let name = match collation {
        [name] => name,
        [schema, name] if schema == "pg_catalog" => name,
        _ => return false,
    };
    matches!(name.as_str(), "default" | "C" | "POSIX" | "ucs_basic")
}

/// True for an escape that DataFusion does not have.
pub(super) fn is_odd_escape(escape: Option<&ValueWithSpan>) -> bool {
    odd_escape(escape).is_some()
}

fn odd_escape(escape: Option<&ValueWithSpan>) -> Option<String> {
    match &escape?.value {
        Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) if text != "\\" => {
            Some(text.clone())
        }
        _ => None,
    }
}

/// A pattern written with another escape character, or with none, for the backslash.
fn escaped_by_backslash(pattern: Expr, escape: &str) -> Expr {
    let swap = |text: Expr, from: &str, to: &str| {
        call("replace", vec![text, build::string(from), build::string(to)])
    };
    let literal = swap(pattern, "\\", "\\\\");
    if escape.is_empty() {
        return literal;
    }
    // An escaped escape is the character itself; it waits as one that no name contains.
    let waiting = swap(literal, &escape.repeat(2), "\u{1f}");
    swap(swap(waiting, escape, "\\"), "\u{1f}", escape)
}

/// `x = '{0}'` compares an array, or a text, with that text, and `x = 't'` a boolean, or a text:
/// the function tells which it is.
fn compare_as_text(left: &mut Expr, right: &mut Expr) {
    if is_letter_or_array(right) && is_column(left) {
        as_text(left);
    } else if is_letter_or_array(left) && is_column(right) {
        as_text(right);
    }
}

fn as_text(column: &mut Expr) {
    replace(column, |old| call("mobula_text", vec![old]));
}

fn is_column(expr: &Expr) -> bool {
    matches!(build::bare(expr), Expr::Identifier(_) | Expr::CompoundIdentifier(_))
}

/// A literal that PostgreSQL would read as a boolean or as an array, if compared with one.
fn is_letter_or_array(expr: &Expr) -> bool {
    build::string_of(expr).is_some_and(|text| matches!(text, "t" | "f") || is_array_text(text))
}

/// `(x).name` by its name; `x[0]` of a vector as `x[0 + 1]`.
fn access(root: &Expr, chain: &mut [AccessExpr]) {
    // `t.x[1]` is written as an access of `t` too: there the first names are a column's.
    let is_column = is_column(root) && !matches!(root, Expr::Nested(_));
    let mut last = match build::bare(root) {
        Expr::Identifier(ident) => Some(build::folded(ident)),
        Expr::CompoundIdentifier(idents) => idents.last().map(build::folded),
        _ => None,
    };
    for part in chain {
        match part {
            AccessExpr::Dot(Expr::Identifier(ident)) if is_column => {
                last = Some(build::folded(ident));
            }
            AccessExpr::Dot(Expr::Identifier(ident)) => {
                *part = AccessExpr::Dot(build::string(&build::folded(ident)));
            }
            AccessExpr::Subscript(Subscript::Index { index })
                if last.as_ref().is_some_and(|name| VECTORS.contains(&name.as_str())) =>
            {
                replace(index, plus_one);
            }
            _ => {}
        }
    }
}

fn plus_one(index: Expr) -> Expr {
    Expr::BinaryOp {
        left: Box::new(Expr::Nested(Box::new(index))),
        op: BinaryOperator::Plus,
        right: Box::new(build::number(1)),
    }
}

/// True for text that looks like an array of one dimension.
pub(super) fn is_array_text(text: &str) -> bool {
    array_items(text).is_some()
}

/// The items of `{a,"b c",NULL}`; `None` if it is not an array of one dimension.
pub(super) fn array_items(text: &str) -> Option<Vec<Option<String>>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut items = vec![];
    let mut chars = inner.chars().peekable();
    let mut item = String::new();
    let (mut quoted, mut was_quoted) = (false, false);
    let finish = |item: &mut String, was_quoted: bool| {
        let text = std::mem::take(item);
        match was_quoted {
            true => Some(text),
            false if text.trim().eq_ignore_ascii_case("null") => None,
            false => Some(text.trim().to_owned()),
        }
    };
    while let Some(c) = chars.next() {
        match c {
            '\\' => item.push(chars.next()?),
            '"' => {
                quoted = !quoted;
                was_quoted = true;
            }
            ',' if !quoted => items.push(finish(&mut item, std::mem::take(&mut was_quoted))),
            '{' | '}' if !quoted => return None,
            c => item.push(c),
        }
    }
    if quoted {
        return None;
    }
    if !(inner.trim().is_empty() && items.is_empty()) {
        items.push(finish(&mut item, was_quoted));
    }
    Some(items)
}

/// `ARRAY[...]` of those items: numbers if all are, else texts.
pub(super) fn array_of(items: Vec<Option<String>>) -> Expr {
    let is_number = |item: &Option<String>| {
        item.as_ref().is_none_or(|text| !text.is_empty() && text.parse::<i64>().is_ok())
    };
    let numbers = items.iter().all(is_number);
    let item = |item: Option<String>| match item {
        None => build::null(),
        Some(text) if numbers => Expr::value(Value::Number(text, false)),
        Some(text) => build::string(&text),
    };
    Expr::Array(Array { elem: items.into_iter().map(item).collect(), named: true })
}
