//! Base layers from another registry (docs/reliability.md): read there and sent on, or not read at all.

use crate::support::copying::{Copying, layer, put_on};
use crate::support::faulty::{Asked, Fault, Faulty, answer};
use crate::support::pushing::{OTHER_ENCODED, Pushing, guarded};
use crate::support::registry::Registry;
use std::path::Path;

const UPLOAD: &str = "/blobs/uploads/";
/// More than one piece of whatever is sent at once.
const LAYER: usize = 400_000;

fn well(_: &Asked) -> Option<Fault> {
    None
}

/// The files in a folder that have this in their names, through all folders below it.
fn files(folder: &Path, name: &str) -> usize {
    let entries = folder.read_dir().into_iter().flatten().map(|entry| entry.expect("an entry").path());
    entries
        .map(|path| if path.is_dir() { files(&path, name) } else { usize::from(path.ends_with(name)) })
        .sum()
}

#[test]
fn a_layer_of_the_base_passes_from_registry_to_registry() {
    let copy = Copying::of(LAYER, well, well);
    // Given an image that is built in one process,
    let (repository, shop) = (&copy.push.repository, copy.push.proxy.image("shop"));
    let digits = copy.layer.trim_start_matches("sha256:");
    repository.hephy(["build", "--registry", &shop]).run().exits(0);
    assert_eq!(copy.reads().len(), 0);
    // when it is pushed by another one, then the layer is read once, and never on this disk.
    let output = copy.succeeds().says("2 of 3 blobs sent, 1 copied from `127.0.0.1:");
    assert_eq!(copy.reads().len(), 1);
    assert_eq!(files(repository.path(), digits), 0);
    // Nothing of where it came from is in the image: another registry gets the same one.
    let other = Registry::start();
    let stdout = repository.hephy(["up", "--registry", &other.image("shop")]).run().exits(0).stdout;
    let digest = |text: &str| text.trim().rsplit('@').next().expect("a digest").to_owned();
    assert_eq!(digest(&stdout), digest(&output.stdout));
}

#[test]
fn a_layer_that_the_target_has_is_not_read() {
    // Given an image on a base, at a registry whatever it makes of mounts,
    for is_plain in [false, true] {
        let rule = move |asked: &Asked| (is_plain && asked.is("POST", "mount=")).then_some(Fault::Plain);
        is_not_read_again(&Copying::of(40_000, well, rule));
    }
}

fn is_not_read_again(copy: &Copying) {
    copy.succeeds();
    // when another program is put on the same base, with nothing known from before,
    let before = copy.reads().len();
    copy.push.repository.write("app/run", "another\n").commit("Change the program");
    std::fs::remove_dir_all(copy.push.repository.path().join(".hephy")).expect("it is there");
    // then it is said what would come from where,
    let target = copy.push.proxy.image("shop");
    let preview = copy.push.repository.hephy(["push", "--dry-run", "--registry", &target]).run().exits(0);
    let from = format!("missing layers of `{}` are copied from", copy.origin.image("base:1"));
    assert!(preview.stdout.contains(&from), "{preview}");
    // and nobody asks for the layer, of which 0 bytes move.
    copy.succeeds().says("2 of 3 blobs sent, 1 there already");
    assert_eq!(copy.reads().len(), before);
}

#[test]
fn a_layer_on_the_same_registry_is_mounted() {
    let push = Pushing::through(well);
    push.registry.publish("base:1", "a base");
    put_on(&push.repository, &push.proxy.image("base:1"));
    let preview = push.hephy().args(["--dry-run"]).run().exits(0).stdout;
    assert!(preview.contains("are mounted from `base`"), "{preview}");
    push.succeeds().says("2 of 3 blobs sent, 1 mounted from `base`");
    let layer = layer(&push.registry, "base");
    assert_eq!(push.proxy.count("GET", &layer), 0);
    // Where the mount becomes an upload, it is read, but not again.
    let push = Pushing::through(|asked| asked.is("POST", "from=base").then_some(Fault::Plain));
    push.registry.publish("base:1", "a base");
    put_on(&push.repository, &push.proxy.image("base:1"));
    push.succeeds().says("2 of 3 blobs sent, 1 copied from `127.0.0.1:");
    push.repository.write("app/run", "another\n").commit("Change the program");
    push.succeeds().says("2 of 3 blobs sent, 1 there already");
    assert_eq!(push.proxy.count("GET", &layer), 1);
    // Where it cannot be mounted, it is read and sent at the same registry.
    let push = Pushing::through(|asked| match asked.is("POST", "mount=") {
        true if !asked.path.contains("from=shop") => answer(401, "", ""),
        _ => None,
    });
    push.registry.publish("base:1", "a base");
    let base = push.proxy.image("base:1");
    let component = |name| format!("{name}: {{path: app, base: '{base}', prebuilt: {{linux/amd64: run}}}}");
    let text = format!("components:\n  {}\n  {}\n", component("app"), component("web"));
    push.repository.write("hephy.yaml", &text).commit("Put two components on it");
    // What is in another repository of the same run still is mounted.
    let output = push.succeeds();
    assert_eq!(output.stderr.matches("1 copied from `127.0.0.1:").count(), 1, "{output}");
    assert!(output.stderr.contains("mounted from `shop/"), "{output}");
    assert_eq!(push.proxy.count("GET", &layer), 1);
}

