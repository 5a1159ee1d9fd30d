//! The options of COPY TO. In: as they were written. Out: the form of the rows, or what PostgreSQL
//! says of an option that is none, or that does not go with another.

use planner::copies::{CopyOption, CopyValue};

use crate::encode::{CopyForm, Lines, Quoting};
use crate::error::{PgError, PgResult, SqlState};
use crate::wire::backend::ResultColumn;

/// What a statement says of its rows' form.
#[derive(Debug)]
pub struct CopyOptions {
    form: CopyForm,
    force_quote: Columns,
}

/// Some of the columns of a COPY.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Columns {
    #[default]
    None,
    All,
    Named(Vec<String>),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Text,
    Csv,
    Binary,
}

/// What is set, each once.
#[derive(Debug, Default)]
struct Given {
    kind: Option<Kind>,
    freeze: Option<bool>,
    delimiter: Option<String>,
    null: Option<String>,
    header: Option<bool>,
    quote: Option<String>,
    escape: Option<String>,
    force_quote: Option<Columns>,
    force_not_null: Option<Columns>,
    force_null: Option<Columns>,
    encoding: Option<()>,
}

impl CopyOptions {
    /// Reads the options of a COPY TO.
    ///
    /// # Errors
    /// As PostgreSQL 15 has them.
    pub fn read(options: &[CopyOption]) -> PgResult<Self> {
        let mut given = Given::default();
        for option in options {
            given.set(option)?;
        }
        given.check()
    }

    /// The form of rows of these columns.
    ///
    /// # Errors
    /// 42703 for a column that is not among them, 42701 for one that is named twice.
    pub fn form(mut self, columns: &[ResultColumn]) -> PgResult<CopyForm> {
        let (CopyForm::Lines(Lines { quoting: Some(quoting), .. }), names) =
            (&mut self.form, &self.force_quote)
        else {
            return Ok(self.form);
        };
        quoting.forced = vec![*names == Columns::All; columns.len()];
        let Columns::Named(names) = names else { return Ok(self.form) };
        for (place, name) in names.iter().enumerate() {
            let Some(found) = columns.iter().position(|column| column.name == *name) else {
                let message = format!("column \"{name}\" does not exist");
                return Err(PgError::new(SqlState::UndefinedColumn, message));
            };
            if names[..place].contains(name) {
                return Err(named_twice(name));
            }
            quoting.forced[found] = true;
        }
        Ok(self.form)
    }
}

/// 42701.
pub fn named_twice(column: &str) -> PgError {
    let message = format!("column \"{column}\" specified more than once");
    PgError::new(SqlState::DuplicateColumn, message)
}

impl Given {
    fn set(&mut self, option: &CopyOption) -> PgResult<()> {
        match option.name.as_str() {
            "format" => once(&mut self.kind, option, kind),
            "freeze" => once(&mut self.freeze, option, freeze),
            "delimiter" => once(&mut self.delimiter, option, text),
            "null" => once(&mut self.null, option, text),
            "header" => once(&mut self.header, option, header),
            "quote" => once(&mut self.quote, option, text),
            "escape" => once(&mut self.escape, option, text),
            "force_quote" => once(&mut self.force_quote, option, columns_or_all),
            "force_not_null" => once(&mut self.force_not_null, option, columns),
            "force_null" => once(&mut self.force_null, option, columns),
            "encoding" => once(&mut self.encoding, option, encoding),
            name => {
                let message = format!("option \"{name}\" not recognized");
                Err(PgError::new(SqlState::SyntaxError, message).at(option.position))
            }
        }
    }

