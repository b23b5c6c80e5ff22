//! What a page is handed when it asks for an address, and where that comes from. There is one origin, which is nowhere, and what
//! is not listed here is refused.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::super::WEB_FILES;
use crate::judge::OUTPUTS_FOLDER;

/// The page's origin. No name below `invalid` is ever resolved.
pub const ORIGIN: &str = "https://portwright.invalid";

/// Where the runtime's files are, below the component's folder.
const RUNTIME: &str = "node_modules/onnxruntime-web/dist";

/// The page itself. It does nothing until its module is called.
const PAGE: &str = "<!doctype html><html lang=\"en\"><title>portwright</title></html>";

/// The files that a page can ask for.
#[derive(Debug)]
pub struct Served {
    /// The component's folder.
    pub root: PathBuf,
    /// What the page is asked to do.
    pub request: Value,
    pub artefact: PathBuf,
    /// The files of inputs, by the paths under which the request names them.
    pub sets: Vec<String>,
}

/// What an address holds, with its type.
pub struct Found {
    pub content: Vec<u8>,
    pub kind: &'static str,
}

impl Served {
    /// What is at an address; nothing where the page may not have it, or where it is not there.
    pub fn find(&self, address: &str) -> Option<Found> {
        let path = address.strip_prefix(ORIGIN)?;
        let file = |path: &Path| {
            Some(Found {
                content: fs::read(path).ok()?,
                kind: kind(path),
            })
        };
        match path {
            "/" => Some(Found {
                content: PAGE.into(),
                kind: "text/html",
            }),
            "/request.json" => Some(Found {
                content: self.request.to_string().into_bytes(),
                kind: "application/json",
            }),
            "/artefact" => file(&self.artefact),
            _ => {
                if let Some(set) = path.strip_prefix("/input") {
                    let known = self.sets.iter().find(|known| *known == set)?;
                    return file(Path::new(known));
                }
                if let Some(name) = path.strip_prefix("/beside/") {
                    return file(&self.artefact.parent()?.join(plain(name)?));
                }
                if let Some(name) = path.strip_prefix("/runtime/") {
                    return file(&self.root.join(RUNTIME).join(plain(name)?));
                }
                let name = path.strip_prefix("/web/")?;
                let (_, text) = WEB_FILES.iter().find(|(known, _)| *known == name)?;
                Some(Found {
                    content: text.as_bytes().to_vec(),
                    kind: "text/javascript",
                })
            }
        }
    }
}

/// The names of the files beside an ONNX file, in which an exporter has put weights and which it names: the runtime opens none
/// by itself.
pub fn weights_beside(artefact: &Path) -> io::Result<Vec<String>> {
    let graph = fs::read(artefact)?;
    let mut names = Vec::new();
    for entry in fs::read_dir(artefact.parent().unwrap_or(artefact))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let named = graph
            .windows(name.len())
            .any(|part| part == name.as_bytes());
        if entry.file_type()?.is_file() && named {
            names.push(name);
        }
    }
    Ok(names)
}

/// Takes a part of a file that the page delivers, `{"name", "part"}`, into the work folder.
pub fn deliver(payload: &Value, work: &Path) -> io::Result<()> {
    let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
    let name = payload["name"].as_str().and_then(|name| {
        let name = name.strip_prefix(OUTPUTS_FOLDER)?;
        plain(name.strip_prefix('/')?)
    });
    let name = name.ok_or_else(|| invalid("a file is delivered under no plain name"))?;
    let part = payload["part"]
        .as_str()
        .and_then(|part| BASE64_STANDARD.decode(part).ok());
    let part = part.ok_or_else(|| invalid("a file is delivered that is no base64"))?;
    let folder = work.join(OUTPUTS_FOLDER);
    fs::create_dir_all(&folder)?;
    let file = fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(folder.join(name));
    file?.write_all(&part)
}

/// A name that leads to no other folder.
fn plain(name: &str) -> Option<&str> {
    let leads_away = name.contains(['/', '\\', '%']) || name.starts_with('.');
    (!name.is_empty() && !leads_away).then_some(name)
}

