//! Whether a raylet answers. In: its address. Out: yes or no, as Ray's head asks it itself: by the
//! health service of gRPC.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
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
    /// When it answered last; one that never did may speak in a way that we do not.
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
        !self.silent && self.refused < REFUSED_MAX
    }
}

/// A node's raylet.
#[derive(Debug, Clone)]
pub(crate) struct Raylet {
    address: String,
    /// Connected when it is used.
    channel: Channel,
}

impl Raylet {
    pub(crate) fn of(node: &Node) -> Option<Self> {
        let address = format!("{}:{}", node.address, node.port);
        let endpoint = Endpoint::try_from(format!("http://{address}")).ok()?;
        let channel = endpoint.connect_timeout(ANSWER_MAX).timeout(ANSWER_MAX).connect_lazy();
        Some(Self { address, channel })
    }

    /// Asks once.
    pub(crate) async fn ask(self) -> Answer {
        let answer = async {
            match call(self.channel, CHECK).await {
                // Who listens and speaks otherwise, by TLS for one, is there.
                Code::Unavailable if refuses(&self.address).await => Answer::Refused,
                // A connection that breaks while it is asked is `Unknown`.
                Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded | Code::Unknown => {
                    Answer::Nothing
                }
                _ => Answer::Yes,
            }
        };
        tokio::time::timeout(ANSWER_MAX, answer).await.unwrap_or(Answer::Nothing)
    }
}

/// Whether nobody listens there.
async fn refuses(address: &str) -> bool {
    let connected = TcpStream::connect(address).await;
    connected.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
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
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn lost_is_what_is_silent_after_an_answer_or_refuses_twice() {
        let start = Instant::now();
        let mut health = Health::default();
        health.note(Answer::Nothing, start);
        health.note(Answer::Nothing, start + 10 * SILENCE_MAX);
        assert!(health.is_well(), "it never answered");
        for _ in 0..REFUSED_MAX {
            health.note(Answer::Refused, start);
        }
        assert!(!health.is_well(), "it ended before it was asked");
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

    #[tokio::test]
    async fn who_listens_is_there() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = u32::from(listener.local_addr().expect("its address").port());
        let node = Node { address: "127.0.0.1".to_owned(), port, ..Node::default() };
        let raylet = Raylet::of(&node).expect("an address");
        // It closes what it does not understand.
        let closing = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                drop(connection);
            }
        });
        assert_eq!(raylet.clone().ask().await, Answer::Nothing);
        closing.abort();
        assert!(closing.await.expect_err("it is aborted").is_cancelled());
        assert_eq!(raylet.ask().await, Answer::Refused);
    }
}
