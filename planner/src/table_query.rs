//! `TABLE name`, PostgreSQL's short form of `SELECT * FROM name`. In: tokens. Out: the same in the
//! long form; sqlparser's own reader of the short one takes a token too many.

use datafusion::sql::sqlparser::keywords::{Keyword, RESERVED_FOR_TABLE_ALIAS};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace};

/// Words that a query may follow.
const BEFORE: [Keyword; 8] = [
    Keyword::ALL,
    Keyword::ANALYZE,
    Keyword::AS,
    Keyword::DISTINCT,
    Keyword::EXCEPT,
    Keyword::EXPLAIN,
    Keyword::INTERSECT,
    Keyword::UNION,
];

/// Writes out every `TABLE name` that is a query.
pub(crate) fn translate(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !tokens.iter().any(|token| is_table(&token.token)) {
        return tokens;
    }
    let mut written = Vec::with_capacity(tokens.len() + 4);
    let mut begins = true;
    let names: Vec<bool> = (0..tokens.len()).map(|at| is_name(next(&tokens[at + 1..]))).collect();
    for (token, before_name) in tokens.into_iter().zip(names) {
        if begins && before_name && is_table(&token.token) {
            let blank = || Token::Whitespace(Whitespace::Space);
            let (select, from) = (Token::make_keyword("SELECT"), Token::make_keyword("FROM"));
            let long = [select, blank(), Token::Mul, blank(), from];
            written.extend(long.map(|long| TokenWithSpan { token: long, span: token.span }));
            begins = false;
            continue;
        }
        if !matches!(token.token, Token::Whitespace(_)) {
            begins = may_precede(&token.token);
        }
        written.push(token);
    }
    written
}

fn is_table(token: &Token) -> bool {
    matches!(token, Token::Word(word)
        if word.keyword == Keyword::TABLE && word.quote_style.is_none())
}

fn next(tokens: &[TokenWithSpan]) -> Option<&Token> {
    let mut words = tokens.iter().map(|token| &token.token);
    words.find(|token| !matches!(token, Token::Whitespace(_)))
}

/// A name, and not what may follow a column that is called "table".
fn is_name(token: Option<&Token>) -> bool {
    matches!(token, Some(Token::Word(word))
        if word.quote_style.is_some() || !RESERVED_FOR_TABLE_ALIAS.contains(&word.keyword))
}

fn may_precede(token: &Token) -> bool {
    match token {
        Token::LParen | Token::RParen | Token::SemiColon => true,
        Token::Word(word) => word.quote_style.is_none() && BEFORE.contains(&word.keyword),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::parse::parse;

    #[test]
    fn only_where_a_query_stands() {
        for (short, long) in [
            ("table t", "SELECT * FROM t"),
            ("(table s.t limit 2)", "(SELECT * FROM s.t LIMIT 2)"),
            ("with a as (table t) table a", "WITH a AS (SELECT * FROM t) SELECT * FROM a"),
            ("table a union all table b", "SELECT * FROM a UNION ALL SELECT * FROM b"),
        ] {
            let parsed = parse(short).expect(short);
            assert_eq!(parsed[0].statement.to_string(), long, "{short}");
        }
        for other in [
            "drop table t",
            "create table t as table u",
            "explain table t",
            "select 1 as table from t",
            "select 1 as table",
        ] {
            assert!(parse(other).is_ok(), "{other}");
        }
    }
}
