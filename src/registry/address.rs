//! Addresses: which URL a repository has, and whether a registry may send a request on to another one.

use crate::image::Repository;
use reqwest::Url;

/// A repository as its registry's API knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// The host as image names have it: what logins, permissions and messages go by.
    pub(super) host: String,
    /// The path in URLs and token scopes.
    pub(super) path: String,
    /// The scheme, host and port of the API.
    base: Url,
}

/// How registries are reached where it is not by HTTPS.
#[derive(Clone, Debug, Default)]
pub(super) struct Plain {
    /// Hosts that the user allows to be spoken to without TLS.
    pub(super) insecure: Vec<String>,
}

impl Plain {
    /// Whether `host`, with its port, is spoken to without TLS: on this machine, or because the user says so.
    pub(super) fn allows(&self, host: &str) -> bool {
        is_loopback(host) || self.insecure.iter().any(|known| known == host)
    }
}

impl Target {
    /// The target of `repository`; `None` if it names no host or none that can be in a URL.
    pub(super) fn new(repository: &Repository, plain: &Plain) -> Option<Self> {
        let host = repository.host.as_deref()?;
        // Docker Hub's images live on another host than the one in their names, and single names in `library/`.
        let (place, path) = match host {
            "docker.io" | "index.docker.io" if !repository.path.contains('/') => {
                ("registry-1.docker.io", format!("library/{}", repository.path))
            }
            "docker.io" | "index.docker.io" => ("registry-1.docker.io", repository.path.clone()),
            host => (host, repository.path.clone()),
        };
        let scheme = if plain.allows(host) { "http" } else { "https" };
        let base = Url::parse(&format!("{scheme}://{place}/")).ok()?;
        Some(Self { host: host.to_owned(), path, base })
    }

    /// The address of `rest` below the repository.
    pub(super) fn url(&self, rest: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("/v2/{}/{rest}", self.path));
        url
    }

    /// Whether `url` leads to this registry, so that its logins may go there. On this machine it may turn out to have TLS.
    pub(super) fn owns(&self, url: &Url) -> bool {
        let is_here = (url.host_str(), url.port()) == (self.base.host_str(), self.base.port());
        url.origin() == self.base.origin() || (is_here && is_inside(url))
    }

    /// Where `location`, the registry's word, sends the request that went to `from`. An error is the reason why not.
    pub(super) fn onward(&self, from: &Url, location: &str) -> Result<Url, &'static str> {
        let mut next = from.join(location).map_err(|_| "that is no address")?;
        if !matches!(next.scheme(), "http" | "https") {
            return Err("that is not HTTP");
        }
        // A proxy that ends TLS in front of a registry often leaves it with the wrong idea of its own scheme.
        let is_same_host = next.host_str() == self.base.host_str();
        if self.base.scheme() == "https" && next.scheme() == "http" && is_same_host {
            let _ = next.set_scheme("https");
            let _ = next.set_port(self.base.port());
        }
        if self.base.scheme() == "https" && next.scheme() == "http" {
            return Err("that has no TLS");
        }
        if is_inside(&next) && !is_inside(&self.base) {
            return Err("that is on this machine");
        }
        Ok(next)
    }

    /// The address of the login server that a challenge names. Passwords go there, so it must have TLS, or be as near
    /// as a registry without TLS is. An error is the reason why not.
    pub(super) fn realm(&self, realm: &str, plain: &Plain) -> Result<Url, &'static str> {
        let url = Url::parse(realm).map_err(|_| "that is no address")?;
        let Some(host) = url.host_str() else { return Err("that is no address") };
        if is_inside(&url) && !is_inside(&self.base) {
            return Err("that is on this machine");
        }
        let place = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let is_own_plain = self.base.scheme() == "http" && url.host_str() == self.base.host_str();
        match url.scheme() {
            "https" => Ok(url),
            "http" if is_own_plain || plain.allows(&place) => Ok(url),
            _ => Err("that has no TLS"),
        }
    }
}

