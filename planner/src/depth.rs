//! How deep a statement's tree will be, from its tokens alone. In: tokens. Out: yes, or too deep.
//! A chain of a thousand operators is a tree a thousand deep; every pass over the tree, and even
//! freeing it, spends stack on each level, so the bound is checked before a tree exists.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::parse::ParseError;

/// The deepest tree that is planned. With the planner's 64 MiB stacks a level may take 16 KiB;
/// DataFusion's passes take far less, and PostgreSQL itself gives up near this depth.
pub const DEPTH_MAX: usize = 4_000;

/// Calls within calls, and the operators `/` and `^`, which are planned as calls: DataFusion types
/// nested calls again at every level, and the time that takes grows with the third power of the
/// depth: half a second here, minutes at ten times this.
pub const CALLS_MAX: usize = 64;

/// Refuses a token list whose tree would be deeper than [`DEPTH_MAX`], or its calls than
/// [`CALLS_MAX`].
///
/// # Errors
/// [`ParseError::TooDeep`].
pub fn check(tokens: &[TokenWithSpan]) -> Result<(), ParseError> {
    // One counter of links for each open bracket; the tree is at most as deep as their sum.
    let mut chains = vec![0usize];
    let mut depth = 0usize;
    // Tables after FROM are joined one to the next, so there a comma links.
    let mut in_from = vec![false];
    let mut calls = Calls::default();
    for token in tokens {
        if calls.after(&token.token) > CALLS_MAX {
            return Err(ParseError::TooDeep);
        }
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

/// How deep calls are nested, after each token.
#[derive(Default)]
struct Calls {
    /// Of each open bracket, the innermost last.
    open: Vec<Level>,
    here: Level,
    /// What an opening bracket adds to the depth here.
    before: usize,
    just_opened: bool,
}

/// `coalesce` becomes a CASE that repeats its argument, so that its cost doubles at each level.
const COALESCE: usize = 8;
/// So does a query in the place of a value.
const SUBQUERY: usize = 5;

/// The expressions of one bracket, one after another.
#[derive(Default)]
struct Level {
    /// What the bracket itself adds.
    call: usize,
    /// Links of the present expression, which include what was nested in it.
    links: usize,
    /// The deepest expression before it.
    deepest: usize,
}

impl Calls {
    fn after(&mut self, token: &Token) -> usize {
        let before = match token {
            Token::Whitespace(_) => return 0,
            Token::Word(word) if word.keyword == Keyword::COALESCE => COALESCE,
            // Of a derived table; one more level of those costs little.
            Token::Word(word) if [Keyword::FROM, Keyword::JOIN].contains(&word.keyword) => 1,
            Token::Word(word) => usize::from(!separates(word.keyword)),
            _ => 0,
        };
        if let Token::Word(word) = token
            && (word.keyword, self.just_opened, self.here.call) == (Keyword::SELECT, true, 0)
        {
            self.here.call = SUBQUERY;
        }
        match token {
            Token::Div | Token::Caret => self.here.links += 1,
            Token::Comma | Token::SemiColon | Token::Plus | Token::Minus => self.here.next(),
            Token::Eq | Token::Neq | Token::Lt | Token::Gt | Token::LtEq | Token::GtEq => {
                self.here.next();
            }
            Token::Word(word) if separates(word.keyword) => self.here.next(),
            Token::LParen => {
                let inner = Level { call: self.before, ..Level::default() };
                self.open.push(std::mem::replace(&mut self.here, inner));
            }
            Token::RParen => {
                if let Some(outer) = self.open.pop() {
                    self.here.next();
                    let inner = self.here.deepest + self.here.call;
                    self.here = Level { links: outer.links.max(inner), ..outer };
                }
            }
            _ => {}
        }
        self.before = before;
        self.just_opened = matches!(token, Token::LParen);
        // On the right side of an operator, and within calls, all levels are open.
        let level = |level: &Level| level.links + level.call;
        self.open.iter().map(level).sum::<usize>() + level(&self.here)
    }
}

impl Level {
    fn next(&mut self) {
        self.deepest = self.deepest.max(self.links);
        self.links = 0;
    }
}

/// Keywords between two expressions.
fn separates(keyword: Keyword) -> bool {
    use Keyword::{AND, AS, ELSE, FROM, HAVING, IN, OR, SELECT, THEN, UNION, VALUES, WHEN, WHERE};
    [AND, AS, ELSE, FROM, HAVING, IN, OR, SELECT, THEN, UNION, VALUES, WHEN, WHERE]
        .contains(&keyword)
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

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::tokenizer::Tokenizer;

    use super::*;

    fn is_refused(sql: &str) -> bool {
        let tokens = Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize_with_location();
        check(&tokens.expect("tokens")).is_err()
    }

    #[test]
    fn nested_calls_are_counted_and_siblings_are_not() {
        let nested = |count| format!("select {}x{}", "abs(".repeat(count), ")".repeat(count));
        assert!(!is_refused(&nested(CALLS_MAX)) && is_refused(&nested(CALLS_MAX + 1)));
        let quotients = |count| format!("select x{}", "/2".repeat(count));
        assert!(!is_refused(&quotients(CALLS_MAX)) && is_refused(&quotients(CALLS_MAX + 1)));
        let left = |count| format!("select {}x{}", "(".repeat(count), "/2)".repeat(count));
        assert!(!is_refused(&left(CALLS_MAX)) && is_refused(&left(CALLS_MAX + 1)));
        let right = |count| format!("select {}x{}", "2/(".repeat(count), ")".repeat(count));
        assert!(!is_refused(&right(CALLS_MAX)) && is_refused(&right(CALLS_MAX + 1)));
        let values = |count| format!("select {}1{}", "(select ".repeat(count), ")".repeat(count));
        assert!(!is_refused(&values(12)) && is_refused(&values(13)));
        let tables = |count| {
            format!("select * from {}t{}", "(select * from ".repeat(count), ")".repeat(count))
        };
        assert!(!is_refused(&tables(CALLS_MAX)));
        let first = |count| format!("select {}x{}", "coalesce(".repeat(count), ",1)".repeat(count));
        assert!(!is_refused(&first(8)) && is_refused(&first(9)));
        assert!(!is_refused(&format!("select {}", vec!["f(x)/2"; 500].join(", "))));
        assert!(!is_refused(&format!("select {}", vec!["f(x)/2"; 500].join(" + "))));
        assert!(!is_refused(&format!("select 1 where {}", vec!["f(x)/2 = 1"; 500].join(" or "))));
    }
}
