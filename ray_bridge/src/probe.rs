//! Whether a raylet answers. In: its address. Out: yes or no, as Ray's head asks it itself: by the
//! health service of gRPC.

use std::time::{Duration, Instant};

use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};
use tonic_prost::ProstCodec;

use crate::messages::{Node, Nothing};

/// How long one answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// A raylet that answered before and then does not for so long is lost. One that is only slow is
/// not wronged: what is there is done again elsewhere.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// Refused connections, one after another, that end a raylet: nobody listens there any more.
const REFUSED_MAX: usize = 2;

const CHECK: &str = "/grpc.health.v1.Health/Check";

/// What came of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It answered, whatever it said.
    Yes,
    /// Nobody listens.
    Refused,
    /// Nothing came.
    Nothing,
}

/// What a raylet's answers say.
#[derive(Debug, Clone, Default)]
pub(crate) struct Health {
    /// When it answered last; one that never did may be behind a wall that we cannot see through.
    answered: Option<Instant>,
    refused: usize,
    silent: bool,
}

impl Health {
    pub(crate) fn note(&mut self, answer: Answer, now: Instant) {
        self.refused = if answer == Answer::Refused { self.refused + 1 } else { 0 };
        if answer == Answer::Yes {
            self.answered = Some(now);
        }
        self.silent = self.answered.is_some_and(|last| now.duration_since(last) > SILENCE_MAX);
    }

    pub(crate) fn is_well(&self) -> bool {
        self.answered.is_none() || !self.silent && self.refused < REFUSED_MAX
    }
}

/// A connection to a node's raylet, made when it is used.
pub(crate) fn channel(node: &Node) -> Option<Channel> {
    let endpoint = Endpoint::try_from(format!("http://{}:{}", node.address, node.port)).ok()?;
    Some(endpoint.connect_timeout(ANSWER_MAX).timeout(ANSWER_MAX).connect_lazy())
}

/// Asks once.
pub(crate) async fn ask(raylet: Channel) -> Answer {
    match tokio::time::timeout(ANSWER_MAX, call(raylet, CHECK)).await {
        Ok(Code::Unavailable) => Answer::Refused,
        Ok(Code::Cancelled | Code::DeadlineExceeded) | Err(_) => Answer::Nothing,
        Ok(_) => Answer::Yes,
    }
}

/// What a process of Ray says to a call without arguments and without a token.
pub async fn call(to: Channel, path: &'static str) -> Code {
    let mut client = tonic::client::Grpc::new(to);
    if client.ready().await.is_err() {
        return Code::Unavailable;
    }
    let codec = ProstCodec::<Nothing, Nothing>::default();
    let path = PathAndQuery::from_static(path);
    let answer = client.unary(Request::new(Nothing {}), path, codec).await;
    answer.map_or_else(|status| status.code(), |_| Code::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_is_what_answered_and_does_not_any_more() {
        let start = Instant::now();
        let mut health = Health::default();
        for _ in 0..10 {
            health.note(Answer::Refused, start);
        }
        assert!(health.is_well(), "it never answered");
        health.note(Answer::Yes, start);
        health.note(Answer::Nothing, start + SILENCE_MAX);
        assert!(health.is_well());
        health.note(Answer::Nothing, start + SILENCE_MAX + Duration::from_millis(1));
        assert!(!health.is_well());
        health.note(Answer::Yes, start + 2 * SILENCE_MAX);
        health.note(Answer::Refused, start + 2 * SILENCE_MAX);
        assert!(health.is_well(), "once may be chance");
        health.note(Answer::Refused, start + 2 * SILENCE_MAX);
        assert!(!health.is_well());
    }
}
