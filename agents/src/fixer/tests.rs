use portwright_core::{Backend, PortPlan, Stage};
use portwright_knowledge::propose::{ProposeOptions, propose};

use super::*;
use crate::testing::{card, finding};

fn plan() -> PortPlan {
    propose(&card(), &ProposeOptions::default()).unwrap()
}

fn attempted(plan: &PortPlan) -> Observation {
    let finding = finding(
        Stage::Export,
        Some(Backend::Onnxruntime),
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
    let mut fixer = Fixer::new(card(), 3, Vec::new());
    let proposal = decision(fixer.step(attempted(&plan()))).unwrap();
    assert_ne!(proposal.plan.export, plan().export);
    assert_eq!(proposal.plan.config, plan().config);
    assert!(!proposal.adaptation.provenance.reason.is_empty());
}

#[test]
fn no_plan_is_proposed_twice() {
    let mut fixer = Fixer::new(card(), 50, Vec::new());
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
    let mut fixer = Fixer::new(card(), 1, Vec::new());
    decision(fixer.step(attempted(&plan()))).unwrap();
    let gave_up = decision(fixer.step(Observation::BrokeAnother)).unwrap_err();
    assert!(gave_up.reason.contains("run.attempts"));
    assert_eq!(fixer.left(), 0);
}

#[test]
fn what_it_did_not_ask_for_ends_it_with_a_reason() {
    let gave_up = decision(Fixer::new(card(), 1, Vec::new()).step(Observation::Sound {
        exercised: Vec::new(),
    }))
    .unwrap_err();
    assert!(gave_up.reason.contains("did not ask for"));
}
