use portwright_sandbox::isolation::{KernelSupport, Mode};

use super::*;
use crate::settings::{Loaded, Places};

/// Settings that keep environments in a folder of their own, where none is built.
fn settings(cache: &std::path::Path) -> Settings {
    let mut settings = Loaded::read(&Places::default()).unwrap().settings;
    settings.environment.cache_dir = Some(cache.to_owned());
    settings
}

fn strong() -> Probe {
    Probe {
        mode: Ok(Mode::NamespacesLandlockSeccomp),
        kernel: KernelSupport {
            landlock: Ok(5),
            seccomp: Ok(()),
            namespaces: Ok(()),
        },
    }
}

fn item<'a>(items: &'a [Item], name: &str) -> &'a Item {
    items.iter().find(|item| item.name == name).unwrap()
}

#[test]
fn every_backend_of_the_design_is_listed_and_absent_ones_say_why() {
    let cache = tempfile::tempdir().unwrap();
    let report = look(&settings(cache.path()), &strong());
    let names = report.backends.iter().map(|item| item.name.as_str());
    let known = Backend::all().map(Backend::as_str).chain(later());
    assert!(names.eq(known), "{:?}", report.backends);
    for backend in &report.backends {
        assert!(!backend.detail.is_empty(), "{backend:?}");
    }
    assert_eq!(
        item(&report.backends, "coreml").detail,
        "not implemented yet"
    );
}

#[test]
fn a_kernel_without_walls_is_not_ready_until_the_sandbox_is_switched_off() {
    let cache = tempfile::tempdir().unwrap();
    let mut settings = settings(cache.path());
    let mut weak = strong();
    weak.mode = Err("no Landlock".into());
    let report = look(&settings, &weak);
    assert!(!report.sandbox_ready && !report.ready);
    assert_eq!(item(&report.sandbox, "mode").detail, "no Landlock");
    settings.sandbox.enabled = false;
    assert!(look(&settings, &weak).sandbox_ready);
}

#[test]
fn a_python_that_cannot_be_used_is_not_ready_and_names_the_cure() {
    let cache = tempfile::tempdir().unwrap();
    let mut settings = settings(cache.path());
    settings.environment.python = Some("/nowhere/python3".into());
    let report = look(&settings, &strong());
    assert!(!report.environment_ready && !report.ready);
    let python = item(&report.tools, "python");
    assert_eq!(python.state, State::Absent);
    assert!(
        python
            .hint
            .as_deref()
            .unwrap()
            .contains("environment.python")
    );
    assert_eq!(item(&report.backends, "torch-cpu").state, State::Absent);
}
