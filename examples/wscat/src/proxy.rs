//! Which proxy is in between: of the command line, or of the environment.

use std::{env, str::FromStr};

use websocket_proto::{Credentials, Uri, UriError};

#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) kind: Kind,
    /// `HOST:PORT`, with the brackets of an IPv6 address.
    pub(crate) authority: String,
    /// With the credentials, and another scheme.
    address: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Http,
    Socks5,
}

// Without the credentials.
impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Proxy({:?}, {})", self.kind, self.authority)
    }
}

impl FromStr for Proxy {
    type Err = String;

    /// `http://USER:PASSWORD@HOST:PORT` or `socks5://…`. Without a scheme it is HTTP, as with other programs.
    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let (kind, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (Kind::Http, 80),
            // Both look up the server's name.
            "socks5" | "socks5h" => (Kind::Socks5, 1080),
            _ => return Err(format!("no such kind of proxy: {scheme}:// (only http:// and socks5://)")),
        };
        let start = text.len() - rest.len();
        let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = rest.rsplit('@').next().unwrap_or_default();
        let address = format!("ws://{rest}");
        let (uri, _) = Uri::parse_with_credentials(&address).map_err(|error| {
            let error = match error {
                UriError::Character { index, found } => {
                    UriError::Character { index: index - "ws://".len() + start, found }
                }
                error => error,
            };
            // The credentials are not shown.
            format!("not the address of a proxy: {scheme}://{host}: {error}")
        })?;
        let has_port = host.rsplit(']').next().is_some_and(|rest| rest.contains(':'));
        let port = if has_port { uri.port() } else { default_port };
        let name = uri.host();
        let authority = if name.contains(':') { format!("[{name}]:{port}") } else { format!("{name}:{port}") };
        Ok(Self { kind, authority, address })
    }
}

impl Proxy {
    pub(crate) fn credentials(&self) -> Option<Credentials<'_>> {
        Uri::parse_with_credentials(&self.address).ok()?.1
    }

    /// The proxy that the environment has for a server, as for other programs: `https_proxy` for `wss`, `http_proxy` for
    /// `ws`, `all_proxy` for both, unless `no_proxy` has the host.
    pub(crate) fn of_environment(uri: Uri<'_>) -> Result<Option<Self>, String> {
        let variable = |names: &[&str]| {
            names.iter().find_map(|name| {
                env::var(name).ok().filter(|value| !value.is_empty()).map(|value| (name.to_string(), value))
            })
        };
        // `HTTP_PROXY` in capitals may be a header of a request to a server that runs this program.
        let names: &[&str] = match uri.is_secure() {
            true => &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
            false => &["http_proxy", "all_proxy", "ALL_PROXY"],
        };
        let Some((name, value)) = variable(names) else { return Ok(None) };
        if variable(&["no_proxy", "NO_PROXY"]).is_some_and(|(_, list)| is_excepted(uri.host(), &list)) {
            return Ok(None);
        }
        value.parse().map(Some).map_err(|error| format!("{name}: {error}"))
    }
}

/// Whether the host is in a list such as `localhost,.example.com,192.0.2.1`, or in a domain of it.
fn is_excepted(host: &str, list: &str) -> bool {
    list.split([',', ' ']).filter(|entry| !entry.is_empty()).any(|entry| {
        let domain = entry.trim_start_matches("*.").trim_start_matches('.');
        let split = host.len().checked_sub(domain.len()).and_then(|at| host.split_at_checked(at));
        let is_in =
            |(rest, end): (&str, &str)| end.eq_ignore_ascii_case(domain) && (rest.is_empty() || rest.ends_with('.'));
        entry == "*" || split.is_some_and(is_in)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, kind, authority, credentials) in [
            ("http://proxy:3128", Kind::Http, "proxy:3128", None),
            ("proxy:3128/", Kind::Http, "proxy:3128", None),
            ("http://proxy", Kind::Http, "proxy:80", None),
            ("SOCKS5://proxy", Kind::Socks5, "proxy:1080", None),
            ("socks5h://[::1]", Kind::Socks5, "[::1]:1080", None),
            ("http://[::1]:80", Kind::Http, "[::1]:80", None),
            ("http://ann:s%40:c@proxy:1", Kind::Http, "proxy:1", Some(("ann", "s@:c"))),
            ("a%40b@proxy:1", Kind::Http, "proxy:1", Some(("a@b", ""))),
            ("http://ann:x@proxy:1/@p", Kind::Http, "proxy:1", Some(("ann", "x"))),
            ("http://proxy:1?q@h:2", Kind::Http, "proxy:1", None),
            ("http://proxy#f@h:2", Kind::Http, "proxy:80", None),
        ] {
            let proxy: Proxy = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((proxy.kind, proxy.authority.as_str()), (kind, authority), "{text}");
            assert_eq!(
                proxy.credentials(),
                credentials.map(|(user, password)| Credentials::new(user, password)),
                "{text}"
            );
            // To the byte: the address has the credentials in another form.
            assert_eq!(format!("{proxy:?}"), format!("Proxy({kind:?}, {authority})"));
        }
        for (text, error) in [
            ("https://proxy", "no such kind of proxy"),
            ("http://", "without a valid host"),
            ("http://secret:x@ho st", "not the address of a proxy: http://ho st"),
            ("http://secret@secret@proxy:1", "http://proxy:1: address with '@' at byte 13 (write %40)"),
            ("secret%2:secret@proxy", "'%' at byte 6 (write %25)"),
        ] {
            let found = text.parse::<Proxy>().unwrap_err();
            assert!(found.contains(error) && !found.contains("secret"), "{text}: {found}");
        }
    }

    #[test]
    fn exceptions() {
        for (host, list, expected) in [
            ("example.com", "example.com", true),
            ("www.example.com", "other, EXAMPLE.com", true),
            ("www.example.com", ".example.com", true),
            ("www.example.com", "*.example.com", true),
            ("notexample.com", "example.com", false),
            ("example.com", "www.example.com", false),
            ("anything", "*", true),
            ("192.0.2.1", "192.0.2.1", true),
            ("::1", "::1", true),
            ("h", "", false),
            ("h.", ",, ", false),
            ("äb", "b", false),
        ] {
            assert_eq!(is_excepted(host, list), expected, "{host} in {list:?}");
        }
    }
}
