//! A client that sends any bytes and shows every message. In: a URI, bytes. Out: messages. Logs in
//! by SCRAM-SHA-256; converts no values. Every wait has a deadline.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::frames;
use crate::uri::Uri;

/// How long any one message may take; a test that waits longer has failed.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A socket, encrypted or not.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A message from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its type byte.
    pub tag: u8,
    /// What follows the length.
    pub body: Bytes,
}

/// An ErrorResponse or NoticeResponse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Fields by their letter.
    pub fields: BTreeMap<char, String>,
}

impl Report {
    /// The field, or nothing.
    pub fn field(&self, letter: char) -> &str {
        self.fields.get(&letter).map_or("", String::as_str)
    }

    /// The SQLSTATE.
    pub fn code(&self) -> &str {
        self.field('C')
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.field('S'), self.code(), self.field('M'))
    }
}

impl std::error::Error for Report {}

/// What a statement gave: cells as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Name and type of each column; none when there was no RowDescription.
    pub columns: Option<Vec<(String, u32)>>,
    /// The rows.
    pub rows: Vec<Vec<Option<String>>>,
    /// The command tag.
    pub tag: String,
}

/// A connection.
pub struct Wire {
    stream: Box<dyn Stream>,
    buffer: BytesMut,
    /// The server's process id for this connection.
    pub pid: i32,
    /// The key of a cancel request.
    pub secret: Vec<u8>,
    /// What ParameterStatus said last.
    pub parameters: BTreeMap<String, String>,
}

impl Wire {
    /// A TCP connection on which nothing was said.
    pub async fn open(uri: &Uri) -> io::Result<Self> {
        let stream = TcpStream::connect(uri.address()).await?;
        stream.set_nodelay(true)?;
        Ok(Self::over(Box::new(stream)))
    }

    /// A client over this stream.
    pub fn over(stream: Box<dyn Stream>) -> Self {
        let (buffer, secret, parameters) = Default::default();
        Self { stream, buffer, pid: 0, secret, parameters }
    }

    /// A session.
    ///
    /// # Panics
    /// When the server cannot be reached or refuses the login.
    pub async fn login(uri: &Uri) -> Self {
        let mut wire = Self::open(uri).await.expect("the server takes connections");
        let start = [("user", uri.user.as_str()), ("database", uri.database.as_str())];
        wire.send(&frames::startup(frames::PROTOCOL_3_0, &start)).await;
        let logged_in = wire.authenticate(&uri.password).await;
        logged_in.unwrap_or_else(|error| panic!("login: {error}"));
        wire
    }

    /// Answers the server's questions after a startup packet, up to ReadyForQuery.
    ///
    /// # Errors
    /// The server's error.
    pub async fn authenticate(&mut self, password: &str) -> Result<(), Report> {
        let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
        loop {
            let message = self.expect().await;
            match (message.tag, message.body.first_chunk::<4>()) {
                (b'E', _) => return Err(report(&message.body)),
                (b'R', Some([0, 0, 0, 10])) => {
                    let first = scram.message();
                    let length = (first.len() as u32).to_be_bytes();
                    let body = [&frames::text(SCRAM_SHA_256)[..], &length, first].concat();
                    self.send(&frames::message(b'p', &body)).await;
                }
                (b'R', Some([0, 0, 0, 11])) => {
                    scram.update(&message.body[4..]).expect("the server's first SCRAM message");
                    self.send(&frames::message(b'p', scram.message())).await;
                }
                (b'R', Some([0, 0, 0, 12])) => {
                    scram.finish(&message.body[4..]).expect("the server knows the password");
                }
                (b'R', Some([0, 0, 0, 0])) => {}
                (b'S', _) => self.note(&message),
                (b'K', Some(pid)) => {
                    self.pid = i32::from_be_bytes(*pid);
                    self.secret = message.body[4..].to_vec();
                }
                (b'v' | b'N', _) => {}
                (b'Z', _) => return Ok(()),
                _ => panic!("unexpected message in a login: {message:?}"),
            }
        }
    }

    fn note(&mut self, message: &Message) {
        if let [name, value] = texts(&message.body).as_slice() {
            self.parameters.insert(name.clone(), value.clone());
        }
    }

    /// Sends bytes.
    pub async fn send(&mut self, bytes: &[u8]) {
        let sent = timeout(DEADLINE, self.try_send(bytes)).await;
        sent.expect("the server reads in time").expect("the server reads");
    }

