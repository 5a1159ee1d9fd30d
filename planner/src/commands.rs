//! Statements about roles, rights and objects' names, which sqlparser does not read or reads
//! otherwise: CREATE ROLE, GRANT, ALTER ... RENAME, COMMENT ON and their like. In: the tokens of a
//! text. Out: the tokens of its other statements, and these as [`Command`]s. Knows no roles and no
//! objects.

mod alter;
mod grants;
mod roles;
mod words;

use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::parse::ParseError;
use words::Words;

/// A name with its schema, if it was given: the parts from left to right.
pub type Name = Vec<String>;

/// A role as it is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleName {
    /// By its name.
    Named(String),
    /// CURRENT_USER, CURRENT_ROLE.
    Current,
    /// SESSION_USER.
    Session,
    /// PUBLIC: everybody.
    Public,
}

/// An attribute in CREATE ROLE and ALTER ROLE.
#[derive(Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "SQL's own words")]
pub enum RoleOption {
    Superuser(bool),
    CreateDb(bool),
    CreateRole(bool),
    Inherit(bool),
    Login(bool),
    Replication(bool),
    BypassRls(bool),
    ConnectionLimit(i32),
    /// None takes the password away.
    Password(Option<String>),
    /// A moment as text.
    ValidUntil(String),
    /// Becomes a member of these.
    InRole(Vec<String>),
    /// These become its members; the second says with ADMIN OPTION.
    Members(Vec<RoleName>, bool),
}

impl std::fmt::Debug for RoleOption {
    /// Never shows a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RoleOption")
    }
}

/// A value in ALTER ROLE ... SET.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingValue {
    /// As SET reads it.
    Text(String),
    /// None: RESET, or SET ... TO DEFAULT.
    Default,
    /// FROM CURRENT.
    Current,
}

/// What GRANT gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Privileges {
    /// ALL, of these columns if there are any.
    All(Vec<String>),
    /// Words, each with its columns.
    Some(Vec<(String, Vec<String>)>),
}

/// What a privilege is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum On {
    /// Tables and views.
    Tables(Vec<Name>),
    /// Those in these schemas.
    AllTables(Vec<String>),
    /// Schemas.
    Schemas(Vec<String>),
    /// Databases.
    Databases(Vec<String>),
    /// A kind without a name, in ALTER DEFAULT PRIVILEGES: TABLES, SCHEMAS ...
    Kind(String),
    /// All sequences, functions ... in these schemas: there are none.
    None(Vec<String>),
    /// Objects of a kind there is not.
    Other(String),
}

/// GRANT and REVOKE of privileges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// GRANT, and not REVOKE.
    pub gives: bool,
    /// What.
    pub privileges: Privileges,
    /// On what.
    pub on: On,
    /// To or from whom.
    pub roles: Vec<RoleName>,
    /// WITH GRANT OPTION, or GRANT OPTION FOR.
    pub option: bool,
    /// REVOKE ... CASCADE.
    pub cascade: bool,
}

/// An object as ALTER and COMMENT ON name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A table; true for IF EXISTS.
    Table(Name, bool),
    /// A view; true for IF EXISTS.
    View(Name, bool),
    /// A schema.
    Schema(String),
    /// A column of a table or view.
    Column(Name, String),
    /// A database.
    Database(String),
    /// A role.
    Role(String),
}

/// A constraint that nobody checks: what clients may know of the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint {
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// What it says.
    pub says: Says,
    /// Of these columns.
    pub columns: Vec<String>,
}

/// What a constraint says of its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    /// They name a row.
    PrimaryKey,
    /// No two rows have the same.
    Unique,
    /// They name a row of another table, by these columns of it or by its primary key.
    References(Name, Vec<String>),
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "SQL's own words")]
pub enum Command {
    CreateRole {
        name: String,
        options: Vec<RoleOption>,
    },
    AlterRole {
        role: RoleName,
        options: Vec<RoleOption>,
    },
    /// ALTER ROLE ... SET and RESET; no role is ALL, no setting is RESET ALL.
    SetForRole {
        role: Option<RoleName>,
        setting: Option<String>,
        value: SettingValue,
    },
    DropRoles {
        names: Vec<RoleName>,
        if_exists: bool,
    },
    GrantRoles {
        roles: Vec<String>,
        members: Vec<RoleName>,
        admin: bool,
    },
    RevokeRoles {
        roles: Vec<String>,
        members: Vec<RoleName>,
        option_only: bool,
    },
    Grant(Grant),
    /// ALTER DEFAULT PRIVILEGES of these roles in these schemas; none: of oneself, in any.
    DefaultPrivileges {
        of: Vec<RoleName>,
        schemas: Vec<String>,
        grant: Grant,
    },
    Rename {
        what: Target,
        to: String,
    },
    Owner {
        what: Target,
        to: RoleName,
    },
    SetSchema {
        what: Target,
        to: String,
    },
    Comment {
        what: Target,
        text: Option<String>,
    },
    AddConstraint {
        table: Target,
        constraint: Constraint,
    },
    DropConstraint {
        table: Target,
        name: String,
        if_exists: bool,
    },
    ReassignOwned {
        from: Vec<RoleName>,
        to: RoleName,
    },
    DropOwned {
        by: Vec<RoleName>,
        cascade: bool,
    },
    /// SET ROLE; none is NONE.
    SetRole {
        role: Option<RoleName>,
        local: bool,
    },
    /// SET SESSION AUTHORIZATION; none is DEFAULT.
    SetSession {
        role: Option<RoleName>,
        local: bool,
    },
}

