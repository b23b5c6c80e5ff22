//! What goes to a terminal or to a file. A closed pipe is the reader's choice, not an error to shout about.
//!
//! Everything for stdout and stderr passes [`shown`]: what was said by a job, a file or an endpoint can be in any line, and
//! a terminal obeys whoever writes to it.

use std::{
    fs::{self, Permissions},
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use portwright_core::{event::Event, text};
use serde::Serialize;

use crate::{error::CliError, exit};

/// The codes by which this program colours its own words.
const COLOURS: [&str; 5] = ["[0m", "[31m", "[32m", "[33m", "[36m"];

/// The text as a terminal may have it: whatever acts on one is in writing, but for our own colours and the ends of lines.
pub fn shown(text: &str) -> String {
    let mut pieces = text.split('\u{1b}');
    let mut out = text::visible(pieces.next().unwrap_or_default());
    for piece in pieces {
        match COLOURS.iter().find(|code| piece.starts_with(**code)) {
            Some(_) => out.push('\u{1b}'),
            None => out.push_str(r"\u{1b}"),
        }
        out.push_str(&text::visible(piece));
    }
    out
}

/// Writes a line, or several.
pub fn line(text: &str) -> Result<(), CliError> {
    written(writeln!(io::stdout(), "{}", shown(text)))
}

/// Writes a line to stderr, or several.
pub fn aside(text: &str) {
    // Whoever closed stderr does not want to know.
    let _ = writeln!(io::stderr(), "{}", shown(text));
}

/// A JSON document as text.
pub fn json_text(document: &impl Serialize) -> Result<String, CliError> {
    let text = serde_json::to_string_pretty(document).map_err(CliError::internal)?;
    Ok(text::json(&text))
}

/// Writes one JSON document.
pub fn json(document: &impl Serialize) -> Result<(), CliError> {
    line(&json_text(document)?)
}

/// Writes a file whole: it is written beside its place and moved there, so that a reader never sees half of it, and
/// an old file stays where the new one cannot be written.
pub fn file(path: &Path, text: &str) -> Result<(), CliError> {
    let failed = |error: io::Error| {
        CliError::new(
            exit::STORAGE,
            format!("cannot write {}: {error}", path.display()),
            Some("name a file in a folder that exists and that you may write to".to_owned()),
        )
    };
    // Through a link, so that what it leads to is replaced and not the link.
    let place = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if place.exists() && !place.is_file() && !place.is_dir() {
        // A device or a pipe cannot be moved over, and is never half there.
        return fs::write(&place, text).map_err(failed);
    }
    let folder = match place.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // A temporary file is its owner's alone; this one is to be as any other new file.
    let mut half = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(failed)?;
    half.write_all(text.as_bytes())
        .and_then(|()| half.as_file().sync_all())
        .map_err(failed)?;
    half.persist(&place).map_err(|error| failed(error.error))?;
    Ok(())
}

fn written(result: io::Result<()>) -> Result<(), CliError> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CliError::stdout(error)),
        _ => Ok(()),
    }
}

/// An event as one line for people.
pub fn describe(event: &Event) -> String {
    text::line(&described(event))
}

fn described(event: &Event) -> String {
    match event {
        Event::RunStarted { target, .. } => format!("started for {target}"),
        Event::RunResumed => "resumed".to_owned(),
        Event::StepStarted { step, .. } => format!("{step} …"),
        Event::StepFinished {
            step, reused: true, ..
        } => format!("{step}: found finished"),
        Event::StepFinished { step, seconds, .. } => format!("{step}: done in {seconds:.1} s"),
        Event::Decided { agent, what } => format!("{agent}: {what}"),
        Event::Consulted {
            agent,
            model,
            what,
            tokens,
            seconds,
            tokens_spent,
            tokens_allowed,
            ..
        } => format!(
            "{agent}: {model} {what} ({tokens} tokens, {seconds:.1} s; {tokens_spent} of {tokens_allowed} tokens)"
        ),
        Event::VerdictReached { verdict, fresh } => {
            let how = if *fresh { " afresh" } else { "" };
            format!("{}: {}{how}", verdict.backend, verdict.verdict.as_str())
        }
        Event::Committed { branch, commit } => format!("committed {commit} on {branch}"),
        Event::RunFinished { exit_code } => format!("finished with exit code {exit_code}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_our_own_colours_reaches_a_terminal() {
        assert_eq!(
            shown("\u{1b}[32mpass\u{1b}[0m\nmore"),
            "\u{1b}[32mpass\u{1b}[0m\nmore"
        );
        assert_eq!(
            shown("\u{1b}[2J\u{1b}]0;t\u{7}\r\u{9b}1m\u{202e}"),
            r"\u{1b}[2J\u{1b}]0;t\u{7}\u{d}\u{9b}1m\u{202e}"
        );
    }

    #[test]
    fn an_event_is_one_line_whatever_it_quotes() {
        let event = Event::Decided {
            agent: "analyst".into(),
            what: "a plan fails:\n  openvino   pass\u{1b}[2K".into(),
        };
        assert_eq!(
            describe(&event),
            r"analyst: a plan fails: openvino pass\u{1b}[2K"
        );
    }

    #[test]
    fn a_file_is_replaced_whole_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.md");
        file(&path, "a long old text").unwrap();
        file(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o400, 0o400);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let absent = folder.path().join("absent").join("page.md");
        let error = file(&absent, "new").unwrap_err();
        assert_eq!(error.code, exit::STORAGE);
        assert!(error.hint.is_some());
        // A folder is no place for a file.
        assert!(file(folder.path(), "new").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        fs::write(&target, "old").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        file(&link, "new").unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }
}
