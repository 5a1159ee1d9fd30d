//! What went wrong, as a Postgres client sees it: SQLSTATE, message, detail, hint, position.
//! In: errors of the planner, the engine and the store. Out: [`PgError`]. This is the only file
//! that chooses a SQLSTATE for an engine error; it never lets a path or an internal text through.

pub mod engine;
pub mod memory;
mod places;
mod sentences;
mod words;

use std::fmt;

/// Defines [`SqlState`]: each condition with its five-character code, in one place.
macro_rules! sql_states {
    ($($(#[$doc:meta])* $name:ident = $code:literal),+ $(,)?) => {
        /// A PostgreSQL error condition (Appendix A of its manual).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum SqlState { $($(#[$doc])* #[doc = $code] $name),+ }
        impl SqlState {
            /// The five characters that travel on the wire.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code),+ }
            }

            /// The condition with these five characters.
            pub fn of(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$name),)+ _ => None }
            }
        }
    };
}

sql_states! {
    SuccessfulCompletion = "00000",
    Warning = "01000",
    ProtocolViolation = "08P01",
    ConnectionFailure = "08006",
    FeatureNotSupported = "0A000",
    InvalidAuthorization = "28000",
    InvalidPassword = "28P01",
    CardinalityViolation = "21000",
    DataException = "22000",
    StringTruncation = "22001",
    SubstringError = "22011",
    InvalidNtileArgument = "22014",
    NumericOutOfRange = "22003",
    InvalidDatetimeFormat = "22007",
    DatetimeOverflow = "22008",
    DivisionByZero = "22012",
    NullNotAllowed = "22004",
    InvalidParameterValue = "22023",
    InvalidRegularExpression = "2201B",
    InvalidLogArgument = "2201E",
    InvalidPowerArgument = "2201F",
    InvalidWidthBucketArgument = "2201G",
    InvalidRowCountInLimit = "2201W",
    InvalidRowCountInOffset = "2201X",
    CharacterNotInRepertoire = "22021",
    ArraySubscript = "2202E",
    InvalidTextRepresentation = "22P02",
    InvalidBinaryRepresentation = "22P03",
    BadCopyFileFormat = "22P04",
    ActiveSqlTransaction = "25001",
    ReadOnlySqlTransaction = "25006",
    NoActiveSqlTransaction = "25P01",
    InFailedSqlTransaction = "25P02",
    IdleInTransactionTimeout = "25P03",
    InvalidStatementName = "26000",
    DependentObjectsExist = "2BP01",
    PrivilegeNotGranted = "01007",
    PrivilegeNotRevoked = "01006",
    InvalidGrantOperation = "0LP01",
    InvalidSavepoint = "3B001",
    InvalidCursorName = "34000",
    InvalidCatalogName = "3D000",
    InvalidSchemaName = "3F000",
    SerializationFailure = "40001",
    DeadlockDetected = "40P01",
    ReservedName = "42939",
    SyntaxError = "42601",
    InsufficientPrivilege = "42501",
    CannotCoerce = "42846",
    GroupingError = "42803",
    DatatypeMismatch = "42804",
    WrongObjectType = "42809",
    UndefinedColumn = "42703",
    UndefinedFunction = "42883",
    UndefinedTable = "42P01",
    UndefinedParameter = "42P02",
    UndefinedObject = "42704",
    DuplicateColumn = "42701",
    DuplicateCursor = "42P03",
    DuplicateDatabase = "42P04",
    DuplicatePreparedStatement = "42P05",
    InvalidForeignKey = "42830",
    DuplicateObject = "42710",
    DuplicateSchema = "42P06",
    DuplicateTable = "42P07",
    DuplicateAlias = "42712",
    AmbiguousColumn = "42702",
    AmbiguousFunction = "42725",
    InvalidColumnReference = "42P10",
    IndeterminateDatatype = "42P18",
    InvalidTableDefinition = "42P16",
    InvalidRecursion = "42P19",
    WindowingError = "42P20",
    DiskFull = "53100",
    OutOfMemory = "53200",
    TooManyConnections = "53300",
    ConfigurationLimit = "53400",
    ProgramLimitExceeded = "54000",
    StatementTooComplex = "54001",
    TooManyColumns = "54011",
    TooManyArguments = "54023",
    ObjectNotInPrerequisiteState = "55000",
    ObjectInUse = "55006",
    CantChangeRuntimeParam = "55P02",
    LockNotAvailable = "55P03",
    QueryCanceled = "57014",
    AdminShutdown = "57P01",
    CannotConnectNow = "57P03",
    IdleSessionTimeout = "57P05",
    IoError = "58030",
    UndefinedFile = "58P01",
    DuplicateFile = "58P02",
    ExternalRoutine = "38000",
    DataCorrupted = "XX001",
    InternalError = "XX000",
}

/// How bad it is, and what happens to the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The statement failed; the connection goes on.
    Error,
    /// The connection ends after this.
    Fatal,
    /// Nothing failed; the client is told.
    Notice,
    /// Nothing failed, but something deserves attention.
    Warning,
}

impl Severity {
    /// The word on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
            Self::Notice => "NOTICE",
            Self::Warning => "WARNING",
        }
    }
}

/// An error (or notice) in Postgres terms: the primary message in lower case without a full stop,
/// detail and hint as sentences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PgError {
    /// How bad.
    pub severity: Severity,
    /// Which condition.
    pub state: SqlState,
    /// The primary message.
    pub message: String,
    /// More about this occurrence.
    pub detail: Option<String>,
    /// What to do.
    pub hint: Option<String>,
    /// Where in the statement, in characters from 1.
    pub position: Option<usize>,
}

/// What most of the server returns.
pub type PgResult<T> = Result<T, PgError>;

impl PgError {
    /// An error that ends the statement.
    pub fn new(state: SqlState, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            state,
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
        }
    }

    /// An error that ends the connection.
    pub fn fatal(state: SqlState, message: impl Into<String>) -> Self {
        Self { severity: Severity::Fatal, ..Self::new(state, message) }
    }

    /// A notice: nothing failed.
    pub fn notice(state: SqlState, message: impl Into<String>) -> Self {
        Self { severity: Severity::Notice, ..Self::new(state, message) }
    }

    /// A warning: nothing failed.
    pub fn warning(state: SqlState, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::new(state, message) }
    }

    /// Something the client asked for that this server does not do (0A000).
    pub fn unsupported(what: impl fmt::Display) -> Self {
        Self::new(SqlState::FeatureNotSupported, format!("{what} is not supported"))
    }

    /// The client broke the protocol (08P01): the connection ends.
    pub fn protocol(message: impl Into<String>) -> Self {
        Self::fatal(SqlState::ProtocolViolation, message)
    }

    /// The same with a detail.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The same with a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with a position, in characters from 1.
    pub fn at(mut self, position: Option<usize>) -> Self {
        self.position = position;
        self
    }
}

impl fmt::Display for PgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.severity.word(), self.message, self.state.code())
    }
}

impl std::error::Error for PgError {}
