//! Which files the corpus is read from, and by which reader.

use std::{
    fs,
    path::{Path, PathBuf},
};

use portwright_core::Digest;

use super::{CorpusError, Document, markdown, operators, python};

/// The kinds of files in a model's folder that are not read: text in and out, and the reading of foreign checkpoints.
/// What a modular file says stands in the files that the library generated from it.
const NOT_OF_MODELS: [&str; 4] = ["tokenization_", "convert_", "modular_", "__init__"];

/// What models share, by the beginning of the file's name.
const SHARED: [&str; 12] = [
    "activations",
    "audio_",
    "cache_",
    "configuration_",
    "feature_extraction_",
    "image_",
    "masking_",
    "modeling_",
    "processing_",
    "pytorch_",
    "time_series_",
    "video_",
];

/// Folders of the library that are read whole.
const WHOLE: [&str; 4] = ["exporters", "generation", "integrations", "utils"];

/// Where the corpus is.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// The folder that holds the installed packages.
    pub site_packages: PathBuf,
    /// Folders of documentation in Markdown.
    pub docs: Vec<PathBuf>,
}

/// A file of the corpus.
#[derive(Clone, Debug)]
pub struct Source {
    pub path: PathBuf,
    /// The path as it is shown, and as the index knows the file.
    pub shown: String,
    reader: Reader,
}

#[derive(Clone, Copy, Debug)]
enum Reader {
    Python,
    /// Python that defines a format's operators as documented functions.
    PythonOperators,
    OnnxOperators,
    OpenvinoSupport,
    Markdown,
}

impl Source {
    /// The file's text and the digest of it.
    pub fn text(&self) -> Result<(String, Digest), CorpusError> {
        let bytes = fs::read(&self.path).map_err(failed(&self.path))?;
        let digest = Digest::of(&bytes);
        // A page in another encoding is better searched with a few strange letters than not at all.
        Ok((String::from_utf8_lossy(&bytes).into_owned(), digest))
    }

    /// The documents in the file's text.
    pub fn documents(&self, text: &str) -> Result<Vec<Document>, CorpusError> {
        Ok(match self.reader {
            Reader::Python => python::documents(&self.shown, text)?,
            Reader::PythonOperators => python::operators(&self.shown, text)?,
            Reader::OnnxOperators => operators::onnx(&self.shown, text),
            Reader::OpenvinoSupport => operators::support(&self.shown, text),
            Reader::Markdown => markdown::documents(&self.shown, text),
        })
    }
}

/// Every file of the corpus, in the order of their names. The library must be there, the others may be absent.
pub fn sources(places: &Places) -> Result<Vec<Source>, CorpusError> {
    let mut found = Found {
        site_packages: &places.site_packages,
        sources: Vec::new(),
    };
    let library = places.site_packages.join("transformers");
    for path in files(&library, "py")? {
        if is_read(path.strip_prefix(&library).unwrap_or(&path)) {
            found.add(path, Reader::Python);
        }
    }
    let onnx = places.site_packages.join("onnx/defs");
    if onnx.is_dir() {
        for path in files(&onnx, "cc")? {
            // Beside it, `old.cc` holds what newer versions of an operator replaced.
            if path.file_name().is_some_and(|name| name == "defs.cc") {
                found.add(path, Reader::OnnxOperators);
            }
        }
    }
    let openvino = places.site_packages.join("openvino");
    let support = openvino.join("frontend/pytorch/torchdynamo/op_support.py");
    if support.is_file() {
        found.add(support, Reader::OpenvinoSupport);
    }
    if openvino.is_dir() {
        for path in files(&openvino, "py")? {
            let in_opset = path
                .parent()
                .and_then(Path::file_name)
                .is_some_and(|folder| folder.to_string_lossy().starts_with("opset"));
            if in_opset && path.file_name().is_some_and(|name| name == "ops.py") {
                found.add(path, Reader::PythonOperators);
            }
        }
    }
    for folder in &places.docs {
        for path in files(folder, "md")? {
            // A link may lead out of the folder, and what is in the index is shown to language models.
            if !path.symlink_metadata().is_ok_and(|there| there.is_file()) {
                continue;
            }
            let inside = path.strip_prefix(folder).unwrap_or(&path);
            let name = folder.file_name().unwrap_or(folder.as_os_str());
            found.sources.push(Source {
                shown: Path::new("docs")
                    .join(name)
                    .join(inside)
                    .to_string_lossy()
                    .into(),
                path,
                reader: Reader::Markdown,
            });
        }
    }
    let mut sources = found.sources;
    sources.sort_by(|a, b| a.shown.cmp(&b.shown));
    Ok(sources)
}

