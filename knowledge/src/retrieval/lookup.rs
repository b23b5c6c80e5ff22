//! Search by words, by meaning, or by both.

use std::collections::{HashMap, HashSet};

use portwright_core::Digest;
use serde::Serialize;
use thiserror::Error;

use super::{
    Hit, RetrievalError, TextIndex,
    embed::{EmbedError, Embedder, passage},
    fuse::fuse,
    vectors::{VectorError, VectorStore},
};
use crate::corpus::{Document, DocumentKind};

/// How many hits of each way are made one.
const DEPTH: usize = 50;

/// Texts in one question to the embedder, and vectors that are put into the store at once: what a kill can cost.
const QUESTION: usize = 32;
const SAVED: usize = 2048;

/// A way to search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// Words that the question and the document share.
    Text,
    /// Vectors that point the same way.
    Vectors,
    /// Both, made one by reciprocal rank.
    Both,
}

impl Way {
    pub const ALL: [Way; 3] = [Way::Text, Way::Vectors, Way::Both];

    pub fn as_str(self) -> &'static str {
        match self {
            Way::Text => "text",
            Way::Vectors => "vectors",
            Way::Both => "both",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.as_str() == text)
    }
}

/// Why nothing could be looked up.
#[derive(Debug, Error)]
pub enum LookupError {
    #[error(transparent)]
    Retrieval(#[from] RetrievalError),
    #[error(transparent)]
    Embed(#[from] EmbedError),
    #[error(transparent)]
    Vector(#[from] VectorError),
}

impl LookupError {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Retrieval(error) => error.hint(),
            Self::Embed(error) => error.hint(),
            Self::Vector(error) => error.hint(),
        }
    }
}

/// What searching by meaning needs.
pub struct Meaning {
    embedder: Embedder,
    store: Box<dyn VectorStore>,
    /// A document for each key of the store.
    documents: HashMap<Digest, Document>,
}

impl Meaning {
    /// Ties the documents of an index to the vectors of a store.
    pub fn new(
        index: &TextIndex,
        embedder: Embedder,
        store: Box<dyn VectorStore>,
    ) -> Result<Self, LookupError> {
        Ok(Self {
            embedder,
            store,
            documents: passages(index)?,
        })
    }

    /// Makes the store hold the vectors of all documents and no others; answers with how many were computed.
    /// `progress` is told how many of those are done.
    pub fn update(&mut self, progress: &mut dyn FnMut(usize, usize)) -> Result<usize, LookupError> {
        let known = self.store.keys()?;
        let mut missing: Vec<(Digest, String)> = self
            .documents
            .iter()
            .filter(|(key, _)| !known.contains(*key))
            .map(|(key, document)| (key.clone(), passage(document)))
            .collect();
        // Texts of one length go through the model together, without padding.
        missing.sort_by_key(|(key, text)| (text.len(), key.clone()));
        let all = missing.len();
        let mut done = 0;
        for saved in missing.chunks(SAVED) {
            let mut vectors = Vec::with_capacity(saved.len());
            for question in saved.chunks(QUESTION) {
                let texts: Vec<&str> = question.iter().map(|(_, text)| text.as_str()).collect();
                let keys = question.iter().map(|(key, _)| key.clone());
                vectors.extend(keys.zip(self.embedder.embed(&texts)?));
                done += question.len();
                progress(done, all);
            }
            self.store.put(&vectors)?;
        }
        let keys: HashSet<Digest> = self.documents.keys().cloned().collect();
        self.store.retain(&keys)?;
        Ok(all)
    }

    /// How many documents have a vector, and how many should have one.
    pub fn covered(&self) -> Result<(usize, usize), LookupError> {
        let known = self.store.keys()?;
        let covered = self.documents.keys().filter(|key| known.contains(*key));
        Ok((covered.count(), self.documents.len()))
    }

