//! The file system of a job in namespaces: what its policy names, at the same paths, and nothing else.
//!
//! Landlock decides what may be opened; it does not hide that a file is there, how long it is, or where a link leads.
//! So the job gets a root of its own: an empty file system in memory, with copies of the mounts of the policy's paths,
//! read-only but for the work folders, the device files of every job, and a `/proc` of its own. The root that was is
//! then let go. Links on the way to a path are made again, so that a path means what it meant.

use std::ffi::{c_int, c_ulong};
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::super::{CageError, Policy};
use super::landlock::DEVICES;
use super::sys::{self, check, failed};
use super::syscalls;

const MS_NOSUID_NODEV_NOEXEC: c_ulong = 0b1110;
const MS_NOSUID_NODEV: c_ulong = 0b0110;
const MS_REC: c_ulong = 1 << 14;
const MS_PRIVATE: c_ulong = 1 << 18;
const MNT_DETACH: c_int = 2;
const AT_FDCWD: c_int = -100;
const AT_EMPTY_PATH: c_int = 0x1000;
const AT_RECURSIVE: c_int = 0x8000;
const OPEN_TREE_CLONE: c_int = 1;
const MOVE_MOUNT_F_EMPTY_PATH: c_int = 4;
const MOUNT_ATTR_RDONLY: u64 = 1;

/// As many links as the kernel follows before it gives a path up.
const LINKS: usize = 40;

/// What every shell and many programs take for granted beside the devices.
const DEVICE_LINKS: [(&str, &str); 4] = [
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
];

/// A root that stands.
pub struct Root {
    /// `/proc` shows the job's own processes only. Containers that hide parts of `/proc` refuse another one; the old
    /// one is then put in its place.
    pub own_proc: bool,
}

/// Gives the calling process, alone in new namespaces, a root of its own, or none where the kernel refuses.
///
/// An error is returned only when it is too late to go back.
pub fn enter(policy: &Policy) -> Result<Option<Root>, CageError> {
    let folder = std::env::current_dir();
    let Ok(root) = build(policy) else {
        if let Ok(folder) = folder {
            // It may have stepped out already; where there is no way back, the job steps into its folder itself.
            let _ = std::env::set_current_dir(folder);
        }
        return Ok(None);
    };
    // The old root is now mounted over the new one, and is the current folder.
    // SAFETY: plain system calls on live, NUL-terminated strings.
    unsafe {
        check(
            sys::umount2(c".".as_ptr(), MNT_DETACH),
            "let the outer file system go",
        )?;
        check(sys::chdir(c"/".as_ptr()), "step into the job's root")?;
    }
    if let Ok(folder) = folder {
        // A folder that is not in the job's view is not where the job should be.
        let _ = std::env::set_current_dir(folder);
    }
    Ok(Some(root))
}

/// Builds the root on top of the first work folder and makes it the root of this process. What fails is undone.
fn build(policy: &Policy) -> Result<Root, CageError> {
    let top = policy
        .write
        .first()
        .ok_or_else(|| CageError::Policy("no work folder is named".to_owned()))?;
    let plan = Plan::new(policy)?;
    mount(Path::new("/"), "none", MS_REC | MS_PRIVATE)?;
    let trees = plan
        .places
        .iter()
        .map(Tree::copy)
        .collect::<Result<Vec<_>, _>>()?;
    // Where the kernel grants no `/proc`, the one that is there now serves.
    let old_proc = Tree::copy(&Place::read_only(PathBuf::from("/proc")))?;
    mount(top, "tmpfs", MS_NOSUID_NODEV)?;
    let built = fill(top, trees, &plan.links, old_proc).and_then(|own_proc| {
        seal(AT_FDCWD, top, 0)?;
        let name = sys::c_path(top)?;
        // SAFETY: plain system calls on live, NUL-terminated strings.
        unsafe {
            check(sys::chdir(name.as_ptr()), "step onto the new root")?;
            let turned = sys::syscall(syscalls::PIVOT_ROOT, c".".as_ptr(), c".".as_ptr());
            check(turned, "change the root")?;
        }
        Ok(Root { own_proc })
    });
    if built.is_err() {
        let name = sys::c_path(top)?;
        // SAFETY: plain system call on a live, NUL-terminated string.
        unsafe { sys::umount2(name.as_ptr(), MNT_DETACH) };
    }
    built
}

