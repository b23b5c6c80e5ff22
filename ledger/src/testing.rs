//! What the tests of this crate share.

use portwright_core::{Digest, ModelType, RunId, event::Event};
use serde_json::json;

use crate::{Ledger, NewRun};

pub fn new_run(name: &str) -> NewRun {
    NewRun {
        key: Digest::of(name),
        target: name.to_owned(),
        model_type: ModelType::new(name),
        settings: json!({"attempts": 3}),
    }
}

pub fn begin(ledger: &Ledger) -> RunId {
    ledger.begin_run(&new_run("xlm-roberta")).unwrap().id
}

pub fn decided(what: &str) -> Event {
    Event::Decided {
        agent: "porter".to_owned(),
        what: what.to_owned(),
    }
}

#[cfg(target_os = "linux")]
fn is_root() -> bool {
    // SAFETY: geteuid has no preconditions and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Runs `work` while these folders cannot be written; also where the tests run as root, for whom no folder is
/// read-only.
#[cfg(target_os = "linux")]
pub fn unwritable(folders: &[&std::path::Path], work: impl FnOnce() + Send) {
    use std::os::unix::fs::PermissionsExt;

    let set_mode = |mode| {
        for folder in folders {
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    set_mode(if is_root() { 0o755 } else { 0o555 });
    let outcome = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            if is_root() {
                // SAFETY: setfsuid takes a plain number, and on Linux changes the calling thread only, which ends here.
                unsafe { libc::setfsuid(65534) };
            }
            work();
        });
        thread.join()
    });
    set_mode(0o755);
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}
