//! What holds for options that do not stand on the command line: the environment, and after it a profile.

use std::error::Error as _;
use std::ffi::{OsStr, OsString};

use backup_sources::Engines;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Command};

use crate::given::Given;
use crate::profile::{Profile, Setting, SettingValue};
use crate::{profile, profile_file, repository_argument};

/// Looks a variable of the environment up.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// A value that stands elsewhere.
pub(crate) struct Default<'a> {
    pub(crate) value: OsString,
    /// Where it stands, for errors.
    pub(crate) named_by: std::borrow::Cow<'a, str>,
}

/// Options that a variable of the environment names, too: it comes before a profile.
const VARIABLES: [(&str, &str); 6] = [
    ("identity", "KVBACKUP_IDENTITY"),
    ("password-file", "KVBACKUP_CQL_PASSWORD"),
    ("repository-key", "KVBACKUP_REPOSITORY_KEY"),
    ("sign-key", "KVBACKUP_SIGN_KEY"),
    ("state", "KVBACKUP_STATE"),
    ("trust", "KVBACKUP_TRUST"),
];
/// Options of a profile that mean nothing beside an option of the command line.
const MOOT: [(&str, &str); 3] = [("textfile", "dry_run"), ("sign-key", "share"), ("max-shrink", "share")];
/// Options of a profile that mean something only beside an option of the command line.
const NEEDED: [(&str, &str); 1] = [("wait", "share")];

/// Adds the options by which profiles and repositories are named.
pub(crate) fn with_options(command: Command) -> Command {
    repository_argument::explain(command).arg(repository_argument::option()).args(profile::options())
}

/// Puts into a command line what does not stand there, and stands in the environment or a profile. Returns the command to parse it with.
///
/// # Errors
///
/// A profile that is named cannot be used, or the repository is named twice.
pub(crate) fn fill_in(
    root: Command,
    words: &mut Vec<OsString>,
    engines: &Engines,
    environment: Environment<'_>,
) -> Result<Command, clap::Error> {
    let Some(given) = Given::read(&root, words) else { return Ok(root) };
    let problem = |problem: String| clap::Error::raw(ErrorKind::InvalidValue, format!("{problem}\n"));
    let profile = profile_file::find(&given, environment).map_err(problem)?;
    let mut built = root.clone();
    built.build();
    let profile = profile.map(|file| file.profile(&built)).transpose().map_err(problem)?;
    let mut settings = profile.as_ref().map(|profile| profile.settings(given.path())).unwrap_or_default();
    let repository = settings.remove("repository");
    if let Some(profile) = &profile {
        let named = |name: &str| environment_has(environment, name);
        let taken = settings.into_values().filter(|setting| !named(&setting.name));
        let options = words_of(profile, &taken.collect::<Vec<_>>(), (&given, given.command(&built)), engines);
        let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
        words.splice(end..end, options.map_err(problem)?);
    }
    let variable = environment(repository_argument::VARIABLE).filter(|value| !value.is_empty());
    let variable = variable.map(|value| Default { value, named_by: repository_argument::VARIABLE.into() });
    let from_profile = || {
        let (profile, setting) = (profile.as_ref()?, repository?);
        let value = setting.texts().first()?.into();
        Some(Default { value, named_by: profile.place(setting).into() })
    };
    repository_argument::fill_in(root, words, &given, (variable.or_else(from_profile), engines))
}

fn environment_has(environment: Environment<'_>, option: &str) -> bool {
    let variable = VARIABLES.iter().find(|(name, _)| *name == option);
    // A variable of trusted keys that is set and empty is an error, which no profile may hide.
    let counts = |value: &OsString| option == "trust" || !value.is_empty();
    variable.and_then(|(_, variable)| environment(variable)).is_some_and(|value| counts(&value))
}

