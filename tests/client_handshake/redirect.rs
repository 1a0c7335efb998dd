//! Redirects, the row C9: what `Location` says, where it leads, and who must not get the credentials.

use crate::{common::heads::NONCE, harness::*};
use proptest::prelude::*;
use websocket_proto::{
    Config, Error, Uri, UriError,
    client::{
        Redirect,
        RedirectError::{self, *},
    },
};

fn redirect(base: &str, location: &str) -> Result<Redirect, RedirectError> {
    Uri::parse(base).unwrap().redirect(location)
}

/// The example of RFC 3986 §5.4.
const BASE: &str = "ws://a/b/c/d;p?q";

#[test]
fn c9_references() {
    #[rustfmt::skip]
    let rows = [
        // RFC 3986 §5.4.1, except for `g:h`, which has another scheme, and without the fragments.
        (BASE, "ws://g",        "ws://g"),
        (BASE, "g",             "ws://a/b/c/g"),
        (BASE, "./g",           "ws://a/b/c/g"),
        (BASE, "g/",            "ws://a/b/c/g/"),
        (BASE, "/g",            "ws://a/g"),
        (BASE, "//g",           "ws://g"),
        (BASE, "?y",            "ws://a/b/c/d;p?y"),
        (BASE, "g?y",           "ws://a/b/c/g?y"),
        (BASE, "#s",            "ws://a/b/c/d;p?q"),
        (BASE, "g#s",           "ws://a/b/c/g"),
        (BASE, "g?y#s",         "ws://a/b/c/g?y"),
        (BASE, ";x",            "ws://a/b/c/;x"),
        (BASE, "g;x",           "ws://a/b/c/g;x"),
        (BASE, "g;x?y#s",       "ws://a/b/c/g;x?y"),
        (BASE, "",              "ws://a/b/c/d;p?q"),
        (BASE, ".",             "ws://a/b/c/"),
        (BASE, "./",            "ws://a/b/c/"),
        (BASE, "..",            "ws://a/b/"),
        (BASE, "../",           "ws://a/b/"),
        (BASE, "../g",          "ws://a/b/g"),
        (BASE, "../..",         "ws://a/"),
        (BASE, "../../",        "ws://a/"),
        (BASE, "../../g",       "ws://a/g"),
        // §5.4.2, except for `http:g`.
        (BASE, "../../../g",    "ws://a/g"),
        (BASE, "../../../../g", "ws://a/g"),
        (BASE, "/./g",          "ws://a/g"),
        (BASE, "/../g",         "ws://a/g"),
        (BASE, "g.",            "ws://a/b/c/g."),
        (BASE, ".g",            "ws://a/b/c/.g"),
        (BASE, "g..",           "ws://a/b/c/g.."),
        (BASE, "..g",           "ws://a/b/c/..g"),
        (BASE, "./../g",        "ws://a/b/g"),
        (BASE, "./g/.",         "ws://a/b/c/g/"),
        (BASE, "g/./h",         "ws://a/b/c/g/h"),
        (BASE, "g/../h",        "ws://a/b/c/h"),
        (BASE, "g;x=1/./y",     "ws://a/b/c/g;x=1/y"),
        (BASE, "g;x=1/../y",    "ws://a/b/c/y"),
        (BASE, "g?y/./x",       "ws://a/b/c/g?y/./x"),
        (BASE, "g?y/../x",      "ws://a/b/c/g?y/../x"),
        (BASE, "g#s/./x",       "ws://a/b/c/g"),
        (BASE, "g#s/../x",      "ws://a/b/c/g"),
        // §5.2.4
        (BASE, "/a/b/c/./../../g",    "ws://a/a/g"),
        (BASE, "/mid/content=5/../6", "ws://a/mid/6"),
        // Empty segments, and a path that could be taken for a host.
        (BASE, "/a//../b",      "ws://a/a/b"),
        (BASE, "/a//",          "ws://a/a//"),
        (BASE, "/.//g",         "ws://a//g"),
        (BASE, "..//g",         "ws://a/b//g"),
        // Escapes are not decoded.
        (BASE, "/%2e%2e/%2f",   "ws://a/%2e%2e/%2f"),
        // A query that is empty, and one that looks like an address. A colon behind a slash.
        (BASE, "?",             "ws://a/b/c/d;p?"),
        (BASE, "?#",            "ws://a/b/c/d;p?"),
        (BASE, "?http://g/",    "ws://a/b/c/d;p?http://g/"),
        (BASE, "./g:h",         "ws://a/b/c/g:h"),
        (BASE, "/g:h",          "ws://a/g:h"),
        // Without a path, without a query.
        ("ws://a",     "",      "ws://a"),
        ("ws://a",     "g",     "ws://a/g"),
        ("ws://a",     "..",    "ws://a/"),
        ("ws://a",     "?y",    "ws://a?y"),
        ("ws://a?q",   "#",     "ws://a?q"),
        ("ws://a?q/r", "g",     "ws://a/g"),
        (BASE, "//g?y",         "ws://g?y"),
        (BASE, "//g/../h/.",    "ws://g/h/"),
        (BASE, "ws://g/./h/..", "ws://g/"),
        // Without a path in the location, that of the base stays as it is (§5.2.2).
        ("ws://a/b/../c?q", "", "ws://a/b/../c?q"),
        ("ws://a/b/../c", "g",  "ws://a/g"),
        // Schemes in any case, also those of HTTP.
        (BASE, "WS://g/",       "ws://g/"),
        (BASE, "Wss://g/",      "wss://g/"),
        (BASE, "http://g/",     "ws://g/"),
        (BASE, "hTTps://g/",    "wss://g/"),
        ("WSS://A/b", "HTTPS://G/", "wss://G/"),
        // Ports and IPv6 addresses.
        ("wss://a:9/b", "/c",   "wss://a:9/c"),
        ("wss://a:0443/b", "c", "wss://a/c"),
        (BASE, "https://g:443", "wss://g"),
        (BASE, "https://g:80",  "wss://g:80"),
        (BASE, "//g:/h",        "ws://g/h"),
        (BASE, "//[::1]:9",     "ws://[::1]:9"),
        ("ws://[::1]/b", "?c",  "ws://[::1]/b?c"),
        (BASE, "ws://g#@h/",    "ws://g"),
    ];
    for (base, location, expected) in rows {
        let redirect = redirect(base, location).unwrap_or_else(|error| panic!("{base} {location:?}: {error}"));
        assert_eq!(redirect.address(), expected, "{base} {location:?}");
        assert_eq!(redirect.into_address(), expected);
    }
}

