//! Advisory locks. In: a key and who wants it. Out: who has it; those who wait are woken when it is
//! given back. They are of this server and its sessions, and lock nothing but each other.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use tokio::sync::Notify;

use super::lock;

/// Locks of one session, at most: a key takes some hundred bytes.
const LOCKS_MAX: usize = 10_000;

/// What is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// By one number of 64 bits.
    One(i64),
    /// By two of 32.
    Two(i32, i32),
}

/// How it is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// With others who share it.
    pub is_shared: bool,
    /// Until the transaction ends, and not longer.
    pub is_of_transaction: bool,
}

/// What an attempt came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// It is held.
    Taken,
    /// Others hold it.
    Held,
    /// The session has too many.
    TooMany,
    /// Those who hold it wait for what this session holds.
    Deadlock,
}

/// All that are held.
#[derive(Debug, Default)]
pub struct Locks {
    table: Mutex<Table>,
    given_back: Notify,
}

#[derive(Debug, Default)]
struct Table {
    /// Those who hold a key share it, or are one.
    held: HashMap<Key, HashMap<i32, Counts>>,
    /// What sessions wait for.
    waiting: HashMap<i32, Key>,
}

impl Table {
    /// Whether those a session waits for wait for it.
    fn is_circle(&self, pid: i32) -> bool {
        let blocking = |waiter: i32| {
            let holders = self.waiting.get(&waiter).and_then(|key| self.held.get(key));
            holders.into_iter().flat_map(HashMap::keys).copied().filter(move |h| *h != waiter)
        };
        let mut seen = HashSet::new();
        let mut next: Vec<_> = blocking(pid).collect();
        while let Some(holder) = next.pop() {
            if holder == pid {
                return true;
            }
            if seen.insert(holder) {
                next.extend(blocking(holder));
            }
        }
        false
    }
}

/// A session that waits.
struct Waiting<'a>(&'a Locks, i32);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        lock(&self.0.table).waiting.remove(&self.1);
    }
}

/// How often a session holds a key: by `is_shared`, then by `is_of_transaction`.
#[derive(Debug, Default, Clone, Copy)]
struct Counts([[u32; 2]; 2]);

impl Counts {
    fn of(&mut self, hold: Hold) -> &mut u32 {
        &mut self.0[usize::from(hold.is_shared)][usize::from(hold.is_of_transaction)]
    }

    fn is_exclusive(&self) -> bool {
        self.0[0] != [0, 0]
    }

    fn is_none(&self) -> bool {
        self.0 == [[0; 2]; 2]
    }
}

impl Locks {
    /// Takes a lock if it is free.
    pub fn try_take(&self, pid: i32, key: Key, hold: Hold) -> Attempt {
        let held = &mut lock(&self.table).held;
        let others = |holders: &HashMap<i32, Counts>| {
            let conflict = |counts: &Counts| counts.is_exclusive() || !hold.is_shared;
            holders.iter().any(|(holder, counts)| *holder != pid && conflict(counts))
        };
        if held.get(&key).is_some_and(others) {
            return Attempt::Held;
        }
        let is_new = !held.get(&key).is_some_and(|holders| holders.contains_key(&pid));
        let mine = held.values().filter(|holders| holders.contains_key(&pid));
        if is_new && mine.count() >= LOCKS_MAX {
            return Attempt::TooMany;
        }
        *held.entry(key).or_default().entry(pid).or_default().of(hold) += 1;
        Attempt::Taken
    }

