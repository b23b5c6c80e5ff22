//! From a traceback to the chain of definitions behind it: the lines that failed, where the attributes on them are
//! set, what the methods on them resolve to, and which fields of the configuration decide.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    rc::Rc,
};

use portwright_core::job::Frame;

use super::{Located, Sources, Symbol, TraceError, names, symbols};

/// One definition of a chain. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub role: Role,
    /// The file below the library's folder or the local folder; the whole path for one outside both.
    pub file: String,
    /// The definition around the line, e.g. `Model.forward`.
    pub symbol: String,
    /// The line that this is about.
    pub line: u32,
    /// The first and last line of what is worth showing around it.
    pub from: u32,
    pub to: u32,
    /// The file that the library generated this one from, where it did: there a person would change it.
    pub modular: Option<String>,
    /// The lines from `from` to `to`.
    pub lines: Vec<String>,
}

/// Why a definition is in a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// The innermost line of the library: what it called failed.
    Failed,
    /// It called what failed.
    Called,
    /// An attribute that a line of the chain reads is set here.
    Sets(String),
    /// A method or function that a line of the chain calls is defined here.
    Defines(String),
    /// A field of the configuration that the chain reads.
    Field(String),
}

/// How many of the innermost frames are followed to what they read; those outside them only called.
const FOLLOWED: usize = 3;

/// Lines shown around the one that failed, around one that only called, and of a definition.
const AROUND_FAILED: u32 = 12;
const AROUND_CALLED: u32 = 2;
const OF_DEFINITION: u32 = 24;

/// How many lines before a line that raises its condition may stand.
const CONDITION: u32 = 3;

/// The chain behind a traceback, what matters most first. `frames` are as Python prints them, the outermost first;
/// those outside the library and the local folder are passed over.
pub fn chain(sources: &Sources, frames: &[Frame]) -> Result<Vec<Link>, TraceError> {
    let mut tracer = Tracer {
        sources,
        files: RefCell::default(),
        links: Vec::new(),
        seen: HashSet::new(),
    };
    let inside: Vec<(PathBuf, u32)> = frames
        .iter()
        .rev()
        .filter_map(|frame| Some((sources.known(&frame.file)?, frame.line)))
        .collect();
    let mut followed = Vec::new();
    for (depth, (path, line)) in inside.iter().enumerate() {
        let (role, around) = match depth {
            0 => (Role::Failed, AROUND_FAILED),
            _ => (Role::Called, AROUND_CALLED),
        };
        let link = tracer.around(role, path, *line, around)?;
        if let Some(link) = link
            && followed.len() < FOLLOWED
        {
            followed.push((path.clone(), link));
        }
    }
    for (depth, (path, link)) in followed.into_iter().enumerate() {
        let outer = inside.get(depth + 1..).unwrap_or_default();
        tracer.follow(&path, &link, outer)?;
    }
    // Stable: within a rank the innermost comes first.
    tracer.links.sort_by_key(rank);
    Ok(tracer.links)
}

fn rank(link: &Link) -> u8 {
    match link.role {
        Role::Failed => 0,
        Role::Sets(_) => 1,
        Role::Field(_) => 2,
        Role::Defines(_) => 3,
        // What every model goes through says less than a model's own code.
        Role::Called if link.file.contains('/') && !link.file.starts_with("models/") => 5,
        Role::Called => 4,
    }
}

/// `Model` of `Model.forward`.
fn class_of(symbol: &str) -> Option<&str> {
    symbol.rsplit_once('.').map(|(class, _)| class)
}

/// A file's lines and symbols.
struct File {
    lines: Vec<String>,
    symbols: Vec<Symbol>,
}

struct Tracer<'a> {
    sources: &'a Sources,
    files: RefCell<HashMap<PathBuf, Rc<File>>>,
    links: Vec<Link>,
    /// Places that the chain holds already.
    seen: HashSet<(PathBuf, u32)>,
}

