//! The types of what `--json` prints, and the schemas in `docs/json` that are made of them.
//!
//! The types are those of a reader: the program is held against them from outside. What stands in `docs/JSON.md` of a field is the comment of the
//! field here.

// Nothing reads the fields: the types are there for their schemas.
#![allow(dead_code, missing_docs)]

mod checks;
mod dumps;
mod keeping;
mod looks;
mod nullable;
mod validate;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

const DUMP: &str = "Fields of a dump";
const SIGNED: &str = "Who signed a dump";
const ATTESTED: &str = "What is attested of a dump";
const BACKUP: &str = "`backup`, `import`";
const KEYS: &str = "`key list`, `key add`, `key remove`, `key rotate`, `key recover`";

/// The files of schemas, and the headings of the document whose fields they have.
const FILES: [(&str, &[&str]); 38] = [
    ("backup", &[DUMP, BACKUP]),
    ("backup-share", &["`backup --share`"]),
    ("copy", &["`copy`"]),
    ("diff", &["`diff`"]),
    ("diff-entry", &["`diff`: an entry"]),
    ("diff-partition", &["`diff`: a partition"]),
    ("digest", &["`digest`, `inspect SOURCE`"]),
    ("error", &["Errors"]),
    ("export", &[DUMP, "`export`"]),
    ("fence", &["`fence raise`, `fence status`"]),
    ("fence-thaw", &["`fence thaw`"]),
    ("finish", &[DUMP, BACKUP, "`finish`"]),
    ("forget", &["`forget`"]),
    ("forget-prune", &["`forget`", "`prune`"]),
    ("get", &["`get`"]),
    ("get-entry", &["`get`: an entry"]),
    ("import", &[DUMP, BACKUP]),
    ("init", &["`init`"]),
    ("inspect", &[DUMP, SIGNED, ATTESTED]),
    ("key", &[KEYS]),
    ("key-generate", &["`key generate`"]),
    ("key-generate-age", &["`key generate --age`"]),
    ("list", &["`list`"]),
    ("ls", &["`ls`"]),
    ("ls-partition", &["`ls`: a partition"]),
    ("man-pages", &["`man-pages`"]),
    ("metrics", &["`metrics`"]),
    ("native", &["`native-backup`, `native-restore`"]),
    ("probe", &["`probe`"]),
    ("prune", &["`prune`"]),
    ("repair", &["`repair`"]),
    ("report", &["`report`"]),
    ("restore", &[DUMP, "`restore`"]),
    ("sign", &["`sign`"]),
    ("stats", &["`stats`"]),
    ("unforget", &["`unforget`"]),
    ("verify", &[DUMP, SIGNED, "`verify`"]),
    ("verify-all", &["`verify --all`"]),
];
/// What has no field `seconds`: lines before the last one, and errors.
const UNTIMED: [&str; 5] = ["diff-entry", "diff-partition", "error", "get-entry", "ls-partition"];

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    T::json_schema(generator).to_value()
}

/// Returns the schema of the fields below a heading of the document.
fn part(heading: &str, generator: &mut SchemaGenerator) -> Value {
    let make: fn(&mut SchemaGenerator) -> Value = match heading {
        DUMP => of::<dumps::Dump>,
        SIGNED => of::<dumps::Signed>,
        ATTESTED => of::<dumps::Attested>,
        BACKUP => of::<dumps::Backup>,
        KEYS => of::<keeping::Keys>,
        "`backup --share`" => of::<dumps::Share>,
        "`finish`" => of::<dumps::Finish>,
        "`restore`" => of::<dumps::Restore>,
        "`export`" => of::<dumps::Export>,
        "`man-pages`" => of::<dumps::ManPages>,
        "`native-backup`, `native-restore`" => of::<dumps::Native>,
        "`verify`" => of::<checks::Verify>,
        "`verify --all`" => of::<checks::VerifyAll>,
        "`fence raise`, `fence status`" => of::<checks::Fence>,
        "`fence thaw`" => of::<checks::FenceThaw>,
        "`digest`, `inspect SOURCE`" => of::<checks::Digest>,
        "Errors" => of::<checks::Error>,
        "`diff`" => of::<looks::Diff>,
        "`diff`: a partition" => of::<looks::DiffPartition>,
        "`diff`: an entry" => of::<looks::DiffEntry>,
        "`ls`" => of::<looks::Ls>,
        "`ls`: a partition" => of::<looks::LsPartition>,
        "`get`" => of::<looks::Get>,
        "`get`: an entry" => of::<looks::GetEntry>,
        "`init`" => of::<keeping::Init>,
        "`key generate`" => of::<keeping::KeyGenerate>,
        "`key generate --age`" => of::<keeping::KeyGenerateAge>,
        "`list`" => of::<keeping::List>,
        "`metrics`" => of::<keeping::Metrics>,
        "`report`" => of::<keeping::Report>,
        "`forget`" => of::<keeping::Forget>,
        "`prune`" => of::<keeping::Prune>,
        "`unforget`" => of::<keeping::Unforget>,
        "`sign`" => of::<keeping::Sign>,
        "`stats`" => of::<keeping::Stats>,
        "`probe`" => of::<keeping::Probe>,
        "`copy`" => of::<keeping::Copy>,
        "`repair`" => of::<keeping::Repair>,
        other => panic!("{other}: add a type of what is printed to tests/cli/schema"),
    };
    make(generator)
}

