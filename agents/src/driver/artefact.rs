//! What a job built, as the evidence names it: a digest and a size, and, where somebody will want to look at it, its bytes in
//! the ledger's store.
//!
//! The names and the files are the job's own. What is wrong with them (a name that leads out, a link, a pipe, a file that
//! is not there, more than a job may leave) is the job's failure and a finding: it is never followed, and ends no launch.
//! Only what passed is kept: a finding names no artefact, and a sweep keeps none unless it was asked to.

use std::path::Path;

use portwright_core::{Backend, Digest, Finding, Signature, Stage, Verdict, text};
use portwright_ledger::{LedgerError, store};
use portwright_sandbox::tensor;

use super::{
    DriverError,
    ground::{Failure, Reached},
    launch::Launch,
};

/// What was built.
#[derive(Clone, Debug)]
pub struct Built {
    /// The digest of its one file, or of the manifest of several.
    pub digest: Digest,
    pub bytes: u64,
    names: Vec<String>,
}

impl Built {
    /// In the place of an artefact where the library's own code is what runs.
    pub fn nothing(digest: Digest) -> Self {
        Self {
            digest,
            bytes: 0,
            names: Vec::new(),
        }
    }
}

impl Launch<'_> {
    /// Reads the files of an artefact below the folder of the job that made it.
    pub fn read_artefact(
        &self,
        backend: Backend,
        folder: &Path,
        mut names: Vec<String>,
    ) -> Reached<Built> {
        names.sort_unstable();
        names.dedup();
        for name in &names {
            if let Err(why) = check(folder, name) {
                let shown = text::cut(&text::line(name), 60);
                return Ok(Err(malformed(backend, &format!("{shown}: {why}"))));
            }
        }
        let manifest = match store::outline(folder, &names, self.steps.session.limits.disk_bytes) {
            Ok(manifest) => manifest,
            Err(LedgerError::NotPlain { path, why }) => {
                let why = format!("{}: {why}", path.display());
                return Ok(Err(malformed(backend, &why)));
            }
            Err(error @ LedgerError::TooLarge { .. }) => {
                return Ok(Err(Failure::fail(Box::new(Finding {
                    stage: Stage::Export,
                    backend: Some(backend),
                    signature: Signature::phrase("the artefact is too large"),
                    message: error.to_string(),
                    error: None,
                    hint: Some(error.hint()),
                }))));
            }
            Err(error) => return Err(error.into()),
        };
        Ok(Ok(Built {
            bytes: manifest.bytes(),
            digest: match manifest.files.as_slice() {
                [one] => one.digest.clone(),
                _ => manifest.digest()?,
            },
            names,
        }))
    }

    /// Keeps the bytes of an artefact that passed, so that what the verdict names can be looked at again.
    pub fn keep_artefact(
        &self,
        verdict: Verdict,
        folder: &Path,
        built: &Built,
    ) -> Result<(), DriverError> {
        if verdict == Verdict::Pass && self.request.effort.keep_artefacts && !built.names.is_empty()
        {
            self.steps
                .session
                .ledger
                .store()
                .put_files(folder, &built.names)?;
        }
        Ok(())
    }
}

/// Whether a name is one, and is that of a plain file of the job's own.
fn check(folder: &Path, name: &str) -> Result<(), &'static str> {
    if !text::is_name(name) || name.len() > text::LONGEST_NAME {
        return Err("it is no name of a file");
    }
    match tensor::open_plain(folder, Path::new(name), u64::MAX) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.phrase()),
    }
}

/// The failure of a build whose answer is no artefact.
pub fn malformed(backend: Backend, why: &str) -> Failure {
    Failure::fail(Box::new(Finding {
        stage: Stage::Export,
        backend: Some(backend),
        signature: Signature::phrase("the build's answer is malformed"),
        message: format!("the build answered with no artefact: {why}"),
        error: None,
        hint: None,
    }))
}
