//! The store: what survives, what is refused and in which words.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::*;

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let name = format!("mobula-meta-{:x}", rand::random::<u64>());
        Self(std::env::temp_dir().join(name).join("data"))
    }

    fn open(&self) -> Meta {
        Meta::open(&self.0).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.0.parent().unwrap());
    }
}

fn table(schema: &str, name: &str) -> NewRelation {
    NewRelation {
        oid: Oid(0),
        schema: schema.into(),
        name: name.into(),
        owner: ADMIN_OID,
        kind: RelationKind::External,
        format: "PARQUET".into(),
        location: format!("/data/{name}"),
        options: "{}".into(),
        columns: "[]".into(),
        partition_columns: "[]".into(),
        definition: String::new(),
        needs: BTreeSet::new(),
    }
}

fn view(name: &str, needs: &[Oid]) -> NewRelation {
    NewRelation {
        kind: RelationKind::View,
        format: String::new(),
        location: String::new(),
        definition: format!("SELECT 1 AS {name}"),
        needs: needs.iter().copied().collect(),
        ..table("public", name)
    }
}

fn made<T>(change: PgResult<Change<T>>) -> T {
    match change.unwrap() {
        Change::Made(value) => value,
        Change::Skipped(notice) => panic!("skipped: {notice}"),
    }
}

fn refused<T: std::fmt::Debug>(change: PgResult<Change<T>>) -> (SqlState, String) {
    let error = change.unwrap_err();
    (error.state, error.message)
}

fn skipped<T: std::fmt::Debug>(change: PgResult<Change<T>>) -> String {
    match change.unwrap() {
        Change::Skipped(notice) => notice.message,
        Change::Made(value) => panic!("made {value:?}"),
    }
}

fn drop_of<'a>(name: &'a str, view: bool) -> DropRelation<'a> {
    DropRelation { schema: "public", name, view, if_exists: false, cascade: false }
}

/// The store's changes, each committed by itself.
impl Meta {
    fn create_schema(&self, name: &str, owner: Oid, skip: bool) -> PgResult<Change<Oid>> {
        self.change(|now| now.create_schema(now.new_oid()?, name, owner, skip))
    }

    fn drop_schema(&self, name: &str, skip: bool, all: bool) -> PgResult<Change<usize>> {
        self.change(|now| {
            Ok(match now.drop_schema(name, skip, all)? {
                Change::Made(gone) => Change::Made(gone.len()),
                Change::Skipped(notice) => Change::Skipped(notice),
            })
        })
    }

    fn rename_schema(&self, name: &str, to: &str) -> PgResult<Change<()>> {
        self.change(|now| now.rename_schema(name, to))
    }

    fn create_relation(
        &self,
        new: &NewRelation,
        replace: bool,
        skip: bool,
    ) -> PgResult<Change<Oid>> {
        self.change(|now| {
            let new = NewRelation { oid: now.new_oid()?, ..new.clone() };
            now.create_relation(&new, replace, skip)
        })
    }

    fn drop_relation(&self, what: DropRelation<'_>) -> PgResult<Change<Vec<Arc<Relation>>>> {
        self.change(|now| now.drop_relation(what))
    }

    fn rename(&self, schema: &str, name: &str, to: &str) -> PgResult<Change<()>> {
        self.change(|now| now.rename(schema, name, to))
    }
}

#[test]
fn everything_survives_and_oids_are_never_used_again() {
    let folder = Folder::new();
    let meta = folder.open();
    assert_eq!(meta.snapshot().schema("public").unwrap().oid, PUBLIC_OID);
    assert_eq!(meta.snapshot().role(ADMIN_ROLE).unwrap().oid, ADMIN_OID);
    let schema = made(meta.create_schema("s", ADMIN_OID, false));
    assert_eq!(schema, FIRST_OID);
    let first = made(meta.create_relation(&table("s", "a"), false, false));
    let second = made(meta.create_relation(&table("s", "b"), false, false));
    assert!(schema < first && first < second);
    let what = DropRelation { schema: "s", ..drop_of("b", false) };
    made(meta.drop_relation(what));
    meta.set_setting("k", "v").unwrap();
    let before = meta.snapshot();
    drop(meta);

    let meta = folder.open();
    let after = meta.snapshot();
    assert_eq!(after.version(), before.version());
    assert_eq!(after.relation("s", "a"), before.relation("s", "a"));
    assert_eq!(after.relation_by_oid(first).unwrap().location, "/data/a");
    assert_eq!(meta.setting("k").unwrap().as_deref(), Some("v"));
    assert!(made(meta.create_relation(&table("s", "b"), false, false)) > second);
    assert!(meta.snapshot().version() > after.version());
    // The old snapshot is as it was.
    assert!(after.relation("s", "b").is_none());
}

