//! An endpoint on this machine that misbehaves as a test says.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// Answers the n-th request with the n-th text, and every later one with the last text, then closes the connection.
pub struct Server {
    pub url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub async fn start(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let Some(request) = read(&mut stream).await else {
                    continue;
                };
                let count = {
                    let mut seen = seen.lock().unwrap();
                    seen.push(request);
                    seen.len()
                };
                let answer = &answers[count.min(answers.len()) - 1];
                stream.write_all(answer.as_bytes()).await.ok();
                if answer.is_empty() {
                    // It never answers, and keeps the connection.
                    std::future::pending::<()>().await;
                }
            }
        });
        Self { url, requests }
    }

    /// Heads and bodies of the requests so far.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// The body of the n-th request.
    pub fn body(&self, index: usize) -> Value {
        let requests = self.requests();
        let (_, body) = requests[index].split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap()
    }
}

async fn read(stream: &mut TcpStream) -> Option<String> {
    let mut request = String::new();
    let mut buffer = [0; 1 << 16];
    loop {
        let count = stream.read(&mut buffer).await.ok()?;
        request.push_str(&String::from_utf8_lossy(&buffer[..count]));
        let (head, body) = request.split_once("\r\n\r\n").unwrap_or((&request, ""));
        let length = head
            .lines()
            .find_map(|line| {
                line.to_lowercase()
                    .strip_prefix("content-length: ")?
                    .parse()
                    .ok()
            })
            .unwrap_or(0);
        if count == 0 {
            return None;
        }
        if request.contains("\r\n\r\n") && body.len() >= length {
            return Some(request);
        }
    }
}

/// A response with a status, e.g. `429 Too Many Requests`.
pub fn status(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nretry-after: 0\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// A stream of these events, without an end.
pub fn half(events: &[Value]) -> String {
    let mut text =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
            .to_owned();
    for event in events {
        text.push_str(&format!("data: {event}\n\n"));
    }
    text
}

/// A whole answer in two pieces, with its usage.
pub fn says(text: &str) -> String {
    let (first, second) = text.split_at(text.len() / 2);
    let piece = |text: &str| json!({ "choices": [{ "delta": { "content": text } }] });
    let mut stream = half(&[
        piece(first),
        piece(second),
        json!({ "choices": [{ "delta": {}, "finish_reason": "stop" }] }),
        json!({ "choices": [], "usage": { "prompt_tokens": 50, "completion_tokens": 7 } }),
    ]);
    stream.push_str("data: [DONE]\n\n");
    stream
}

/// A whole answer that calls a tool as the router's schema asks.
pub fn routes(tool: &str, arguments: Value) -> String {
    says(&json!({ "call": { "tool": tool, "arguments": arguments } }).to_string())
}
