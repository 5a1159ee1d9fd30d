//! `--print-config`: every key as TOML that the server reads back.
//! In: settings and where they came from. Out: text.

use super::keys::{Fallback, KEYS, Settings};
use super::layers::{Chosen, flag_name, variable_name};

/// Width of a comment line, in characters.
const WIDTH: usize = 100;

/// The whole configuration as a file.
pub fn as_toml(settings: &Settings, chosen: &Chosen) -> String {
    let mut text = format!(
        "# Mobula {}: every setting. A flag is stronger than a variable, a variable than this\n\
         # file, this file than the default.\n",
        env!("CARGO_PKG_VERSION")
    );
    for (key, value) in KEYS.iter().zip(settings.as_toml()) {
        let default = match key.default {
            Fallback::Fixed("") => "none",
            Fallback::Fixed(text) | Fallback::Computed(text, _) => text,
        };
        text.push('\n');
        comment(&mut text, key.reason);
        comment(&mut text, &format!("Unit: {}. Default: {default}.", key.unit));
        let (flag, variable) = (flag_name(key), variable_name(key));
        let source = chosen.source(key.name);
        comment(&mut text, &format!("--{flag} or {variable}. This value: {source}."));
        text.push_str(&format!("{} = {value}\n", key.name));
    }
    text
}

/// Appends `words` as comment lines of at most [`WIDTH`] characters.
fn comment(text: &mut String, words: &str) {
    let mut line = String::from("#");
    for word in words.split_whitespace() {
        if line.len() > 1 && line.chars().count() + 1 + word.chars().count() > WIDTH {
            text.push_str(&line);
            text.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    text.push_str(&line);
    text.push('\n');
}
