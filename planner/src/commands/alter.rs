//! ALTER of names, owners, schemas and default privileges, and COMMENT ON. In: the words of a
//! statement. Out: the command, or none when it alters something else, which sqlparser reads.

use super::words::Words;
use super::{Command, Constraint, On, Says, Target, grants};
use crate::parse::ParseError;

pub(super) fn read(words: &mut Words<'_>) -> Result<Option<Command>, ParseError> {
    words.expect("alter")?;
    if words.take("default privileges") {
        return default_privileges(words).map(Some);
    }
    let Some(noun) = words.take_one_of(&["table", "view", "schema", "database"]) else {
        return Ok(None);
    };
    let if_exists = words.take("if exists");
    if noun == "table" {
        words.take("only");
    }
    let name = words.qualified()?;
    let what = target(noun, name, if_exists).ok_or_else(|| words.wrong())?;
    if words.take("rename to") {
        return Ok(Some(Command::Rename { what, to: words.name()? }));
    }
    if words.take("owner to") {
        return Ok(Some(Command::Owner { what, to: words.role()? }));
    }
    if matches!(noun, "table" | "view") && words.take("set schema") {
        return Ok(Some(Command::SetSchema { what, to: words.name()? }));
    }
    if noun == "table" {
        return constraint(words, what);
    }
    Ok(None)
}

/// ALTER TABLE ... ADD and DROP of a constraint.
fn constraint(words: &mut Words<'_>, table: Target) -> Result<Option<Command>, ParseError> {
    if words.take("drop constraint") {
        let if_exists = words.take("if exists");
        let name = words.name()?;
        words.take_one_of(&["cascade", "restrict"]);
        return Ok(Some(Command::DropConstraint { table, name, if_exists }));
    }
    if !words.take("add") {
        return Ok(None);
    }
    let name = if words.take("constraint") { Some(words.name()?) } else { None };
    let (says, columns) = if words.take("primary key") {
        (Says::PrimaryKey, columns(words)?)
    } else if words.take("unique") {
        (Says::Unique, columns(words)?)
    } else if words.take("foreign key") {
        let own = columns(words)?;
        words.expect("references")?;
        let to = words.qualified()?;
        let theirs = words.columns()?;
        while words.take("on") {
            words.take_one_of(&["delete", "update"]);
            if words.take_one_of(&["no action", "cascade", "restrict"]).is_none() {
                return Err(words.wrong());
            }
        }
        (Says::References(to, theirs), own)
    } else if name.is_some() {
        return Err(ParseError::Unsupported("this kind of constraint".to_owned()));
    } else {
        return Ok(None);
    };
    if !words.take("not enforced") {
        if !words.is_at_end() {
            return Err(words.wrong());
        }
        let message = "a constraint that is enforced (say NOT ENFORCED to have it known only)";
        return Err(ParseError::Unsupported(message.to_owned()));
    }
    Ok(Some(Command::AddConstraint { table, constraint: Constraint { name, says, columns } }))
}

fn columns(words: &mut Words<'_>) -> Result<Vec<String>, ParseError> {
    match words.columns()? {
        columns if columns.is_empty() => Err(words.wrong()),
        columns => Ok(columns),
    }
}

fn target(noun: &str, mut name: Vec<String>, if_exists: bool) -> Option<Target> {
    Some(match noun {
        "table" => Target::Table(name, if_exists),
        "view" => Target::View(name, if_exists),
        "schema" if name.len() == 1 => Target::Schema(name.remove(0)),
        "database" if name.len() == 1 => Target::Database(name.remove(0)),
        "role" if name.len() == 1 => Target::Role(name.remove(0)),
        "column" if name.len() > 1 => {
            let column = name.pop()?;
            Target::Column(name, column)
        }
        _ => return None,
    })
}

fn default_privileges(words: &mut Words<'_>) -> Result<Command, ParseError> {
    let mut of = vec![];
    if words.take("for role") || words.take("for user") {
        of = words.roles()?;
    }
    let mut schemas = vec![];
    if words.take("in schema") {
        schemas = words.names()?;
    }
    let gives = words.take("grant");
    if !gives {
        words.expect("revoke")?;
    }
    let option_first = !gives && words.take("grant option for");
    let privileges = grants::privileges(words)?;
    words.expect("on")?;
    let on = On::Kind(words.name()?);
    let grant = grants::grant(words, gives, option_first, privileges, on)?;
    Ok(Command::DefaultPrivileges { of, schemas, grant })
}

/// COMMENT ON.
pub(super) fn comment(words: &mut Words<'_>) -> Result<Command, ParseError> {
    words.expect("comment on")?;
    let nouns = ["table", "view", "schema", "database", "role", "column"];
    let Some(noun) = words.take_one_of(&nouns) else {
        let noun = words.peek();
        if noun.is_empty() {
            return Err(words.wrong());
        }
        return Err(ParseError::Unsupported(format!("COMMENT ON {}", noun.to_uppercase())));
    };
    let name = words.qualified()?;
    let what = target(noun, name, false).ok_or_else(|| words.wrong())?;
    words.expect("is")?;
    Ok(Command::Comment { what, text: words.text_or_null()? })
}
