//! An index over a small library, built, brought up to date and searched.

use std::{fs, path::Path};

use super::*;
use crate::corpus::{DocumentKind, Places, Repair, sources};

struct Library {
    root: tempfile::TempDir,
}

impl Library {
    fn new() -> Self {
        let library = Self {
            root: tempfile::tempdir().unwrap(),
        };
        library.write(
            "models/one/modeling_one.py",
            "class OneModel(Base):\n    def get_placeholder_mask(self, image_features):\n        raise ValueError(\"Image features and image tokens do not match\")\n",
        );
        library.write(
            "models/two/modeling_two.py",
            "class TwoModel(Base):\n    def get_placeholder_mask(self, image_features):\n        raise ValueError(\"Image features and image tokens do not match\")\n\n    def forward(self, hidden_states):\n        return hidden_states\n",
        );
        library
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root.path().join("packages/transformers").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn folder(&self) -> std::path::PathBuf {
        self.root.path().join("index")
    }

    fn build(&self, repairs: &[Repair]) -> Built {
        let places = Places {
            site_packages: self.root.path().join("packages"),
            docs: Vec::new(),
        };
        let sources = sources(&places).unwrap();
        build(&self.folder(), &sources, repairs, &mut |_, _| {}).unwrap()
    }

    fn search(&self, text: &str) -> Vec<String> {
        let index = TextIndex::open(&self.folder()).unwrap();
        let hits = index.search(text, &[], 5).unwrap();
        hits.into_iter().map(|hit| hit.document.id()).collect()
    }
}

const ONE: &str = "transformers/models/one/modeling_one.py";
const TWO: &str = "transformers/models/two/modeling_two.py";

#[test]
fn an_error_message_leads_to_the_function_that_raises_it() {
    let library = Library::new();
    let built = library.build(&[]);
    assert_eq!((built.files, built.read, built.documents), (2, 2, 5));
    // The copy in the other model says nothing new; the name of the model decides which one is shown.
    let found = library.search("two: Image features and image tokens do not match: tokens: 0");
    assert_eq!(found[0], format!("{TWO}::TwoModel.get_placeholder_mask"));
    assert!(!found.contains(&format!("{ONE}::OneModel.get_placeholder_mask")));
}

#[test]
fn a_second_build_reads_only_what_changed() {
    let library = Library::new();
    library.build(&[]);
    let again = library.build(&[]);
    assert_eq!((again.read, again.unchanged, again.documents), (0, 2, 5));

    library.write("models/one/modeling_one.py", "def other():\n    pass\n");
    fs::remove_dir_all(library.root.path().join("packages/transformers/models/two")).unwrap();
    let changed = library.build(&[]);
    assert_eq!((changed.read, changed.gone, changed.documents), (1, 1, 1));
    assert_eq!(library.search("other"), [format!("{ONE}::other")]);
    assert!(library.search("placeholder mask").is_empty());
}

#[test]
fn a_file_that_is_no_python_is_named_and_the_others_are_found() {
    let library = Library::new();
    library.write("models/three/modeling_three.py", "def (:\n");
    let built = library.build(&[]);
    let file = "transformers/models/three/modeling_three.py";
    assert!(built.unread[file].contains("not valid Python"));
    // It is named as long as it is not corrected, also where nothing is read again.
    assert!(library.build(&[]).unread.contains_key(file));
    assert!(!library.search("image features").is_empty());
}

#[test]
fn a_search_without_an_index_says_to_build_one() {
    let root = tempfile::tempdir().unwrap();
    let error = TextIndex::open(&root.path().join("index")).err().unwrap();
    assert!(matches!(error, RetrievalError::NoIndex { .. }));
    assert!(error.hint().contains("portwright knowledge build"));
}

#[test]
fn a_build_that_was_cut_off_left_no_index_or_the_old_one() {
    let library = Library::new();
    // What a first build leaves behind when it is killed: files without a commit.
    drop(TextIndex::open_or_create(&library.folder()).unwrap());
    let error = TextIndex::open(&library.folder()).err().unwrap();
    assert!(matches!(error, RetrievalError::NoIndex { .. }));
    assert_eq!(library.build(&[]).read, 2);

    // A later one: documents were added and never committed.
    let (text, _) = TextIndex::open_or_create(&library.folder()).unwrap();
    let writer = text
        .index
        .writer_with_num_threads::<tantivy::TantivyDocument>(1, 20 << 20)
        .unwrap();
    writer.delete_all_documents().unwrap();
    drop(writer);
    assert_eq!(
        library.search("hidden states")[0],
        format!("{TWO}::TwoModel.forward")
    );
}

#[test]
fn an_index_of_another_version_is_not_searched_and_made_anew() {
    let library = Library::new();
    library.build(&[]);
    let meta = library.folder().join("meta.json");
    let text = fs::read_to_string(&meta).unwrap();
    let form = Note::empty().form;
    let other = portwright_core::Digest::of("other");
    assert!(text.contains(form.as_str()));
    fs::write(&meta, text.replace(form.as_str(), other.as_str())).unwrap();
    let error = TextIndex::open(&library.folder()).err().unwrap();
    assert!(matches!(error, RetrievalError::OtherVersion { .. }));
    assert_eq!(library.build(&[]).read, 2);
}

#[test]
fn two_builds_at_once_are_refused() {
    let library = Library::new();
    let lock = fs::File::create(library.folder().with_extension("lock")).unwrap();
    lock.lock().unwrap();
    let error = build(&library.folder(), &[], &[], &mut |_, _| {}).unwrap_err();
    assert!(matches!(error, RetrievalError::Busy { .. }));
}

#[test]
fn repairs_are_found_by_the_finding_that_they_answer() {
    let library = Library::new();
    let repair = Repair {
        model_type: "one".into(),
        answers: "RuntimeError: histc not implemented for _".into(),
        change: "experts implementation batched".into(),
        name: "batch-the-experts".into(),
        reason: "the grouped kernel cannot be exported".into(),
    };
    let built = library.build(std::slice::from_ref(&repair));
    assert_eq!(built.documents, 6);
    let index = TextIndex::open(&library.folder()).unwrap();
    let hits = index.search("histc", &[DocumentKind::Repair], 5).unwrap();
    assert_eq!(hits[0].document, repair.document());
    // A ledger that was emptied takes them away again.
    assert_eq!(library.build(&[]).documents, 5);
}

#[test]
fn a_symbol_is_found_by_its_id_or_its_name() {
    let library = Library::new();
    library.build(&[]);
    let index = TextIndex::open(&library.folder()).unwrap();
    let one = index.find(&format!("{TWO}::TwoModel.forward"), 5).unwrap();
    assert_eq!((one.len(), one[0].line, one[0].end_line), (1, 5, 6));
    assert_eq!(index.find("OneModel", 5).unwrap().len(), 1);
    assert!(index.find("Nothing", 5).unwrap().is_empty());
    assert!(Path::new(&one[0].file).starts_with("transformers"));
}

#[test]
fn a_copy_of_the_answer_is_the_answer_and_an_absent_one_is_told() {
    let library = Library::new();
    library.build(&[]);
    let index = TextIndex::open(&library.folder()).unwrap();
    let query = |answer: &str| measure::Query {
        group: "message".into(),
        text: "two: image features and image tokens do not match".into(),
        answers: vec![answer.into()],
    };
    let queries = [
        query(&format!("{ONE}::OneModel.get_placeholder_mask")),
        query("transformers/gone.py::f"),
    ];
    let (asked, absent) = measure::labelled(&index, &queries).unwrap();
    assert_eq!((asked.len(), absent), (1, vec![&queries[1]]));
    let search = |text: &str| -> Result<_, RetrievalError> {
        let hits = index.search(text, &[], 5)?;
        Ok(hits.into_iter().map(|hit| hit.document).collect())
    };
    let measured = measure::measure(&asked, search).unwrap();
    assert_eq!(measured.all.mrr, 1.0);
    assert!(measured.missed.is_empty());
}
