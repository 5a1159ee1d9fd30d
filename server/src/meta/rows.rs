//! Snapshots as rows of the store. In: a connection. Out: all objects; or, of two snapshots, the
//! rows that differ, written in one transaction. It decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Result, Row, Transaction, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::acl::Object;
use super::{DefaultAcl, Membership, Oid, Relation, Role, Schema, Secret, Snapshot};

/// The setting that holds the database's access control list.
const DATABASE_ACL: &str = "database.acl";

/// Reads everything.
pub(super) fn load(connection: &Connection) -> Result<Snapshot> {
    let mut snapshot = Snapshot::default();
    let counter = |name: &str| {
        let sql = "SELECT value FROM counters WHERE name = ?1";
        connection.query_row(sql, [name], |row| row.get::<_, i64>(0))
    };
    snapshot.version = counter("version")?.unsigned_abs();
    snapshot.counters.version.store(snapshot.version, Ordering::Relaxed);
    let oid = u32::try_from(counter("oid")?).unwrap_or(u32::MAX);
    snapshot.counters.oid.store(oid, Ordering::Relaxed);
    let mut roles = connection.prepare("SELECT * FROM roles")?;
    for role in roles.query_map([], role)? {
        snapshot.put_role(role?);
    }
    let mut schemas = connection.prepare("SELECT * FROM schemas")?;
    for schema in schemas.query_map([], schema)? {
        snapshot.put_schema(schema?);
    }
    let mut needs = load_needs(connection)?;
    let sql =
        "SELECT r.*, s.name AS schema FROM relations r JOIN schemas s ON s.oid = r.schema_oid";
    let mut relations = connection.prepare(sql)?;
    for found in relations.query_map([], relation)? {
        let mut found = found?;
        found.needs = needs.remove(&found.oid).unwrap_or_default();
        snapshot.put_relation(found);
    }
    let mut memberships = connection.prepare("SELECT * FROM memberships")?;
    let rows = memberships.query_map([], |row| {
        let how = Membership { admin: row.get("admin")?, grantor: row.get("grantor_oid")? };
        Ok(((row.get("role_oid")?, row.get("member_oid")?), how))
    })?;
    snapshot.memberships = rows.collect::<Result<_>>()?;
    let mut defaults = connection.prepare("SELECT * FROM default_acls")?;
    for default in defaults.query_map([], default_acl)? {
        let default = default?;
        snapshot.default_acls.insert(default.key, default);
    }
    let sql = "SELECT value FROM settings WHERE name = ?1";
    let acl: Option<String> =
        connection.query_row(sql, [DATABASE_ACL], |row| row.get(0)).optional()?;
    snapshot.database_acl = acl.map(|text| read_json(&text)).transpose()?;
    Ok(snapshot)
}

fn role(row: &Row<'_>) -> Result<Role> {
    Ok(Role {
        oid: row.get("oid")?,
        name: row.get("name")?,
        superuser: row.get("superuser")?,
        inherit: row.get("inherit")?,
        create_role: row.get("create_role")?,
        create_db: row.get("create_db")?,
        login: row.get("login")?,
        replication: row.get("replication")?,
        bypass_rls: row.get("bypass_rls")?,
        connection_limit: row.get("connection_limit")?,
        valid_until_micros: row.get("valid_until")?,
        verifier: row.get::<_, Option<String>>("verifier")?.map(Secret::new),
        settings: json(row, "settings")?,
    })
}

fn schema(row: &Row<'_>) -> Result<Schema> {
    Ok(Schema {
        oid: row.get("oid")?,
        name: row.get("name")?,
        owner: row.get("owner")?,
        acl: json(row, "acl")?,
        comment: row.get("comment")?,
    })
}

