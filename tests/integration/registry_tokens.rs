//! Tokens: one for everything that waits for it, a new one in the middle of whatever is under way, and their age.

use crate::support::faulty::{Asked, Fault, answer};
use crate::support::pushing::{ISSUED, Pushing, each, is_layer, layers};

/// A login server that counts its tokens from 1. What `Date` it says, and what its answers have beside the token, is given.
fn server(asked: &Asked, date: &str, more: &str) -> Option<Fault> {
    asked.path.starts_with("/token").then(|| {
        let body = format!(r#"{{"token":"{ISSUED}{}"{more}}}"#, asked.time);
        Fault::Answer(200, date.to_owned(), body)
    })
}

/// The number of the token that a request has; 0 is none.
fn number(asked: &Asked) -> usize {
    let header = asked.header("authorization").unwrap_or_default();
    header.strip_prefix("Bearer ").and_then(|token| token.strip_prefix(ISSUED)?.parse().ok()).unwrap_or(0)
}

fn refusal(asked: &Asked) -> Option<Fault> {
    let host = asked.header("host").unwrap_or_default();
    let scope = "scope=\"repository:shop/app:pull,push\"";
    let challenge =
        format!("WWW-Authenticate: Bearer realm=\"http://{host}/token\",service=\"s\",{scope}\r\n");
    answer(401, &challenge, "")
}

#[test]
fn uploads_that_are_refused_together_fetch_one_token() {
    // Given a registry that takes the first token for everything but the content of blobs,
    let push = Pushing::open(40_000, |asked| match number(asked) {
        _ if asked.path.starts_with("/token") => server(asked, "", r#","expires_in":300"#),
        0 => refusal(asked),
        _ if number(asked) <= TOKENS_BEFORE && asked.is("PUT", "/blobs/uploads/") => {
            Some(Fault::Together(4, Box::new(refusal(asked))))
        }
        _ => None,
    });
    // when sixteen layers are pushed,
    let hephy = push.with_layers(&layers(&push, 16, 50_000));
    let before = push.proxy.count("GET", "/token");
    assert_eq!(before, 1);
    push.succeeds_with(hephy);
    // then several uploads are refused together, and one token is fetched for them. (One was for the plan, one for this run.)
    let refused =
        push.proxy.asked().iter().filter(|asked| asked.is_hit && asked.is("PUT", "/blobs/")).count();
    assert!(refused >= 4, "{:?}", push.proxy.asked());
    assert_eq!(push.proxy.count("GET", "/token"), TOKENS_BEFORE + 1, "{refused} were refused");
}

/// The plan's token and the first one of the push.
const TOKENS_BEFORE: usize = 2;

#[test]
fn a_token_that_ends_while_blobs_are_sent_costs_another_one() {
    // Given a registry that ends the first token when the layer comes, and the second when its last part does,
    let push = Pushing::open(14_000_000, |asked| match number(asked) {
        _ if asked.path.starts_with("/token") => server(asked, "", ""),
        0 => refusal(asked),
        1 if is_layer(asked) => refusal(asked),
        2 if is_last_part(asked) => refusal(asked),
        // The layer has to go in parts.
        _ if is_layer(asked) || asked.is_chunked() => answer(413, "", ""),
        _ => None,
    });
    push.succeeds();
    // then both were met by an upload, which went on with the next token,
    let asked = push.proxy.asked();
    let tokens = |is_meant: fn(&Asked) -> bool| -> Vec<usize> {
        asked.iter().filter(|asked| is_meant(asked)).map(number).collect()
    };
    assert_eq!((tokens(is_layer), tokens(is_last_part)), (vec![1, 2], vec![2, 3]));
    assert_eq!(push.proxy.count("GET", "/token"), 3);
    // and what had arrived was not sent again.
    let parts = asked.iter().filter(|asked| asked.method == "PATCH");
    assert_eq!(
        parts.filter_map(|part| part.header("content-range")).filter(|range| range.starts_with("0-")).count(),
        1
    );
}

/// The layer goes in two parts of 4 MiB and one that is shorter.
fn is_last_part(asked: &Asked) -> bool {
    asked.method == "PATCH" && asked.most() < 4 << 20
}

/// A push behind a server by whose clock it is 13:20:01, and whose tokens are for five minutes from `time` on.
fn with_tokens_made_at(time: &'static str) -> Pushing {
    Pushing::open(40_000, move |asked| match number(asked) {
        _ if asked.path.starts_with("/token") => server(
            asked,
            "Date: Sat, 21 Nov 2026 13:20:01 GMT\r\n",
            &format!(r#","expires_in":300,"issued_at":"{time}""#),
        ),
        0 => refusal(asked),
        _ => None,
    })
}

#[test]
fn a_token_that_was_old_when_it_came_is_used_once() {
    // Given tokens for five minutes that were made five minutes before the server's own time, in whatever year,
    let push = with_tokens_made_at("2026-11-21T13:15:01Z");
    push.succeeds();
    // then each request gets a new one, as with those that live for no time.
    let requests = push.proxy.asked().iter().filter(|asked| !asked.path.starts_with("/token")).count();
    assert_eq!(push.proxy.count("GET", "/token") + 1, requests);
}

#[test]
fn a_token_for_long_enough_is_kept() {
    let push = with_tokens_made_at("2026-11-21T13:19:01Z");
    push.succeeds();
    assert_eq!(push.proxy.count("GET", "/token"), 1);
}

#[test]
fn an_identity_token_is_sent_as_a_form_and_nowhere_else() {
    // Given an identity token in the configuration, and one that a helper gives under the user `<token>`,
    each([false, true], |with_helper| {
        let push = Pushing::open(40_000, |asked| match number(asked) {
            _ if asked.path.starts_with("/token") => server(asked, "", r#","expires_in":300"#),
            0 => refusal(asked),
            _ => None,
        });
        let identity = format!("{ISSUED}identity");
        let logins = push.logins(&match with_helper {
            true => r#"{"credsStore":"desktop"}"#.to_owned(),
            false => {
                let address = push.proxy.address;
                format!(r#"{{"auths":{{"{address}":{{"identitytoken":"{identity}"}}}}}}"#)
            }
        });
        let path = push.with_helper("desktop", "<token>", &identity);
        // when an image is pushed,
        let hephy = push.repository.hephy(["up", "--registry", &push.proxy.image("shop")]);
        push.succeeds_with(hephy.env("DOCKER_CONFIG", logins).env("PATH", path));
        // then it is exchanged as OAuth2 says, and is in no header.
        let exchanges: Vec<Asked> =
            push.proxy.asked().into_iter().filter(|asked| asked.is("POST", "/token")).collect();
        assert_eq!((exchanges.len(), push.proxy.count("GET", "/token")), (1, 0), "{with_helper}");
        let form = &exchanges[0].form;
        for part in
            ["grant_type=refresh_token", &format!("refresh_token={identity}"), "service=s", "client_id=hephy"]
        {
            assert!(form.split('&').any(|known| known == part), "{part} is not in {form}");
        }
        assert!(form.contains("scope=repository%3Ashop%2Fapp%3Apull%2Cpush"), "{form}");
        let shown = push
            .proxy
            .asked()
            .iter()
            .any(|asked| asked.headers.iter().any(|(_, value)| value.contains(&identity)));
        assert!(!shown);
    });
}
