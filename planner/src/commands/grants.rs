//! GRANT and REVOKE, of privileges and of roles. In: the words of a statement. Out: the command.

use super::words::Words;
use super::{Command, Grant, On, Privileges};
use crate::parse::ParseError;

pub(super) fn read(words: &mut Words<'_>) -> Result<Command, ParseError> {
    let gives = words.take("grant");
    if !gives {
        words.expect("revoke")?;
    }
    let option_first = !gives && words.take("grant option for");
    let admin_first = !gives && words.take("admin option for");
    let privileges = privileges(words)?;
    if words.take("on") {
        let on = on(words)?;
        return grant(words, gives, option_first, privileges, on).map(Command::Grant);
    }
    let Privileges::Some(roles) = privileges else { return Err(words.wrong()) };
    let roles = roles.into_iter().map(|(role, _)| role).collect();
    words.expect(if gives { "to" } else { "from" })?;
    let members = words.roles()?;
    let admin = gives && (words.take("with admin option") || words.take("with admin true"));
    granted_by(words)?;
    if !gives {
        words.take_one_of(&["cascade", "restrict"]);
        return Ok(Command::RevokeRoles { roles, members, option_only: admin_first });
    }
    Ok(Command::GrantRoles { roles, members, admin })
}

/// What follows ON and its object.
pub(super) fn grant(
    words: &mut Words<'_>,
    gives: bool,
    option_first: bool,
    privileges: Privileges,
    on: On,
) -> Result<Grant, ParseError> {
    words.expect(if gives { "to" } else { "from" })?;
    let roles = words.roles()?;
    let option = if gives { words.take("with grant option") } else { option_first };
    granted_by(words)?;
    let cascade = !gives && words.take("cascade");
    if !gives {
        words.take("restrict");
    }
    Ok(Grant { gives, privileges, on, roles, option, cascade })
}

fn granted_by(words: &mut Words<'_>) -> Result<(), ParseError> {
    if words.take("granted by") {
        words.role()?;
    }
    Ok(())
}

pub(super) fn privileges(words: &mut Words<'_>) -> Result<Privileges, ParseError> {
    if words.take("all") {
        words.take("privileges");
        return Ok(Privileges::All(words.columns()?));
    }
    let one = |words: &mut Words<'_>| Ok((words.name()?, words.columns()?));
    Ok(Privileges::Some(words.list(one)?))
}

fn on(words: &mut Words<'_>) -> Result<On, ParseError> {
    if words.take("all tables in schema") {
        return Ok(On::AllTables(words.names()?));
    }
    for kind in ["sequences", "functions", "procedures", "routines"] {
        if words.take(&format!("all {kind} in schema")) {
            return Ok(On::None(words.names()?));
        }
    }
    if words.take("schema") {
        return Ok(On::Schemas(words.names()?));
    }
    if words.take("database") {
        return Ok(On::Databases(words.names()?));
    }
    const OTHERS: [&str; 12] = [
        "sequence",
        "function",
        "procedure",
        "routine",
        "language",
        "type",
        "domain",
        "tablespace",
        "parameter",
        "large object",
        "foreign data wrapper",
        "foreign server",
    ];
    if let Some(other) = words.take_one_of(&OTHERS) {
        return Ok(On::Other(other.to_owned()));
    }
    words.take("table");
    Ok(On::Tables(words.list(Words::qualified)?))
}
