//! Statements about roles. In: the words of a statement. Out: the command, or none when it is about
//! something else.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::words::Words;
use super::{Command, RoleName, RoleOption, SettingValue, Target};
use crate::parse::ParseError;

/// The words for a role; only CREATE tells them apart.
const ROLE: [&str; 3] = ["role", "user", "group"];

/// CREATE ROLE, DROP ROLE, DROP OWNED.
pub(super) fn create_or_drop(words: &mut Words<'_>) -> Result<Option<Command>, ParseError> {
    if words.take("create") {
        let Some(noun) = words.take_one_of(&ROLE) else { return Ok(None) };
        let name = words.name()?;
        let mut options = options(words)?;
        // CREATE USER is CREATE ROLE ... LOGIN.
        if noun == "user" {
            options.insert(0, RoleOption::Login(true));
        }
        return Ok(Some(Command::CreateRole { name, options }));
    }
    words.expect("drop")?;
    if words.take("owned by") {
        let by = words.roles()?;
        let cascade = words.take("cascade");
        words.take("restrict");
        return Ok(Some(Command::DropOwned { by, cascade }));
    }
    if words.take_one_of(&ROLE).is_none() {
        return Ok(None);
    }
    let if_exists = words.take("if exists");
    Ok(Some(Command::DropRoles { names: words.roles()?, if_exists }))
}

/// ALTER ROLE.
pub(super) fn alter(words: &mut Words<'_>) -> Result<Option<Command>, ParseError> {
    let start = words.place();
    words.expect("alter")?;
    let Some(noun) = words.take_one_of(&ROLE) else {
        words.go_back(start);
        return Ok(None);
    };
    let role = if words.take("all") { None } else { Some(words.role()?) };
    if words.take("in database") {
        let database = words.name()?;
        if database != "mobula" {
            let message = format!("settings of roles in database \"{database}\"");
            return Err(ParseError::Unsupported(message));
        }
    }
    if words.take("set") {
        let setting = Some(setting_name(words)?);
        let value = if words.take("from current") {
            SettingValue::Current
        } else {
            if !words.take_token(&Token::Eq) {
                words.expect("to")?;
            }
            match words.take("default") {
                true => SettingValue::Default,
                false => SettingValue::Text(words.value()?),
            }
        };
        return Ok(Some(Command::SetForRole { role, setting, value }));
    }
    if words.take("reset") {
        let setting = if words.take("all") { None } else { Some(setting_name(words)?) };
        return Ok(Some(Command::SetForRole { role, setting, value: SettingValue::Default }));
    }
    let Some(role) = role else { return Err(words.wrong()) };
    if words.take("rename to") {
        let RoleName::Named(name) = role else { return Err(words.wrong()) };
        return Ok(Some(Command::Rename { what: Target::Role(name), to: words.name()? }));
    }
    if noun == "group" {
        let adds = words.take("add user");
        if !adds {
            words.expect("drop user")?;
        }
        let (RoleName::Named(group), members) = (role, words.roles()?) else {
            return Err(words.wrong());
        };
        let roles = vec![group];
        return Ok(Some(match adds {
            true => Command::GrantRoles { roles, members, admin: false },
            false => Command::RevokeRoles { roles, members, option_only: false },
        }));
    }
    Ok(Some(Command::AlterRole { role, options: options(words)? }))
}

/// The name of a setting; those of ours have a point in it, and some of PostgreSQL's are two words.
fn setting_name(words: &mut Words<'_>) -> Result<String, ParseError> {
    if words.take("time zone") {
        return Ok("timezone".to_owned());
    }
    Ok(words.qualified()?.join("."))
}

fn options(words: &mut Words<'_>) -> Result<Vec<RoleOption>, ParseError> {
    words.take("with");
    let mut options = Vec::new();
    while !words.is_at_end() {
        options.push(option(words)?);
    }
    Ok(options)
}

/// An option that is a word, or the word with NO before it.
type Switch = (&'static str, fn(bool) -> RoleOption);

fn option(words: &mut Words<'_>) -> Result<RoleOption, ParseError> {
    use RoleOption::{
        BypassRls, ConnectionLimit, CreateDb, CreateRole, InRole, Inherit, Login, Members,
        Password, Replication, Superuser, ValidUntil,
    };
    let switches: [Switch; 7] = [
        ("superuser", Superuser),
        ("createdb", CreateDb),
        ("createrole", CreateRole),
        ("inherit", Inherit),
        ("login", Login),
        ("replication", Replication),
        ("bypassrls", BypassRls),
    ];
    let next = words.peek();
    for (word, option) in switches {
        if next == word || next.strip_prefix("no") == Some(word) {
            words.name()?;
            return Ok(option(next == word));
        }
    }
    if words.take("encrypted password") || words.take("password") {
        return Ok(Password(words.text_or_null()?));
    }
    if words.take("connection limit") {
        return Ok(ConnectionLimit(words.number()?));
    }
    if words.take("valid until") {
        return Ok(ValidUntil(words.text()?));
    }
    if words.take("in role") || words.take("in group") {
        return Ok(InRole(words.names()?));
    }
    if words.take("role") || words.take("user") {
        return Ok(Members(words.roles()?, false));
    }
    if words.take("admin") {
        return Ok(Members(words.roles()?, true));
    }
    if words.take("sysid") {
        // PostgreSQL reads it and says that it means nothing.
        words.number()?;
        return if words.is_at_end() { Ok(InRole(vec![])) } else { option(words) };
    }
    Err(words.wrong())
}

/// REASSIGN OWNED.
pub(super) fn reassign(words: &mut Words<'_>) -> Result<Command, ParseError> {
    words.expect("reassign owned by")?;
    let from = words.roles()?;
    words.expect("to")?;
    Ok(Command::ReassignOwned { from, to: words.role()? })
}

/// SET ROLE, SET SESSION AUTHORIZATION, and their RESET.
pub(super) fn set(words: &mut Words<'_>) -> Result<Option<Command>, ParseError> {
    if words.take("reset") {
        return Ok(if words.take("role") {
            Some(Command::SetRole { role: None, local: false })
        } else if words.take("session authorization") {
            Some(Command::SetSession { role: None, local: false })
        } else {
            None
        });
    }
    words.expect("set")?;
    let local = words.take("local");
    let start = words.place();
    if words.take("session authorization") {
        let role = if words.take("default") { None } else { Some(role_or_text(words)?) };
        return Ok(Some(Command::SetSession { role, local }));
    }
    words.take("session");
    if !words.take("role") {
        words.go_back(start);
        return Ok(None);
    }
    if words.take_token(&Token::Eq) {
        // A setting, as in SET role = 'x'.
    } else {
        words.take("to");
    }
    let role = if words.take("none") { None } else { Some(role_or_text(words)?) };
    Ok(Some(Command::SetRole { role, local }))
}

/// A role's name, also as a text.
fn role_or_text(words: &mut Words<'_>) -> Result<RoleName, ParseError> {
    match words.text() {
        Ok(name) => Ok(RoleName::Named(name)),
        Err(_) => words.role(),
    }
}
