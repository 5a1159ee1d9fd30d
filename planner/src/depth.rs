//! How deep a statement's tree will be, from its tokens alone. In: tokens. Out: yes, or too deep.
//! A chain of a thousand operators is a tree a thousand deep; every pass over the tree, and even
//! freeing it, spends stack on each level, so the bound is checked before a tree exists.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::parse::ParseError;

/// The deepest tree that is planned. With the planner's 64 MiB stacks a level may take 16 KiB;
/// DataFusion's passes take far less, and PostgreSQL itself gives up near this depth.
pub const DEPTH_MAX: usize = 4_000;

/// Refuses a token list whose tree would be deeper than [`DEPTH_MAX`].
///
/// # Errors
/// [`ParseError::TooDeep`].
pub fn check(tokens: &[TokenWithSpan]) -> Result<(), ParseError> {
    // One counter of links for each open bracket; the tree is at most as deep as their sum.
    let mut chains = vec![0usize];
    let mut depth = 0usize;
    // Tables after FROM are joined one to the next, so there a comma links.
    let mut in_from = vec![false];
    for token in tokens {
        let step = step(&token.token);
        match step {
            Step::Index | Step::Open => {
                // Each subscript of a chain is a level around the ones before it.
                if matches!(step, Step::Index) {
                    depth += 1;
                    *last(&mut chains) += 1;
                }
                chains.push(0);
                in_from.push(false);
                depth += 1;
            }
            Step::Close if chains.len() > 1 => {
                in_from.pop();
                depth -= chains.pop().unwrap_or(0) + 1;
            }
            Step::From(starts) => *last(&mut in_from) = starts,
            Step::Next if *last(&mut in_from) => {
                depth += 1;
                *last(&mut chains) += 1;
            }
            Step::Link => {
                depth += 1;
                *last(&mut chains) += 1;
            }
            // Items of a list are siblings: the next one starts again.
            Step::Next => {
                let chain = last(&mut chains);
                depth -= std::mem::take(chain);
            }
            Step::End => {
                chains = vec![0];
                in_from = vec![false];
                depth = 0;
            }
            Step::Close | Step::Nothing => {}
        }
        if depth > DEPTH_MAX {
            return Err(ParseError::TooDeep);
        }
    }
    Ok(())
}

/// The innermost level; there is always one.
fn last<T>(levels: &mut [T]) -> &mut T {
    let end = levels.len() - 1;
    &mut levels[end]
}

#[derive(Clone, Copy)]
enum Step {
    Index,
    Open,
    Close,
    Link,
    Next,
    From(bool),
    End,
    Nothing,
}

fn step(token: &Token) -> Step {
    match token {
        Token::LBracket => Step::Index,
        Token::LParen | Token::LBrace => Step::Open,
        Token::RParen | Token::RBracket | Token::RBrace => Step::Close,
        Token::Comma => Step::Next,
        Token::SemiColon => Step::End,
        Token::Word(word) => keyword(word.keyword),
        Token::Whitespace(_) | Token::EOF | Token::Number(..) | Token::Placeholder(_) => {
            Step::Nothing
        }
        Token::SingleQuotedString(_) | Token::EscapedStringLiteral(_) => Step::Nothing,
        Token::Period => Step::Nothing,
        // Every other token of punctuation is an operator that links two expressions.
        _ => Step::Link,
    }
}

fn keyword(keyword: Keyword) -> Step {
    match keyword {
        Keyword::CASE | Keyword::BEGIN => Step::Open,
        Keyword::END => Step::Close,
        Keyword::AND | Keyword::OR | Keyword::NOT | Keyword::IS | Keyword::LIKE => Step::Link,
        Keyword::ILIKE | Keyword::BETWEEN | Keyword::IN | Keyword::SIMILAR => Step::Link,
        Keyword::UNION | Keyword::INTERSECT | Keyword::EXCEPT | Keyword::JOIN => Step::Link,
        Keyword::AT | Keyword::COLLATE | Keyword::EXPLAIN | Keyword::OPERATOR => Step::Link,
        Keyword::PRIOR | Keyword::INTERVAL | Keyword::SELECT => Step::Link,
        Keyword::FROM => Step::From(true),
        Keyword::WHERE | Keyword::GROUP | Keyword::ORDER | Keyword::HAVING => Step::From(false),
        _ => Step::Nothing,
    }
}
