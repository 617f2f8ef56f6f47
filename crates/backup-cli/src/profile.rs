//! A profile: options that stand in every call, in a table of a TOML file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::builder::OsStringValueParser;
use clap::{Arg, ArgAction, Command};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::defaults;

/// Options that are for one call.
const ONE_CALL: [&str; 12] = [
    "chain",
    "dry-run",
    "dump",
    "for-key",
    "job",
    "last",
    "missing",
    "one-recipient-only",
    "profile",
    "profile-file",
    "share",
    "survey",
];
/// Beginnings of options that take what is refused otherwise, or give something up. They are for one call, too.
const ONE_CALL_STEMS: [&str; 5] = ["accept-", "allow-", "discard", "leave-", "without-"];
/// What the text of a key of age begins with.
const SECRETS: [&str; 2] = ["AGE-SECRET-KEY-", "AGE-PLUGIN-"];

/// Returns the options that name a profile, for all commands.
pub(crate) fn options() -> [Arg; 2] {
    let option = |id: &'static str, name: &'static str| {
        let option = Arg::new(id).long(name).value_parser(OsStringValueParser::new());
        option.global(true).hide_short_help(true)
    };
    [
        option("profile", "profile")
            .value_name("NAME")
            .help("Take what is not given from this profile, a table of a TOML file: the help of kvbackup says more [default: KVBACKUP_PROFILE]"),
        option("profile_file", "profile-file")
            .value_name("FILE")
            .help("The file of profiles [default: KVBACKUP_PROFILE_FILE, or the first with the profile of ~/.config/kvbackup/profiles.toml and /etc/kvbackup/profiles.toml]"),
    ]
}

/// The value of an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SettingValue {
    Flag(bool),
    Texts(Vec<String>),
}

/// An option of a profile.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// Its long name.
    pub(crate) name: String,
    pub(crate) value: SettingValue,
    line: usize,
}

impl Setting {
    /// Returns the values; a flag has none.
    pub(crate) fn texts(&self) -> &[String] {
        match &self.value {
            SettingValue::Flag(_) => &[],
            SettingValue::Texts(texts) => texts,
        }
    }
}

/// What a profile says for all commands that have an option, or for a command and those below it.
#[derive(Debug, Default)]
struct Section {
    settings: Vec<Setting>,
    below: BTreeMap<String, Section>,
}

/// A profile whose options are known.
#[derive(Debug)]
pub(crate) struct Profile {
    path: PathBuf,
    section: Section,
}

impl Profile {
    /// Returns what holds for a command: what its own section says comes before what stands above it.
    pub(crate) fn settings(&self, path: &[String]) -> BTreeMap<&str, &Setting> {
        let mut section = Some(&self.section);
        let mut names = path.iter();
        let mut settings = BTreeMap::new();
        while let Some(found) = section {
            settings.extend(found.settings.iter().map(|setting| (setting.name.as_str(), setting)));
            section = names.next().and_then(|name| found.below.get(name));
        }
        settings
    }

    /// Says where a setting stands.
    pub(crate) fn place(&self, setting: &Setting) -> String {
        format!("{}:{}", self.path.display(), setting.line)
    }
}

/// Returns the names of the profiles in a file.
pub(crate) fn names(path: &Path, text: &str) -> Result<Vec<String>, String> {
    let file = Source { path, text };
    let table = file.table()?;
    for (name, value) in &table {
        if !value.get_ref().is_table() {
            let name = name.get_ref();
            return Err(file
                .problem(value, &format!("{name} stands in no profile; write it below a line like [NAME]")));
        }
    }
    Ok(table.keys().map(|name| name.get_ref().to_string()).collect())
}

/// Takes a profile out of a file, and checks that these commands have all of its options.
pub(crate) fn parse(path: &Path, text: &str, name: &str, root: &Command) -> Result<Profile, String> {
    let file = Source { path, text };
    let table = file.table()?;
    let found = table.iter().find(|(found, _)| found.get_ref() == name);
    let Some(table) = found.and_then(|(_, value)| value.get_ref().as_table()) else {
        return Err(format!("{} holds no profile {name:?}", path.display()));
    };
    Ok(Profile { path: path.to_owned(), section: file.section(table, root)? })
}

