//! The embedded store: one file, mapped into memory and searched exactly.
//!
//! The file is a mark, the count of vectors, their keys as 32 bytes each, and the vectors as little-endian 32-bit
//! floats. It is never changed in place: a new one is written beside it and moved there.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use memmap2::Mmap;
use portwright_core::Digest;

use super::{Vector, VectorError, VectorStore, WIDTH, checked};

const MARK: &[u8; 8] = b"PWVEC\0\0\x01";
const HEAD: usize = 16;
const KEY: usize = 32;
const VECTOR: usize = WIDTH * 4;

/// Vectors in a file.
pub struct Flat {
    path: PathBuf,
    /// `None` as long as there is no file.
    map: Option<Mmap>,
}

impl Flat {
    /// The store in a file, which need not be there yet.
    pub fn open(path: &Path) -> Result<Self, VectorError> {
        Ok(Self {
            path: path.to_owned(),
            map: map(path)?,
        })
    }

    fn count(&self) -> usize {
        self.map
            .as_ref()
            .map_or(0, |map| (map.len() - HEAD) / (KEY + VECTOR))
    }

    fn key(&self, index: usize) -> &[u8] {
        let from = HEAD + index * KEY;
        self.map.as_ref().map_or(&[], |map| &map[from..from + KEY])
    }

    fn vector(&self, index: usize) -> &[u8] {
        let from = HEAD + self.count() * KEY + index * VECTOR;
        self.map
            .as_ref()
            .map_or(&[], |map| &map[from..from + VECTOR])
    }

    /// Writes a new file with the vectors at the given places of this one and new ones behind them.
    fn rewrite(&mut self, kept: &[usize], new: &[(Digest, Vector)]) -> Result<(), VectorError> {
        let failed = |source| VectorError::Io {
            what: "write",
            path: self.path.clone(),
            source,
        };
        let half = self.path.with_extension("half");
        let mut written = BufWriter::new(File::create(&half).map_err(failed)?);
        let count = (kept.len() + new.len()) as u64;
        let mut write = |bytes: &[u8]| written.write_all(bytes).map_err(failed);
        write(MARK)?;
        write(&count.to_le_bytes())?;
        for index in kept {
            write(self.key(*index))?;
        }
        for (key, _) in new {
            write(&bytes(key))?;
        }
        for index in kept {
            write(self.vector(*index))?;
        }
        for (_, vector) in new {
            for number in vector {
                write(&number.to_le_bytes())?;
            }
        }
        let file = written
            .into_inner()
            .map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(failed)?;
        fs::rename(&half, &self.path).map_err(failed)?;
        self.map = map(&self.path)?;
        Ok(())
    }
}

impl VectorStore for Flat {
    fn keys(&self) -> Result<HashSet<Digest>, VectorError> {
        Ok((0..self.count())
            .map(|index| Digest::from_hash(self.key(index)))
            .collect())
    }

