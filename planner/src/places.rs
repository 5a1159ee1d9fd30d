//! Places in a statement's text, for errors that do not say where. In: the text, and what is wrong
//! in it. Out: where that stands, in characters from 1, and none where it could be several.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::grammar::Grammar;
use crate::names::folded;
use crate::parse::position;

/// The words of a text, each with its place.
#[derive(Debug)]
pub struct Places(Vec<(Token, usize)>);

impl Places {
    /// Of a text; none of a text that is not SQL.
    pub fn of(sql: &str) -> Self {
        let tokens = Tokenizer::new(&Grammar, sql).tokenize_with_location().unwrap_or_default();
        let placed = tokens.into_iter().filter_map(|token| {
            let start = token.span.start;
            let place = position(sql, start.line, start.column)?;
            let is_blank = matches!(token.token, Token::Whitespace(_) | Token::EOF);
            (!is_blank).then_some((token.token, place))
        });
        Self(placed.collect())
    }

    /// The constant with exactly this text; PostgreSQL names no place in a call of `to_date`.
    pub fn constant(&self, text: &str) -> Option<usize> {
        let at = self.only_index(|at| self.string(at) == Some(text))?;
        let is_formatted = at >= 2
            && self.is(at - 1, &Token::LParen)
            && self.word(at - 2).is_some_and(|name| name.starts_with("to_"));
        if is_formatted { None } else { self.place(at) }
    }

    /// The text's only constant, when this is in it.
    pub fn constant_around(&self, text: &str) -> Option<usize> {
        let at = self.only_index(|at| self.string(at).is_some())?;
        self.string(at)?.contains(text).then(|| self.place(at)).flatten()
    }

    /// A name; where it is qualified, its first part. PostgreSQL names no place in USING.
    pub fn name(&self, name: &str) -> Option<usize> {
        let mut at = self.only_index(|at| self.is_name(at, name))?;
        let is_listed = |at: &usize| matches!(self.token(*at), Some(Token::Word(_) | Token::Comma));
        let list = (1..at).rev().find(|before| !is_listed(before));
        let is_using = |start: usize| {
            self.is(start, &Token::LParen) && self.is_keyword(start - 1, Keyword::USING)
        };
        if list.is_some_and(is_using) {
            return None;
        }
        while at >= 2 && self.is(at - 1, &Token::Period) && self.word(at - 2).is_some() {
            at -= 2;
        }
        self.place(at)
    }

    /// A name that qualifies another.
    pub fn qualifier(&self, name: &str) -> Option<usize> {
        self.only(|at| self.is_name(at, name) && self.is(at + 1, &Token::Period))
    }

    /// A call of a function.
    pub fn call(&self, name: &str) -> Option<usize> {
        self.only(|at| self.is_name(at, name) && self.is(at + 1, &Token::LParen))
    }

    /// A number.
    pub fn number(&self, number: &str) -> Option<usize> {
        self.only(|at| matches!(self.token(at), Some(Token::Number(n, _)) if n == number))
    }

    /// A parameter, the first time.
    pub fn parameter(&self) -> Option<usize> {
        self.0.iter().find(|(token, _)| matches!(token, Token::Placeholder(_))).map(|(_, at)| *at)
    }

    /// An operator: the only one, or the first behind `from`.
    pub fn operator(&self, symbol: &str, from: Option<usize>) -> Option<usize> {
        let is_it = |at: usize| match self.token(at) {
            Some(Token::Word(word)) => {
                word.quote_style.is_none() && word.value.eq_ignore_ascii_case(symbol)
            }
            Some(Token::Neq) => symbol == "!=" || symbol == "<>",
            Some(token) => token.to_string() == symbol,
            None => false,
        };
        let behind = || {
            let from = from?;
            (0..self.0.len()).find(|at| is_it(*at) && self.place(*at) > Some(from))
        };
        self.only(is_it).or_else(|| self.place(behind()?))
    }

    /// What stands behind a keyword, parentheses aside.
    pub fn behind(&self, keyword: Keyword) -> Option<usize> {
        let mut at = self.only_index(|at| self.is_keyword(at, keyword))? + 1;
        while self.is(at, &Token::LParen) {
            at += 1;
        }
        self.place(at)
    }