/// Writes the options of a profile as words. Leaves out what this command does not have, and what stands on the command line.
fn words_of(
    profile: &Profile,
    settings: &[&Setting],
    (given, command): (&Given, &Command),
    engines: &Engines,
) -> Result<Vec<OsString>, String> {
    let namespace = namespace(given, command, settings, engines);
    let mut words = Vec::new();
    for setting in settings {
        let Some(argument) = find(command, &setting.name) else { continue };
        let is_moot = is_moot(given, command, argument);
        if is_moot || !fits_namespace(command, argument, namespace.as_deref(), engines) {
            continue;
        }
        match &setting.value {
            SettingValue::Flag(true) => words.push(format!("--{}", setting.name).into()),
            SettingValue::Flag(false) => {}
            SettingValue::Texts(texts) => {
                for text in texts {
                    let problem =
                        |problem| format!("{}: {}: {problem}", profile.place(setting), setting.name);
                    check_value(argument, OsStr::new(text)).map_err(problem)?;
                    words.push(format!("--{}={text}", setting.name).into());
                }
            }
        }
    }
    Ok(words)
}

/// Finds an option by its name.
pub(crate) fn find<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|argument| argument.get_long() == Some(name))
}

/// Returns true if an option of a profile does not count, because it or something that excludes it stands on the command line.
fn is_moot(given: &Given, command: &Command, argument: &Arg) -> bool {
    let (id, name) = (argument.get_id().as_str(), argument.get_long().unwrap_or_default());
    let excludes = |other: &Arg| {
        given.has(other.get_id().as_str())
            && (command.get_arg_conflicts_with(argument).iter().any(|found| found.get_id() == other.get_id())
                || command
                    .get_arg_conflicts_with(other)
                    .iter()
                    .any(|found| found.get_id() == argument.get_id()))
    };
    given.has(id)
        || command.get_arguments().any(excludes)
        || MOOT.iter().any(|(option, by)| *option == name && given.has(by))
        || NEEDED.iter().any(|(option, by)| *option == name && !given.has(by))
}

/// Returns the namespace that the command opens, if it opens one.
fn namespace(given: &Given, command: &Command, settings: &[&Setting], engines: &Engines) -> Option<OsString> {
    // Where REPO is left out, what is given was taken for another argument.
    let ids = command.get_positionals().map(|argument| argument.get_id().as_str()).chain(["against"]);
    let mut places = ids.filter_map(|id| given.value(id));
    let named =
        settings.iter().find(|setting| setting.name == "against").and_then(|setting| setting.texts().first());
    let is_namespace = |place: &&OsStr| engines.names_namespace(place);
    places
        .find(is_namespace)
        .map(OsStr::to_owned)
        .or_else(|| named.filter(|_| !given.has("all")).map(OsString::from))
}

/// Returns true unless an option of a profile is about another namespace than the one that is opened, or none is.
fn fits_namespace(command: &Command, argument: &Arg, namespace: Option<&OsStr>, engines: &Engines) -> bool {
    let name = argument.get_id().as_str();
    if is_of_engine(name, engines) {
        return namespace.is_some_and(|namespace| engines.knows_option(namespace, name));
    }
    if name != "layout" {
        return true;
    }
    let has = |id: &str| command.get_arguments().any(|argument| argument.get_id() == id);
    match namespace {
        // The locator itself names one.
        Some(namespace) => !namespace.to_string_lossy().contains("?layout="),
        None => !has("against") && !has("place"),
    }
}

/// Returns true for an option that an engine has.
fn is_of_engine(name: &str, engines: &Engines) -> bool {
    use backup_sources::Role;
    let roles = [Role::Source, Role::Target, Role::Native];
    let mut options = roles.into_iter().flat_map(|role| engines.options(role));
    options.any(|(_, option)| option.name() == name)
}

/// Checks a value as the option or argument does; says what is wrong with it, and does not repeat it.
pub(crate) fn check_value(argument: &Arg, value: &OsStr) -> Result<(), String> {
    let mut word = OsString::from("--value=");
    word.push(value);
    let parser = argument.get_value_parser().clone();
    let scratch = Arg::new("value").long("value").action(ArgAction::Append).value_parser(parser);
    let scratch = match argument.get_value_delimiter() {
        Some(delimiter) => scratch.value_delimiter(delimiter),
        None => scratch,
    };
    let checked = Command::new("value").no_binary_name(true).arg(scratch).try_get_matches_from([word]);
    checked.map(drop).map_err(|error| match error.source() {
        Some(reason) => reason.to_string(),
        None => {
            let text = error.render().to_string();
            let allowed = text.split_once("[possible values: ").and_then(|(_, rest)| rest.split_once(']'));
            allowed.map_or_else(
                || "this value is not taken".to_owned(),
                |(allowed, _)| format!("expected one of {allowed}"),
            )
        }
    })
}
