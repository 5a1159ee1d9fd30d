//! Changes to roles. In: names, rights, verifiers. Out: durable changes. It never sees a password.

use rusqlite::params;

use super::{Change, Meta, Oid, Secret, failed, next_oid};
use crate::error::{PgError, PgResult, SqlState};

/// A role to be made or changed.
#[derive(Clone, Debug)]
pub struct NewRole<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whether it may do everything.
    pub superuser: bool,
    /// Whether it may log in.
    pub login: bool,
    /// What its password is checked against; none: no password fits.
    pub verifier: Option<Secret>,
}

impl Meta {
    /// Makes the role or, if there is one of this name, gives it these rights and verifier.
    pub fn upsert_role(&self, role: &NewRole<'_>) -> PgResult<Oid> {
        let change = self.change(|tx| {
            let verifier = role.verifier.as_ref().map(Secret::expose);
            if let Some(old) = self.snapshot().role(role.name) {
                tx.execute(
                    "UPDATE roles SET superuser = ?2, login = ?3, verifier = ?4 WHERE oid = ?1",
                    params![old.oid, role.superuser, role.login, verifier],
                )
                .map_err(failed)?;
                return Ok(Change::Made(old.oid));
            }
            let oid = next_oid(tx)?;
            tx.execute(
                "INSERT INTO roles (oid, name, superuser, login, verifier)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                params![oid, role.name, role.superuser, role.login, verifier],
            )
            .map_err(failed)?;
            Ok(Change::Made(oid))
        })?;
        match change {
            Change::Made(oid) => Ok(oid),
            Change::Skipped(notice) => Err(notice),
        }
    }

    /// Replaces a role's verifier.
    pub fn set_verifier(&self, name: &str, verifier: &Secret) -> PgResult<()> {
        self.change(|tx| {
            let sql = "UPDATE roles SET verifier = ?2 WHERE name = ?1";
            if tx.execute(sql, params![name, verifier.expose()]).map_err(failed)? == 0 {
                let message = format!("role \"{name}\" does not exist");
                return Err(PgError::new(SqlState::UndefinedObject, message));
            }
            Ok(Change::Made(()))
        })
        .map(drop)
    }
}