    /// What does not go together, in PostgreSQL's order.
    fn check(self) -> PgResult<CopyOptions> {
        let kind = self.kind.unwrap_or_default();
        if kind == Kind::Binary {
            return self.binary();
        }
        let is_csv = kind == Kind::Csv;
        let delimiter = self.delimiter.as_deref().unwrap_or(if is_csv { "," } else { "\t" });
        let null = self.null.as_deref().unwrap_or(if is_csv { "" } else { "\\N" });
        let delimiter = one_byte(delimiter, "delimiter")?;
        if matches!(delimiter, b'\n' | b'\r') {
            return Err(invalid("COPY delimiter cannot be newline or carriage return"));
        }
        if null.contains(['\n', '\r']) {
            let message = "COPY null representation cannot use newline or carriage return";
            return Err(invalid(message));
        }
        let has_meaning = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'\\' | b'.')
        };
        if !is_csv && has_meaning(delimiter) {
            let shown = char::from(delimiter);
            return Err(invalid(format!("COPY delimiter cannot be \"{shown}\"")));
        }
        let quoting = self.quoting(is_csv, delimiter)?;
        self.check_forced(is_csv)?;
        if null.as_bytes().contains(&delimiter) {
            return Err(unsupported("COPY delimiter must not appear in the NULL specification"));
        }
        if quoting.as_ref().is_some_and(|quoting| null.as_bytes().contains(&quoting.quote)) {
            let message = "CSV quote character must not appear in the NULL specification";
            return Err(unsupported(message));
        }
        let null = null.as_bytes().to_vec();
        let has_header = self.header.unwrap_or_default();
        let form = CopyForm::Lines(Lines { delimiter, null, has_header, quoting });
        Ok(CopyOptions { form, force_quote: self.force_quote.unwrap_or_default() })
    }

    fn binary(self) -> PgResult<CopyOptions> {
        let wrong = |option: &str| {
            let message = format!("cannot specify {option} in BINARY mode");
            PgError::new(SqlState::SyntaxError, message)
        };
        if self.delimiter.is_some() {
            return Err(wrong("DELIMITER"));
        }
        if self.null.is_some() {
            return Err(wrong("NULL"));
        }
        if self.header == Some(true) {
            return Err(PgError { state: SqlState::FeatureNotSupported, ..wrong("HEADER") });
        }
        self.quoting(false, b'\t')?;
        self.check_forced(false)?;
        Ok(CopyOptions { form: CopyForm::Binary, force_quote: Columns::None })
    }

    /// Quote and escape, which only CSV has.
    fn quoting(&self, is_csv: bool, delimiter: u8) -> PgResult<Option<Quoting>> {
        if !is_csv {
            if self.quote.is_some() {
                return Err(unsupported("COPY quote available only in CSV mode"));
            }
            if self.escape.is_some() {
                return Err(unsupported("COPY escape available only in CSV mode"));
            }
            return Ok(None);
        }
        let quote = one_byte(self.quote.as_deref().unwrap_or("\""), "quote")?;
        if quote == delimiter {
            return Err(invalid("COPY delimiter and quote must be different"));
        }
        let escape = self.escape.as_deref().map(|escape| one_byte(escape, "escape"));
        let escape = escape.transpose()?.unwrap_or(quote);
        Ok(Some(Quoting { quote, escape, forced: vec![] }))
    }

    fn check_forced(&self, is_csv: bool) -> PgResult<()> {
        if self.force_quote.is_some() && !is_csv {
            return Err(unsupported("COPY force quote available only in CSV mode"));
        }
        for (given, what) in
            [(&self.force_not_null, "force not null"), (&self.force_null, "force null")]
        {
            match (given, is_csv) {
                (None, _) => {}
                (Some(_), false) => {
                    return Err(unsupported(format!("COPY {what} available only in CSV mode")));
                }
                (Some(_), true) => {
                    let message = format!("COPY {what} only available using COPY FROM");
                    return Err(unsupported(message));
                }
            }
        }
        Ok(())
    }
}

/// 22023.
fn invalid(message: impl Into<String>) -> PgError {
    PgError::new(SqlState::InvalidParameterValue, message)
}

/// 0A000, in PostgreSQL's words.
fn unsupported(message: impl Into<String>) -> PgError {
    PgError::new(SqlState::FeatureNotSupported, message)
}

fn once<T>(
    place: &mut Option<T>,
    option: &CopyOption,
    read: impl Fn(&CopyOption) -> PgResult<T>,
) -> PgResult<()> {
    if place.is_some() {
        let message = "conflicting or redundant options";
        return Err(PgError::new(SqlState::SyntaxError, message).at(option.position));
    }
    *place = Some(read(option)?);
    Ok(())
}

fn one_byte(text: &str, what: &str) -> PgResult<u8> {
    match text.as_bytes() {
        [byte] => Ok(*byte),
        _ => Err(unsupported(format!("COPY {what} must be a single one-byte character"))),
    }
}