    /// Takes a lock as soon as it is free, unless it never will be.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn take(&self, pid: i32, key: Key, hold: Hold) -> Attempt {
        lock(&self.table).waiting.insert(pid, key);
        let _waiting = Waiting(self, pid);
        loop {
            let change = self.given_back.notified();
            tokio::pin!(change);
            // From here on a change is not missed.
            change.as_mut().enable();
            match self.try_take(pid, key, hold) {
                Attempt::Held if lock(&self.table).is_circle(pid) => return Attempt::Deadlock,
                Attempt::Held => change.await,
                done => return done,
            }
        }
    }

    /// Gives a lock of a session back; false when it does not hold it.
    pub fn give_back(&self, pid: i32, key: Key, is_shared: bool) -> bool {
        let hold = Hold { is_shared, is_of_transaction: false };
        let mut is_held = false;
        self.change(|at, holder, counts| {
            if at == key && holder == pid && *counts.of(hold) > 0 {
                *counts.of(hold) -= 1;
                is_held = true;
            }
        });
        is_held
    }

    /// Gives all of a session back that do not end with its transaction.
    pub fn give_back_all(&self, pid: i32) {
        self.clear(pid, 0);
    }

    /// The transaction ends.
    pub fn end_transaction(&self, pid: i32) {
        self.clear(pid, 1);
    }

    fn clear(&self, pid: i32, of_transaction: usize) {
        self.change(|_, holder, counts| {
            if holder == pid {
                counts.0.iter_mut().for_each(|kind| kind[of_transaction] = 0);
            }
        });
    }

    /// The session ends.
    pub fn leave(&self, pid: i32) {
        self.change(|_, holder, counts| {
            if holder == pid {
                *counts = Counts::default();
            }
        });
    }

    /// Who holds what: key, session, whether shared.
    pub fn all(&self) -> Vec<(Key, i32, bool)> {
        let held = &lock(&self.table).held;
        let of_key = |(key, holders): (&Key, &HashMap<i32, Counts>)| {
            let key = *key;
            let each = |(pid, counts): (&i32, &Counts)| {
                let shares = counts.0[1] != [0, 0];
                let kinds = [(counts.is_exclusive(), false), (shares, true)];
                let pid = *pid;
                let held = kinds.into_iter().filter(|(is_held, _)| *is_held);
                held.map(move |(_, is_shared)| (key, pid, is_shared)).collect::<Vec<_>>()
            };
            holders.iter().flat_map(each).collect::<Vec<_>>()
        };
        let mut all: Vec<_> = held.iter().flat_map(of_key).collect();
        all.sort_unstable();
        all
    }

    /// Changes what is held, forgets what nobody holds, and wakes those who wait.
    fn change(&self, mut each: impl FnMut(Key, i32, &mut Counts)) {
        let mut table = lock(&self.table);
        if table.held.is_empty() {
            return;
        }
        table.held.retain(|key, holders| {
            holders.retain(|pid, counts| {
                each(*key, *pid, counts);
                !counts.is_none()
            });
            !holders.is_empty()
        });
        drop(table);
        self.given_back.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    const ALONE: Hold = Hold { is_shared: false, is_of_transaction: false };
    const SHARED: Hold = Hold { is_shared: true, is_of_transaction: false };
    const KEY: Key = Key::One(7);

    #[test]
    fn one_alone_or_several_that_share() {
        let locks = Locks::default();
        assert_eq!(locks.try_take(1, KEY, SHARED), Attempt::Taken);
        assert_eq!(locks.try_take(2, KEY, SHARED), Attempt::Taken);
        assert_eq!(locks.try_take(2, KEY, ALONE), Attempt::Held);
        locks.leave(1);
        assert_eq!(locks.try_take(2, KEY, ALONE), Attempt::Taken);
        assert_eq!(locks.all(), [(KEY, 2, false), (KEY, 2, true)]);
        assert_eq!(locks.try_take(1, KEY, SHARED), Attempt::Held);
        assert!(locks.give_back(2, KEY, false) && !locks.give_back(2, KEY, false));
        assert_eq!(locks.try_take(1, KEY, SHARED), Attempt::Taken);
        let of_transaction = Hold { is_shared: false, is_of_transaction: true };
        assert_eq!(locks.try_take(3, Key::Two(1, 2), of_transaction), Attempt::Taken);
        locks.give_back_all(3);
        assert_eq!(locks.try_take(1, Key::Two(1, 2), ALONE), Attempt::Held);
        locks.end_transaction(3);
        assert_eq!(locks.try_take(1, Key::Two(1, 2), ALONE), Attempt::Taken);
    }

    #[test]
    fn who_waits_is_woken_and_a_circle_is_seen() {
        let locks = Locks::default();
        let other = Key::One(8);
        assert_eq!(locks.try_take(1, KEY, ALONE), Attempt::Taken);
        assert_eq!(locks.try_take(2, other, ALONE), Attempt::Taken);
        let mut first = Box::pin(locks.take(1, other, ALONE));
        assert_eq!((&mut first).now_or_never(), None);
        assert_eq!(locks.take(2, KEY, ALONE).now_or_never(), Some(Attempt::Deadlock));
        assert!(locks.give_back(2, other, false));
        assert_eq!(first.now_or_never(), Some(Attempt::Taken));
        assert_eq!(locks.take(2, KEY, ALONE).now_or_never(), None, "no circle any more");
    }
}
