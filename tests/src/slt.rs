//! SQL tests as text files, run as a client runs SQL. In: a server's URI, a protocol. Out: what
//! sqllogictest compares: cells as text, a letter for each column's type. Changes no cell.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use sqllogictest::{AsyncDB, ColumnType, DBOutput, Runner, strict_column_validator};

use crate::uri::Uri;
use crate::wire::{Answer, Report, Wire};

/// How a statement is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// One Query message.
    Simple,
    /// Parse, Bind, Describe, Execute, Sync; results as text.
    Extended,
}

/// A column's type, as coarse as a file says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter(char);

impl ColumnType for Letter {
    fn from_char(letter: char) -> Option<Self> {
        "BDIPRT?".contains(letter).then_some(Self(letter))
    }

    fn to_char(&self) -> char {
        self.0
    }
}

/// The letter of a type, as DataFusion's own files have them.
fn letter(oid: u32) -> Letter {
    Letter(match oid {
        16 => 'B',
        1082 => 'D',
        20 | 21 | 23 | 26 => 'I',
        1083 | 1114 | 1184 => 'P',
        700 | 701 | 1700 => 'R',
        18 | 19 | 25 | 705 | 1042 | 1043 => 'T',
        _ => '?',
    })
}

/// A session that runs the statements of a file.
pub struct Session {
    wire: Wire,
    protocol: Protocol,
    engine: &'static str,
    cell: Cell,
}

/// Makes a cell what a file has: of its type and its text, none for NULL.
pub type Cell = fn(u32, Option<&str>) -> String;

/// A cell as PostgreSQL writes it; NULL and the empty text as these files have them.
pub fn plain_cell(_type: u32, cell: Option<&str>) -> String {
    match cell {
        None => "NULL".to_owned(),
        Some("") => "(empty)".to_owned(),
        Some(text) => text.to_owned(),
    }
}

impl Session {
    /// Logs in. `engine` is what `onlyif` and `skipif` ask for.
    pub async fn login(uri: &Uri, protocol: Protocol, engine: &'static str, cell: Cell) -> Self {
        Self { wire: Wire::login(uri).await, protocol, engine, cell }
    }
}

#[async_trait]
impl AsyncDB for Session {
    type Error = Report;
    type ColumnType = Letter;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<Letter>, Report> {
        let answer = match self.protocol {
            Protocol::Simple => self.wire.query(sql).await?,
            Protocol::Extended => self.wire.extended(sql).await?,
        };
        Ok(output(answer, self.cell))
    }

    async fn shutdown(&mut self) {
        // The server may be gone; the session ends either way.
        let _ = self.wire.try_send(&crate::frames::terminate()).await;
    }

    fn engine_name(&self) -> &str {
        self.engine
    }

    async fn sleep(duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn error_sql_state(error: &Report) -> Option<String> {
        Some(error.code().to_owned())
    }
}

fn output(answer: Answer, cell: Cell) -> DBOutput<Letter> {
    let Some(columns) = answer.columns else {
        let count = answer.tag.rsplit(' ').next().and_then(|count| count.parse().ok());
        return DBOutput::StatementComplete(count.unwrap_or(0));
    };
    let row = |row: Vec<Option<String>>| {
        let typed = row.into_iter().zip(&columns);
        typed.map(|(text, (_, oid))| cell(*oid, text.as_deref())).collect()
    };
    let rows = answer.rows.into_iter().map(row).collect();
    DBOutput::Rows { types: columns.iter().map(|(_, oid)| letter(*oid)).collect(), rows }
}

/// Runs one file with fresh sessions. Every record runs; a sentence for each that fails.
pub async fn run_file(
    path: &Path,
    uri: &Uri,
    protocol: Protocol,
    engine: &'static str,
) -> Vec<String> {
    let records = match sqllogictest::parse_file::<Letter>(path) {
        Ok(records) => records,
        Err(error) => return vec![format!("{}: {error}", path.display())],
    };
    let login = || async move { Ok(Session::login(uri, protocol, engine, plain_cell).await) };
    let mut runner = Runner::new(login);
    runner.with_column_validator(strict_column_validator);
    let mut failures = Vec::new();
    for record in records {
        if let Err(error) = runner.run_async(record).await {
            failures.push(format!("{protocol:?}: {}", error.display(false)));
        }
    }
    runner.shutdown_async().await;
    failures
}
