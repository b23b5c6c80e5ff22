//! The library's files, read lazily, with names followed from file to file.

use std::{
    cell::RefCell,
    collections::HashMap,
    path::{Component, Path, PathBuf},
    rc::Rc,
};

use super::{ClassFacts, FileFacts, TraceError, documented, parse};

/// How many imports are followed for one name; the library's own chains are at most four long.
const HOPS: usize = 8;

/// Where source is read from, with what has been read.
#[derive(Debug)]
pub struct Sources {
    /// The folder of the package, e.g. `…/site-packages/transformers`.
    library: PathBuf,
    /// A local folder with modelling code, where the model type comes from one.
    folder: Option<PathBuf>,
    files: RefCell<HashMap<PathBuf, Rc<FileFacts>>>,
}

/// A class and the file it stands in.
#[derive(Clone, Debug)]
pub struct Located {
    pub path: PathBuf,
    facts: Rc<FileFacts>,
    position: usize,
}

impl Located {
    pub fn class(&self) -> &ClassFacts {
        &self.facts.classes[self.position]
    }
}

impl Sources {
    pub fn new(library: impl Into<PathBuf>, folder: Option<PathBuf>) -> Self {
        Self {
            library: library.into(),
            folder,
            files: RefCell::default(),
        }
    }

    /// The facts of one file.
    pub fn file(&self, path: &Path) -> Result<Rc<FileFacts>, TraceError> {
        if let Some(facts) = self.files.borrow().get(path) {
            return Ok(Rc::clone(facts));
        }
        let text = self.text(path)?;
        let facts = Rc::new(parse(&self.shown(path), &text)?);
        self.files
            .borrow_mut()
            .insert(path.to_owned(), Rc::clone(&facts));
        Ok(facts)
    }

    /// Where a file that introspection names is read. The library imports a local folder's code from a copy in its
    /// own cache; the folder's own file is the one that a person knows.
    pub fn locate(&self, file: &str) -> PathBuf {
        let path = PathBuf::from(file);
        let own = self
            .folder
            .as_ref()
            .filter(|_| !path.starts_with(&self.library))
            .and_then(|folder| Some(folder.join(path.file_name()?)))
            .filter(|own| own.is_file());
        own.unwrap_or(path)
    }

    /// The file of the library or of the local folder that a traceback names, also where another machine printed it;
    /// `None` for a file of something else.
    pub fn known(&self, file: &str) -> Option<PathBuf> {
        let path = self.locate(file);
        if path.starts_with(&self.library)
            || self
                .folder
                .as_ref()
                .is_some_and(|folder| path.starts_with(folder))
        {
            return (path.is_file() && self.holds(&path)).then_some(path);
        }
        let (_, below) = file.rsplit_once("/transformers/")?;
        let own = self.library.join(below);
        (own.is_file() && self.holds(&own)).then_some(own)
    }

    /// Whether a path lies in the library or in the local folder. Paths come from tracebacks and from what a job saw of
    /// itself: they may name any file of this machine.
    fn holds(&self, path: &Path) -> bool {
        let climbs = path.components().any(|part| part == Component::ParentDir);
        if !climbs && path.starts_with(&self.library) {
            // Its links are those of whoever built the environment.
            return true;
        }
        let roots = self.folder.iter().chain(std::iter::once(&self.library));
        path.canonicalize().is_ok_and(|real| {
            roots
                .filter_map(|root| root.canonicalize().ok())
                .any(|root| real.starts_with(root))
        })
    }

    /// The text of a file of the library or of the local folder; no other is read.
    pub fn text(&self, path: &Path) -> Result<String, TraceError> {
        if !self.holds(path) {
            return Err(TraceError::Outside {
                path: path.to_owned(),
            });
        }
        std::fs::read_to_string(path).map_err(|source| TraceError::Read {
            path: path.to_owned(),
            source,
        })
    }

    /// Where a name that a file imports comes from: files that may define it, each with the name that it has there.
    pub fn imported(&self, path: &Path, name: &str) -> Result<Vec<(PathBuf, String)>, TraceError> {
        let facts = self.file(path)?;
        let imports = facts.imports.iter().filter(|import| import.local == name);
        Ok(imports
            .flat_map(|import| {
                let modules = self.modules(path, &import.module, &import.name);
                modules
                    .into_iter()
                    .map(|module| (module, import.name.clone()))
            })
            .filter(|(module, _)| module != path)
            .collect())
    }

    /// The path below the library's root or the local folder; the whole path for a file outside both.
    pub fn shown(&self, path: &Path) -> String {
        let roots = self.folder.iter().chain(std::iter::once(&self.library));
        roots
            .filter_map(|root| path.strip_prefix(root).ok())
            .next()
            .unwrap_or(path)
            .to_string_lossy()
            .replace('\\', "/")
    }

