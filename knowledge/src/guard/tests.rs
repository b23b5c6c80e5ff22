use portwright_core::{PortPlan, plan::TorchPatch};
use serde::Deserialize;

use super::*;

const MODULE: &str = "transformers.models.toy.modeling_toy";

#[derive(Deserialize)]
struct Cases {
    patch: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    #[serde(default)]
    target: Option<String>,
    #[serde(default)]
    guard: String,
    #[serde(default)]
    line: u32,
    #[serde(default)]
    libraries: Vec<String>,
    #[serde(default)]
    helpers: Vec<String>,
    source: String,
}

fn plan() -> PortPlan {
    let mut plan =
        PortPlan::from_toml(include_str!("../../../tools/tests/plans/bert.toml")).unwrap();
    plan.module = MODULE.into();
    plan
}

fn text_of(module: &str) -> Option<String> {
    let text = include_str!("../../tests/guard/modeling_toy.py");
    (module == MODULE).then(|| text.to_owned())
}

fn asked(case: &Case) -> Result<Admitted, PatchRefused> {
    let target = match &case.target {
        Some(target) if target.contains('.') => target.clone(),
        Some(method) => format!("{MODULE}.ToyAttention.{method}"),
        None => format!("{MODULE}.ToyAttention.forward"),
    };
    let source = case.source.clone();
    admit(&plan(), &TorchPatch { target, source }, text_of)
}

fn cases(text: &str) -> Vec<Case> {
    toml::from_str::<Cases>(text).unwrap().patch
}

#[test]
fn every_hostile_patch_is_refused_by_its_guard_with_line_and_hint() {
    let cases = cases(include_str!("../../tests/guard/hostile.toml"));
    assert!(cases.len() >= 20);
    for case in &cases {
        let refused = match asked(case) {
            Ok(_) => panic!("`{}` was let through", case.name),
            Err(refused) => refused,
        };
        let found = (refused.refusal.guard(), refused.line);
        assert_eq!(
            found,
            (case.guard.as_str(), case.line),
            "{}: {refused}",
            case.name
        );
        assert!(!refused.refusal.hint().is_empty());
    }
}

#[test]
fn every_guard_has_a_patch_that_it_refuses() {
    let cases = cases(include_str!("../../tests/guard/hostile.toml"));
    for guard in [
        "attributes",
        "constant",
        "exceptions",
        "form",
        "names",
        "scope",
        "signature",
        "state",
    ] {
        assert!(cases.iter().any(|case| case.guard == guard), "{guard}");
    }
}

#[test]
fn an_honest_patch_is_admitted_with_what_it_uses() {
    for case in cases(include_str!("../../tests/guard/honest.toml")) {
        let admitted = asked(&case).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        let listed =
            |names: &std::collections::BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>();
        assert_eq!(listed(&admitted.libraries), case.libraries, "{}", case.name);
        assert_eq!(listed(&admitted.helpers), case.helpers, "{}", case.name);
    }
}

#[test]
fn a_patch_that_is_too_long_is_refused() {
    let line = "    x = x + 1\n".repeat(2000);
    let source = format!("def _scores(self, hidden_states):\n{line}    return x\n");
    let target = format!("{MODULE}.ToyAttention._scores");
    let refused = admit(&plan(), &TorchPatch { target, source }, text_of).unwrap_err();
    assert!(
        matches!(refused.refusal, Refusal::TooLong { .. }),
        "{refused}"
    );
}

#[test]
fn a_folders_own_file_may_be_patched_and_no_other_module_without_dots() {
    let mut plan = plan();
    plan.module = "modeling_toy".into();
    let text_of = |_: &str| super::tests::text_of(MODULE);
    let patch = |module: &str| TorchPatch {
        target: format!("{module}.rotate_half"),
        source: "def rotate_half(x):\n    return x\n".into(),
    };
    assert!(admit(&plan, &patch("modeling_toy"), text_of).is_ok());
    let refused = admit(&plan, &patch("torch"), text_of).unwrap_err();
    assert!(
        matches!(refused.refusal, Refusal::OutOfScope { .. }),
        "{refused}"
    );
}

proptest::proptest! {
    #[test]
    fn any_text_is_admitted_or_refused_but_never_a_crash(body in "\\PC{0,200}") {
        let patch = TorchPatch {
            target: format!("{MODULE}.rotate_half"),
            source: format!("def rotate_half(x):\n    {body}\n    return x\n"),
        };
        let _ = admit(&plan(), &patch, text_of);
    }

    #[test]
    fn any_python_like_text_is_admitted_or_refused(
        body in "(return |if |else:|for x in |x|torch|\\.|[a-z_]{1,4}|[:=()\\[\\],\\n \"'*+-]|    ){0,40}"
    ) {
        let patch = TorchPatch {
            target: format!("{MODULE}.rotate_half"),
            source: format!("def rotate_half(x):\n    {body}\n"),
        };
        let _ = admit(&plan(), &patch, text_of);
    }
}
