//! FETCH and MOVE in PostgreSQL's words. In: the tokens of a text. Out: the same, with each
//! direction in the few forms that sqlparser reads, or where it is not one. sqlparser knows no
//! MOVE: it becomes a FETCH with a target, which PostgreSQL's own does not have. Knows no cursors.

use datafusion::sql::parser::Statement as Sql;
use datafusion::sql::sqlparser::ast::{Declare, FetchDirection, Statement, Value, ValueWithSpan};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::parse::{ParseError, Parsed, near};

/// The target that says: give no rows.
const MOVE: &str = "move";

/// Where a FETCH or MOVE goes, in rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// So many rows on, or all; none: the row that was read last.
    Forward(Option<u64>),
    /// So many rows back, or all, the last one first.
    Backward(Option<u64>),
    /// One row by its number: from 1, or from the end with -1.
    Absolute(i64),
    /// One row, so many after the last one read.
    Relative(i64),
}

/// A FETCH or MOVE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// The cursor's name.
    pub cursor: String,
    /// Which rows.
    pub direction: Direction,
    /// Whether the rows are wanted: FETCH, and not MOVE.
    pub gives_rows: bool,
}

/// A DECLARE.
#[derive(Debug, Clone)]
pub struct Declared {
    /// The cursor's name.
    pub cursor: String,
    /// The query.
    pub query: Parsed,
    /// Rows in binary, whatever the protocol.
    pub is_binary: bool,
    /// Whether it goes back: SCROLL.
    pub scrolls: bool,
    /// Whether it outlives its transaction: WITH HOLD.
    pub holds: bool,
}

/// The cursor that a statement declares, if it is DECLARE.
pub fn declared(parsed: &Parsed) -> Option<Declared> {
    let Sql::Statement(statement) = &parsed.statement else { return None };
    let Statement::Declare { stmts } = statement.as_ref() else { return None };
    let [Declare { names, for_query: Some(query), binary, scroll, hold, .. }] = stmts.as_slice()
    else {
        return None;
    };
    let statement = Sql::Statement(Box::new(Statement::Query(query.clone())));
    Some(Declared {
        cursor: names.first()?.value.clone(),
        query: Parsed {
            statement,
            parameters: parsed.parameters,
            command: None,
            copy_options: vec![],
        },
        is_binary: *binary == Some(true),
        scrolls: *scroll == Some(true),
        holds: *hold == Some(true),
    })
}

/// What a statement fetches, if it is FETCH or MOVE.
pub fn fetch(statement: &Sql) -> Option<Fetch> {
    let Sql::Statement(statement) = statement else { return None };
    let Statement::Fetch { name, direction, into, .. } = statement.as_ref() else { return None };
    let direction = match direction {
        FetchDirection::Forward { limit: Some(count) } => Direction::Forward(Some(number(count)?)),
        FetchDirection::Backward { limit: Some(count) } => {
            Direction::Backward(Some(number(count)?))
        }
        FetchDirection::ForwardAll => Direction::Forward(None),
        FetchDirection::BackwardAll => Direction::Backward(None),
        FetchDirection::Absolute { limit } => Direction::Absolute(number(limit)?),
        FetchDirection::Relative { limit } => Direction::Relative(number(limit)?),
        // Not among the forms that are written here.
        _ => return None,
    };
    Some(Fetch { cursor: name.value.clone(), direction, gives_rows: into.is_none() })
}

fn number<T: std::str::FromStr>(value: &ValueWithSpan) -> Option<T> {
    match &value.value {
        Value::Number(digits, _) => digits.parse().ok(),
        _ => None,
    }
}

