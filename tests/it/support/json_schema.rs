//! A validator for the JSON Schemas that `--json-schema` prints: the keywords that they use, and a
//! failure for any other.

use serde_json::Value;

/// Keywords that say nothing about a value.
const REMARKS: &[&str] = &[
    "$schema",
    "$defs",
    "title",
    "description",
    "format",
    "minimum",
];

/// What is wrong with `value`, each with the place of it; empty if it is valid.
pub fn faults(schema: &Value, value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    check(schema, schema, value, "$", &mut faults);
    faults
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    let Some(keywords) = schema.as_object() else {
        return assert!(schema == &Value::Bool(true), "{at}: a schema {schema}");
    };
    for (keyword, rule) in keywords {
        match keyword.as_str() {
            "$ref" => {
                let pointer = rule.as_str().expect("a reference").trim_start_matches('#');
                let target = root.pointer(pointer).expect("a reference to a definition");
                check(root, target, value, at, faults);
            }
            "anyOf" => {
                let mut choices = rule.as_array().expect("schemas").iter();
                let fits = |choice: &Value| {
                    let mut inner = Vec::new();
                    check(root, choice, value, at, &mut inner);
                    inner.is_empty()
                };
                if !choices.any(fits) {
                    faults.push(format!("{at}: no choice fits {value}"));
                }
            }
            "type" => {
                let names = rule
                    .as_array()
                    .cloned()
                    .unwrap_or_else(|| vec![rule.clone()]);
                if !names.iter().any(|name| is_of_type(value, name)) {
                    faults.push(format!("{at}: {value} is not {rule}"));
                }
            }
            "enum" if !rule.as_array().expect("values").contains(value) => {
                faults.push(format!("{at}: {value} is none of {rule}"));
            }
            "properties" => {
                let Some(object) = value.as_object() else {
                    continue;
                };
                let known = rule.as_object().expect("properties");
                for (name, inner) in object {
                    match known.get(name) {
                        Some(rule) => check(root, rule, inner, &format!("{at}.{name}"), faults),
                        None => faults.push(format!("{at}.{name}: not in the schema")),
                    }
                }
            }
            "required" => {
                let names = rule.as_array().expect("names").iter();
                let missing = names.filter(|name| {
                    value.is_object() && value.get(name.as_str().expect("a name")).is_none()
                });
                faults.extend(missing.map(|name| format!("{at}: {name} is missing")));
            }
            "items" => {
                for (number, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, rule, item, &format!("{at}[{number}]"), faults);
                }
            }
            "additionalProperties" => {
                for (name, inner) in value.as_object().into_iter().flatten() {
                    check(root, rule, inner, &format!("{at}.{name}"), faults);
                }
            }
            "enum" => {}
            other => assert!(REMARKS.contains(&other), "{at}: the keyword `{other}`"),
        }
    }
}

fn is_of_type(value: &Value, name: &Value) -> bool {
    match name.as_str() {
        Some("null") => value.is_null(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_u64() || value.is_i64(),
        Some("number") => value.is_number(),
        Some("string") => value.is_string(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => false,
    }
}

#[test]
fn a_value_that_breaks_a_schema_is_found() {
    let schema = serde_json::json!({
        "type": "object",
        "required": ["a"],
        "properties": {
            "a": {"type": ["string", "null"], "enum": ["x", null]},
            "b": {"type": "array", "items": {"$ref": "#/$defs/B"}},
        },
        "$defs": {"B": {"type": "integer"}},
    });
    let count = |value: Value| faults(&schema, &value).len();
    assert_eq!(count(serde_json::json!({"a": "x", "b": [1, 2]})), 0);
    assert_eq!(count(serde_json::json!({"a": null})), 0);
    assert_eq!(count(serde_json::json!({"b": [1, "2"]})), 2);
    assert_eq!(count(serde_json::json!({"a": "y", "c": 1})), 2);
    assert_eq!(count(serde_json::json!([])), 1);
}
