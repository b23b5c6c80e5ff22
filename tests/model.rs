//! A language model as the last rung of the fixer's ladder, with the real binary and endpoints that misbehave.
#![allow(clippy::unwrap_used)]

mod support;

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
};

use serde_json::Value;
use support::{Place, json, source};

const PLAN: &str = "tests/fixtures/plan-with-an-opset-that-does-not-exist.toml";
const KEY: &str = "sk-very-secret";

/// A run of the planted plan on one backend, which one repair of rules and search does not cure.
fn run(place: &Place, llm: &[&str]) -> (i32, Value, String) {
    let plan = source().join(PLAN);
    let given = llm.contains(&"--attempts");
    let attempts: &[&str] = if given { &[] } else { &["--attempts", "1"] };
    let output = place
        .command()
        .args(["run", "bert", "--backend", "onnxruntime", "--no-commit"])
        .args(["--json", "--plan"])
        .arg(plan)
        .args(llm)
        .args(attempts)
        .env("OPENAI_API_KEY", KEY)
        .env_remove("OPENAI_MODEL")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap(), json(&output), said)
}

fn events(place: &Place, document: &Value) -> Vec<Value> {
    let run = document["run"].as_str().unwrap();
    let output = place
        .command()
        .args(["runs", run, "--json"])
        .output()
        .unwrap();
    json(&output)["events"].as_array().unwrap().clone()
}

/// What the run's events say of the model.
fn consulted(place: &Place, document: &Value) -> Vec<Value> {
    events(place, document)
        .into_iter()
        .filter(|event| {
            event["event"] == "consulted"
                || (event["event"] == "decided" && event["agent"] == "fixer")
        })
        .collect()
}

/// An endpoint that gives every request the same answer.
fn endpoint(answer: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 1 << 14];
            loop {
                let count = stream.read(&mut buffer).unwrap_or(0);
                request.extend_from_slice(&buffer[..count]);
                if count == 0 || whole(&request) {
                    break;
                }
            }
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    url
}

fn whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        line.to_lowercase()
            .strip_prefix("content-length: ")?
            .parse()
            .ok()
    });
    body.len() >= length.unwrap_or(0)
}

fn stream(events: &[&str]) -> String {
    let mut text =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
            .to_owned();
    for event in events {
        text.push_str(&format!("data: {event}\n\n"));
    }
    text
}

fn refusal() -> String {
    let body = format!("{{\"error\":{{\"message\":\"no schema for {KEY}\"}}}}");
    format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn a_run_goes_on_without_a_model_that_misbehaves() {
    let place = Place::new();
    let dead = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/v1", listener.local_addr().unwrap())
    };
    let piece = r#"{"choices":[{"delta":{"content":"{\"call\":"}}]}"#;
    let looks = r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"search_symbol","arguments":"{\"name\":\"BertModel\"}"}}]},"finish_reason":"tool_calls"}]}"#;
    for (url, why) in [
        (dead, "cannot be reached"),
        (endpoint(stream(&["<html>"])), "not answer in the form"),
        (endpoint(refusal()), "no schema for [the key]"),
        (endpoint(stream(&[piece])), "ended before it was whole"),
        (
            endpoint(stream(&[looks])),
            "the same lookup again and again",
        ),
    ] {
        let (code, document, said) = run(&place, &["--llm", &url, "--llm-model", "m", "-vvv"]);
        assert_eq!(code, 1, "{said}");
        assert_eq!(document["verdicts"][0]["verdict"], "fail");
        let events = consulted(&place, &document);
        let end = events.last().unwrap()["what"].as_str().unwrap();
        assert!(
            end.contains("gives up on onnxruntime") && end.contains(why),
            "{end}"
        );
        assert!(!said.contains(KEY), "the key is in the log");
    }
    // The key is in nothing that was kept.
    let mut folders = vec![place.path(".portwright")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = std::fs::read(&path).unwrap();
                let held = bytes.windows(KEY.len()).any(|part| part == KEY.as_bytes());
                assert!(!held, "{}", path.display());
            }
        }
    }
}

