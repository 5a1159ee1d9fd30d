//! Settings as a session changes them.

use super::*;
use crate::error::SqlState;

#[test]
fn rollback_takes_settings_back() {
    let mut variables = Variables::default();
    variables.set("search_path", "a", false).expect("set");
    variables.begin();
    variables.set("search_path", "b", false).expect("set");
    variables.end(false);
    assert_eq!(variables.show("search_path").expect("known"), "a");
    variables.begin();
    variables.set("search_path", "c", true).expect("set");
    variables.set("application_name", "x", false).expect("set");
    variables.end(true);
    assert_eq!(variables.show("search_path").expect("known"), "a");
    assert_eq!(variables.show("application_name").expect("known"), "x");
}

#[test]
fn unknown_and_bad_values_are_told() {
    let mut variables = Variables::default();
    let error = variables.set("no_such", "1", false).expect_err("unknown");
    assert_eq!(error.state, SqlState::UndefinedObject);
    variables.set("app.user", "7", false).expect("a client's own");
    assert_eq!(variables.show("App.User").as_deref(), Ok("7"));
    assert!(variables.all().iter().any(|shown| shown.name == "app.user" && shown.is_set));
    variables.reset("app.user", false).expect("known");
    assert_eq!(variables.show("app.user").as_deref(), Ok(""));
    assert_eq!(variables.show("app.x").expect_err("unknown").state, SqlState::UndefinedObject);
    let error = variables.set("log_min_duration_statement", "0", false).expect_err("no right");
    assert_eq!(error.state, SqlState::InsufficientPrivilege);
    let error = variables.set("statement_timeout", "soon", false).expect_err("bad");
    assert_eq!(error.state, SqlState::InvalidParameterValue);
    let error = variables.set("server_version", "1", false).expect_err("fixed");
    assert_eq!(error.state, SqlState::CantChangeRuntimeParam);
    variables.set("statement_timeout", "2s", false).expect("set");
    assert_eq!(variables.duration("statement_timeout"), Some(Duration::from_secs(2)));
    assert_eq!(variables.show("statement_timeout").expect("known"), "2s");
    variables.begin();
    variables.set("statement_timeout", "3s", true).expect("set");
    assert_eq!(variables.duration("statement_timeout"), Some(Duration::from_secs(3)));
    variables.end(true);
    assert_eq!(variables.duration("statement_timeout"), Some(Duration::from_secs(2)));
    for (given, shown) in [("65536", "64kB"), ("1.5GB", "1536MB"), ("1001", "1001B"), ("0", "0")] {
        variables.set("mobula.local_threshold", given, false).expect("set");
        assert_eq!(variables.show("mobula.local_threshold").expect("known"), shown);
    }
    let error = variables.set("mobula.local_threshold", "64 MiB", false).expect_err("bad");
    let hint = error.hint.as_deref().expect("a hint");
    assert!(hint.contains("B, kB, MB, GB, TB"), "{hint}");
    for (given, shown) in [("1500us", Some("2ms")), ("2 min", Some("2min")), ("1minus", None)] {
        let set = variables.set("statement_timeout", given, false);
        let got = set.map(|_| variables.show("statement_timeout").expect("known"));
        assert_eq!(got.ok().as_deref(), shown, "{given}");
    }
    variables.reset("statement_timeout", false).expect("known");
    assert_eq!(variables.duration("statement_timeout"), None);
}
