use portwright_core::{ModelType, Stage, Verdict};

use super::*;
use crate::protocol::Reply;
use crate::testing::{card, finding, reduced};

fn analyst(budget: u32) -> Analyst {
    Analyst::new(ProposeOptions::default(), None, budget, None)
}

fn failed(stage: Stage, phrase: &str) -> Observation {
    Observation::Failed {
        verdict: Verdict::Fail,
        finding: finding(stage, None, phrase),
    }
}

fn probed(action: Action<<Analyst as Agent>::Finished>) -> PortPlan {
    match action {
        Action::Probe { plan } => *plan,
        other => panic!("no probe: {other:?}"),
    }
}

#[test]
fn it_reads_before_it_plans() {
    let mut analyst = analyst(4);
    assert_eq!(analyst.step(Observation::Begin), Action::Introspect);
    let plan = probed(analyst.step(Observation::SourceRead {
        card: Box::new(card()),
    }));
    assert_eq!(plan.class, "TinyModel");
}

/// The first plan, and what is handed over once its reference is sound.
fn handed_over(mixes_rows: bool) -> (PortPlan, Analysis) {
    let mut analyst = analyst(4);
    let plan = probed(analyst.step(Observation::SourceRead {
        card: Box::new(card()),
    }));
    match analyst.step(Observation::Sound {
        exercised: Vec::new(),
        mixes_rows,
    }) {
        Action::Finish(Ok(analysis)) => (plan, analysis),
        other => panic!("not finished: {other:?}"),
    }
}

#[test]
fn a_sound_plan_is_handed_over_with_its_card() {
    let (plan, analysis) = handed_over(false);
    assert_eq!(*analysis.plan, plan);
    assert_eq!(analysis.tries, 1);
}

#[test]
fn a_plan_keeps_what_its_reference_says_of_rows() {
    let (plan, analysis) = handed_over(true);
    let mixed = PortPlan {
        mixes_rows: true,
        ..plan
    };
    assert_eq!(*analysis.plan, mixed);
}

#[test]
fn a_part_within_a_whole_is_not_handed_over_before_the_whole_calls_it() {
    let mut card = card();
    card.whole = Some(ModelType::new("whole"));

    let mut analyst = analyst(4);
    let first = probed(analyst.step(Observation::SourceRead {
        card: Box::new(card),
    }));
    let exercised = |name: &str| Observation::Sound {
        exercised: vec![name.to_owned()],
        mixes_rows: false,
    };
    // There is nothing more to try for this card.
    let mut without = analyst.clone();
    let Action::Finish(Err(finding)) = without.step(exercised("whole")) else {
        panic!("a whole without its part was handed over")
    };
    assert!(finding.message.contains("tiny"), "{}", finding.message);
    let Action::Finish(Ok(analysis)) = analyst.step(exercised("tiny")) else {
        panic!("not finished")
    };
    assert_eq!(*analysis.plan, first);
}

#[test]
fn a_finding_leads_to_another_plan_and_never_to_the_same() {
    let mut analyst = analyst(4);
    let first = probed(analyst.step(Observation::SourceRead {
        card: Box::new(card()),
    }));
    let second = probed(analyst.step(failed(
        Stage::Reference,
        "hollow reference: output last_hidden_state",
    )));
    assert_ne!(first, second);
}

#[test]
fn an_analysis_whose_time_is_spent_tries_nothing_more_and_says_so() {
    let mut analyst = analyst(4);
    probed(analyst.step(Observation::SourceRead {
        card: Box::new(card()),
    }));
    analyst.stop_searching("the time is spent");
    let phrase = "hollow reference: output last_hidden_state";
    let Action::Finish(Err(finding)) = analyst.step(failed(Stage::Reference, phrase)) else {
        panic!("the search went on")
    };
    assert_eq!(finding.signature.0, phrase);
    let hint = finding.hint.unwrap();
    assert!(hint.starts_with("the time is spent"), "{hint}");
}

#[test]
fn the_budget_ends_the_search_with_the_finding_of_the_plan_that_came_furthest() {
    let mut analyst = analyst(3);
    probed(analyst.step(Observation::SourceRead {
        card: Box::new(card()),
    }));
    probed(analyst.step(failed(Stage::Forward, "the first")));
    probed(analyst.step(failed(
        Stage::Reference,
        "hollow reference: output last_hidden_state",
    )));
    let Action::Finish(Err(finding)) = analyst.step(failed(Stage::Forward, "another")) else {
        panic!("not finished")
    };
    assert_eq!(finding.stage, Stage::Reference);
}