fn text(option: &CopyOption) -> PgResult<String> {
    match &option.value {
        CopyValue::Text(text) | CopyValue::Number(text) => Ok(text.clone()),
        CopyValue::Star => Ok("*".to_owned()),
        CopyValue::List(items) => Ok(items.join(".")),
        CopyValue::Nothing => {
            let message = format!("{} requires a parameter", option.name);
            Err(PgError::new(SqlState::SyntaxError, message))
        }
    }
}

fn kind(option: &CopyOption) -> PgResult<Kind> {
    match text(option)?.as_str() {
        "text" => Ok(Kind::Text),
        "csv" => Ok(Kind::Csv),
        "binary" => Ok(Kind::Binary),
        other => {
            Err(invalid(format!("COPY format \"{other}\" not recognized")).at(option.position))
        }
    }
}

/// An option that is on or off; none when it says neither.
fn boolean(value: &CopyValue) -> Option<bool> {
    match value {
        CopyValue::Nothing => Some(true),
        CopyValue::Number(digits) => match digits.as_str() {
            "0" => Some(false),
            "1" => Some(true),
            _ => None,
        },
        CopyValue::Text(text) => match text.to_lowercase().as_str() {
            "true" | "on" => Some(true),
            "false" | "off" => Some(false),
            _ => None,
        },
        CopyValue::Star | CopyValue::List(_) => None,
    }
}

/// Means nothing for rows that leave.
fn freeze(option: &CopyOption) -> PgResult<bool> {
    let message = "freeze requires a Boolean value";
    boolean(&option.value).ok_or_else(|| PgError::new(SqlState::SyntaxError, message))
}

fn header(option: &CopyOption) -> PgResult<bool> {
    if let CopyValue::Text(word) = &option.value
        && word.eq_ignore_ascii_case("match")
    {
        return Err(unsupported(format!("cannot use \"{word}\" with HEADER in COPY TO")));
    }
    let message = "header requires a Boolean value or \"match\"";
    boolean(&option.value).ok_or_else(|| PgError::new(SqlState::SyntaxError, message))
}

fn columns(option: &CopyOption) -> PgResult<Columns> {
    match &option.value {
        CopyValue::List(names) => Ok(Columns::Named(names.clone())),
        _ => {
            let name = &option.name;
            let message = format!("argument to option \"{name}\" must be a list of column names");
            Err(invalid(message).at(option.position))
        }
    }
}

fn columns_or_all(option: &CopyOption) -> PgResult<Columns> {
    if option.value == CopyValue::Star { Ok(Columns::All) } else { columns(option) }
}

/// UTF-8, which is all there is.
fn encoding(option: &CopyOption) -> PgResult<()> {
    let text = text(option)?;
    let plain: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
    match plain.to_lowercase().as_str() {
        "utf8" | "unicode" | "sqlascii" => Ok(()),
        known if ENCODINGS.split_whitespace().any(|name| name == known) => {
            Err(PgError::unsupported(format!("COPY in the encoding \"{text}\""))
                .hint("Text is UTF8."))
        }
        _ => {
            let message = "argument to option \"encoding\" must be a valid encoding name";
            Err(invalid(message).at(option.position))
        }
    }
}

/// PostgreSQL's other encodings, by letters and digits alone.
const ENCODINGS: &str = "\
    abc alt big5 euccn eucjis2004 eucjp euckr euctw gb18030 gbk iso88591 iso885910 \
    iso885913 iso885914 iso885915 iso885916 iso88592 iso88593 iso88594 iso88595 iso88596 \
    iso88597 iso88598 iso88599 johab koi8 koi8r koi8u latin1 latin10 latin2 latin3 latin4 \
    latin5 latin6 latin7 latin8 latin9 mskanji muleinternal shiftjis shiftjis2004 sjis \
    tcvn tcvn5712 uhc vscii win win1250 win1251 win1252 win1253 win1254 win1255 win1256 \
    win1257 win1258 win866 win874 win932 win936 win949 win950 windows1250 windows1251 \
    windows1252 windows1253 windows1254 windows1255 windows1256 windows1257 windows1258 \
    windows866 windows874 windows932 windows936 windows949 windows950";