#[test]
fn c9_refused_locations() {
    let host = Address(UriError::Host);
    let character = |index, found| Address(UriError::Character { index, found });
    #[rustfmt::skip]
    let rows = [
        (BASE, "g:h",                     Scheme),
        (BASE, "ftp://g/",                Scheme),
        (BASE, "wsx://g/",                Scheme),
        (BASE, " ws://g/",                Scheme),
        (BASE, "javascript:alert(1)",     Scheme),
        (BASE, "g:8080/h",                Scheme),
        (BASE, ":",                       Scheme),
        // "for strict parsers" (RFC 3986 §5.4.2): no path of this server.
        (BASE, "ws:g",                    Scheme),
        (BASE, "http:g",                  Scheme),
        (BASE, "http:/g",                 Scheme),
        ("wss://a/", "ws://a/",           Insecure),
        ("wss://a/", "WS://a/",           Insecure),
        ("wss://a/", "ws://b",            Insecure),
        ("wss://a/", "http://a/",         Insecure),
        ("wss://a/", "hTTp://a:443/",     Insecure),
        (BASE, "//",                      host),
        (BASE, "///g",                    host),
        (BASE, "ws://",                   host),
        (BASE, "http:///g",               host),
        (BASE, "//?y",                    host),
        (BASE, "//#g",                    host),
        (BASE, "//:80/",                  host),
        (BASE, "//g h/",                  host),
        (BASE, "//g\r\nX: y/",            host),
        (BASE, "//g\\h/",                 host),
        (BASE, "//\u{e4}/",               host),
        (BASE, "//[::1",                  host),
        (BASE, "//g:0/",                  Address(UriError::Port)),
        (BASE, "https://g:65536/",        Address(UriError::Port)),
        (BASE, "//u@g/",                  Address(UriError::UserInfo)),
        (BASE, "https://u:p@g/",          Address(UriError::UserInfo)),
        (BASE, "ws://a@g",                Address(UriError::UserInfo)),
        (BASE, "\\g",                     character(0, b'\\')),
        (BASE, "/\\g",                    character(1, b'\\')),
        (BASE, "/g h",                    character(2, b' ')),
        (BASE, "/g?h i",                  character(4, b' ')),
        (BASE, "g\r\nX: y",               Scheme),
        (BASE, "/g\r\nX: y",              character(2, b'\r')),
        (BASE, "?\n",                     character(1, b'\n')),
        (BASE, "../\0",                   character(3, 0)),
        (BASE, "http://g/\u{e4}",         character(9, 0xC3)),
        (BASE, "//g/%4",                  character(4, b'%')),
        (BASE, "%",                       character(0, b'%')),
        (BASE, "/[",                      character(1, b'[')),
    ];
    for (base, location, error) in rows {
        assert_eq!(redirect(base, location), Err(error), "{base} {location:?}");
    }
}

