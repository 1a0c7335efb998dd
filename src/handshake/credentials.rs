use core::fmt;

use super::key::base64;

/// A user name and a password. `Debug` shows neither.
///
/// ```
/// use websocket_proto::Credentials;
///
/// let credentials = Credentials::new("ann", "secret");
/// assert_eq!(format!("{credentials:?}"), "Credentials");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Credentials<'a> {
    user: &'a str,
    password: &'a str,
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

impl<'a> Credentials<'a> {
    /// Credentials as they are: nothing is decoded.
    pub const fn new(user: &'a str, password: &'a str) -> Self {
        Self { user, password }
    }

    pub(crate) fn user(&self) -> &'a str {
        self.user
    }

    pub(crate) fn password(&self) -> &'a str {
        self.password
    }

    /// Checks that they can be sent as Basic credentials: "The user-id and password MUST NOT contain any control
    /// characters", and "a user-id containing a colon character is invalid" (RFC 7617 §2).
    pub(crate) fn check_basic(&self) -> Result<(), CredentialsError> {
        let is_control = |byte: u8| byte.is_ascii_control();
        if self.user.bytes().any(|byte| byte == b':' || is_control(byte)) {
            Err(CredentialsError::User)
        } else if self.password.bytes().any(is_control) {
            Err(CredentialsError::Password)
        } else {
            Ok(())
        }
    }

    /// Writes `Basic`, and user name and password in base64 (RFC 7617 §2).
    pub(crate) fn write_basic(&self, out: &mut dyn FnMut(&[u8])) {
        out(b"Basic ");
        let mut bytes = self.user.bytes().chain([b':']).chain(self.password.bytes());
        loop {
            let (mut three, mut len) = ([0; 3], 0);
            for (place, byte) in three.iter_mut().zip(&mut bytes) {
                *place = byte;
                len += 1;
            }
            let mut four = [0; 4];
            match three.get(..len) {
                None | Some([]) => return,
                Some(bytes) => base64(bytes, &mut four),
            }
            out(&four);
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
            assert_eq!(credentials.check_basic(), Ok(()), "{user}:{password}");
            let (mut text, mut len) = ([0; 64], 0);
            credentials.write_basic(&mut |part| {
                text[len..len + part.len()].copy_from_slice(part);
                len += part.len();
            });
            assert_eq!(&text[..len], expected.as_bytes(), "{user}:{password}");
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
            assert_eq!(Credentials::new(user, password).check_basic(), Err(error), "{user:?} {password:?}");
        }
    }
}
