//! An image as `docker save` writes it, turned into a layout (Docker's image specification 1.2, "Combined image JSON +
//! filesystem changeset format"). Docker 25 and later write the files of an OCI layout into the same archive, and the list
//! that is read here names their places there.
//!
//! Names in the archive are looked up and never become paths on this disk.

mod times;

use super::layer::{Packing, digest_of, packed};
use super::manifest::{IMAGE_CONFIG, LAYER_GZIP, annotated};
use super::{Descriptor, IMAGE_MANIFEST, Layout, LayoutError};
use crate::image::Digest;
use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

/// The list of images in an archive.
const LIST: &str = "manifest.json";
/// No config and no list is longer: bytes. They are read into memory.
pub(crate) const LONGEST_DOCUMENT: u64 = 16 << 20;
/// How often a name may stand for another one.
const MOST_LINKS: usize = 8;

/// An archive with one image.
pub(crate) struct Archive<'a> {
    pub(crate) file: &'a Path,
    /// Nothing of the image is younger: seconds since 1970.
    pub(crate) epoch: u64,
    /// The layers of the base image, which stay as they are, by the digests of their tars.
    pub(crate) base: &'a BTreeSet<Digest>,
}

/// An image that was taken out of an archive.
pub(crate) struct Taken {
    pub(crate) manifest: Descriptor,
    /// The operating system and the architecture in its config.
    pub(crate) platform: (String, String),
}

/// An entry of the list.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    config: String,
    #[serde(default)]
    layers: Vec<String>,
}

/// Writes the image of the archive into `layout`, with layers that hephy compresses, and without what is only about the
/// machine that built it. Equal images are equal bytes, whenever they were built.
pub(crate) fn take(layout: &Layout, archive: &Archive<'_>) -> Result<Taken, LayoutError> {
    let parts = Parts::of(archive.file)?;
    let listed: Vec<Listed> = parts.document(LIST)?;
    let [image] = listed.as_slice() else {
        return Err(unfit(LIST, "it lists not one image"));
    };
    let mut config: Map<String, Value> = parts.document(&image.config)?;
    let said = diff_ids(&config);
    if said.len() != image.layers.len() {
        return Err(unfit(&image.config, "it has not one digest for each layer"));
    }
    let (mut layers, mut own) = (vec![], vec![]);
    for (name, said) in image.layers.iter().zip(&said) {
        let (layer, diff_id) = parts.pack(layout, name, said, archive)?;
        layers.push(layer);
        own.push(diff_id);
    }
    clean(&mut config, &own, archive.epoch);
    let text = |key: &str| config.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let platform = (text("os"), text("architecture"));
    let config = layout.write(Value::Object(config).to_string().as_bytes(), IMAGE_CONFIG)?;
    let bytes = annotated(config, layers, BTreeMap::new());
    let bytes = bytes.map_err(|source| LayoutError::Json { path: PathBuf::from(LIST), source })?;
    Ok(Taken { manifest: layout.write(&bytes, IMAGE_MANIFEST)?, platform })
}

fn diff_ids(config: &Map<String, Value>) -> Vec<String> {
    let ids = config.get("rootfs").and_then(|rootfs| rootfs["diff_ids"].as_array());
    ids.into_iter().flatten().filter_map(|id| id.as_str().map(str::to_owned)).collect()
}

/// Takes out what the daemon remembers of the build's containers, and lets no time be younger than `epoch`.
fn clean(config: &mut Map<String, Value>, diff_ids: &[Digest], epoch: u64) {
    for key in ["container", "container_config", "docker_version", "id", "parent"] {
        config.remove(key);
    }
    if let Some(run) = config.get_mut("config").and_then(Value::as_object_mut) {
        for key in ["Hostname", "Domainname", "Image", "AttachStdin", "AttachStdout", "AttachStderr"] {
            run.remove(key);
        }
        for key in ["OpenStdin", "StdinOnce", "Tty"] {
            run.remove(key);
        }
        run.retain(|_, value| !value.is_null());
    }
    if let Some(rootfs) = config.get_mut("rootfs").and_then(Value::as_object_mut) {
        rootfs.insert("diff_ids".to_owned(), diff_ids.iter().map(ToString::to_string).collect());
    }
    let latest = jiff::Timestamp::from_second(epoch.cast_signed()).unwrap_or_default();
    let history = config.get_mut("history").and_then(Value::as_array_mut).into_iter().flatten();
    history.filter_map(Value::as_object_mut).for_each(|line| limit(line, latest));
    limit(config, latest);
}

fn limit(object: &mut Map<String, Value>, latest: jiff::Timestamp) {
    let Some(created) = object.get_mut("created") else { return };
    let time = created.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    if time.is_none_or(|time| time > latest) {
        *created = latest.to_string().into();
    }
}

