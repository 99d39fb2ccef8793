//! Building apart: what an engine on another machine needs of an order, as one archive, and what becomes of the image
//! that it has made.

mod arrival;

use super::buildkit::{self, Places};
use super::context::{DOCKERFILE, Staged, stage};
use super::{BuildError, Order, empty};
use crate::inputs::{self, Reading};
use crate::layout::{Descriptor, Layout};
use arrival::{document, ensure_whole, unpack};
use flate2::{Compression, write::GzEncoder};
use std::fs::File;
use std::io::{self, Seek as _, Write};
use std::path::Path;

/// The folders in the archive.
const CONTEXT: &str = "context";
const BESIDE: &str = "dockerfile";

/// An order for another machine, with a copy of what it may read.
pub(crate) struct Apart<'a> {
    order: &'a Order<'a>,
    staged: Staged,
    reading: Reading,
}

impl<'a> Apart<'a> {
    /// Empties the layout and copies the context, as every engine gets it.
    pub(crate) fn stage(order: &'a Order<'a>) -> Result<Self, BuildError> {
        empty(order.out)?;
        let reading = inputs::dockerfile_reading(order.root, order.component, order.platform);
        Ok(Self { order, staged: stage(order)?, reading })
    }

    /// An empty file that goes away by itself.
    pub(crate) fn scratch(&self) -> Result<File, BuildError> {
        let fault = |source| BuildError::Prepare { path: self.staged.folder().to_owned(), source };
        tempfile::tempfile_in(self.staged.folder()).map_err(fault)
    }

    /// The copy as a tar, owned by root, with the folders `context` and `dockerfile`.
    pub(crate) fn archive(&self) -> Result<File, BuildError> {
        let written = self.write(self.scratch()?);
        written.and_then(rewound).map_err(|source| self.unread(source))
    }

    /// The same, compressed by gzip.
    pub(crate) fn compressed_archive(&self) -> Result<File, BuildError> {
        let written = self.write(GzEncoder::new(self.scratch()?, Compression::fast()));
        let written = written.and_then(GzEncoder::finish).and_then(rewound);
        written.map_err(|source| self.unread(source))
    }

    fn unread(&self, source: io::Error) -> BuildError {
        BuildError::Read { path: self.staged.folder().to_owned(), source }
    }

    fn write<W: Write>(&self, to: W) -> io::Result<W> {
        let mut archive = tar::Builder::new(to);
        for (name, folder) in [(CONTEXT, self.staged.context()), (BESIDE, self.staged.beside())] {
            append(&mut archive, &folder, Path::new(name))?;
        }
        archive.into_inner()
    }

    /// What `buildctl` is told where the archive lies in the folder `place`; it leaves its word in the file `metadata`, and
    /// the image on its stdout.
    pub(crate) fn buildctl(&self, place: &str, metadata: &str) -> Vec<String> {
        let (context, dockerfile) = (format!("{place}/{CONTEXT}"), format!("{place}/{BESIDE}"));
        let output = buildkit::output_on_stdout();
        let places = Places { context: &context, dockerfile: &dockerfile, output: &output, metadata };
        buildkit::arguments(self.order, &self.reading, &places)
    }

    /// Takes the image from what `buildctl` wrote: an archive of a layout, and its word on what it has made.
    pub(crate) fn take(&self, archive: File, metadata: File) -> Result<Descriptor, BuildError> {
        let layout = Layout::create(self.order.out)?;
        let archive = rewound(archive).map_err(|source| self.unread(source))?;
        let metadata = rewound(metadata).map_err(|source| self.unread(source))?;
        let metadata = document(metadata, "the word of BuildKit on it")?;
        unpack(archive, &layout, self.order.out)?;
        let taken = buildkit::taken(self.order, &buildkit::said_in(&metadata)?)?;
        ensure_whole(&layout, &taken)?;
        Ok(taken)
    }

    /// Writes the images that the plan saw into the copied Dockerfile.
    pub(crate) fn pin(&self) -> Result<(), BuildError> {
        self.staged.pin(self.order, &self.reading).map(drop)
    }

    /// The folder that becomes the layout.
    pub(crate) fn out(&self) -> &Path {
        self.order.out
    }

    /// Gives an image that lies in the layout the name of the leg.
    pub(crate) fn finish(&self, manifest: Descriptor) -> Result<Descriptor, BuildError> {
        let layout = Layout::at(self.order.out);
        ensure_whole(&layout, &manifest)?;
        Ok(self.order.finish(&layout, manifest)?)
    }
}

/// What kaniko's executor is told about the build itself (its README, "Additional Flags"): it reads the archive,
/// compressed, from its stdin.
pub(crate) fn kaniko_arguments(order: &Order<'_>) -> Vec<String> {
    let mut arguments = vec![
        "--context=tar://stdin".to_owned(),
        format!("--context-sub-path={CONTEXT}"),
        format!("--dockerfile=../{BESIDE}/{DOCKERFILE}"),
        format!("--custom-platform={}", order.platform),
        "--reproducible".to_owned(),
    ];
    arguments.extend(buildkit::build_args(order).map(|(key, value)| format!("--build-arg={key}={value}")));
    arguments.extend(order.component.recipe.target.iter().map(|stage| format!("--target={stage}")));
    arguments
}

/// Adds `folder` and all below it as `name`, in the order of names. Links stay links.
fn append<W: Write>(archive: &mut tar::Builder<W>, folder: &Path, name: &Path) -> io::Result<()> {
    let walk = ignore::WalkBuilder::new(folder).standard_filters(false).sort_by_file_path(Ord::cmp).build();
    for entry in walk {
        let path = entry.map_err(io::Error::other)?.into_path();
        let place = path.strip_prefix(folder).map_err(io::Error::other)?;
        let place = if place.as_os_str().is_empty() { name.to_owned() } else { name.join(place) };
        let metadata = path.symlink_metadata()?;
        let mut header = tar::Header::new_gnu();
        header.set_metadata_in_mode(&metadata, tar::HeaderMode::Complete);
        header.set_uid(0);
        header.set_gid(0);
        if metadata.is_symlink() {
            header.set_size(0);
            archive.append_link(&mut header, &place, std::fs::read_link(&path)?)?;
        } else if metadata.is_dir() {
            header.set_size(0);
            archive.append_data(&mut header, &place, io::empty())?;
        } else {
            archive.append_data(&mut header, &place, File::open(&path)?)?;
        }
    }
    Ok(())
}

fn rewound(mut file: File) -> io::Result<File> {
    file.rewind()?;
    Ok(file)
}
