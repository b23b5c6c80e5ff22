//! What every store of vectors must do, as one suite.

use super::*;

/// A vector that points along one axis, and a little along the next.
fn along(axis: usize, little: f32) -> Vector {
    let mut vector = vec![0.0; WIDTH];
    let length = (1.0 + little * little).sqrt();
    vector[axis] = 1.0 / length;
    vector[axis + 1] = little / length;
    vector
}

/// `open` opens the same store each time; it is empty at the beginning.
fn suite<S: VectorStore>(open: impl Fn() -> S) {
    let key = |name: &str| Digest::of(name);
    let names = |found: Vec<(Digest, f32)>| found.into_iter().map(|hit| hit.0).collect::<Vec<_>>();
    let mut store = open();
    assert!(store.keys().unwrap().is_empty());
    assert!(store.nearest(&along(0, 0.0), None, 3).unwrap().is_empty());

    store
        .put(&[
            (key("a"), along(0, 0.0)),
            (key("b"), along(0, 0.5)),
            (key("c"), along(7, 0.0)),
        ])
        .unwrap();
    let found = store.nearest(&along(0, 0.1), None, 2).unwrap();
    assert!(
        (found[0].1 - 1.0 / 1.01f32.sqrt()).abs() < 1e-5,
        "{found:?}"
    );
    assert_eq!(names(found), [key("a"), key("b")]);
    // What is far away comes last, and is there.
    assert_eq!(store.nearest(&along(0, 0.0), None, 9).unwrap().len(), 3);

    // What was put is there for the next process, and putting it again changes nothing.
    drop(store);
    let mut store = open();
    store.put(&[(key("a"), along(0, 0.0))]).unwrap();
    store.put(&[]).unwrap();
    assert_eq!(store.keys().unwrap().len(), 3);

    let among = HashSet::from([key("c"), key("b"), key("not there")]);
    let found = store.nearest(&along(0, 0.0), Some(&among), 3).unwrap();
    assert_eq!(names(found), [key("b"), key("c")]);
    let none = HashSet::new();
    assert!(
        store
            .nearest(&along(0, 0.0), Some(&none), 3)
            .unwrap()
            .is_empty()
    );

    store.retain(&among).unwrap();
    assert_eq!(store.keys().unwrap(), HashSet::from([key("b"), key("c")]));
    assert_eq!(
        names(store.nearest(&along(0, 0.0), None, 1).unwrap()),
        [key("b")]
    );
    drop(store);
    assert_eq!(open().keys().unwrap().len(), 2);

    let mut store = open();
    let narrow = store.put(&[(key("d"), vec![1.0])]).unwrap_err();
    assert!(matches!(narrow, VectorError::Width { found: 1 }));
    assert!(matches!(
        store.nearest(&[], None, 1),
        Err(VectorError::Width { found: 0 })
    ));
    store.retain(&HashSet::new()).unwrap();
    assert!(store.keys().unwrap().is_empty());
}

#[test]
fn the_embedded_store_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    suite(|| Flat::open(&folder.path().join("vectors")).unwrap());
}

#[test]
fn the_server_keeps_the_contract() {
    let Some(url) = Qdrant::address() else {
        // There is no server to be had from the package registries: this half is tested where one is named.
        eprintln!("skipped: QDRANT_URL names no server, so the contract was not tested on Qdrant");
        return;
    };
    let name = format!("portwright-contract-{}", std::process::id());
    let clear = || {
        let mut store = Qdrant::open(&url, &name).unwrap();
        store.retain(&HashSet::new()).unwrap();
    };
    clear();
    suite(|| Qdrant::open(&url, &name).unwrap());
    clear();
}
