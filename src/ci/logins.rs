//! Where people's logins for registries lie on this machine. What is in the files, `registry` reads.

use super::Lookup;
use std::path::{Path, PathBuf};

/// The files that may hold logins, in the order in which they are asked: Docker's, then those of Podman and its relatives
/// (containers-auth.json(5)). `user` is the number of the user of this process.
pub(super) fn files(lookup: Lookup<'_>, home: Option<&Path>, user: u32) -> Vec<PathBuf> {
    let folder = |name: &str| lookup(name).map(PathBuf::from);
    let docker = folder("DOCKER_CONFIG").or_else(|| Some(home?.join(".docker")));
    let podman = match folder("REGISTRY_AUTH_FILE") {
        Some(file) => vec![file],
        None => {
            let running = folder("XDG_RUNTIME_DIR").map(|folder| folder.join("containers"));
            let running = running.unwrap_or_else(|| PathBuf::from(format!("/run/containers/{user}")));
            let lasting = folder("XDG_CONFIG_HOME").or_else(|| Some(home?.join(".config")));
            let lasting = lasting.map(|folder| folder.join("containers"));
            [Some(running), lasting].into_iter().flatten().map(|folder| folder.join("auth.json")).collect()
        }
    };
    docker.map(|folder| folder.join("config.json")).into_iter().chain(podman).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Variables, and the files that they mean.
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);

    #[test]
    fn logins_lie_where_docker_and_podman_keep_them() {
        let table: [Case<'_>; 4] = [
            (
                &[],
                &[
                    "/home/me/.docker/config.json",
                    "/run/containers/7/auth.json",
                    "/home/me/.config/containers/auth.json",
                ],
            ),
            (
                &[("XDG_RUNTIME_DIR", "/run/user/7"), ("XDG_CONFIG_HOME", "/etc/me")],
                &[
                    "/home/me/.docker/config.json",
                    "/run/user/7/containers/auth.json",
                    "/etc/me/containers/auth.json",
                ],
            ),
            (
                &[
                    ("DOCKER_CONFIG", "/d"),
                    ("REGISTRY_AUTH_FILE", "/a.json"),
                    ("XDG_RUNTIME_DIR", "/run/user/7"),
                ],
                &["/d/config.json", "/a.json"],
            ),
            (&[("REGISTRY_AUTH_FILE", "/a.json")], &["/home/me/.docker/config.json", "/a.json"]),
        ];
        for (variables, expected) in table {
            let lookup = |name: &str| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            };
            let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
            assert_eq!(files(&lookup, Some(Path::new("/home/me")), 7), expected);
        }
        assert_eq!(files(&|_| None, None, 0), [PathBuf::from("/run/containers/0/auth.json")]);
    }
}
