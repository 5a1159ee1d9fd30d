//! EXPLAIN's options in PostgreSQL's words. In: the tokens of a text. Out: the same, with each
//! list `(ANALYZE, FORMAT JSON ...)` in the words DataFusion reads, or why an option cannot be.
//! Knows no plan.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use crate::parse::{ParseError, near};

/// Puts the options of every EXPLAIN into DataFusion's words.
///
/// # Errors
/// An option that PostgreSQL does not have, or we do not.
pub(crate) fn translate(
    sql: &str,
    tokens: Vec<TokenWithSpan>,
) -> Result<Vec<TokenWithSpan>, ParseError> {
    if !tokens.iter().any(|token| is_keyword(&token.token, Keyword::EXPLAIN)) {
        return Ok(tokens);
    }
    let mut out = Vec::with_capacity(tokens.len());
    let mut begins = true;
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let explains = begins && is_keyword(&token.token, Keyword::EXPLAIN);
        begins = match &token.token {
            Token::Whitespace(_) => begins,
            other => *other == Token::SemiColon,
        };
        out.push(token.clone());
        at += 1;
        let Some(list) = tokens.get(at..).filter(|_| explains).and_then(option_list) else {
            continue;
        };
        let items: Vec<_> = list.iter().filter(|token| is_visible(token)).collect();
        // The brackets are the first of these, and the one after them.
        out.extend(read(sql, items.get(1..).unwrap_or_default())?.tokens());
        at += list.len() + 1;
    }
    Ok(out)
}

/// The tokens up to the bracket that ends a list of options, when one begins here.
fn option_list(tokens: &[TokenWithSpan]) -> Option<&[TokenWithSpan]> {
    let mut visible = tokens.iter().filter(|token| is_visible(token));
    let opens = visible.next()?.token == Token::LParen;
    let end = tokens.iter().position(|token| token.token == Token::RParen)?;
    (opens && names_an_option(&visible.next()?.token)).then(|| &tokens[..end])
}

fn is_visible(token: &TokenWithSpan) -> bool {
    !matches!(token.token, Token::Whitespace(_))
}

fn is_keyword(token: &Token, keyword: Keyword) -> bool {
    matches!(token, Token::Word(word) if word.keyword == keyword && word.quote_style.is_none())
}

/// What follows the bracket of options, and not that of a query.
fn names_an_option(token: &Token) -> bool {
    let query = [Keyword::SELECT, Keyword::WITH, Keyword::VALUES, Keyword::TABLE];
    matches!(token, Token::Word(word) if !query.contains(&word.keyword))
}

/// The options that we have.
#[derive(Debug, Default)]
struct Options {
    analyze: bool,
    verbose: bool,
    json: bool,
}

impl Options {
    /// As DataFusion reads them.
    fn tokens(&self) -> impl Iterator<Item = TokenWithSpan> {
        let word = |on| if on { "TRUE" } else { "FALSE" };
        let format = if self.json { "pgjson" } else { "indent" };
        let mut tokens = vec![Token::LParen];
        let items =
            [("ANALYZE", word(self.analyze)), ("VERBOSE", word(self.verbose)), ("FORMAT", format)];
        for (name, value) in items {
            if tokens.len() > 1 {
                tokens.push(Token::Comma);
            }
            tokens.extend([Token::make_keyword(name), Token::make_word(value, None)]);
        }
        tokens.push(Token::RParen);
        tokens.into_iter().map(TokenWithSpan::wrap)
    }
}

/// Reads the list between the brackets.
fn read(sql: &str, list: &[&TokenWithSpan]) -> Result<Options, ParseError> {
    let mut options = Options::default();
    for item in list.split(|token| token.token == Token::Comma) {
        let [name, value @ ..] = item else { return Err(syntax(sql, list.last().copied())) };
        let (Token::Word(word), true) = (&name.token, value.len() <= 1) else {
            return Err(syntax(sql, value.get(1).copied().or(Some(name))));
        };
        let option = word.value.to_lowercase();
        let value = value.first().map(|value| &value.token);
        let on =
            || boolean(value).ok_or_else(|| plain(format!("{option} requires a Boolean value")));
        match option.as_str() {
            "analyze" | "analyse" => options.analyze = on()?,
            "verbose" => options.verbose = on()?,
            "format" => options.json = format(value)?,
            // The plans have neither; there is nothing to leave out or to show besides.
            "costs" | "timing" | "summary" => {
                on()?;
            }
            "settings" | "generic_plan" | "buffers" | "wal" | "memory" => {
                if on()? {
                    let option = option.to_uppercase();
                    return Err(ParseError::Unsupported(format!("EXPLAIN ({option})")));
                }
            }
            _ => return Err(plain(format!("unrecognized EXPLAIN option \"{option}\""))),
        }
    }
    Ok(options)
}

