//! An image from finished programs: a layer for what lies beside them, a layer for them, one config, one manifest, the same
//! bytes every time.

mod config;

pub(crate) use config::Base;

use super::growing::Listener;
use super::layer::{Archive, add_entry, add_file, add_folder, below, layer, mode};
use super::manifest::{IMAGE_CONFIG, LAYER_GZIP, annotated};
use super::static_base::add_static_base;
use super::{Descriptor, IMAGE_MANIFEST, Layout, LayoutError};
use crate::platform::Platform;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Where the programs lie in the image.
const FOLDER: &str = "app";
/// Folders that are no content of a repository: git's own, and hephy's.
const OWN_FOLDERS: [&str; 2] = [".git", ".hephy"];

/// What goes into the image.
pub(crate) struct Program<'a> {
    /// Files, or a folder that is taken whole.
    pub(crate) sources: &'a [PathBuf],
    /// The file to start, by its name, or relative to the folder.
    pub(crate) start: &'a str,
    pub(crate) platform: &'a Platform,
    /// Seconds since 1970: `SOURCE_DATE_EPOCH`.
    pub(crate) created: u64,
    /// Files and folders with their places in the image.
    pub(crate) assets: &'a [(PathBuf, String)],
    /// Whom it runs as, where that is neither up to the base nor nobody.
    pub(crate) user: Option<&'a str>,
    pub(crate) on: On<'a>,
    /// Hears of the layers before they are whole.
    pub(crate) listener: Listener<'a>,
}

/// What a program is put on.
#[derive(Clone, Copy)]
pub(crate) enum On<'a> {
    Nothing,
    /// The layer that hephy has in itself.
    Static,
    Image(&'a Base),
}

impl<'a> On<'a> {
    /// The image, if it is one.
    fn image(self) -> Option<&'a Base> {
        if let Self::Image(base) = self { Some(base) } else { None }
    }
}

/// Writes the image into `layout`, without the layers of its base, and returns its manifest.
pub(crate) fn assemble(layout: &Layout, program: &Program<'_>) -> Result<Descriptor, LayoutError> {
    let mut own = vec![];
    if matches!(program.on, On::Static) {
        own.push(layer(layout, LAYER_GZIP, program.listener, add_static_base)?);
    }
    if !program.assets.is_empty() {
        let assets = places(program.assets)?;
        own.push(layer(layout, LAYER_GZIP, program.listener, |tar| add_assets(tar, &assets))?);
    }
    own.push(layer(layout, LAYER_GZIP, program.listener, |tar| add_programs(tar, program))?);
    let (mut layers, mut annotations) = (vec![], BTreeMap::new());
    if let Some(base) = program.on.image() {
        layers = base.layers()?;
        annotations = base.annotations();
    }
    let diff_ids: Vec<_> = own.iter().map(|(_, diff_id)| diff_id.clone()).collect();
    layers.extend(own.into_iter().map(|(layer, _)| layer));
    let config = config::config(program, &diff_ids).to_string();
    let config = layout.write(config.as_bytes(), IMAGE_CONFIG)?;
    let path = layout.root.join("manifest");
    let bytes = annotated(config, layers, annotations);
    let written =
        layout.write(&bytes.map_err(|source| LayoutError::Json { path, source })?, IMAGE_MANIFEST)?;
    Ok(match program.on.image() {
        Some(base) => written.with_blobs_from(&base.repository),
        None => written,
    })
}

fn add_programs(tar: &mut Archive<'_>, program: &Program<'_>) -> Result<(), LayoutError> {
    let fault = |path: &Path, source| LayoutError::Write { path: path.to_owned(), source };
    add_folder(tar, FOLDER).map_err(|source| fault(Path::new(FOLDER), source))?;
    for source in program.sources {
        if source.is_file() {
            let name = source.file_name().unwrap_or_default().to_string_lossy();
            add_file(tar, &format!("{FOLDER}/{name}"), source, 0o555)?;
            continue;
        }
        // What is in the folder is the program, hidden files included.
        for entry in below(source, |_| true)? {
            let name = format!("{FOLDER}/{}", entry.name);
            match () {
                () if entry.is_folder() => {
                    add_folder(tar, &name).map_err(|error| fault(&entry.path, error))?;
                }
                // CI systems drop the right to execute from what one job hands to another.
                () if entry.name == program.start && entry.is_file() => {
                    add_file(tar, &name, &entry.path, 0o555)?;
                }
                () => add_entry(tar, &name, &entry)?,
            }
        }
    }
    Ok(())
}

/// A file that is packed: one that was named, or one that was found in a folder.
enum Asset {
    Named(PathBuf),
    Found(super::layer::Entry),
}

/// Every file of the assets by its place, without the first `/`.
fn places(assets: &[(PathBuf, String)]) -> Result<BTreeMap<String, Asset>, LayoutError> {
    let mut places = BTreeMap::new();
    let mut put = |place: String, path: &Path, asset| match places.insert(place, asset) {
        None => Ok(()),
        Some(_) => Err(LayoutError::Unfit { path: path.to_owned(), problem: "another asset has its place" }),
    };
    for (source, place) in assets {
        let parts: Vec<&str> = place.split('/').filter(|part| !part.is_empty()).collect();
        if source.is_dir() {
            let is_content = |name: &str| !OWN_FOLDERS.contains(&name);
            for entry in below(source, is_content)?.into_iter().filter(|entry| !entry.is_folder()) {
                let path = entry.path.clone();
                put([parts.as_slice(), &[&entry.name]].concat().join("/"), &path, Asset::Found(entry))?;
            }
        } else {
            let name = source.file_name().unwrap_or_default().to_string_lossy();
            let own = if place.ends_with('/') { vec![&*name] } else { vec![] };
            put([parts, own].concat().join("/"), source, Asset::Named(source.clone()))?;
        }
    }
    Ok(places)
}

