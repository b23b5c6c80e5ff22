//! What a job takes of the disk: the files below the folders that it may write, and those that it has removed and still
//! holds.
//!
//! Every name counts by the larger of its file's length and the space that the file takes: a file of holes takes nothing
//! now, and its whole length where it is copied or read.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::limits::{Limits, Overrun};

/// How deep the folders of a job may lie in each other. Names further down are longer than a path may be.
pub const DEEPEST: usize = 64;

/// How often a job's files are looked at.
const LOOK: Duration = Duration::from_millis(250);

/// So many times as long as a look took, the next one waits: many files must not keep the watchdog busy.
const PAUSE: u32 = 10;

/// What was found below some folders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    pub bytes: u64,
    /// Files, folders and everything else that has a name.
    pub files: usize,
    /// Whether folders lie deeper in each other than [`DEEPEST`].
    deep: bool,
    /// Whether a folder cannot be looked into: what it holds is not counted.
    hidden: bool,
}

impl Taken {
    /// What of it is more than a job may take.
    fn overrun(&self, limits: &Limits) -> Option<Overrun> {
        if self.bytes > limits.disk_bytes {
            Some(Overrun::Bytes {
                taken: self.bytes,
                limit: limits.disk_bytes,
            })
        } else if self.files > limits.files {
            Some(Overrun::Files {
                count: self.files,
                limit: limits.files,
            })
        } else if self.deep {
            Some(Overrun::Deep { limit: DEEPEST })
        } else if self.hidden {
            Some(Overrun::Hidden)
        } else {
            None
        }
    }

    fn add(&mut self, file: &Metadata) {
        self.files += 1;
        self.bytes = self
            .bytes
            .saturating_add(file.len().max(file.blocks().saturating_mul(512)));
    }
}

/// Measures a folder that no job is writing to. What is not there takes nothing.
pub fn measure(folder: &Path) -> Taken {
    let mut taken = Taken::default();
    walk(folder, &mut taken, |_| false);
    taken
}

/// Counts what lies below a folder until `enough` says so. What goes away meanwhile is passed over.
fn walk(folder: &Path, taken: &mut Taken, enough: impl Fn(&Taken) -> bool) {
    let mut waiting = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = waiting.pop() {
        if depth > DEEPEST {
            taken.deep = true;
            return;
        }
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                taken.hidden |= error.kind() == io::ErrorKind::PermissionDenied;
                continue;
            }
        };
        for entry in entries.flatten() {
            // Of the link itself, never of what it leads to.
            let Ok(found) = entry.metadata() else {
                continue;
            };
            taken.add(&found);
            if enough(taken) {
                return;
            }
            if found.is_dir() {
                waiting.push((entry.path(), depth + 1));
            }
        }
    }
}

/// Looks at a job's files now and then.
#[cfg(target_os = "linux")]
pub(super) struct Disk<'a> {
    folders: &'a [PathBuf],
    /// The file systems of the folders: what a job holds elsewhere, it did not write.
    devices: BTreeSet<u64>,
    next: Instant,
}

#[cfg(target_os = "linux")]
impl<'a> Disk<'a> {
    pub fn new(folders: &'a [PathBuf]) -> Self {
        let device = |folder: &PathBuf| fs::metadata(folder).ok().map(|found| found.dev());
        Self {
            folders,
            devices: folders.iter().filter_map(device).collect(),
            next: Instant::now() + LOOK,
        }
    }

    /// Looks where it is time to.
    pub fn look_in_turn(&mut self, processes: &[i32], limits: &Limits) -> Option<Overrun> {
        (Instant::now() >= self.next)
            .then(|| self.look(processes, limits))
            .flatten()
    }

    /// Looks now.
    pub fn look(&mut self, processes: &[i32], limits: &Limits) -> Option<Overrun> {
        let began = Instant::now();
        let mut taken = Taken::default();
        for folder in self.folders {
            walk(folder, &mut taken, |taken| taken.overrun(limits).is_some());
        }
        if taken.overrun(limits).is_none() {
            self.add_removed(processes, &mut taken);
        }
        self.next = Instant::now() + LOOK.max(began.elapsed() * PAUSE);
        taken.overrun(limits)
    }