/// Whether traffic to `host`, which may have a port, stays on this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    };
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Addresses that mean something else on every machine: this one, and what clouds tell about it (169.254.169.254).
fn is_inside(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let is_link_local = host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_link_local());
    is_loopback(host) || is_link_local
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(repository: &str) -> Target {
        let plain = Plain { insecure: vec!["registry.lan:5000".to_owned()] };
        Target::new(&repository.parse().expect("a repository"), &plain).expect("a target")
    }

    #[test]
    fn repositories_have_addresses() {
        for (repository, expected) in [
            ("ghcr.io/acme/shop", "https://ghcr.io/v2/acme/shop/tags"),
            ("127.0.0.1:5000/shop", "http://127.0.0.1:5000/v2/shop/tags"),
            ("registry.lan:5000/shop", "http://registry.lan:5000/v2/shop/tags"),
            ("registry.lan/shop", "https://registry.lan/v2/shop/tags"),
            ("docker.io/alpine", "https://registry-1.docker.io/v2/library/alpine/tags"),
            ("docker.io/grafana/loki", "https://registry-1.docker.io/v2/grafana/loki/tags"),
        ] {
            assert_eq!(target(repository).url("tags").as_str(), expected);
        }
        assert_eq!(Target::new(&"shop".parse().expect("valid"), &Plain::default()), None);
    }

    #[test]
    fn a_registry_may_send_an_upload_on_but_not_anywhere() {
        for (repository, location, expected) in [
            ("ghcr.io/a", "/v2/a/blobs/uploads/1?x=y", Ok("https://ghcr.io/v2/a/blobs/uploads/1?x=y")),
            ("ghcr.io/a", "1", Ok("https://ghcr.io/v2/a/blobs/uploads/1")),
            ("ghcr.io/a", "https://store.example/1", Ok("https://store.example/1")),
            ("ghcr.io/a", "http://ghcr.io/v2/1", Ok("https://ghcr.io/v2/1")),
            ("ghcr.io/a", "http://store.example/1", Err("that has no TLS")),
            ("ghcr.io/a", "https://127.0.0.1/1", Err("that is on this machine")),
            ("ghcr.io/a", "https://169.254.169.254/latest", Err("that is on this machine")),
            ("ghcr.io/a", "file:///etc/passwd", Err("that is not HTTP")),
            ("127.0.0.1:5000/a", "http://127.0.0.1:6000/1", Ok("http://127.0.0.1:6000/1")),
        ] {
            let target = target(repository);
            let onward = target.onward(&target.url("blobs/uploads/"), location);
            assert_eq!(onward.as_ref().map(Url::as_str).map_err(|problem| *problem), expected, "{location}");
        }
    }

    #[test]
    fn passwords_go_to_login_servers_with_tls_only() {
        let plain = Plain { insecure: vec!["registry.lan:5000".to_owned()] };
        for (repository, realm, allowed) in [
            ("docker.io/a", "https://auth.docker.io/token", true),
            ("ghcr.io/a", "http://ghcr.io/token", false),
            ("ghcr.io/a", "http://evil.example/token", false),
            ("ghcr.io/a", "https://127.0.0.1/token", false),
            ("127.0.0.1:5000/a", "http://127.0.0.1:5001/token", true),
            ("127.0.0.1:5000/a", "http://evil.example/token", false),
            ("registry.lan:5000/a", "http://registry.lan:5001/token", true),
            ("registry.lan:5000/a", "http://evil.lan/token", false),
            ("registry.lan:5000/a", "http://127.0.0.1/token", false),
            ("ghcr.io/a", "token", false),
        ] {
            assert_eq!(target(repository).realm(realm, &plain).is_ok(), allowed, "{repository} {realm}");
        }
    }

    #[test]
    fn only_loopback_is_spoken_to_without_tls() {
        for (host, expected) in [
            ("127.0.0.1:5000", true),
            ("localhost:5000", true),
            ("[::1]:5000", true),
            ("ghcr.io", false),
            ("127.0.0.1.example.com", false),
            ("10.0.0.1:5000", false),
        ] {
            assert_eq!(is_loopback(host), expected, "{host}");
        }
    }
}
