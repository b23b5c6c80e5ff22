//! Which backends a command is for: `-b NAME`, repeated or with commas, `-b all`, or those of the settings.

use clap::Args;
use portwright_core::Backend;

/// The options that choose backends.
#[derive(Debug, Args)]
pub struct BackendArgs {
    /// A backend to port to, or `all`; repeat for several. Those of `run.backends` by default.
    #[arg(short, long = "backend", value_name = "BACKEND", value_parser = asked, value_delimiter = ',')]
    backends: Vec<Asked>,
}

/// What one option names.
#[derive(Clone, Debug)]
enum Asked {
    All,
    One(Backend),
}

fn asked(text: &str) -> Result<Asked, String> {
    match text {
        "all" => Ok(Asked::All),
        name => name.parse().map(Asked::One).map_err(|error| {
            let error: portwright_core::backend::UnknownBackend = error;
            error.to_string()
        }),
    }
}

impl BackendArgs {
    /// The backends once each, in the order in which they are shown; `otherwise` where none is named.
    pub fn chosen(&self, otherwise: &[Backend]) -> Vec<Backend> {
        let mut chosen = Vec::new();
        for asked in &self.backends {
            match asked {
                Asked::All => chosen.extend(Backend::all()),
                Asked::One(backend) => chosen.push(*backend),
            }
        }
        if chosen.is_empty() {
            chosen.extend(otherwise);
        }
        chosen.sort_unstable();
        chosen.dedup();
        chosen
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    const OTHERWISE: [Backend; 1] = [Backend::ONNXRUNTIME];

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        backends: BackendArgs,
    }

    fn chosen(line: &[&str]) -> Result<Vec<Backend>, String> {
        let line = Line::try_parse_from([&["x"], line].concat()).map_err(|it| it.to_string())?;
        Ok(line.backends.chosen(&OTHERWISE))
    }

    #[test]
    fn backends_are_asked_for_by_name_all_at_once_or_by_the_settings() {
        let both = vec![Backend::TORCH_CPU, Backend::OPENVINO];
        assert_eq!(
            chosen(&["-b", "openvino", "-b", "torch-cpu"]),
            Ok(both.clone())
        );
        assert_eq!(chosen(&["-b", "openvino,torch-cpu,openvino"]), Ok(both));
        assert_eq!(chosen(&["-b", "all"]), Ok(Backend::all().collect()));
        assert_eq!(chosen(&[]), Ok(OTHERWISE.to_vec()));
        let error = chosen(&["-b", "cuda"]).unwrap_err();
        assert!(error.contains("the backends are torch-cpu"), "{error}");
    }
}
