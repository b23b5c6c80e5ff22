use super::*;

use proptest::prelude::*;
use std::path::PathBuf;

fn path() -> impl Strategy<Value = PathBuf> {
    "/[^\0]{0,40}".prop_map(PathBuf::from)
}

prop_compose! {
    fn policy()(
        read in proptest::collection::vec(path(), 0..4),
        write in proptest::collection::vec(path(), 0..4),
        devices in proptest::collection::vec(path(), 0..2),
        keep_fds in proptest::collection::vec(any::<i32>(), 0..4),
        (cpu_seconds, file_bytes, open_files, processes) in any::<(Option<u64>, Option<u64>, Option<u64>, Option<u64>)>(),
        parent_pid in any::<Option<i32>>(),
        (forbid_namespaces, forbid_landlock, allow_unprotected) in any::<(bool, bool, bool)>(),
    ) -> Policy {
        Policy {
            read, write, devices, keep_fds, cpu_seconds, file_bytes, open_files, processes, parent_pid,
            forbid_namespaces, forbid_landlock, allow_unprotected,
        }
    }
}

proptest! {
    #[test]
    fn any_policy_survives_its_text(policy in policy()) {
        prop_assert_eq!(Policy::parse(&policy.to_text().unwrap()), Ok(policy));
    }

    #[test]
    fn no_text_crashes_the_parser(text in any::<String>()) {
        let _ = Policy::parse(&text);
    }
}

fn refusal(text: &str) -> String {
    match Policy::parse(text) {
        Err(CageError::Policy(detail)) => detail,
        other => panic!("expected a malformed policy, got {other:?}"),
    }
}

#[test]
fn a_wall_the_cage_has_never_heard_of_is_an_error() {
    assert!(refusal("ro=/usr\nforbid_everything=1\n").contains("forbid_everything"));
}

#[test]
fn a_line_without_a_value_is_an_error() {
    assert!(refusal("ro").contains("no `=`"));
}

#[test]
fn a_relative_path_is_an_error() {
    assert!(refusal("rw=work").contains("absolute"));
}

#[test]
fn an_unfinished_escape_is_an_error() {
    assert!(refusal("rw=/work\\").contains("backslash"));
}

#[test]
fn a_limit_that_is_no_number_is_an_error() {
    assert!(refusal("cpu_seconds=ten").contains("cpu_seconds"));
}

#[test]
fn a_flag_that_is_neither_on_nor_off_is_an_error() {
    assert!(refusal("allow_unprotected=yes").contains("allow_unprotected"));
}

#[test]
fn a_limit_given_twice_is_an_error() {
    assert!(refusal("cpu_seconds=1\ncpu_seconds=9\n").contains("twice"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_path_that_cannot_be_written_down_is_an_error() {
    use std::os::unix::ffi::OsStringExt;
    let path = PathBuf::from(std::ffi::OsString::from_vec(b"/\xff".to_vec()));
    assert!(matches!(
        Policy::new().read(path).to_text(),
        Err(CageError::Policy(_))
    ));
}

#[test]
fn every_mode_is_found_by_its_name() {
    for mode in [
        Mode::NamespacesLandlockSeccomp,
        Mode::LandlockSeccomp,
        Mode::None,
    ] {
        assert_eq!(Mode::from_name(mode.name()), Some(mode));
    }
    assert_eq!(Mode::from_name("pass"), None);
}

#[test]
fn the_refusal_to_run_unprotected_names_the_cure() {
    let hint = CageError::Unprotected("too old".into()).hint();
    assert!(
        hint.contains("--no-sandbox") && hint.contains("Landlock"),
        "{hint}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn the_library_is_written_once_and_mended_when_damaged() {
    let cache = tempfile::tempdir().unwrap();
    let path = library(cache.path()).unwrap();
    let whole = std::fs::read(&path).unwrap();
    assert!(whole.starts_with(b"\x7fELF"));

    std::fs::write(&path, b"half").unwrap();
    assert_eq!(library(cache.path()).unwrap(), path);
    assert_eq!(std::fs::read(&path).unwrap(), whole);
    assert_eq!(std::fs::read_dir(cache.path()).unwrap().count(), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn a_cache_that_cannot_be_written_is_named_with_a_cure() {
    let cache = tempfile::tempdir().unwrap();
    let blocked = cache.path().join("file");
    std::fs::write(&blocked, "").unwrap();
    let error = library(&blocked.join("folder")).unwrap_err();
    assert!(error.to_string().contains("portwright_cage"), "{error}");
    assert!(error.hint().contains("cache folder"));
}

#[cfg(target_os = "linux")]
#[test]
fn probing_confines_nothing() {
    let first = probe();
    assert_eq!(probe(), first);
    std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
}