/// Puts everything in its place below `top`. Answers whether `/proc` is the job's own.
fn fill(
    top: &Path,
    trees: Vec<Tree>,
    links: &[(PathBuf, PathBuf)],
    old_proc: Tree,
) -> Result<bool, CageError> {
    let below = |path: &Path| top.join(path.strip_prefix("/").unwrap_or(path));
    for tree in trees {
        let target = below(&tree.path);
        let parent = if tree.folder {
            Some(target.as_path())
        } else {
            target.parent()
        };
        if let Some(parent) = parent {
            fs::create_dir_all(parent).map_err(|error| io_failed("make", parent, &error))?;
        }
        if !tree.folder && !target.exists() {
            fs::write(&target, "").map_err(|error| io_failed("make", &target, &error))?;
        }
        tree.move_to(&target)?;
    }
    let devices = DEVICE_LINKS.map(|(link, to)| (PathBuf::from(link), PathBuf::from(to)));
    for (link, to) in links.iter().chain(&devices) {
        let link = below(link);
        // One that lies in a copied folder is there already.
        if link.symlink_metadata().is_err() {
            if let Some(parent) = link.parent() {
                fs::create_dir_all(parent).map_err(|error| io_failed("make", parent, &error))?;
            }
            std::os::unix::fs::symlink(to, &link)
                .map_err(|error| io_failed("make the link", &link, &error))?;
        }
    }
    let proc = below(Path::new("/proc"));
    fs::create_dir_all(&proc).map_err(|error| io_failed("make", &proc, &error))?;
    let own_proc = mount(&proc, "proc", MS_NOSUID_NODEV_NOEXEC).is_ok();
    if own_proc {
        seal(AT_FDCWD, &proc, 0)?;
    } else {
        old_proc.move_to(&proc)?;
    }
    Ok(own_proc)
}

/// A path without links, and whether the job may write below it.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    path: PathBuf,
    writable: bool,
}

impl Place {
    fn read_only(path: PathBuf) -> Self {
        Self {
            path,
            writable: false,
        }
    }
}

/// What goes into the root: places, each after the one that it lies in, and links.
struct Plan {
    places: Vec<Place>,
    links: Vec<(PathBuf, PathBuf)>,
}

impl Plan {
    fn new(policy: &Policy) -> Result<Self, CageError> {
        let mut links = Vec::new();
        let mut found = Vec::new();
        let devices = DEVICES.iter().map(Path::new).filter(|path| path.exists());
        let read = policy.read.iter().chain(&policy.devices);
        for path in read.map(PathBuf::as_path).chain(devices) {
            found.push(Place::read_only(resolve(path, &mut links)?));
        }
        for path in &policy.write {
            found.push(Place {
                path: resolve(path, &mut links)?,
                writable: true,
            });
        }
        // Folders before what lies in them, and of two that are the same the writable one.
        found
            .sort_by(|left, right| (&left.path, right.writable).cmp(&(&right.path, left.writable)));
        let mut places: Vec<Place> = Vec::new();
        for place in found {
            let inside = |outer: &Place| {
                place.path.starts_with(&outer.path) && (outer.writable || !place.writable)
            };
            if !place.path.starts_with("/proc") && !places.iter().any(inside) {
                places.push(place);
            }
        }
        Ok(Self { places, links })
    }
}

/// Where a path leads. Every link on the way, with what it holds, is added to `links`.
fn resolve(path: &Path, links: &mut Vec<(PathBuf, PathBuf)>) -> Result<PathBuf, CageError> {
    let mut rest: Vec<PathBuf> = parts(path);
    let mut at = PathBuf::from("/");
    let mut followed = 0;
    while let Some(part) = rest.pop() {
        if part == Path::new("..") {
            at.pop();
            continue;
        }
        let next = at.join(&part);
        let kind = next
            .symlink_metadata()
            .map_err(|error| io_failed("find", &next, &error))?;
        if !kind.is_symlink() {
            at = next;
            continue;
        }
        followed += 1;
        if followed > LINKS {
            return Err(CageError::Policy(format!(
                "{} leads round in circles",
                path.display()
            )));
        }
        let target = next
            .read_link()
            .map_err(|error| io_failed("read the link", &next, &error))?;
        if target.is_absolute() {
            at = PathBuf::from("/");
        }
        rest.extend(parts(&target));
        if !links.iter().any(|(link, _)| *link == next) {
            links.push((next, target));
        }
    }
    Ok(at)
}