    /// The documents whose vectors are nearest to that of a text, the best first.
    pub fn search(
        &mut self,
        text: &str,
        kinds: &[DocumentKind],
        limit: usize,
    ) -> Result<Vec<Hit>, LookupError> {
        let vector = self.embedder.embed(&[text])?.pop().unwrap_or_default();
        let among: Option<HashSet<Digest>> = (!kinds.is_empty()).then(|| {
            let of_kind = |document: &Document| kinds.contains(&document.kind);
            let documents = self.documents.iter();
            documents
                .filter(|(_, document)| of_kind(document))
                .map(|(key, _)| key.clone())
                .collect()
        });
        let found = self.store.nearest(&vector, among.as_ref(), limit)?;
        Ok(found
            .into_iter()
            .filter_map(|(key, score)| {
                let document = self.documents.get(&key)?.clone();
                Some(Hit { document, score })
            })
            .collect())
    }
}

/// A document for each passage. Of documents with one text, or with one passage, the first by its id stands for all.
fn passages(index: &TextIndex) -> Result<HashMap<Digest, Document>, LookupError> {
    let mut texts = HashMap::new();
    index.for_each(|document| first(&mut texts, document.body(), document))?;
    let mut found = HashMap::new();
    for document in texts.into_values() {
        first(&mut found, Digest::of(passage(&document)), document);
    }
    Ok(found)
}

/// Keeps the document whose id comes first.
fn first(kept: &mut HashMap<Digest, Document>, key: Digest, document: Document) {
    match kept.get(&key) {
        Some(known) if known.id() <= document.id() => {}
        _ => {
            kept.insert(key, document);
        }
    }
}

/// An index with, where it is there, what searching by meaning needs.
pub struct Lookup {
    pub index: TextIndex,
    pub meaning: Option<Meaning>,
}

impl Lookup {
    /// The `limit` documents that answer a question best. Without vectors every way is that of words.
    pub fn search(
        &mut self,
        way: Way,
        text: &str,
        kinds: &[DocumentKind],
        limit: usize,
    ) -> Result<Vec<Hit>, LookupError> {
        let Some(meaning) = self.meaning.as_mut().filter(|_| way != Way::Text) else {
            return Ok(self.index.search(text, kinds, limit)?);
        };
        if way == Way::Vectors {
            return meaning.search(text, kinds, limit);
        }
        let depth = DEPTH.max(limit);
        let lists = [
            self.index.search(text, kinds, depth)?,
            meaning.search(text, kinds, depth)?,
        ];
        Ok(both(&lists, limit))
    }
}

/// Lists of hits made one. A document and its copy are the same hit.
fn both(lists: &[Vec<Hit>], limit: usize) -> Vec<Hit> {
    let mut documents: HashMap<Digest, &Document> = HashMap::new();
    let keys: Vec<Vec<Digest>> = lists
        .iter()
        .map(|list| {
            let keys = list.iter().map(|hit| {
                let key = hit.document.body();
                documents.entry(key.clone()).or_insert(&hit.document);
                key
            });
            keys.collect()
        })
        .collect();
    fuse(&keys)
        .into_iter()
        .take(limit)
        .filter_map(|(key, score)| {
            let document = (*documents.get(&key)?).clone();
            Some(Hit { document, score })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(file: &str, text: &str) -> Hit {
        Hit {
            document: Document {
                kind: DocumentKind::Code,
                file: file.into(),
                symbol: "f".into(),
                line: 1,
                end_line: 1,
                text: text.into(),
            },
            score: 1.0,
        }
    }

    #[test]
    fn a_copy_in_the_other_list_is_the_same_hit() {
        let lists = [
            vec![hit("a.py", "one"), hit("b.py", "two")],
            vec![hit("c.py", "three"), hit("copy.py", "two")],
        ];
        let fused = both(&lists, 2);
        let files: Vec<&str> = fused.iter().map(|hit| hit.document.file.as_str()).collect();
        assert_eq!(files, ["b.py", "a.py"]);
    }

    #[test]
    fn the_first_of_several_documents_stands_for_all() {
        let mut kept = HashMap::new();
        for file in ["b.py", "a.py", "c.py"] {
            first(&mut kept, Digest::of("one"), hit(file, "one").document);
        }
        assert_eq!(kept[&Digest::of("one")].file, "a.py");
    }
}
