//! The text index: which documents it holds, and the note that says of what it was made.
//!
//! The note is committed together with the documents, so what was built up to a kill is whole: either it is there with
//! its note, or it is not there at all.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use portwright_core::Digest;
use serde::{Deserialize, Serialize};
use tantivy::{
    Index, TantivyDocument,
    schema::{
        Field, INDEXED, IndexRecordOption, STORED, STRING, Schema, TextFieldIndexing, TextOptions,
        Value as _,
    },
};

use super::{RetrievalError, error::io, tokens};
use crate::corpus::{self, Document, DocumentKind};

/// What an index was made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The code that made it.
    pub form: Digest,
    /// The digest of each file's content, by its shown path.
    pub files: BTreeMap<String, Digest>,
    /// Files that could not be read as what they are, each with the reason; they are in `files` too.
    pub unread: BTreeMap<String, String>,
}

impl Note {
    pub fn empty() -> Self {
        Self {
            form: form(),
            files: BTreeMap::new(),
            unread: BTreeMap::new(),
        }
    }
}

/// Names the code that makes an index.
fn form() -> Digest {
    let corpus = corpus::code_digest();
    let here = [
        include_str!("index.rs"),
        include_str!("tokens.rs"),
        corpus.as_str(),
    ];
    Digest::of(here.concat())
}

/// An index of documents in a folder.
pub struct TextIndex {
    pub(super) folder: PathBuf,
    pub(super) index: Index,
    pub(super) fields: Fields,
}

/// The fields of a document in the index.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields {
    pub kind: Field,
    pub file: Field,
    pub path: Field,
    pub symbol: Field,
    pub exact: Field,
    pub text: Field,
    pub line: Field,
    pub end_line: Field,
}

fn schema() -> (Schema, Fields) {
    let mut builder = Schema::builder();
    let words = TextOptions::default().set_indexing_options(
        TextFieldIndexing::default()
            .set_tokenizer(tokens::CODE)
            .set_index_option(IndexRecordOption::WithFreqs),
    );
    let fields = Fields {
        kind: builder.add_text_field("kind", STRING | STORED),
        file: builder.add_text_field("file", STRING | STORED),
        path: builder.add_text_field("path", words.clone()),
        symbol: builder.add_text_field("symbol", words.clone()),
        exact: builder.add_text_field("exact", STRING | STORED),
        text: builder.add_text_field("text", words | STORED),
        line: builder.add_u64_field("line", INDEXED | STORED),
        end_line: builder.add_u64_field("end_line", STORED),
    };
    (builder.build(), fields)
}

impl Fields {
    pub fn write(&self, document: &Document) -> TantivyDocument {
        let mut written = TantivyDocument::default();
        written.add_text(self.kind, document.kind.as_str());
        written.add_text(self.file, &document.file);
        written.add_text(self.path, &document.file);
        written.add_text(self.symbol, &document.symbol);
        written.add_text(self.exact, &document.symbol);
        written.add_text(self.text, &document.text);
        written.add_u64(self.line, document.line.into());
        written.add_u64(self.end_line, document.end_line.into());
        written
    }

    pub fn read(&self, written: &TantivyDocument) -> Document {
        let text = |field| {
            let value = written.get_first(field).and_then(|value| value.as_str());
            value.unwrap_or_default().to_owned()
        };
        let number = |field| {
            let value = written.get_first(field).and_then(|value| value.as_u64());
            value.and_then(|value| value.try_into().ok()).unwrap_or(0)
        };
        Document {
            kind: DocumentKind::parse(&text(self.kind)).unwrap_or(DocumentKind::Code),
            file: text(self.file),
            symbol: text(self.exact),
            line: number(self.line),
            end_line: number(self.end_line),
            text: text(self.text),
        }
    }
}

impl TextIndex {
    /// The finished index in a folder.
    pub fn open(folder: &Path) -> Result<Self, RetrievalError> {
        match Self::look(folder)? {
            Some((index, note)) if note.form == form() => Self::of(folder, index),
            Some(_) => Err(RetrievalError::OtherVersion {
                folder: folder.to_owned(),
            }),
            None => Err(RetrievalError::NoIndex {
                folder: folder.to_owned(),
            }),
        }
    }

    /// The index to be written to: the one that is there, or a new one where none is or another version made it.
    pub(super) fn open_or_create(folder: &Path) -> Result<(Self, Note), RetrievalError> {
        if let Some((index, note)) = Self::look(folder)?
            && note.form == form()
        {
            return Ok((Self::of(folder, index)?, note));
        }
        if folder.exists() {
            fs::remove_dir_all(folder).map_err(io("remove", folder))?;
        }
        fs::create_dir_all(folder).map_err(io("create", folder))?;
        let index = Index::create_in_dir(folder, schema().0).map_err(broken(folder))?;
        Ok((Self::of(folder, index)?, Note::empty()))
    }

    /// An index with its note; `None` where there is no index or its first build was cut off.
    fn look(folder: &Path) -> Result<Option<(Index, Note)>, RetrievalError> {
        if !folder.join("meta.json").is_file() {
            return Ok(None);
        }
        let index = Index::open_in_dir(folder).map_err(broken(folder))?;
        let note = index.load_metas().map_err(broken(folder))?.payload;
        let Some(note) = note else {
            return Ok(None);
        };
        let note = serde_json::from_str(&note).map_err(|source| RetrievalError::Note {
            folder: folder.to_owned(),
            source,
        })?;
        Ok(Some((index, note)))
    }

    fn of(folder: &Path, index: Index) -> Result<Self, RetrievalError> {
        let analyzer = tokens::analyzer().ok_or_else(|| {
            broken(folder)(tantivy::TantivyError::InternalError(
                "it has no list of stop words for English".into(),
            ))
        })?;
        index.tokenizers().register(tokens::CODE, analyzer);
        Ok(Self {
            folder: folder.to_owned(),
            index,
            fields: schema().1,
        })
    }

    /// What the index was made of.
    pub fn note(&self) -> Result<Note, RetrievalError> {
        Ok(Self::look(&self.folder)?.map_or_else(Note::empty, |(_, note)| note))
    }
}

/// Wraps an error of the index.
pub(super) fn broken(folder: &Path) -> impl Fn(tantivy::TantivyError) -> RetrievalError {
    let folder = folder.to_owned();
    move |source| RetrievalError::Index {
        folder: folder.clone(),
        source,
    }
}