#[test]
fn a_base_in_the_images_own_repository_is_not_believed_to_be_whole() {
    // Given an image that was built on another one of its own repository,
    let push = Pushing::through(well);
    push.registry.publish("shop/app:1", "a base");
    put_on(&push.repository, &push.proxy.image("shop/app:1"));
    let shop = push.proxy.image("shop");
    push.logged_in(&["build", "--registry", &shop]).run().exits(0);
    // when the layer of the base is deleted before it is pushed, then no tag says that the image is there.
    push.registry.delete(&format!("shop/app/blobs/{}", layer(&push.registry, "shop/app")));
    let output = push.logged_in(&["push", "--registry", &shop]).run().exits(4);
    assert!(output.error().contains("fetch blob "), "{output}");
    assert_eq!(push.registry.tags("shop/app"), ["1"]);
}

#[test]
fn a_layout_folder_gets_the_layers_once() {
    // Given no registry to push to,
    let copy = Copying::of(LAYER, well, well);
    let repository = &copy.push.repository;
    let digits = copy.layer.trim_start_matches("sha256:");
    let up = || repository.hephy(["up"]).run().exits(0);
    // when images on the same base are built one after the other,
    up().says("2 of 3 blobs sent, 1 copied from `127.0.0.1:");
    repository.write("app/run", "another\n").commit("Change the program");
    up().says("2 of 3 blobs sent, 1 there already");
    // then the layer is in the folder, and nowhere else.
    assert_eq!(copy.reads().len(), 1);
    assert_eq!(files(repository.path(), digits), 1);
    assert!(repository.path().join(".hephy/oci/blobs/sha256").join(digits).is_file());
    let index = std::fs::read_to_string(repository.path().join(".hephy/oci/index.json")).expect("an index");
    assert!(!index.contains("blobs-from"), "{index}");
}

#[test]
fn a_source_that_is_not_well_is_asked_again() {
    for status in [429, 500, 503] {
        let rule = move |asked: &Asked| if asked.time <= 2 { answer(status, "", "") } else { None };
        Copying::of(40_000, rule, well).succeeds();
    }
    let copy = Copying::of(40_000, |_| answer(503, "", ""), well);
    copy.fails(75).says("fetch blob ").says("is not well (503 Service Unavailable)");
}

#[test]
fn a_copy_goes_on_where_its_source_broke() {
    // Given a source whose connection breaks three times in the middle of the layer,
    let copy = Copying::of(LAYER, |asked| (asked.time <= 3).then_some(Fault::HalfAnswer), well);
    // when it is copied, then each time only what is missing is read, and the upload does not notice.
    copy.succeeds();
    let from = |asked: &Asked| {
        let range = asked.header("range").unwrap_or("bytes=0-").trim_start_matches("bytes=").to_owned();
        range.split('-').next().expect("a start").parse::<u64>().expect("a number")
    };
    let starts: Vec<u64> = copy.reads().iter().map(from).collect();
    assert!(starts.len() == 4 && starts[0] == 0 && starts.is_sorted_by(|one, next| one < next), "{starts:?}");
    assert_eq!(copy.push.proxy.count("PUT", UPLOAD), 3);
}

#[test]
fn a_source_that_knows_no_ranges_sends_all_of_it_again() {
    let copy = Copying::of(
        LAYER,
        |asked| if asked.time == 1 { Some(Fault::HalfAnswer) } else { Some(Fault::NoRange) },
        well,
    );
    copy.succeeds();
    assert_eq!(copy.reads().len(), 2);
}

#[test]
fn a_source_that_always_breaks_is_the_infrastructures_fault() {
    let copy = Copying::of(LAYER, |_| Some(Fault::ResetAtOnce), well);
    copy.fails(75).says("reach the registry");
}

#[test]
fn a_source_that_falls_silent_is_noticed() {
    let copy = Copying::of(LAYER, |asked| (asked.time == 1).then_some(Fault::StallInAnswer), well);
    copy.push.succeeds_with(copy.hephy().args(["--registry-timeout", "1s"]));
    assert_eq!(copy.reads().len(), 2);
    let copy = Copying::of(LAYER, |_| Some(Fault::Stall), well);
    let output = copy.push.fails_with(copy.hephy().args(["--registry-timeout", "1s"]), 75);
    // It is the source that is blamed, not the registry that waits for it.
    output.says(&format!("reach the registry `{}`: it said nothing for 1 s", copy.origin.address));
}

