//! Text to statements. In: what the client sent. Out: statements in DataFusion's tree, already in
//! the dialect it plans ([`crate::dialect`]), or where and why the text is not SQL. Knows no
//! tables.

use std::sync::Arc;

use datafusion::sql::parser::{DFParser, DFParserBuilder, Statement};
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use crate::commands::{self, Command};
use crate::copies::{self, CopyOption};
use crate::grammar::Grammar;
use crate::{cursors, depth, dialect, explain_options, table_query, transaction_modes};

/// Why a text is not a statement. Positions are characters from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParseError {
    /// Not SQL, at a word or at the end.
    Syntax {
        /// In Postgres's words.
        message: String,
        /// Where, when known.
        position: Option<usize>,
    },
    /// SQL that would be planned with another meaning, or not at all.
    Unsupported(String),
    /// Nested or chained beyond what a stack is spent on.
    TooDeep,
}

/// A statement and the text it came from.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// In the dialect DataFusion plans.
    pub statement: Statement,
    /// The number of the highest parameter (`$n`), 0 without any.
    pub parameters: usize,
    /// What it is when sqlparser has no tree for it; `statement` then only holds its place.
    pub command: Option<Arc<Command>>,
    /// Of a COPY that is PostgreSQL's: sqlparser has no place for most of them.
    pub copy_options: Vec<CopyOption>,
}

/// Cuts a text into statements.
///
/// # Errors
/// [`ParseError`]; nothing of the text has run.
pub fn parse(sql: &str) -> Result<Vec<Parsed>, ParseError> {
    let tokens = Tokenizer::new(&Grammar, sql)
        .tokenize_with_location()
        .map_err(|e| syntax_error(sql, &ParserError::TokenizerError(e.to_string())))?;
    depth::check(&tokens)?;
    let parameters = parameters(&tokens);
    let tokens = transaction_modes::translate(table_query::translate(tokens));
    let tokens = explain_options::translate(sql, tokens)?;
    let tokens = cursors::translate(sql, tokens)?;
    let (tokens, commands) = commands::take(sql, tokens)?;
    let mut commands = commands.into_iter();
    let mut parser = DFParserBuilder::new(tokens)
        .with_dialect(&Grammar)
        .with_recursion_limit(depth::DEPTH_MAX * 4)
        .build()
        .map_err(|e| from_datafusion(sql, &e))?;
    let mut found = Vec::new();
    while let Some((statement, copy_options)) = next_statement(sql, &mut parser)? {
        let command = commands.next().flatten().map(Arc::new);
        found.push(Parsed { statement, parameters, command, copy_options });
    }
    for parsed in &mut found {
        if parsed.command.is_some() {
            parsed.statement = Statement::Statement(Box::new(commands::placeholder()));
        } else {
            dialect::rewrite(&mut parsed.statement)?;
        }
    }
    Ok(found)
}

/// The next statement, up to the semicolon or the end.
fn next_statement(
    sql: &str,
    parser: &mut DFParser<'_>,
) -> Result<Option<(Statement, Vec<CopyOption>)>, ParseError> {
    while parser.parser.consume_token(&Token::SemiColon) {}
    if parser.parser.peek_token_ref().token == Token::EOF {
        return Ok(None);
    }
    let statement = match copies::read(sql, &mut parser.parser)? {
        Some((copy, options)) => (Statement::Statement(Box::new(copy)), options),
        None => (parser.parse_statement().map_err(|e| from_datafusion(sql, &e))?, vec![]),
    };
    let next = parser.parser.peek_token_ref();
    match next.token {
        Token::EOF | Token::SemiColon => Ok(Some(statement)),
        _ => Err(near(sql, Some(next))),
    }
}

fn parameters(tokens: &[TokenWithSpan]) -> usize {
    let number = |token: &TokenWithSpan| match &token.token {
        Token::Placeholder(text) => text.strip_prefix('$').and_then(|n| n.parse().ok()),
        _ => None,
    };
    tokens.iter().filter_map(number).max().unwrap_or(0)
}

