//! Which proxy is in between: of the command line, or of the environment.

use std::{env, fmt, net::IpAddr, str::FromStr};

use websocket_proto::{Credentials, Uri, UriError, head::HeadError, proxy::TunnelError};

#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) kind: Kind,
    /// `HOST:PORT`, with the brackets of an IPv6 address.
    pub(crate) authority: String,
    /// With the credentials, and another scheme.
    address: String,
    /// The variable of the environment that has named it.
    variable: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Http,
    Socks5,
}

// Without the credentials.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({:?}, {})", self.kind, self.authority)
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the proxy {}", self.authority)?;
        self.variable.map_or(Ok(()), |name| write!(f, " ({name})"))
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
            name if name.chars().all(|char| char.is_ascii_alphanumeric()) => {
                return Err(format!("no such kind of proxy: {name}:// (only http:// and socks5://)"));
            }
            _ => return Err("not the address of a proxy, http://[USER:PASSWORD@]HOST[:PORT] or socks5://…".into()),
        };
        let start = text.len() - rest.len();
        let (rest, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if path.contains('@') {
            return Err("not the address of a proxy: in USER and PASSWORD write / as %2F, ? as %3F, # as %23".into());
        }
        let host = rest.rsplit('@').next().unwrap_or_default();
        let address = format!("ws://{rest}");
        let (uri, _) = Uri::parse_with_credentials(&address).map_err(|error| {
            let error = match error {
                UriError::Character { index, found } => {
                    UriError::Character { index: index - "ws://".len() + start, found }
                }
                error => error,
            };
            // The address is not shown: whatever is wrong with it, it may have a password.
            format!("not the address of a proxy: {error}")
        })?;
        let has_port = host.rsplit(']').next().is_some_and(|rest| rest.contains(':') && !rest.ends_with(':'));
        let port = if has_port { uri.port() } else { default_port };
        let name = uri.host();
        let authority = if name.contains(':') { format!("[{name}]:{port}") } else { format!("{name}:{port}") };
        Ok(Self { kind, authority, address, variable: None })
    }
}

impl Proxy {
    pub(crate) fn credentials(&self) -> Option<Credentials<'_>> {
        Uri::parse_with_credentials(&self.address).ok()?.1
    }

    /// The proxy that the environment has for a server, as for other programs: `https_proxy` for `wss`, `http_proxy` for
    /// `ws`, `all_proxy` for both, unless `no_proxy` has the host.
    pub(crate) fn of_environment(uri: Uri<'_>) -> Result<Option<Self>, String> {
        let variable = |names: &[&'static str]| {
            names
                .iter()
                .find_map(|name| env::var(name).ok().filter(|value| !value.is_empty()).map(|value| (*name, value)))
        };
        // `HTTP_PROXY` in capitals may be a header of a request to a server that runs this program.
        let names: &[&'static str] = match uri.is_secure() {
            true => &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
            false => &["http_proxy", "all_proxy", "ALL_PROXY"],
        };
        let Some((name, value)) = variable(names) else { return Ok(None) };
        if variable(&["no_proxy", "NO_PROXY"]).is_some_and(|(_, list)| is_excepted(uri.host(), &list)) {
            return Ok(None);
        }
        let proxy: Self = value.parse().map_err(|error| format!("{name}: {error}"))?;
        Ok(Some(Self { variable: Some(name), ..proxy }))
    }

    /// What an error of a tunnel probably means, for the end of a line.
    pub(crate) fn advice(&self, error: &TunnelError) -> String {
        let (scheme, other) = match self.kind {
            Kind::Http => ("http", "a socks5"),
            Kind::Socks5 => ("socks5", "an http"),
        };
        match error {
            // 401 is wrong, but some proxies send it.
            TunnelError::Refused { status: 401 | 407 } | TunnelError::NoMethod if self.credentials().is_none() => {
                format!("; does it want a user name and a password? --proxy {scheme}://USER:PASSWORD@…")
            }
            TunnelError::Refused { status: 401 | 407 } => "; are the user name and the password right?".into(),
            TunnelError::Refused { status: 403 } => "; it forbids this, and many allow nothing but port 443".into(),
            TunnelError::Refused { status: 500..=599 } => "; it does not reach the server".into(),
            TunnelError::Version { found: b'H' } | TunnelError::Head(HeadError::Version | HeadError::Malformed(_)) => {
                format!("; is it {other}:// proxy?")
            }
            _ => String::new(),
        }
    }
}

/// Whether the host is in a list such as `localhost,.example.com,192.0.2.1`, or in a domain of it.
fn is_excepted(host: &str, list: &str) -> bool {
    let is_address = host.parse::<IpAddr>().is_ok();
    list.split([',', ' ']).filter(|entry| !entry.is_empty()).any(|entry| {
        let domain = entry.trim_start_matches("*.").trim_start_matches('.').trim_end_matches('.');
        if is_address {
            return entry == "*" || domain.trim_matches(['[', ']']) == host;
        }
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
            ("socks5://proxy:", Kind::Socks5, "proxy:1080", None),
            ("http://[::1]:80", Kind::Http, "[::1]:80", None),
            ("http://ann:s%40:c@proxy:1", Kind::Http, "proxy:1", Some(("ann", "s@:c"))),
            ("a%40b@proxy:1", Kind::Http, "proxy:1", Some(("a@b", ""))),
            ("http://ann:x@proxy:1/p", Kind::Http, "proxy:1", Some(("ann", "x"))),
            ("http://proxy:1?q:2", Kind::Http, "proxy:1", None),
            ("http://proxy#f:2", Kind::Http, "proxy:80", None),
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
            ("http://secret:x@ho st", "not the address of a proxy: address without a valid host"),
            ("http://secret@secret@proxy:1", "not the address of a proxy: address with '@' at byte 13 (write %40)"),
            ("http://ann:secret/secret@proxy:1", "in USER and PASSWORD write / as %2F"),
            ("ann:1?secret@proxy", "in USER and PASSWORD"),
            ("ann:secret@http://proxy", "not the address of a proxy, http://[USER:PASSWORD@]HOST[:PORT]"),
            ("ann:secret", "an invalid port"),
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
            ("::1", "[::1]", true),
            ("192.0.2.1", "2.1", false),
            ("192.0.2.1", "*", true),
            ("example.com", "example.com.", true),
            ("h", "", false),
            ("h.", ",, ", false),
            ("äb", "b", false),
        ] {
            assert_eq!(is_excepted(host, list), expected, "{host} in {list:?}");
        }
    }
}
