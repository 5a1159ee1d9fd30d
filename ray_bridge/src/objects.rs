//! Buffers that Ray keeps. In: the driver's numbers of them. Out: outputs of tasks, whose bytes
//! come when the query's head wants them, and which are released with the last that holds them.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::common::{Result, internal_datafusion_err};
use exec::cluster::{Failure, Inputs, TaskOutput};
use exec::output::{Buffer, Segment};
use exec::spool::Kept;
use tokio::sync::{mpsc, watch};

use crate::SMALL_BYTES;
use crate::cluster::NODE_LOST;
use crate::driver::Connection;
use crate::messages::{FetchRequest, Objects, Small};
use crate::nodes::Nodes;
use crate::place::Part;

/// Where numbers of objects go that nobody wants any more.
pub(crate) type Release = mpsc::UnboundedSender<(Connection, u64)>;

/// One buffer.
pub(crate) struct Object {
    pub(crate) connection: Connection,
    pub(crate) id: u64,
    /// Of which stage, of which task.
    pub(crate) output: (usize, usize),
    pub(crate) part: Part,
    /// Its content, if that came with the report.
    pub(crate) small: Option<Arc<Buffer>>,
    pub(crate) nodes: watch::Receiver<Arc<Nodes>>,
    pub(crate) release: Release,
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "object {} of driver {}", self.id, self.connection.number)
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        // Without a cluster there is nothing to release.
        let _ = self.release.send((self.connection.clone(), self.id));
    }
}

impl Object {
    fn lost(&self) -> Failure {
        Failure::Lost { outputs: vec![self.output], words: NODE_LOST.to_owned() }
    }

    /// Waits until it is known that it went with its node.
    async fn loss(&self) {
        let mut nodes = self.nodes.clone();
        if nodes.wait_for(|nodes| self.part.is_lost(nodes)).await.is_err() {
            // Without a cluster nobody knows.
            std::future::pending::<()>().await;
        }
    }

    async fn fetched(&self) -> Result<Arc<Buffer>> {
        let mut client = self.connection.client.clone();
        let driver = &self.connection;
        let reply = client.fetch(FetchRequest { id: self.id }).await;
        let mut pieces = driver.answered(reply).await?.into_inner();
        let broken = || internal_datafusion_err!("a buffer that is not what it says");
        let first = driver.answered(pieces.message().await).await?.ok_or_else(broken)?;
        if first.lost {
            return Err(self.lost().into());
        }
        let size = |number: u64| usize::try_from(number).map_err(|_| broken());
        let mut segments = vec![];
        for (partition, length) in first.partitions.into_iter().zip(first.lengths) {
            let length = size(length)?;
            let mut bytes = Vec::with_capacity(length);
            while bytes.len() < length {
                let piece = driver.answered(pieces.message().await).await?;
                let piece = piece.ok_or_else(broken)?;
                bytes.extend_from_slice(&piece.bytes);
            }
            let stream = Kept::from(Bytes::from(bytes));
            segments.push(Segment { partition: size(partition)?, stream });
        }
        Ok(Arc::new(Buffer { segments, rows: size(first.rows)? }))
    }
}

#[async_trait]
impl TaskOutput for Object {
    async fn fetch(&self) -> Result<Arc<Buffer>> {
        if let Some(small) = &self.small {
            return Ok(Arc::clone(small));
        }
        tokio::select! {
            buffer = self.fetched() => buffer,
            // Ray would say so half a minute later.
            () = self.loss() => Err(self.lost().into()),
        }
    }
}

/// Whether there is something, and all of it came with reports and is little together.
pub(crate) fn are_small(inputs: &Inputs) -> bool {
    let small = |output: &Arc<dyn TaskOutput>| {
        let output: &dyn Any = &**output;
        output
            .downcast_ref::<Object>()
            .and_then(|object| object.small.as_ref())
            .map(|it| it.bytes())
    };
    let mut outputs = inputs.iter().flatten().peekable();
    let some = outputs.peek().is_some();
    some && outputs.map(small).sum::<Option<usize>>().is_some_and(|bytes| bytes <= SMALL_BYTES)
}

/// A buffer that came with its task's report.
pub(crate) fn small(small: Small) -> Arc<Buffer> {
    let segment = |(partition, bytes): (u64, Bytes)| Segment {
        partition: partition as usize,
        stream: Kept::from(bytes),
    };
    let segments = small.partitions.into_iter().zip(small.segments).map(segment).collect();
    Arc::new(Buffer { segments, rows: small.rows as usize })
}

/// Tells drivers what is released, as much at a time as there is.
pub(crate) async fn releasing(mut released: mpsc::UnboundedReceiver<(Connection, u64)>) {
    let mut batch = vec![];
    while released.recv_many(&mut batch, usize::MAX >> 1).await > 0 {
        while let Some((connection, first)) = batch.pop() {
            let mut ids = vec![first];
            batch.retain(|(other, id)| {
                let same = other.number == connection.number;
                if same {
                    ids.push(*id);
                }
                !same
            });
            let mut client = connection.client;
            // A driver that is gone has released all.
            let _ = client.release(Objects { ids }).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;
    use tonic::transport::Endpoint;

    use super::*;
    use crate::messages::Node;
    use crate::place::STORED_BYTES_MIN;
    use crate::service::bridge_client::BridgeClient;

    #[tokio::test]
    async fn a_lost_node_is_not_waited_for() {
        // It accepts and never answers, as a driver does that waits for Ray.
        let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}", silent.local_addr().expect("its address"));
        let channel = Endpoint::try_from(address).expect("an address").connect_lazy();
        let node = Node { id: "a".to_owned(), ..Node::default() };
        let (tell, nodes) =
            watch::channel(Arc::new(Nodes { usable: vec![node], ..Nodes::default() }));
        let object = Object {
            connection: Connection {
                client: BridgeClient::new(channel),
                number: 1,
                alive: watch::channel(()).1,
            },
            id: 1,
            output: (2, 3),
            part: Part { node: "a".into(), bytes: STORED_BYTES_MIN },
            small: None,
            nodes,
            release: mpsc::unbounded_channel().0,
        };
        let fetching = object.fetch();
        tokio::pin!(fetching);
        let soon = std::time::Duration::from_millis(50);
        tokio::time::timeout(soon, &mut fetching).await.expect_err("it waits");
        let gone = ["a".to_owned()].into();
        tell.send_replace(Arc::new(Nodes { gone, ..Nodes::default() }));
        let error = fetching.await.expect_err("it is lost");
        let lost = Failure::of(&error);
        assert!(matches!(lost, Some(Failure::Lost { outputs, .. }) if *outputs == [(2, 3)]));
    }
}
