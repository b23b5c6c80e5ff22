//! The files of a task, under names that say nothing of this program.

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{AGAIN, Task};
use crate::judge::OUTPUTS_FOLDER;

/// Puts what a task needs in its place below `root`, and answers with the task as the script is told it.
pub fn lay(root: &Path, work: &Path, task: &Task) -> io::Result<Value> {
    fs::create_dir_all(work.join(OUTPUTS_FOLDER))?;
    fs::create_dir_all(work.join(AGAIN).join(OUTPUTS_FOLDER))?;
    let checkpoint = place(&task.checkpoint, &root.join("model"), &task.weights)?;
    let code = task.code.as_ref().map(|_| root.join("code"));
    if let (Some(folder), Some(files)) = (&code, &task.code) {
        fs::create_dir_all(folder)?;
        for (name, text) in files {
            fs::write(folder.join(name), text)?;
        }
    }
    let inputs = root.join("inputs");
    fs::create_dir_all(&inputs)?;
    let mut files = Vec::new();
    for set in &task.sets {
        let name = set.file_name();
        put(&task.inputs.join(&name), &inputs.join(&name))?;
        files.push((inputs.join(&name), work.join(OUTPUTS_FOLDER).join(&name)));
    }
    let again = files.first().and_then(|(_, written)| written.file_name());
    let again = again.map(|name| work.join(AGAIN).join(OUTPUTS_FOLDER).join(name));
    let plan = &task.plan;
    Ok(json!({
        "module": plan.module,
        "class": plan.class,
        "config_class": plan.config_class,
        "config_module": plan.config_module,
        "methods": plan.methods,
        "session": plan.session,
        "call": plan.call,
        "seed": plan.weights.seed,
        "threads": task.threads.max(1),
        "checkpoint": checkpoint,
        "code": code,
        "files": files,
        "again": again,
    }))
}

/// A checkpoint's plain files in another folder, and links to the user's own weights: their place has no telling name.
fn place(from: &Path, to: &Path, weights: &[PathBuf]) -> io::Result<PathBuf> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let kind = entry.file_type()?;
        if kind.is_file() {
            put(&entry.path(), &to.join(&name))?;
        } else if kind.is_symlink() {
            let leads_to = fs::read_link(entry.path())?;
            if weights.contains(&leads_to) {
                symlink(leads_to, to.join(&name))?;
            }
        }
    }
    Ok(to.to_owned())
}

/// A file under another path: the same one where that can be, or else a copy.
fn put(from: &Path, to: &Path) -> io::Result<()> {
    if fs::hard_link(from, to).is_err() {
        fs::copy(from, to)?;
    }
    Ok(())
}
