//! Search by words: BM25 over symbol, path and text.

use tantivy::{
    DocAddress, IndexReader, ReloadPolicy, Searcher, TantivyDocument, Term,
    collector::TopDocs,
    query::{AllQuery, BooleanQuery, BoostQuery, ConstScoreQuery, Occur, Query, TermQuery},
    schema::IndexRecordOption,
};

use super::{
    RetrievalError,
    index::{TextIndex, broken},
    tokens,
};
use crate::corpus::{Document, DocumentKind};

/// How much a word in the symbol's name and in the path counts, against one in the text.
const SYMBOL: f32 = 2.0;
const PATH: f32 = 1.5;

/// A document and how well it fits; scores of one search compare, those of two do not.
#[derive(Clone, Debug)]
pub struct Hit {
    pub document: Document,
    pub score: f32,
}

impl TextIndex {
    /// The `limit` documents that fit the words of `text` best, the best first, of the given kinds; of all kinds where
    /// none is given. Of documents with one text the best is kept.
    pub fn search(
        &self,
        text: &str,
        kinds: &[DocumentKind],
        limit: usize,
    ) -> Result<Vec<Hit>, RetrievalError> {
        let query = self.query(&tokens::words(text), kinds);
        let searcher = self.searcher()?;
        // Copies crowd a page out, so more are fetched than are wanted.
        let found = self.top(&searcher, &*query, limit.saturating_mul(6))?;
        let mut seen = std::collections::HashSet::new();
        let mut hits = Vec::new();
        for (score, address) in found {
            let document = self.fetch(&searcher, address)?;
            if seen.insert(document.body()) {
                hits.push(Hit { document, score });
            }
            if hits.len() == limit {
                break;
            }
        }
        Ok(hits)
    }

    /// The documents of that id or that symbol, in any case of letters of a model's file; at most `limit`.
    pub fn find(&self, name: &str, limit: usize) -> Result<Vec<Document>, RetrievalError> {
        let term = |field, text| -> Box<dyn Query> {
            Box::new(TermQuery::new(
                Term::from_field_text(field, text),
                IndexRecordOption::Basic,
            ))
        };
        let query: Box<dyn Query> = match name.split_once("::") {
            Some((file, symbol)) => Box::new(BooleanQuery::intersection(vec![
                term(self.fields.file, file),
                term(self.fields.exact, symbol),
            ])),
            None => term(self.fields.exact, name),
        };
        let searcher = self.searcher()?;
        let found = self.top(&searcher, &*query, limit)?;
        let mut documents = found
            .into_iter()
            .map(|(_, address)| self.fetch(&searcher, address))
            .collect::<Result<Vec<_>, _>>()?;
        documents.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        Ok(documents)
    }

    /// Hands every document to `each`, in no particular order.
    pub fn for_each(&self, mut each: impl FnMut(Document)) -> Result<(), RetrievalError> {
        let searcher = self.searcher()?;
        let all = searcher.num_docs().try_into().unwrap_or(usize::MAX);
        for (_, address) in self.top(&searcher, &AllQuery, all)? {
            each(self.fetch(&searcher, address)?);
        }
        Ok(())
    }

    /// How many documents there are.
    pub fn documents(&self) -> Result<u64, RetrievalError> {
        Ok(self.searcher()?.num_docs())
    }

    fn query(&self, words: &[String], kinds: &[DocumentKind]) -> Box<dyn Query> {
        let fields = [
            (self.fields.symbol, SYMBOL),
            (self.fields.path, PATH),
            (self.fields.text, 1.0),
        ];
        let mut any = Vec::new();
        for word in words {
            for (field, boost) in fields {
                let term = Term::from_field_text(field, word);
                let query = TermQuery::new(term, IndexRecordOption::WithFreqs);
                any.push(Box::new(BoostQuery::new(Box::new(query), boost)) as Box<dyn Query>);
            }
        }
        let words = BooleanQuery::union(any);
        if kinds.is_empty() {
            return Box::new(words);
        }
        let kinds = kinds.iter().map(|kind| {
            let term = Term::from_field_text(self.fields.kind, kind.as_str());
            Box::new(TermQuery::new(term, IndexRecordOption::Basic)) as Box<dyn Query>
        });
        let kinds = ConstScoreQuery::new(Box::new(BooleanQuery::union(kinds.collect())), 0.0);
        Box::new(BooleanQuery::new(vec![
            (Occur::Must, Box::new(words)),
            (Occur::Must, Box::new(kinds)),
        ]))
    }

    fn searcher(&self) -> Result<Searcher, RetrievalError> {
        let reader: IndexReader = self
            .index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .try_into()
            .map_err(broken(&self.folder))?;
        Ok(reader.searcher())
    }

    fn top(
        &self,
        searcher: &Searcher,
        query: &dyn Query,
        limit: usize,
    ) -> Result<Vec<(f32, DocAddress)>, RetrievalError> {
        let top = TopDocs::with_limit(limit.max(1)).order_by_score();
        searcher.search(query, &top).map_err(broken(&self.folder))
    }

    fn fetch(&self, searcher: &Searcher, at: DocAddress) -> Result<Document, RetrievalError> {
        let written: TantivyDocument = searcher.doc(at).map_err(broken(&self.folder))?;
        Ok(self.fields.read(&written))
    }
}
