//! Values held against schemas, more strictly than readers do: there must be no field that the schema does not name.

use serde_json::{Map, Value};

/// Says what is wrong with a value, and where; `None` if nothing is.
pub fn problem(value: &Value, schema: &Value, root: &Value, place: &str) -> Option<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let found = root.pointer(reference.strip_prefix('#')?)?;
        return problem(value, found, root, place);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let problems: Option<Vec<_>> = any.iter().map(|schema| problem(value, schema, root, place)).collect();
        return problems.map(|problems| problems.join(", or "));
    }
    let kind = schema["type"].as_str().unwrap_or_else(|| panic!("{place}: {schema} names no type"));
    let is_kind = match kind {
        "string" => value.is_string(),
        "integer" => value.is_u64() || (value.is_i64() && schema["minimum"] != 0),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{place}: unknown type {other}"),
    };
    if !is_kind {
        return Some(format!("{place} is {value}, and no {kind}"));
    }
    if let Some(values) = value.as_array() {
        let at = |(index, value)| problem(value, &schema["items"], root, &format!("{place}[{index}]"));
        return values.iter().enumerate().find_map(at);
    }
    value.as_object().and_then(|fields| problem_of_fields(fields, schema, root, place))
}

fn problem_of_fields(
    fields: &Map<String, Value>,
    schema: &Value,
    root: &Value,
    place: &str,
) -> Option<String> {
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let missing =
        required.filter(|name| !fields.contains_key(*name)).map(|name| format!("{place}.{name} is missing"));
    let of_field = |(name, value): (&String, &Value)| {
        let place = format!("{place}.{name}");
        match schema["properties"].get(name).or_else(|| schema.get("additionalProperties")) {
            Some(schema) => problem(value, schema, root, &place),
            None => Some(format!("{place} is in no schema")),
        }
    };
    missing.chain(fields.iter().filter_map(of_field)).next()
}

#[test]
fn what_does_not_fit_is_found() {
    let schema = serde_json::json!({
        "type": "object",
        "required": ["a"],
        "properties": {
            "a": { "type": "integer", "minimum": 0 },
            "b": { "anyOf": [{ "$ref": "#/$defs/B" }, { "type": "null" }] },
            "c": { "type": "object", "additionalProperties": { "type": "string" } },
        },
        "$defs": { "B": { "type": "array", "items": { "type": "boolean" } } },
    });
    let check = |value: Value| problem(&value, &schema, &schema, "").unwrap_or_default();
    for good in [r#"{"a":1}"#, r#"{"a":0,"b":null}"#, r#"{"a":0,"b":[true]}"#, r#"{"a":0,"c":{"x":"y"}}"#] {
        assert_eq!(check(serde_json::from_str(good).unwrap()), "", "{good}");
    }
    for (bad, said) in [
        (r#"{}"#, ".a is missing"),
        (r#"{"a":-1}"#, ".a is -1"),
        (r#"{"a":1,"z":1}"#, ".z is in no schema"),
        (r#"{"a":1,"b":[true,1]}"#, ".b[1] is 1"),
        (r#"{"a":1,"b":{}}"#, ".b is {}"),
        (r#"{"a":1,"c":{"x":1}}"#, ".c.x is 1"),
    ] {
        assert!(check(serde_json::from_str(bad).unwrap()).contains(said), "{bad}");
    }
}