/// Puts every FETCH and MOVE into the forms that [`fetch`] reads.
///
/// # Errors
/// The token where it is neither.
pub(crate) fn translate(
    sql: &str,
    tokens: Vec<TokenWithSpan>,
) -> Result<Vec<TokenWithSpan>, ParseError> {
    if !tokens.iter().any(|token| begins(&token.token).is_some()) {
        return Ok(tokens);
    }
    let mut out = Vec::with_capacity(tokens.len());
    for statement in tokens.split_inclusive(|token| token.token == Token::SemiColon) {
        let visible = |token: &&TokenWithSpan| !matches!(token.token, Token::Whitespace(_));
        let mut words = statement.iter().filter(visible).peekable();
        let Some(gives_rows) = words.peek().and_then(|first| begins(&first.token)) else {
            out.extend_from_slice(statement);
            continue;
        };
        words.next();
        let mut words: Vec<_> = words.collect();
        let end = words.pop_if(|last| last.token == Token::SemiColon);
        let found = read(&words, gives_rows);
        let found = found.map_err(|at| near(sql, words.get(at).copied()))?;
        out.extend(written(&found));
        out.extend(end.cloned());
    }
    Ok(out)
}

/// Whether a statement that begins so gives rows; none when it is another one.
fn begins(token: &Token) -> Option<bool> {
    match word(token)?.as_str() {
        "fetch" => Some(true),
        "move" => Some(false),
        _ => None,
    }
}

fn word(token: &Token) -> Option<String> {
    match token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_lowercase()),
        _ => None,
    }
}

/// Reads what follows FETCH or MOVE; where it is wrong otherwise.
fn read(words: &[&TokenWithSpan], gives_rows: bool) -> Result<Fetch, usize> {
    let (direction, mut at) = direction(words)?;
    let is = |at: usize, known: &[&str]| {
        words.get(at).and_then(|w| word(&w.token)).is_some_and(|w| known.contains(&w.as_str()))
    };
    if is(at, &["from", "in"]) {
        at += 1;
    }
    let cursor = match words.get(at).map(|token| &token.token) {
        Some(Token::Word(name)) if name.quote_style.is_some() => name.value.clone(),
        Some(Token::Word(name)) => name.value.to_lowercase(),
        _ => return Err(at),
    };
    if words.len() > at + 1 {
        return Err(at + 1);
    }
    Ok(Fetch { cursor, direction, gives_rows })
}

/// The direction and how many words it has; none is the next row.
fn direction(words: &[&TokenWithSpan]) -> Result<(Direction, usize), usize> {
    let next = Direction::Forward(Some(1));
    if let Some((count, used)) = count(words, 0) {
        return Ok((forward(count), used));
    }
    let Some(first) = words.first().and_then(|token| word(&token.token)) else {
        return Ok((next, 0));
    };
    let counted = || count(words, 1);
    let all = || words.get(1).and_then(|token| word(&token.token)).as_deref() == Some("all");
    Ok(match (first.as_str(), words.len() > 1) {
        ("next", true) => (next, 1),
        ("prior", true) => (Direction::Backward(Some(1)), 1),
        ("first", true) => (Direction::Absolute(1), 1),
        ("last", true) => (Direction::Absolute(-1), 1),
        ("all", true) => (Direction::Forward(None), 1),
        ("absolute", true) => {
            counted().map(|(n, used)| (Direction::Absolute(n), used)).ok_or(1_usize)?
        }
        ("relative", true) => {
            counted().map(|(n, used)| (Direction::Relative(n), used)).ok_or(1_usize)?
        }
        ("forward", true) if all() => (Direction::Forward(None), 2),
        ("backward", true) if all() => (Direction::Backward(None), 2),
        ("forward", true) => counted().map_or((next, 1), |(n, used)| (forward(n), used)),
        ("backward", true) => counted().map_or((Direction::Backward(Some(1)), 1), |(n, used)| {
            (forward(n.saturating_neg()), used)
        }),
        _ => (next, 0),
    })
}

fn forward(count: i64) -> Direction {
    match count {
        0.. => Direction::Forward(Some(count.unsigned_abs())),
        _ => Direction::Backward(Some(count.unsigned_abs())),
    }
}

/// A number with its sign, and the word after it.
fn count(words: &[&TokenWithSpan], at: usize) -> Option<(i64, usize)> {
    let signed = |at: usize, sign: &str| match &words.get(at)?.token {
        Token::Number(digits, _) => Some((format!("{sign}{digits}").parse().ok()?, at + 1)),
        _ => None,
    };
    match &words.get(at)?.token {
        Token::Minus => signed(at + 1, "-"),
        Token::Plus => signed(at + 1, ""),
        _ => signed(at, ""),
    }
}

