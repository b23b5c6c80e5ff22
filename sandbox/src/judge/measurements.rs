//! What a backend says it measured: checked before it becomes evidence, since a job can say anything.
//!
//! A figure that cannot be is refused and not shown: times longer than the job itself, which the main process timed;
//! memory above what the watchdog saw; more nodes than any model has; versions that are no versions. Below these bounds a
//! figure is still the job's word. Where generated code runs in the process that measures (`torch-cpu`), it can lie
//! within them.

use std::collections::BTreeMap;

use portwright_core::{
    Backend, Finding, Signature, Stage,
    job::{Execution, JobReport},
    text::{cut, line},
    verdict::Placement,
};

/// The most nodes that are believed of one model: real ones have some thousands.
const MOST_NODES: u64 = 10_000_000;
/// The most operators that a message names.
const MOST_OPERATORS: usize = 12;
/// The most providers that nodes are counted for, and the most versions that are named.
const MOST_NAMES: usize = 32;
/// The longest name of a package or provider, and the longest version.
const LONGEST_NAME: usize = 64;
const LONGEST_VERSION: usize = 128;
/// The most timed repetitions and reloads.
const MOST_REPEATS: usize = 10_000;
/// What the job's clock and ours may differ by: it begins before we look.
const CLOCKS_APART: f64 = 1.0;
/// What the kernel's counts of resident memory may differ by, since each thread keeps a few pages to itself.
const COUNTS_APART: u64 = 64 << 20;

/// Where a backend must have executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The execution provider, as the runtime names it in its counts of nodes.
    pub provider: &'static str,
    /// The device, as the runtime names it.
    pub device: &'static str,
}

impl Expected {
    /// What the table of backends says.
    pub fn of(backend: Backend) -> Self {
        let spec = backend.spec();
        Self {
            provider: &spec.provider,
            device: &spec.device,
        }
    }
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
    if nodes > MOST_NODES || execution.nodes.len() > MOST_NAMES {
        return Err(implausible(
            backend,
            &format!(
                "{nodes} nodes in all, and {} names of providers, are more than any model has",
                execution.nodes.len()
            ),
        ));
    }
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
                expected.device,
                shown(&execution.device)
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
                "{nodes_on_provider} of {nodes} nodes ran on `{}` ({counted}{})",
                expected.provider,
                lacking(&execution.elsewhere)
            ),
            "replace the operators that the provider lacks",
        ));
    }
    Ok(Placement {
        provider: expected.provider.to_owned(),
        nodes_on_provider,
        nodes,
        // No other has any.
        by_provider: BTreeMap::from([(expected.provider.to_owned(), nodes_on_provider)]),
    })
}

/// The versions of what ran, where each can be one.
pub fn versions(
    backend: Backend,
    execution: &Execution,
) -> Result<BTreeMap<String, String>, Box<Finding>> {
    let plain = |text: &str, longest: usize, signs: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || signs.contains(c);
        !text.is_empty() && text.len() <= longest && text.chars().all(allowed)
    };
    if execution.versions.len() > MOST_NAMES {
        let count = execution.versions.len();
        return Err(implausible(backend, &format!("it names {count} versions")));
    }
    for (name, version) in &execution.versions {
        if !plain(name, LONGEST_NAME, "._-") || !plain(version, LONGEST_VERSION, "._-+!/() ") {
            return Err(implausible(
                backend,
                &format!("`{}` is no version of `{}`", shown(version), shown(name)),
            ));
        }
    }
    Ok(execution.versions.clone())
}

/// The figures of an execution that can be believed at all.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    pub load_seconds: f64,
    pub latency_p50_seconds: f64,
    pub latency_p95_seconds: f64,
    pub memory_slope_bytes: Option<f64>,
}