fn boolean(value: Option<&Token>) -> Option<bool> {
    let text = match value {
        None => return Some(true),
        Some(Token::Number(text, _) | Token::SingleQuotedString(text)) => text.to_lowercase(),
        Some(Token::Word(Word { value, .. })) => value.to_lowercase(),
        Some(_) => return None,
    };
    match text.as_str() {
        "true" | "on" | "1" => Some(true),
        "false" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// Whether the format is JSON and not text.
fn format(value: Option<&Token>) -> Result<bool, ParseError> {
    let (Some(Token::Word(Word { value: text, .. })) | Some(Token::SingleQuotedString(text))) =
        value
    else {
        return Err(plain("format requires a parameter".to_owned()));
    };
    match text.to_lowercase().as_str() {
        "text" => Ok(false),
        "json" => Ok(true),
        "xml" | "yaml" => {
            Err(ParseError::Unsupported(format!("EXPLAIN (FORMAT {})", text.to_uppercase())))
        }
        _ => Err(plain(format!("unrecognized value for EXPLAIN option \"format\": \"{text}\""))),
    }
}

fn plain(message: String) -> ParseError {
    ParseError::Syntax { message, position: None }
}

fn syntax(sql: &str, token: Option<&TokenWithSpan>) -> ParseError {
    match token {
        Some(token) => near(sql, Some(token)),
        None => plain("syntax error in EXPLAIN's options".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::common::format::ExplainFormat;
    use datafusion::sql::parser::Statement;

    use super::*;
    use crate::parse::parse;

    /// ANALYZE, VERBOSE and JSON as they were understood.
    fn options(sql: &str) -> [bool; 3] {
        let parsed = parse(sql).expect(sql).pop().expect("a statement");
        let Statement::Explain(explain) = parsed.statement else { panic!("{sql}") };
        let options = explain.options;
        let json = options.format == Some(ExplainFormat::PostgresJSON);
        [options.analyze, options.verbose, json]
    }

    fn refused(sql: &str) -> String {
        match parse(sql).expect_err(sql) {
            ParseError::Unsupported(what) => format!("unsupported {what}"),
            ParseError::Syntax { message, .. } => message,
            ParseError::TooDeep => panic!("{sql}"),
        }
    }

    #[test]
    fn postgres_words_are_understood() {
        assert_eq!(options("explain (format json) select 1"), [false, false, true]);
        assert_eq!(options("EXPLAIN (ANALYZE, VERBOSE, FORMAT JSON) select 1"), [true; 3]);
        assert_eq!(options("explain (analyse on, format 'text') select 1"), [true, false, false]);
        let client =
            "explain(FORMAT JSON, ANALYZE false, VERBOSE off, COSTS 0, BUFFERS false)select 1";
        assert_eq!(options(client), [false, false, true]);
        assert_eq!(options("explain analyze verbose select 1"), [true, true, false]);
    }

    #[test]
    fn a_query_in_brackets_is_none() {
        assert_eq!(options("explain (select 1)"), [false; 3]);
        assert_eq!(options("explain ((select 1) union all select 2)"), [false; 3]);
        assert!(parse("select explain (format) from t").is_ok());
    }

    #[test]
    fn what_we_do_not_have_is_told() {
        assert_eq!(refused("explain (format xml) select 1"), "unsupported EXPLAIN (FORMAT XML)");
        assert_eq!(refused("explain (buffers) select 1"), "unsupported EXPLAIN (BUFFERS)");
        assert_eq!(refused("explain (nope) select 1"), "unrecognized EXPLAIN option \"nope\"");
        assert_eq!(refused("explain (analyze 5) select 1"), "analyze requires a Boolean value");
        assert_eq!(refused("explain (analyze x y) select 1"), "syntax error at or near \"y\"");
        assert_eq!(refused("explain (analyze,) select 1"), "syntax error at or near \",\"");
    }
}