#[test]
fn the_directory_and_the_file_are_ours_alone() {
    let folder = Folder::new();
    let _meta = folder.open();
    let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.0.clone()), 0o700);
    for file in ["catalog.sqlite", "catalog.sqlite-wal", "lock"] {
        assert_eq!(mode(folder.0.join(file)), 0o600, "{file}");
    }
}

#[test]
fn a_second_server_is_kept_out() {
    let folder = Folder::new();
    let meta = folder.open();
    let error = Meta::open(&folder.0).unwrap_err();
    assert!(error.message.contains("is in use by another server"), "{error}");
    assert_eq!(error.detail.unwrap(), format!("It is process {}.", std::process::id()));
    drop(meta);
    folder.open();
}

#[test]
fn a_newer_format_is_refused() {
    let folder = Folder::new();
    let meta = folder.open();
    meta.connection().pragma_update(None, "user_version", 99).unwrap();
    drop(meta);
    assert!(Meta::open(&folder.0).unwrap_err().message.contains("newer version"));
}

#[test]
fn schemas_speak_as_in_postgres() {
    let folder = Folder::new();
    let meta = folder.open();
    made(meta.create_schema("s", ADMIN_OID, false));
    let again = refused(meta.create_schema("s", ADMIN_OID, false));
    assert_eq!(again, (SqlState::DuplicateSchema, "schema \"s\" already exists".into()));
    let notice = skipped(meta.create_schema("s", ADMIN_OID, true));
    assert_eq!(notice, "schema \"s\" already exists, skipping");
    assert_eq!(
        refused(meta.create_schema("pg_x", ADMIN_OID, false)).1,
        "unacceptable schema name \"pg_x\""
    );
    let missing = (SqlState::InvalidSchemaName, "schema \"t\" does not exist".into());
    assert_eq!(refused(meta.drop_schema("t", false, false)), missing);
    assert_eq!(refused(meta.create_relation(&table("t", "a"), false, false)), missing);
    assert_eq!(
        skipped(meta.drop_schema("t", true, false)),
        "schema \"t\" does not exist, skipping"
    );
    made(meta.create_relation(&table("s", "a"), false, false));
    let error = meta.drop_schema("s", false, false).unwrap_err();
    assert_eq!(error.state, SqlState::DependentObjectsExist);
    assert_eq!(error.message, "cannot drop schema s because other objects depend on it");
    assert_eq!(error.detail.as_deref(), Some("table s.a depends on schema s"));
    assert_eq!(
        error.hint.as_deref(),
        Some("Use DROP ... CASCADE to drop the dependent objects too.")
    );
    made(meta.rename_schema("s", "s2"));
    assert_eq!(meta.snapshot().relation("s2", "a").unwrap().schema, "s2");
    assert_eq!(made(meta.drop_schema("s2", false, true)), 1);
    assert!(meta.snapshot().schema("s2").is_none());
}

