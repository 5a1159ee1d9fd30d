//! The `mobula` program: reads its settings, starts the log, runs the server.

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use mobula_server::config::{self, Action, ConfigError};
use tracing_subscriber::EnvFilter;

/// Returns memory to its owner faster than the system's allocator when many threads build batches.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    config::tune_memory();
    let launch = match config::from_process() {
        Ok(Action::Serve(launch)) => *launch,
        Ok(Action::Wheel { folder, python }) => return wheel(&folder, &python),
        Ok(Action::Print(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(ConfigError::Usage(usage)) => usage.exit(),
        Err(ConfigError::Invalid(message)) => {
            eprintln!("mobula: {message}");
            return ExitCode::from(2);
        }
    };
    let filter =
        EnvFilter::try_new(&launch.settings.log).unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours);
    log.with_writer(std::io::stderr).init();
    for note in &launch.notes {
        tracing::warn!("{note}");
    }
    match mobula_server::serve::run(launch) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mobula: {}", error.message);
            for more in [error.detail, error.hint].into_iter().flatten() {
                eprintln!("  {more}");
            }
            ExitCode::FAILURE
        }
    }
}

fn wheel(folder: &Path, python: &Path) -> ExitCode {
    match ray_bridge::package::wheel(python, folder) {
        Ok(path) => {
            println!("{}", path.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("mobula: {error}");
            ExitCode::FAILURE
        }
    }
}
