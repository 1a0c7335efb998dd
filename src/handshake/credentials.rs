use core::{fmt, str};

use super::{
    key::base64,
    uri::{hex_digit, split_before},
};

/// A user name and a password. `Debug` shows neither.
///
/// Those of an address are read by [`Uri::parse_with_credentials`](crate::Uri::parse_with_credentials).
///
/// ```
/// use websocket_proto::Credentials;
///
/// let credentials = Credentials::new("ann", "secret");
/// assert_eq!(format!("{credentials:?}"), "Credentials");
/// ```
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    user: &'a str,
    password: &'a str,
    /// Whether both are as in an address, where they were checked.
    is_encoded: bool,
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

impl<'a> Credentials<'a> {
    /// Credentials as they are: nothing is decoded.
    pub const fn new(user: &'a str, password: &'a str) -> Self {
        Self { user, password, is_encoded: false }
    }

    /// The credentials in the user information of an address, which was checked.
    pub(super) fn of_user_info(user_info: &'a str) -> Self {
        let (user, rest) = split_before(user_info, |byte| byte == b':');
        Self { user, password: rest.get(1..).unwrap_or_default(), is_encoded: true }
    }

    pub(super) fn user(&self) -> Bytes<'a> {
        Bytes { text: self.user.bytes(), is_encoded: self.is_encoded }
    }

    pub(super) fn password(&self) -> Bytes<'a> {
        Bytes { text: self.password.bytes(), is_encoded: self.is_encoded }
    }

    /// Checks that they can be sent as Basic credentials: "The user-id and password MUST NOT contain any control
    /// characters", and "a user-id containing a colon character is invalid" (RFC 7617 §2).
    fn check_basic(&self) -> Result<(), CredentialsError> {
        let is_control = |byte: u8| byte.is_ascii_control();
        if self.user().any(|byte| byte == b':' || is_control(byte)) {
            Err(CredentialsError::User)
        } else if self.password().any(is_control) {
            Err(CredentialsError::Password)
        } else {
            Ok(())
        }
    }

    /// Writes a header of this name: `Basic`, and user name and password in base64 (RFC 7617 §2), unless they can't be
    /// sent.
    pub(super) fn write_header(&self, name: &str, out: &mut dyn FnMut(&[u8])) -> Result<(), CredentialsError> {
        self.check_basic()?;
        out(name.as_bytes());
        out(b": Basic ");
        let mut bytes = self.user().chain([b':']).chain(self.password());
        loop {
            let (mut three, mut len) = ([0; 3], 0);
            for (place, byte) in three.iter_mut().zip(&mut bytes) {
                *place = byte;
                len += 1;
            }
            let mut four = [0; 4];
            match three.get(..len) {
                None | Some([]) => break,
                Some(bytes) => base64(bytes, &mut four),
            }
            out(&four);
        }
        out(b"\r\n");
        Ok(())
    }
}

impl PartialEq for Credentials<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.user().eq(other.user()) && self.password().eq(other.password())
    }
}

impl Eq for Credentials<'_> {}

/// The bytes of a text, decoded.
#[derive(Clone)]
pub(super) struct Bytes<'a> {
    text: str::Bytes<'a>,
    is_encoded: bool,
}

impl Iterator for Bytes<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        match self.text.next()? {
            b'%' if self.is_encoded => {
                let (high, low) = (self.text.next()?, self.text.next()?);
                Some((hex_digit(high) << 4 | hex_digit(low)) as u8)
            }
            byte => Some(byte),
        }
    }
}

/// Why credentials can't be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialsError {
    /// The user name has a control character; or a colon, for which HTTP has no place (RFC 7617 §2); or it has not 1 to
    /// 255 bytes, as SOCKS5 wants it (RFC 1929 §2).
    User,
    /// The password has a control character, for which HTTP has no place; or it has not 1 to 255 bytes, as SOCKS5 wants
    /// it.
    Password,
}

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "invalid user name (in HTTP no colon and no control character, in SOCKS5 1 to 255 bytes)",
            Self::Password => "invalid password (in HTTP no control character, in SOCKS5 1 to 255 bytes)",
        })
    }
}

impl core::error::Error for CredentialsError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic() {
        for (user, password, expected) in [
            // RFC 7617 §2 and §2.1
            ("Aladdin", "open sesame", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            ("test", "123\u{A3}", "Basic dGVzdDoxMjPCow=="),
            ("", "", "Basic Og=="),
            ("a", "", "Basic YTo="),
            ("a", "b", "Basic YTpi"),
            ("", "a:b", "Basic OmE6Yg=="),
        ] {
            let credentials = Credentials::new(user, password);
            let (mut text, mut len) = ([0; 64], 0);
            let written = credentials.write_header("a", &mut |part| {
                text[len..len + part.len()].copy_from_slice(part);
                len += part.len();
            });
            assert_eq!(written, Ok(()), "{user}:{password}");
            assert_eq!(str::from_utf8(&text[..len]), Ok(&*std::format!("a: {expected}\r\n")), "{user}:{password}");
        }
    }

    #[test]
    fn what_basic_has_no_place_for() {
        for (user, password, error) in [
            ("a:b", "", CredentialsError::User),
            ("a\r", "", CredentialsError::User),
            ("\0", "", CredentialsError::User),
            ("a", "\n", CredentialsError::Password),
            ("a", "\x7f", CredentialsError::Password),
        ] {
            let written = Credentials::new(user, password).write_header("a", &mut |_| unreachable!());
            assert_eq!(written, Err(error), "{user:?} {password:?}");
        }
    }

    #[test]
    fn both_parts_are_compared() {
        let credentials = Credentials::new("ann", "secret");
        assert_eq!(credentials, Credentials::of_user_info("a%6en:secret"));
        for (user, password) in
            [("bob", "secret"), ("ann", "other"), ("ann", "secre"), ("", "secret"), ("secret", "ann")]
        {
            assert_ne!(credentials, Credentials::new(user, password));
        }
        // What is encoded only in an address.
        assert_ne!(Credentials::new("%41", ""), Credentials::of_user_info("%41"));
    }
}
