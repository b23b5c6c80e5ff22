use portwright_core::{
    Backend, Format, RunId, Signature, Stage,
    plan::{AdaptationKind, Provenance, Source, Strategy},
};

use super::*;

fn card() -> InterfaceCard {
    serde_json::from_str(include_str!("../../../tests/fixtures/card_bert.json")).unwrap()
}

fn plan() -> PortPlan {
    PortPlan::from_toml(include_str!("../../../../tools/tests/plans/bert.toml")).unwrap()
}

fn finding(signature: &str) -> Finding {
    Finding {
        stage: Stage::Execute,
        backend: Some(Backend::OPENVINO),
        signature: Signature::phrase(signature),
        message: signature.to_owned(),
        error: None,
        hint: None,
    }
}

/// A plan that the search repaired by two changes of the OpenVINO entry.
fn repaired(source: Source, name: &str) -> PortPlan {
    let mut after = plan();
    let export = after.export.get_mut(&Format::OpenvinoIr).unwrap();
    export.strategy = Strategy::Transformers;
    export.dynamic = false;
    let kind = AdaptationKind::Setting {
        key: "export.openvino-ir.strategy".into(),
    };
    let provenance = Provenance {
        source,
        name: name.into(),
        answers: "no".into(),
        reason: "it helps".into(),
    };
    Candidate::new(after, kind, provenance).plan
}

fn repair() -> Repair {
    let after = repaired(Source::Search, "strategy");
    let (repair, source, reason) = generalise(&finding("no"), &plan(), &after).unwrap();
    assert_eq!((source, reason.as_str()), (Source::Search, "it helps"));
    repair
}

fn lesson(outcome: Outcome, model_type: &str, version: &str) -> Lesson {
    Lesson {
        repair: repair(),
        outcome,
        run: RunId::new(format!("{model_type}-run")),
        model_type: model_type.into(),
        library_version: version.into(),
        source: Source::Search,
        reason: "it helps".into(),
    }
}

fn state(lessons: &[Lesson], version: &str) -> State {
    rules(lessons, version)[0].state
}

#[test]
fn a_repair_is_learnt_as_changes_that_hold_for_any_type() {
    let strategy = Strategy::Transformers;
    assert_eq!(
        repair().changes,
        [Change::Strategy { strategy }, Change::Static]
    );
}

#[test]
fn a_learnt_rule_repeats_the_repair_under_its_own_name() {
    let learnt = rules(&[lesson(Outcome::Cured, "one", "5.1")], "5.1");
    let found = candidates(&learnt, &card(), &plan(), &finding("no"));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].plan.export, repaired(Source::Search, "").export);
    let provenance = &found[0].adaptation.provenance;
    assert_eq!(provenance.source, Source::Rule);
    assert!(is_learnt(&provenance.name));
    assert_eq!(found[0].plan.adaptations.len(), 2);
    // What it leads to is the same rule again: a confirmation, not a new rule.
    let (again, _, _) = generalise(&finding("no"), &plan(), &found[0].plan).unwrap();
    assert_eq!(again.name(), learnt[0].name);
}

#[test]
fn another_finding_another_backend_and_a_repaired_plan_are_not_answered() {
    let learnt = rules(&[lesson(Outcome::Cured, "one", "5.1")], "5.1");
    let asked =
        |plan: &PortPlan, finding: &Finding| candidates(&learnt, &card(), plan, finding).len();
    assert_eq!(asked(&plan(), &finding("another")), 0);
    let mut elsewhere = finding("no");
    elsewhere.backend = Some(Backend::ONNXRUNTIME);
    assert_eq!(asked(&plan(), &elsewhere), 0);
    assert_eq!(asked(&repaired(Source::Search, ""), &finding("no")), 0);
}

#[test]
fn what_is_about_one_type_alone_is_not_learnt() {
    let learnt = |change: fn(&mut PortPlan)| {
        let mut after = repaired(Source::Search, "strategy");
        change(&mut after);
        generalise(&finding("no"), &plan(), &after)
    };
    assert!(learnt(|_| ()).is_some());
    assert!(learnt(|plan| drop(plan.call.insert("use_mask".into(), true.into()))).is_some());
    assert!(learnt(|plan| drop(plan.config.insert("hidden_size".into(), 33.into()))).is_none());
    assert!(learnt(|plan| plan.class = "OtherModel".into()).is_none());
    assert!(learnt(|plan| drop(plan.inputs.pop())).is_none());
    assert!(learnt(|plan| drop(plan.export.remove(&Format::Onnx))).is_none());
}