#[test]
fn c9_origins() {
    #[rustfmt::skip]
    let rows = [
        ("ws://h/a",       "",                true),
        ("ws://h/a",       "b",               true),
        ("wss://h/a",      "/b?c",            true),
        ("ws://h:9/a",     "/b",              true),
        ("ws://h",         "ws://h:80/",      true),
        ("ws://h:080",     "http://h",        true),
        ("wss://h:443/",   "//h/",            true),
        ("wss://h/",       "https://H:443/b", true),
        ("ws://Example.ORG", "//eXAMPLE.org", true),
        ("ws://[::A]/",    "//[::a]:80/",     true),
        ("ws://h/",        "wss://h/",        false),
        ("ws://h:443/",    "wss://h/",        false),
        ("ws://h:9/",      "wss://h:9/",      false),
        ("ws://h/",        "//h:81/",         false),
        ("ws://h/",        "//h:443/",        false),
        ("wss://h:9/",     "//h/",            false),
        ("ws://h/",        "//g/",            false),
        ("ws://h/",        "//h.h/",          false),
        ("ws://h/",        "//h./",           false),
        ("ws://[::1]/",    "//[0::1]/",       false),
        ("ws://h/",        "///h/",           false),
    ];
    for (base, location, is_same) in rows {
        let found = redirect(base, location).is_ok_and(|redirect| redirect.is_same_origin());
        assert_eq!(found, is_same, "{base} {location:?}");
    }
}

/// Time and memory grow with the length only.
#[test]
fn c9_long_locations() {
    const COUNT: usize = 200_000;
    #[rustfmt::skip]
    let rows = [
        ("../".repeat(COUNT),                       Ok("ws://a/".to_owned())),
        ("/".repeat(COUNT),                         Err(Address(UriError::Host))),
        (format!("g{}", "/".repeat(COUNT)),         Ok(format!("ws://a/b/c/g{}", "/".repeat(COUNT)))),
        ("g/../".repeat(COUNT),                     Ok("ws://a/b/c/".to_owned())),
        (["g/"; COUNT].concat() + &"../".repeat(COUNT), Ok("ws://a/b/c/".to_owned())),
        (format!("?{}", "y".repeat(COUNT)),         Ok(format!("ws://a/b/c/d;p?{}", "y".repeat(COUNT)))),
        (format!("//{}/", "g".repeat(COUNT)),       Ok(format!("ws://{}/", "g".repeat(COUNT)))),
        (format!("/{} ", "g".repeat(COUNT)),        Err(Address(UriError::Character { index: COUNT + 1, found: b' ' }))),
        (format!("/g#{}", "s".repeat(COUNT)),       Ok("ws://a/g".to_owned())),
    ];
    for (location, expected) in rows {
        assert_eq!(redirect(BASE, &location).map(Redirect::into_address), expected, "{}", &location[..4]);
    }
}

#[test]
fn c9_errors_say_what_is_allowed() {
    #[rustfmt::skip]
    let rows = [
        (Scheme,                  "redirect to another scheme (only ws://, wss://, http:// and https://)"),
        (Insecure,                "redirect from wss:// to ws:// (only to wss:// and https://)"),
        (Address(UriError::Port), "redirect to an address with an invalid port (only 1 to 65535)"),
        (OutOfMemory,             "out of memory for the address of a redirect"),
    ];
    for (error, text) in rows {
        assert_eq!(error.to_string(), text);
        let source = core::error::Error::source(&error).map(ToString::to_string);
        assert_eq!(source, (error == Address(UriError::Port)).then(|| UriError::Port.to_string()));
        assert_eq!(Error::from(error).to_string(), if error == OutOfMemory { "out of memory" } else { text });
    }
}

/// From the response of one server to the request for the next.
#[test]
fn c9_a_redirect_is_followed_by_the_caller() {
    use websocket_proto::{Input, client::Request};

    let uri = Uri::parse("ws://server.example.com/chat").unwrap();
    let mut handshake = new_client(Config::new(), &Request::new(uri), fixed(NONCE)).unwrap();
    let mut head = *b"HTTP/1.1 308 Permanent Redirect\r\nLocation: https://other.example.com/room#1\r\n\r\n";
    assert!(handshake.read(&mut Input::new(&mut head)));
    let response = handshake.into_response().unwrap();
    let redirect = uri.redirect(response.location().unwrap()).unwrap();
    assert_eq!((redirect.address(), redirect.is_same_origin()), ("wss://other.example.com/room", false));
}

// ---- RFC 3986 §5.2, step by step

