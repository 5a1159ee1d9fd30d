//! Commands as they are read, and where they are not.

use super::*;
use crate::parse::parse;

fn read(sql: &str) -> Command {
    let parsed = parse(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let command = parsed[0].command.clone();
    command.unwrap_or_else(|| panic!("{sql} is no command")).as_ref().clone()
}

fn named(name: &str) -> RoleName {
    RoleName::Named(name.to_owned())
}

#[test]
fn roles() {
    let sql = "CREATE USER \"An\" WITH PASSWORD 'x' NOINHERIT CONNECTION LIMIT -1 IN ROLE a, b";
    let options = vec![
        RoleOption::Login(true),
        RoleOption::Password(Some("x".to_owned())),
        RoleOption::Inherit(false),
        RoleOption::ConnectionLimit(-1),
        RoleOption::InRole(vec!["a".to_owned(), "b".to_owned()]),
    ];
    assert_eq!(read(sql), Command::CreateRole { name: "An".to_owned(), options });
    assert!(read(sql).hides_text() && !format!("{:?}", read(sql)).contains("'x'"));
    let sql = "alter role agent set mobula.max_scan_bytes to '1GB'";
    assert_eq!(
        read(sql),
        Command::SetForRole {
            role: Some(named("agent")),
            setting: Some("mobula.max_scan_bytes".to_owned()),
            value: SettingValue::Text("1GB".to_owned())
        }
    );
    assert_eq!(
        read("DROP ROLE IF EXISTS a, current_user"),
        Command::DropRoles { names: vec![named("a"), RoleName::Current], if_exists: true }
    );
    assert_eq!(
        read("set local role 'x'"),
        Command::SetRole { role: Some(named("x")), local: true }
    );
    assert_eq!(read("reset role"), Command::SetRole { role: None, local: false });
    assert_eq!(
        read("set session authorization default"),
        Command::SetSession { role: None, local: false }
    );
}

#[test]
fn grants() {
    let sql = "grant select (a, b), insert on table s.t, u to public, r with grant option";
    let columns = vec!["a".to_owned(), "b".to_owned()];
    let select = ("select".to_owned(), columns);
    assert_eq!(
        read(sql),
        Command::Grant(Grant {
            gives: true,
            privileges: Privileges::Some(vec![select, ("insert".to_owned(), vec![])]),
            on: On::Tables(vec![vec!["s".to_owned(), "t".to_owned()], vec!["u".to_owned()]]),
            roles: vec![RoleName::Public, named("r")],
            option: true,
            cascade: false,
        })
    );
    assert_eq!(
        read("revoke admin option for a from b cascade"),
        Command::RevokeRoles {
            roles: vec!["a".to_owned()],
            members: vec![named("b")],
            option_only: true
        }
    );
    let sql = "alter default privileges for role a in schema s revoke all on tables from public";
    let Command::DefaultPrivileges { of, schemas, grant } = read(sql) else { panic!("{sql}") };
    assert_eq!((of, schemas), (vec![named("a")], vec!["s".to_owned()]));
    assert_eq!(grant.on, On::Kind("tables".to_owned()));
    assert!(!grant.gives);
}

#[test]
fn names_owners_and_comments() {
    let table = Target::Table(vec!["a".to_owned(), "b".to_owned()], true);
    assert_eq!(
        read("alter table if exists a.\"b\" rename to c"),
        Command::Rename { what: table, to: "c".to_owned() }
    );
    assert_eq!(
        read("comment on column a.b.c is $$it's$$"),
        Command::Comment {
            what: Target::Column(vec!["a".to_owned(), "b".to_owned()], "c".to_owned()),
            text: Some("it's".to_owned())
        }
    );
}

#[test]
fn constraints_that_nobody_checks() {
    let sql =
        "alter table t add constraint k foreign key (a, b) references s.u (c, d) not enforced";
    let Command::AddConstraint { constraint, .. } = read(sql) else { panic!("{sql}") };
    let names = |names: [&str; 2]| names.map(str::to_owned).to_vec();
    assert_eq!(constraint.name.as_deref(), Some("k"));
    assert_eq!(constraint.columns, names(["a", "b"]));
    assert_eq!(constraint.says, Says::References(names(["s", "u"]), names(["c", "d"])));
    let refused = parse("alter table t add primary key (a)").expect_err("it would be enforced");
    assert!(matches!(refused, ParseError::Unsupported(_)), "{refused:?}");
}

#[test]
fn other_statements_are_left_alone() {
    let several = parse("begin; grant a to b;; select 1; set role none").expect("parses");
    let found: Vec<_> = several.iter().map(|one| one.command.is_some()).collect();
    assert_eq!(found, [false, true, false, true]);
    for sql in ["create table t as select 1", "drop view v", "set timezone = 'UTC'", "reset all"] {
        assert!(parse(sql).expect(sql)[0].command.is_none(), "{sql}");
    }
    for (sql, place) in [
        ("grant select on t", "end of input"),
        ("create role a nothing", "\"nothing\""),
        ("alter role a set x 1", "\"1\""),
        ("grant a to b c", "\"c\""),
    ] {
        match parse(sql).expect_err("must not parse") {
            ParseError::Syntax { message, .. } => assert!(message.ends_with(place), "{message}"),
            other => panic!("{sql}: {other:?}"),
        }
    }
}
