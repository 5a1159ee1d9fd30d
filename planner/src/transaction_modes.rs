//! `[NOT] DEFERRABLE` among the modes of a transaction, which sqlparser does not know. In: tokens.
//! Out: the same without it: a transaction that reads here never waits for others to end.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

/// Leaves it out where a transaction begins or its modes are set.
pub(crate) fn translate(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !tokens.iter().any(|token| is(&token.token, Keyword::DEFERRABLE)) {
        return tokens;
    }
    let mut written: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    for statement in tokens.split_inclusive(|token| token.token == Token::SemiColon) {
        let first = statement.iter().find(|token| !is_blank(&token.token));
        let begins = [Keyword::BEGIN, Keyword::START, Keyword::SET];
        let sets = first.is_some_and(|first| begins.iter().any(|word| is(&first.token, *word)));
        for token in statement {
            if !sets || !is(&token.token, Keyword::DEFERRABLE) {
                written.push(token.clone());
                continue;
            }
            drop_last(&mut written, |token| is(token, Keyword::NOT));
            drop_last(&mut written, |token| *token == Token::Comma);
        }
    }
    written
}

/// Takes the last word away if it is that one.
fn drop_last(written: &mut Vec<TokenWithSpan>, is_it: impl Fn(&Token) -> bool) {
    if let Some(at) = written.iter().rposition(|token| !is_blank(&token.token))
        && is_it(&written[at].token)
    {
        written.truncate(at);
    }
}

fn is_blank(token: &Token) -> bool {
    matches!(token, Token::Whitespace(_))
}

fn is(token: &Token, keyword: Keyword) -> bool {
    matches!(token, Token::Word(word) if word.keyword == keyword && word.quote_style.is_none())
}

#[cfg(test)]
mod tests {
    use crate::parse::parse;

    #[test]
    fn modes_without_it() {
        for (given, plain) in [
            (
                "begin isolation level serializable read only deferrable",
                "BEGIN TRANSACTION \
             ISOLATION LEVEL SERIALIZABLE, READ ONLY",
            ),
            ("start transaction read only, not deferrable", "START TRANSACTION READ ONLY"),
        ] {
            let parsed = parse(given).expect(given);
            assert_eq!(
                parsed[0].statement.to_string().replace("BEGIN ISO", "BEGIN TRANSACTION ISO"),
                plain,
                "{given}"
            );
        }
        assert!(parse("select deferrable from t").is_ok());
    }
}