fn unfit(name: &str, problem: &'static str) -> LayoutError {
    LayoutError::Unfit { path: PathBuf::from(name), problem }
}

/// Where the files of an archive lie in it, by their names.
struct Parts<'a> {
    archive: &'a Path,
    files: BTreeMap<String, (u64, u64)>,
    /// A layer that is there twice is a link the second time.
    links: BTreeMap<String, String>,
}

impl<'a> Parts<'a> {
    fn of(archive: &'a Path) -> Result<Self, LayoutError> {
        let fault = |source| LayoutError::Read { path: archive.to_owned(), source };
        let mut parts = Self { archive, files: BTreeMap::new(), links: BTreeMap::new() };
        let mut tar = tar::Archive::new(File::open(archive).map_err(fault)?);
        for entry in tar.entries_with_seek().map_err(fault)? {
            let entry = entry.map_err(fault)?;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let name = plain("", &text(&entry.path_bytes()));
            match entry.header().entry_type() {
                tar::EntryType::Regular | tar::EntryType::Continuous => {
                    parts.files.insert(name, (entry.raw_file_position(), entry.size()));
                }
                tar::EntryType::Symlink | tar::EntryType::Link => {
                    let target = text(&entry.link_name_bytes().unwrap_or_default());
                    let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
                    let is_soft = entry.header().entry_type() == tar::EntryType::Symlink;
                    let target = plain(if is_soft { folder } else { "" }, &target);
                    parts.links.insert(name, target);
                }
                _ => {}
            }
        }
        Ok(parts)
    }

    /// The bytes of a file, and how many they are.
    fn open(&self, name: &str) -> Result<(impl Read + use<>, u64), LayoutError> {
        let fault = |source| LayoutError::Read { path: self.archive.to_owned(), source };
        let mut name = plain("", name);
        for _ in 0..MOST_LINKS {
            match self.links.get(&name) {
                Some(target) => name.clone_from(target),
                None => break,
            }
        }
        let found = self.files.get(&name);
        let (position, size) = *found.ok_or_else(|| unfit(&name, "the archive does not have it"))?;
        let mut file = File::open(self.archive).map_err(fault)?;
        file.seek(SeekFrom::Start(position)).map_err(fault)?;
        Ok((BufReader::new(file.take(size)), size))
    }

    fn document<T: for<'de> Deserialize<'de>>(&self, name: &str) -> Result<T, LayoutError> {
        let (bytes, size) = self.open(name)?;
        if size > LONGEST_DOCUMENT {
            return Err(unfit(name, "it is too long for what it is"));
        }
        let path = || PathBuf::from(name);
        serde_json::from_reader(bytes).map_err(|source| LayoutError::Json { path: path(), source })
    }

    /// The tar of a layer, which may be compressed.
    fn tar(&self, name: &str) -> Result<Box<dyn Read>, LayoutError> {
        let fault = |source| LayoutError::Read { path: self.archive.to_owned(), source };
        let mut magic = [0; 4];
        let mut head = self.open(name)?.0.take(4);
        let read = head.read(&mut magic).map_err(fault)?;
        let bytes = self.open(name)?.0;
        match &magic[..read] {
            [0x1f, 0x8b, ..] => Ok(Box::new(BufReader::new(MultiGzDecoder::new(bytes)))),
            [0x28, 0xb5, 0x2f, 0xfd] => {
                Err(unfit(name, "it is compressed with zstd, which hephy does not read"))
            }
            _ => Ok(Box::new(bytes)),
        }
    }

    /// Compresses a layer into a blob of `layout` if it is the one that the config means, and returns the digest of its
    /// tar. Files that the build has made get no time after the epoch.
    fn pack(
        &self,
        layout: &Layout,
        name: &str,
        said: &str,
        archive: &Archive<'_>,
    ) -> Result<(Descriptor, Digest), LayoutError> {
        let fault = |source| LayoutError::Read { path: self.archive.to_owned(), source };
        let diff_id = digest_of(self.tar(name)?).map_err(fault)?;
        if diff_id.to_string() != said {
            return Err(LayoutError::Corrupt { path: PathBuf::from(name) });
        }
        if !archive.base.contains(&diff_id) && times::are_plain(self.tar(name)?).map_err(fault)? {
            let limited =
                |out: &mut Packing| times::limit(self.tar(name)?, out, archive.epoch).map_err(fault);
            return packed(layout, LAYER_GZIP, &drop, limited);
        }
        packed(layout, LAYER_GZIP, &drop, |out| io::copy(&mut self.tar(name)?, out).map(drop).map_err(fault))
    }
}

/// `path`, seen from `folder`, without `.` and `..`.
fn plain(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = vec![];
    let folder = folder.split('/').filter(|_| !path.starts_with('/'));
    for part in folder.chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests;
