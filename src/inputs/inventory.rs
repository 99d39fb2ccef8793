//! What programs are made of, whoever says it: Cargo, a lock file, or the programs themselves.

use std::collections::{BTreeMap, BTreeSet};

/// The packages of one program or of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Inventory {
    /// Which of them are the programs.
    pub(crate) roots: Vec<usize>,
    pub(crate) packages: Vec<Package>,
}

/// A package in a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) origin: Origin,
    /// SHA-256 in hexadecimal digits.
    pub(crate) checksum: Option<String>,
    /// As its manifest has it.
    pub(crate) licence: Option<String>,
    /// Only build scripts need it.
    pub(crate) is_build_only: bool,
    /// Places of what it needs in the same list; `None` where nobody says.
    pub(crate) dependencies: Option<Vec<usize>>,
}

/// Where a package comes from, as far as that is known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// A folder. Its name might be that of a stranger in a registry.
    Folder,
    /// The source in the words of `Cargo.lock`.
    Cargo(String),
    /// A module that Go fetched by its path, or Go's own library.
    Go,
    /// A kind of place that says nothing of where it is, such as `git`.
    Somewhere(String),
}

/// What no two packages of an inventory share.
type Identity = (String, String, Origin);

impl Package {
    fn identity(&self) -> Identity {
        (self.name.clone(), self.version.clone(), self.origin.clone())
    }
}

impl Inventory {
    /// What several programs are made of, each package once, sorted by name, version and origin.
    pub(crate) fn joined(programs: impl IntoIterator<Item = Self>) -> Self {
        let (mut roots, mut known) = (BTreeSet::new(), BTreeMap::new());
        for Self { roots: own, packages } in programs {
            let identities: Vec<Identity> = packages.iter().map(Package::identity).collect();
            roots.extend(own.into_iter().filter_map(|at| identities.get(at).cloned()));
            for (package, identity) in packages.into_iter().zip(&identities) {
                let needs = package.dependencies.iter().flatten();
                let needs: Vec<Identity> = needs.filter_map(|at| identities.get(*at).cloned()).collect();
                let (first, all) =
                    known.entry(identity.clone()).or_insert((package.clone(), BTreeSet::new()));
                all.extend(needs);
                first.is_build_only &= package.is_build_only;
                first.dependencies = first.dependencies.take().or(package.dependencies);
            }
        }
        let places: BTreeMap<Identity, usize> = known.keys().cloned().zip(0..).collect();
        let at =
            |names: BTreeSet<Identity>| names.iter().filter_map(|name| places.get(name).copied()).collect();
        Self {
            roots: at(roots),
            packages: known
                .into_values()
                .map(|(package, needs)| Package {
                    dependencies: package.dependencies.is_some().then(|| at(needs)),
                    ..package
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, dependencies: Option<&[usize]>) -> Package {
        Package {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            origin: Origin::Folder,
            checksum: None,
            licence: None,
            is_build_only: name == "cc",
            dependencies: dependencies.map(<[usize]>::to_vec),
        }
    }

    #[test]
    fn what_several_programs_share_is_there_once() {
        let api = Inventory {
            roots: vec![0],
            packages: vec![package("web", Some(&[1, 2])), package("cc", None), package("serde", Some(&[]))],
        };
        let worker = Inventory {
            roots: vec![1],
            packages: vec![package("serde", Some(&[2])), package("api", Some(&[0, 9])), package("cc", None)],
        };
        let joined = Inventory::joined([api.clone(), worker.clone()]);
        let names: Vec<&str> = joined.packages.iter().map(|package| package.name.as_str()).collect();
        assert_eq!(
            (names.as_slice(), joined.roots.as_slice()),
            (&["api", "cc", "serde", "web"][..], &[0, 3][..])
        );
        let needs: Vec<Option<&[usize]>> =
            joined.packages.iter().map(|package| package.dependencies.as_deref()).collect();
        assert_eq!(needs, [Some(&[2][..]), None, Some(&[1]), Some(&[1, 2])]);
        assert!(joined.packages[1].is_build_only);
        assert_eq!(joined, Inventory::joined([worker, api]));
    }
}