#[test]
fn a_source_that_sends_other_content_is_not_believed() {
    // Given a source that sends other bytes than the digest says,
    let copy = Copying::of(LAYER, |_| Some(Fault::OtherByte), well);
    // then no registry is left with a blob of them.
    copy.fails(4).says("sent other content");
    let blob = format!("/v2/shop/app/blobs/{}", copy.layer);
    assert_eq!(status_of(&copy.push.registry, &blob), "404");
    // The same where it goes in parts.
    let small = |asked: &Asked| {
        let is_large = matches!(asked.method.as_str(), "PUT" | "PATCH") && asked.length() > 100_000;
        if is_large { answer(413, "", "") } else { None }
    };
    let copy = Copying::of(LAYER, |_| Some(Fault::OtherByte), small);
    copy.fails(4).says("sent other content");
}

#[test]
fn a_source_that_refuses_is_said() {
    for status in [401, 403] {
        let copy = Copying::of(40_000, move |_| answer(status, "", ""), well);
        let output = copy.fails(4).says(&format!("wants a login that it accepts ({status}"));
        output.says(&format!("docker login {}", copy.origin.address));
    }
    let copy = Copying::of(40_000, |_| answer(404, "", ""), well);
    copy.fails(4).says("fetch blob ").says("answered 404 Not Found");
}

#[test]
fn a_copy_begins_anew_when_the_target_breaks() {
    for fault in [Fault::ResetAtOnce, Fault::ResetInBody, Fault::LoseAnswer] {
        let rule = move |asked: &Asked| {
            let is_layer = asked.is("PUT", UPLOAD) && asked.length() > 100_000;
            (is_layer && asked.time <= 3).then(|| fault.clone())
        };
        Copying::of(LAYER, well, rule).succeeds();
    }
}

#[test]
fn a_large_layer_goes_in_parts_where_the_target_wants_it() {
    // Given a target that takes no more than 5 MB at once and loses every second part,
    let copy = Copying::of(14_000_000, well, |asked| match asked.method.as_str() {
        "PUT" if asked.length() > 5_000_000 => answer(413, "", ""),
        "PATCH" if asked.length() > 5_000_000 => answer(413, "", ""),
        "PATCH" if asked.time % 2 == 0 => Some(Fault::ResetInBody),
        _ => None,
    });
    // when the layer is copied, then it is read in the same parts.
    copy.succeeds();
    let parts: Vec<_> = copy.reads().into_iter().filter(|asked| asked.header("range").is_some()).collect();
    assert!(parts.len() >= 3, "{parts:?}");
}

#[test]
fn each_login_goes_to_its_own_host_only() {
    // Given a source that sends readers to another host, and logins for both registries,
    let store = Registry::start();
    store.publish("base:1", &crate::support::pushing::noise(LAYER, 7));
    let store = Faulty::start(store.address(), well);
    let place = store.image("");
    let copy = Copying::with(
        LAYER,
        move |asked, is_layer| {
            if asked.header("authorization") != Some(format!("Basic {OTHER_ENCODED}").as_str()) {
                return answer(401, "WWW-Authenticate: Basic realm=\"r\"\r\n", "");
            }
            let location = format!("Location: http://{place}{}?signature=abc\r\n", &asked.path[1..]);
            if is_layer { answer(307, &location, "") } else { None }
        },
        |asked| match asked.header("authorization") {
            None => answer(401, "WWW-Authenticate: Basic realm=\"r\"\r\n", ""),
            Some(login) if login.contains(OTHER_ENCODED) => answer(403, "", ""),
            Some(_) => None,
        },
    );
    // when the base is copied, then each host gets its own login, and the third one none.
    copy.succeeds();
    assert_eq!(store.count("GET", &copy.layer), 1);
    assert!(store.asked().iter().all(|asked| asked.header("authorization").is_none()), "{:?}", store.asked());
}

#[test]
fn tokens_that_end_meanwhile_are_renewed_on_both_sides() {
    let source = guarded("base", 1, "");
    let copy = Copying::with(LAYER, move |asked, _| source(asked), guarded("shop/app", 3, ""));
    copy.succeeds();
    assert!(copy.origin.count("GET", "/token") > 2 && copy.push.proxy.count("GET", "/token") > 2);
}

/// The status that a registry answers with to `path`.
fn status_of(registry: &Registry, path: &str) -> String {
    let output = std::process::Command::new("curl")
        .args(["--silent", "--head", "--output", "/dev/null", "--write-out", "%{http_code}"])
        .arg(format!("http://{}{path}", registry.address()))
        .output()
        .expect("curl starts");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
