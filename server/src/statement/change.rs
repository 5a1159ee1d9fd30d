//! Definitions where they go: to the store at once, or aside until the transaction's COMMIT. In: a
//! change. Out: the same made, durably or for this transaction alone; and what becomes of the files
//! of tables that were made or dropped in it. Knows no statement.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use super::copy::remove_managed;
use super::query::Context;
use crate::error::{PgResult, engine};
use crate::meta::{Change, Pending, Relation, Snapshot};
use crate::session::Aside;
use crate::shared::Shared;

impl Context {
    /// Makes a change where blocking is allowed. It may be made again, on another snapshot, when
    /// its transaction commits.
    ///
    /// # Errors
    /// The change's own, or what the store says.
    pub async fn change<T: Clone + Send + 'static>(
        &self,
        work: impl Fn(&mut Snapshot) -> PgResult<Change<T>> + Send + Sync + 'static,
    ) -> PgResult<Change<T>> {
        let (shared, aside) = (Arc::clone(&self.shared), self.aside.clone());
        let done = self.shared.planning.spawn_blocking(move || match aside {
            None => shared.meta.change(|snapshot| work(snapshot)),
            Some(aside) => {
                let mut pending = aside.lock().unwrap_or_else(PoisonError::into_inner);
                pending.get_or_insert_with(|| Pending::new(shared.meta.snapshot())).change(work)
            }
        });
        done.await.unwrap_or_else(|error| Err(engine::incident(&error)))
    }

    /// Notes the folder of a table that this statement made, for a ROLLBACK.
    pub fn made(&self, folder: PathBuf) {
        if let Some(aside) = &self.aside
            && let Some(pending) = &mut *aside.lock().unwrap_or_else(PoisonError::into_inner)
        {
            pending.made(folder);
        }
    }

    /// Forgets relations that this statement dropped, at once or at the COMMIT.
    pub fn dropped(&self, relations: Vec<Arc<Relation>>) {
        if let Some(aside) = &self.aside
            && let Some(pending) = &mut *aside.lock().unwrap_or_else(PoisonError::into_inner)
        {
            relations.into_iter().for_each(|relation| pending.dropped(relation));
            return;
        }
        forget(&self.shared, &relations);
    }
}

/// What was dropped for good.
fn forget(shared: &Shared, relations: &[Arc<Relation>]) {
    for relation in relations {
        shared.tables.forget(relation.oid);
        remove_managed(shared, relation);
    }
}

/// COMMIT of what a transaction kept aside. Nothing of it is there when it fails.
///
/// # Errors
/// 40001 when others' definitions left no place for these.
pub async fn commit(shared: &Arc<Shared>, aside: Aside) -> PgResult<()> {
    let Some(pending) = take(&aside) else { return Ok(()) };
    let for_store = Arc::clone(shared);
    let done = shared.planning.spawn_blocking(move || {
        let committed = for_store.meta.commit(&pending);
        let (made, dropped) = pending.files();
        match committed {
            Ok(()) => forget(&for_store, &dropped),
            Err(_) => remove(&made),
        }
        committed
    });
    done.await.unwrap_or_else(|error| Err(engine::incident(&error)))
}

/// ROLLBACK of what a transaction kept aside.
pub fn roll_back(aside: &Aside) {
    if let Some(pending) = take(aside) {
        remove(&pending.files().0);
    }
}

/// ROLLBACK TO SAVEPOINT: back to what was aside then.
pub fn return_to(aside: &Aside, then: Option<Pending>) {
    let mut pending = aside.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(now) = &*pending {
        remove(&now.made_since(then.as_ref()));
    }
    *pending = then;
}

fn take(aside: &Aside) -> Option<Pending> {
    aside.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Folders of tables that nobody will know.
fn remove(folders: &[PathBuf]) {
    for folder in folders {
        if let Err(error) = std::fs::remove_dir_all(folder) {
            tracing::warn!(%error, "could not remove the files of a table that was rolled back");
        }
    }
}