impl Command {
    /// The tag of its end.
    pub fn tag(&self) -> &'static str {
        match self {
            Self::CreateRole { .. } => "CREATE ROLE",
            Self::AlterRole { .. } | Self::SetForRole { .. } => "ALTER ROLE",
            Self::DropRoles { .. } => "DROP ROLE",
            Self::GrantRoles { .. } => "GRANT ROLE",
            Self::RevokeRoles { .. } => "REVOKE ROLE",
            Self::Grant(grant) => grant.tag(),
            Self::DefaultPrivileges { .. } => "ALTER DEFAULT PRIVILEGES",
            Self::Rename { what, .. } | Self::Owner { what, .. } | Self::SetSchema { what, .. } => {
                what.altered()
            }
            Self::Comment { .. } => "COMMENT",
            Self::AddConstraint { table, .. } | Self::DropConstraint { table, .. } => {
                table.altered()
            }
            Self::ReassignOwned { .. } => "REASSIGN OWNED",
            Self::DropOwned { .. } => "DROP OWNED",
            Self::SetRole { .. } | Self::SetSession { .. } => "SET",
        }
    }

    /// Whether it changes the session alone.
    pub fn is_of_session(&self) -> bool {
        matches!(self, Self::SetRole { .. } | Self::SetSession { .. })
    }

    /// Whether its text has a password, which nobody else is to see.
    pub fn hides_text(&self) -> bool {
        let (Self::CreateRole { options, .. } | Self::AlterRole { options, .. }) = self else {
            return false;
        };
        options.iter().any(|option| matches!(option, RoleOption::Password(Some(_))))
    }
}

impl Grant {
    fn tag(&self) -> &'static str {
        if self.gives { "GRANT" } else { "REVOKE" }
    }
}

impl Target {
    fn altered(&self) -> &'static str {
        match self {
            Self::Table(..) | Self::Column(..) => "ALTER TABLE",
            Self::View(..) => "ALTER VIEW",
            Self::Schema(_) => "ALTER SCHEMA",
            Self::Database(_) => "ALTER DATABASE",
            Self::Role(_) => "ALTER ROLE",
        }
    }
}

/// What stands in the tree for a command: a statement that nobody here runs.
pub(crate) fn placeholder() -> Statement {
    Statement::Kill { modifier: None, id: 0 }
}

/// Takes the commands out of a text. They come in the order of the text's statements, with none for
/// each of the others; in the tokens a command leaves its [`placeholder`].
///
/// # Errors
/// The token where a command is none.
pub(crate) fn take(
    sql: &str,
    tokens: Vec<TokenWithSpan>,
) -> Result<(Vec<TokenWithSpan>, Vec<Option<Command>>), ParseError> {
    if !tokens.iter().any(|token| begins(&token.token)) {
        return Ok((tokens, vec![]));
    }
    let mut kept = Vec::with_capacity(tokens.len());
    let mut found = Vec::new();
    for statement in tokens.split_inclusive(|token| token.token == Token::SemiColon) {
        let mut words = Words::new(sql, statement);
        if words.is_at_end() {
            kept.extend_from_slice(statement);
            continue;
        }
        let command = read(&mut words)?;
        if command.is_some() {
            let left = [Token::make_keyword("KILL"), Token::Number("0".to_owned(), false)];
            kept.extend(left.map(TokenWithSpan::wrap));
            kept.extend(statement.last().filter(|last| last.token == Token::SemiColon).cloned());
        } else {
            kept.extend_from_slice(statement);
        }
        found.push(command);
    }
    Ok((kept, found))
}

/// Whether a statement that has this word may be one of ours: most texts have none.
fn begins(token: &Token) -> bool {
    const FIRST: [&str; 9] =
        ["create", "alter", "drop", "grant", "revoke", "comment", "reassign", "set", "reset"];
    match token {
        Token::Word(word) => FIRST.iter().any(|known| word.value.eq_ignore_ascii_case(known)),
        _ => false,
    }
}

fn read(words: &mut Words<'_>) -> Result<Option<Command>, ParseError> {
    let command = match words.peek().as_str() {
        "create" | "drop" => roles::create_or_drop(words)?,
        "alter" => match roles::alter(words)? {
            Some(command) => Some(command),
            None => alter::read(words)?,
        },
        "grant" | "revoke" => Some(grants::read(words)?),
        "comment" => Some(alter::comment(words)?),
        "reassign" => Some(roles::reassign(words)?),
        "set" | "reset" => roles::set(words)?,
        _ => None,
    };
    if command.is_some() {
        words.expect_end()?;
    }
    Ok(command)
}

#[cfg(test)]
mod tests;
