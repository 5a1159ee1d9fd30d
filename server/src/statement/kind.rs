//! What kind of statement this is. In: the syntax tree. Out: who runs it, and the word its tag and
//! messages use. Decides nothing else.

use datafusion::sql::parser::Statement as Parsed;
use datafusion::sql::sqlparser::ast::Statement;

/// Who runs a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The engine: it gives rows.
    Query,
    /// The session itself: SET, BEGIN, PREPARE ...
    Session,
    /// The catalog: CREATE, DROP.
    Definition(&'static str),
    /// The engine, into files: COPY TO, CREATE TABLE AS.
    Write(&'static str),
    /// The engine: COPY to the client.
    Copy,
    /// EXPLAIN.
    Explain,
    /// Nobody yet.
    Unsupported,
}

/// The kind of a statement.
pub fn of(statement: &Parsed) -> Kind {
    match statement {
        Parsed::Statement(statement) => of_sql(statement),
        Parsed::CreateExternalTable(_) => Kind::Definition("CREATE EXTERNAL TABLE"),
        Parsed::CopyTo(_) => Kind::Write("COPY"),
        Parsed::Explain(_) => Kind::Explain,
        Parsed::Reset(_) => Kind::Session,
    }
}

fn of_sql(statement: &Statement) -> Kind {
    match statement {
        Statement::Query(_) => Kind::Query,
        Statement::Set(_)
        | Statement::ShowVariable { .. }
        | Statement::ShowTables { .. }
        | Statement::ExplainTable { .. }
        | Statement::StartTransaction { .. }
        | Statement::Commit { .. }
        | Statement::Rollback { .. }
        | Statement::Savepoint { .. }
        | Statement::ReleaseSavepoint { .. }
        | Statement::Prepare { .. }
        | Statement::Execute { .. }
        | Statement::Deallocate { .. }
        | Statement::Discard { .. }
        | Statement::Close { .. }
        | Statement::Declare { .. }
        | Statement::Fetch { .. }
        | Statement::LISTEN { .. }
        | Statement::UNLISTEN { .. }
        | Statement::NOTIFY { .. } => Kind::Session,
        Statement::CreateSchema { .. } => Kind::Definition("CREATE SCHEMA"),
        Statement::CreateView(_) => Kind::Definition("CREATE VIEW"),
        Statement::Drop { .. } => Kind::Definition("DROP"),
        Statement::CreateTable(table) if table.query.is_some() => Kind::Write("CREATE TABLE AS"),
        Statement::Copy { .. } => Kind::Copy,
        Statement::Explain { .. } => Kind::Explain,
        _ => Kind::Unsupported,
    }
}

/// The first words of a statement, for an 0A000.
pub fn words(statement: &Parsed) -> String {
    let text = statement.to_string();
    let keyword = |word: &&str| word.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let words: Vec<&str> = text.split_whitespace().take_while(keyword).take(3).collect();
    if words.is_empty() { "this statement".to_owned() } else { words.join(" ") }
}
