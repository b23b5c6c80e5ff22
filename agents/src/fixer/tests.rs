use portwright_core::{Backend, Format, PortPlan, Stage};
use portwright_knowledge::propose::{ProposeOptions, propose};

use super::*;
use crate::protocol::Reply;
use crate::testing::{card, finding, reduced};

fn plan() -> PortPlan {
    propose(&card(), &ProposeOptions::default()).unwrap()
}

fn attempted(plan: &PortPlan) -> Observation {
    let finding = finding(
        Stage::Export,
        Some(Backend::ONNXRUNTIME),
        "GuardOnDataDependentSymNode",
    );
    Observation::Attempted {
        plan: Box::new(plan.clone()),
        finding,
    }
}

fn decision(action: Action<Result<Proposal, GaveUp>>) -> Result<Proposal, GaveUp> {
    match action {
        Action::Finish(decision) => decision,
        other => panic!("a fixer only decides: {other:?}"),
    }
}

#[test]
fn an_export_finding_leads_to_another_export() {
    let mut fixer = Fixer::new(card(), 3, Vec::new(), None);
    let proposal = decision(fixer.step(attempted(&plan()))).unwrap();
    assert_ne!(proposal.plan.export, plan().export);
    assert_eq!(proposal.plan.config, plan().config);
    assert!(!proposal.adaptation.provenance.reason.is_empty());
}

#[test]
fn no_plan_is_proposed_twice() {
    let mut fixer = Fixer::new(card(), 50, Vec::new(), None);
    let mut seen = vec![plan().digest().unwrap()];
    let mut next = fixer.step(attempted(&plan()));
    while let Ok(proposal) = decision(next) {
        let digest = proposal.plan.digest().unwrap();
        assert!(!seen.contains(&digest));
        seen.push(digest);
        next = fixer.step(attempted(&proposal.plan));
    }
    assert!(seen.len() > 2);
}

#[test]
fn the_budget_is_kept_and_named() {
    let mut fixer = Fixer::new(card(), 1, Vec::new(), None);
    decision(fixer.step(attempted(&plan()))).unwrap();
    let gave_up = decision(fixer.step(Observation::BrokeAnother)).unwrap_err();
    assert!(gave_up.reason.contains("run.attempts"));
    assert_eq!(fixer.left(), 0);
}

#[test]
fn what_it_did_not_ask_for_ends_it_with_a_reason() {
    let gave_up = decision(
        Fixer::new(card(), 1, Vec::new(), None).step(Observation::Sound {
            exercised: Vec::new(),
            mixes_rows: false,
        }),
    )
    .unwrap_err();
    assert!(gave_up.reason.contains("did not ask for"));
}

#[test]
fn the_model_is_asked_when_rules_and_search_have_no_more() {
    let advisor = Advisor {
        name: "m".into(),
        looks: false,
    };
    let mut fixer = Fixer::new(card(), 1, Vec::new(), Some(advisor));
    let searched = decision(fixer.step(attempted(&plan()))).unwrap();
    let action = fixer.step(attempted(&searched.plan));
    let Action::Consult { question } = reduced(&mut fixer, action, false) else {
        panic!("no question");
    };
    let question = format!("{question:?}");
    assert!(question.contains("GuardOnDataDependentSymNode"));
    assert!(!question.contains("does not need"));
    let reply = Reply::Called {
        tool: "propose".into(),
        arguments: serde_json::json!({
            "hypothesis": "the opset", "changes": [{ "change": "opset", "version": 17 }],
        }),
    };
    let proposal = decision(fixer.step(Observation::Consulted { reply })).unwrap();
    assert_eq!(proposal.plan.export[&Format::Onnx].opset, Some(17));
    // What it proposed fails too: it is told so, and asked again.
    let Action::Consult { question } = fixer.step(attempted(&proposal.plan)) else {
        panic!("no question");
    };
    assert!(format!("{question:?}").contains("the opset"));
    let gone = Observation::Consulted {
        reply: Reply::Unavailable {
            why: "the endpoint is gone".into(),
        },
    };
    let gave_up = decision(fixer.step(gone)).unwrap_err();
    assert!(gave_up.reason.contains("run.attempts") && gave_up.reason.contains("is gone"));
}

#[test]
fn when_the_time_is_spent_only_the_model_is_left() {
    let mut fixer = Fixer::new(card(), 9, Vec::new(), None);
    fixer.stop_searching("the time is spent");
    let gave_up = decision(fixer.step(attempted(&plan()))).unwrap_err();
    assert_eq!(gave_up.reason, "the time is spent");
    let advisor = Advisor {
        name: "m".into(),
        looks: true,
    };
    let mut fixer = Fixer::new(card(), 9, Vec::new(), Some(advisor));
    fixer.stop_searching("the time is spent");
    let action = fixer.step(attempted(&plan()));
    let action = reduced(&mut fixer, action, true);
    assert!(matches!(action, Action::Consult { .. }), "{action:?}");
}

/// A fixer with a model that has begun to reduce the failure of its first plan.
fn reducing() -> (Fixer, Action<Result<Proposal, GaveUp>>) {
    let advisor = Advisor {
        name: "m".into(),
        looks: false,
    };
    let mut fixer = Fixer::new(card(), 0, Vec::new(), Some(advisor));
    let action = fixer.step(attempted(&plan()));
    (fixer, action)
}

#[test]
fn the_failure_is_reduced_on_its_backend_before_the_model_sees_it() {
    let (mut fixer, mut action) = reducing();
    let mut tried = Vec::new();
    while let Action::Reproduce { reproduction } = action {
        assert_eq!(reproduction.finding.backend, Some(Backend::ONNXRUNTIME));
        let met = reproduction.plan.export[&Format::Onnx].dynamic;
        tried.push(reproduction);
        action = fixer.step(Observation::Reproduced { met });
    }
    assert!(tried.len() > 1);
    let Action::Consult { question } = action else {
        panic!("no question: {action:?}");
    };
    let question = format!("{question:?}");
    let (needless, needed) = question.split_once("What the failure needs").unwrap();
    assert!(needless.contains("inputs.attention_mask"));
    assert!(!needless.contains("export.onnx.dynamic"));
    assert!(needed.contains("export.onnx.dynamic"));
    // The plan that is shown is the whole one.
    assert!(question.contains("attention_mask\\\"\\ndtype"));
    assert_eq!(fixer.left(), 0);
}

#[test]
fn a_half_done_reduction_is_not_begun_again_by_what_is_written_down() {
    let (fixer, _) = reducing();
    let text = serde_json::to_string(&fixer).unwrap();
    let mut again: Fixer = serde_json::from_str(&text).unwrap();
    let (mut fixer, _) = reducing();
    let told = || Observation::Reproduced { met: false };
    assert_eq!(again.step(told()), fixer.step(told()));
}

#[test]
fn an_answer_about_a_smaller_plan_that_nobody_asked_about_ends_it() {
    let mut fixer = Fixer::new(card(), 1, Vec::new(), None);
    let gave_up = decision(fixer.step(Observation::Reproduced { met: true })).unwrap_err();
    assert!(gave_up.reason.contains("did not ask for"));
}
