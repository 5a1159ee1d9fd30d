//! Columns as the metadata store keeps them. In: an Arrow schema. Out: text, and back. The text is
//! Arrow's own encoding in base64, so that every type survives.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::ipc::convert::{IpcSchemaEncoder, fb_to_schema};
use datafusion::arrow::ipc::root_as_schema;
use datafusion::arrow::ipc::writer::DictionaryTracker;
use datafusion::common::{DataFusionError, Result};

use crate::auth::base64;
use crate::error::{PgError, SqlState};

/// The stored text of a schema.
pub fn encode_columns(schema: &Schema) -> String {
    let mut dictionaries = DictionaryTracker::new(true);
    let mut encoder = IpcSchemaEncoder::new().with_dictionary_tracker(&mut dictionaries);
    let buffer = encoder.schema_to_fb(schema);
    base64::encode(buffer.finished_data())
}

/// The schema of a stored text.
///
/// # Errors
/// XX001 for a text this server did not write.
pub fn decode_columns(text: &str) -> Result<SchemaRef> {
    let damaged = || {
        let message = "the stored columns of a relation are damaged";
        DataFusionError::External(Box::new(PgError::new(SqlState::DataCorrupted, message)))
    };
    let bytes = base64::decode(text).ok_or_else(damaged)?;
    root_as_schema(&bytes).map(|schema| Arc::new(fb_to_schema(schema))).map_err(|_| damaged())
}

/// The partition columns of a stored text; they are encoded as a schema too.
pub fn partition_columns(text: &str) -> Vec<(String, DataType)> {
    let schema = decode_columns(text).unwrap_or_else(|_| Arc::new(Schema::empty()));
    let pair = |field: &Arc<Field>| (field.name().clone(), field.data_type().clone());
    schema.fields().iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_survives() {
        let schema = Schema::new(vec![
            Field::new("a", DataType::Decimal128(15, 2), false),
            Field::new("b", DataType::new_list(DataType::Utf8View, true), true),
        ]);
        assert_eq!(*decode_columns(&encode_columns(&schema)).unwrap(), schema);
        assert!(decode_columns("????").is_err());
        assert!(decode_columns("AAAA").is_err());
    }
}