#[test]
fn relations_speak_as_in_postgres() {
    let folder = Folder::new();
    let meta = folder.open();
    let oid = made(meta.create_relation(&table("public", "a"), false, false));
    let again = refused(meta.create_relation(&table("public", "a"), false, false));
    assert_eq!(again, (SqlState::DuplicateTable, "relation \"a\" already exists".into()));
    let notice = skipped(meta.create_relation(&table("public", "a"), false, true));
    assert_eq!(notice, "relation \"a\" already exists, skipping");
    let moved = NewRelation { location: "/elsewhere".into(), ..table("public", "a") };
    assert_eq!(made(meta.create_relation(&moved, true, false)), oid);
    assert_eq!(meta.snapshot().relation_by_oid(oid).unwrap().location, "/elsewhere");
    let wrong = refused(meta.create_relation(&view("a", &[]), true, false));
    assert_eq!(wrong, (SqlState::WrongObjectType, "\"a\" is not a view".into()));
    let wrong = meta.drop_relation(drop_of("a", true)).unwrap_err();
    assert_eq!(wrong.hint.as_deref(), Some("Use DROP TABLE to remove a table."));
    assert_eq!(
        refused(meta.drop_relation(drop_of("z", false))),
        (SqlState::UndefinedTable, "table \"z\" does not exist".into())
    );
    let what = DropRelation { if_exists: true, ..drop_of("z", true) };
    assert_eq!(skipped(meta.drop_relation(what)), "view \"z\" does not exist, skipping");
    made(meta.rename("public", "a", "b"));
    assert_eq!(meta.snapshot().relation("public", "b").unwrap().oid, oid);
    assert_eq!(refused(meta.rename("public", "a", "c")).1, "relation \"a\" does not exist");
}

#[test]
fn what_a_view_reads_stays_while_it_does() {
    let folder = Folder::new();
    let meta = folder.open();
    let base = made(meta.create_relation(&table("public", "t"), false, false));
    let low = made(meta.create_relation(&view("v", &[base]), false, false));
    let high = made(meta.create_relation(&view("w", &[low]), false, false));
    let error = meta.drop_relation(drop_of("t", false)).unwrap_err();
    assert_eq!(error.message, "cannot drop table t because other objects depend on it");
    // What a view reads may get another name: the view knows its oid.
    made(meta.rename("public", "v", "x"));
    made(meta.rename("public", "x", "v"));
    // A replaced view may not come to read itself.
    let circle = refused(meta.create_relation(&view("v", &[high]), true, false));
    assert_eq!(circle.0, SqlState::InvalidTableDefinition);
    // Nor may a view read what was dropped while it was planned.
    let gone = refused(meta.create_relation(&view("y", &[Oid(99_999)]), false, false));
    assert_eq!(gone.0, SqlState::UndefinedTable);
    assert!(meta.snapshot().relation("public", "y").is_none());
    let what = DropRelation { cascade: true, ..drop_of("t", false) };
    let gone: Vec<Oid> = made(meta.drop_relation(what)).iter().map(|one| one.oid).collect();
    assert_eq!(gone, [base, low, high]);
    assert_eq!(meta.snapshot().relations().count(), 0);
}

#[test]
fn roles_keep_their_verifier_to_themselves() {
    let folder = Folder::new();
    let meta = folder.open();
    meta.let_log_in("r", false, Secret::new("canary")).unwrap();
    let oid = meta.snapshot().role("r").unwrap().oid;
    meta.let_log_in("r", false, Secret::new("canary2")).unwrap();
    let snapshot = meta.snapshot();
    let role = snapshot.role("r").unwrap();
    assert_eq!((role.oid, role.login, role.superuser), (oid, true, false));
    assert_eq!(role.verifier.as_ref().unwrap().expose(), "canary2");
    assert!(!format!("{snapshot:?} {role:?}").contains("canary"));
}

