//! The layers settings come from, strongest first: flags, environment, `mobula.toml`, defaults.
//! In: parsed arguments, variables, the file's text. Out: [`Chosen`], one raw value a key with its
//! source. It knows keys only through their table, and judges no value.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::ConfigError;
use super::keys::{Basis, Fallback, KEYS, Key};
use super::machine;
use super::values::{Raw, Setting, Shape};

/// The name of the file that is looked for in the data directory and in the current folder.
const FILE_NAME: &str = "mobula.toml";

/// Which layer a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A flag of this name.
    Flag(String),
    /// A variable of this name.
    Environment(String),
    /// The file.
    File(PathBuf),
    /// Nothing set it.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "--{name}"),
            Self::Environment(name) => f.write_str(name),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One raw value for every key.
#[derive(Debug)]
pub struct Chosen(BTreeMap<&'static str, (Raw, Source)>);

impl Chosen {
    /// Reads the value of the key `name` as a `T`.
    pub fn read<T: Setting>(&self, name: &str) -> Result<T, ConfigError> {
        let (raw, source) = self
            .0
            .get(name)
            .ok_or_else(|| ConfigError::invalid(format!("{name} is not a setting")))?;
        T::read(raw).map_err(|why| ConfigError::invalid(format!("{name} (from {source}): {why}")))
    }

    /// Where the value of the key `name` came from.
    pub fn source(&self, name: &str) -> &Source {
        self.0.get(name).map_or(&Source::Default, |(_, source)| source)
    }
}

/// The `mobula` command with a flag for every key.
pub fn command() -> Command {
    let mut serve = Command::new("serve")
        .about("Answers Postgres clients until SIGTERM")
        .arg(Arg::new("config").long("config").value_name("FILE").help(
            "The configuration file [default: DATA_DIR/mobula.toml, else ./mobula.toml, if there; \
             MOBULA_CONFIG]",
        ))
        .arg(
            Arg::new("print-config")
                .long("print-config")
                .action(ArgAction::SetTrue)
                .help("Prints every setting with unit, default and reason as TOML, and ends"),
        )
        .arg(
            Arg::new("reset-password")
                .long("reset-password")
                .action(ArgAction::SetTrue)
                .help("Makes a new password for the role mobula"),
        );
    for key in KEYS {
        serve = serve.arg(flag(key));
    }
    let wheel = Command::new("wheel")
        .about("Makes a wheel of the package that nodes of Ray may have installed (ray_send)")
        .arg(Arg::new("folder").value_name("FOLDER").default_value("."))
        .arg(Arg::new("python").long("ray-python").value_name("PROGRAM").default_value("python3"));
    Command::new("mobula")
        .version(env!("CARGO_PKG_VERSION"))
        .about("SQL on Ray through the Postgres protocol")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(serve)
        .subcommand(wheel)
}

fn flag(key: &'static Key) -> Arg {
    let default = match key.default {
        Fallback::Fixed("") => "none",
        Fallback::Fixed(text) | Fallback::Computed(text, _) => text,
    };
    // clap wants names that live for ever; there are some two dozen, once per process.
    let name: &'static str = flag_name(key).leak();
    let help = format!("{} [default: {default}; {}]", key.reason.trim(), variable_name(key));
    let arg = Arg::new(key.name).long(name).help(help);
    let value = match key.shape {
        Shape::Path => "PATH",
        _ => key.unit,
    };
    match key.shape {
        Shape::Switch => arg
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .value_name(value)
            .hide_possible_values(true),
        Shape::Paths => arg.action(ArgAction::Append).value_name("PATH"),
        Shape::Lines => arg.action(ArgAction::Append).value_name("LINE"),
        _ => arg.value_name(value),
    }
}

/// `data_dir` is `--data-dir`.
pub fn flag_name(key: &Key) -> String {
    key.name.replace('_', "-")
}

/// `data_dir` is `MOBULA_DATA_DIR`.
pub fn variable_name(key: &Key) -> String {
    format!("MOBULA_{}", key.name.to_ascii_uppercase())
}

/// What each layer says, before the strongest is chosen.
pub struct Layers<'a> {
    flags: &'a ArgMatches,
    env: BTreeMap<String, String>,
    table: BTreeMap<&'static str, Raw>,
    /// The file that was read.
    pub file: Option<PathBuf>,
}

impl<'a> Layers<'a> {
    /// Collects the layers; reads the file if there is one.
    pub fn gather(flags: &'a ArgMatches, env: Vec<(String, String)>) -> Result<Self, ConfigError> {
        let env = env.into_iter().collect();
        let mut layers = Self { flags, env, table: BTreeMap::new(), file: None };
        if let Some((path, text)) = layers.find_file()? {
            layers.table = read_table(&path, &text)?;
            layers.file = Some(path);
        }
        Ok(layers)
    }

    /// The configuration file and its text: the named one must exist, the usual ones may.
    fn find_file(&self) -> Result<Option<(PathBuf, String)>, ConfigError> {
        let named =
            self.flags.get_one::<String>("config").or_else(|| self.env.get("MOBULA_CONFIG"));
        if let Some(path) = named {
            let text = std::fs::read_to_string(path).map_err(|error| {
                ConfigError::invalid(format!("cannot read the configuration file {path}: {error}"))
            })?;
            return Ok(Some((absolute(Path::new(path))?, text)));
        }
        let data_dir = self.data_dir()?;
        for folder in [data_dir.as_path(), Path::new(".")] {
            let path = folder.join(FILE_NAME);
            match std::fs::read_to_string(&path) {
                Ok(text) => return Ok(Some((absolute(&path)?, text))),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {}
                Err(error) => {
                    let path = path.display();
                    return Err(ConfigError::invalid(format!("cannot read {path}: {error}")));
                }
            }
        }
        Ok(None)
    }

