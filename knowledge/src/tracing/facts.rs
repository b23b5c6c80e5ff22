//! What one Python file says, with the lines on which it says it. Lines count from 1.

use std::collections::BTreeMap;

/// The facts of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileFacts {
    pub imports: Vec<Import>,
    pub classes: Vec<ClassFacts>,
}

/// One name that a file imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The name inside this file.
    pub local: String,
    /// The name in the module it comes from; `*` for all.
    pub name: String,
    /// The module as written, with its leading dots, e.g. `..bert.configuration_bert`.
    pub module: String,
}

/// A class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassFacts {
    pub name: String,
    /// Bases as written, without keyword arguments such as `metaclass=`.
    pub bases: Vec<String>,
    pub line: u32,
    pub end_line: u32,
    /// Annotated names of the body, and plain assignments (whose annotation is `None`).
    pub fields: Vec<FieldFacts>,
    pub methods: Vec<FunctionFacts>,
    /// What the class refuses to be without.
    pub demands: Vec<Demand>,
    /// Constants that the class gives to attributes which are `None`, or says in its documentation that they default to or
    /// may be, as source text.
    pub filled: BTreeMap<String, String>,
}

/// An equality that a method of the class demands: `if self.a.b != value: raise …` gives `a.b` and `value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// The attribute's dotted path below the instance.
    pub path: String,
    /// A literal as source text, or `self.` and another attribute's path.
    pub equals: String,
}

/// One name assigned or annotated in a class body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFacts {
    pub name: String,
    pub annotation: Option<String>,
    /// The value as source text.
    pub default: Option<String>,
    pub line: u32,
}

/// A function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionFacts {
    pub name: String,
    pub line: u32,
    pub end_line: u32,
    pub parameters: Vec<ParameterFacts>,
    pub returns: Option<String>,
}

/// A named parameter; `self`, `*args` and `**kwargs` are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterFacts {
    pub name: String,
    pub annotation: Option<String>,
    pub default: Option<String>,
    /// The axes that the function's docstring gives it.
    pub shape: Option<Vec<String>>,
    pub line: u32,
}

impl FileFacts {
    pub fn class(&self, name: &str) -> Option<&ClassFacts> {
        self.classes.iter().find(|class| class.name == name)
    }
}

impl ClassFacts {
    pub fn method(&self, name: &str) -> Option<&FunctionFacts> {
        self.methods.iter().find(|method| method.name == name)
    }

    pub fn field(&self, name: &str) -> Option<&FieldFacts> {
        self.fields.iter().find(|field| field.name == name)
    }
}