/// The parts of a path from the last to the first, so that the next one is at the end.
fn parts(path: &Path) -> Vec<PathBuf> {
    path.components()
        .rev()
        .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
        .map(|part| PathBuf::from(part.as_os_str()))
        .collect()
}

/// A copy of the mounts below a path, in no place yet.
struct Tree {
    path: PathBuf,
    folder: bool,
    fd: c_int,
}

impl Tree {
    fn copy(place: &Place) -> Result<Self, CageError> {
        let name = sys::c_path(&place.path)?;
        // SAFETY: `name` is NUL-terminated and live for the call.
        let fd = unsafe {
            sys::syscall(
                syscalls::OPEN_TREE,
                AT_FDCWD,
                name.as_ptr(),
                OPEN_TREE_CLONE | sys::O_CLOEXEC | AT_RECURSIVE,
            )
        };
        if fd < 0 {
            return Err(failed(format!("copy the mount {}", place.path.display())));
        }
        let fd = fd as c_int;
        if !place.writable {
            seal(fd, Path::new(""), AT_RECURSIVE | AT_EMPTY_PATH)?;
        }
        Ok(Self {
            path: place.path.clone(),
            folder: place.path.is_dir(),
            fd,
        })
    }

    fn move_to(&self, target: &Path) -> Result<(), CageError> {
        let name = sys::c_path(target)?;
        // SAFETY: both strings are NUL-terminated and live for the call.
        let moved = unsafe {
            sys::syscall(
                syscalls::MOVE_MOUNT,
                self.fd,
                c"".as_ptr(),
                AT_FDCWD,
                name.as_ptr(),
                MOVE_MOUNT_F_EMPTY_PATH,
            )
        };
        if moved < 0 {
            return Err(failed(format!("mount {}", self.path.display())));
        }
        Ok(())
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // SAFETY: the descriptor is this value's own and not used again.
        unsafe { sys::close(self.fd) };
    }
}

fn mount(target: &Path, kind: &str, flags: c_ulong) -> Result<(), CageError> {
    let name = sys::c_path(target)?;
    let kind = sys::c_path(Path::new(kind))?;
    // SAFETY: the strings are NUL-terminated and live for the call; no data is passed.
    let mounted = unsafe {
        sys::mount(
            kind.as_ptr(),
            name.as_ptr(),
            kind.as_ptr(),
            flags,
            std::ptr::null(),
        )
    };
    if mounted < 0 {
        return Err(failed(format!("mount {}", target.display())));
    }
    Ok(())
}

#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// Makes a mount read-only, with those below it if the flags say so.
fn seal(fd: c_int, path: &Path, flags: c_int) -> Result<(), CageError> {
    let name = sys::c_path(path)?;
    let attributes = MountAttributes {
        set: MOUNT_ATTR_RDONLY,
        clear: 0,
        propagation: 0,
        user_namespace: 0,
    };
    let size = size_of::<MountAttributes>();
    // SAFETY: `name` and `attributes` are live for the call and `size` is that of `attributes`.
    let changed = unsafe {
        sys::syscall(
            syscalls::MOUNT_SETATTR,
            fd,
            name.as_ptr(),
            flags,
            &raw const attributes,
            size,
        )
    };
    if changed < 0 {
        return Err(failed(format!("seal the mount {}", path.display())));
    }
    Ok(())
}

fn io_failed(step: &str, path: &Path, error: &io::Error) -> CageError {
    CageError::System {
        step: format!("{step} {}", path.display()),
        errno: error.raw_os_error().unwrap_or(0),
    }
}

#[cfg(test)]
#[path = "root_tests.rs"]
mod tests;