impl Tracer<'_> {
    /// What the lines of a link read: attributes, methods, functions, fields of the configuration. `outer` are the
    /// places that called it, the nearest first.
    fn follow(
        &mut self,
        path: &Path,
        link: &Link,
        outer: &[(PathBuf, u32)],
    ) -> Result<(), TraceError> {
        let statement = self.statement(path, link.line)?;
        let class = class_of(&link.symbol);
        let mut read = names::fields(&statement);
        if link.role == Role::Failed {
            // The condition of a check stands before the line that raises.
            let file = self.file(path)?;
            for line in link.from.max(link.line.saturating_sub(CONDITION))..link.line {
                read.extend(names::fields(file.line(line)));
            }
        }
        if let Some(class) = class {
            let lineage = self.sources.lineage(path, class)?;
            for attribute in names::attributes(&statement, "self") {
                if let Some(method) = self.method(&lineage, &attribute)? {
                    self.definition(Role::Defines(attribute), &method.0, method.1)?;
                } else if let Some((file, line)) = self.assignment(&lineage, &attribute)? {
                    read.extend(names::fields(&self.statement(&file, line)?));
                    self.around(Role::Sets(attribute), &file, line, 0)?;
                }
            }
            if !read.is_empty()
                && let Some(config) = self.configuration_of(&lineage, outer)?
            {
                for field in read {
                    self.field(&config, &field)?;
                }
            }
        }
        for function in names::calls(&statement) {
            if let Some((file, line)) = self.function(path, &function)? {
                self.definition(Role::Defines(function), &file, line)?;
            }
        }
        Ok(())
    }

    /// Where the nearest class of a lineage defines a method.
    fn method(
        &self,
        lineage: &[Located],
        name: &str,
    ) -> Result<Option<(PathBuf, u32)>, TraceError> {
        let found = lineage
            .iter()
            .find_map(|located| Some((located, located.class().method(name)?)));
        Ok(found.map(|(located, method)| (located.path.clone(), method.line)))
    }

    /// Where the nearest class of a lineage sets an attribute of the instance, `__init__` before other methods.
    fn assignment(
        &self,
        lineage: &[Located],
        name: &str,
    ) -> Result<Option<(PathBuf, u32)>, TraceError> {
        for located in lineage {
            let file = self.file(&located.path)?;
            let mut methods: Vec<_> = located.class().methods.iter().collect();
            methods.sort_by_key(|method| method.name != "__init__");
            for method in methods {
                let set = (method.line..=method.end_line)
                    .find(|line| names::sets(file.line(*line), name));
                if let Some(line) = set {
                    return Ok(Some((located.path.clone(), line)));
                }
            }
        }
        Ok(None)
    }

    /// The configuration of a class; that of the nearest caller where the class does not say which it takes.
    fn configuration_of(
        &self,
        lineage: &[Located],
        outer: &[(PathBuf, u32)],
    ) -> Result<Option<Vec<Located>>, TraceError> {
        if let Some(config) = self.configuration(lineage)? {
            return Ok(Some(config));
        }
        for (path, line) in outer {
            let file = self.file(path)?;
            let symbol = file.symbol(*line).map(|symbol| symbol.name.as_str());
            if let Some(class) = symbol.and_then(class_of)
                && let Some(config) = self.configuration(&self.sources.lineage(path, class)?)?
            {
                return Ok(Some(config));
            }
        }
        Ok(None)
    }

    /// The configuration class that a class of the lineage is built from, with what it inherits.
    fn configuration(&self, lineage: &[Located]) -> Result<Option<Vec<Located>>, TraceError> {
        for located in lineage {
            let class = located.class();
            let parameter = class
                .method("__init__")
                .and_then(|init| init.parameters.iter().find(|p| p.name == "config"))
                .and_then(|parameter| parameter.annotation.as_deref());
            let field = class
                .field("config")
                .and_then(|field| field.annotation.as_deref());
            for annotation in parameter.into_iter().chain(field) {
                // `A | B`, `"A"` and `A | None` lead to the first class that is found.
                for name in names::identifiers(annotation) {
                    let config = self.sources.lineage(&located.path, name)?;
                    if !config.is_empty() {
                        return Ok(Some(config));
                    }
                }
            }
        }
        Ok(None)
    }

    fn field(&mut self, config: &[Located], name: &str) -> Result<(), TraceError> {
        let found = config
            .iter()
            .find_map(|located| Some((located.path.clone(), located.class().field(name)?.line)));
        if let Some((file, line)) = found {
            self.around(Role::Field(name.to_owned()), &file, line, 0)?;
        }
        Ok(())
    }

    /// Where a function that a file defines or imports from the library stands.
    fn function(&self, path: &Path, name: &str) -> Result<Option<(PathBuf, u32)>, TraceError> {
        let mut waiting = vec![(path.to_owned(), name.to_owned())];
        // Imports can lead through a package's `__init__.py`, and no further.
        for _ in 0..4 {
            let Some((path, name)) = waiting.pop() else {
                break;
            };
            let own = self.file(&path)?;
            if let Some(symbol) = own.symbols.iter().find(|symbol| symbol.name == name) {
                return Ok((!symbol.is_class).then_some((path, symbol.line)));
            }
            waiting.extend(self.sources.imported(&path, &name)?);
        }
        Ok(None)
    }

    /// Adds a definition from its first line on.
    fn definition(&mut self, role: Role, path: &Path, line: u32) -> Result<(), TraceError> {
        let file = self.file(path)?;
        let end = file.symbol(line).map_or(line, |symbol| symbol.end_line);
        self.add(role, path, line, (line, end.min(line + OF_DEFINITION)))?;
        Ok(())
    }

    /// Adds a line with what stands around it inside its definition.
    fn around(
        &mut self,
        role: Role,
        path: &Path,
        line: u32,
        around: u32,
    ) -> Result<Option<Link>, TraceError> {
        let file = self.file(path)?;
        let (first, last) = file
            .symbol(line)
            .map_or((1, u32::MAX), |symbol| (symbol.line, symbol.end_line));
        let (begin, end) = file.extent(line);
        let from = begin.saturating_sub(around).max(first);
        let to = end.saturating_add(around).min(last);
        self.add(role, path, line, (from, to))
    }

    fn add(
        &mut self,
        role: Role,
        path: &Path,
        line: u32,
        (from, to): (u32, u32),
    ) -> Result<Option<Link>, TraceError> {
        let file = self.file(path)?;
        let to = to.min(file.lines.len().try_into().unwrap_or(u32::MAX));
        // A line that the installed file does not have is a traceback of another release.
        if line == 0 || line > to || !self.seen.insert((path.to_owned(), line)) {
            return Ok(None);
        }
        let modular = self.sources.modular(path);
        let link = Link {
            role,
            file: self.sources.shown(path),
            symbol: file
                .symbol(line)
                .map(|symbol| symbol.name.clone())
                .unwrap_or_default(),
            line,
            from,
            to,
            modular: modular.map(|path| self.sources.shown(&path)),
            lines: (from..=to).map(|line| file.line(line).to_owned()).collect(),
        };
        self.links.push(link.clone());
        Ok(Some(link))
    }

    /// The statement around a line as one text.
    fn statement(&self, path: &Path, line: u32) -> Result<String, TraceError> {
        let file = self.file(path)?;
        let (from, to) = file.extent(line);
        let lines: Vec<&str> = (from..=to).map(|line| file.line(line)).collect();
        Ok(lines.join("\n"))
    }

    fn file(&self, path: &Path) -> Result<Rc<File>, TraceError> {
        if let Some(file) = self.files.borrow().get(path) {
            return Ok(Rc::clone(file));
        }
        let text = self.sources.text(path)?;
        let file = Rc::new(File {
            symbols: symbols(&self.sources.shown(path), &text)?,
            lines: text.lines().map(str::to_owned).collect(),
        });
        self.files
            .borrow_mut()
            .insert(path.to_owned(), Rc::clone(&file));
        Ok(file)
    }
}

impl File {
    fn line(&self, line: u32) -> &str {
        let index = (line as usize).wrapping_sub(1);
        self.lines.get(index).map_or("", String::as_str)
    }

    /// The innermost definition around a line.
    fn symbol(&self, line: u32) -> Option<&Symbol> {
        self.symbols
            .iter()
            .filter(|symbol| symbol.line <= line && line <= symbol.end_line)
            .min_by_key(|symbol| symbol.end_line - symbol.line)
    }

    /// The lines of the statement that a line belongs to, by its brackets: Python names the first line of a call that
    /// goes over several.
    fn extent(&self, line: u32) -> (u32, u32) {
        const LONGEST: u32 = 20;
        let mut depth = 0i64;
        let mut to = line;
        for at in line..line.saturating_add(LONGEST) {
            depth += names::brackets(self.line(at));
            to = at;
            if depth <= 0 {
                break;
            }
        }
        if depth > 0 {
            return (line, line);
        }
        (line, to)
    }
}

#[cfg(test)]
#[path = "chain_tests.rs"]
mod tests;
