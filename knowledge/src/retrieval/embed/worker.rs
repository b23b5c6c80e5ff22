//! The worker: the process that loads ONNX Runtime and the model.

use std::{
    ffi::OsString,
    io::{self, BufRead as _, Write as _},
    path::PathBuf,
};

use ort::{session::Session, value::Tensor};
use tokenizers::{PaddingParams, Tokenizer, TruncationParams};

use super::{Answer, Ask};
use crate::retrieval::vectors::{Vector, WIDTH};

/// The most tokens of a text that are read.
const TOKENS: usize = 96;

/// Texts that go through the model at once.
const BATCH: usize = 8;

/// Serves questions from standard input until it ends. The arguments are the library, the model, its tokenizer, and the
/// number of threads. Answers with the process's exit code.
///
/// It is to be called in a process of its own: the runtime it loads can crash, and is never unloaded.
pub fn worker_main(args: impl Iterator<Item = OsString>) -> u8 {
    let mut model = match Loaded::load(args) {
        Ok(model) => model,
        Err(error) => return u8::from(say(&Answer::Error(error)).is_err()),
    };
    if say(&Answer::Ready).is_err() {
        return 1;
    }
    for line in io::stdin().lock().lines() {
        let answer = line
            .map_err(|error| error.to_string())
            .and_then(|line| serde_json::from_str::<Ask>(&line).map_err(|error| error.to_string()))
            .and_then(|ask| model.embed(&ask.texts));
        let answer = match answer {
            Ok(vectors) => Answer::Vectors(vectors),
            Err(error) => Answer::Error(error),
        };
        // Nobody listens any more.
        if say(&answer).is_err() {
            return 1;
        }
    }
    0
}

fn say(answer: &Answer) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, answer)?;
    out.write_all(b"\n")?;
    out.flush()
}

struct Loaded {
    session: Session,
    tokenizer: Tokenizer,
}

impl Loaded {
    fn load(mut args: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let mut path = || args.next().map(PathBuf::from).ok_or("a path is missing");
        let (library, onnx, tokenizer) = (path()?, path()?, path()?);
        let threads = args
            .next()
            .and_then(|text| text.to_str()?.parse().ok())
            .unwrap_or(1);
        let environment = ort::init_from(&library)
            .map_err(|error| error.to_string())?
            .with_telemetry(false)
            .build()
            .map_err(|error| error.to_string())?;
        let build = || -> ort::Result<Session> {
            Session::builder(&environment)?
                .with_intra_threads(threads)?
                .commit_from_file(&onnx)
        };
        let mut tokenizer = Tokenizer::from_file(&tokenizer).map_err(|error| error.to_string())?;
        // The file pads every text to one length, which would cost as much as the longest text each time.
        tokenizer.with_padding(Some(PaddingParams::default()));
        tokenizer
            .with_truncation(Some(TruncationParams {
                max_length: TOKENS,
                ..TruncationParams::default()
            }))
            .map_err(|error| error.to_string())?;
        Ok(Self {
            session: build().map_err(|error| error.to_string())?,
            tokenizer,
        })
    }

    fn embed(&mut self, texts: &[String]) -> Result<Vec<Vector>, String> {
        let mut vectors = Vec::with_capacity(texts.len());
        for batch in texts.chunks(BATCH) {
            vectors.extend(self.batch(batch)?);
        }
        Ok(vectors)
    }

    fn batch(&mut self, texts: &[String]) -> Result<Vec<Vector>, String> {
        let encoded = self
            .tokenizer
            .encode_batch(texts.to_vec(), true)
            .map_err(|error| error.to_string())?;
        let length = encoded.first().map_or(0, |encoding| encoding.len());
        let shape = [texts.len(), length];
        let flat = |numbers: &dyn Fn(&tokenizers::Encoding) -> Vec<u32>| {
            let all: Vec<i64> = encoded.iter().flat_map(numbers).map(i64::from).collect();
            Tensor::from_array((shape, all)).map_err(|error| error.to_string())
        };
        let ids = flat(&|encoding| encoding.get_ids().to_vec())?;
        let mask = flat(&|encoding| encoding.get_attention_mask().to_vec())?;
        let types = flat(&|encoding| encoding.get_type_ids().to_vec())?;
        let outputs = self
            .session
            .run(ort::inputs![
                "input_ids" => ids,
                "attention_mask" => mask,
                "token_type_ids" => types,
            ])
            .map_err(|error| error.to_string())?;
        let (_, states) = outputs["last_hidden_state"]
            .try_extract_tensor::<f32>()
            .map_err(|error| error.to_string())?;
        if states.len() != texts.len() * length * WIDTH {
            return Err(format!("the model gave {} numbers", states.len()));
        }
        Ok(encoded
            .iter()
            .zip(states.chunks(length * WIDTH))
            .map(|(encoding, states)| mean(states, encoding.get_attention_mask()))
            .collect())
    }
}

/// The mean of the states of tokens that the mask keeps, made a vector of length 1.
fn mean(states: &[f32], mask: &[u32]) -> Vector {
    let mut sum = vec![0.0f32; WIDTH];
    for (state, _) in states
        .chunks(WIDTH)
        .zip(mask)
        .filter(|(_, kept)| **kept == 1)
    {
        for (total, number) in sum.iter_mut().zip(state) {
            *total += number;
        }
    }
    let length = sum.iter().map(|number| number * number).sum::<f32>().sqrt();
    if length > 0.0 {
        sum.iter_mut().for_each(|number| *number /= length);
    }
    sum
}