/// What the local model of 1.5 billion parameters answered to the planted plan: it gave up.
const RECORDED: &str = "tests/fixtures/recordings";

#[test]
fn a_run_is_answered_from_a_recording_of_the_local_model() {
    let place = Place::new();
    let replay = format!("replay:{}", source().join(RECORDED).display());
    let (code, document, said) = run(&place, &["--llm", &replay]);
    assert_eq!(code, 1, "{said}");
    let events = consulted(&place, &document);
    let asked = &events[events.len() - 2];
    assert_eq!(asked["model"], "qwen2.5-coder-1.5b-instruct-q4_k_m");
    assert_eq!(asked["what"], "calls give_up");
    assert_eq!(asked["tokens"], 2015);
    let end = events.last().unwrap()["what"].as_str().unwrap();
    assert!(
        end.contains("gives up: The failure is met when the exporter cannot express the free axes"),
        "{end}"
    );
}

#[test]
fn a_failure_is_reduced_for_a_model_and_for_nobody_else() {
    let place = Place::new();
    let replay = format!("replay:{}", source().join(RECORDED).display());
    let reduced = |llm: &[&str]| {
        let (_, document, _) = run(&place, llm);
        let events = events(&place, &document);
        let verdicts = events.iter().filter(|e| e["event"] == "verdict-reached");
        let said = events.iter().filter_map(|event| event["what"].as_str());
        let tries: Vec<String> = said
            .filter(|what| what.starts_with("the failure is"))
            .map(ToOwned::to_owned)
            .collect();
        (verdicts.count(), tries)
    };
    let (verdicts, tries) = reduced(&["--llm", &replay]);
    assert_eq!(
        tries,
        [
            "the failure is met without inputs.attention_mask, inputs.token_type_ids",
            "the failure is met without call.use_cache",
            "the failure is not met without export.onnx.dynamic, export.onnx.optimize, export.onnx.opset",
            "the failure is met without export.onnx.dynamic",
            "the failure is met without export.onnx.optimize",
        ]
    );
    // Smaller plans have no verdicts: these are of the given plan and of its one repair.
    assert_eq!(verdicts, 2);
    assert_eq!(reduced(&["--llm", "off"]), (2, Vec::new()));
}

#[test]
fn a_question_that_was_not_recorded_is_named_and_the_run_goes_on() {
    let place = Place::new();
    let replay = format!("replay:{}", source().join(RECORDED).display());
    // One repair more is one that the question tells of.
    let (code, document, said) = run(&place, &["--llm", &replay, "--attempts", "2"]);
    assert_eq!(code, 1, "{said}");
    assert_eq!(document["verdicts"][0]["verdict"], "fail");
    let events = consulted(&place, &document);
    let end = events.last().unwrap()["what"].as_str().unwrap();
    assert!(end.contains("no recording"), "{end}");
}

#[test]
fn a_model_that_cannot_be_meant_is_an_error_of_usage() {
    let place = Place::new();
    for (llm, why) in [
        (vec!["--llm", "maybe"], "no language model"),
        (vec!["--llm", "http://127.0.0.1:1/v1"], "which model"),
        (
            vec![
                "--llm",
                "http://me:pw@models.example/v1",
                "--llm-model",
                "m",
            ],
            "user or a password",
        ),
        (
            vec!["--llm", "http://models.example/v1", "--llm-model", "m"],
            "in the clear",
        ),
        (
            vec!["--llm", "local", "--llm-model", "70b"],
            "no local model of size",
        ),
    ] {
        let output = place
            .command()
            .args(["run", "bert", "--no-commit"])
            .args(&llm)
            .env("OPENAI_API_KEY", KEY)
            .env_remove("OPENAI_MODEL")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{llm:?}: {said}");
        assert!(
            said.contains(why) && said.contains("hint:"),
            "{llm:?}: {said}"
        );
    }
}
