//! Rules on values and between them, checked before anything is opened.
//! In: typed settings. Out: nothing, or a sentence that says what to change. It asks the file
//! system only whether a named path is there.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::ConfigError;
use super::keys::Settings;
use super::values::{ByteSize, Runner, Setting};
use crate::auth::{Method, Rule};

type Check = Result<(), ConfigError>;

/// Refuses what cannot work.
pub fn check(settings: &Settings) -> Check {
    paths(settings)?;
    network(settings)?;
    engine(settings)?;
    sessions(settings)
}

fn refuse(sentence: impl Into<String>) -> Check {
    Err(ConfigError::invalid(sentence))
}

fn within<T: PartialOrd>(
    name: &str,
    value: T,
    range: RangeInclusive<T>,
    show: impl Fn(&T) -> String,
) -> Check {
    if range.contains(&value) {
        return Ok(());
    }
    let (low, high) = (show(range.start()), show(range.end()));
    refuse(format!("{name} = {} must be from {low} to {high}", show(&value)))
}

fn plain<T: Display>(value: &T) -> String {
    value.to_string()
}

fn time(value: &Duration) -> String {
    value.toml()
}

fn paths(settings: &Settings) -> Check {
    for (name, folder) in [("data_dir", &settings.data_dir), ("spill_dir", &settings.spill_dir)] {
        if folder.parent().is_none() {
            return refuse(format!(
                "{name} is the root of the file system: name a folder of its own"
            ));
        }
        if folder.exists() && !folder.is_dir() {
            return refuse(format!("{name} = {} is not a folder", folder.display()));
        }
    }
    for path in &settings.allow_path {
        if !path.exists() {
            let path = path.display();
            return refuse(format!("allow_path = {path} does not exist or cannot be seen"));
        }
    }
    Ok(())
}

fn network(settings: &Settings) -> Check {
    match (&settings.tls_cert, &settings.tls_key) {
        (Some(_), None) => return refuse("tls_cert is set and tls_key is not: set both or none"),
        (None, Some(_)) => return refuse("tls_key is set and tls_cert is not: set both or none"),
        (None, None) if !settings.listen.is_loopback() => {
            return refuse(format!(
                "listen = {} can be reached from other machines, and no TLS is configured: set \
                 tls_cert and tls_key, or listen on 127.0.0.1",
                settings.listen
            ));
        }
        _ => {}
    }
    if settings.hba.is_empty() {
        return refuse("hba has no line: nobody could connect");
    }
    let by_certificate = settings.hba.iter().find(|rule| rule.method() == Method::Certificate);
    if let (Some(rule), None) = (by_certificate, &settings.tls_client_ca) {
        let text = rule.text();
        return refuse(format!("hba has \"{text}\", and tls_client_ca is not set"));
    }
    let needs_tls = settings.hba.iter().all(Rule::needs_encryption);
    if settings.tls_cert.is_none() && (needs_tls || settings.tls_client_ca.is_some()) {
        return refuse("hba or tls_client_ca ask for TLS, and tls_cert and tls_key are not set");
    }
    let files = [
        ("tls_cert", &settings.tls_cert),
        ("tls_key", &settings.tls_key),
        ("tls_client_ca", &settings.tls_client_ca),
    ];
    for (name, path) in files {
        if let Some(path) = path.as_ref().filter(|path| !path.is_file()) {
            return refuse(format!("{name} = {} is not a file that can be seen", path.display()));
        }
    }
    Ok(())
}

fn engine(settings: &Settings) -> Check {
    if settings.runner == Runner::Ray && settings.ray_address.is_empty() {
        return refuse(
            "runner = \"ray\" needs ray_address: auto, HOST:PORT, or local to start one",
        );
    }
    within("demo_scale", settings.demo_scale, 0.001..=1_000.0, plain)?;
    within("threads", settings.threads, 1..=1_024, plain)?;
    // Below this the engine cannot even hold a batch of each operator of a middling plan.
    let sizes = ByteSize(64 << 20)..=ByteSize(1 << 50);
    within("memory_limit", settings.memory_limit, sizes.clone(), plain)?;
    within("spill_limit", settings.spill_limit, sizes, plain)?;
    let filter = tracing_subscriber::EnvFilter::builder().parse(&settings.log);
    filter.map(drop).or_else(|error| refuse(format!("log = {:?}: {error}", settings.log)))
}

fn sessions(settings: &Settings) -> Check {
    // PostgreSQL's own upper bound; clients' tools know it.
    within("max_connections", settings.max_connections, 1..=262_143, plain)?;
    let reserved = settings.superuser_reserved_connections;
    if reserved >= settings.max_connections {
        return refuse(format!(
            "superuser_reserved_connections = {reserved} must be less than max_connections = {}",
            settings.max_connections
        ));
    }
    within("max_prelogin_connections", settings.max_prelogin_connections, 1..=262_143, plain)?;
    let (second, day) = (Duration::from_secs(1), Duration::from_secs(86_400));
    within("authentication_timeout", settings.authentication_timeout, second..=second * 600, time)?;
    within("shutdown_grace", settings.shutdown_grace, Duration::ZERO..=day, time)?;
    // PostgreSQL's bound, so that every timeout fits a client's 32-bit milliseconds.
    let timeouts = Duration::ZERO..=Duration::from_millis(i32::MAX as u64);
    within("statement_timeout", settings.statement_timeout, timeouts.clone(), time)?;
    within("idle_session_timeout", settings.idle_session_timeout, timeouts.clone(), time)?;
    let idle = settings.idle_in_transaction_session_timeout;
    within("idle_in_transaction_session_timeout", idle, timeouts, time)?;
    let message = settings.max_message_size;
    within("max_message_size", message, ByteSize(64 << 10)..=ByteSize(1 << 30), plain)?;
    within("max_query_text", settings.max_query_text, ByteSize(1 << 10)..=message, plain)?;
    within("max_prepared_statements", settings.max_prepared_statements, 1..=1_000_000, plain)?;
    within("max_portals", settings.max_portals, 1..=100_000, plain)
}
