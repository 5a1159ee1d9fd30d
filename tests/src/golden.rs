//! Expected text in files, filled by the program. In: a file's text, the sections of it, what was
//! got. Out: equal or not. `UPDATE_GOLDEN=1` writes what was got instead of comparing.

use std::fs;
use std::path::Path;

/// Between a question and its expected answer.
const DIVIDER: &str = "----\n";

/// Asks what a file asks (the text before `----`) and compares with what it expects (after it).
/// A sentence for a difference.
///
/// # Errors
/// The sentence.
pub fn check(path: &Path, answer: impl FnOnce(&str) -> String) -> Result<(), String> {
    let shown = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let text = fs::read_to_string(path).map_err(|error| format!("{shown}: {error}"))?;
    let (question, expected) = text.split_once(DIVIDER).unwrap_or((&text, ""));
    let got = answer(question);
    if got == expected {
        return Ok(());
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let gap = if question.ends_with('\n') { "" } else { "\n" };
        let written = fs::write(path, format!("{question}{gap}{DIVIDER}{got}"));
        return written.map_err(|error| format!("{shown}: {error}"));
    }
    Err(format!("{shown}: UPDATE_GOLDEN=1 accepts this\n{}", difference(expected, &got)))
}

/// The first line that differs, with its neighbours.
fn difference(expected: &str, got: &str) -> String {
    let (expected, got): (Vec<_>, Vec<_>) = (expected.lines().collect(), got.lines().collect());
    let first = expected.iter().zip(&got).take_while(|(a, b)| a == b).count();
    let show = |lines: &[&str]| {
        lines.iter().skip(first.saturating_sub(2)).take(6).map(|l| format!("  {l}\n")).collect()
    };
    let (expected, got): (String, String) = (show(&expected), show(&got));
    format!("expected, around line {}:\n{expected}got:\n{got}", first + 1)
}