    fn put(&mut self, vectors: &[(Digest, Vector)]) -> Result<(), VectorError> {
        let mut known = self.keys()?;
        let mut new = Vec::new();
        for (key, vector) in vectors {
            checked(vector)?;
            if known.insert(key.clone()) {
                new.push((key.clone(), vector.clone()));
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        let kept: Vec<usize> = (0..self.count()).collect();
        self.rewrite(&kept, &new)
    }

    fn retain(&mut self, keys: &HashSet<Digest>) -> Result<(), VectorError> {
        let kept: Vec<usize> = (0..self.count())
            .filter(|index| keys.contains(&Digest::from_hash(self.key(*index))))
            .collect();
        if kept.len() == self.count() {
            return Ok(());
        }
        self.rewrite(&kept, &[])
    }

    fn nearest(
        &self,
        vector: &[f32],
        among: Option<&HashSet<Digest>>,
        limit: usize,
    ) -> Result<Vec<(Digest, f32)>, VectorError> {
        checked(vector)?;
        let mut found: Vec<(usize, f32)> = (0..self.count())
            .filter(|index| {
                among.is_none_or(|among| among.contains(&Digest::from_hash(self.key(*index))))
            })
            .map(|index| (index, dot(self.vector(index), vector)))
            .collect();
        // Equal cosines keep the order of their keys, so that the same question has the same answer everywhere.
        found.sort_by(|a, b| {
            b.1.total_cmp(&a.1)
                .then_with(|| self.key(a.0).cmp(self.key(b.0)))
        });
        found.truncate(limit);
        Ok(found
            .into_iter()
            .map(|(index, cosine)| (Digest::from_hash(self.key(index)), cosine))
            .collect())
    }
}

/// A map of a whole and sound file; `None` where there is none.
fn map(path: &Path) -> Result<Option<Mmap>, VectorError> {
    let failed = |source| VectorError::Io {
        what: "read",
        path: path.to_owned(),
        source,
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    // SAFETY: the map is sound as long as nobody changes the file. This program only ever puts another file in its
    // place, which leaves the mapped one as it is; the folder is the user's own cache.
    let map = unsafe { Mmap::map(&file) }.map_err(failed)?;
    let damaged = |what: &str| VectorError::Damaged {
        path: path.to_owned(),
        what: what.to_owned(),
    };
    if map.len() < HEAD || &map[..8] != MARK {
        return Err(damaged("it is no file of vectors"));
    }
    let mut count = [0; 8];
    count.copy_from_slice(&map[8..HEAD]);
    let length = usize::try_from(u64::from_le_bytes(count))
        .ok()
        .and_then(|count| count.checked_mul(KEY + VECTOR))
        .and_then(|length| length.checked_add(HEAD));
    if length != Some(map.len()) {
        return Err(damaged("its length is not what its beginning says"));
    }
    Ok(Some(map))
}

fn dot(bytes: &[u8], vector: &[f32]) -> f32 {
    let (numbers, _) = bytes.as_chunks::<4>();
    numbers
        .iter()
        .zip(vector)
        .map(|(number, other)| f32::from_le_bytes(*number) * other)
        .sum()
}

/// The 32 bytes of a digest.
fn bytes(key: &Digest) -> [u8; KEY] {
    let mut bytes = [0; KEY];
    let (digits, _) = key.as_str().as_bytes().as_chunks::<2>();
    for (byte, [high, low]) in bytes.iter_mut().zip(digits) {
        *byte = (digit(*high) << 4) | digit(*low);
    }
    bytes
}

fn digit(letter: u8) -> u8 {
    match letter {
        b'0'..=b'9' => letter - b'0',
        _ => letter - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_is_refused_with_its_cure() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vectors");
        let mut store = Flat::open(&path).unwrap();
        store.put(&[(Digest::of("a"), vec![0.0; WIDTH])]).unwrap();
        drop(store);
        let whole = fs::read(&path).unwrap();
        for damaged in [
            &whole[..whole.len() - 1],
            &whole[..4],
            b"something else, and long",
        ] {
            fs::write(&path, damaged).unwrap();
            let error = Flat::open(&path).err().unwrap();
            assert!(matches!(error, VectorError::Damaged { .. }), "{error}");
            assert!(error.hint().contains("knowledge build"));
        }
    }

    #[test]
    fn a_key_is_read_as_it_was_written() {
        let key = Digest::of("anything");
        assert_eq!(Digest::from_hash(&bytes(&key)), key);
    }

    proptest::proptest! {
        #[test]
        fn any_file_is_read_or_refused(content in proptest::collection::vec(0u8.., 0..200), marked: bool) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("vectors");
            let mut bytes = if marked { MARK.to_vec() } else { Vec::new() };
            bytes.extend(content);
            fs::write(&path, &bytes).unwrap();
            if let Ok(store) = Flat::open(&path) {
                let _ = store.nearest(&vec![1.0; WIDTH], None, 3).unwrap();
            }
        }
    }
}
