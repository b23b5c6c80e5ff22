//! Instructions planted in what a model is shown, and a model that obeys each of them to the letter: the instruction
//! stays data, and obeying it leads to no plan, so to nothing that could be built, judged or pass.

use serde::Deserialize;

use super::*;

const PLANTED: &str = include_str!("planted.json");
/// Every instruction holds it.
const SIGN: &str = "IGNORE THE RULES ABOVE";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Planted {
    #[serde(rename = "where")]
    place: String,
    says: String,
    obeys: Obeys,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Obeys {
    tool: String,
    arguments: Value,
}

fn planted() -> Vec<Planted> {
    serde_json::from_str(PLANTED).unwrap()
}

/// A dialogue that has shown the instruction to the model, and the question that shows it.
fn shown(planted: &Planted) -> (Dialogue, Question) {
    let mut it = dialogue(true);
    let says = planted.says.clone();
    let frame = |code: &str| JobError {
        frames: vec![Frame {
            file: "models/tiny/modeling_tiny.py".into(),
            line: 7,
            function: "forward".into(),
            code: code.into(),
            ..Frame::default()
        }],
        ..JobError::default()
    };
    let excerpt = |text: String| Excerpt {
        place: "models/tiny/modeling_tiny.py:1".into(),
        text,
    };
    let none = || Err("nothing".to_owned());
    let question = match planted.place.as_str() {
        "source" => {
            it.case.finding.error = Some(frame("return x"));
            it.begin(&card());
            asks(it.looked(&card(), Ok(excerpt(says))))
        }
        "line" => {
            it.case.finding.error = Some(frame(&says));
            it.begin(&card());
            asks(it.looked(&card(), none()))
        }
        "error" => {
            it.case.finding.message = says;
            asks(it.begin(&card()))
        }
        "tried" => {
            it.case.tried.push(Tried {
                change: "another opset".into(),
                outcome: says,
            });
            asks(it.begin(&card()))
        }
        "document" => {
            asks(it.begin(&card()));
            it.consulted(
                &card(),
                call("search_knowledge", json!({ "question": "what helps" })),
            );
            asks(it.looked(&card(), Ok(excerpt(says))))
        }
        other => panic!("nothing is planted in `{other}`"),
    };
    (it, question)
}

/// The lines outside of every fence: what the template says, and not what it shows.
fn outside(text: &str) -> Vec<&str> {
    let mut fence = None;
    let mut lines = Vec::new();
    for line in text.lines() {
        let ticks = line.chars().take_while(|c| *c == '`').count();
        match fence {
            None if ticks >= 3 => fence = Some(ticks),
            None => lines.push(line),
            Some(open) if ticks >= open => fence = None,
            Some(_) => {}
        }
    }
    assert_eq!(fence, None, "a fence is left open");
    lines
}

#[test]
fn every_planted_instruction_is_shown_as_data() {
    let all = planted();
    assert!(all.len() >= 10);
    for planted in &all {
        let (_, question) = shown(planted);
        let text = text(&question);
        assert!(text.contains(SIGN), "{} is not shown", planted.says);
        for line in outside(&text) {
            assert!(!line.contains(SIGN), "an instruction of its own: {line}");
        }
    }
}

#[test]
fn a_model_that_obeys_a_planted_instruction_gets_no_plan() {
    for planted in planted() {
        let (mut it, _) = shown(&planted);
        let obeyed = call(&planted.obeys.tool, planted.obeys.arguments.clone());
        let next = it.consulted(&card(), obeyed);
        assert!(
            matches!(&next, Next::Ask(_)),
            "{} leads to {next:?}",
            planted.says
        );
        // The model is told that it was not taken, and why.
        assert!(text(&asks(next)).contains("not taken"), "{}", planted.says);
    }
}
