//! Bringing bytes in, and copies out.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

use portwright_core::Digest;
use sha2::Digest as _;
use tempfile::NamedTempFile;

use super::{Store, metadata, plain_file};
use crate::error::{self, Result};

impl Store {
    /// Stores some bytes.
    pub fn put_bytes(&self, bytes: &[u8]) -> Result<Digest> {
        let digest = Digest::of(bytes);
        if self.holds(&digest, bytes.len() as u64)? {
            return Ok(digest);
        }
        let place = self.folder().join("incoming");
        self.take_in(bytes, &place)
    }

    /// Stores a plain file. The file stays where it is.
    pub fn put_file(&self, path: &Path) -> Result<Digest> {
        plain_file(path)?;
        let file = File::open(path).map_err(error::io("open", path))?;
        self.take_in(file, path)
    }

    /// Writes a copy of an artefact to `destination`, replacing what is there, complete or not at all. The copy is the
    /// caller's to change.
    pub fn materialise(&self, digest: &Digest, destination: &Path) -> Result<()> {
        let path = self.get(digest)?;
        let mut source = File::open(&path).map_err(error::io("open", &path))?;
        let failed = || error::io("write", destination);
        let folder = destination.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(error::io("create", folder))?;
        let mut copy = tempfile::Builder::new()
            .prefix(".incoming-")
            .permissions(permissions(0o644))
            .tempfile_in(folder)
            .map_err(failed())?;
        self::copy(
            &mut source,
            &mut Holed::new(copy.as_file_mut()),
            &path,
            destination,
        )?;
        copy.persist(destination)
            .map_err(|error| failed()(error.error))?;
        Ok(())
    }

    /// Whether the store has these bytes already, told by their digest and their number. A file of another length is
    /// the remains of a damage: it is written again.
    fn holds(&self, digest: &Digest, bytes: u64) -> Result<bool> {
        Ok(metadata(&self.place(digest)?)?.is_some_and(|there| there.len() == bytes))
    }

    fn take_in(&self, source: impl Read, origin: &Path) -> Result<Digest> {
        let incoming = self.incoming();
        let written = || error::io("write", &incoming);
        let mut file = NamedTempFile::new_in(&incoming).map_err(written())?;
        let (digest, bytes) = copy(
            source,
            &mut Holed::new(file.as_file_mut()),
            origin,
            &incoming,
        )?;
        if self.holds(&digest, bytes)? {
            return Ok(digest);
        }
        file.as_file()
            .set_permissions(permissions(0o444))
            .and_then(|()| file.as_file().sync_all())
            .map_err(written())?;
        let place = self.place(&digest)?;
        let shelf = place.parent().unwrap_or(self.folder());
        fs::create_dir_all(shelf).map_err(error::io("create", shelf))?;
        file.persist(&place)
            .map_err(|error| error::io("move into place", &place)(error.error))?;
        // The name, too, must be on the disk before anything refers to it.
        for folder in [shelf, self.folder()] {
            sync_folder(folder)?;
        }
        Ok(digest)
    }
}

/// The digest and the length of a plain file.
pub(super) fn digest_and_length(path: &Path) -> Result<(Digest, u64)> {
    plain_file(path)?;
    let file = File::open(path).map_err(error::io("open", path))?;
    copy(file, &mut io::sink(), path, path)
}

/// A file that is written with holes where a whole piece is zero: a file of holes takes no room where it came from, and takes
/// none here.
struct Holed<'a> {
    file: &'a mut File,
    /// Zeros that are not written yet.
    skipped: u64,
}

impl<'a> Holed<'a> {
    fn new(file: &'a mut File) -> Self {
        Self { file, skipped: 0 }
    }
}

impl Write for Holed<'_> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if piece.iter().all(|&byte| byte == 0) {
            self.skipped += piece.len() as u64;
            return Ok(piece.len());
        }
        if self.skipped > 0 {
            self.file
                .seek_relative(i64::try_from(self.skipped).map_err(io::Error::other)?)?;
            self.skipped = 0;
        }
        self.file.write(piece)
    }

    /// Gives the file its length where it ends with a hole.
    fn flush(&mut self) -> io::Result<()> {
        if self.skipped > 0 {
            let length = self.file.stream_position()? + self.skipped;
            self.file.set_len(length)?;
            self.file.seek(SeekFrom::Start(length))?;
            self.skipped = 0;
        }
        self.file.flush()
    }
}

