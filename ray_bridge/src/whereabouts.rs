//! Where tasks run. In: their names. Out: nodes, as Ray was told a second ago. Many ask at once,
//! when a node is lost: Ray is asked once for all of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::driver::Connection;
use crate::messages::Nothing;

/// How long Ray may take to tell.
const TELL_MAX: Duration = Duration::from_secs(5);

/// What Ray told last.
#[derive(Debug, Default)]
pub(crate) struct Whereabouts {
    told: Mutex<Option<(Instant, Places)>>,
}

/// The node of each task that runs, by the task's name.
type Places = Arc<HashMap<String, String>>;

impl Whereabouts {
    /// The node where a task runs, as it was then or later; none when it does not run as far as Ray
    /// knows, or Ray does not tell.
    pub(crate) async fn of(
        &self,
        name: &str,
        due: Instant,
        connection: &mut Connection,
    ) -> Option<String> {
        tokio::time::sleep_until(due).await;
        self.since(due, connection).await?.get(name).cloned()
    }

    /// The node of each task that runs, as it was then or later.
    async fn since(&self, due: Instant, connection: &mut Connection) -> Option<Places> {
        let mut told = self.told.lock().await;
        if let Some((at, places)) = &*told
            && *at >= due
        {
            return Some(Arc::clone(places));
        }
        let at = Instant::now();
        let asked = tokio::time::timeout(TELL_MAX, connection.client.places(Nothing {})).await;
        let running = asked.ok()?.ok()?.into_inner().running;
        let places = running.into_iter().map(|place| (place.name, place.node)).collect();
        let places = Arc::new(places);
        *told = Some((at, Arc::clone(&places)));
        Some(places)
    }
}
