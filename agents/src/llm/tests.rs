use std::sync::Mutex;

use serde_json::json;

use super::*;
use crate::{
    protocol::{Message, Tool},
    testing::endpoint::{Server, half, routes, says, status},
};

const KEY: &str = "sk-very-secret";

const BUDGET: Budget = Budget {
    tokens: 20_000,
    dollars: 0.0,
    seconds: 60,
    steps: 10,
};

fn question() -> Question {
    Question {
        messages: vec![Message::User {
            text: "Which?".into(),
        }],
        tools: vec![Tool {
            name: "look".into(),
            description: "Look.".into(),
            schema: json!({ "type": "object", "properties": { "name": { "type": "string" } } }),
        }],
    }
}

fn consult(looks: bool, budget: Budget) -> Consult {
    Consult {
        model: "m".into(),
        at: "test".into(),
        looks,
        budget,
    }
}

/// A model at `url` that records into the folder.
fn model(url: &str, looks: bool, folder: &tempfile::TempDir) -> Model {
    let endpoint = Endpoint::new(url, Key::new(KEY)).unwrap();
    let record = Recordings::new(folder.path());
    Model::at(endpoint, consult(looks, BUDGET), None, record).unwrap()
}

struct Asked {
    told: Result<Told, LlmError>,
    server: Server,
    folder: tempfile::TempDir,
    spent: Spent,
}

/// Asks a server that answers like this.
async fn asked(looks: bool, answers: Vec<String>) -> Asked {
    let server = Server::start(answers).await;
    let folder = tempfile::tempdir().unwrap();
    let model = model(&server.url, looks, &folder);
    let meter = model.meter();
    let told = model.ask(&meter, &question(), &|_| {}).await;
    Asked {
        told,
        server,
        folder,
        spent: meter.spent(),
    }
}

fn look(name: &str) -> Reply {
    Reply::Called {
        tool: "look".into(),
        arguments: json!({ "name": name }),
    }
}

#[tokio::test]
async fn an_answer_comes_in_pieces_and_is_counted_and_recorded() {
    let server = Server::start(vec![routes("look", json!({ "name": "x" }))]).await;
    let folder = tempfile::tempdir().unwrap();
    let model = model(&server.url, false, &folder);
    let meter = model.meter();
    let seen = Mutex::new(Vec::new());
    let coming = |coming: &Coming<'_>| seen.lock().unwrap().push(coming.pieces);
    let told = model.ask(&meter, &question(), &coming).await.unwrap();
    assert_eq!(told.reply, look("x"));
    assert_eq!(*seen.lock().unwrap(), [0, 1, 2, 3, 4]);
    assert_eq!(meter.spent().tokens, 57);

    // The same question is answered from the recording, by a model that has no endpoint.
    let recorded =
        Model::recorded(Recordings::new(folder.path()), consult(false, BUDGET), None).unwrap();
    let again = recorded.ask(&recorded.meter(), &question(), &|_| {}).await;
    assert_eq!(again.unwrap().reply, told.reply);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_key_is_in_the_header_and_nowhere_else() {
    // The endpoint repeats the key in its answer.
    let answer = routes("look", json!({ "name": KEY }));
    let it = asked(false, vec![answer]).await;
    assert!(it.server.requests()[0].contains(&format!("Bearer {KEY}")));
    assert!(!it.server.body(0).to_string().contains(KEY));
    assert_eq!(it.told.unwrap().reply, look("[the key]"));
    for file in std::fs::read_dir(it.folder.path()).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(!text.contains(KEY), "{text}");
    }
    let refusal = format!("{{\"error\":{{\"message\":\"bad key {KEY}\"}}}}");
    let it = asked(false, vec![status("401 Unauthorized", &refusal)]).await;
    let error = it.told.unwrap_err();
    assert!(!format!("{error} {error:?}").contains(KEY), "{error}");
    assert!(error.to_string().contains("bad key [the key]"), "{error}");
    assert!(error.hint().contains("OPENAI_API_KEY"));
}

#[tokio::test]
async fn a_busy_or_broken_endpoint_is_asked_again() {
    let it = asked(
        false,
        vec![
            status(
                "429 Too Many Requests",
                "{\"error\":{\"message\":\"slow down\"}}",
            ),
            status("503 Service Unavailable", "overloaded"),
            routes("look", json!({ "name": "x" })),
        ],
    )
    .await;
    assert_eq!(it.told.unwrap().reply, look("x"));
    assert_eq!(it.server.requests().len(), 3);
}

#[tokio::test]
async fn an_endpoint_that_stays_broken_is_an_error() {
    let it = asked(false, vec![status("500 Internal Server Error", "no")]).await;
    assert!(matches!(it.told, Err(LlmError::Broken { status: 500, .. })));
    assert_eq!(it.spent.questions, 1);
}

#[tokio::test]
async fn a_dead_endpoint_is_an_error_that_names_it() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    let folder = tempfile::tempdir().unwrap();
    let model = model(&url, false, &folder);
    let error = model
        .ask(&model.meter(), &question(), &|_| {})
        .await
        .unwrap_err();
    assert!(matches!(error, LlmError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains(&url), "{error}");
}

