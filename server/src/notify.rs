//! LISTEN and NOTIFY between sessions. In: what transactions that were committed asked for. Out:
//! notes in the inbox of every session that listens, in the order of the commits. A session that
//! does not read its notes is ended, so that it holds back nobody who sends.

pub mod pending;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use crate::cancel::Reason;
use crate::limits::NOTES_MAX_BYTES;
use crate::sessions::{Member, lock};
use pending::Wish;

/// What a note takes beside its texts, bytes.
const NOTE_BYTES: usize = 64;

/// One notification.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Note {
    /// The session that sent it.
    pub pid: i32,
    /// Where.
    pub channel: String,
    /// What.
    pub payload: String,
}

impl Note {
    /// What it takes in a queue.
    pub fn bytes(&self) -> usize {
        NOTE_BYTES + self.channel.len() + self.payload.len()
    }
}

/// Who listens to what. One lock, so that all who listen get notes in one order.
#[derive(Debug, Default)]
pub struct Channels(Mutex<Listeners>);

#[derive(Debug, Default)]
struct Listeners {
    by_channel: HashMap<String, BTreeMap<i32, Arc<Member>>>,
    by_session: HashMap<i32, BTreeSet<String>>,
}

impl Channels {
    /// A transaction of a session was committed that asked for this.
    pub fn commit(&self, session: &Arc<Member>, wishes: Vec<Wish>) {
        let mut listeners = lock(&self.0);
        let mut notes = vec![];
        for wish in wishes {
            match wish {
                Wish::Listen(channel) => listeners.listen(session, channel),
                Wish::Unlisten(channel) => listeners.unlisten(session.pid, &channel),
                Wish::UnlistenAll => listeners.leave(session.pid),
                Wish::Notify(note) => notes.push(note),
            }
        }
        // Who begins to listen in a transaction hears what it says.
        for note in notes {
            for member in listeners.by_channel.get(&note.channel).into_iter().flatten() {
                member.1.inbox.put(member.1, &note);
            }
        }
    }

    /// What a session listens to.
    pub fn of(&self, pid: i32) -> Vec<String> {
        lock(&self.0).by_session.get(&pid).into_iter().flatten().cloned().collect()
    }

    /// A session ends.
    pub fn leave(&self, pid: i32) {
        lock(&self.0).leave(pid);
    }

    /// How full the fullest inbox is, from 0 to 1.
    pub fn usage(&self) -> f64 {
        let listeners = lock(&self.0);
        let members = listeners.by_channel.values().flat_map(BTreeMap::values);
        let most = members.map(|member| lock(&member.inbox.waiting).bytes).max();
        most.unwrap_or(0) as f64 / NOTES_MAX_BYTES as f64
    }
}

impl Listeners {
    fn listen(&mut self, session: &Arc<Member>, channel: String) {
        self.by_session.entry(session.pid).or_default().insert(channel.clone());
        self.by_channel.entry(channel).or_default().insert(session.pid, Arc::clone(session));
    }

    fn unlisten(&mut self, pid: i32, channel: &str) {
        if let Some(members) = self.by_channel.get_mut(channel) {
            members.remove(&pid);
            if members.is_empty() {
                self.by_channel.remove(channel);
            }
        }
        if let Some(channels) = self.by_session.get_mut(&pid) {
            channels.remove(channel);
            if channels.is_empty() {
                self.by_session.remove(&pid);
            }
        }
    }

    fn leave(&mut self, pid: i32) {
        for channel in self.by_session.get(&pid).cloned().unwrap_or_default() {
            self.unlisten(pid, &channel);
        }
    }
}

/// Notes that a session has not read yet.
#[derive(Debug, Default)]
pub struct Inbox {
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    notes: VecDeque<Arc<Note>>,
    bytes: usize,
}

impl Inbox {
    fn put(&self, owner: &Member, note: &Arc<Note>) {
        let mut waiting = lock(&self.waiting);
        if waiting.bytes + note.bytes() > NOTES_MAX_BYTES {
            // None is lost in silence: whoever does not read them hears nothing more.
            owner.end(Reason::TooManyNotes);
            return;
        }
        waiting.bytes += note.bytes();
        waiting.notes.push_back(Arc::clone(note));
        drop(waiting);
        self.arrived.notify_one();
    }

    /// Waits until there may be notes.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// All that wait.
    pub fn take(&self) -> VecDeque<Arc<Note>> {
        let mut waiting = lock(&self.waiting);
        waiting.bytes = 0;
        std::mem::take(&mut waiting.notes)
    }
}
