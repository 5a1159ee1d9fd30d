//! What a client sends, as bytes: messages right and wrong. In: values. Out: frames. Nothing is
//! checked: a test may want what no driver would send.

/// SSLRequest's code.
pub const SSL_REQUEST: u32 = 80_877_103;
/// GSSENCRequest's code.
pub const GSSENC_REQUEST: u32 = 80_877_104;
/// CancelRequest's code.
pub const CANCEL_REQUEST: u32 = 80_877_102;
/// Protocol 3.0.
pub const PROTOCOL_3_0: u32 = 196_608;
/// Protocol 3.2.
pub const PROTOCOL_3_2: u32 = 196_610;

/// A message with a type byte and a length.
pub fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![tag];
    frame.extend((body.len() as u32 + 4).to_be_bytes());
    frame.extend(body);
    frame
}

/// A message before the session: a length, a code, a body.
pub fn untyped(code: u32, body: &[u8]) -> Vec<u8> {
    let mut frame = (body.len() as u32 + 8).to_be_bytes().to_vec();
    frame.extend(code.to_be_bytes());
    frame.extend(body);
    frame
}

/// A startup packet with these parameters.
pub fn startup(protocol: u32, parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in parameters {
        body.extend(text(name));
        body.extend(text(value));
    }
    body.push(0);
    untyped(protocol, &body)
}

/// A text and its closing zero.
pub fn text(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

/// Query.
pub fn query(sql: &str) -> Vec<u8> {
    message(b'Q', &text(sql))
}

/// Parse with declared parameter types.
pub fn parse(name: &str, sql: &str, types: &[u32]) -> Vec<u8> {
    let mut body = text(name);
    body.extend(text(sql));
    body.extend((types.len() as u16).to_be_bytes());
    types.iter().for_each(|oid| body.extend(oid.to_be_bytes()));
    message(b'P', &body)
}

/// What Bind says.
#[derive(Debug, Default)]
pub struct Bind<'a> {
    /// The portal to make.
    pub portal: &'a str,
    /// The statement it runs.
    pub statement: &'a str,
    /// Parameter formats.
    pub formats: Vec<u16>,
    /// Parameter values.
    pub values: Vec<Option<Vec<u8>>>,
    /// Result formats.
    pub results: Vec<u16>,
}

impl Bind<'_> {
    /// The message.
    pub fn frame(&self) -> Vec<u8> {
        let mut body = text(self.portal);
        body.extend(text(self.statement));
        body.extend(codes(&self.formats));
        body.extend((self.values.len() as u16).to_be_bytes());
        for value in &self.values {
            match value {
                Some(value) => {
                    body.extend((value.len() as u32).to_be_bytes());
                    body.extend(value);
                }
                None => body.extend(u32::MAX.to_be_bytes()),
            }
        }
        body.extend(codes(&self.results));
        message(b'B', &body)
    }
}

fn codes(codes: &[u16]) -> Vec<u8> {
    let mut bytes = (codes.len() as u16).to_be_bytes().to_vec();
    codes.iter().for_each(|code| bytes.extend(code.to_be_bytes()));
    bytes
}

/// Describe of a statement (`S`) or a portal (`P`).
pub fn describe(kind: u8, name: &str) -> Vec<u8> {
    message(b'D', &[&[kind][..], &text(name)].concat())
}

/// Close of a statement (`S`) or a portal (`P`).
pub fn close(kind: u8, name: &str) -> Vec<u8> {
    message(b'C', &[&[kind][..], &text(name)].concat())
}

/// Execute, at most so many rows (0: all).
pub fn execute(portal: &str, max_rows: u32) -> Vec<u8> {
    message(b'E', &[&text(portal)[..], &max_rows.to_be_bytes()].concat())
}

/// Flush.
pub fn flush() -> Vec<u8> {
    message(b'H', b"")
}

/// Sync.
pub fn sync() -> Vec<u8> {
    message(b'S', b"")
}

/// Terminate.
pub fn terminate() -> Vec<u8> {
    message(b'X', b"")
}

/// CancelRequest.
pub fn cancel(pid: i32, secret: &[u8]) -> Vec<u8> {
    untyped(CANCEL_REQUEST, &[&pid.to_be_bytes()[..], secret].concat())
}

/// Parse, Bind, Describe, Execute and Sync of one statement, unnamed, all results as text.
pub fn extended(sql: &str, max_rows: u32) -> Vec<u8> {
    let bind = Bind::default().frame();
    let parts = [parse("", sql, &[]), describe(b'S', ""), bind, execute("", max_rows), sync()];
    parts.concat()
}
