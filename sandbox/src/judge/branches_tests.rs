use serde_json::json;

use super::*;

fn plan() -> PortPlan {
    PortPlan::from_toml(include_str!("../../../tools/tests/plans/bert.toml")).unwrap()
}

fn side(line: u32, side: bool, wish: Value) -> Value {
    json!({"file": "modeling_x.py", "line": line, "column": 8, "function": "X.forward", "condition": "length > 24",
           "side": side, "wish": wish})
}

fn answer(untaken: Vec<Value>, settled: &[u32]) -> Value {
    let settled: Vec<Value> = settled
        .iter()
        .map(|line| json!({"file": "modeling_x.py", "line": line}))
        .collect();
    json!({"checked": true, "why": "", "untaken": untaken, "more": 0, "settled": settled, "unfollowed": []})
}

fn branches(untaken: Vec<Value>, settled: &[u32]) -> Branches {
    read(&answer(untaken, settled)).unwrap()
}

fn sentences(limits: &[Limit]) -> Vec<(&'static str, &str)> {
    limits
        .iter()
        .map(|limit| (limit.kind.as_str(), limit.sentence.as_str()))
        .collect()
}

#[test]
fn an_untaken_side_is_a_limit_with_its_place() {
    let limits = limits(&branches(vec![side(7, true, Value::Null)], &[]));
    let sentence = "No input set made `length > 24` true (modeling_x.py:7, in X.forward).";
    assert_eq!(sentences(&limits), [("branch", sentence)]);
    assert!(super::limits(&branches(vec![], &[7])).is_empty());
}

#[test]
fn what_was_not_seen_is_a_limit_too() {
    let mut found = answer(vec![], &[]);
    found["more"] = 3.into();
    found["unfollowed"] =
        json!([{"file": "modeling_x.py", "line": 9, "function": "f", "how": "`numpy`"}]);
    let kinds: Vec<_> = limits(&read(&found).unwrap())
        .iter()
        .map(|l| l.kind)
        .collect();
    assert_eq!(kinds, [LimitKind::NotChecked, LimitKind::Branch]);
    found["checked"] = false.into();
    found["why"] = "KeyError: 3".into();
    let limits = limits(&read(&found).unwrap());
    let sentence = "Which branches of the model the inputs took could not be seen: KeyError: 3.";
    assert_eq!(sentences(&limits), [("not-checked", sentence)]);
}

#[test]
fn an_answer_that_is_too_long_or_no_answer_is_refused_and_texts_are_made_plain() {
    let many = (0..31).map(|line| side(line, true, Value::Null)).collect();
    let error = read(&answer(many, &[])).unwrap_err();
    assert!(error.to_string().contains("untaken sides"), "{error}");
    let lines: Vec<u32> = (0..4_001).collect();
    assert!(read(&answer(vec![], &lines)).is_err());
    assert!(read(&json!({"checked": true})).is_err());
    let mut forged = side(7, true, Value::Null);
    forged["condition"] = format!("\u{1b}[32mpass\n{}", "x".repeat(10_000)).into();
    let found = branches(vec![forged], &[]);
    let condition = &found.untaken[0].condition;
    assert!(condition.starts_with(" [32mpass x") && condition.len() == LONGEST);
}

#[test]
fn wishes_share_a_set_unless_they_contradict_each_other() {
    let length = |size: u64| json!({"sizes": {"sequence": size}});
    let found = branches(
        vec![
            side(1, true, length(25)),
            side(2, true, json!({"sizes": {"batch": 1}})),
            side(3, true, json!({"ids": {"input_ids": [7, 9]}})),
            side(4, true, json!({"ids": {"input_ids": [5]}})),
            side(5, true, length(64)),
        ],
        &[],
    );
    let wished = wishes(&found, &plan());
    assert_eq!(wished.len(), 2);
    assert_eq!(
        wished[0].sizes,
        [("batch".into(), 1), ("sequence".into(), 25)].into()
    );
    assert_eq!(wished[0].ids["input_ids"], [7, 9, 5]);
    assert_eq!(wished[1].sizes["sequence"], 64);
}

#[test]
fn a_wish_for_what_the_plan_does_not_have_or_for_too_much_is_none() {
    let none = |wish: Value| wishes(&branches(vec![side(1, true, wish)], &[]), &plan()).is_empty();
    assert!(none(json!({"sizes": {"frames": 5}})));
    assert!(none(json!({"sizes": {"sequence": 0}})));
    assert!(none(json!({"sizes": {"sequence": 1_000_000}})));
    assert!(none(json!({"ids": {"labels": [5]}})));
    assert!(none(json!({"ids": {"input_ids": []}})));
    let many = (20..30).map(|size| side(size, true, json!({"sizes": {"sequence": size}})));
    assert_eq!(
        wishes(&branches(many.collect(), &[]), &plan()).len(),
        MOST_SETS
    );
}

#[test]
fn a_constant_is_a_limit_unless_the_sets_took_both_sides() {
    let place = |line: u32| Specialised {
        file: "modeling_x.py".into(),
        line,
        why: "a value became a constant".into(),
    };
    let found = branches(vec![side(7, true, Value::Null)], &[8]);
    let limits = specialised(&[place(8), place(7), place(9), place(9)], &found);
    let sentence = |line: u32| {
        format!(
            "The conversion kept one side or value at modeling_x.py:{line}: a value became a constant"
        )
    };
    let (seven, nine) = (sentence(7), sentence(9));
    assert_eq!(
        sentences(&limits),
        [
            ("specialised", seven.as_str()),
            ("specialised", nine.as_str())
        ]
    );
}
