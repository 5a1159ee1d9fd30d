//! A statement word by word. In: its tokens. Out: names, keywords, texts and numbers as PostgreSQL
//! folds them, or the token where something else was expected.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::{Name, RoleName};
use crate::parse::{ParseError, near};

/// PostgreSQL cuts longer names.
const NAME_MAX_BYTES: usize = 63;

/// The rest of a statement.
pub(super) struct Words<'a> {
    sql: &'a str,
    tokens: Vec<&'a TokenWithSpan>,
    at: usize,
}

impl<'a> Words<'a> {
    pub(super) fn new(sql: &'a str, tokens: &'a [TokenWithSpan]) -> Self {
        let is_word = |token: &&TokenWithSpan| {
            !matches!(token.token, Token::Whitespace(_) | Token::SemiColon | Token::EOF)
        };
        Self { sql, tokens: tokens.iter().filter(is_word).collect(), at: 0 }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.tokens.len()
    }

    /// The place, to return to with [`Self::go_back`].
    pub(super) fn place(&self) -> usize {
        self.at
    }

    pub(super) fn go_back(&mut self, place: usize) {
        self.at = place;
    }

    /// The next keyword in lower case; empty when it is none.
    pub(super) fn peek(&self) -> String {
        self.keyword_at(self.at).unwrap_or_default()
    }

    fn keyword_at(&self, at: usize) -> Option<String> {
        match &self.tokens.get(at)?.token {
            Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_lowercase()),
            _ => None,
        }
    }

    /// Takes these keywords if all of them follow.
    pub(super) fn take(&mut self, keywords: &str) -> bool {
        let words = keywords.split(' ');
        let follow = words
            .clone()
            .enumerate()
            .all(|(n, word)| self.keyword_at(self.at + n).as_deref() == Some(word));
        if follow {
            self.at += words.count();
        }
        follow
    }

    /// Takes one of these keywords.
    pub(super) fn take_one_of(&mut self, keywords: &[&'static str]) -> Option<&'static str> {
        keywords.iter().copied().find(|keyword| self.take(keyword))
    }

    pub(super) fn expect(&mut self, keywords: &str) -> Result<(), ParseError> {
        for keyword in keywords.split(' ') {
            if !self.take(keyword) {
                return Err(self.wrong());
            }
        }
        Ok(())
    }

    pub(super) fn take_token(&mut self, token: &Token) -> bool {
        let is_next = self.tokens.get(self.at).is_some_and(|next| next.token == *token);
        self.at += usize::from(is_next);
        is_next
    }

    pub(super) fn expect_token(&mut self, token: &Token) -> Result<(), ParseError> {
        if self.take_token(token) { Ok(()) } else { Err(self.wrong()) }
    }

    pub(super) fn expect_end(&self) -> Result<(), ParseError> {
        if self.is_at_end() { Ok(()) } else { Err(self.wrong()) }
    }

    /// A syntax error at the next token.
    pub(super) fn wrong(&self) -> ParseError {
        near(self.sql, self.tokens.get(self.at).copied())
    }

    /// An identifier, folded and cut.
    pub(super) fn name(&mut self) -> Result<String, ParseError> {
        let Some(Token::Word(word)) = self.tokens.get(self.at).map(|token| &token.token) else {
            return Err(self.wrong());
        };
        self.at += 1;
        let mut name = match word.quote_style {
            Some(_) => word.value.clone(),
            None => word.value.to_lowercase(),
        };
        name.truncate(name.floor_char_boundary(NAME_MAX_BYTES));
        Ok(name)
    }

    /// `a`, `a.b` or `a.b.c`.
    pub(super) fn qualified(&mut self) -> Result<Name, ParseError> {
        let mut name = vec![self.name()?];
        while self.take_token(&Token::Period) {
            name.push(self.name()?);
        }
        Ok(name)
    }

    /// One or more, with commas between.
    pub(super) fn list<T>(
        &mut self,
        mut one: impl FnMut(&mut Self) -> Result<T, ParseError>,
    ) -> Result<Vec<T>, ParseError> {
        let mut all = vec![one(self)?];
        while self.take_token(&Token::Comma) {
            all.push(one(self)?);
        }
        Ok(all)
    }

    pub(super) fn names(&mut self) -> Result<Vec<String>, ParseError> {
        self.list(Self::name)
    }

    /// `(a, b)`; empty when no parenthesis follows.
    pub(super) fn columns(&mut self) -> Result<Vec<String>, ParseError> {
        if !self.take_token(&Token::LParen) {
            return Ok(vec![]);
        }
        let columns = self.names()?;
        self.expect_token(&Token::RParen)?;
        Ok(columns)
    }

    /// A role; GROUP before it means nothing.
    pub(super) fn role(&mut self) -> Result<RoleName, ParseError> {
        let place = self.place();
        if self.take("group") && self.is_at_end() {
            self.go_back(place);
        }
        Ok(match self.peek().as_str() {
            "current_user" | "current_role" => {
                self.name()?;
                RoleName::Current
            }
            "session_user" => {
                self.name()?;
                RoleName::Session
            }
            "public" => {
                self.name()?;
                RoleName::Public
            }
            _ => RoleName::Named(self.name()?),
        })
    }

    /// Roles with commas between.
    pub(super) fn roles(&mut self) -> Result<Vec<RoleName>, ParseError> {
        self.list(Self::role)
    }

    /// A text in quotes.
    pub(super) fn text(&mut self) -> Result<String, ParseError> {
        let text = match self.tokens.get(self.at).map(|token| &token.token) {
            Some(Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text)) => {
                text.clone()
            }
            Some(Token::DollarQuotedString(text)) => text.value.clone(),
            _ => return Err(self.wrong()),
        };
        self.at += 1;
        Ok(text)
    }

    /// A text, or none for NULL.
    pub(super) fn text_or_null(&mut self) -> Result<Option<String>, ParseError> {
        if self.take("null") { Ok(None) } else { self.text().map(Some) }
    }

    /// A whole number with its sign.
    pub(super) fn number(&mut self) -> Result<i32, ParseError> {
        let sign = if self.take_token(&Token::Minus) { -1 } else { 1 };
        let number = match self.tokens.get(self.at).map(|token| &token.token) {
            Some(Token::Number(digits, _)) => digits.parse::<i32>().ok(),
            _ => None,
        };
        let number = number.ok_or_else(|| self.wrong())?;
        self.at += 1;
        Ok(sign * number)
    }

    /// A setting's value, as SET takes it: words, texts and numbers with commas between.
    pub(super) fn value(&mut self) -> Result<String, ParseError> {
        let one = |words: &mut Self| {
            let sign = if words.take_token(&Token::Minus) { "-" } else { "" };
            let text = match words.tokens.get(words.at).map(|token| &token.token) {
                Some(Token::Word(word)) if word.quote_style.is_some() => {
                    format!("\"{}\"", word.value)
                }
                Some(Token::Word(word)) => word.value.clone(),
                Some(Token::Number(digits, _)) => digits.clone(),
                _ => return words.text(),
            };
            words.at += 1;
            Ok(format!("{sign}{text}"))
        };
        Ok(self.list(one)?.join(", "))
    }
}