#[tokio::test]
async fn garbage_is_an_error() {
    for answer in [
        half(&[json!("not a chunk")]),
        status("200 OK", "<html>Welcome</html>"),
        half(&[]),
    ] {
        let it = asked(false, vec![answer]).await;
        assert!(
            matches!(it.told, Err(LlmError::Garbled { .. })),
            "{:?}",
            it.told
        );
    }
}

#[tokio::test]
async fn half_an_answer_is_no_answer_however_well_it_reads() {
    let call = json!({ "call": { "tool": "look", "arguments": { "name": "x" } } }).to_string();
    let piece = json!({ "choices": [{ "delta": { "content": call } }] });
    let cut = json!({ "choices": [{ "delta": {}, "finish_reason": "length" }] });
    for events in [vec![piece.clone()], vec![piece, cut]] {
        let it = asked(false, vec![half(&events)]).await;
        assert!(
            matches!(it.told, Err(LlmError::Half { .. })),
            "{:?}",
            it.told
        );
        assert_eq!(std::fs::read_dir(it.folder.path()).unwrap().count(), 0);
        // What came in is counted, though the endpoint never did.
        assert!(it.spent.tokens > 0);
    }
}

#[tokio::test]
async fn an_endpoint_that_never_answers_is_left_when_the_time_is_over() {
    let server = Server::start(vec![String::new()]).await;
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::new(&server.url, Key::default()).unwrap();
    let budget = Budget {
        seconds: 1,
        ..BUDGET
    };
    let record = Recordings::new(folder.path());
    let model = Model::at(endpoint, consult(false, budget), None, record).unwrap();
    let meter = model.meter();
    let error = model.ask(&meter, &question(), &|_| {}).await.unwrap_err();
    assert!(matches!(error, LlmError::TimedOut { .. }), "{error}");
    let error = model.ask(&meter, &question(), &|_| {}).await.unwrap_err();
    assert!(matches!(error, LlmError::Spent { .. }), "{error}");
    // A busy machine may not have got to send the first one within its second.
    assert!(server.requests().len() <= 1);
}

#[tokio::test]
async fn an_endpoint_that_refuses_tools_is_asked_by_schema() {
    let refusal = status("400 Bad Request", "{\"error\":{\"message\":\"no tools\"}}");
    let it = asked(true, vec![refusal, routes("look", json!({ "name": "x" }))]).await;
    assert_eq!(it.told.unwrap().reply, look("x"));
    assert!(it.server.body(0)["tools"].is_array());
    assert!(it.server.body(1)["response_format"].is_object());
}

#[tokio::test]
async fn an_endpoint_that_refuses_the_schema_too_is_an_error() {
    let refusal = status("400 Bad Request", "{\"error\":{\"message\":\"no schema\"}}");
    let it = asked(true, vec![refusal]).await;
    let error = it.told.unwrap_err();
    assert!(
        matches!(error, LlmError::Refused { status: 400, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("no schema"), "{error}");
    assert_eq!(it.server.requests().len(), 2);
}

#[tokio::test]
async fn a_model_that_talks_instead_of_calling_is_asked_by_schema_from_then_on() {
    let server = Server::start(vec![
        says("I would look."),
        routes("look", json!({ "name": "x" })),
    ])
    .await;
    let folder = tempfile::tempdir().unwrap();
    let model = model(&server.url, true, &folder);
    let meter = model.meter();
    let error = model.ask(&meter, &question(), &|_| {}).await.unwrap_err();
    assert!(matches!(error, LlmError::Unusable { .. }), "{error}");
    let told = model.ask(&meter, &question(), &|_| {}).await.unwrap();
    assert_eq!(told.reply, look("x"));
    assert!(server.body(1)["response_format"].is_object());
}

#[tokio::test]
async fn a_native_call_is_put_together_from_its_pieces() {
    let call = |function: serde_json::Value| json!({ "choices": [{ "delta": { "tool_calls": [{ "index": 0, "function": function }] } }] });
    let stream = half(&[
        call(json!({ "name": "look", "arguments": "" })),
        call(json!({ "arguments": "{\"name\":" })),
        call(json!({ "arguments": "\"x\"}" })),
        json!({ "choices": [{ "delta": {}, "finish_reason": "tool_calls" }] }),
    ]);
    let it = asked(true, vec![stream]).await;
    let told = it.told.unwrap();
    assert_eq!(told.reply, look("x"));
    assert!(told.usage.estimated);
}

#[test]
fn a_limit_on_money_needs_a_price() {
    let budget = Budget {
        dollars: 1.0,
        ..BUDGET
    };
    let source = || Recordings::new("none");
    let made = Model::recorded(source(), consult(false, budget), None);
    assert!(matches!(made.err(), Some(LlmError::NoPrice { .. })));
    let price = Price {
        input: 1.0,
        output: 1.0,
    };
    assert!(Model::recorded(source(), consult(false, budget), Some(price)).is_ok());
}
