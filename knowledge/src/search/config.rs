//! Changes of the configuration: what the error names, what its numbers ask for, and at last whole groups back at
//! their defaults.

use portwright_core::{Finding, InterfaceCard, PortPlan};
use serde_json::{Map, Value};

use super::{
    candidate::{Candidate, searched},
    text,
};
use crate::propose::{Role, empty_fields, get, join, nodes, put, role, take};

/// How many of one kind are proposed from one finding.
const FEW: usize = 6;

/// Groups of fields by suspicion: what the proposal knows least about comes first.
const GROUPS: [(&str, &[Role]); 8] = [
    ("lists and unusual fields", &[Role::Other]),
    ("image and patch sizes", &[Role::Image, Role::Patch]),
    ("positions and windows", &[Role::Positions, Role::Window]),
    (
        "head sizes",
        &[Role::HeadSize, Role::RotarySize, Role::Rank],
    ),
    (
        "experts",
        &[
            Role::Experts,
            Role::ExpertsPerToken,
            Role::ExpertGroups,
            Role::ExpertGroupsPerToken,
        ],
    ),
    (
        "special tokens and vocabulary",
        &[Role::Token, Role::Vocabulary],
    ),
    ("depth", &[Role::Depth]),
    (
        "widths and heads",
        &[
            Role::Width,
            Role::FeedForward,
            Role::Heads,
            Role::KeyValueHeads,
            Role::HeadSize,
            Role::RotarySize,
            Role::Rank,
        ],
    ),
];

/// Overrides that the error names go back to their defaults: all together, then one by one.
pub fn named(plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let said = text::said(finding);
    let code = text::code(finding);
    let paths = paths(&plan.config);
    let (in_text, others): (Vec<&str>, Vec<&str>) = paths
        .iter()
        .map(String::as_str)
        .partition(|path| text::names(&said, leaf(path)));
    let in_code: Vec<&str> = others
        .into_iter()
        .filter(|path| text::names(&code, leaf(path)))
        .collect();
    let mut found = Vec::new();
    for group in [in_text, in_code] {
        if group.len() > 1 {
            found.push(restore(plan, finding, &group, "the error names these"));
        }
        for path in group.iter().take(FEW) {
            found.push(restore(plan, finding, &[path], "the error names it"));
        }
    }
    found
}

/// Overrides that hold a number of the error take the number that it is set against.
pub fn numbers(plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let said = text::said(finding);
    let paths = paths(&plan.config);
    let mut found = Vec::new();
    for (is, should) in text::pairs(&said) {
        let holders: Vec<&str> = paths
            .iter()
            .map(String::as_str)
            .filter(|path| {
                let fixed = matches!(
                    role(leaf(path)),
                    Role::Token | Role::Depth | Role::Vocabulary
                );
                !fixed && get(&plan.config, path).and_then(Value::as_u64) == Some(is)
            })
            .collect();
        let mut change = |paths: &[&str]| {
            let mut next = plan.clone();
            for path in paths {
                put(&mut next.config, path, Value::from(should));
            }
            let reason = format!("the error sets {is} against {should}");
            found.push(Candidate::setting(
                next,
                &key(paths),
                searched("sizes", finding, reason),
            ));
        };
        if holders.len() > 1 {
            change(&holders);
        }
        if holders.len() <= FEW {
            holders.iter().for_each(|path| change(&[path]));
        }
        if found.len() > FEW {
            break;
        }
    }
    found
}

/// Fields without a value get one, where the error is about something that is `None`.
pub fn filled(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let said = text::said(finding);
    if ![
        "NoneType",
        "None",
        "needs to be specified",
        "must be specified",
    ]
    .iter()
    .any(|words| said.contains(words))
    {
        return Vec::new();
    }
    let code = text::code(finding);
    let mut found: Vec<Candidate> = worded(card, plan, finding, &code).into_iter().collect();
    let empty: Vec<(String, Value)> = empty_fields(card)
        .into_iter()
        .filter(|(path, _)| get(&plan.config, path).is_none())
        .collect();
    let about: Vec<&(String, Value)> = empty
        .iter()
        .filter(|(path, _)| text::names(&said, leaf(path)) || text::names(&code, leaf(path)))
        .collect();
    for group in [about, empty.iter().collect()] {
        if group.is_empty() {
            continue;
        }
        let mut next = plan.clone();
        for (path, value) in &group {
            put(&mut next.config, path, value.clone());
        }
        let names: Vec<&str> = group.iter().map(|(path, _)| path.as_str()).collect();
        let provenance = searched("empty fields", finding, "a field without a value is used");
        found.push(Candidate::setting(next, &key(&names), provenance));
    }
    found
}

