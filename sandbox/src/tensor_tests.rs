use std::os::unix::fs::symlink;

use proptest::prelude::*;

use super::*;

fn floats(values: &[f64]) -> Tensor {
    Tensor {
        element: ElementType::Float32,
        shape: vec![values.len()],
        data: Data::Floating(values.to_vec()),
    }
}

fn sample() -> Tensors {
    Tensors::from([
        ("a".to_owned(), floats(&[1.0, -2.5])),
        (
            "b".to_owned(),
            Tensor {
                element: ElementType::Bool,
                shape: vec![2, 1],
                data: Data::Whole(vec![1, 0]),
            },
        ),
        (
            "c".to_owned(),
            Tensor {
                element: ElementType::Int64,
                shape: vec![],
                data: Data::Whole(vec![-7]),
            },
        ),
    ])
}

#[test]
fn tensors_survive_writing_and_reading() {
    let folder = tempfile::tempdir().unwrap();
    write(&sample(), &folder.path().join("x.safetensors")).unwrap();
    let back = read(folder.path(), Path::new("x.safetensors")).unwrap();
    assert_eq!(back, sample());
}

#[test]
fn narrow_and_wide_floating_types_are_read() {
    for element in ElementType::FLOATING {
        let folder = tempfile::tempdir().unwrap();
        let tensors = Tensors::from([(
            "x".to_owned(),
            Tensor {
                element,
                ..floats(&[0.5, -2.0])
            },
        )]);
        write(&tensors, &folder.path().join("x")).unwrap();
        assert_eq!(read(folder.path(), Path::new("x")).unwrap(), tensors);
    }
}

#[test]
fn a_missing_file_is_a_typed_error() {
    let folder = tempfile::tempdir().unwrap();
    let error = read(folder.path(), Path::new("outputs/x")).unwrap_err();
    assert!(matches!(error, TensorError::Missing { .. }), "{error}");
}

#[test]
fn a_link_to_another_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    write(&sample(), &folder.path().join("real")).unwrap();
    symlink("real", folder.path().join("link")).unwrap();
    let error = read(folder.path(), Path::new("link")).unwrap_err();
    assert!(matches!(error, TensorError::NotPlain { .. }), "{error}");
}

#[test]
fn a_linked_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("real")).unwrap();
    write(&sample(), &folder.path().join("real/x")).unwrap();
    symlink("real", folder.path().join("outputs")).unwrap();
    let error = read(folder.path(), Path::new("outputs/x")).unwrap_err();
    assert!(matches!(error, TensorError::NotPlain { .. }), "{error}");
}

#[test]
fn a_second_name_of_another_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    write(&sample(), &folder.path().join("real")).unwrap();
    fs::hard_link(folder.path().join("real"), folder.path().join("x")).unwrap();
    let error = read(folder.path(), Path::new("x")).unwrap_err();
    assert!(matches!(error, TensorError::NotPlain { .. }), "{error}");
}

#[test]
fn a_pipe_in_the_files_place_does_not_hold_the_judge_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    let name = std::ffi::CString::new(path.as_os_str().as_encoded_bytes()).unwrap();
    // SAFETY: `name` is a NUL-terminated path that outlives the call.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    let error = read(folder.path(), Path::new("x")).unwrap_err();
    assert!(matches!(error, TensorError::NotPlain { .. }), "{error}");
}

#[test]
fn a_path_that_leaves_the_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for path in ["../x", "/etc/passwd"] {
        let error = read(folder.path(), Path::new(path)).unwrap_err();
        assert!(matches!(error, TensorError::Outside { .. }), "{error}");
    }
}

#[test]
fn a_giant_is_refused_without_reading_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = File::create(folder.path().join("x")).unwrap();
    file.set_len(LARGEST_FILE + 1).unwrap();
    let error = read(folder.path(), Path::new("x")).unwrap_err();
    assert!(matches!(error, TensorError::TooLarge { .. }), "{error}");
}

#[test]
fn a_cut_file_and_a_giant_header_are_malformed() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("x");
    write(&sample(), &whole).unwrap();
    let content = fs::read(&whole).unwrap();
    for broken in [&content[..content.len() - 1], &[0xff; 64][..], &[][..]] {
        let error = parse(broken, &whole).unwrap_err();
        assert!(matches!(error, TensorError::Malformed { .. }), "{error}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&bytes, Path::new("x"));
    }

    #[test]
    fn no_change_of_a_good_file_makes_the_reader_panic(at in 0usize..400, to in any::<u8>(), cut in 0usize..400) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        write(&sample(), &path).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        let at = at % bytes.len();
        bytes[at] = to;
        bytes.truncate(bytes.len() - cut % bytes.len());
        let _ = parse(&bytes, &path);
    }

    #[test]
    fn no_header_makes_the_reader_panic(header in "[\\[\\]{}:,\"a-zF0-9_]{0,120}") {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        let _ = parse(&bytes, Path::new("x"));
    }
}