/// A file of profiles.
struct Source<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    fn table(&self) -> Result<DeTable<'_>, String> {
        let parsed = DeTable::parse(self.text);
        // The text of the error itself would show the line, whatever stands there.
        parsed.map(Spanned::into_inner).map_err(|error| {
            let line = self.line(error.span().map_or(0, |span| span.start));
            format!("{}:{line}: this is no TOML: {}", self.path.display(), error.message())
        })
    }

    fn line(&self, place: usize) -> usize {
        self.text.bytes().take(place).filter(|byte| *byte == b'\n').count() + 1
    }

    fn problem<T>(&self, at: &Spanned<T>, problem: &str) -> String {
        format!("{}:{}: {problem}", self.path.display(), self.line(at.span().start))
    }

    /// Reads what stands in a table for a command, and for the commands below it.
    fn section(&self, table: &DeTable<'_>, command: &Command) -> Result<Section, String> {
        let mut section = Section::default();
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            if let Some(below) = value.get_ref().as_table() {
                let found = command.find_subcommand(name).filter(|_| name != "help");
                let Some(found) = found else {
                    let names =
                        command.get_subcommands().map(Command::get_name).filter(|name| *name != "help");
                    let names = names.collect::<Vec<_>>().join(", ");
                    let problem =
                        format!("{name} is no command that could have a section here; commands are {names}");
                    return Err(self.problem(key, &problem));
                };
                section.below.insert(name.to_owned(), self.section(below, found)?);
            } else {
                section.settings.push(self.setting(key.span().start, name, (value, command))?);
            }
        }
        Ok(section)
    }

    fn setting(
        &self,
        place: usize,
        name: &str,
        (value, command): (&Spanned<DeValue<'_>>, &Command),
    ) -> Result<Setting, String> {
        let line = self.line(place);
        let problem = |problem: &str| Err(format!("{}:{line}: {problem}", self.path.display()));
        if is_for_one_call(name) {
            return problem(&format!("{name} is for one call, and stands in no profile"));
        }
        let Some(argument) = find_below(command, name) else {
            let whose = if command.get_name() == "kvbackup" {
                "any command".to_owned()
            } else {
                format!("{:?}", command.get_name())
            };
            let mut known = BTreeSet::new();
            names_below(command, &mut known);
            let known = known.into_iter().collect::<Vec<_>>().join(", ");
            return problem(&format!("{name} is no option of {whose}; these are: {known}"));
        };
        let texts = |value: &DeValue<'_>| match value {
            DeValue::String(text) => Some(text.to_string()),
            DeValue::Integer(number) => {
                i64::from_str_radix(number.as_str(), number.radix()).ok().map(|number| number.to_string())
            }
            _ => None,
        };
        let value = value.get_ref();
        let (found, expected) = match (argument.get_action(), value) {
            (ArgAction::Set, value) => (
                texts(value).map(|text| SettingValue::Texts(vec![text])),
                "a text in quotes, or a whole number",
            ),
            (ArgAction::Append, DeValue::Array(values)) => {
                let found: Option<Vec<_>> = values.iter().map(|value| texts(value.get_ref())).collect();
                (found.map(SettingValue::Texts), "a list of texts in quotes")
            }
            (ArgAction::Append, value) => (
                texts(value).map(|text| SettingValue::Texts(vec![text])),
                "a text in quotes, or a list of them",
            ),
            (_, value) => (value.as_bool().map(SettingValue::Flag), "true or false"),
        };
        let Some(found) = found else {
            return problem(&format!("{name}: expected {expected}, found {}", kind(value)));
        };
        let setting = Setting { name: name.to_owned(), value: found, line };
        let is_secret =
            |text: &String| SECRETS.iter().any(|start| text.to_ascii_uppercase().starts_with(start));
        if setting.texts().iter().any(is_secret) {
            return problem(&format!("{name}: a key itself stands here; name the file that holds it"));
        }
        Ok(setting)
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a time without quotes",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn is_for_one_call(name: &str) -> bool {
    ONE_CALL.contains(&name) || ONE_CALL_STEMS.iter().any(|stem| name.starts_with(stem))
}

/// Finds an option of a command, or of a command below it.
fn find_below<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    let own = defaults::find(command, name).filter(|option| is_option(option));
    own.or_else(|| command.get_subcommands().find_map(|below| find_below(below, name)))
}

fn names_below<'a>(command: &'a Command, names: &mut BTreeSet<&'a str>) {
    let options = command.get_arguments().filter(|option| is_option(option));
    let options = options.filter_map(Arg::get_long).filter(|name| !is_for_one_call(name));
    names.extend(options);
    command.get_subcommands().for_each(|below| names_below(below, names));
}

/// Returns true for an option that says what is done.
fn is_option(argument: &Arg) -> bool {
    !matches!(
        argument.get_action(),
        ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version
    )
}
