use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    path::Path,
};

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

/// Opens a file and reads all that it holds.
fn read(root: &Path, relative: &Path) -> Result<Tensors, TensorError> {
    let read = |(name, stored): (String, Stored)| {
        let tensor = Tensor {
            data: stored.read(0..stored.count())?,
            element: stored.element,
            shape: stored.shape,
        };
        Ok((name, tensor))
    };
    open(root, relative)?.into_iter().map(read).collect()
}

#[test]
fn tensors_survive_writing_and_reading() {
    let folder = tempfile::tempdir().unwrap();
    write(&sample(), &folder.path().join("x.safetensors")).unwrap();
    let back = read(folder.path(), Path::new("x.safetensors")).unwrap();
    assert_eq!(back, sample());
}

#[test]
fn each_type_of_element_is_read_as_it_was_written() {
    let floating = |element| (element, Data::Floating(vec![0.5, -2.0, 0.0, -1.0]));
    let whole = |element, least: i64, most: i64| (element, Data::Whole(vec![least, most, 0, 1]));
    let mut kinds = vec![
        whole(ElementType::Bool, 0, 1),
        whole(ElementType::Uint8, 0, u8::MAX.into()),
        whole(ElementType::Int8, i8::MIN.into(), i8::MAX.into()),
        whole(ElementType::Uint16, 0, u16::MAX.into()),
        whole(ElementType::Int16, i16::MIN.into(), i16::MAX.into()),
        whole(ElementType::Uint32, 0, u32::MAX.into()),
        whole(ElementType::Int32, i32::MIN.into(), i32::MAX.into()),
        whole(ElementType::Int64, i64::MIN, i64::MAX),
        // Of the largest of these the bits are kept.
        whole(ElementType::Uint64, 0, -1),
    ];
    kinds.extend(ElementType::FLOATING.map(floating));
    let tensors: Tensors = kinds
        .into_iter()
        .map(|(element, data)| {
            let shape = vec![2, 2];
            let tensor = Tensor {
                element,
                shape,
                data,
            };
            (element.name().to_owned(), tensor)
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    write(&tensors, &folder.path().join("x")).unwrap();
    assert_eq!(read(folder.path(), Path::new("x")).unwrap(), tensors);
    for (name, stored) in open(folder.path(), Path::new("x")).unwrap() {
        assert_eq!(stored.count(), 4);
        for range in [0..3, 1..4, 2..2] {
            let part = tensors[&name].data.part(range.clone());
            assert_eq!(stored.read(range).unwrap(), part, "{name}");
        }
    }
}

#[test]
fn a_file_that_is_cut_short_after_it_was_opened_is_a_typed_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    write(
        &Tensors::from([("a".to_owned(), floats(&[1.0, -2.5]))]),
        &path,
    )
    .unwrap();
    let stored = open(folder.path(), Path::new("x"))
        .unwrap()
        .remove("a")
        .unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(file.metadata().unwrap().len() - 1).unwrap();
    assert_eq!(stored.read(0..1).unwrap(), Data::Floating(vec![1.0]));
    let error = stored.read(0..2).unwrap_err();
    assert!(matches!(error, TensorError::Io { .. }), "{error}");
    assert!(error.to_string().contains("/x"), "{error}");
}

#[test]
fn a_file_put_in_the_place_of_an_opened_one_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    let tensors = |value| Tensors::from([("a".to_owned(), floats(&[value]))]);
    write(&tensors(1.0), &path).unwrap();
    let stored = open(folder.path(), Path::new("x"))
        .unwrap()
        .remove("a")
        .unwrap();
    write(&tensors(2.0), &folder.path().join("other")).unwrap();
    fs::rename(folder.path().join("other"), &path).unwrap();
    assert_eq!(stored.read(0..1).unwrap(), Data::Floating(vec![1.0]));
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
        fs::write(&whole, broken).unwrap();
        let error = open(folder.path(), Path::new("x")).unwrap_err();
        assert!(matches!(error, TensorError::Malformed { .. }), "{error}");
    }
}

#[test]
fn places_beyond_all_memory_are_malformed() {
    const MOST: u64 = u64::MAX / 8;
    let tensors: Vec<String> = (0..8)
        .map(|i| {
            let (from, to) = (i * MOST, (i + 1) * MOST);
            format!(r#""{i}":{{"dtype":"U8","shape":[{MOST}],"data_offsets":[{from},{to}]}}"#)
        })
        .collect();
    let header = format!("{{{}}}", tensors.join(","));
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x"), with_header(&header)).unwrap();
    let error = open(folder.path(), Path::new("x")).unwrap_err();
    assert!(matches!(error, TensorError::Malformed { .. }), "{error}");
}

/// A file of a header and nothing behind it.
fn with_header(header: &str) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes
}

/// The reader of a file that stays where it is must find in it what the reader of a whole file finds.
fn same(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x"), bytes).unwrap();
    let read = read(folder.path(), Path::new("x"));
    let whole = parse(bytes, Path::new("x"));
    // As text: what is no number does not equal itself.
    assert_eq!(
        format!("{:?}", read.as_ref().ok()),
        format!("{:?}", whole.as_ref().ok())
    );
    let phrase = |of: Result<Tensors, TensorError>| of.err().map(|error| error.phrase());
    assert_eq!(phrase(read), phrase(whole));
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        same(&bytes);
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
        same(&bytes);
    }

    #[test]
    fn no_header_makes_the_reader_panic(header in "[\\[\\]{}:,\"a-zF0-9_]{0,120}") {
        same(&with_header(&header));
    }
}
