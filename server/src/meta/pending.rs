//! A transaction's definitions, kept aside until COMMIT. In: changes, one after the other. Out: the
//! snapshot this transaction sees, and at its end the same changes on what is there by then. Others
//! see nothing of it, and a ROLLBACK leaves nothing.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Change, Meta, Relation, Snapshot};
use crate::error::{PgError, PgResult, SqlState};

/// A change that can be made again on another snapshot.
type Step = Arc<dyn Fn(&mut Snapshot) -> PgResult<Change<()>> + Send + Sync>;

/// What a transaction has defined so far.
#[derive(Clone)]
pub struct Pending {
    /// As the transaction sees it.
    snapshot: Arc<Snapshot>,
    /// The version it began with.
    base: u64,
    steps: Vec<Step>,
    /// Folders of tables it made: they go with a ROLLBACK.
    made: Vec<PathBuf>,
    /// Tables it dropped: their files go with a COMMIT.
    dropped: Vec<Arc<Relation>>,
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("steps", &self.steps.len()).finish_non_exhaustive()
    }
}

impl Pending {
    /// Begins with what is there.
    pub fn new(base: Arc<Snapshot>) -> Self {
        Self { base: base.version(), snapshot: base, steps: vec![], made: vec![], dropped: vec![] }
    }

    /// What this transaction sees.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Makes a change that only this transaction sees.
    ///
    /// # Errors
    /// The change's own; nothing was changed.
    pub fn change<T: Clone + Send + 'static>(
        &mut self,
        work: impl Fn(&mut Snapshot) -> PgResult<Change<T>> + Send + Sync + 'static,
    ) -> PgResult<Change<T>> {
        let mut snapshot = self.snapshot.as_ref().clone();
        let change = work(&mut snapshot)?;
        if let Change::Made(_) = change {
            snapshot.version = snapshot.counters.next_version();
            self.snapshot = Arc::new(snapshot);
            self.steps.push(Arc::new(move |snapshot| {
                Ok(match work(snapshot)? {
                    Change::Made(_) => Change::Made(()),
                    Change::Skipped(notice) => Change::Skipped(notice),
                })
            }));
        }
        Ok(change)
    }

    /// Notes the folder of a table that was made.
    pub fn made(&mut self, folder: PathBuf) {
        self.made.push(folder);
    }

    /// Notes a table that was dropped.
    pub fn dropped(&mut self, relation: Arc<Relation>) {
        self.dropped.push(relation);
    }

    /// What is to be done with files: at a COMMIT the dropped tables', at a ROLLBACK the made
    /// ones'.
    pub fn files(self) -> (Vec<PathBuf>, Vec<Arc<Relation>>) {
        (self.made, self.dropped)
    }

    /// The folders made since an earlier state of this transaction, which it returns to.
    pub fn made_since(&self, earlier: Option<&Self>) -> Vec<PathBuf> {
        self.made.iter().skip(earlier.map_or(0, |one| one.made.len())).cloned().collect()
    }
}

impl Meta {
    /// COMMIT of a transaction's definitions: all of them, durably, or none.
    ///
    /// # Errors
    /// 40001 when others' definitions left no place for these.
    pub fn commit(&self, pending: &Pending) -> PgResult<()> {
        if pending.steps.is_empty() {
            return Ok(());
        }
        self.change(|snapshot| {
            if snapshot.version() == pending.base {
                let version = snapshot.version;
                *snapshot = pending.snapshot.as_ref().clone();
                snapshot.version = version;
                return Ok(Change::Made(()));
            }
            for step in &pending.steps {
                match step(snapshot) {
                    Ok(Change::Made(())) => {}
                    Ok(Change::Skipped(error)) | Err(error) => return Err(conflict(&error)),
                }
            }
            Ok(Change::Made(()))
        })
        .map(drop)
    }
}

/// 40001, with what stands in the way.
fn conflict(error: &PgError) -> PgError {
    let message = "could not serialize access due to concurrent definitions";
    PgError::new(SqlState::SerializationFailure, message)
        .detail(format!("Meanwhile: {}.", error.message))
        .hint("The transaction might succeed if retried.")
}
