//! The shelf of source that an agent may look at: the library's package and the model's own folder, and nothing else.

use std::path::{Path, PathBuf};

use portwright_knowledge::tracing::Sources;
use portwright_prompts::fixer::Excerpt;

/// Lines that are shown before and after a line.
const AROUND: usize = 14;
/// The most lines of a definition.
const LONGEST: usize = 120;
/// The most files that are searched for a name.
const FILES: usize = 4000;

/// Where source is looked up.
pub struct Shelf {
    library: PathBuf,
    folder: Option<PathBuf>,
}

impl Shelf {
    pub fn new(library: PathBuf, folder: Option<PathBuf>) -> Self {
        Self { library, folder }
    }

    /// The lines around a line of a file, or why there are none, in words for who asks.
    pub fn span(&self, file: &str, line: u32) -> Result<Excerpt, String> {
        let path = self.path(file)?;
        let line = line as usize;
        self.excerpt(&path, line.saturating_sub(AROUND).max(1), line + AROUND)
    }

    /// A Python file inside the library or the folder; links that lead out of them are refused.
    fn path(&self, file: &str) -> Result<PathBuf, String> {
        let roots = || self.folder.iter().chain(std::iter::once(&self.library));
        let own = Sources::new(&self.library, self.folder.clone()).locate(file);
        // The library is a package: paths are given from inside of it, or from beside it.
        let beside = self.library.parent().map(|parent| parent.join(file));
        let candidates = roots()
            .map(|root| root.join(file))
            .chain([own])
            .chain(beside);
        for path in candidates {
            let Ok(path) = path.canonicalize() else {
                continue;
            };
            let inside =
                roots().any(|root| root.canonicalize().is_ok_and(|root| path.starts_with(root)));
            if inside && path.extension().is_some_and(|end| end == "py") {
                return Ok(path);
            }
        }
        Err(format!(
            "`{file}` is no Python file of the library or of the model's folder"
        ))
    }

    fn excerpt(&self, path: &Path, first: usize, last: usize) -> Result<Excerpt, String> {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        let lines: Vec<&str> = text
            .lines()
            .skip(first - 1)
            .take(last + 1 - first)
            .collect();
        let sources = Sources::new(&self.library, self.folder.clone());
        let shown = sources.shown(path);
        if lines.is_empty() {
            return Err(format!("{shown} has no line {first}"));
        }
        Ok(Excerpt {
            place: format!("{shown}:{first}"),
            text: lines.join("\n"),
        })
    }

    /// The definition of `Class`, or of `Class.method`: in the model's folder, or else in the library's models.
    pub fn symbol(&self, name: &str) -> Result<Excerpt, String> {
        let (class, method) = match name.split_once('.') {
            Some((class, method)) => (class, Some(method)),
            None => (name, None),
        };
        let defines = format!("class {class}");
        let sources = Sources::new(&self.library, self.folder.clone());
        for path in self.files() {
            // Parsing is a thousand times dearer than a look at the text.
            if !std::fs::read_to_string(&path).is_ok_and(|text| text.contains(&defines)) {
                continue;
            }
            let facts = sources.file(&path).map_err(|error| error.to_string())?;
            let Some(found) = facts.class(class) else {
                continue;
            };
            let (first, last) = match method {
                None => (found.line, found.end_line),
                Some(method) => match found.method(method) {
                    Some(method) => (method.line, method.end_line),
                    None => return Err(format!("`{class}` defines no `{method}` itself")),
                },
            };
            let (first, last) = (first as usize, last as usize);
            return self.excerpt(&path, first, last.min(first + LONGEST));
        }
        Err(format!("no class is called `{class}`"))
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders: Vec<PathBuf> = vec![self.library.clone()];
        folders.extend(self.folder.clone());
        // The model's own folder lies on top.
        while let Some(folder) = folders.pop() {
            let Ok(entries) = std::fs::read_dir(&folder) else {
                continue;
            };
            let mut entries: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
            entries.sort();
            for path in entries {
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|end| end == "py") && found.len() < FILES {
                    found.push(path);
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelf() -> (tempfile::TempDir, Shelf) {
        let root = tempfile::tempdir().unwrap();
        let library = root.path().join("transformers");
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write(
            "transformers/models/one/modeling_one.py",
            "class OneModel:\n    x = 1\n\n    def forward(self, x):\n        return x\n",
        );
        write("secret.py", "key = 1\n");
        write("transformers/notes.txt", "no source\n");
        (root, Shelf::new(library, None))
    }

    #[test]
    fn a_span_is_found_by_the_path_of_a_traceback_and_by_its_own() {
        let (root, shelf) = shelf();
        let whole = root.path().join("transformers/models/one/modeling_one.py");
        for file in [
            "models/one/modeling_one.py",
            "transformers/models/one/modeling_one.py",
            whole.to_str().unwrap(),
        ] {
            let found = shelf.span(file, 4).unwrap();
            assert!(found.text.contains("def forward"), "{file}");
        }
        assert!(shelf.span("models/one/modeling_one.py", 400).is_err());
    }

    #[test]
    fn nothing_outside_the_library_is_shown() {
        let (root, shelf) = shelf();
        let link = root.path().join("transformers/link.py");
        std::os::unix::fs::symlink(root.path().join("secret.py"), link).unwrap();
        for file in [
            "../secret.py",
            "secret.py",
            "link.py",
            "notes.txt",
            "/etc/passwd",
        ] {
            let error = shelf.span(file, 1).unwrap_err();
            assert!(error.contains("no Python file"), "{file}: {error}");
        }
    }

    #[test]
    fn a_symbol_is_found_by_its_name() {
        let (_root, shelf) = shelf();
        let symbol = |name: &str| shelf.symbol(name);
        assert!(
            symbol("OneModel")
                .unwrap()
                .text
                .starts_with("class OneModel")
        );
        let method = symbol("OneModel.forward").unwrap();
        assert!(
            method.place.ends_with("modeling_one.py:4"),
            "{}",
            method.place
        );
        assert!(symbol("OneModel.backward").is_err());
        assert!(symbol("TwoModel").unwrap_err().contains("TwoModel"));
    }
}