/// Returns the schema of objects that have the fields below all of these headings.
fn schema(headings: &[&str]) -> Value {
    let mut generator = SchemaGenerator::default();
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for heading in headings {
        let part = part(heading, &mut generator);
        properties.extend(part["properties"].as_object().unwrap().clone());
        required.extend(part["required"].as_array().into_iter().flatten().cloned());
    }
    // What two of them have is required if one of them requires it.
    required.sort_by_key(Value::to_string);
    required.dedup();
    let mut schema = json!({ "type": "object", "properties": properties, "required": required });
    let definitions = generator.take_definitions(true);
    if !definitions.is_empty() {
        schema["$defs"] = definitions.into();
    }
    never_null(&mut schema);
    schema
}

/// Lets an optional field be missing, but not null.
fn never_null(schema: &mut Value) {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for (_, field) in properties.iter_mut().filter(|(name, _)| !required.contains(&json!(name))) {
            without_null(field);
        }
    }
    match schema {
        Value::Object(fields) => fields.values_mut().for_each(never_null),
        Value::Array(values) => values.iter_mut().for_each(never_null),
        _ => {}
    }
}

fn without_null(field: &mut Value) {
    if let Some([kind, null]) = field["type"].as_array().map(Vec::as_slice)
        && null == "null"
    {
        field["type"] = kind.clone();
    }
    if let Some([inner, null]) = field["anyOf"].as_array().map(Vec::as_slice)
        && *null == json!({ "type": "null" })
    {
        let inner = inner.as_object().unwrap().clone();
        let field = field.as_object_mut().unwrap();
        field.remove("anyOf");
        field.extend(inner);
    }
}

/// Checks that an object is what the types below these headings say, down to the last field.
pub fn check(headings: &[&str], found: &Map<String, Value>) {
    let mut schema = schema(headings);
    schema["properties"]["seconds"] = json!({ "type": "number" });
    let found = Value::Object(found.clone());
    let problem = validate::problem(&found, &schema, &schema, "$");
    assert_eq!(problem, None, "{headings:?}: {found}");
}

fn document(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)
}

/// Writes a schema as it stands in its file.
fn file(name: &str, headings: &[&str]) -> String {
    let mut schema = schema(headings);
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = format!("kvbackup {name} --json").into();
    if !UNTIMED.contains(&name) {
        schema["properties"]["seconds"] =
            json!({ "type": "number", "description": "how long the command took, as a fraction" });
        schema["required"].as_array_mut().unwrap().push("seconds".into());
    }
    format!("{schema:#}\n")
}

#[test]
fn the_files_of_schemas_are_made_of_the_types() {
    let bless = std::env::var_os("KVBACKUP_BLESS").is_some();
    let directory = document("json");
    for (name, headings) in FILES {
        let (path, made) = (directory.join(format!("{name}.json")), file(name, headings));
        if bless {
            fs::create_dir_all(&directory).unwrap();
            fs::write(&path, &made).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == made,
            "{} is not made of the types: KVBACKUP_BLESS=1 cargo test writes it",
            path.display()
        );
    }
    let files = fs::read_dir(&directory).unwrap().filter(|entry| {
        entry.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "json")
    });
    assert_eq!(files.count(), FILES.len(), "a file in docs/json is of no type");
}

/// Names the type of a field as the document does.
fn word(field: &Value) -> String {
    if let Some(any) = field["anyOf"].as_array() {
        let mut words: Vec<_> = any.iter().map(word).collect();
        words.sort_by_key(|word| word == "null");
        words.dedup();
        return words.join(" or ");
    }
    match field["type"].as_str() {
        Some("string") => "text",
        Some("integer" | "number") => "number",
        Some("boolean") => "bool",
        Some("array") => "list",
        Some("null") => "null",
        _ => "object",
    }
    .to_owned()
}

#[test]
fn the_tables_of_the_document_say_what_the_types_say() {
    let text = fs::read_to_string(document("JSON.md")).unwrap();
    let (mut tables, mut heading) = (BTreeMap::<&str, BTreeMap<&str, String>>::new(), "");
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            heading = title;
        }
        let name = line.strip_prefix("| `").and_then(|rest| rest.split_once('`'));
        if let (Some((name, _)), false) = (name, heading.is_empty()) {
            tables.entry(heading).or_default().insert(name, line.to_owned());
        }
    }
    assert!(tables.len() > 30, "{tables:?}");
    for (heading, rows) in &tables {
        let schema = schema(&[heading]);
        let fields = schema["properties"].as_object().unwrap();
        for (name, field) in fields {
            let meaning = field["description"].as_str().unwrap();
            let row = format!("| `{name}` | {} | {meaning} |", word(field));
            assert_eq!(
                rows.get(name.as_str()),
                Some(&row),
                "docs/JSON.md, {heading}: a type in tests/cli/schema has {name}"
            );
            let is_required = schema["required"].as_array().unwrap().contains(&json!(name));
            let may_be_missing = ["may be missing", "Missing where", "as `digest`"]
                .iter()
                .any(|words| meaning.contains(words));
            assert_eq!(is_required, !may_be_missing, "{heading}: {name}");
        }
        for name in rows.keys() {
            assert!(fields.contains_key(*name), "{heading}: no type in tests/cli/schema has {name}");
        }
    }
    for heading in FILES.iter().flat_map(|(_, headings)| *headings) {
        assert!(tables.contains_key(heading), "{heading}");
    }
    for heading in tables.keys() {
        assert!(FILES.iter().any(|(_, headings)| headings.contains(heading)), "{heading} is in no schema");
    }
}
