//! The server's settings, from the command line to one checked value.
//! In: arguments, environment, `mobula.toml`, the machine's size. Out: [`Action`] — serve with a
//! [`Launch`], or print. It opens no socket and no data file, and knows nothing of sessions (SET).

mod keys;
mod layers;
mod machine;
mod print;
mod validate;
mod values;

#[cfg(test)]
mod tests;

pub use keys::{Fallback, KEYS, Key, Settings};
pub use machine::{memory_bytes, raise_open_files, resident_bytes, tune_memory};
pub use values::{ByteSize, ListenAddress, Runner};

use std::ffi::OsString;
use std::path::PathBuf;

use layers::Layers;

/// Why the server does not start: said on stderr, in a sentence that says what to change.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The command line itself: also `--help` and `--version`, which `clap::Error::exit` prints.
    #[error(transparent)]
    Usage(#[from] clap::Error),
    /// A setting's value, or two that do not fit together.
    #[error("{0}")]
    Invalid(String),
}

impl ConfigError {
    fn invalid(sentence: impl Into<String>) -> Self {
        Self::Invalid(sentence.into())
    }
}

/// What the command line asks for.
#[derive(Debug)]
pub enum Action {
    /// `mobula serve`.
    Serve(Box<Launch>),
    /// `mobula wheel`: a wheel of the package for nodes of Ray.
    Wheel {
        /// Where it goes.
        folder: PathBuf,
        /// What makes it.
        python: PathBuf,
    },
    /// `mobula serve --print-config`: this text on stdout, nothing else.
    Print(String),
}

/// All that one start of the server is told.
#[derive(Debug)]
pub struct Launch {
    /// Every key, checked.
    pub settings: Settings,
    /// Make a new password for the admin role (`--reset-password`).
    pub reset_password: bool,
    /// The configuration file that was read.
    pub file: Option<PathBuf>,
    /// What deserves a warning in the log once there is one, such as a misspelt variable.
    pub notes: Vec<String>,
}

/// [`load`] over this process's arguments and environment.
pub fn from_process() -> Result<Action, ConfigError> {
    // A variable that is not UTF-8 is either not ours or refused as a value that means nothing.
    let env = std::env::vars_os()
        .filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
        })
        .collect();
    load(std::env::args_os(), env)
}

/// Reads all layers, checks them, and says what to do. Reads at most one file, the configuration.
pub fn load(
    args: impl IntoIterator<Item = OsString>,
    env: Vec<(String, String)>,
) -> Result<Action, ConfigError> {
    let matches = layers::command().try_get_matches_from(args)?;
    let flags = match matches.subcommand() {
        Some(("serve", flags)) => flags,
        Some(("wheel", flags)) => {
            let path = |name| flags.get_one::<String>(name).map(PathBuf::from).unwrap_or_default();
            return Ok(Action::Wheel { folder: path("folder"), python: path("python") });
        }
        _ => return Err(ConfigError::invalid("the command to run is \"mobula serve\"")),
    };
    let layers = Layers::gather(flags, env)?;
    let chosen = layers.choose()?;
    let settings = Settings::read(&chosen)?;
    validate::check(&settings)?;
    if flags.get_flag("print-config") {
        return Ok(Action::Print(print::as_toml(&settings, &chosen)));
    }
    Ok(Action::Serve(Box::new(Launch {
        settings,
        reset_password: flags.get_flag("reset-password"),
        notes: layers.notes(),
        file: layers.file,
    })))
}