fn from_datafusion(sql: &str, error: &datafusion::error::DataFusionError) -> ParseError {
    use datafusion::error::DataFusionError;
    match error {
        DataFusionError::SQL(parser, _) => syntax_error(sql, parser),
        DataFusionError::Diagnostic(_, inner) => from_datafusion(sql, inner),
        other => ParseError::Syntax { message: other.strip_backtrace(), position: None },
    }
}

/// Puts the parser's words into Postgres's: `syntax error at or near "x"`.
fn syntax_error(sql: &str, error: &ParserError) -> ParseError {
    let text = match error {
        ParserError::RecursionLimitExceeded => return ParseError::TooDeep,
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
    };
    let (words, position) = match text.rsplit_once(" at Line: ") {
        Some((words, place)) => (words, offset(sql, place)),
        None => (text.as_str(), None),
    };
    let found = words.rsplit_once("found: ").map(|(_, found)| found);
    let message = match found {
        Some(token) => format!("syntax error at or near \"{token}\""),
        None if words.contains("Unterminated string") => "unterminated quoted string".to_owned(),
        None => format!("syntax error: {words}"),
    };
    match found {
        Some("EOF") => near(sql, None),
        _ => ParseError::Syntax { message, position },
    }
}

/// A syntax error at a token, or at the end of the text.
pub(crate) fn near(sql: &str, token: Option<&TokenWithSpan>) -> ParseError {
    let Some(token) = token else {
        let message = "syntax error at end of input".to_owned();
        return ParseError::Syntax { message, position: Some(sql.trim_end().chars().count() + 1) };
    };
    let Location { line, column } = token.span.start;
    let message = format!("syntax error at or near \"{}\"", token.token);
    ParseError::Syntax { message, position: position(sql, line, column) }
}

/// "3, Column: 7" as a position in characters from 1.
fn offset(sql: &str, place: &str) -> Option<usize> {
    let (line, column) = place.split_once(", Column: ")?;
    position(sql, line.trim().parse().ok()?, column.trim().parse().ok()?)
}

/// Line and column, both from 1, as a position in characters from 1; none for line 0.
pub fn position(sql: &str, line: u64, column: u64) -> Option<usize> {
    let before = sql.split('\n').take(line.checked_sub(1)? as usize);
    let skipped: usize = before.map(|text| text.chars().count() + 1).sum();
    Some(skipped + column as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(sql: &str) -> (String, Option<usize>) {
        match parse(sql).expect_err("must not parse") {
            ParseError::Syntax { message, position } => (message, position),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn errors_name_the_place() {
        assert_eq!(error("selec 1"), ("syntax error at or near \"selec\"".into(), Some(1)));
        assert_eq!(error("select\n 1 from"), ("syntax error at end of input".into(), Some(15)));
        assert_eq!(error("select (1"), ("syntax error at end of input".into(), Some(10)));
    }

    #[test]
    fn several_statements_and_parameters() {
        let parsed = parse("select $2; select 1;").expect("parses");
        assert_eq!(parsed.len(), 2);
        assert_eq!(parsed[0].parameters, 2);
        assert!(parse(" ; ").expect("empty").is_empty());
    }

    #[test]
    fn a_megabyte_of_anything_is_answered() {
        for text in [
            format!("select 1{}", "+1".repeat(500_000)),
            format!("select 1 where 1=0{}", " or 1=1".repeat(140_000)),
            format!("select {}1{}", "(".repeat(500_000), ")".repeat(500_000)),
            format!("select 1{}", " union all select 1".repeat(55_000)),
            format!("select {}1", "- ".repeat(500_000)),
            format!("select {}1", "not ".repeat(250_000)),
            format!("select 1{}", "::int".repeat(200_000)),
            format!("select case {} end", "when 1=1 then case ".repeat(55_000)),
            format!("select a{}", "[1]".repeat(300_000)),
            format!("select * from t{}", " join t on true".repeat(70_000)),
            format!("select * from t{}", ",t".repeat(500_000)),
        ] {
            assert_eq!(parse(&text).err(), Some(ParseError::TooDeep), "{}", &text[..40]);
        }
        let list = format!("select 1 where 1 in (1{})", ",1".repeat(200_000));
        assert!(parse(&list).is_ok());
    }
}