#[test]
fn what_an_error_asks_for_outright_is_not_counted_as_a_guess() {
    let mut analyst = analyst(2);
    probed(analyst.step(Observation::SourceRead {
        card: Box::new(card()),
    }));
    let asked = probed(analyst.step(failed(Stage::Forward, "`hidden_size` must be 32")));
    assert_eq!(asked.config["hidden_size"], 32);
    probed(analyst.step(failed(Stage::Forward, "another")));
    assert!(matches!(
        analyst.step(failed(Stage::Forward, "a third")),
        Action::Finish(Err(_))
    ));
}

#[test]
fn a_plan_given_by_a_person_is_not_replaced() {
    let given = propose::propose(&card(), &ProposeOptions::default()).unwrap();
    let mut analyst = Analyst::new(ProposeOptions::default(), Some(given.clone()), 9, None);
    assert_eq!(
        probed(analyst.step(Observation::SourceRead {
            card: Box::new(card())
        })),
        given
    );
    assert!(matches!(
        analyst.step(failed(Stage::Forward, "x")),
        Action::Finish(Err(_))
    ));
}

#[test]
fn a_plan_that_is_known_to_fail_is_where_the_search_begins() {
    let given = propose::propose(&card(), &ProposeOptions::default()).unwrap();
    let mut analyst =
        Analyst::new(ProposeOptions::default(), Some(given.clone()), 9, None).searching_on();
    let first = probed(analyst.step(Observation::SourceRead {
        card: Box::new(card()),
    }));
    assert_eq!(first, given);
    let hollow = failed(
        Stage::Reference,
        "hollow reference: output last_hidden_state",
    );
    assert_ne!(probed(analyst.step(hollow)), given);
}

#[test]
fn failed_introspection_is_handed_over_as_it_is() {
    let mut analyst = analyst(9);
    let Action::Finish(Err(finding)) = analyst.step(failed(Stage::Analyse, "raises at import"))
    else {
        panic!("not finished")
    };
    assert_eq!(finding.message, "raises at import");
}

#[test]
fn a_half_done_analysis_survives_being_written_down() {
    let mut analyst = analyst(4);
    probed(analyst.step(Observation::SourceRead {
        card: Box::new(card()),
    }));
    let text = serde_json::to_string(&analyst).unwrap();
    let mut read: Analyst = serde_json::from_str(&text).unwrap();
    let observation = failed(
        Stage::Reference,
        "hollow reference: output last_hidden_state",
    );
    assert_eq!(read.step(observation.clone()), analyst.step(observation));
}

#[test]
fn a_model_may_propose_a_plan_when_rules_and_search_have_no_more() {
    let advisor = Advisor {
        name: "m".into(),
        looks: false,
    };
    let mut analyst = Analyst::new(ProposeOptions::default(), None, 1, Some(advisor));
    let first = probed(analyst.step(Observation::SourceRead {
        card: Box::new(card()),
    }));
    let action = analyst.step(failed(Stage::Forward, "shapes differ"));
    let Action::Reproduce { reproduction } = &action else {
        panic!("no smaller plan: {action:?}");
    };
    assert_ne!(*reproduction.plan, first);
    assert_eq!(reproduction.finding.backend, None);
    let Action::Consult { question } = reduced(&mut analyst, action, true) else {
        panic!("no question");
    };
    let question = format!("{question:?}");
    assert!(question.contains("shapes differ"));
    assert!(question.contains("does not need") && question.contains("inputs.attention_mask"));
    let reply = Reply::Called {
        tool: "propose".into(),
        arguments: serde_json::json!({
            "hypothesis": "the width", "changes": [{ "change": "config", "path": "hidden_size", "value": 48 }],
        }),
    };
    let proposed = probed(analyst.step(Observation::Consulted { reply }));
    assert_eq!(proposed.config["hidden_size"], 48);
    assert_ne!(proposed, first);
    assert_eq!(proposed.inputs, first.inputs);
    // A dialogue that has begun goes on; its failure is reduced already.
    let Action::Consult { .. } = analyst.step(failed(Stage::Forward, "shapes differ")) else {
        panic!("no second question");
    };
    let reply = Reply::Unavailable {
        why: "the endpoint is gone".into(),
    };
    let Action::Finish(Err(finding)) = analyst.step(Observation::Consulted { reply }) else {
        panic!("no end");
    };
    assert!(finding.message.contains("shapes differ"));
    assert!(finding.hint.unwrap().contains("the endpoint is gone"));
}

#[test]
fn without_a_model_no_smaller_plan_is_tried() {
    let mut analyst = analyst(1);
    probed(analyst.step(Observation::SourceRead {
        card: Box::new(card()),
    }));
    let action = analyst.step(failed(Stage::Forward, "shapes differ"));
    assert!(matches!(action, Action::Finish(Err(_))), "{action:?}");
}
