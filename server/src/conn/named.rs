//! A session's prepared statements by name. In: Parse, PREPARE, DEALLOCATE. Out: the statements,
//! also for those who only look. Runs nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::Prepared;
use crate::sessions::lock;

/// Prepared statements by name; all copies are the same ones.
#[derive(Debug, Default, Clone)]
pub struct Named(Arc<Mutex<HashMap<String, Arc<Prepared>>>>);

impl Named {
    /// One of them.
    pub fn get(&self, name: &str) -> Option<Arc<Prepared>> {
        lock(&self.0).get(name).cloned()
    }

    /// Whether there is one of this name.
    pub fn has(&self, name: &str) -> bool {
        lock(&self.0).contains_key(name)
    }

    /// How many.
    pub fn count(&self) -> usize {
        lock(&self.0).len()
    }

    /// Keeps one.
    pub fn put(&self, name: &str, prepared: Arc<Prepared>) {
        lock(&self.0).insert(name.to_owned(), prepared);
    }

    /// Forgets one.
    pub fn remove(&self, name: &str) -> Option<Arc<Prepared>> {
        lock(&self.0).remove(name)
    }

    /// Forgets all.
    pub fn clear(&self) {
        lock(&self.0).clear();
    }

    /// All that have a name, by it.
    pub fn all(&self) -> Vec<(String, Arc<Prepared>)> {
        let map = lock(&self.0);
        let named = map.iter().filter(|(name, _)| !name.is_empty());
        let mut all: Vec<_> = named.map(|(name, p)| (name.clone(), Arc::clone(p))).collect();
        all.sort_unstable_by(|left, right| left.0.cmp(&right.0));
        all
    }
}