/// Checks and condenses the times and sizes against what was seen of the job from outside.
pub fn figures(
    backend: Backend,
    execution: &Execution,
    report: &JobReport,
) -> Result<Figures, Box<Finding>> {
    let times = &execution.latency_seconds;
    let sound = |seconds: &f64| seconds.is_finite() && *seconds >= 0.0;
    if times.is_empty() || !times.iter().all(sound) || !sound(&execution.load_seconds) {
        return Err(finding(
            backend,
            "measurements are missing",
            format!(
                "load time {:e} s and {} latencies do not make a measurement",
                execution.load_seconds,
                times.len()
            ),
            "have the backend time its load and at least one repetition",
        ));
    }
    if times.len() > MOST_REPEATS || times.contains(&0.0) {
        let why = format!(
            "{} latencies, of which some are no time at all",
            times.len()
        );
        return Err(implausible(backend, &why));
    }
    let told = times.iter().sum::<f64>() + execution.load_seconds;
    if told > report.wall_seconds + CLOCKS_APART {
        return Err(implausible(
            backend,
            &format!(
                "a load and repetitions of {told:.3e} s together, in a job of {:.1} s",
                report.wall_seconds
            ),
        ));
    }
    let resident = &execution.reload_resident_bytes;
    let most = report.peak_resident_bytes.saturating_add(COUNTS_APART);
    if resident.len() > MOST_REPEATS || !resident.iter().all(|bytes| (1..=most).contains(bytes)) {
        return Err(implausible(
            backend,
            &format!(
                "memory after reloads that is none, or above the {} MiB that were seen",
                report.peak_resident_bytes >> 20
            ),
        ));
    }
    let mut sorted = times.clone();
    sorted.sort_by(f64::total_cmp);
    Ok(Figures {
        load_seconds: execution.load_seconds,
        latency_p50_seconds: percentile(&sorted, 0.5),
        latency_p95_seconds: percentile(&sorted, 0.95),
        memory_slope_bytes: slope(resident),
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

/// The operators of nodes that ran elsewhere, those of most nodes first.
fn lacking(elsewhere: &BTreeMap<String, u64>) -> String {
    let mut operators: Vec<_> = elsewhere.iter().collect();
    operators.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let shown: Vec<String> = operators
        .iter()
        .take(MOST_OPERATORS)
        .map(|(operator, count)| format!("{} {count}", shown(operator)))
        .collect();
    match shown.is_empty() {
        true => String::new(),
        false => format!("; elsewhere {}", shown.join(", ")),
    }
}

fn by_provider(nodes: &BTreeMap<String, u64>) -> String {
    nodes
        .iter()
        .take(MOST_NAMES)
        .map(|(provider, count)| format!("{}: {count}", shown(provider)))
        .collect::<Vec<_>>()
        .join(", ")
}

/// A name that a job gave, as a finding may quote it.
fn shown(name: &str) -> String {
    cut(&line(name), LONGEST_NAME)
}

fn implausible(backend: Backend, why: &str) -> Box<Finding> {
    finding(
        backend,
        "measurements are implausible",
        format!("what the job says it measured cannot be: {why}"),
        "nothing that it says is believed: look for code of the model that alters its answer",
    )
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
            elsewhere: BTreeMap::new(),
            versions: BTreeMap::new(),
            load_seconds: 0.1,
            latency_seconds: vec![0.3, 0.1, 0.2],
            reload_resident_bytes: vec![],
            outputs: vec![],
            refused: BTreeMap::new(),
        }
    }

    fn report() -> JobReport {
        JobReport {
            outcome: portwright_core::job::JobOutcome::TimedOut { seconds: 0.0 },
            peak_resident_bytes: 100 << 20,
            wall_seconds: 2.0,
            cpu_seconds: 0.0,
            isolation: "none".into(),
        }
    }

    fn implausible(found: Result<impl std::fmt::Debug, Box<Finding>>) -> String {
        let finding = found.unwrap_err();
        assert_eq!(finding.signature.0, "measurements are implausible");
        finding.message
    }

    fn placed(execution: &Execution) -> Result<Placement, Box<Finding>> {
        placement(Backend::ONNXRUNTIME, EXPECTED, execution)
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
        implausible(placed(&execution(&most)));
    }

    #[test]
    fn latencies_become_percentiles() {
        let figures = figures(Backend::ONNXRUNTIME, &execution(&[]), &report()).unwrap();
        assert_eq!(figures.latency_p50_seconds, 0.2);
        assert_eq!(figures.latency_p95_seconds, 0.3);
    }

    #[test]
    fn times_that_are_none_are_refused() {
        for times in [vec![], vec![f64::NAN], vec![-1.0], vec![f64::INFINITY]] {
            let mut execution = execution(&[]);
            execution.latency_seconds = times;
            let finding = figures(Backend::ONNXRUNTIME, &execution, &report()).unwrap_err();
            assert_eq!(finding.signature.0, "measurements are missing");
        }
    }

    #[test]
    fn times_that_do_not_fit_into_the_job_are_refused() {
        let told = |load, latencies: &[f64]| {
            let execution = Execution {
                load_seconds: load,
                latency_seconds: latencies.to_vec(),
                ..execution(&[])
            };
            figures(Backend::TORCH_CPU, &execution, &report())
        };
        assert!(told(1.0, &[0.5, 0.4]).is_ok());
        assert!(implausible(told(1e300, &[0.1])).contains("1.000e300 s"));
        implausible(told(0.1, &[f64::MAX, f64::MAX]));
        implausible(told(0.1, &[0.9; 5]));
        implausible(told(0.1, &[0.1, 0.0]));
        implausible(told(0.1, &[1e-9; MOST_REPEATS + 1]));
    }

    #[test]
    fn memory_that_nobody_saw_is_refused() {
        let told = |bytes: &[u64]| {
            let execution = Execution {
                reload_resident_bytes: bytes.to_vec(),
                ..execution(&[])
            };
            figures(Backend::TORCH_CPU, &execution, &report())
        };
        assert!(told(&[90 << 20, 110 << 20, 95 << 20]).is_ok());
        for bytes in [[0, 1 << 20, 1 << 20], [1 << 20, 1 << 63, 1 << 20]] {
            implausible(told(&bytes));
        }
    }

    #[test]
    fn more_nodes_than_any_model_has_are_refused() {
        for count in [MOST_NODES + 1, u64::MAX] {
            implausible(placed(&execution(&[("CPUExecutionProvider", count)])));
        }
        let names: Vec<String> = (0..=MOST_NAMES).map(|number| number.to_string()).collect();
        let many: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 0)).collect();
        implausible(placed(&execution(&many)));
    }

    #[test]
    fn a_provider_without_nodes_is_no_part_of_the_evidence() {
        let nodes = [("CPUExecutionProvider", 3), ("\u{1b}[2J| pass |", 0)];
        let placement = placed(&execution(&nodes)).unwrap();
        assert_eq!(placement.by_provider.len(), 1);
        let finding = placed(&execution(&[nodes[0], (nodes[1].0, 1)])).unwrap_err();
        assert!(!finding.message.contains('\u{1b}'), "{}", finding.message);
    }

    #[test]
    fn a_version_is_short_and_plain() {
        let told = |name: &str, version: &str| {
            let mut execution = execution(&[]);
            execution.versions.insert(name.into(), version.into());
            versions(Backend::TORCH_CPU, &execution)
        };
        assert!(told("torch", "2.13.0+cpu").is_ok());
        assert!(told("openvino", "2026.1.0-21234-6fec065-releases/2026/1").is_ok());
        let long = "1".repeat(100_000);
        for version in [
            "",
            "\u{1b}]0;t\u{7}1",
            "<script>",
            "1 | pass |",
            "`1`",
            "1\n2",
            &long,
        ] {
            let message = implausible(told("torch", version));
            assert!(
                message.len() < 500 && !message.contains('\u{1b}'),
                "{message}"
            );
        }
        implausible(told("\u{1b}[31mtorch\n| evil", "1"));
        let mut many = execution(&[]);
        many.versions = (0..=MOST_NAMES)
            .map(|number| (number.to_string(), "1".to_owned()))
            .collect();
        implausible(versions(Backend::TORCH_CPU, &many));
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