/// In the forms that sqlparser reads.
fn written(fetch: &Fetch) -> impl Iterator<Item = TokenWithSpan> {
    let mut tokens = vec![Token::make_keyword("FETCH")];
    let (keyword, count) = match fetch.direction {
        Direction::Forward(count) => ("FORWARD", count.map(|n| n.to_string())),
        Direction::Backward(count) => ("BACKWARD", count.map(|n| n.to_string())),
        Direction::Absolute(n) => ("ABSOLUTE", Some(n.to_string())),
        Direction::Relative(n) => ("RELATIVE", Some(n.to_string())),
    };
    tokens.push(Token::make_keyword(keyword));
    tokens.push(count.map_or_else(|| Token::make_keyword("ALL"), |n| Token::Number(n, false)));
    tokens.push(Token::make_keyword("FROM"));
    tokens.push(Token::make_word(&fetch.cursor, Some('"')));
    if !fetch.gives_rows {
        tokens.extend([Token::make_keyword("INTO"), Token::make_word(MOVE, Some('"'))]);
    }
    tokens.into_iter().map(TokenWithSpan::wrap)
}

#[cfg(test)]
mod tests {
    use super::Direction::{Absolute, Backward, Forward, Relative};
    use super::*;
    use crate::parse::parse;

    fn read(sql: &str) -> Fetch {
        let parsed = parse(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        fetch(&parsed[0].statement).unwrap_or_else(|| panic!("{sql} is no FETCH"))
    }

    #[test]
    fn every_direction() {
        for (sql, direction) in [
            ("fetch c", Forward(Some(1))),
            ("FETCH FROM c", Forward(Some(1))),
            ("fetch next in c", Forward(Some(1))),
            ("fetch prior c", Backward(Some(1))),
            ("fetch first from c", Absolute(1)),
            ("fetch last from c", Absolute(-1)),
            ("fetch 100 in \"c\"", Forward(Some(100))),
            ("fetch -2 c", Backward(Some(2))),
            ("fetch +2 c", Forward(Some(2))),
            ("fetch all c", Forward(None)),
            ("fetch absolute -3 from c", Absolute(-3)),
            ("fetch relative -1 c", Relative(-1)),
            ("fetch relative 0 c", Relative(0)),
            ("fetch forward c", Forward(Some(1))),
            ("fetch forward 0 from c", Forward(Some(0))),
            ("fetch forward -5 from c", Backward(Some(5))),
            ("fetch forward all c", Forward(None)),
            ("fetch backward from c", Backward(Some(1))),
            ("fetch backward 7 from c", Backward(Some(7))),
            ("fetch backward -7 from c", Forward(Some(7))),
            ("fetch backward all in c", Backward(None)),
        ] {
            let found = read(sql);
            assert_eq!((found.direction, found.cursor.as_str()), (direction, "c"), "{sql}");
            assert!(
                found.gives_rows && !read(&sql.to_lowercase().replace("fetch", "move")).gives_rows
            );
        }
    }

    #[test]
    fn names_and_neighbours() {
        assert_eq!(read("fetch NEXT").cursor, "next", "it is a name when nothing follows");
        assert_eq!(read("move \"All Of it\"").cursor, "All Of it");
        let several = parse("begin; move 3 c ; fetch c; select 1").expect("parses");
        assert_eq!(several.len(), 4);
        let found: Vec<_> = several.iter().map(|s| fetch(&s.statement).is_some()).collect();
        assert_eq!(found, [false, true, true, false]);
        for (sql, place) in [
            ("fetch 3", "end of input"),
            ("fetch absolute c", "\"c\""),
            ("move 1 from c into x", "\"into\""),
            ("fetch forward 1 from c, d", "\",\""),
            ("fetch", "end of input"),
        ] {
            match parse(sql).expect_err("must not parse") {
                ParseError::Syntax { message, .. } => {
                    assert!(message.ends_with(place), "{message}")
                }
                other => panic!("{sql}: {other:?}"),
            }
        }
    }
}
