//! Real registries as companies run them: two generations of the reference one, with logins and with TLS.

use super::faulty::{Asked, Fault, Faulty, answer};
use super::pushing::PASSWORD;
use super::registry::free_port;
use super::{Hephy, Repository};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// The password as bcrypt has it; there is no program here that could do that.
const HTPASSWD: &str = "pusher:$2y$05$abcdefghijklmnopqrstuuSnF5tLPqPFqc0z9CY0HcSLFbSRlL67u\n";

/// The program that serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Generation {
    /// distribution 2.8, Debian's package.
    Second,
    /// distribution 3.1, built from its Go module.
    Third,
}

/// Who may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Open,
    Password,
    Token,
}

/// A running registry and its login server. Both end with the test.
pub(crate) struct Guarded {
    pub(crate) address: String,
    folder: TempDir,
    has_tls: bool,
    pub(crate) tokens: Faulty,
    server: Child,
}

impl Guarded {
    /// Starts it and waits until it answers.
    pub(crate) fn start(generation: Generation, door: Door, has_tls: bool) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let address = format!("127.0.0.1:{}", free_port("127.0.0.1"));
        make_certificates(folder.path());
        let tokens = login_server(folder.path());
        let configuration = folder.path().join("config.yml");
        let text = configuration_of(folder.path(), &address, door, has_tls, &tokens);
        std::fs::write(&configuration, text).expect("write the configuration");
        std::fs::write(folder.path().join("htpasswd"), HTPASSWD).expect("write the password");
        let server = serve(generation, &configuration, &address);
        Self { address, folder, has_tls, tokens, server }
    }

    /// The certificate of its authority.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    /// hephy with the login and, where it is needed, the authority.
    pub(crate) fn hephy(&self, repository: &Repository, verb: &str) -> Hephy {
        self.hephy_with(repository, verb, &[])
    }

    /// The same with logins for other registries, and with their authorities.
    pub(crate) fn hephy_with(&self, repository: &Repository, verb: &str, others: &[&Self]) -> Hephy {
        let logins = self.folder.path().join("logins");
        std::fs::create_dir_all(&logins).expect("create the folder");
        let login = STANDARD.encode(format!("pusher:{PASSWORD}"));
        let all = || others.iter().copied().chain([self]);
        let lines: Vec<String> =
            all().map(|registry| format!(r#""{}":{{"auth":"{login}"}}"#, registry.address)).collect();
        let text = format!(r#"{{"auths":{{{}}}}}"#, lines.join(","));
        std::fs::write(logins.join("config.json"), text).expect("write the logins");
        let authorities = all().map(|registry| std::fs::read(registry.authority()).expect("an authority"));
        let authorities: Vec<u8> = authorities.flatten().collect();
        std::fs::write(logins.join("authorities"), authorities).expect("write the authorities");
        let hephy = repository.hephy([verb, "--registry", &format!("{}/shop", self.address)]);
        let hephy = hephy.env("DOCKER_CONFIG", &logins);
        match all().any(|registry| registry.has_tls) {
            true => hephy.env("HEPHY_REGISTRY_CA", logins.join("authorities")),
            false => hephy,
        }
    }

    /// A manifest as skopeo reads it.
    pub(crate) fn manifest(&self, name: &str) -> serde_json::Value {
        let output = Command::new("skopeo")
            .args(["inspect", "--raw", "--creds", &format!("pusher:{PASSWORD}")])
            .arg(format!("--tls-verify={}", self.has_tls))
            .arg("--cert-dir")
            .arg(self.certificates())
            .arg(format!("docker://{}/{name}", self.address))
            .output()
            .expect("skopeo starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// A folder with nothing but the authority.
    fn certificates(&self) -> PathBuf {
        let certificates = self.folder.path().join("certificates");
        std::fs::create_dir_all(&certificates).expect("create the folder");
        std::fs::copy(self.authority(), certificates.join("ca.crt")).expect("copy the authority");
        certificates
    }

    /// Reads a whole image with skopeo, then with oci-client.
    #[track_caller]
    pub(crate) fn read_back(&self, name: &str) {
        let to = tempfile::tempdir().expect("a temporary folder");
        let output = Command::new("skopeo")
            .args(["copy", "--quiet", "--all", "--src-creds", &format!("pusher:{PASSWORD}")])
            .arg(format!("--src-tls-verify={}", self.has_tls))
            .arg("--src-cert-dir")
            .arg(self.certificates())
            .arg(format!("docker://{}/{name}", self.address))
            .arg(format!("oci:{}", to.path().join("copy").display()))
            .output()
            .expect("skopeo starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        self.read_with_oci_client(name);
    }

    fn read_with_oci_client(&self, name: &str) {
        use oci_client::client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol};
        let _ = rustls::crypto::ring::default_provider().install_default();
        let authority = std::fs::read(self.authority()).expect("the authority");
        let configuration = ClientConfig {
            protocol: if self.has_tls { ClientProtocol::Https } else { ClientProtocol::Http },
            extra_root_certificates: vec![Certificate {
                encoding: CertificateEncoding::Pem,
                data: authority,
            }],
            ..ClientConfig::default()
        };
        let client = oci_client::Client::try_from(configuration).expect("a client");
        let login = oci_client::secrets::RegistryAuth::Basic("pusher".to_owned(), PASSWORD.to_owned());
        let image: oci_client::Reference = format!("{}/{name}", self.address).parse().expect("a name");
        let layers = vec!["application/vnd.oci.image.layer.v1.tar+gzip"];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let pulled = runtime.block_on(client.pull(&image, &login, layers)).expect("oci-client reads it");
        assert!(!pulled.layers.is_empty());
    }

    /// Lets a repository lose its manifests and tags, as a cleanup does; its blobs stay.
    pub(crate) fn forget_manifests(&self, name: &str) {
        let repositories = self.folder.path().join("storage/docker/registry/v2/repositories");
        std::fs::remove_dir_all(repositories.join(name).join("_manifests")).expect("the repository is there");
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Starts the program of a registry and waits until it answers at `address`.
pub(crate) fn serve(generation: Generation, configuration: &Path, address: &str) -> Child {
    let mut server = Command::new(program(generation))
        .arg("serve")
        .arg(configuration)
        .env("OTEL_TRACES_EXPORTER", "none")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("docker-registry starts (./dev tools docker-registry)");
    let deadline = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(address).is_err() {
        if Instant::now() >= deadline {
            let _ = server.kill();
            panic!("the registry never answered");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    server
}

fn program(generation: Generation) -> PathBuf {
    if generation == Generation::Second {
        return PathBuf::from("docker-registry");
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/run");
    let output = Command::new(script).arg("registry3").output().expect("the script starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Path::new(String::from_utf8_lossy(&output.stdout).trim()).join("registry3")
}

fn configuration_of(folder: &Path, address: &str, door: Door, has_tls: bool, tokens: &Faulty) -> String {
    let place = |name: &str| folder.join(name).display().to_string();
    let tls = if has_tls {
        format!(", tls: {{certificate: '{}', key: '{}'}}", place("server.crt"), place("server.key"))
    } else {
        String::new()
    };
    let auth = match door {
        Door::Open => String::new(),
        Door::Password => format!("auth: {{htpasswd: {{realm: shop, path: '{}'}}}}\n", place("htpasswd")),
        Door::Token => format!(
            "auth: {{token: {{realm: 'http://{}/token', service: shop, issuer: test, rootcertbundle: '{}'}}}}\n",
            tokens.address,
            place("token.crt")
        ),
    };
    format!(
        "version: 0.1\nlog: {{accesslog: {{disabled: true}}, level: error}}\n\
         http: {{addr: '{address}', secret: same{tls}}}\n{auth}\
         storage: {{filesystem: {{rootdirectory: '{}'}}, delete: {{enabled: true}}}}\n",
        place("storage")
    )
}

/// An authority of the test's own, and a key with its certificate for TLS and for tokens.
fn make_certificates(folder: &Path) {
    let openssl = |arguments: &str| {
        let status = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(folder)
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .status();
        assert!(status.expect("openssl starts").success(), "openssl {arguments}");
    };
    let names = "subjectAltName=IP:127.0.0.1,DNS:ghcr.io,DNS:registry.test\nextendedKeyUsage=serverAuth\n";
    std::fs::write(folder.join("names"), names).expect("write the names");
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(&format!("req -x509 {key} -keyout ca.key -out ca.crt -days 2 -subj /CN=Test"));
    openssl(&format!("req {key} -keyout server.key -out server.csr -subj /CN=127.0.0.1"));
    openssl(
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out server.crt -days 2 -extfile names",
    );
    openssl("req -x509 -newkey rsa:2048 -nodes -keyout token.key -out token.crt -days 2 -subj /CN=Tokens");
}

/// A login server that gives whoever has the password what they ask for.
fn login_server(folder: &Path) -> Faulty {
    let folder = folder.to_owned();
    let login = format!("Basic {}", STANDARD.encode(format!("pusher:{PASSWORD}")));
    Faulty::start("127.0.0.1:1", move |asked| {
        if asked.header("authorization") != Some(login.as_str()) {
            return answer(401, "", "");
        }
        token(&folder, asked)
    })
}

fn token(folder: &Path, asked: &Asked) -> Option<Fault> {
    let address = reqwest::Url::parse(&format!("http://login{}", asked.path)).ok()?;
    let scopes: Vec<String> = address
        .query_pairs()
        .filter(|(name, _)| name == "scope")
        .map(|(_, scope)| scope.into_owned())
        .collect();
    let access: Vec<_> = scopes.iter().flat_map(|scopes| scopes.split(' ')).filter_map(access).collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    let certificate = std::fs::read_to_string(folder.join("token.crt")).ok()?;
    let certificate: String = certificate.lines().filter(|line| !line.starts_with('-')).collect();
    let head = serde_json::json!({"typ": "JWT", "alg": "RS256", "x5c": [certificate]});
    let claims = serde_json::json!({
        "iss": "test", "sub": "pusher", "aud": "shop", "jti": "1",
        "iat": now, "nbf": now - 5, "exp": now + 60, "access": access,
    });
    let signed = [head, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
    let text = folder.join(format!("token-{}", asked.time));
    std::fs::write(&text, &signed).ok()?;
    let signature = Command::new("openssl")
        .args(["dgst", "-sha256", "-sign"])
        .arg(folder.join("token.key"))
        .arg(&text)
        .output()
        .ok()?;
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.stdout));
    answer(200, "", &format!(r#"{{"token":"{token}","expires_in":60}}"#))
}

/// `repository:shop/api:pull,push` as a claim.
fn access(scope: &str) -> Option<serde_json::Value> {
    let (kind, rest) = scope.split_once(':')?;
    let (name, actions) = rest.rsplit_once(':')?;
    let actions: Vec<&str> = actions.split(',').collect();
    Some(serde_json::json!({"type": kind, "name": name, "actions": actions}))
}