#[test]
fn roles_grants_and_comments_survive() {
    let folder = Folder::new();
    let meta = folder.open();
    let oid = made(meta.create_relation(&table("public", "a"), false, false));
    let reader = made(meta.change(|now| {
        let reader = now.new_oid()?;
        let change = RoleChange { login: Some(true), ..RoleChange::default() };
        now.create_role(reader, "reader", &change)?;
        now.set_for_role("reader", Some("statement_timeout"), Some("5s"))?;
        let monitor = now.find_role("pg_monitor")?.oid;
        now.grant_role(monitor, reader, true, ADMIN_OID)?;
        let mut acl = acl::Acl::of_relation(ADMIN_OID);
        acl.grant(ADMIN_OID, reader, acl::Privilege::Select, false);
        now.set_relation_acl(oid, None, acl.clone());
        now.set_relation_acl(oid, Some("b"), acl.clone());
        now.set_default_acl(now.new_oid()?, (reader, Some(PUBLIC_OID), Object::Relation), acl);
        now.comment_on_relation("public", "a", Some("b"), Some("what it is"))?;
        Ok(Change::Made(reader))
    }));
    let before = meta.snapshot();
    drop(meta);
    let meta = folder.open();
    let after = meta.snapshot();
    assert_eq!(after.role_by_oid(reader), before.role_by_oid(reader));
    assert_eq!(after.relation_by_oid(oid), before.relation_by_oid(oid));
    assert!(after.memberships().eq(before.memberships()));
    assert!(after.default_acls().eq(before.default_acls()));
    assert!(after.is_member(reader, after.role("pg_read_all_stats").unwrap().oid));
    // It cannot go while something is granted to it.
    let error = meta.change(|now| now.drop_role("reader")).unwrap_err();
    assert_eq!(error.state, SqlState::DependentObjectsExist);
    assert_eq!(error.detail.as_deref(), Some("privileges for table public.a"));
    made(meta.change(|now| {
        now.revoke_all_from(reader);
        now.drop_role("reader")
    }));
    drop(meta);
    let after = folder.open().snapshot();
    assert!(after.role("reader").is_none() && after.default_acls().next().is_none());
}

#[test]
fn a_transaction_is_seen_when_it_is_committed_and_then_whole() {
    let folder = Folder::new();
    let meta = folder.open();
    made(meta.create_relation(&table("public", "old"), false, false));
    let mut pending = Pending::new(meta.snapshot());
    let create = |name: &'static str, oid: Oid| {
        move |now: &mut Snapshot| {
            now.create_relation(&NewRelation { oid, ..table("public", name) }, false, false)
        }
    };
    let oid = meta.snapshot().new_oid().unwrap();
    made(pending.change(create("new", oid)));
    made(pending.change(|now| now.rename("public", "old", "backup")));
    made(pending.change(|now| now.rename("public", "new", "old")));
    assert_eq!(pending.snapshot().relation("public", "old").unwrap().oid, oid);
    assert_ne!(meta.snapshot().relation("public", "old").unwrap().oid, oid);
    assert!(meta.snapshot().relation("public", "backup").is_none());
    // Another session's change in between is kept.
    made(meta.create_relation(&table("public", "other"), false, false));
    meta.commit(&pending).unwrap();
    let names = |meta: &Meta| -> Vec<String> {
        meta.snapshot().relations_in("public").map(|one| one.name.clone()).collect()
    };
    assert_eq!(names(&meta), ["backup", "old", "other"]);
    assert_eq!(meta.snapshot().relation("public", "old").unwrap().oid, oid);
    // What cannot be done any more is a conflict, and nothing of the transaction is done.
    let mut pending = Pending::new(meta.snapshot());
    let more = [1, 2].map(|_| meta.snapshot().new_oid().unwrap());
    made(pending.change(create("x", more[0])));
    made(pending.change(create("y", more[1])));
    made(meta.create_relation(&table("public", "y"), false, false));
    let error = meta.commit(&pending).unwrap_err();
    assert_eq!(error.state, SqlState::SerializationFailure);
    assert_eq!(names(&meta), ["backup", "old", "other", "y"]);
}

#[test]
fn changes_from_many_threads_are_all_there() {
    let folder = Folder::new();
    let meta = folder.open();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let meta = &meta;
            scope.spawn(move || {
                for number in 0..10 {
                    let name = format!("t{thread}_{number}");
                    made(meta.create_relation(&table("public", &name), false, false));
                }
            });
        }
    });
    let oids: BTreeSet<Oid> = meta.snapshot().relations().map(|one| one.oid).collect();
    assert_eq!(oids.len(), 40);
    assert_eq!(meta.snapshot().relations_in("public").count(), 40);
}
