//! The grammar of `Sec-WebSocket-Extensions` (RFC 6455 §9.1).
//!
//! ```text
//! extension-list  = 1#extension
//! extension       = token *( ";" extension-param )
//! extension-param = token [ "=" ( token | quoted-string ) ]      ; unquoted, the string must be a token
//! ```

use super::http1::grammar::{is_token_byte, token_len};

/// Whether `value` is a list of extensions. It may be empty.
pub(crate) fn is_list(value: &[u8]) -> bool {
    let mut list = extensions(value);
    list.by_ref().for_each(drop);
    list.lexer.rest.is_empty()
}

/// The extensions in a list, up to its end or to something that is not an extension. A comma inside quotes does not end
/// an extension.
pub(crate) fn extensions(value: &[u8]) -> Extensions<'_> {
    Extensions { lexer: Lexer { rest: value } }
}

#[derive(Clone)]
pub(crate) struct Extensions<'v> {
    lexer: Lexer<'v>,
}

impl<'v> Iterator for Extensions<'v> {
    type Item = Extension<'v>;

    fn next(&mut self) -> Option<Extension<'v>> {
        // "1#element" may have empty elements (RFC 9110 §5.6.1).
        while self.lexer.symbol(b',') {}
        let mut lexer = self.lexer.clone();
        let name = lexer.token()?;
        let parameters = Parameters { lexer: lexer.clone() };
        while lexer.symbol(b';') {
            lexer.parameter()?;
        }
        // After it must be the end of the list, or a comma.
        let whole = lexer.rest.is_empty() || lexer.symbol(b',');
        if whole {
            self.lexer = lexer;
        }
        whole.then_some(Extension { name, parameters })
    }
}

/// An extension that was offered, or picked.
#[derive(Clone)]
#[cfg_attr(not(any(feature = "deflate", test)), expect(dead_code, reason = "none is known without the feature"))]
pub(crate) struct Extension<'v> {
    pub(crate) name: &'v [u8],
    pub(crate) parameters: Parameters<'v>,
}

/// The parameters of an extension that was checked.
#[derive(Clone)]
pub(crate) struct Parameters<'v> {
    lexer: Lexer<'v>,
}

impl<'v> Iterator for Parameters<'v> {
    type Item = (&'v [u8], Option<Value<'v>>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.lexer.symbol(b';') { self.lexer.parameter() } else { None }
    }
}

/// The value of a parameter: the text after its equals sign, quoted or not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Value<'v> {
    /// Without the quotes, but with the backslashes that they allow.
    raw: &'v [u8],
}

impl Value<'_> {
    /// The value's bytes.
    #[cfg(any(feature = "deflate", test))]
    pub(crate) fn bytes(&self) -> impl Iterator<Item = u8> {
        // A token has no backslash, so every backslash quotes the byte after it.
        self.raw.iter().copied().filter(|byte| *byte != b'\\')
    }
}

#[derive(Clone)]
struct Lexer<'v> {
    rest: &'v [u8],
}

impl<'v> Lexer<'v> {
    /// `token [ "=" ( token | quoted-string ) ]`
    fn parameter(&mut self) -> Option<(&'v [u8], Option<Value<'v>>)> {
        let name = self.token()?;
        if !self.symbol(b'=') {
            return Some((name, None));
        }
        let raw = match self.token() {
            Some(token) => token,
            None => self.quoted_token()?,
        };
        Some((name, Some(Value { raw })))
    }

    fn symbol(&mut self, symbol: u8) -> bool {
        self.rest = self.rest.trim_ascii_start();
        match self.rest.split_first() {
            Some((first, rest)) if *first == symbol => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn token(&mut self) -> Option<&'v [u8]> {
        self.rest = self.rest.trim_ascii_start();
        let len = token_len(self.rest);
        let (token, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        (len > 0).then_some(token)
    }

    /// "the value after quoted-string unescaping MUST conform to the 'token' ABNF" (§9.1)
    fn quoted_token(&mut self) -> Option<&'v [u8]> {
        let (b'"', quoted) = self.rest.split_first()? else { return None };
        let mut escaped = false;
        let mut any = false;
        for (index, byte) in quoted.iter().enumerate() {
            match byte {
                b'\\' if !escaped => escaped = true,
                b'"' if !escaped => {
                    let (raw, rest) = quoted.split_at_checked(index)?;
                    self.rest = rest.get(1..)?;
                    return any.then_some(raw);
                }
                byte if is_token_byte(*byte) => (escaped, any) = (false, true),
                _ => return None,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    extern crate alloc;
    use alloc::{string::String, vec::Vec};

    use super::{extensions, is_list};

    #[test]
    fn grammar() {
        for (good, len) in [
            ("", 0),
            (" ", 0),
            (" ,,", 0),
            ("foo", 1),
            ("permessage-deflate", 1),
            ("permessage-deflate; client_max_window_bits", 1),
            ("permessage-deflate;server_max_window_bits=10 ; client_no_context_takeover,foo", 2),
            (r#"foo; bar="baz""#, 1),
            (r#"foo; bar="b\az""#, 1),
            (r#"foo; bar="\a""#, 1),
            (r#"foo; bar="\a\b", baz"#, 2),
            (" foo\t, , bar ", 2),
            (", foo", 1),
            ("foo,", 1),
        ] {
            assert!(is_list(good.as_bytes()), "{good}");
            assert_eq!(extensions(good.as_bytes()).count(), len, "{good}");
        }
        for bad in [
            "foo bar",
            "foo;",
            "foo; =bar",
            "foo; bar=",
            "foo; bar=,",
            "foo; bar=\"",
            "foo; bar=\"\"",
            r#"foo; bar="a,b""#,
            r#"foo; bar="a b""#,
            r#"foo; bar="a\""#,
            r#"foo; bar="a"b"#,
            // An escaped backslash or quote is a part of the value, and no token has one.
            r#"foo; bar="\\""#,
            r#"foo; bar="a\\""#,
            r#"foo; bar="\\a""#,
            r#"foo; bar="a\\b""#,
            r#"foo; bar="\"""#,
            r#"foo; bar="a\"""#,
            r#"foo; bar="a\"b""#,
            r#"foo; bar="a\\\"""#,
            r#"foo; bar="\"#,
            r#"foo; bar="\""#,
            r#"foo; bar="a\"#,
            r#"foo; bar="a\", b"#,
            r#"foo; bar="a\", b; c="d""#,
            "foo/bar",
            "foo; bar==baz",
            "foo, bar baz",
            "=",
            "\u{e9}",
        ] {
            assert!(!is_list(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn parts() {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let list: Vec<_> = extensions(br#"a; b ; c = "1\2" , d;e=5"#)
            .map(|extension| {
                let parameters = extension.parameters.map(|(name, value)| {
                    (text(name), value.map(|value| String::from_utf8(value.bytes().collect()).unwrap()))
                });
                (text(extension.name), parameters.collect::<Vec<_>>())
            })
            .collect();
        let parameter = |name: &str, value: Option<&str>| (String::from(name), value.map(String::from));
        assert_eq!(
            list,
            [
                ("a".into(), [parameter("b", None), parameter("c", Some("12"))].to_vec()),
                ("d".into(), [parameter("e", Some("5"))].to_vec()),
            ]
        );
    }
}
