//! PostgreSQL's COPY: to and from the client, and FROM a file. In: a parser that stands before a
//! COPY. Out: the statement as sqlparser has it, and its options as they were written, in either
//! syntax; sqlparser's own reader knows few of them. Leaves DataFusion's `COPY ... TO 'path'` to
//! DataFusion. Decides nothing about what an option may be.

use datafusion::sql::parser::Statement as Sql;
use datafusion::sql::sqlparser::ast::{CopySource, CopyTarget, Ident, Statement};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{IsOptional, Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

use crate::names;
use crate::parse::{ParseError, Parsed, near, parse};

mod options;

/// An option of COPY as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyOption {
    /// Its name.
    pub name: String,
    /// What it is set to.
    pub value: CopyValue,
    /// Where it is, in characters from 1.
    pub position: Option<usize>,
}

/// What an option is set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyValue {
    /// It is only named.
    Nothing,
    /// A word or a literal.
    Text(String),
    /// A number with its sign.
    Number(String),
    /// All columns.
    Star,
    /// Columns.
    List(Vec<String>),
}

/// The query whose rows a COPY gives, where `parameters` is the highest of the statement.
///
/// # Errors
/// None but a bug: the names were read before.
pub fn query(source: &CopySource, parameters: usize) -> Result<Parsed, ParseError> {
    let text = match source {
        CopySource::Query(query) => {
            let statement = Sql::Statement(Box::new(Statement::Query(query.clone())));
            return Ok(Parsed { statement, parameters, command: None, copy_options: vec![] });
        }
        CopySource::Table { table_name, columns } if columns.is_empty() => {
            format!("SELECT * FROM {table_name}")
        }
        CopySource::Table { table_name, columns } => {
            let column = |column| Ident::with_quote('"', folded(column)).to_string();
            let columns: Vec<_> = columns.iter().map(column).collect();
            format!("SELECT {} FROM {table_name}", columns.join(", "))
        }
    };
    parse(&text)?.pop().ok_or_else(|| near(&text, None))
}

/// A name as PostgreSQL keeps it.
pub fn folded(name: &Ident) -> String {
    names::folded(&name.value, name.quote_style.is_some())
}

/// Reads a COPY that is PostgreSQL's; none, and nothing was read, when another statement begins.
///
/// # Errors
/// Where its options are none.
pub(crate) fn read(
    sql: &str,
    parser: &mut Parser,
) -> Result<Option<(Statement, Vec<CopyOption>)>, ParseError> {
    if !is_word(&parser.peek_token_ref().token, Keyword::COPY) {
        return Ok(None);
    }
    // What does not fit is the engine's, or wrong in its words, too.
    let Ok((is_binary, source, to, target)) = parser.try_parse(head) else { return Ok(None) };
    let mut options = vec![];
    if is_binary {
        let value = CopyValue::Text("binary".to_owned());
        options.push(CopyOption { name: "format".to_owned(), value, position: None });
    }
    if to {
        options::read(sql, parser, &mut options)?;
    } else {
        // Refused as a whole, whatever its options and its WHERE.
        while !ends(&parser.peek_token_ref().token) {
            parser.advance_token();
        }
    }
    let (legacy_options, values) = (vec![], vec![]);
    let copy = Statement::Copy { source, to, target, options: vec![], legacy_options, values };
    Ok(Some((copy, options)))
}

/// Up to the options: whether it is `COPY BINARY`, of what, whether TO, and where.
fn head(parser: &mut Parser) -> Result<(bool, CopySource, bool, CopyTarget), ParserError> {
    parser.expect_keyword(Keyword::COPY)?;
    let is_binary = parser.parse_keyword(Keyword::BINARY);
    let source = if parser.consume_token(&Token::LParen) {
        let query = parser.parse_query()?;
        parser.expect_token(&Token::RParen)?;
        CopySource::Query(query)
    } else {
        let table_name = parser.parse_object_name(false)?;
        let columns = parser.parse_parenthesized_column_list(IsOptional::Optional, false)?;
        CopySource::Table { table_name, columns }
    };
    let is_table = matches!(source, CopySource::Table { .. });
    let to = match parser.parse_one_of_keywords(&[Keyword::FROM, Keyword::TO]) {
        Some(Keyword::TO) => true,
        Some(Keyword::FROM) if is_table => false,
        _ => return parser.expected_ref("TO", parser.peek_token_ref()),
    };
    let target =
        match parser.parse_one_of_keywords(&[Keyword::STDIN, Keyword::STDOUT, Keyword::PROGRAM]) {
            Some(Keyword::PROGRAM) => {
                CopyTarget::Program { command: parser.parse_literal_string()? }
            }
            // PostgreSQL takes either word for the client.
            Some(_) if to => CopyTarget::Stdout,
            Some(_) => CopyTarget::Stdin,
            None if !to => CopyTarget::File { filename: parser.parse_literal_string()? },
            None => return parser.expected_ref("STDOUT", parser.peek_token_ref()),
        };
    Ok((is_binary, source, to, target))
}

