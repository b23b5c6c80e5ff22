//! What a backend says it measured: checked before it becomes evidence, since a job can say anything.

use std::collections::BTreeMap;

use portwright_core::{Backend, Finding, Signature, Stage, job::Execution, verdict::Placement};

/// Where a backend must have executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The execution provider, as the runtime names it in its counts of nodes.
    pub provider: &'static str,
    /// The device, as the runtime names it.
    pub device: &'static str,
}

/// The nodes on the expected provider; a failure where any node ran elsewhere.
pub fn placement(
    backend: Backend,
    expected: Expected,
    execution: &Execution,
) -> Result<Placement, Box<Finding>> {
    let nodes = execution
        .nodes
        .values()
        .fold(0_u64, |sum, count| sum.saturating_add(*count));
    let nodes_on_provider = execution.nodes.get(expected.provider).copied().unwrap_or(0);
    let counted = by_provider(&execution.nodes);
    if nodes == 0 {
        return Err(finding(
            backend,
            "no node was executed",
            "the runtime counts no executed node".to_owned(),
            "a result that no node computed is no result: check the artefact",
        ));
    }
    if execution.device != expected.device {
        return Err(finding(
            backend,
            "fallback to another device",
            format!(
                "asked for device `{}`, executed on `{}` ({counted})",
                expected.device, execution.device
            ),
            "check that the device is there with `portwright doctor`",
        ));
    }
    let elsewhere = execution
        .nodes
        .iter()
        .any(|(provider, count)| provider != expected.provider && *count > 0);
    if elsewhere {
        return Err(finding(
            backend,
            "fallback to another provider",
            format!(
                "{nodes_on_provider} of {nodes} nodes ran on `{}` ({counted})",
                expected.provider
            ),
            "replace the operators that the provider lacks",
        ));
    }
    Ok(Placement {
        provider: expected.provider.to_owned(),
        nodes_on_provider,
        nodes,
        by_provider: execution.nodes.clone(),
    })
}

/// The figures of an execution that can be believed at all.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    pub load_seconds: f64,
    pub latency_p50_seconds: f64,
    pub latency_p95_seconds: f64,
    pub memory_slope_bytes: Option<f64>,
}

/// Checks and condenses the times and sizes.
pub fn figures(backend: Backend, execution: &Execution) -> Result<Figures, Box<Finding>> {
    let times = &execution.latency_seconds;
    let sound = |seconds: &f64| seconds.is_finite() && *seconds >= 0.0;
    if times.is_empty() || !times.iter().all(sound) || !sound(&execution.load_seconds) {
        return Err(finding(
            backend,
            "measurements are missing",
            format!(
                "load time {} s and {} latencies do not make a measurement",
                execution.load_seconds,
                times.len()
            ),
            "have the backend time its load and at least one repetition",
        ));
    }
    let mut sorted = times.clone();
    sorted.sort_by(f64::total_cmp);
    Ok(Figures {
        load_seconds: execution.load_seconds,
        latency_p50_seconds: percentile(&sorted, 0.5),
        latency_p95_seconds: percentile(&sorted, 0.95),
        memory_slope_bytes: slope(&execution.reload_resident_bytes),
    })
}

/// The nearest-rank percentile of sorted values.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted
        .get(rank.saturating_sub(1))
        .or(sorted.last())
        .copied()
        .unwrap_or(0.0)
}

/// Bytes per reload by least squares; two points make a line through any noise, so fewer than three make none.
fn slope(bytes: &[u64]) -> Option<f64> {
    if bytes.len() < 3 {
        return None;
    }
    let count = bytes.len() as f64;
    let mean_x = (count - 1.0) / 2.0;
    let mean_y = bytes.iter().map(|value| *value as f64).sum::<f64>() / count;
    let (mut covariance, mut variance) = (0.0, 0.0);
    for (x, y) in bytes.iter().enumerate() {
        let from_mean = x as f64 - mean_x;
        covariance += from_mean * (*y as f64 - mean_y);
        variance += from_mean * from_mean;
    }
    Some(covariance / variance)
}

fn by_provider(nodes: &BTreeMap<String, u64>) -> String {
    nodes
        .iter()
        .map(|(provider, count)| format!("{provider}: {count}"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn finding(backend: Backend, phrase: &str, message: String, hint: &str) -> Box<Finding> {
    Box::new(Finding {
        stage: Stage::Execute,
        backend: Some(backend),
        signature: Signature::phrase(phrase),
        message,
        error: None,
        hint: Some(hint.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPECTED: Expected = Expected {
        provider: "CPUExecutionProvider",
        device: "CPU",
    };

    fn execution(nodes: &[(&str, u64)]) -> Execution {
        Execution {
            device: "CPU".into(),
            nodes: nodes.iter().map(|(k, v)| ((*k).to_owned(), *v)).collect(),
            versions: BTreeMap::new(),
            load_seconds: 0.1,
            latency_seconds: vec![0.3, 0.1, 0.2],
            reload_resident_bytes: vec![],
            outputs: vec![],
            refused: BTreeMap::new(),
        }
    }

    fn placed(execution: &Execution) -> Result<Placement, Box<Finding>> {
        placement(Backend::Onnxruntime, EXPECTED, execution)
    }

    #[test]
    fn all_nodes_on_the_provider_are_counted_in_the_evidence() {
        let placement = placed(&execution(&[("CPUExecutionProvider", 3)])).unwrap();
        assert_eq!((placement.nodes_on_provider, placement.nodes), (3, 3));
    }

    #[test]
    fn one_node_elsewhere_is_a_fallback() {
        let finding = placed(&execution(&[
            ("CPUExecutionProvider", 3),
            ("XnnpackExecutionProvider", 1),
        ]))
        .unwrap_err();
        assert_eq!(finding.signature.0, "fallback to another provider");
        assert!(finding.message.contains("3 of 4"), "{}", finding.message);
    }

    #[test]
    fn another_device_is_a_fallback() {
        let mut execution = execution(&[("CPUExecutionProvider", 3)]);
        execution.device = "GPU".into();
        let finding = placed(&execution).unwrap_err();
        assert_eq!(finding.signature.0, "fallback to another device");
    }

    #[test]
    fn no_node_at_all_is_no_execution() {
        for nodes in [&[][..], &[("CPUExecutionProvider", 0)]] {
            let finding = placed(&execution(nodes)).unwrap_err();
            assert_eq!(finding.signature.0, "no node was executed");
        }
    }

    #[test]
    fn counts_that_overflow_do_not_panic() {
        let most = [("CPUExecutionProvider", u64::MAX), ("other", u64::MAX)];
        placed(&execution(&most)).unwrap_err();
    }

    #[test]
    fn latencies_become_percentiles() {
        let figures = figures(Backend::Onnxruntime, &execution(&[])).unwrap();
        assert_eq!(figures.latency_p50_seconds, 0.2);
        assert_eq!(figures.latency_p95_seconds, 0.3);
    }

    #[test]
    fn times_that_are_none_are_refused() {
        for times in [vec![], vec![f64::NAN], vec![-1.0], vec![f64::INFINITY]] {
            let mut execution = execution(&[]);
            execution.latency_seconds = times;
            figures(Backend::Onnxruntime, &execution).unwrap_err();
        }
    }

    #[test]
    fn a_leak_is_seen_as_a_slope() {
        assert_eq!(slope(&[100, 110, 120, 130]), Some(10.0));
        assert_eq!(slope(&[100, 100, 100]), Some(0.0));
    }

    #[test]
    fn two_reloads_make_no_slope() {
        assert_eq!(slope(&[100, 110]), None);
    }
}
