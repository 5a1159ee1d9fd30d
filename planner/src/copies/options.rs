//! COPY's options as they are written, in brackets or in the syntax of before 9.0. In: a parser
//! that stands behind STDOUT. Out: names and values, each read as PostgreSQL's grammar has it;
//! whether an option is known is not asked here.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::{CopyOption, CopyValue, ends};
use crate::names;
use crate::parse::{ParseError, near, position};

/// Reads options up to the end of the statement, after those that are known.
///
/// # Errors
/// The token that is none of an option.
pub(super) fn read(
    sql: &str,
    parser: &mut Parser,
    options: &mut Vec<CopyOption>,
) -> Result<(), ParseError> {
    let mut reader = Reader { sql, parser };
    if reader.parser.parse_keyword(Keyword::USING) || reader.is_next("delimiters") {
        reader.expect("delimiters")?;
        let value = reader.literal()?;
        options.push(CopyOption { name: "delimiter".to_owned(), value, position: None });
    }
    let _ = reader.parser.parse_keyword(Keyword::WITH);
    if reader.parser.consume_token(&Token::LParen) {
        loop {
            options.push(reader.option()?);
            if reader.parser.consume_token(&Token::RParen) {
                break;
            }
            reader.comma()?;
        }
    } else {
        while let Some(option) = reader.old_option()? {
            options.push(option);
        }
    }
    if ends(&reader.parser.peek_token_ref().token) { Ok(()) } else { Err(reader.wrong()) }
}

/// Options, one after the other.
struct Reader<'a, 'p> {
    sql: &'a str,
    parser: &'a mut Parser<'p>,
}

impl Reader<'_, '_> {
    /// A syntax error at the next token.
    fn wrong(&self) -> ParseError {
        let token = self.parser.peek_token_ref();
        near(self.sql, (token.token != Token::EOF).then_some(token))
    }

    fn here(&self) -> Option<usize> {
        let start = self.parser.peek_token_ref().span.start;
        position(self.sql, start.line, start.column)
    }

    /// The next token, if it is a word: folded.
    fn word(&self) -> Option<String> {
        match &self.parser.peek_token_ref().token {
            Token::Word(word) => Some(name(word)),
            _ => None,
        }
    }

    fn is_next(&self, known: &str) -> bool {
        let token = &self.parser.peek_token_ref().token;
        matches!(token, Token::Word(word)
            if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(known))
    }

    fn accept(&mut self, known: &str) -> bool {
        let is_next = self.is_next(known);
        if is_next {
            self.parser.advance_token();
        }
        is_next
    }

    fn expect(&mut self, known: &str) -> Result<(), ParseError> {
        if self.accept(known) { Ok(()) } else { Err(self.wrong()) }
    }

    fn comma(&mut self) -> Result<(), ParseError> {
        if self.parser.consume_token(&Token::Comma) { Ok(()) } else { Err(self.wrong()) }
    }

    /// `NAME value` between brackets.
    fn option(&mut self) -> Result<CopyOption, ParseError> {
        let (position, name) = (self.here(), self.word().ok_or_else(|| self.wrong())?);
        self.parser.advance_token();
        Ok(CopyOption { name, value: self.value()?, position })
    }

    fn value(&mut self) -> Result<CopyValue, ParseError> {
        let TokenWithSpan { token, .. } = self.parser.peek_token();
        let value = match &token {
            Token::Comma | Token::RParen => return Ok(CopyValue::Nothing),
            // Reserved: no value begins with it.
            Token::Word(word) if word.keyword == Keyword::NULL => return Err(self.wrong()),
            Token::Word(word) => CopyValue::Text(name(word)),
            Token::Mul => CopyValue::Star,
            Token::Number(digits, _) => CopyValue::Number(digits.clone()),
            Token::Minus | Token::Plus => {
                self.parser.advance_token();
                let Token::Number(digits, _) = &self.parser.peek_token_ref().token else {
                    return Err(self.wrong());
                };
                let sign = if token == Token::Minus { "-" } else { "" };
                CopyValue::Number(format!("{sign}{digits}"))
            }
            Token::LParen => {
                self.parser.advance_token();
                return self.list();
            }
            other => CopyValue::Text(text(other).ok_or_else(|| self.wrong())?),
        };
        self.parser.advance_token();
        Ok(value)
    }

    /// Words up to the closing bracket.
    fn list(&mut self) -> Result<CopyValue, ParseError> {
        let mut items = vec![];
        loop {
            let literal = text(&self.parser.peek_token_ref().token);
            items.push(self.word().or(literal).ok_or_else(|| self.wrong())?);
            self.parser.advance_token();
            if self.parser.consume_token(&Token::RParen) {
                return Ok(CopyValue::List(items));
            }
            self.comma()?;
        }
    }

    /// An option in the syntax of before 9.0; none when something else follows.
    fn old_option(&mut self) -> Result<Option<CopyOption>, ParseError> {
        const KNOWN: &[&str] = &[
            "binary",
            "csv",
            "freeze",
            "header",
            "delimiter",
            "null",
            "quote",
            "escape",
            "encoding",
            "force",
        ];
        let position = self.here();
        let Some(word) = KNOWN.iter().copied().find(|known| self.accept(known)) else {
            return Ok(None);
        };
        let (name, value) = match word {
            "binary" | "csv" => ("format", CopyValue::Text(word.to_owned())),
            "freeze" | "header" => (word, CopyValue::Nothing),
            "encoding" => (word, self.literal()?),
            "force" if self.accept("quote") => ("force_quote", self.columns()?),
            "force" if self.accept("not") => {
                self.expect("null")?;
                ("force_not_null", self.columns()?)
            }
            "force" => {
                self.expect("null")?;
                ("force_null", self.columns()?)
            }
            _ => {
                self.accept("as");
                (word, self.literal()?)
            }
        };
        Ok(Some(CopyOption { name: name.to_owned(), value, position }))
    }

    fn literal(&mut self) -> Result<CopyValue, ParseError> {
        let literal = text(&self.parser.peek_token_ref().token).ok_or_else(|| self.wrong())?;
        self.parser.advance_token();
        Ok(CopyValue::Text(literal))
    }

    /// Names of columns without brackets, or all.
    fn columns(&mut self) -> Result<CopyValue, ParseError> {
        if self.parser.consume_token(&Token::Mul) {
            return Ok(CopyValue::Star);
        }
        let mut columns = vec![];
        loop {
            columns.push(self.word().ok_or_else(|| self.wrong())?);
            self.parser.advance_token();
            if !self.parser.consume_token(&Token::Comma) {
                return Ok(CopyValue::List(columns));
            }
        }
    }
}

fn name(word: &Word) -> String {
    names::folded(&word.value, word.quote_style.is_some())
}

/// What a literal of text says.
fn text(token: &Token) -> Option<String> {
    match token {
        Token::SingleQuotedString(text)
        | Token::EscapedStringLiteral(text)
        | Token::UnicodeStringLiteral(text)
        | Token::NationalStringLiteral(text) => Some(text.clone()),
        Token::DollarQuotedString(quoted) => Some(quoted.value.clone()),
        _ => None,
    }
}