/// A list of words per layer that has no value gets, for every layer, the word that the failing code looks for.
fn worded(
    card: &InterfaceCard,
    plan: &PortPlan,
    finding: &Finding,
    code: &str,
) -> Option<Candidate> {
    let (before, after) = code.split_once("] == \"")?;
    let word = after.split('"').next()?;
    let name = before
        .rsplit_once('[')?
        .0
        .rsplit(|c: char| !c.is_alphanumeric() && c != '_')
        .next()?;
    let mut next = plan.clone();
    for node in nodes(card) {
        let Some(field) = node.field(name).filter(|field| field.default.is_null()) else {
            continue;
        };
        let depth = node
            .fields
            .iter()
            .filter(|field| role(&field.common) == Role::Depth)
            .filter_map(|field| {
                let set = get(&plan.config, &join(&node.path, &field.name));
                set.unwrap_or(&field.default).as_u64()
            })
            .max()?;
        let words = (0..depth).map(|_| Value::from(word)).collect();
        put(
            &mut next.config,
            &join(&node.path, &field.name),
            Value::Array(words),
        );
    }
    let provenance = searched("empty fields", finding, "a list without a value is used");
    (next != *plan).then(|| Candidate::setting(next, &key(&[name]), provenance))
}

/// Lists back at their defaults: the proposal knows least about them, and many are coupled by code alone.
pub fn lists(plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    restored(plan, finding)
        .into_iter()
        .take(1)
        .filter(|first| first.adaptation.provenance.reason.starts_with(GROUPS[0].0))
        .collect()
}

/// Groups of overrides back at their defaults, and in the end everything but what keeps the model small.
pub fn restored(plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let paths = paths(&plan.config);
    let of = |wanted: &dyn Fn(Role) -> bool| -> Vec<&str> {
        paths
            .iter()
            .map(String::as_str)
            .filter(|path| wanted(group(&plan.config, path)))
            .collect()
    };
    let mut found = Vec::new();
    for (name, roles) in GROUPS {
        let group = of(&|role| roles.contains(&role));
        if !group.is_empty() {
            found.push(restore(plan, finding, &group, name));
        }
    }
    let most = of(&|role| !matches!(role, Role::Depth | Role::Vocabulary | Role::Token));
    if !most.is_empty() {
        let why = "everything but depth and vocabulary";
        found.push(restore(plan, finding, &most, why));
    }
    found
}

/// The group of a path: lists other than of tokens are unusual, whatever their name.
fn group(config: &Map<String, Value>, path: &str) -> Role {
    match (get(config, path), role(leaf(path))) {
        (_, Role::Token) => Role::Token,
        (Some(Value::Array(_) | Value::Object(_)), _) => Role::Other,
        (_, role) => role,
    }
}

/// Paths that may be put back: every leaf but the names of nested types, which a nested table cannot do without.
fn paths(config: &Map<String, Value>) -> Vec<String> {
    let mut found = Vec::new();
    walk(config, "", &mut found);
    found
}

fn walk(config: &Map<String, Value>, prefix: &str, found: &mut Vec<String>) {
    for (name, value) in config {
        let path = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        match value {
            Value::Object(inner) if inner.contains_key("model_type") => walk(inner, &path, found),
            _ if name == "model_type" || name == "use_cache" => {}
            _ => found.push(path),
        }
    }
}

fn leaf(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

fn key(paths: &[&str]) -> String {
    format!("config.{}", paths.join(","))
}

fn restore(plan: &PortPlan, finding: &Finding, paths: &[&str], why: &str) -> Candidate {
    let mut next = plan.clone();
    for path in paths {
        take(&mut next.config, path);
    }
    let reason = format!("{why}: back at the library's default");
    Candidate::setting(next, &key(paths), searched("defaults", finding, reason))
}