#[test]
fn what_a_seed_rule_cured_is_not_learnt_once_more() {
    let after = repaired(Source::Rule, "fixed-axes");
    assert_eq!(generalise(&finding("no"), &plan(), &after), None);
    let after = repaired(Source::Rule, &repair().name());
    assert!(generalise(&finding("no"), &plan(), &after).is_some());
}

#[test]
fn a_second_type_makes_a_candidate_active_and_the_same_type_does_not() {
    let mut lessons = vec![lesson(Outcome::Cured, "one", "5.1")];
    assert_eq!(state(&lessons, "5.1"), State::Candidate);
    lessons.push(lesson(Outcome::Cured, "one", "5.2"));
    assert_eq!(state(&lessons, "5.1"), State::Candidate);
    lessons.push(lesson(Outcome::DidNotHelp, "three", "5.2"));
    lessons.push(lesson(Outcome::Cured, "two", "5.2"));
    assert_eq!(state(&lessons, "5.1"), State::Active);
    let rule = &rules(&lessons, "5.1")[0];
    assert_eq!(
        rule.versions().into_iter().collect::<Vec<_>>(),
        ["5.1", "5.2"]
    );
    assert_eq!(rule.did_not_help.len(), 1);
}

#[test]
fn a_rule_that_breaks_something_is_in_quarantine_in_that_release() {
    let mut lessons = vec![
        lesson(Outcome::Cured, "one", "5.1"),
        lesson(Outcome::Cured, "two", "5.1"),
        lesson(Outcome::Broke, "three", "5.2"),
    ];
    assert_eq!(state(&lessons, "5.2"), State::Quarantined);
    assert_eq!(state(&lessons, "5.1"), State::Active);
    // A later cure in that release, which the search had to find, lifts it.
    lessons.push(lesson(Outcome::Cured, "four", "5.2"));
    assert_eq!(state(&lessons, "5.2"), State::Active);
}

#[test]
fn a_release_in_which_a_cured_type_is_cured_no_more_is_one_too() {
    let lessons = [
        lesson(Outcome::Cured, "one", "5.1"),
        lesson(Outcome::DidNotHelp, "one", "5.2"),
    ];
    assert_eq!(state(&lessons, "5.2"), State::Quarantined);
    assert_eq!(state(&lessons, "5.1"), State::Candidate);
}

#[test]
fn a_repair_that_never_cured_is_no_rule() {
    assert!(rules(&[lesson(Outcome::DidNotHelp, "one", "5.1")], "5.1").is_empty());
}

/// What `torch.export` says of a branch on values.
const GUARD: &str =
    "GuardOnDataDependentSymNode: Could not guard on data-dependent expression @ forward";

#[test]
fn another_exporter_or_fixed_axes_are_not_learnt_where_a_branch_was_guarded() {
    let learnt = |signature: &str, change: fn(&mut PortPlan)| {
        let mut after = repaired(Source::Search, "strategy");
        change(&mut after);
        generalise(&finding(signature), &plan(), &after).is_some()
    };
    for guard in [
        GUARD,
        "ConstraintViolationError: Constraints violated (_)! @ export",
        "UserError: Dynamic control flow is not supported at the moment @ forward",
        "TracerWarning: Converting a tensor to a Python boolean @ forward",
    ] {
        assert!(!learnt(guard, |_| ()), "{guard}");
    }
    // A change of what the model computes with is a repair, and so is another exporter for what is no guard.
    assert!(learnt(GUARD, |plan| {
        plan.call.insert("use_mask".into(), true.into());
    }));
    assert!(learnt(
        "RuntimeError: no translation of aten::foo @ export",
        |_| ()
    ));
}

#[test]
fn a_rule_that_hides_a_branch_is_in_quarantine_whatever_it_cured() {
    let hiding = |model_type: &str| {
        let mut lesson = lesson(Outcome::Cured, model_type, "5.1");
        lesson.repair.signature = Signature::phrase(GUARD);
        lesson
    };
    let lessons = [hiding("one"), hiding("two")];
    assert_eq!(state(&lessons, "5.1"), State::Quarantined);
    assert_eq!(state(&lessons, "5.2"), State::Quarantined);
    let mut repairs = lessons;
    for lesson in &mut repairs {
        lesson.repair.changes.push(Change::AntialiasAsProduct);
    }
    assert_eq!(state(&repairs, "5.1"), State::Active);
}
