//! A value, or `null` where there is none.

use std::borrow::Cow;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// A value that is always there, and may be `null`. An `Option` may be missing, and is never `null`.
pub struct Nullable<T>(PhantomData<T>);

impl<T: JsonSchema> JsonSchema for Nullable<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Nullable_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        // An `Option` has its null at the end, so the two are not the same.
        json_schema!({ "anyOf": [{ "type": "null" }, generator.subschema_for::<T>()] })
    }
}