    fn data_dir(&self) -> Result<PathBuf, ConfigError> {
        let key = KEYS.iter().find(|key| key.name == "data_dir");
        let chosen = key.and_then(|key| self.strongest(key)).map(|(raw, _)| raw);
        let fallback = match key.map(|key| key.default) {
            Some(Fallback::Fixed(text)) => text,
            _ => ".",
        };
        let raw = chosen.unwrap_or_else(|| Raw::Text(fallback.to_owned()));
        PathBuf::read(&raw).map_err(|why| ConfigError::invalid(format!("data_dir: {why}")))
    }

    /// One value for every key.
    pub fn choose(&self) -> Result<Chosen, ConfigError> {
        let basis = Basis {
            data_dir: self.data_dir()?,
            memory: machine::memory_bytes(),
            cores: machine::cores(),
        };
        let mut chosen = BTreeMap::new();
        for key in KEYS {
            let value = self.strongest(key).unwrap_or_else(|| {
                let text = match key.default {
                    Fallback::Fixed(text) => text.to_owned(),
                    Fallback::Computed(_, compute) => compute(&basis),
                };
                (Raw::Text(text), Source::Default)
            });
            chosen.insert(key.name, value);
        }
        Ok(Chosen(chosen))
    }

    fn strongest(&self, key: &Key) -> Option<(Raw, Source)> {
        if let Some(values) = self.flags.get_many::<String>(key.name) {
            let values: Vec<String> = values.cloned().collect();
            return Some((one_or_many(key, values), Source::Flag(flag_name(key))));
        }
        let variable = variable_name(key);
        if let Some(text) = self.env.get(&variable) {
            return Some((Raw::Text(text.clone()), Source::Environment(variable)));
        }
        // What every Rust program understands, after our own name for it.
        if key.name == "log"
            && let Some(text) = self.env.get("RUST_LOG").filter(|text| !text.is_empty())
        {
            return Some((Raw::Text(text.clone()), Source::Environment("RUST_LOG".into())));
        }
        let raw = self.table.get(key.name)?.clone();
        Some((raw, Source::File(self.file.clone().unwrap_or_default())))
    }

    /// Variables that look like misspelt ones of ours. Others with our prefix are let be: an
    /// orchestrator makes MOBULA_SERVICE_HOST and its like for a service of this name.
    pub fn notes(&self) -> Vec<String> {
        let known: Vec<String> = KEYS.iter().map(variable_name).collect();
        let ours = self.env.keys().filter(|name| name.starts_with("MOBULA_"));
        ours.filter(|name| *name != "MOBULA_CONFIG" && !known.contains(name))
            .filter_map(|name| {
                let near = nearest(name, known.iter().map(String::as_str), 0.95)?;
                Some(format!("the variable {name} is not a setting; did you mean {near}?"))
            })
            .collect()
    }
}

fn one_or_many(key: &Key, mut values: Vec<String>) -> Raw {
    match key.shape {
        Shape::Paths | Shape::Lines => Raw::List(values),
        _ => Raw::Text(values.pop().unwrap_or_default()),
    }
}

/// The file's keys, unknown ones refused, relative paths made relative to the file's folder.
fn read_table(path: &Path, text: &str) -> Result<BTreeMap<&'static str, Raw>, ConfigError> {
    let shown = path.display();
    let table: toml::Table =
        text.parse().map_err(|error| ConfigError::invalid(format!("{shown}: {error}")))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut raws = BTreeMap::new();
    for (name, value) in table {
        let Some(key) = KEYS.iter().find(|key| key.name == name) else {
            let near = nearest(&name, KEYS.iter().map(|key| key.name), 0.8);
            let hint = near.map_or_else(
                || "\"mobula serve --print-config\" lists all keys".to_owned(),
                |near| format!("did you mean {near:?}?"),
            );
            return Err(ConfigError::invalid(format!("{shown}: unknown key {name:?}; {hint}")));
        };
        let raw = raw(key, &value, folder)
            .map_err(|why| ConfigError::invalid(format!("{shown}: {name}: {why}")))?;
        raws.insert(key.name, raw);
    }
    Ok(raws)
}

fn raw(key: &Key, value: &toml::Value, folder: &Path) -> Result<Raw, String> {
    let rooted = |text: &str| match key.shape {
        Shape::Path | Shape::Paths if !text.is_empty() => {
            folder.join(text).to_string_lossy().into_owned()
        }
        _ => text.to_owned(),
    };
    Ok(match value {
        toml::Value::String(text) if key.shape == Shape::Paths => Raw::List(vec![rooted(text)]),
        toml::Value::String(text) => Raw::Text(rooted(text)),
        toml::Value::Integer(number) => Raw::Text(number.to_string()),
        toml::Value::Float(number) => Raw::Text(number.to_string()),
        toml::Value::Boolean(truth) => Raw::Text(truth.to_string()),
        toml::Value::Array(values) => Raw::List(
            values
                .iter()
                .map(|value| value.as_str().map(rooted).ok_or("holds something not a string"))
                .collect::<Result<_, _>>()?,
        ),
        toml::Value::Table(_) | toml::Value::Datetime(_) => {
            return Err("is neither text nor a number".into());
        }
    })
}

fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>, at_least: f64) -> Option<&'n str> {
    known
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .filter(|(score, _)| *score >= at_least)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, known)| known)
}

fn absolute(path: &Path) -> Result<PathBuf, ConfigError> {
    std::path::absolute(path).map_err(|error| {
        ConfigError::invalid(format!("cannot tell where {} is: {error}", path.display()))
    })
}