    /// A class by the file that defines or imports it; `None` where the name leads outside the library.
    pub fn find(&self, path: &Path, name: &str) -> Result<Option<Located>, TraceError> {
        self.follow(path, name, HOPS)
    }

    fn follow(&self, path: &Path, name: &str, hops: usize) -> Result<Option<Located>, TraceError> {
        let facts = self.file(path)?;
        if let Some(position) = facts.classes.iter().position(|class| class.name == name) {
            return Ok(Some(Located {
                path: path.to_owned(),
                facts,
                position,
            }));
        }
        if hops == 0 {
            return Ok(None);
        }
        for import in &facts.imports {
            let wanted = if import.local == name {
                import.name.as_str()
            } else if import.local == "*" {
                name
            } else {
                continue;
            };
            for module in self.modules(path, &import.module, wanted) {
                if module != path
                    && let Some(found) = self.follow(&module, wanted, hops - 1)?
                {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    /// The class and everything it inherits from inside the library, nearest first.
    pub fn lineage(&self, path: &Path, name: &str) -> Result<Vec<Located>, TraceError> {
        let mut lineage: Vec<Located> = Vec::new();
        let mut waiting = vec![(path.to_owned(), name.to_owned())];
        while let Some((path, name)) = waiting.pop() {
            let Some(found) = self.find(&path, &name)? else {
                continue;
            };
            let seen = lineage
                .iter()
                .any(|known| known.path == found.path && known.class().name == found.class().name);
            if seen {
                continue;
            }
            for base in found.class().bases.iter().rev() {
                // `module.Class` and `Generic[T]` lead nowhere useful: only plain names are followed.
                if base.chars().all(|c| c.is_alphanumeric() || c == '_') {
                    waiting.push((found.path.clone(), base.clone()));
                }
            }
            lineage.push(found);
        }
        Ok(lineage)
    }

    /// The axes that the library's common documentation gives an argument, for the functions that do not repeat it.
    pub fn common_shape(&self, name: &str) -> Option<Vec<String>> {
        let facts = self
            .file(&self.library.join("utils/auto_docstring.py"))
            .ok()?;
        let fields = facts.classes.iter().flat_map(|class| &class.fields);
        fields
            .filter(|field| field.name == name)
            .filter_map(|field| field.default.as_deref())
            .filter_map(|text| text.rsplit_once("\"shape\":"))
            .find_map(|(_, text)| documented::of_text(text, true))
    }

    /// The `modular_*.py` that a generated file was written from, where there is one.
    pub fn modular(&self, path: &Path) -> Option<PathBuf> {
        let name = path.file_name()?.to_str()?;
        let (_, rest) = name.split_once('_')?;
        let modular = path.with_file_name(format!("modular_{rest}"));
        modular.is_file().then_some(modular)
    }

    /// A configuration class anywhere among the library's models, by its name or by its `model_type`.
    pub fn find_config(
        &self,
        class: &str,
        model_type: Option<&str>,
    ) -> Result<Option<Located>, TraceError> {
        for path in self.configuration_files()? {
            let Ok(text) = std::fs::read_to_string(&path) else {
                continue;
            };
            let by_name = text.contains(&format!("class {class}("));
            let by_type = model_type
                .is_some_and(|wanted| text.contains(&format!("model_type = \"{wanted}\"")));
            if !by_name && !by_type {
                continue;
            }
            let facts = self.file(&path)?;
            let position = facts.classes.iter().position(|found| {
                found.name == class
                    || model_type.is_some_and(|wanted| {
                        found.field("model_type").and_then(|f| f.default.as_deref())
                            == Some(&format!("\"{wanted}\""))
                    })
            });
            if let Some(position) = position {
                return Ok(Some(Located {
                    path,
                    facts,
                    position,
                }));
            }
        }
        Ok(None)
    }

    fn configuration_files(&self) -> Result<Vec<PathBuf>, TraceError> {
        let models = self.library.join("models");
        let read = |path: &Path| {
            std::fs::read_dir(path).map_err(|source| TraceError::Read {
                path: path.to_owned(),
                source,
            })
        };
        let mut files = Vec::new();
        for folder in read(&models)?.flatten() {
            if !folder.path().is_dir() {
                continue;
            }
            for file in read(&folder.path())?.flatten() {
                let name = file.file_name();
                let name = name.to_string_lossy();
                if name.starts_with("configuration_") && name.ends_with(".py") {
                    files.push(file.path());
                }
            }
        }
        files.sort();
        Ok(files)
    }

    /// Files that a `from module import name` in `path` can mean.
    fn modules(&self, path: &Path, module: &str, name: &str) -> Vec<PathBuf> {
        let dots = module.chars().take_while(|c| *c == '.').count();
        let rest = &module[dots..];
        let base = if dots > 0 {
            let mut base = path.to_owned();
            for _ in 0..dots {
                base.pop();
            }
            base
        } else if let Some(inside) = rest.strip_prefix("transformers") {
            let inside = inside.strip_prefix('.').unwrap_or(inside);
            return candidates(&self.library, inside, name);
        } else {
            return Vec::new();
        };
        let mut found = candidates(&base, rest, name);
        found.retain(|path| self.holds(path));
        found
    }
}

fn candidates(base: &Path, dotted: &str, name: &str) -> Vec<PathBuf> {
    let mut folder = base.to_owned();
    for part in dotted.split('.').filter(|part| !part.is_empty()) {
        folder.push(part);
    }
    [
        folder.with_extension("py"),
        folder.join("__init__.py"),
        folder.join(format!("{name}.py")),
    ]
    .into_iter()
    .filter(|path| path.is_file())
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("base.py", "class Base:\n    use_cache: bool = True\n");
        write(
            "models/one/configuration_one.py",
            "from ...base import Base\n\nclass OneConfig(Base):\n    model_type = \"one\"\n    hidden_size: int = 8\n",
        );
        write(
            "models/two/configuration_two.py",
            "from ..one.configuration_one import OneConfig as Parent\n\nclass TwoConfig(Parent):\n    model_type = \"two\"\n    width: int = 4\n",
        );
        write("models/two/modular_two.py", "");
        root
    }

    #[test]
    fn inheritance_is_followed_into_other_files() {
        let root = library();
        let sources = Sources::new(root.path(), None);
        let path = root.path().join("models/two/configuration_two.py");
        let lineage = sources.lineage(&path, "TwoConfig").unwrap();
        let names: Vec<&str> = lineage.iter().map(|l| l.class().name.as_str()).collect();
        assert_eq!(names, ["TwoConfig", "OneConfig", "Base"]);
        assert_eq!(
            sources.shown(&lineage[1].path),
            "models/one/configuration_one.py"
        );
    }

    #[test]
    fn a_nested_configuration_is_found_by_its_model_type() {
        let root = library();
        let sources = Sources::new(root.path(), None);
        let found = sources.find_config("AutoConfig", Some("one")).unwrap();
        assert_eq!(found.unwrap().class().name, "OneConfig");
        assert!(sources.find_config("NoneSuch", None).unwrap().is_none());
    }

    #[test]
    fn the_modular_file_is_noted() {
        let root = library();
        let sources = Sources::new(root.path(), None);
        let path = root.path().join("models/two/configuration_two.py");
        assert!(sources.modular(&path).is_some());
        assert!(
            sources
                .modular(&root.path().join("models/one/configuration_one.py"))
                .is_none()
        );
    }

    #[test]
    fn a_folders_copied_file_is_read_in_the_folder() {
        let root = library();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("modeling_own.py"), "").unwrap();
        let sources = Sources::new(root.path(), Some(folder.path().to_owned()));
        assert_eq!(
            sources.shown(&sources.locate("/cache/modeling_own.py")),
            "modeling_own.py"
        );
        let library_file = root.path().join("base.py");
        assert_eq!(
            sources.locate(&library_file.to_string_lossy()),
            library_file
        );
    }

    #[test]
    fn nothing_is_read_beside_the_library_and_the_folder() {
        let root = library();
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("model");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(place.path().join("secret.py"), "class Secret:\n    x = 1\n").unwrap();
        std::os::unix::fs::symlink("../secret.py", folder.join("link.py")).unwrap();
        let modelling = "from ..secret import Secret\n\nclass Mine(Secret):\n    pass\n";
        std::fs::write(folder.join("modeling_own.py"), modelling).unwrap();
        let sources = Sources::new(root.path(), Some(folder.clone()));
        let beyond = root.path().join("models/../../secret.py");
        for path in [
            place.path().join("secret.py"),
            folder.join("../secret.py"),
            folder.join("link.py"),
            beyond,
            "/dev/zero".into(),
        ] {
            let error = sources.file(&path).unwrap_err();
            assert!(matches!(error, TraceError::Outside { .. }), "{error}");
            assert!(sources.known(&path.to_string_lossy()).is_none());
        }
        let lineage = sources.lineage(&folder.join("modeling_own.py"), "Mine");
        assert_eq!(lineage.unwrap().len(), 1);
    }

    #[test]
    fn a_missing_file_is_a_typed_error_with_its_cure() {
        let sources = Sources::new("/nowhere", None);
        let error = sources.file(Path::new("/nowhere/x.py")).unwrap_err();
        assert!(error.to_string().contains("/nowhere/x.py"));
        assert!(error.hint().contains("doctor"));
    }
}