    /// The first column of the query behind UNION, INTERSECT or EXCEPT.
    pub fn second_query(&self, keyword: Keyword) -> Option<usize> {
        let start = self.only_index(|at| self.is_keyword(at, keyword))?;
        let mut at = start + 1;
        while self.is(at, &Token::LParen) || self.is_keyword(at, Keyword::ALL) {
            at += 1;
        }
        if self.is_keyword(at, Keyword::SELECT) { self.place(at + 1) } else { None }
    }

    /// The place of this text's word at `place` in another text that ends alike: a query taken out
    /// of the statement around it, and written anew.
    pub fn moved(&self, place: usize, whole: &Places) -> Option<usize> {
        let at = self.0.iter().position(|(_, known)| *known == place)?;
        let word = self.shown(at);
        let later = (at + 1..self.0.len()).filter(|other| self.shown(*other) == word).count();
        let mut same = (0..whole.0.len()).rev().filter(|other| whole.shown(*other) == word);
        whole.place(same.nth(later)?)
    }

    fn only(&self, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        self.place(self.only_index(is_it)?)
    }

    fn only_index(&self, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        let mut found = (0..self.0.len()).filter(|at| is_it(*at));
        let first = found.next()?;
        if found.next().is_none() { Some(first) } else { None }
    }

    fn token(&self, at: usize) -> Option<&Token> {
        self.0.get(at).map(|(token, _)| token)
    }

    fn place(&self, at: usize) -> Option<usize> {
        self.0.get(at).map(|(_, place)| *place)
    }

    fn is(&self, at: usize, token: &Token) -> bool {
        self.token(at) == Some(token)
    }

    fn is_keyword(&self, at: usize, keyword: Keyword) -> bool {
        matches!(self.token(at), Some(Token::Word(word)) if word.keyword == keyword)
    }

    fn is_name(&self, at: usize, name: &str) -> bool {
        self.word(at).as_deref() == Some(name)
    }

    /// A word as PostgreSQL keeps it.
    fn word(&self, at: usize) -> Option<String> {
        match self.token(at)? {
            Token::Word(word) => Some(folded(&word.value, word.quote_style.is_some())),
            _ => None,
        }
    }

    fn string(&self, at: usize) -> Option<&str> {
        match self.token(at)? {
            Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) => Some(text),
            Token::DollarQuotedString(text) => Some(&text.value),
            _ => None,
        }
    }

    fn shown(&self, at: usize) -> String {
        self.token(at).map(|token| token.to_string().to_lowercase()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_once_has_a_place() {
        let places = Places::of("select abs('x'), t.a + b\nfrom t where 'é' = b and (a)");
        assert_eq!(places.constant("x"), Some(12));
        assert_eq!(places.constant_around("x"), None);
        assert_eq!(places.call("abs"), Some(8));
        assert_eq!(places.name("abs"), Some(8));
        assert_eq!(places.name("a"), None);
        assert_eq!(places.qualifier("t"), Some(18));
        assert_eq!(places.operator("+", None), Some(22));
        assert_eq!(places.operator("=", Some(100)), Some(43));
        assert_eq!(places.behind(Keyword::WHERE), Some(39));
        assert_eq!(places.behind(Keyword::AND), Some(52));
        assert_eq!(Places::of("select 'open").constant("open"), None);
        assert_eq!(Places::of("select to_date('x', 'Y')").constant("x"), None);
        assert_eq!(Places::of("select * from t join u using (a, b)").name("b"), None);
        assert_eq!(Places::of("select 1::s.missing").name("missing"), Some(11));
    }

    #[test]
    fn a_query_stands_in_a_statement() {
        let query = Places::of("SELECT a, b FROM t WHERE a = 1");
        let whole = Places::of("create view a as\n select a, b from t where a = 1");
        assert_eq!(query.moved(8, &whole), Some(26));
        assert_eq!(query.moved(26, &whole), Some(44));
        assert_eq!(query.moved(9, &whole), Some(27));
    }
}
