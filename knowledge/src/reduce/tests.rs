use portwright_core::{Backend, Format, Signature, Stage};

use super::*;

fn card() -> InterfaceCard {
    serde_json::from_str(include_str!("../../tests/fixtures/card_bert.json")).unwrap()
}

fn finding(backend: Option<Backend>) -> Finding {
    Finding {
        stage: Stage::Export,
        backend,
        signature: Signature::phrase("no such opset"),
        message: "no such opset".into(),
        error: None,
        hint: None,
    }
}

/// A plan with one setting more than the proposed one has.
fn plan() -> PortPlan {
    let mut plan = propose(&card(), &ProposeOptions::default()).unwrap();
    plan.config.insert("is_decoder".into(), true.into());
    let export = plan.export.get_mut(&Format::Onnx).unwrap();
    export.opset = Some(99);
    plan
}

fn reduction(plan: &PortPlan, backend: Option<Backend>) -> Reduction {
    let (card, finding) = (card(), finding(backend));
    Reduction::new(&card, plan, &plain(&card, plan, &finding), &finding)
}

/// Reduces a failure that is met on the plans of which `met` is true, and answers with the plans that were tried.
fn tried(reduction: &mut Reduction, met: impl Fn(&PortPlan) -> bool) -> Vec<PortPlan> {
    let mut tried = Vec::new();
    while let Some(variant) = reduction.next(&card()) {
        assert!(!variant.without.is_empty());
        variant.plan.validate().unwrap();
        reduction.told(met(&variant.plan));
        tried.push(variant.plan);
    }
    tried
}

fn opset(plan: &PortPlan) -> bool {
    plan.export[&Format::Onnx].opset == Some(99)
}

#[test]
fn what_the_failure_does_not_need_is_left_out_and_named() {
    let mut it = reduction(&plan(), Some(Backend::ONNXRUNTIME));
    tried(&mut it, |_| true);
    let smallest = it.smallest();
    let names: Vec<&str> = smallest.inputs.iter().map(|i| i.name.as_str()).collect();
    assert_eq!(names, ["input_ids"]);
    let export = &smallest.export[&Format::Onnx];
    assert!(!export.dynamic && !export.optimize && export.opset.is_none());
    assert!(!smallest.config.contains_key("is_decoder"));
    for key in [
        "inputs.attention_mask",
        "config.is_decoder",
        "export.onnx.dynamic",
        "export.onnx.opset",
    ] {
        assert!(it.needless().iter().any(|known| known == key), "{key}");
    }
}

#[test]
fn what_the_failure_needs_stays() {
    let mut it = reduction(&plan(), Some(Backend::ONNXRUNTIME));
    tried(&mut it, opset);
    assert!(opset(it.smallest()));
    let needless = it.needless();
    assert!(!needless.contains(&"export.onnx.opset".to_owned()));
    assert!(needless.contains(&"export.onnx.dynamic".to_owned()));
    assert!(needless.contains(&"inputs.attention_mask".to_owned()));
    assert_eq!(it.needed(), ["export.onnx.opset"]);
}

#[test]
fn it_ends_with_its_tries_and_then_claims_nothing_that_was_not_seen() {
    let mut it = reduction(&plan(), Some(Backend::ONNXRUNTIME));
    let mut tried = Vec::new();
    while let Some(variant) = it.next(&card()) {
        it.told(false);
        tried.push(variant.without);
    }
    assert_eq!(tried.len(), TRIES as usize);
    assert!(it.needless().is_empty());
    assert_eq!(*it.smallest(), plan());
    // Of several that were left out together nobody knows which is needed.
    let alone: Vec<String> = tried
        .into_iter()
        .filter(|keys| keys.len() == 1)
        .flatten()
        .collect();
    assert!(!alone.is_empty());
    assert_eq!(it.needed(), alone);
}

#[test]
fn no_plan_is_tried_twice_whatever_the_failure_needs() {
    let needs: [fn(&PortPlan) -> bool; 5] = [
        |plan| plan.input("attention_mask").is_some(),
        |plan| plan.input("token_type_ids").is_some(),
        |plan| plan.config.contains_key("is_decoder"),
        |plan| plan.export[&Format::Onnx].optimize,
        opset,
    ];
    for asked in 0..1_u32 << needs.len() {
        let met = |plan: &PortPlan| {
            let mut needed = needs.iter().enumerate();
            needed.all(|(bit, need)| asked >> bit & 1 == 0 || need(plan))
        };
        let mut it = reduction(&plan(), Some(Backend::ONNXRUNTIME));
        let plans = tried(&mut it, met);
        assert!(plans.len() <= TRIES as usize);
        assert!(!plans.contains(&plan()));
        for (index, plan) in plans.iter().enumerate() {
            assert!(!plans[..index].contains(plan), "{asked:b}");
        }
        assert!(met(it.smallest()), "{asked:b}");
        for key in it.needed() {
            assert!(!it.needless().contains(key), "{asked:b}: {key}");
        }
    }
}

