//! What is known of the cluster's nodes. In: what Ray tells of them, and whether their raylets
//! answer us. Out: those that can be used. Ray takes up to a minute to give up a node that does not
//! answer; a task that is sent there, or reads what is there, waits for as long. So we ask for
//! ourselves and take a node for lost that does not answer: at worst its work is done twice.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use exec::window::Window;
use futures::future::join_all;
use tokio::sync::watch;

use crate::driver::{Connection, Driver, State};
use crate::messages::{Demand, Node, NodesReply, Nothing, WarmRequest};
use crate::probe::{Health, Raylet};

/// Between two looks at the nodes: one that joins is used soon.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the driver may take to tell the nodes.
const TELL_MAX: Duration = Duration::from_secs(5);
/// Ray tells us nothing for so long: its head is gone, and nobody knows whether it returns.
const UNHEARD_MAX: Duration = Duration::from_secs(30);

/// The nodes at one moment.
#[derive(Debug, Clone, Default)]
pub struct Nodes {
    /// Those that can be used, by name.
    pub usable: Vec<Node>,
    /// How many were lost since the start.
    pub losses: usize,
    /// Those that were lost and have not returned. A node that is neither here nor usable has
    /// joined since the last look: what is there is not lost.
    pub gone: HashSet<String>,
    /// Whether Ray counts on some that we do not.
    pub doubtful: bool,
    /// Whether Ray itself does not answer any more.
    pub unheard: bool,
}

impl Nodes {
    /// Whether a node can be used.
    pub fn has(&self, id: &str) -> bool {
        self.usable.binary_search_by(|node| node.id.as_str().cmp(id)).is_ok()
    }

    /// Whether a node was lost.
    pub fn is_gone(&self, id: &str) -> bool {
        self.gone.contains(id)
    }

    /// What they are after Ray has told and the raylets were asked.
    fn next(&self, mut told: Vec<Node>, health: &HashMap<String, Health>) -> Self {
        let is_well = |node: &Node| health.get(&node.id).is_none_or(Health::is_well);
        let mut gone = self.gone.clone();
        let unwell: Vec<_> =
            told.extract_if(.., |node| !is_well(node)).map(|node| node.id).collect();
        let doubtful = !unwell.is_empty();
        gone.extend(unwell);
        told.sort_by(|one, other| one.id.cmp(&other.id));
        let mut next = Self { usable: told, losses: self.losses, doubtful, ..Self::default() };
        let lost: Vec<_> = self.usable.iter().filter(|node| !next.has(&node.id)).collect();
        next.losses += lost.len();
        gone.extend(lost.into_iter().map(|node| node.id.clone()));
        gone.retain(|id| !next.has(id));
        next.gone = gone;
        next
    }

    /// CPUs of the node that has most to offer now.
    pub fn cpus_free(&self) -> usize {
        self.usable.iter().map(|node| node.cpus_free as usize).max().unwrap_or(0)
    }

    /// Memory of a slot with so many CPUs, bytes: as much as the smallest node has for each.
    pub fn memory_bytes(&self, cpus: usize) -> u64 {
        let of_each = self.usable.iter().filter(|node| node.cpus >= 1.0);
        let least = of_each.map(|node| node.memory_bytes / node.cpus).fold(f64::INFINITY, f64::min);
        if least.is_finite() { (least * cpus as f64) as u64 } else { 0 }
    }

    /// CPUs in whole tasks of so many.
    pub fn cpus(&self, of_task: usize) -> usize {
        let of_task = of_task.max(1);
        self.usable.iter().map(|node| node.cpus as usize / of_task * of_task).sum()
    }
}

/// Looks at the nodes as long as there is a driver.
pub(crate) struct Watcher {
    driver: Arc<Driver>,
    tell: watch::Sender<Arc<Nodes>>,
    window: Window,
    raylets: HashMap<String, Raylet>,
    health: HashMap<String, Health>,
    /// The driver's.
    own: String,
    heard: Instant,
    /// Nodes that were told to have workers ready.
    warmed: HashSet<String>,
    demand: usize,
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").finish_non_exhaustive()
    }
}

impl Watcher {
    pub(crate) fn new(
        driver: Arc<Driver>,
        tell: watch::Sender<Arc<Nodes>>,
        window: Window,
    ) -> Self {
        Self {
            driver,
            tell,
            window,
            raylets: HashMap::new(),
            health: HashMap::new(),
            own: String::new(),
            heard: Instant::now(),
            warmed: HashSet::new(),
            demand: 0,
        }
    }