    /// Adds the files that have no name any more and that a process holds open or mapped.
    fn add_removed(&self, processes: &[i32], taken: &mut Taken) {
        let mut seen = BTreeSet::new();
        for pid in processes {
            let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else {
                continue;
            };
            for entry in open.flatten() {
                if let Ok(file) = fs::metadata(entry.path())
                    && file.is_file()
                    && file.nlink() == 0
                    && self.devices.contains(&file.dev())
                    && seen.insert(file.ino())
                {
                    taken.add(&file);
                }
            }
        }
        for pid in processes {
            let Ok(maps) = fs::read_to_string(format!("/proc/{pid}/maps")) else {
                continue;
            };
            for (inode, bytes) in maps.lines().filter_map(|line| removed(line, &self.devices)) {
                // Mapped in pieces, a file counts for each: its length is not told here.
                if !seen.contains(&inode) {
                    taken.bytes = taken.bytes.saturating_add(bytes);
                }
            }
        }
    }
}

/// The inode and the length of a mapping of a file without a name, on one of these file systems:
/// `7f00-7f10 rw-s 00000000 fe:01 1234   /job/name (deleted)`.
#[cfg(target_os = "linux")]
fn removed(line: &str, devices: &BTreeSet<u64>) -> Option<(u64, u64)> {
    let mut fields = line.strip_suffix(" (deleted)")?.split_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let (major, minor) = fields.nth(2)?.split_once(':')?;
    let inode: u64 = fields.next()?.parse().ok()?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    let part = |text| u32::from_str_radix(text, 16).ok();
    if inode == 0 || !devices.contains(&libc::makedev(part(major)?, part(minor)?)) {
        return None;
    }
    Some((inode, number(end)?.checked_sub(number(start)?)?))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    const LIMITS: Limits = Limits {
        disk_bytes: 1 << 20,
        files: 100,
        ..Limits::DEFAULT
    };

    fn look(folder: &Path) -> Option<Overrun> {
        Disk::new(&[folder.to_owned()]).look(&[std::process::id() as i32], &LIMITS)
    }

    #[test]
    fn a_few_small_files_are_no_overrun() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        fs::write(folder.path().join("a/b/file"), [1; 1000]).unwrap();
        assert_eq!(look(folder.path()), None);
        let taken = measure(folder.path());
        assert!(taken.files == 3 && taken.bytes >= 1000, "{taken:?}");
        assert_eq!(measure(&folder.path().join("absent")), Taken::default());
    }

    #[test]
    fn a_file_of_holes_counts_by_its_length() {
        let folder = tempfile::tempdir().unwrap();
        let file = File::create(folder.path().join("holes")).unwrap();
        file.set_len(2 << 20).unwrap();
        assert!(matches!(
            look(folder.path()),
            Some(Overrun::Bytes { limit, .. }) if limit == LIMITS.disk_bytes
        ));
    }

    #[test]
    fn many_names_and_deep_folders_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..=LIMITS.files {
            fs::write(folder.path().join(number.to_string()), "").unwrap();
        }
        assert_eq!(
            look(folder.path()),
            Some(Overrun::Files {
                count: LIMITS.files + 1,
                limit: LIMITS.files
            })
        );
        let deep = tempfile::tempdir().unwrap();
        let path = (0..=DEEPEST).fold(deep.path().to_owned(), |path, _| path.join("d"));
        fs::create_dir_all(path).unwrap();
        assert_eq!(look(deep.path()), Some(Overrun::Deep { limit: DEEPEST }));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_file_that_is_removed_and_held_open_still_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gone");
        let file = File::create(&path).unwrap();
        file.set_len(2 << 20).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(matches!(look(folder.path()), Some(Overrun::Bytes { .. })));
        drop(file);
        assert_eq!(look(folder.path()), None);
    }

    #[test]
    fn a_mapping_of_a_removed_file_is_read_and_no_other() {
        let devices = BTreeSet::from([libc::makedev(0xfe, 1)]);
        let line = "7f0000000000-7f0000100000 rw-s 00000000 fe:01 1234    /job/my file (deleted)";
        assert_eq!(removed(line, &devices), Some((1234, 1 << 20)));
        for other in [
            "7f0000000000-7f0000100000 rw-s 00000000 fe:01 1234    /job/file",
            "7f0000000000-7f0000100000 rw-s 00000000 00:05 1234    /dev/zero (deleted)",
            "nonsense (deleted)",
        ] {
            assert_eq!(removed(other, &devices), None, "{other}");
        }
    }
}