#[test]
fn a_plan_that_would_be_invalid_is_passed_over() {
    // Without the class's main input every input is an optional one, and a port needs at least one.
    let mut plan = plan();
    plan.inputs.retain(|input| input.name != "input_ids");
    assert!(plan.inputs.len() > 1);
    let mut it = reduction(&plan, Some(Backend::ONNXRUNTIME));
    let plans = tried(&mut it, |_| true);
    assert!(plans.iter().all(|plan| !plan.inputs.is_empty()));
    // What could not be tried is not called needed.
    assert!(it.needed().is_empty());
    assert!(it.smallest().inputs.len() < plan.inputs.len());
}

#[test]
fn the_input_that_the_class_is_about_and_those_it_asks_for_stay() {
    let mut card = card();
    for class in &mut card.classes {
        for input in &mut class.inputs {
            input.required |= input.name == "token_type_ids";
        }
    }
    let (plan, finding) = (plan(), finding(None));
    let mut it = Reduction::new(&card, &plan, &plan, &finding);
    while it.next(&card).is_some() {
        it.told(true);
    }
    let left = |name| it.smallest().input(name).is_some();
    assert!(left("input_ids") && left("token_type_ids") && !left("attention_mask"));
}

#[test]
fn inputs_follow_the_configuration_that_goes_back() {
    let mut plan = propose(&card(), &ProposeOptions::default()).unwrap();
    let before = plan.config.clone();
    plan.config.insert("vocab_size".into(), 50.into());
    let plan = crate::propose::refit(&card(), plan, &before);
    let mut it = reduction(&plan, Some(Backend::TORCH_CPU));
    tried(&mut it, |_| true);
    let original = propose(&card(), &ProposeOptions::default()).unwrap();
    assert_ne!(plan.input("input_ids"), original.input("input_ids"));
    assert_eq!(it.smallest().config, original.config);
    let smallest = it.smallest().input("input_ids");
    assert_eq!(smallest, original.input("input_ids"));
    assert!(it.needless().contains(&"config.vocab_size".to_owned()));
}

#[test]
fn before_anything_is_exported_small_sizes_are_in_doubt_themselves() {
    let plan = propose(&card(), &ProposeOptions::default()).unwrap();
    let mut it = reduction(&plan, None);
    tried(&mut it, |_| true);
    let needless = it.needless();
    assert!(needless.contains(&"config.hidden_size".to_owned()));
    assert!(!needless.iter().any(|key| key.starts_with("export.")));
    // On a backend they stay: nothing differs from what is proposed.
    let mut it = reduction(&plan, Some(Backend::ONNXRUNTIME));
    tried(&mut it, |_| true);
    let changed = it.needless().iter().any(|key| key.starts_with("config."));
    assert!(!changed);
}

#[test]
fn the_file_that_a_backend_reads_is_reduced_too() {
    let mut it = reduction(&plan(), Some(Backend::OPENVINO));
    tried(&mut it, |plan| plan.export[&Format::OpenvinoIr].optimize);
    let needless = it.needless();
    assert!(needless.contains(&"export.onnx.opset".to_owned()));
    assert!(!needless.contains(&"export.openvino-ir.optimize".to_owned()));
}

#[test]
fn a_limit_of_time_is_not_waited_for_again() {
    let slow = Finding {
        signature: Signature::phrase("timed out @ export"),
        ..finding(Some(Backend::ONNXRUNTIME))
    };
    let mut it = Reduction::new(&card(), &plan(), &plan(), &slow);
    assert_eq!(it.next(&card()), None);
}

#[test]
fn a_half_done_reduction_survives_being_written_down() {
    let mut it = reduction(&plan(), Some(Backend::ONNXRUNTIME));
    it.next(&card()).unwrap();
    let text = serde_json::to_string(&it).unwrap();
    let mut again: Reduction = serde_json::from_str(&text).unwrap();
    assert!(again.is_asking());
    for it in [&mut it, &mut again] {
        it.told(false);
    }
    assert_eq!(again.next(&card()), it.next(&card()));
    // What was not asked is passed over.
    again.told(true);
    again.told(false);
    assert!(!again.is_asking() && !again.needless().is_empty());
}