/// Copies a stream, hashing it on the way.
fn copy(
    mut source: impl Read,
    target: &mut impl Write,
    origin: &Path,
    destination: &Path,
) -> Result<(Digest, u64)> {
    let mut hash = sha2::Sha256::new();
    let mut total = 0;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error::io("read", origin)(error)),
        };
        hash.update(&buffer[..count]);
        total += count as u64;
        target
            .write_all(&buffer[..count])
            .map_err(error::io("write", destination))?;
    }
    target.flush().map_err(error::io("write", destination))?;
    Ok((Digest::from_hash(&hash.finalize()), total))
}

fn permissions(mode: u32) -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    fs::Permissions::from_mode(mode)
}

fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(error::io("flush", folder))
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use super::{super::tests::store, *};
    use crate::LedgerError;

    #[test]
    fn bytes_come_back_under_their_digest() {
        let (folder, store) = store();
        let digest = store.put_bytes(b"abc").unwrap();
        assert_eq!(digest, Digest::of(b"abc"));
        assert_eq!(store.read(&digest).unwrap(), b"abc");
        let file = folder.path().join("file");
        fs::write(&file, b"abc").unwrap();
        assert_eq!(store.put_file(&file).unwrap(), digest);
        assert_eq!(fs::read_dir(store.incoming()).unwrap().count(), 0);
    }

    #[test]
    fn holes_are_kept_as_holes_and_every_byte_comes_back() {
        use std::os::unix::fs::MetadataExt;

        let (folder, store) = store();
        let file = folder.path().join("holes");
        let mut holes = File::create(&file).unwrap();
        holes.write_all(b"begin").unwrap();
        holes.seek(SeekFrom::Start(32 << 20)).unwrap();
        holes.write_all(b"middle").unwrap();
        holes.set_len(64 << 20).unwrap();
        drop(holes);
        let digest = store.put_file(&file).unwrap();
        assert_eq!(digest, Digest::of(fs::read(&file).unwrap()));
        store.verify(&digest).unwrap();
        let copy = folder.path().join("copy");
        store.materialise(&digest, &copy).unwrap();
        assert!(fs::read(&copy).unwrap() == fs::read(&file).unwrap());
        for path in [store.get(&digest).unwrap(), copy] {
            let taken = fs::metadata(path).unwrap().blocks() * 512;
            assert!(taken < 4 << 20, "{taken}");
        }
    }

    #[test]
    fn a_truncated_artefact_is_healed_when_its_bytes_come_again() {
        let (_folder, store) = store();
        let digest = store.put_bytes(b"weights").unwrap();
        let path = store.get(&digest).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, b"we").unwrap();
        store.put_bytes(b"weights").unwrap();
        store.verify(&digest).unwrap();
    }

    #[test]
    fn a_copy_can_be_changed_without_changing_the_artefact() {
        let (folder, store) = store();
        let digest = store.put_bytes(b"weights").unwrap();
        let copy = folder.path().join("work/model.bin");
        store.materialise(&digest, &copy).unwrap();
        fs::write(&copy, b"other").unwrap();
        store.verify(&digest).unwrap();
        store.materialise(&digest, &copy).unwrap();
        assert_eq!(fs::read(&copy).unwrap(), b"weights");
    }

    #[test]
    fn a_symbolic_link_is_not_followed_into_the_store() {
        let (folder, store) = store();
        let secret = folder.path().join("secret");
        fs::write(&secret, "secret").unwrap();
        let link = folder.path().join("model.onnx");
        std::os::unix::fs::symlink(&secret, &link).unwrap();
        let error = store.put_file(&link).unwrap_err();
        assert!(matches!(error, LedgerError::NotPlain { .. }));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_device_is_reported_as_a_full_disk() {
        let mut full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let error = copy(
            &b"weights"[..],
            &mut full,
            Path::new("model"),
            Path::new("store"),
        )
        .unwrap_err();
        assert!(matches!(error, LedgerError::DiskFull { .. }), "{error:?}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_store_that_cannot_be_written_says_so() {
        let (_folder, store) = store();
        let incoming = store.incoming();
        let parent = incoming.parent().unwrap().parent().unwrap();
        crate::testing::unwritable(&[parent, store.folder(), &incoming], || {
            let error = store.put_bytes(b"x").unwrap_err();
            assert!(matches!(error, LedgerError::ReadOnly { .. }), "{error:?}");
        });
    }
}