    /// Looks again and again.
    pub(crate) async fn run(mut self) {
        let mut state = self.driver.state();
        let mut last = None;
        loop {
            let ready = state.wait_for(|state| matches!(state, State::Ready(_))).await;
            let Ok(State::Ready(connection)) = ready.map(|state| state.clone()) else { return };
            if last.replace(connection.number) != Some(connection.number) {
                self.heard = Instant::now();
                self.warmed.clear();
            }
            self.look(connection).await;
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                // A driver that ended is seen at once.
                _ = state.changed() => {}
            }
        }
    }

    async fn look(&mut self, mut connection: Connection) {
        let asked =
            self.raylets.iter().map(async |(id, raylet)| (id.clone(), raylet.clone().ask().await));
        let told = tokio::time::timeout(TELL_MAX, connection.client.nodes(Nothing {}));
        let (told, answers) = tokio::join!(told, join_all(asked));
        let now = Instant::now();
        for (id, answer) in answers {
            self.health.entry(id).or_default().note(answer, now);
        }
        match told {
            Ok(Ok(reply)) => self.told(reply.into_inner(), now),
            told => {
                tracing::debug!(?told, "Ray does not tell its nodes");
                if self.heard.elapsed() > UNHEARD_MAX {
                    self.tell.send_modify(|nodes| Arc::make_mut(nodes).unheard = true);
                }
            }
        }
        if self.health.get(&self.own).is_some_and(|own| !own.is_well()) {
            tracing::warn!("the raylet of Ray's driver does not answer: the driver begins again");
            self.health.remove(&self.own);
            self.driver.restart();
        }
        self.warm(connection.clone()).await;
        self.ask_for_more(connection).await;
    }

    fn told(&mut self, told: NodesReply, now: Instant) {
        self.heard = now;
        self.own = told.own;
        self.raylets.retain(|id, _| told.nodes.iter().any(|node| node.id == *id));
        let raylets = &self.raylets;
        self.health.retain(|id, _| raylets.contains_key(id));
        for node in &told.nodes {
            if let Some(raylet) = Raylet::of(node) {
                self.raylets.entry(node.id.clone()).or_insert(raylet);
            }
        }
        let next = self.tell.borrow().next(told.nodes, &self.health);
        for node in &self.tell.borrow().usable {
            if !next.has(&node.id) {
                tracing::warn!(node = node.id, address = node.address, "a node of Ray is lost");
            }
        }
        self.window.set_slots(next.cpus(1).max(1));
        self.tell.send_replace(Arc::new(next));
    }

    /// Has workers ready on nodes that are new.
    async fn warm(&mut self, mut connection: Connection) {
        let nodes = Arc::clone(&self.tell.borrow());
        self.warmed.retain(|id| nodes.has(id));
        for node in nodes.usable.iter() {
            if self.warmed.insert(node.id.clone()) {
                let Node { id, address, cpus, .. } = node;
                tracing::info!(node = id, address, cpus, "a node of Ray");
                let request = WarmRequest { node: node.id.clone(), workers: node.cpus as u32 };
                let _ = tokio::time::timeout(TELL_MAX, connection.client.warm(request)).await;
            }
        }
    }

    /// Tells Ray's autoscaler what we could use, when that changes.
    async fn ask_for_more(&mut self, mut connection: Connection) {
        let (running, waiting) = self.window.demand();
        let wanted = running + waiting;
        let demand = if wanted > self.window.slots() { wanted } else { 0 };
        if demand == self.demand {
            return;
        }
        let cpus = u32::try_from(demand).unwrap_or(u32::MAX);
        let asked = tokio::time::timeout(TELL_MAX, connection.client.demand(Demand { cpus })).await;
        if matches!(asked, Ok(Ok(_))) {
            self.demand = demand;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::Answer;

    fn node(id: &str, cpus: f64) -> Node {
        Node { id: id.to_owned(), cpus, ..Node::default() }
    }

    #[test]
    fn a_node_that_does_not_answer_is_lost_once() {
        let health = HashMap::new();
        let nodes = Nodes::default().next(vec![node("b", 2.0), node("a", 3.5)], &health);
        assert!(nodes.has("a") && nodes.has("b") && nodes.losses == 0);
        assert_eq!((nodes.cpus(1), nodes.cpus(2), nodes.cpus(4)), (5, 4, 0));
        assert!(!nodes.is_gone("c"), "one that joined since is not lost");
        let mut silent = Health::default();
        let start = Instant::now();
        silent.note(Answer::Yes, start);
        silent.note(Answer::Refused, start);
        silent.note(Answer::Refused, start);
        let health = HashMap::from([("b".to_owned(), silent)]);
        for _ in 0..2 {
            let fewer = nodes.next(vec![node("a", 3.5), node("b", 2.0)], &health);
            assert!(fewer.has("a") && !fewer.has("b"));
            assert!(fewer.is_gone("b") && !fewer.is_gone("a") && !fewer.is_gone("c"));
            let later = fewer.next(vec![node("a", 3.5)], &health);
            assert_eq!((fewer.losses, later.losses), (1, 1));
            assert!(later.is_gone("b"), "Ray has given it up, too");
            let back = later.next(vec![node("b", 2.0)], &HashMap::new());
            assert!(back.has("b") && !back.is_gone("b") && back.is_gone("a"));
        }
    }
}
