//! What a patch may name of the libraries, read from `allowed.toml`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

static ALLOWED: LazyLock<BTreeMap<String, BTreeSet<String>>> = LazyLock::new(|| {
    // A test keeps the file readable; were it not, every name would be refused.
    let modules: BTreeMap<String, String> =
        toml::from_str(include_str!("allowed.toml")).unwrap_or_default();
    modules
        .into_iter()
        .map(|(module, names)| {
            let names = names.split_whitespace().map(str::to_owned);
            (module, names.collect())
        })
        .collect()
});

/// The names that stand for libraries in a patch, and the module each means.
pub(super) const LIBRARIES: [(&str, &str); 4] = [
    ("torch", "torch"),
    ("nn", "torch.nn"),
    ("F", "torch.nn.functional"),
    ("math", "math"),
];

/// Builtins that compute or describe, and exceptions that a patch may raise.
pub(super) const BUILTINS: [&str; 33] = [
    "abs",
    "all",
    "any",
    "bool",
    "dict",
    "divmod",
    "enumerate",
    "float",
    "getattr",
    "hasattr",
    "int",
    "isinstance",
    "len",
    "list",
    "max",
    "min",
    "pow",
    "range",
    "reversed",
    "round",
    "set",
    "slice",
    "sorted",
    "str",
    "sum",
    "tuple",
    "zip",
    "AssertionError",
    "NotImplementedError",
    "RuntimeError",
    "TypeError",
    "ValueError",
    "Ellipsis",
];

/// Whether `path` below the library that `name` stands for may be used, e.g. `softmax` of `F`, or `nn.functional.pad`
/// of `torch`.
pub(super) fn is_allowed(name: &str, path: &[&str]) -> bool {
    let Some((_, module)) = LIBRARIES.iter().find(|(known, _)| *known == name) else {
        return false;
    };
    let Some((last, between)) = path.split_last() else {
        return false;
    };
    let mut full = (*module).to_owned();
    for part in between {
        full.push('.');
        full.push_str(part);
    }
    ALLOWED
        .get(&full)
        .is_some_and(|names| names.contains(*last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_read_and_holds_operations_only() {
        assert_eq!(ALLOWED.len(), 6);
        assert!(is_allowed("torch", &["matmul"]));
        assert!(is_allowed("torch", &["nn", "functional", "pad"]));
        assert!(is_allowed("nn", &["functional", "pad"]));
        assert!(is_allowed("F", &["softmax"]));
        for path in [
            &["load"][..],
            &["os", "system"],
            &["from_file"],
            &["rand"],
            &["manual_seed"],
            &["jit", "is_tracing"],
            &["compiler", "is_compiling"],
            &["nn"],
            &["ops", "load_library"],
        ] {
            assert!(!is_allowed("torch", path), "{path:?}");
        }
    }
}
