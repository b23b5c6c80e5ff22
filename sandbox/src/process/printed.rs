//! What a job prints, kept within a size: its beginning and its end, with a line between them that says how much was
//! left out.
//!
//! A job writes to a pipe and never to the file itself, so nothing that it can do to a file, such as making it longer
//! without writing, reaches the log. A thread of this process empties the pipe until nobody can write to it any more: a
//! job that prints without end is slowed by that and fills nothing.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, PipeWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How much of the beginning of what a job prints is kept, and how much of its end.
pub const KEPT: usize = 256 << 10;

/// How long the pipe may stay open after the job has ended: its tree is gone by then.
const PATIENCE: Duration = Duration::from_secs(5);

/// A log that is being written.
#[derive(Debug)]
pub struct Printed {
    log: PathBuf,
    /// The pipe's name, where it has one.
    pipe: Option<PathBuf>,
    /// An end to write to, which keeps the pipe open until the job has had the time to open it.
    held: Option<File>,
    emptied: mpsc::Receiver<()>,
}

impl Printed {
    /// Makes the pipe `pipe`, which a process that somebody else forks opens by its name, and keeps in `log` what comes
    /// through it.
    pub fn named(pipe: &Path, log: &Path) -> io::Result<Self> {
        remove(pipe)?;
        let name = std::ffi::CString::new(pipe.as_os_str().as_bytes())?;
        // SAFETY: `name` is a string with an end, and is only read.
        if unsafe { libc::mkfifo(name.as_ptr(), 0o600) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // Open for both, this waits for nobody; the reader then has a writer and waits for nobody either.
        let held = OpenOptions::new().read(true).write(true).open(pipe)?;
        let reader = File::open(pipe)?;
        Self::emptying(reader, log, Some(pipe.to_owned()), Some(held))
    }

    /// Keeps in `log` what is written to the end that is returned. It must be given away for the log to end.
    pub fn piped(log: &Path) -> io::Result<(Self, PipeWriter)> {
        let (reader, writer) = io::pipe()?;
        Ok((Self::emptying(reader, log, None, None)?, writer))
    }

    fn emptying(
        reader: impl Read + Send + 'static,
        log: &Path,
        pipe: Option<PathBuf>,
        held: Option<File>,
    ) -> io::Result<Self> {
        let mut file = File::create(log)?;
        let path = log.to_owned();
        let (done, emptied) = mpsc::channel();
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || {
                if let Err(error) = keep(reader, &mut file) {
                    tracing::warn!(log = %path.display(), %error, "a job's log is not whole");
                }
                // Whoever waited may have gone away.
                let _ = done.send(());
            })?;
        Ok(Self {
            log: log.to_owned(),
            pipe,
            held,
            emptied,
        })
    }

    /// Waits until all that was printed is in the log. To be called when the job has ended; blocks its thread. A log with
    /// nothing in it is not kept.
    pub fn finish(mut self) -> io::Result<()> {
        drop(self.held.take());
        if self.emptied.recv_timeout(PATIENCE).is_err() {
            tracing::warn!(log = %self.log.display(), "somebody still prints after the end of a job");
        }
        Ok(())
    }

    /// Removes the log where nothing was printed.
    pub fn forget_if_empty(log: &Path) -> io::Result<()> {
        match fs::metadata(log) {
            Ok(there) if there.len() == 0 => remove(log),
            _ => Ok(()),
        }
    }
}

impl Drop for Printed {
    fn drop(&mut self) {
        if let Some(pipe) = &self.pipe
            && let Err(error) = remove(pipe)
        {
            tracing::warn!(pipe = %pipe.display(), %error, "a pipe is left over");
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Reads to the end and keeps the beginning and the end of it. A file that takes no more (a full disk) is no reason to
/// stop reading, since the job would then wait for ever: the error is told at the end.
fn keep(mut from: impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    let mut room = KEPT;
    let mut written = Ok(());
    let mut end = VecDeque::new();
    let mut left_out = 0_u64;
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let (head, rest) = buffer[..count].split_at(room.min(count));
        room -= head.len();
        if written.is_ok() {
            written = to.write_all(head);
        }
        end.extend(rest);
        let over = end.len().saturating_sub(KEPT);
        end.drain(..over);
        left_out += over as u64;
    }
    written?;
    if left_out > 0 {
        write!(to, "\n[portwright: {left_out} bytes are left out here]\n")?;
    }
    let (first, second) = end.as_slices();
    to.write_all(first)?;
    to.write_all(second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(printed: &[u8]) -> String {
        let mut log = Vec::new();
        keep(printed, &mut log).unwrap();
        String::from_utf8(log).unwrap()
    }

    #[test]
    fn what_is_short_is_kept_as_it_is() {
        assert_eq!(kept(b"one\ntwo\n"), "one\ntwo\n");
        let exactly = "x".repeat(2 * KEPT);
        assert_eq!(kept(exactly.as_bytes()), exactly);
    }

    #[test]
    fn of_what_is_endless_the_beginning_and_the_end_are_kept_and_the_gap_is_told() {
        let printed = format!("begin{}end", "x".repeat(10 * KEPT));
        let log = kept(printed.as_bytes());
        assert!(log.len() < 2 * KEPT + 100);
        assert!(log.starts_with("beginx") && log.ends_with("xend"));
        let left_out = printed.len() - 2 * KEPT;
        assert!(log.contains(&format!("[portwright: {left_out} bytes are left out here]")));
    }

    #[test]
    fn a_full_disk_does_not_stop_the_reading() {
        let mut full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut printed = io::Cursor::new(vec![b'x'; 3 * KEPT]);
        let error = keep(&mut printed, &mut full).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(printed.position(), 3 * KEPT as u64);
    }

    #[test]
    fn a_pipe_with_a_name_is_read_to_the_end_of_its_last_writer_and_then_gone() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, log) = (folder.path().join("pipe"), folder.path().join("log"));
        let printed = Printed::named(&pipe, &log).unwrap();
        let open = || OpenOptions::new().append(true).open(&pipe).unwrap();
        let (mut one, mut two) = (open(), open());
        one.write_all(b"one\n").unwrap();
        drop(one);
        two.write_all(b"two\n").unwrap();
        drop(two);
        printed.finish().unwrap();
        assert_eq!(fs::read_to_string(&log).unwrap(), "one\ntwo\n");
        assert!(!pipe.exists());
    }
}