fn relation(row: &Row<'_>) -> Result<Relation> {
    Ok(Relation {
        oid: row.get("oid")?,
        schema_oid: row.get("schema_oid")?,
        schema: row.get("schema")?,
        name: row.get("name")?,
        owner: row.get("owner")?,
        kind: row.get("kind")?,
        format: row.get("format")?,
        location: row.get("location")?,
        options: row.get("options")?,
        columns: row.get("columns")?,
        partition_columns: row.get("partition_columns")?,
        definition: row.get("definition")?,
        created_at_micros: row.get("created_at")?,
        acl: json(row, "acl")?,
        column_acls: json(row, "column_acls")?,
        comment: row.get("comment")?,
        column_comments: json(row, "column_comments")?,
        constraints: json(row, "constraints")?,
        needs: BTreeSet::new(),
    })
}

fn default_acl(row: &Row<'_>) -> Result<DefaultAcl> {
    let schema: Oid = row.get("schema_oid")?;
    let object = match row.get::<_, String>("kind")?.as_str() {
        "schema" => Object::Schema,
        _ => Object::Relation,
    };
    let schema = (schema != Oid(0)).then_some(schema);
    Ok(DefaultAcl {
        oid: row.get("oid")?,
        key: (row.get("role_oid")?, schema, object),
        acl: json(row, "acl")?,
    })
}

fn load_needs(connection: &Connection) -> Result<BTreeMap<Oid, BTreeSet<Oid>>> {
    let mut statement = connection.prepare("SELECT relation_oid, needs_oid FROM dependencies")?;
    let mut needs: BTreeMap<Oid, BTreeSet<Oid>> = BTreeMap::new();
    for pair in statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))? {
        let (relation, needed): (Oid, Oid) = pair?;
        needs.entry(relation).or_default().insert(needed);
    }
    Ok(needs)
}

/// A column of JSON; NULL is JSON's null.
fn json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> Result<T> {
    let text: Option<String> = row.get(column)?;
    read_json(text.as_deref().unwrap_or("null"))
}

fn read_json<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, error.into()))
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::json!(value).to_string()
}

/// Writes what `new` has otherwise than `old`.
pub(super) fn save(tx: &Transaction<'_>, old: &Snapshot, new: &Snapshot) -> Result<()> {
    // Rows that change go and come: what refers to them is looked at when all is done.
    tx.pragma_update(None, "defer_foreign_keys", true)?;
    delete_changed(tx, old, new)?;
    for role in coming(&old.roles, &new.roles) {
        insert_role(tx, role)?;
    }
    for schema in coming(&old.schemas, &new.schemas) {
        tx.execute(
            "INSERT INTO schemas (oid, name, owner, acl, comment) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                schema.oid,
                schema.name,
                schema.owner,
                schema.acl.as_ref().map(to_json),
                schema.comment
            ],
        )?;
    }
    for relation in coming(&old.by_oid, &new.by_oid) {
        insert_relation(tx, relation)?;
    }
    for ((role, member), how) in coming_pairs(&old.memberships, &new.memberships) {
        let sql = "INSERT INTO memberships (role_oid, member_oid, admin, grantor_oid)
                   VALUES (?1, ?2, ?3, ?4)";
        tx.execute(sql, params![role, member, how.admin, how.grantor])?;
    }
    for ((role, schema, object), default) in coming_pairs(&old.default_acls, &new.default_acls) {
        let sql = "INSERT INTO default_acls (oid, role_oid, schema_oid, kind, acl)
                   VALUES (?1, ?2, ?3, ?4, ?5)";
        let schema = schema.unwrap_or(Oid(0));
        tx.execute(sql, params![default.oid, role, schema, object.noun(), to_json(&default.acl)])?;
    }
    if let Some(acl) = new.database_acl.as_ref().filter(|_| old.database_acl != new.database_acl) {
        let sql = "INSERT OR REPLACE INTO settings (name, value) VALUES (?1, ?2)";
        tx.execute(sql, params![DATABASE_ACL, to_json(acl)])?;
    }
    let sql = "UPDATE counters SET value = ?2 WHERE name = ?1";
    tx.execute(sql, params!["version", i64::try_from(new.version).unwrap_or(i64::MAX)])?;
    tx.execute(sql, params!["oid", new.counters.oid.load(Ordering::Relaxed)])?;
    Ok(())
}