    /// Sends bytes to a server that may have closed the connection.
    ///
    /// # Errors
    /// When it has.
    pub async fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// The next message; none when the server has closed the connection.
    ///
    /// # Cancel safety
    /// Safe: what was read stays.
    pub async fn receive(&mut self) -> Option<Message> {
        loop {
            if let Some(length) = self.buffer.get(1..5) {
                let length = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
                if self.buffer.len() > length {
                    let tag = self.buffer.get_u8();
                    self.buffer.advance(4);
                    let body = self.buffer.split_to(length - 4).freeze();
                    return Some(Message { tag, body });
                }
            }
            let read = timeout(DEADLINE, self.stream.read_buf(&mut self.buffer)).await;
            // A reset ends a connection as a close does.
            if matches!(read.expect("the server answers in time"), Ok(0) | Err(_)) {
                return None;
            }
        }
    }

    /// The next message.
    ///
    /// # Panics
    /// When the server has closed the connection.
    pub async fn expect(&mut self) -> Message {
        self.receive().await.expect("the server closed the connection")
    }

    /// The single byte that answers SSLRequest; none when the connection was closed instead.
    pub async fn byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        let read = timeout(DEADLINE, self.stream.read_exact(&mut byte)).await;
        read.expect("the server answers in time").ok().map(|_| byte[0])
    }

    /// The stream, for TLS over it.
    pub fn into_stream(self) -> Box<dyn Stream> {
        self.stream
    }

    /// Messages up to and with ReadyForQuery.
    pub async fn until_ready(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        loop {
            let message = self.expect().await;
            let ready = message.tag == b'Z';
            messages.push(message);
            if ready {
                return messages;
            }
        }
    }

    /// Every message until the server closes the connection.
    pub async fn until_closed(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Some(message) = self.receive().await {
            messages.push(message);
        }
        messages
    }

    /// A simple query; of several statements the last one's answer.
    ///
    /// # Errors
    /// The server's error.
    pub async fn query(&mut self, sql: &str) -> Result<Answer, Report> {
        self.send(&frames::query(sql)).await;
        self.answer().await
    }

    /// The same by the extended protocol.
    ///
    /// # Errors
    /// The server's error.
    pub async fn extended(&mut self, sql: &str) -> Result<Answer, Report> {
        self.send(&frames::extended(sql, 0)).await;
        self.answer().await
    }

    /// Reads the answer to what was sent.
    ///
    /// # Errors
    /// The server's error.
    pub async fn answer(&mut self) -> Result<Answer, Report> {
        let (mut answer, mut error) = (Answer::default(), None);
        for message in self.until_ready().await {
            match message.tag {
                b'T' => {
                    answer = Answer { columns: Some(columns(&message.body)), ..Answer::default() };
                }
                b'D' => answer.rows.push(text_cells(&message.body)),
                b'C' => answer.tag = texts(&message.body).concat(),
                b'E' => error = Some(report(&message.body)),
                b'S' => self.note(&message),
                _ => {}
            }
        }
        error.map_or(Ok(answer), Err)
    }
}

/// The fields of an ErrorResponse or NoticeResponse.
pub fn report(body: &[u8]) -> Report {
    let parts = body.split(|byte| *byte == 0).filter(|part| !part.is_empty());
    let fields =
        parts.map(|part| (char::from(part[0]), String::from_utf8_lossy(&part[1..]).into_owned()));
    Report { fields: fields.collect() }
}

/// The zero-terminated texts of a body.
pub fn texts(body: &[u8]) -> Vec<String> {
    let body = body.strip_suffix(&[0]).unwrap_or(body);
    body.split(|byte| *byte == 0).map(|t| String::from_utf8_lossy(t).into_owned()).collect()
}

/// Name and type of each column of a RowDescription.
pub fn columns(body: &Bytes) -> Vec<(String, u32)> {
    described(body).into_iter().map(|(name, oid, _)| (name, oid)).collect()
}

/// Name, type and format of each column of a RowDescription.
pub fn described(body: &Bytes) -> Vec<(String, u32, u16)> {
    let mut rest = body.clone();
    let count = rest.get_u16();
    let mut column = || {
        let end = rest.iter().position(|byte| *byte == 0).expect("a column's name");
        let name = String::from_utf8_lossy(&rest.split_to(end)).into_owned();
        rest.advance(1 + 4 + 2);
        let oid = rest.get_u32();
        rest.advance(2 + 4);
        (name, oid, rest.get_u16())
    };
    (0..count).map(|_| column()).collect()
}

/// The cells of a DataRow.
pub fn cells(body: &Bytes) -> Vec<Option<Bytes>> {
    let mut rest = body.clone();
    let count = rest.get_u16();
    let mut cell = || usize::try_from(rest.get_i32()).ok().map(|length| rest.split_to(length));
    (0..count).map(|_| cell()).collect()
}

fn text_cells(body: &Bytes) -> Vec<Option<String>> {
    let text = |cell: Bytes| String::from_utf8_lossy(&cell).into_owned();
    cells(body).into_iter().map(|cell| cell.map(text)).collect()
}