/// §5.2.4: an input, an output, and the rules A to E in their order.
fn remove_dot_segments(path: &str) -> String {
    let (mut input, mut output) = (path.to_owned(), String::new());
    while !input.is_empty() {
        if let Some(rest) = input.strip_prefix("../").or(input.strip_prefix("./")) {
            input = rest.to_owned();
        } else if input.starts_with("/./") || input == "/." {
            input = format!("/{}", input.get(3..).unwrap_or_default());
        } else if input.starts_with("/../") || input == "/.." {
            input = format!("/{}", input.get(4..).unwrap_or_default());
            output.truncate(output.rfind('/').unwrap_or(0));
        } else if input == "." || input == ".." {
            input.clear();
        } else {
            let end = input[1..].find('/').map_or(input.len(), |end| end + 1);
            output.extend(input.drain(..end));
        }
    }
    output
}

/// §5.2.2 and §5.2.3, for a base of this authority, path and query, and the same parts of a reference without a scheme.
fn resolve(base: (&str, &str, Option<&str>), reference: (Option<&str>, &str, Option<&str>)) -> String {
    let (authority, path, query) = match reference {
        (Some(authority), path, query) => (authority, remove_dot_segments(path), query),
        (None, "", query) => (base.0, base.1.to_owned(), query.or(base.2)),
        (None, path, query) if path.starts_with('/') => (base.0, remove_dot_segments(path), query),
        (None, path, query) if base.1.is_empty() => (base.0, remove_dot_segments(&format!("/{path}")), query),
        (None, path, query) => {
            let merged = format!("{}{path}", &base.1[..=base.1.rfind('/').unwrap()]);
            (base.0, remove_dot_segments(&merged), query)
        }
    };
    format!("{authority}{path}{}", marked(query))
}

fn marked(query: Option<&str>) -> String {
    query.map_or_else(String::new, |query| format!("?{query}"))
}

const PATH: &str = r"(/(\.|\.\.|%2e|[a-z.;=]{0,3})){0,6}";

proptest! {
    #[test]
    fn c9_as_in_the_pseudocode_of_the_rfc(
        secure in any::<bool>(),
        (server, base_path, base_query) in ("[a-z]{1,3}(:[89])?", PATH, prop::option::of("[a-z./?]{0,5}")),
        (other, path, query) in (prop::option::of("[A-Z]{1,3}(:[89])?"), PATH, prop::option::of("[a-z./?:]{0,5}")),
        (is_relative, fragment) in (any::<bool>(), prop_oneof![Just(""), Just("#"), Just("#/../s?x://y@z ")]),
    ) {
        let scheme = if secure { "wss://" } else { "ws://" };
        let is_relative = is_relative && other.is_none();
        let path = if is_relative { path.trim_start_matches('/') } else { &path };
        // Without an authority this would begin with one.
        prop_assume!(other.is_some() || !path.starts_with("//"));
        let base = format!("{scheme}{server}{base_path}{}", marked(base_query.as_deref()));
        let slashes = other.as_ref().map_or_else(String::new, |other| format!("//{other}"));
        let location = format!("{slashes}{path}{}{fragment}", marked(query.as_deref()));
        let found = redirect(&base, &location).unwrap();
        let reference = (other.as_deref(), path, query.as_deref());
        let expected = resolve((&server, &base_path, base_query.as_deref()), reference);
        prop_assert_eq!(found.address(), format!("{scheme}{expected}"), "{} {}", base, location);
    }

    /// Any location: an error, or an address that is complete.
    #[test]
    fn c9_any_location(
        base in r"wss?://([a-zA-Z]{1,3}|\[::1\])(:[1-9]{1,3})?(/[a-z./]{0,6})?(\?[a-z]{0,3})?",
        location in prop_oneof![
            any::<String>(),
            r"(https?:|WSS?:|wss?:)?(//)?[a-zA-Z:@/?#%.\[\]0-9 \\]{0,12}",
            r"((https?:|wss?:)?//(h|H|\[::1\]|h\.h)(:0{0,2}(80|443|9)?)?)?(/\.\.?|/[a-z]{0,2}){0,4}(\?[a-z?/]{0,3})?#?",
        ],
    ) {
        let before = Uri::parse(&base).unwrap();
        if let Ok(redirect) = before.redirect(&location) {
            let address = redirect.address();
            let uri = Uri::parse(address).map_err(|error| TestCaseError::fail(format!("{address}: {error}")))?;
            prop_assert!(uri.is_secure() || !before.is_secure());
            let origin = |uri: Uri<'_>| (uri.is_secure(), uri.host().to_ascii_lowercase(), uri.port());
            prop_assert_eq!(redirect.is_same_origin(), origin(uri) == origin(before));
            prop_assert_eq!(uri.redirect("").map(Redirect::into_address), Ok(address.to_owned()));
            prop_assert!(uri.redirect(address).unwrap().is_same_origin());
        }
    }
}
