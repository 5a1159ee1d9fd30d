//! `mobula_names(x)`: a value of a `reg*` type, or an array of them, as text.
//!
//! In: oids whose field says what kind of objects they are. Out: names, as on the wire.
//! Refuses to know what the objects are called: the view does.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use crate::encode::named;
use crate::pg_catalog::CatalogView;
use crate::types::{list_element, pg_type_of};

/// The function over that view.
pub(super) fn udf(view: Arc<CatalogView>) -> ScalarUDF {
    let signature = Signature::any(1, Volatility::Stable);
    ScalarUDF::new_from_impl(Names { view, signature })
}

#[derive(Debug)]
struct Names {
    view: Arc<CatalogView>,
    signature: Signature,
}

impl PartialEq for Names {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.view, &other.view)
    }
}

impl Eq for Names {}

impl Hash for Names {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl ScalarUDFImpl for Names {
    fn name(&self) -> &str {
        "mobula_names"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("mobula_names is asked for its field, not for its type")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let is_list = list_element(args.arg_fields[0].data_type()).is_some();
        let field = match is_list {
            true => Field::new_list("", Field::new_list_field(DataType::Utf8, true), true),
            false => Field::new("", DataType::Utf8, true),
        };
        Ok(Arc::new(field.with_name(self.name())))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (Some(value), Some(field)) = (args.args.first(), args.arg_fields.first()) else {
            return internal_err!("mobula_names without an argument");
        };
        let array = named(value.to_array(1)?, pg_type_of(field).oid, self.view.as_ref());
        Ok(match value {
            ColumnarValue::Scalar(_) => {
                ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?)
            }
            ColumnarValue::Array(_) => ColumnarValue::Array(array),
        })
    }
}
