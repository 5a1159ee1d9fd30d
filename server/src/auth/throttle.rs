//! Guesses of passwords get slower: each failure of a role from an address makes its next attempt
//! wait longer. In: failures and successes, and when. Out: how long to wait. It knows no socket and
//! no role: a name that is none is counted like any other, so nothing can be learned from the wait.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Failures that cost nothing: people mistype.
const FREE: u32 = 3;
/// The first wait; each further failure doubles it.
const FIRST: Duration = Duration::from_millis(100);
/// The longest wait: shorter than the time a login may take.
const LONGEST: Duration = Duration::from_secs(4);
/// After this long a failure is forgotten.
const FORGET: Duration = Duration::from_secs(300);
/// Pairs of role and address that are remembered; beyond it the oldest half is forgotten.
const REMEMBERED_MAX: usize = 10_000;

/// Failures by role and address.
#[derive(Debug, Default)]
pub struct Throttle {
    failures: Mutex<HashMap<Key, Failures>>,
    /// Names may be long, and many: a hash that nobody can aim at stands for each.
    hasher: RandomState,
}

type Key = (u64, IpAddr);

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Throttle {
    /// How long an attempt that comes now has to wait.
    pub fn wait(&self, role: &str, from: IpAddr, now: Instant) -> Duration {
        let failures = self.map().get(&self.key(role, from)).copied();
        let Some(Failures { count, last }) = failures else { return Duration::ZERO };
        let Some(beyond) = count.checked_sub(FREE) else { return Duration::ZERO };
        let wait = FIRST.saturating_mul(1 << beyond.min(16)).min(LONGEST);
        (last + wait).saturating_duration_since(now)
    }

    /// An attempt failed.
    pub fn failed(&self, role: &str, from: IpAddr, now: Instant) {
        let mut map = self.map();
        if map.len() >= REMEMBERED_MAX {
            forget(&mut map, now);
        }
        let new = Failures { count: 0, last: now };
        let failures = map.entry(self.key(role, from)).or_insert(new);
        if now.saturating_duration_since(failures.last) > FORGET {
            failures.count = 0;
        }
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
    }

    /// An attempt succeeded: who knows the password may have mistyped it before.
    pub fn succeeded(&self, role: &str, from: IpAddr) {
        self.map().remove(&self.key(role, from));
    }

    fn key(&self, role: &str, from: IpAddr) -> Key {
        (self.hasher.hash_one(role), network(from))
    }

    fn map(&self) -> MutexGuard<'_, HashMap<Key, Failures>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever has an IPv6 address has the other 2^64 of its network.
fn network(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(u128::from(address) >> 64 << 64)),
        four => four,
    }
}

fn forget(map: &mut HashMap<Key, Failures>, now: Instant) {
    map.retain(|_, failures| now.saturating_duration_since(failures.last) <= FORGET);
    if map.len() < REMEMBERED_MAX {
        return;
    }
    let mut times: Vec<Instant> = map.values().map(|failures| failures.last).collect();
    times.sort_unstable();
    let middle = times[times.len() / 2];
    map.retain(|_, failures| failures.last > middle);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_get_slower_and_others_do_not() {
        let throttle = Throttle::default();
        let (here, there) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let now = Instant::now();
        let mut waits = vec![];
        for _ in 0..10 {
            throttle.failed("a", here, now);
            waits.push(throttle.wait("a", here, now).as_millis());
        }
        assert_eq!(waits, [0, 0, 100, 200, 400, 800, 1600, 3200, 4000, 4000]);
        assert_eq!(throttle.wait("a", there, now), Duration::ZERO);
        assert_eq!(throttle.wait("b", here, now), Duration::ZERO);
        assert_eq!(throttle.wait("a", here, now + LONGEST), Duration::ZERO);
        throttle.failed("a", here, now + FORGET + LONGEST);
        assert_eq!(throttle.wait("a", here, now + FORGET + LONGEST), Duration::ZERO);
        throttle.succeeded("a", here);
        assert_eq!(throttle.map().len(), 0);
        let six = |text: &str| text.parse().expect("an address");
        assert_eq!(network(six("2001:db8::1")), network(six("2001:db8::ffff")));
        assert_ne!(network(six("2001:db8::1")), network(six("2001:db8:0:1::1")));
        assert_eq!(network(six("::ffff:127.0.0.1")), here);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let throttle = Throttle::default();
        let here = IpAddr::from([127, 0, 0, 1]);
        let start = Instant::now();
        for number in 0..3 * REMEMBERED_MAX {
            let now = start + Duration::from_micros(number as u64);
            throttle.failed(&number.to_string(), here, now);
        }
        assert!(throttle.map().len() <= REMEMBERED_MAX);
    }
}
