//! `similar_to_escape`: a SIMILAR TO pattern as a regular expression. In: pattern and, if given,
//! its escape character. Out: an anchored expression. The rules are section 9.7.2 of PostgreSQL's
//! manual.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct SimilarToEscape {
    signature: Signature,
}

impl SimilarToEscape {
    pub(super) fn new() -> Self {
        Self {
            signature: Signature::one_of(
                vec![
                    datafusion::logical_expr::TypeSignature::Exact(vec![DataType::Utf8]),
                    datafusion::logical_expr::TypeSignature::Exact(vec![
                        DataType::Utf8,
                        DataType::Utf8,
                    ]),
                ],
                Volatility::Immutable,
            ),
        }
    }
}

impl ScalarUDFImpl for SimilarToEscape {
    fn name(&self) -> &str {
        "similar_to_escape"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let patterns = arrays[0].as_string::<i32>();
        let escapes = arrays.get(1).map(|array| array.as_string::<i32>());
        let mut regexes = Vec::with_capacity(patterns.len());
        for row in 0..patterns.len() {
            let escape = match escapes {
                Some(escapes) if escapes.is_null(row) => None,
                Some(escapes) => Some(escapes.value(row)),
                None => Some("\\"),
            };
            let known = patterns.is_valid(row).then_some(escape).flatten();
            regexes.push(known.map(|escape| regex(patterns.value(row), escape)).transpose()?);
        }
        let regexes: ArrayRef = Arc::new(StringArray::from(regexes));
        if scalar {
            let value = datafusion::common::ScalarValue::try_from_array(&regexes, 0)?;
            return Ok(ColumnarValue::Scalar(value));
        }
        Ok(ColumnarValue::Array(regexes))
    }
}

fn regex(pattern: &str, escape: &str) -> Result<String> {
    let mut escapes = escape.chars();
    let escape = escapes.next();
    if escapes.next().is_some() {
        return exec_err!("invalid escape string: it must be empty or one character");
    }
    let mut regex = String::from("^(?:");
    let mut characters = pattern.chars();
    let mut in_class = false;
    while let Some(character) = characters.next() {
        match character {
            c if Some(c) == escape => match characters.next() {
                Some(literal) => push_literal(&mut regex, literal),
                None => return exec_err!("LIKE pattern must not end with escape character"),
            },
            ']' if in_class => {
                in_class = false;
                regex.push(']');
            }
            '\\' => regex.push_str("\\\\"),
            c if in_class => regex.push(c),
            '[' => {
                in_class = true;
                regex.push('[');
            }
            '%' => regex.push_str("(?s:.*)"),
            '_' => regex.push_str("(?s:.)"),
            '(' => regex.push_str("(?:"),
            '.' | '^' | '$' => push_literal(&mut regex, character),
            other => regex.push(other),
        }
    }
    regex.push_str(")$");
    Ok(regex)
}

fn push_literal(regex: &mut String, character: char) {
    if character.is_ascii_punctuation() {
        regex.push('\\');
    }
    regex.push(character);
}

#[cfg(test)]
mod tests {
    use super::regex;

    #[test]
    fn patterns_are_anchored() {
        assert_eq!(regex("N%", "\\").expect("valid"), "^(?:N(?s:.*))$");
        assert_eq!(regex("a.c|(b_)", "\\").expect("valid"), "^(?:a\\.c|(?:b(?s:.)))$");
        assert_eq!(regex("50#%", "#").expect("valid"), "^(?:50\\%)$");
        assert!(regex("x\\", "\\").is_err());
    }
}
