//! Oids that print as names: `regclass`, `regtype` and the like, and arrays of them. In: a column
//! of such a type. Out: the same column as text. What an oid is called it does not know.

use std::fmt::Debug;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListArray, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, UInt32Type};

use crate::types::{is_reg, type_by_oid};

/// What oids are called.
pub trait OidNames: Debug + Send + Sync {
    /// The name of an object of that type, as the type prints it.
    fn name(&self, type_oid: u32, oid: u32) -> String;
}

/// The type whose values are names, for it or an array over it.
pub fn named_type(type_oid: u32) -> Option<u32> {
    let element = type_by_oid(type_oid).filter(|t| t.is_array()).map_or(type_oid, |t| t.elem_oid);
    is_reg(element).then_some(element)
}

/// The column as names; as it is if it holds no oids.
pub fn named(array: ArrayRef, type_oid: u32, names: &dyn OidNames) -> ArrayRef {
    let Some(element) = named_type(type_oid) else { return array };
    match array.data_type() {
        DataType::UInt32 => {
            let oids = array.as_primitive::<UInt32Type>().iter();
            Arc::new(
                oids.map(|oid| oid.map(|oid| names.name(element, oid))).collect::<StringArray>(),
            )
        }
        DataType::List(item) if *item.data_type() == DataType::UInt32 => {
            let list = array.as_list::<i32>();
            let values = named(Arc::clone(list.values()), element, names);
            let item = Arc::new(Field::new_list_field(DataType::Utf8, true));
            let (offsets, nulls) = (list.offsets().clone(), list.nulls().cloned());
            match ListArray::try_new(item, offsets, values, nulls) {
                Ok(list) => Arc::new(list),
                Err(_) => array,
            }
        }
        _ => array,
    }
}
