//! Bounds that are not settings, each with its reason, and how they relate.
//! In: nothing. Out: constants with their unit in the name. What an operator may tune is in
//! `config/keys.rs` instead.

/// The longest startup packet: PostgreSQL's MAX_STARTUP_PACKET_LENGTH, which clients know.
pub const STARTUP_PACKET_MAX_BYTES: usize = 10_000;

/// Bytes of a connection that has not logged in, held at a time, TLS handshake excluded. A SCRAM
/// login needs under 2 KiB.
pub const PRE_AUTH_MAX_BYTES: usize = 16 << 10;

/// Parameters in a startup packet; drivers send up to ten. Read, each takes some 60 bytes beyond
/// its own.
pub const STARTUP_PARAMETERS_MAX_COUNT: usize = 64;

/// SSLRequest and GSSENCRequest before a startup packet: one of each, as PostgreSQL allows.
pub const NEGOTIATIONS_MAX_COUNT: usize = 2;

/// The longest SCRAM message. A nonce, a name and a channel binding fit many times over.
pub const SASL_MESSAGE_MAX_BYTES: usize = 4 << 10;

/// The length that a message claims in its first five bytes is not believed at once: the buffer
/// grows in steps of this while bytes really arrive.
pub const READ_STEP_BYTES: usize = 64 << 10;

/// The buffer of an idle session shrinks to this: 1,000 idle sessions stay under 64 KiB each.
pub const IDLE_BUFFER_BYTES: usize = 8 << 10;

/// Encoded rows are handed to the socket in chunks of about this size: large enough that system
/// calls and wake-ups vanish (a socket buffer is 200 KiB or more), small enough to stay in a
/// core's second-level cache.
pub const OUTPUT_CHUNK_BYTES: usize = 128 << 10;

/// Chunks of one result between encoder and socket: one is written while the next is encoded.
pub const CHUNKS_IN_FLIGHT_COUNT: usize = 2;

/// One row larger than this ends the query with 54000: the length of a message is 32 bits signed,
/// and clients refuse more than 1 GiB.
pub const ROW_MAX_BYTES: usize = (1 << 30) - 1;

/// The longest field of a row, PostgreSQL's own limit less room for the rest of the message.
pub const FIELD_MAX_BYTES: usize = ROW_MAX_BYTES - (64 << 10);

/// Columns of one result: PostgreSQL's MaxTupleAttributeNumber. The protocol's 16-bit count is
/// signed for some clients.
pub const COLUMNS_MAX_COUNT: usize = 1_664;

/// Statements in one simple query message. Dumps have some thousands.
pub const STATEMENTS_IN_QUERY_MAX_COUNT: usize = 10_000;

/// Stack of a thread that parses and plans: the deepest statement, see [`STACK_PER_LEVEL_BYTES`].
/// Only what is touched takes memory.
pub const PLANNING_STACK_BYTES: usize = 64 << 20;

/// Stack of a thread that runs queries: expressions as deep as a statement may be are evaluated
/// with one small frame a level.
pub const EXECUTION_STACK_BYTES: usize = 16 << 20;

/// Stack that one level of nesting may take while planning, measured generously.
pub const STACK_PER_LEVEL_BYTES: usize = 16 << 10;

/// The text of a notification is shorter than 8,000 bytes, as in PostgreSQL.
pub const PAYLOAD_MAX_BYTES: usize = 7_999;

/// Notifications that wait for a session to read them, and those of one transaction: a thousand of
/// the longest. A listener that falls behind further is ended, and holds back nobody.
pub const NOTES_MAX_BYTES: usize = 8 << 20;

/// Statements that wait within a function (for a lock, for time to pass): each holds a thread.
pub const WAITS_MAX_COUNT: usize = 100;

const _: () = {
    assert!(
        STARTUP_PACKET_MAX_BYTES + SASL_MESSAGE_MAX_BYTES <= PRE_AUTH_MAX_BYTES,
        "a longest startup packet leaves room for a login"
    );
    assert!(
        planner::depth::DEPTH_MAX * STACK_PER_LEVEL_BYTES <= PLANNING_STACK_BYTES,
        "the deepest statement fits into the stack"
    );
    assert!(IDLE_BUFFER_BYTES <= READ_STEP_BYTES, "an idle session holds less than a busy one");
    assert!(
        CHUNKS_IN_FLIGHT_COUNT * OUTPUT_CHUNK_BYTES <= 1 << 20,
        "100 slow readers cost under 100 MiB, whatever they read"
    );
    assert!(FIELD_MAX_BYTES < ROW_MAX_BYTES, "a row holds its longest field");
    assert!(COLUMNS_MAX_COUNT <= i16::MAX as usize, "the count of columns is 16 bits signed");
};
