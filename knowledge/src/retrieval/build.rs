//! Builds an index, and later brings it up to date: only files whose content changed are read into documents again.

use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    path::Path,
};

use portwright_core::Digest;
use serde::Serialize;
use tantivy::{IndexWriter, Term};

use super::{
    RetrievalError,
    error::io,
    index::{Note, TextIndex, broken},
};
use crate::corpus::{Document, Repair, Source};

/// What the writer may hold in memory before it writes a part of the index, in bytes.
const BUFFER: usize = 64 << 20;

/// What a build did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Built {
    /// Documents in the index afterwards.
    pub documents: u64,
    /// Files in the corpus.
    pub files: usize,
    /// Files that were read, and those that the index had already.
    pub read: usize,
    pub unchanged: usize,
    /// Files whose documents were removed because they are no longer there.
    pub gone: usize,
    /// Files that are not valid in their language, each with the reason. They have no documents.
    pub unread: BTreeMap<String, String>,
}

/// Makes the index in `folder` hold the documents of `sources` and `repairs` and nothing else.
///
/// `progress` is told after each file how many are done. Nothing is visible to a search before the build has ended.
pub fn build(
    folder: &Path,
    sources: &[Source],
    repairs: &[Repair],
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Built, RetrievalError> {
    let _lock = lock(folder)?;
    let (text, note) = TextIndex::open_or_create(folder)?;
    let mut update = Update {
        text: &text,
        writer: None,
        next: Note::empty(),
        built: Built {
            files: sources.len(),
            ..Built::default()
        },
    };
    for (index, source) in sources.iter().enumerate() {
        update.file(source, &note)?;
        progress(index + 1, sources.len());
    }
    update.repairs(repairs, &note)?;
    update.gone(&note)?;
    update.finish()
}

/// One builder at a time. The operating system takes the lock back from a process that died.
fn lock(folder: &Path) -> Result<File, RetrievalError> {
    let path = folder.with_extension("lock");
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(io("create", parent))?;
    }
    let file = File::create(&path).map_err(io("create", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(RetrievalError::Busy {
            folder: folder.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(io("lock", &path)(error)),
    }
}

struct Update<'a> {
    text: &'a TextIndex,
    /// Opened by the first change, so that a build without one costs nothing.
    writer: Option<IndexWriter>,
    next: Note,
    built: Built,
}

impl Update<'_> {
    fn file(&mut self, source: &Source, before: &Note) -> Result<(), RetrievalError> {
        let (text, digest) = source.text()?;
        let known = before.files.get(&source.shown) == Some(&digest);
        self.next.files.insert(source.shown.clone(), digest);
        if known {
            self.built.unchanged += 1;
            if let Some(why) = before.unread.get(&source.shown) {
                self.next.unread.insert(source.shown.clone(), why.clone());
            }
            return Ok(());
        }
        self.built.read += 1;
        match source.documents(&text) {
            Ok(documents) => self.replace(&source.shown, &documents),
            Err(error) => {
                // One file in a strange dialect is no reason to be without the others.
                self.next
                    .unread
                    .insert(source.shown.clone(), error.to_string());
                self.replace(&source.shown, &[])
            }
        }
    }

    fn repairs(&mut self, repairs: &[Repair], before: &Note) -> Result<(), RetrievalError> {
        if repairs.is_empty() {
            return Ok(());
        }
        let mut repairs = repairs.to_vec();
        repairs.sort();
        repairs.dedup();
        let digest = Digest::of(format!("{repairs:?}"));
        let known = before.files.get(Repair::FILE) == Some(&digest);
        self.next.files.insert(Repair::FILE.to_owned(), digest);
        if known {
            return Ok(());
        }
        let documents: Vec<Document> = repairs.iter().map(Repair::document).collect();
        self.replace(Repair::FILE, &documents)
    }

    fn gone(&mut self, before: &Note) -> Result<(), RetrievalError> {
        for file in before.files.keys() {
            if !self.next.files.contains_key(file) {
                self.built.gone += 1;
                self.replace(file, &[])?;
            }
        }
        Ok(())
    }

    fn replace(&mut self, file: &str, documents: &[Document]) -> Result<(), RetrievalError> {
        let fields = self.text.fields;
        let broken = broken(&self.text.folder);
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(
                self.text
                    .index
                    .writer_with_num_threads(1, BUFFER)
                    .map_err(&broken)?,
            ),
        };
        writer.delete_term(Term::from_field_text(fields.file, file));
        for document in documents {
            writer
                .add_document(fields.write(document))
                .map_err(&broken)?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Built, RetrievalError> {
        let broken = broken(&self.text.folder);
        if let Some(mut writer) = self.writer.take() {
            let note =
                serde_json::to_string(&self.next).map_err(|source| RetrievalError::Note {
                    folder: self.text.folder.clone(),
                    source,
                })?;
            let mut commit = writer.prepare_commit().map_err(&broken)?;
            commit.set_payload(&note);
            commit.commit().map_err(&broken)?;
            writer.wait_merging_threads().map_err(&broken)?;
        }
        self.built.documents = self.text.documents()?;
        self.built.unread = self.next.unread;
        Ok(self.built)
    }
}
