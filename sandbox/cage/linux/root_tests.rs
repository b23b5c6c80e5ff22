//! What goes into a root, worked out on folders of the test's own.

use std::os::unix::fs::symlink;

use super::*;

fn canonical(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().canonicalize().unwrap()
}

#[test]
fn links_on_the_way_to_a_path_are_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let top = canonical(&folder);
    fs::create_dir_all(top.join("real/bin")).unwrap();
    symlink("real", top.join("named")).unwrap();
    symlink(top.join("named/bin"), top.join("programs")).unwrap();
    let mut links = Vec::new();
    let place = resolve(&top.join("programs"), &mut links).unwrap();
    assert_eq!(place, top.join("real/bin"));
    assert_eq!(
        links,
        [
            (top.join("programs"), top.join("named/bin")),
            (top.join("named"), PathBuf::from("real")),
        ]
    );
}

#[test]
fn links_in_a_circle_and_paths_that_lead_nowhere_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let top = canonical(&folder);
    symlink("b", top.join("a")).unwrap();
    symlink("a", top.join("b")).unwrap();
    let circle = resolve(&top.join("a"), &mut Vec::new()).unwrap_err();
    assert!(circle.to_string().contains("circles"), "{circle}");
    let missing = resolve(&top.join("missing"), &mut Vec::new()).unwrap_err();
    assert!(missing.to_string().contains("missing"), "{missing}");
}

#[test]
fn what_lies_in_another_place_is_mounted_only_if_it_can_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let top = canonical(&folder);
    fs::create_dir_all(top.join("read/job/input")).unwrap();
    fs::create_dir_all(top.join("read/more")).unwrap();
    let policy = Policy::new()
        .read(top.join("read/more"))
        .read(top.join("read/job/input"))
        .read(top.join("read"))
        .read("/proc")
        .write(top.join("read/job"));
    let plan = Plan::new(&policy).unwrap();
    let own: Vec<&Place> = plan
        .places
        .iter()
        .filter(|place| !place.path.starts_with("/dev"))
        .collect();
    assert_eq!(
        own,
        [
            &Place::read_only(top.join("read")),
            &Place {
                path: top.join("read/job"),
                writable: true
            }
        ]
    );
}