/// Folders get no entries of their own: an entry would change the rights of one that the base has, such as `/tmp`.
fn add_assets(tar: &mut Archive<'_>, assets: &BTreeMap<String, Asset>) -> Result<(), LayoutError> {
    for (place, asset) in assets {
        match asset {
            Asset::Found(entry) => add_entry(tar, place, entry)?,
            Asset::Named(path) => {
                let fault = |source: io::Error| LayoutError::Read { path: path.clone(), source };
                add_file(tar, place, path, mode(&path.metadata().map_err(fault)?))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Digest;
    use crate::layout::children;
    use std::fs::{self, File};

    fn folder_with(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("create");
            fs::write(path, text).expect("write");
        }
        folder
    }

    fn try_assemble(
        source: &Path,
        assets: &[(PathBuf, String)],
        on: On<'_>,
    ) -> (tempfile::TempDir, Result<Descriptor, LayoutError>) {
        let out = tempfile::tempdir().expect("a temporary folder");
        let layout = Layout::create(out.path()).expect("create");
        let platform = Platform::new("linux", "amd64");
        let sources = [source.to_owned()];
        let program = Program {
            sources: &sources,
            start: "run",
            platform: &platform,
            created: 17,
            assets,
            user: None,
            on,
            listener: &drop,
        };
        let image = assemble(&layout, &program);
        (out, image)
    }

    fn assembled(source: &Path) -> (tempfile::TempDir, Descriptor) {
        let (out, image) = try_assemble(source, &[], On::Nothing);
        (out, image.expect("assemble"))
    }

    /// The names in the layer at `position` and the config.
    fn contents(
        out: &tempfile::TempDir,
        image: &Descriptor,
        position: usize,
    ) -> (Vec<String>, serde_json::Value) {
        let layout = Layout::at(out.path());
        let parts = children(&layout.read(&image.digest().expect("valid")).expect("read")).expect("valid");
        let config = layout.read(&parts[0].digest().expect("valid")).expect("read");
        let config: serde_json::Value = serde_json::from_slice(&config).expect("valid");
        let layer = File::open(layout.blob(&parts[1 + position].digest().expect("valid"))).expect("open");
        let mut tar = vec![];
        io::copy(&mut flate2::read::GzDecoder::new(layer), &mut tar).expect("gzip");
        assert_eq!(config["rootfs"]["diff_ids"][position], Digest::of(&tar).to_string());
        let mut archive = tar::Archive::new(tar.as_slice());
        let names = archive
            .entries()
            .expect("entries")
            .map(|entry| entry.expect("entry").path().expect("path").display().to_string());
        (names.collect(), config)
    }

    #[test]
    fn the_program_that_starts_can_be_executed_whatever_became_of_its_rights() {
        use std::os::unix::fs::PermissionsExt as _;
        let (bare, whole) =
            (folder_with(&[("run", "#!"), ("data", "x")]), folder_with(&[("run", "#!"), ("data", "x")]));
        fs::set_permissions(whole.path().join("run"), fs::Permissions::from_mode(0o755)).expect("set");
        let (_, without) = assembled(bare.path());
        let (_, with) = assembled(whole.path());
        assert_eq!(without, with);
    }

    #[test]
    fn equal_folders_make_equal_images_whatever_their_times_and_places() {
        let files = [("run", "#!"), ("lib/b", "2"), ("lib/a", "1")];
        let (one, other) = (folder_with(&files), folder_with(&files));
        let (_, first) = assembled(one.path());
        let (_, second) = assembled(other.path());
        assert_eq!(first, second);
    }

    #[test]
    fn the_layer_is_what_the_config_says() {
        let source = folder_with(&[("run", "#!")]);
        let (out, image) = assembled(source.path());
        let (names, config) = contents(&out, &image, 0);
        assert_eq!(names, ["app/", "app/run"]);
        assert_eq!(config["config"]["Entrypoint"][0], "/app/run");
        assert_eq!(config["config"]["User"], "65532:65532");
    }

    #[test]
    fn assets_are_a_layer_of_files_of_their_own_below_the_program() {
        let source = folder_with(&[("run", "#!")]);
        let web = folder_with(&[("b/page", "b"), ("a", "a"), (".git/HEAD", "no"), (".hidden", "yes")]);
        fs::create_dir(web.path().join("empty")).expect("create");
        let asset = |path: &str, place: &str| (web.path().join(path), place.to_owned());
        let (out, image) = try_assemble(
            source.path(),
            &[asset("", "/srv/www"), asset("a", "/etc/"), asset("a", "/c")],
            On::Nothing,
        );
        let image = image.expect("assemble");
        let (names, config) = contents(&out, &image, 0);
        assert_eq!(names, ["c", "etc/a", "srv/www/.hidden", "srv/www/a", "srv/www/b/page"]);
        assert_eq!(config["history"].as_array().map(Vec::len), Some(2));
        assert_eq!(contents(&out, &image, 1).0, ["app/", "app/run"]);
        let (_out, twice) =
            try_assemble(source.path(), &[asset("", "/srv"), asset("b/page", "/srv/a")], On::Nothing);
        assert!(matches!(twice, Err(LayoutError::Unfit { problem: "another asset has its place", .. })));
    }

    #[test]
    fn a_link_out_of_the_folder_is_refused() {
        let source = folder_with(&[("run", "#!")]);
        std::os::unix::fs::symlink("/etc/passwd", source.path().join("link")).expect("link");
        assert!(matches!(try_assemble(source.path(), &[], On::Nothing).1, Err(LayoutError::Unfit { .. })));
    }
}