struct Found<'a> {
    site_packages: &'a Path,
    sources: Vec<Source>,
}

impl Found<'_> {
    fn add(&mut self, path: PathBuf, reader: Reader) {
        let shown = path.strip_prefix(self.site_packages).unwrap_or(&path);
        self.sources.push(Source {
            shown: shown.to_string_lossy().replace('\\', "/"),
            path,
            reader,
        });
    }
}

/// Whether a Python file of the library, by its path below the library's folder, is part of the corpus.
fn is_read(path: &Path) -> bool {
    let parts: Vec<_> = path
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    let begins = |name: &str, with: &[&str]| with.iter().any(|start| name.starts_with(start));
    match parts.as_slice() {
        [name] => begins(name, &SHARED),
        // Placeholders for classes whose libraries are not installed.
        [folder, name] if folder == "utils" && name.starts_with("dummy_") => false,
        [folder, ..] if WHOLE.contains(&folder.as_str()) => true,
        [models, _, name] if models == "models" => !begins(name, &NOT_OF_MODELS),
        _ => false,
    }
}

/// Every file below a folder whose name has that end.
fn files(folder: &Path, end: &str) -> Result<Vec<PathBuf>, CorpusError> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(failed(&folder))? {
            let entry = entry.map_err(failed(&folder))?;
            let path = entry.path();
            // A link is not followed: it can lead round in a circle.
            if entry.file_type().map_err(failed(&path))?.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|other| other == end) {
                found.push(path);
            }
        }
    }
    Ok(found)
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> CorpusError {
    let path = path.to_owned();
    move |source| CorpusError::Read { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_and_what_they_share_are_read_and_nothing_else() {
        let read = [
            "models/bert/modeling_bert.py",
            "models/bert/configuration_bert.py",
            "models/bert/vision.py",
            "masking_utils.py",
            "exporters/exporter_onnx.py",
            "utils/generic.py",
        ];
        let not_read = [
            "models/bert/tokenization_bert.py",
            "models/bert/modular_bert.py",
            "trainer.py",
            "utils/dummy_pt_objects.py",
            "pipelines/base.py",
        ];
        assert!(read.iter().all(|path| is_read(Path::new(path))));
        assert!(!not_read.iter().any(|path| is_read(Path::new(path))));
    }

    #[test]
    fn a_library_that_is_not_there_is_an_error_with_its_cure() {
        let places = Places {
            site_packages: "/nowhere".into(),
            docs: Vec::new(),
        };
        let error = sources(&places).unwrap_err();
        assert!(error.to_string().contains("/nowhere/transformers"));
        assert!(error.hint().contains("doctor"));
    }

    #[test]
    fn given_documentation_is_read_beside_the_packages() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("packages/transformers/masking_utils.py", "");
        write("packages/onnx/defs/math/defs.cc", "");
        write("packages/onnx/defs/math/old.cc", "");
        write("manual/en/bert.md", "# BERT\nText.\n");
        // A link is no page: it may lead out of the folder.
        let link = root.path().join("manual/link.md");
        std::os::unix::fs::symlink("/etc/hostname", link).unwrap();
        let found = sources(&Places {
            site_packages: root.path().join("packages"),
            docs: vec![root.path().join("manual")],
        })
        .unwrap();
        let shown: Vec<&str> = found.iter().map(|source| source.shown.as_str()).collect();
        assert_eq!(
            shown,
            [
                "docs/manual/en/bert.md",
                "onnx/defs/math/defs.cc",
                "transformers/masking_utils.py"
            ]
        );
    }
}