fn delete_changed(tx: &Transaction<'_>, old: &Snapshot, new: &Snapshot) -> Result<()> {
    for ((role, schema, object), _) in coming_pairs(&new.default_acls, &old.default_acls) {
        let sql = "DELETE FROM default_acls WHERE role_oid = ?1 AND schema_oid = ?2 AND kind = ?3";
        tx.execute(sql, params![role, schema.unwrap_or(Oid(0)), object.noun()])?;
    }
    for ((role, member), _) in coming_pairs(&new.memberships, &old.memberships) {
        let sql = "DELETE FROM memberships WHERE role_oid = ?1 AND member_oid = ?2";
        tx.execute(sql, params![role, member])?;
    }
    for relation in coming(&new.by_oid, &old.by_oid) {
        tx.execute("DELETE FROM dependencies WHERE relation_oid = ?1", [relation.oid])?;
        tx.execute("DELETE FROM relations WHERE oid = ?1", [relation.oid])?;
    }
    for schema in coming(&new.schemas, &old.schemas) {
        tx.execute("DELETE FROM schemas WHERE oid = ?1", [schema.oid])?;
    }
    for role in coming(&new.roles, &old.roles) {
        tx.execute("DELETE FROM roles WHERE oid = ?1", [role.oid])?;
    }
    Ok(())
}

/// What the second has, and the first has not or otherwise.
fn coming<'s, K: Ord, V: PartialEq>(
    before: &'s BTreeMap<K, Arc<V>>,
    after: &'s BTreeMap<K, Arc<V>>,
) -> impl Iterator<Item = &'s Arc<V>> {
    let is_same = |old: &Arc<V>, new: &Arc<V>| Arc::ptr_eq(old, new) || old == new;
    let is_new =
        move |(key, new): &(&K, &Arc<V>)| before.get(key).is_none_or(|old| !is_same(old, new));
    after.iter().filter(is_new).map(|(_, new)| new)
}

fn coming_pairs<'s, K: Ord, V: PartialEq>(
    before: &'s BTreeMap<K, V>,
    after: &'s BTreeMap<K, V>,
) -> impl Iterator<Item = (&'s K, &'s V)> {
    after.iter().filter(move |(key, new)| before.get(key) != Some(new))
}

fn insert_role(tx: &Transaction<'_>, role: &Role) -> Result<()> {
    tx.execute(
        "INSERT INTO roles (oid, name, superuser, inherit, create_role, create_db, login,
                            replication, bypass_rls, connection_limit, valid_until, verifier,
                            settings)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        params![
            role.oid,
            role.name,
            role.superuser,
            role.inherit,
            role.create_role,
            role.create_db,
            role.login,
            role.replication,
            role.bypass_rls,
            role.connection_limit,
            role.valid_until_micros,
            role.verifier.as_ref().map(Secret::expose),
            to_json(&role.settings),
        ],
    )
    .map(drop)
}

fn insert_relation(tx: &Transaction<'_>, relation: &Relation) -> Result<()> {
    tx.execute(
        "INSERT INTO relations (oid, schema_oid, name, owner, kind, format, location, options,
                                columns, partition_columns, definition, created_at, acl,
                                column_acls, comment, column_comments, constraints)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        params![
            relation.oid,
            relation.schema_oid,
            relation.name,
            relation.owner,
            relation.kind.word(),
            relation.format,
            relation.location,
            relation.options,
            relation.columns,
            relation.partition_columns,
            relation.definition,
            relation.created_at_micros,
            relation.acl.as_ref().map(to_json),
            to_json(&relation.column_acls),
            relation.comment,
            to_json(&relation.column_comments),
            to_json(&relation.constraints),
        ],
    )?;
    let sql = "INSERT INTO dependencies (relation_oid, needs_oid) VALUES (?1, ?2)";
    for needed in &relation.needs {
        tx.execute(sql, params![relation.oid, needed])?;
    }
    Ok(())
}
