//! Changes of the configuration: what the error names, what its numbers ask for, and at last whole groups back at
//! their defaults.

use portwright_core::{Finding, InterfaceCard, PortPlan};
use serde_json::{Map, Value};

use super::{
    candidate::{Candidate, searched},
    stated::{STATED, put_named},
    text,
};
use crate::propose::{Role, get, is_depths, join, nodes, plainer, put, role, take};

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

/// Fields that hold the side of a square whose places the error counts: the places of another square set against them
/// say which side it is.
pub fn sides(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let root = |number: u64| {
        let side = number.isqrt();
        (side > 1 && side * side == number).then_some(side)
    };
    let said = text::said(finding);
    let mut found: Vec<Candidate> = Vec::new();
    for (is, should) in text::pairs(&said) {
        let (Some(is), Some(should)) = (root(is), root(should)) else {
            continue;
        };
        for node in nodes(card) {
            for field in &node.fields {
                let path = join(&node.path, &field.name);
                let now = get(&plan.config, &path).unwrap_or(&field.default).as_u64();
                // A field that is known to be something else, such as a depth, is no side.
                let plain = matches!(role(&field.common), Role::Other | Role::Image);
                if now != Some(is) || !plain || found.len() == FEW {
                    continue;
                }
                let mut next = plan.clone();
                put_named(card, &mut next.config, &path, Value::from(should));
                let reason = format!("the error sets a square of {is} against one of {should}");
                let provenance = searched("sizes", finding, reason);
                found.push(Candidate::setting(next, &key(&[&path]), provenance));
            }
        }
    }
    found
}

/// The width that a layer was made for becomes the one that it is given, where few overrides hold it: what one part of a
/// model hands over to another follows from more than one of its sizes, which no name tells.
pub fn product(plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let said = text::said(finding);
    let Some((_, shapes)) = said.split_once("shapes cannot be multiplied (") else {
        return Vec::new();
    };
    let [_, given, made, ..] = text::numbers(shapes)[..] else {
        return Vec::new();
    };
    let paths = paths(&plan.config);
    let holders: Vec<&String> = paths
        .iter()
        .filter(|path| {
            let width = matches!(
                role(leaf(path)),
                Role::Width | Role::FeedForward | Role::Other
            );
            width && get(&plan.config, path).and_then(Value::as_u64) == Some(made)
        })
        .collect();
    if holders.len() > 3 || given == made {
        return Vec::new();
    }
    // With so few holders there is little doubt which field the layer has its width from, and the wrong one leaves one.
    let axis = if holders.len() < 3 { STATED } else { "sizes" };
    holders
        .into_iter()
        .map(|path| {
            let mut next = plan.clone();
            put(&mut next.config, path, Value::from(given));
            let reason = format!("a layer is made for {made} and is given {given}");
            Candidate::setting(next, &key(&[path]), searched(axis, finding, reason))
        })
        .collect()
}

/// Fewer heads, or more, where the error sets the size of a head against another that the code asks for: no field holds
/// it, since it is the width divided by the heads.
pub fn heads(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = Vec::new();
    let said = text::said(finding);
    if !said.contains("must match") {
        return found;
    }
    for (is, should) in text::pairs(&said) {
        let mut next = plan.clone();
        for node in nodes(card) {
            let number = |wanted: Role| {
                let field = node.fields.iter().find(|f| role(&f.common) == wanted)?;
                let path = join(&node.path, &field.name);
                let set = get(&plan.config, &path).unwrap_or(&field.default);
                Some((path, set.as_u64().filter(|number| *number > 0)?))
            };
            let (Some((path, heads)), Some((_, width))) =
                (number(Role::Heads), number(Role::Width))
            else {
                continue;
            };
            let fits = width / heads == is && width.is_multiple_of(should);
            if fits && width.is_multiple_of(heads) {
                put_named(card, &mut next.config, &path, Value::from(width / should));
            }
        }
        if next != *plan && found.len() < 2 {
            let reason = format!("the size of a head is {is} and has to be {should}");
            let provenance = searched("sizes", finding, reason);
            found.push(Candidate::setting(next, "config.heads", provenance));
        }
    }
    found
}

/// Plainer configurations as a whole. They are tried early: most couplings that the proposal broke hold in them, and
/// no error says as much.
pub fn plain(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    plainer(card, plan)
        .into_iter()
        .map(|(why, next)| Candidate::setting(next, "config", searched("plain", finding, why)))
        .collect()
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
    found
}

/// Everything but depth, vocabulary and special tokens back at the library's defaults, which are consistent with each
/// other where the proposal's small sizes may not be.
pub fn library(plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let paths = paths(&plan.config);
    let most: Vec<&str> = paths
        .iter()
        .map(String::as_str)
        .filter(|path| !keeps_small(&plan.config, path))
        .collect();
    if most.is_empty() {
        return Vec::new();
    }
    let why = "everything but depth and vocabulary";
    vec![restore(plan, finding, &most, why)]
}

/// Whether an override stays when the library's own sizes are tried: the depth with what is listed once per layer, the
/// vocabulary with the ids inside it, and switches.
fn keeps_small(config: &Map<String, Value>, path: &str) -> bool {
    let leaf = leaf(path);
    let per_layer =
        leaf.contains("layer_types") || leaf.ends_with("_indexes") || leaf.ends_with("_indices");
    is_depths(leaf)
        || per_layer
        || matches!(
            role(leaf),
            Role::Depth | Role::Vocabulary | Role::Token | Role::Queries
        )
        || get(config, path).is_some_and(Value::is_boolean)
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
            Value::Array(items) if is_per_layer(config, name, items) => {}
            _ => found.push(path),
        }
    }
}

/// A list of one entry per layer goes with the depth: at its default it would be as long as the default stack.
fn is_per_layer(config: &Map<String, Value>, name: &str, items: &[Value]) -> bool {
    let length = items.len() as u64;
    name.contains("layer")
        && config
            .iter()
            .any(|(other, value)| role(other) == Role::Depth && value.as_u64() == Some(length))
}

pub fn leaf(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// Takes away the lists that are as long as the stack whose depth goes back to its default.
fn take_per_layer(config: &mut Map<String, Value>, depth: &str) {
    let table = depth.rsplit_once('.').map_or("", |(table, _)| table);
    let beside = match table {
        "" => Some(&*config),
        _ => get(config, table).and_then(Value::as_object),
    };
    let lists: Vec<String> = beside
        .into_iter()
        .flatten()
        .filter(|(name, value)| {
            value.as_array().is_some_and(|items| {
                name.contains("layer")
                    && get(config, depth).and_then(Value::as_u64) == Some(items.len() as u64)
            })
        })
        .map(|(name, _)| name.clone())
        .collect();
    for name in lists {
        let path = if table.is_empty() {
            name
        } else {
            format!("{table}.{name}")
        };
        take(config, &path);
    }
}

pub fn key(paths: &[&str]) -> String {
    format!("config.{}", paths.join(","))
}

fn restore(plan: &PortPlan, finding: &Finding, paths: &[&str], why: &str) -> Candidate {
    let mut next = plan.clone();
    for path in paths {
        if role(leaf(path)) == Role::Depth {
            take_per_layer(&mut next.config, path);
        }
        take(&mut next.config, path);
    }
    let reason = format!("{why}: back at the library's default");
    Candidate::setting(next, &key(paths), searched("defaults", finding, reason))
}
