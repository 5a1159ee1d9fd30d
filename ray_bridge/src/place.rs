//! Where a task runs best. In: the nodes, what the task reads and where that is. Out: a node, or
//! none when all are as good. Ray follows if there is room, and looks elsewhere if not.

use std::collections::HashMap;
use std::sync::Arc;

use crate::nodes::Nodes;

/// Objects of this size and more are in a node's store, bytes; smaller ones are with the driver and
/// travel with the task (Ray's `max_direct_call_object_size`, less what wraps them).
pub(crate) const STORED_BYTES_MIN: usize = 99 << 10;

/// A part of what a task reads.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// Where it was made.
    pub(crate) node: Arc<str>,
    /// Its size.
    pub(crate) bytes: usize,
}

impl Part {
    /// Whether it went with its node.
    pub(crate) fn is_lost(&self, nodes: &Nodes) -> bool {
        self.bytes >= STORED_BYTES_MIN && nodes.is_gone(&self.node)
    }

    /// Whether a task on this node has it at hand.
    pub(crate) fn is_at(&self, node: &str) -> bool {
        self.bytes < STORED_BYTES_MIN || *self.node == *node
    }
}

/// The node for a task, by number among those of its stage. One that reads other stages goes where
/// most of that is; one that reads files always to the same node as long as the nodes are the same,
/// for the files may be in that node's memory.
pub(crate) fn of<'a>(
    nodes: &Nodes,
    task: usize,
    reads_stages: bool,
    parts: impl IntoIterator<Item = &'a Part>,
) -> Option<String> {
    if reads_stages {
        let mut bytes: HashMap<&str, usize> = HashMap::new();
        for part in parts.into_iter().filter(|part| part.bytes >= STORED_BYTES_MIN) {
            *bytes.entry(&part.node).or_default() += part.bytes;
        }
        let known = bytes.into_iter().filter(|(node, _)| nodes.has(node));
        let most = known.max_by_key(|(node, bytes)| (*bytes, *node));
        return most.map(|(node, _)| node.to_owned());
    }
    let with_cpus: Vec<_> = nodes.usable.iter().filter(|node| node.cpus >= 1.0).collect();
    let turn = with_cpus.get(task.checked_rem(with_cpus.len())?)?;
    Some(turn.id.clone())
}

/// The same when Ray may not know yet that a node is lost: one that is not, in turn.
pub(crate) fn in_turn(nodes: &Nodes, task: usize) -> Option<String> {
    of(nodes, task, false, &[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::Node;

    fn nodes(ids: &[&str]) -> Nodes {
        let node = |id: &&str| Node { id: (*id).to_owned(), cpus: 1.0, ..Node::default() };
        let gone = ["gone".to_owned()].into();
        Nodes { usable: ids.iter().map(node).collect(), gone, ..Nodes::default() }
    }

    fn part(node: &str, bytes: usize) -> Part {
        Part { node: node.into(), bytes }
    }

    #[test]
    fn where_most_of_the_bytes_are() {
        let nodes = nodes(&["a", "b"]);
        let much = STORED_BYTES_MIN;
        let parts = [part("a", much), part("b", 2 * much), part("gone", 9 * much), part("a", 1)];
        assert_eq!(of(&nodes, 0, true, &parts).as_deref(), Some("b"));
        assert_eq!(of(&nodes, 0, true, &[part("a", 1)]), None, "it travels with the task");
        let lost: Vec<_> = parts.iter().map(|part| part.is_lost(&nodes)).collect();
        assert_eq!(lost, [false, false, true, false]);
        assert!(!part("new", much).is_lost(&nodes), "a node that was not seen yet is not lost");
        assert!(part("gone", 1).is_at("b") && !part("a", much).is_at("b"));
    }

    #[test]
    fn files_have_their_node() {
        let nodes = nodes(&["a", "b"]);
        let found = (0..3).map(|task| of(&nodes, task, false, &[])).collect::<Vec<_>>();
        assert_eq!(found, [Some("a".to_owned()), Some("b".to_owned()), Some("a".to_owned())]);
        assert_eq!(of(&Nodes::default(), 0, false, &[]), None);
    }
}
