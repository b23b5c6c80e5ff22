//! Why a patch is refused.

use thiserror::Error;

/// A patch that a guard refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the patch of `{target}` is refused at its line {line}: {refusal}")]
pub struct PatchRefused {
    pub target: String,
    /// Counted from 1 in the patch's source.
    pub line: u32,
    pub refusal: Refusal,
}

/// What a guard found.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    #[error("`{module}` is no modelling code of the library or of the type's own folder")]
    OutOfScope { module: String },
    #[error("`{function}` runs outside the forward pass")]
    NotInForward { function: String },
    #[error("the target's module defines no such function")]
    NoOriginal,
    #[error("it has {bytes} bytes, and {most} are the most")]
    TooLong { bytes: usize, most: usize },
    #[error("it is not valid Python")]
    Syntax,
    #[error("it holds {found}, and not exactly the one function `{expected}`")]
    NotOneFunction { expected: String, found: String },
    #[error("its parameters are `{found}`, those of the original are `{expected}`")]
    OtherParameters { expected: String, found: String },
    #[error("it handles exceptions")]
    HandlesExceptions,
    #[error("it keeps or changes a state outside its own variables: {what}")]
    State { what: String },
    #[error("it imports `{import}`")]
    Import { import: String },
    #[error("it names `{name}`")]
    Name { name: String },
    #[error("it uses the attribute `{attribute}`")]
    Attribute { attribute: String },
    #[error("{what}, so no parameter moves it")]
    Constant { what: String },
}

impl Refusal {
    /// The guard's name, as it stands in signatures and documents.
    pub fn guard(&self) -> &'static str {
        match self {
            Refusal::OutOfScope { .. } | Refusal::NotInForward { .. } | Refusal::NoOriginal => {
                "scope"
            }
            Refusal::TooLong { .. } | Refusal::Syntax | Refusal::NotOneFunction { .. } => "form",
            Refusal::OtherParameters { .. } => "signature",
            Refusal::HandlesExceptions => "exceptions",
            Refusal::State { .. } => "state",
            Refusal::Import { .. } | Refusal::Name { .. } => "names",
            Refusal::Attribute { .. } => "attributes",
            Refusal::Constant { .. } => "constant",
        }
    }

    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Refusal::OutOfScope { .. } => {
                "patch a function of `transformers.models.TYPE.modeling_TYPE`, or of the folder's own modelling file"
            }
            Refusal::NotInForward { .. } => {
                "patch `forward` or what it calls; special methods are left alone"
            }
            Refusal::NoOriginal => {
                "name the class or module that defines the function, not one that inherits or imports it"
            }
            Refusal::TooLong { .. } => "replace the smallest function that holds the failing lines",
            Refusal::Syntax => "give the function's whole source, from `def` to its last line",
            Refusal::NotOneFunction { .. } => {
                "give one plain `def` and nothing around it: no decorator, no class, no inner function, no lambda"
            }
            Refusal::OtherParameters { .. } => {
                "keep the names, the order and the defaults of the original's parameters"
            }
            Refusal::HandlesExceptions => {
                "remove `try`: what fails must be seen, and a traced graph cannot catch it"
            }
            Refusal::State { .. } => {
                "compute with local variables and return the result; weights and settings are not a patch's to change"
            }
            Refusal::Import { .. } => {
                "`torch`, `nn`, `F` (torch.nn.functional) and `math` are there already; nothing else can be imported"
            }
            Refusal::Name { .. } => {
                "use the parameters, local variables, plain builtins, `torch`, `nn.functional`, `F`, `math`, and functions of the target's own module"
            }
            Refusal::Attribute { .. } => {
                "use operations on tensors, and attributes that the original's module uses itself"
            }
            Refusal::Constant { .. } => {
                "compute what is returned from the parameters, as the original does"
            }
        }
    }
}