fn ends(token: &Token) -> bool {
    matches!(token, Token::EOF | Token::SemiColon)
}

fn is_word(token: &Token, keyword: Keyword) -> bool {
    matches!(token, Token::Word(word) if word.keyword == keyword && word.quote_style.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The options as text, `name value` each.
    fn options(sql: &str) -> String {
        let parsed = parse(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let [only] = parsed.as_slice() else { panic!("{sql}") };
        let Sql::Statement(statement) = &only.statement else { panic!("{sql}: the engine's") };
        assert!(matches!(**statement, Statement::Copy { .. }), "{sql}");
        let option = |option: &CopyOption| match &option.value {
            CopyValue::Nothing => option.name.clone(),
            CopyValue::Text(text) => format!("{} '{text}'", option.name),
            CopyValue::Number(digits) => format!("{} {digits}", option.name),
            CopyValue::Star => format!("{} *", option.name),
            CopyValue::List(items) => format!("{} ({})", option.name, items.join(" ")),
        };
        let all: Vec<_> = only.copy_options.iter().map(option).collect();
        all.join(", ")
    }

    fn refused(sql: &str) -> String {
        match parse(sql).expect_err(sql) {
            ParseError::Syntax { message, .. } => message,
            other => panic!("{sql}: {other:?}"),
        }
    }

    #[test]
    fn both_syntaxes() {
        for (sql, want) in [
            ("copy t to stdout", ""),
            ("COPY (select 1) TO STDOUT WITH", ""),
            ("copy binary t to stdout", "format 'binary'"),
            ("copy t (a, \"B\") to stdin (format CSV)", "format 'csv'"),
            (
                "copy t to stdout(\"Format\" 'CSV', header 1, x -1.5)",
                "Format 'CSV', header 1, x -1.5",
            ),
            ("copy t to stdout (header, delimiter E'\\t')", "header, delimiter '\t'"),
            (
                "copy t to stdout with (force_quote (a, \"B c\"), null '')",
                "force_quote (a B c), null ''",
            ),
            ("copy t to stdout (force_quote *, header true)", "force_quote *, header 'true'"),
            (
                "copy t to stdout with csv header delimiter as ';' quote '''' force quote a, b",
                "format 'csv', header, delimiter ';', quote ''', force_quote (a b)",
            ),
            (
                "copy t to stdout binary null 'x' force not null * encoding 'utf8'",
                "format 'binary', null 'x', force_not_null *, encoding 'utf8'",
            ),
            ("copy t to stdout using delimiters '|' csv", "delimiter '|', format 'csv'"),
        ] {
            assert_eq!(options(sql), want, "{sql}");
        }
    }

    #[test]
    fn what_follows_is_another_statement() {
        let parsed = parse("copy t from stdin csv where a = 1; copy (select 1) to 'x'; select 2;");
        let parsed = parsed.expect("three statements");
        assert_eq!(parsed.len(), 3);
        assert!(matches!(&parsed[1].statement, Sql::CopyTo(_)), "to a file it is the engine's");
    }

    #[test]
    fn wrong_places_are_named() {
        for (sql, place) in [
            ("copy t to stdout (format csv header)", "near \"header\""),
            ("copy t to stdout ()", "near \")\""),
            ("copy t to stdout (format csv,)", "near \")\""),
            ("copy t to stdout csv nope", "near \"nope\""),
            ("copy t to stdout (null null)", "near \"null\""),
            ("copy t to stdout (format csv", "at end of input"),
            ("copy t to stdout delimiter", "at end of input"),
            ("copy t to", "at end of input"),
            ("copy (select 1) from stdin", "near \"from\""),
            ("copy t to stdout select 1", "near \"select\""),
        ] {
            let message = refused(sql);
            assert!(message.ends_with(place), "{sql}: {message}");
        }
    }

    #[test]
    fn a_table_is_a_query() {
        let parsed = parse("copy s.\"T\" (a, \"B\"\"\") to stdout").expect("a COPY").remove(0);
        let Sql::Statement(statement) = &parsed.statement else { panic!("not sqlparser's") };
        let Statement::Copy { source, .. } = statement.as_ref() else { panic!("no COPY") };
        let query = query(source, 0).expect("a query").statement.to_string();
        assert_eq!(query, "SELECT \"a\", \"B\"\"\" FROM s.\"T\"");
    }
}