fn kind(path: &Path) -> &'static str {
    match path.extension().and_then(|end| end.to_str()) {
        Some("mjs" | "js") => "text/javascript",
        Some("wasm") => "application/wasm",
        _ => "application/octet-stream",
    }
}

/// The answer to a request of the page, as the developer tools take it.
pub fn response(request: &Value, found: Option<Found>) -> (&'static str, Value) {
    let id = &request["requestId"];
    let Some(Found { content, kind }) = found else {
        return (
            "Fetch.failRequest",
            json!({ "requestId": id, "errorReason": "AccessDenied" }),
        );
    };
    let header = |name: &str, value: &str| json!({ "name": name, "value": value });
    // With the last two the page is isolated, and its clock exact.
    let headers = [
        header("content-type", kind),
        header("cross-origin-opener-policy", "same-origin"),
        header("cross-origin-embedder-policy", "require-corp"),
    ];
    let body = BASE64_STANDARD.encode(content);
    (
        "Fetch.fulfillRequest",
        json!({ "requestId": id, "responseCode": 200, "responseHeaders": headers, "body": body }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(folder: &Path) -> Served {
        fs::write(folder.join("model.onnx"), "graph names model.data").unwrap();
        fs::write(folder.join("model.data"), "weights").unwrap();
        fs::write(folder.join("secret"), "secret").unwrap();
        Served {
            root: folder.to_owned(),
            request: json!({ "job": 1 }),
            artefact: folder.join("model.onnx"),
            sets: vec![folder.join("one.safetensors").display().to_string()],
        }
    }

    fn text(served: &Served, path: &str) -> Option<String> {
        let found = served.find(&format!("{ORIGIN}{path}"))?;
        Some(String::from_utf8(found.content).unwrap())
    }

    #[test]
    fn a_page_is_handed_what_it_needs() {
        let folder = tempfile::tempdir().unwrap();
        let served = served(folder.path());
        fs::write(folder.path().join("one.safetensors"), "inputs").unwrap();
        assert_eq!(text(&served, "/request.json").unwrap(), "{\"job\":1}");
        assert_eq!(
            text(&served, "/artefact").unwrap(),
            "graph names model.data"
        );
        assert_eq!(text(&served, "/beside/model.data").unwrap(), "weights");
        let set = format!("/input{}", served.sets[0]);
        assert_eq!(text(&served, &set).unwrap(), "inputs");
        assert!(
            text(&served, "/web/page.mjs")
                .unwrap()
                .contains("export async function run")
        );
        assert_eq!(weights_beside(&served.artefact).unwrap(), ["model.data"]);
    }

    #[test]
    fn a_page_is_refused_what_is_not_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let served = served(folder.path());
        for path in [
            "/secret",
            "/input/etc/passwd",
            "/beside/../secret",
            "/beside/%2e%2e/secret",
            "/runtime/../../secret",
            "/web/nothing.mjs",
        ] {
            assert!(text(&served, path).is_none(), "{path}");
        }
        assert!(served.find("https://example.org/").is_none());
        assert!(
            served
                .find("https://portwright.invalid.example.org/")
                .is_none()
        );
    }

    #[test]
    fn what_a_page_delivers_lands_in_the_outputs_and_nowhere_else() {
        let work = tempfile::tempdir().unwrap();
        for part in ["aGU=", "bGxv"] {
            let payload = json!({ "name": "outputs/one.safetensors", "part": part });
            deliver(&payload, work.path()).unwrap();
        }
        let file = work.path().join("outputs/one.safetensors");
        assert_eq!(fs::read_to_string(file).unwrap(), "hello");
        for name in [
            "answer.json",
            "outputs/../answer.json",
            "outputs/",
            "/etc/x",
        ] {
            let payload = json!({ "name": name, "part": "aGU=" });
            assert!(deliver(&payload, work.path()).is_err(), "{name}");
        }
        let payload = json!({ "name": "outputs/two", "part": "no base64!" });
        assert!(deliver(&payload, work.path()).is_err());
    }
}
