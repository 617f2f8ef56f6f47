//! Why a session cannot be opened.

use std::error::Error;

use backup_format::ErrorClass;
use rustls::Error as TlsError;
use scylla::errors::{
    ConnectionError, ConnectionPoolError, ConnectionSetupRequestError, ConnectionSetupRequestErrorKind,
    CqlRequestKind, DbError, MetadataError, NewSessionError,
};

/// Why no session could be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Obstacle {
    /// No server answers at the moment.
    Away,
    /// A server hangs up before its first answer, as one does that starts, stops, or expects TLS.
    HangsUp,
    /// The user or the password is not accepted.
    Credentials,
    /// A server wants a user and a password.
    NoCredentials,
    /// The certificate of a server is not trusted.
    Certificate,
    /// A server speaks something other than TLS.
    NotTls,
    /// Server and client have no version of TLS in common.
    Handshake,
    /// Something else, which the driver or a server says.
    Other,
}

impl Obstacle {
    /// Returns what it means for the caller.
    #[must_use]
    pub fn class(self) -> ErrorClass {
        match self {
            Self::Away | Self::HangsUp => ErrorClass::Transient,
            _ => ErrorClass::Failed,
        }
    }

    /// Returns what is wrong and what to do, to be put after the address.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Self::Away | Self::Other => "",
            Self::HangsUp => {
                ": a server hung up before its first answer; it may be about to start, or want TLS: then give the file of \
                 the CA that signed its certificate"
            }
            Self::Credentials => {
                ": the server does not accept the user and the password; check both, and that the user exists there"
            }
            Self::NoCredentials => {
                ": the server wants a user and a password; put USER@ before the hosts, and give the password"
            }
            Self::Certificate => {
                ": the server's certificate is not trusted; it must be valid today, for the host as it stands in the address, \
                 and the file of CAs must have the one that signed it"
            }
            Self::NotTls => {
                ": the server does not answer with TLS; leave out the file of CAs, or give the port on which it speaks TLS"
            }
            Self::Handshake => {
                ": server and client have no version of TLS in common; the server must know TLS 1.2 or 1.3"
            }
        }
    }

    /// Returns why a session was not opened.
    pub(crate) fn of(error: &NewSessionError) -> Self {
        match error {
            NewSessionError::MetadataError(MetadataError::ConnectionPoolError(
                ConnectionPoolError::Broken { last_connection_error, .. },
            )) => Self::of_connection(last_connection_error),
            NewSessionError::MetadataError(
                MetadataError::ConnectionPoolError(ConnectionPoolError::Initializing)
                | MetadataError::FetchError(_),
            ) => Self::Away,
            _ => Self::Other,
        }
    }

    /// Returns why a connection was not opened.
    pub(crate) fn of_connection(error: &ConnectionError) -> Self {
        match error {
            ConnectionError::ConnectTimeout | ConnectionError::BrokenConnection(_) => Self::Away,
            ConnectionError::IoError(error) => Self::of_tls(error.get_ref()),
            ConnectionError::ConnectionSetupRequestError(error) => Self::of_setup(error),
            ConnectionError::TranslationError(_) => Self::Other,
            _ => Self::Away,
        }
    }

    fn of_tls(error: Option<&(dyn Error + Send + Sync + 'static)>) -> Self {
        match error.and_then(|error| error.downcast_ref::<TlsError>()) {
            None => Self::Away,
            Some(TlsError::InvalidCertificate(_)) => Self::Certificate,
            Some(TlsError::InvalidMessage(_)) => Self::NotTls,
            Some(_) => Self::Handshake,
        }
    }

    fn of_setup(error: &ConnectionSetupRequestError) -> Self {
        use ConnectionSetupRequestErrorKind::{BrokenConnection, DbError as Server, MissingAuthentication};
        match &error.error {
            MissingAuthentication => Self::NoCredentials,
            Server(DbError::AuthenticationError, _) => Self::Credentials,
            Server(DbError::Unauthorized | DbError::ProtocolError, _) => Self::Other,
            BrokenConnection(_) if matches!(error.request_kind, CqlRequestKind::Options) => Self::HangsUp,
            _ => Self::Away,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use rustls::{CertificateError, InvalidMessage};

    use super::*;

    fn of_io(error: io::Error) -> Obstacle {
        Obstacle::of_connection(&ConnectionError::IoError(Arc::new(error)))
    }

    #[test]
    fn whatever_will_not_pass_by_itself_has_advice() {
        let certificate = TlsError::InvalidCertificate(CertificateError::UnknownIssuer);
        let message = TlsError::InvalidMessage(InvalidMessage::InvalidContentType);
        for (error, expected) in [
            (io::Error::other(certificate), Obstacle::Certificate),
            (io::Error::other(message), Obstacle::NotTls),
            (io::Error::other(TlsError::NoApplicationProtocol), Obstacle::Handshake),
            (io::ErrorKind::ConnectionRefused.into(), Obstacle::Away),
            (io::Error::other("something else"), Obstacle::Away),
        ] {
            let obstacle = of_io(error);
            assert_eq!(obstacle, expected);
            assert_eq!(obstacle.class() == ErrorClass::Failed, !obstacle.advice().is_empty());
        }
    }

    #[test]
    fn only_a_lack_of_servers_may_pass() {
        assert_eq!(Obstacle::of_connection(&ConnectionError::ConnectTimeout).class(), ErrorClass::Transient);
        assert_eq!(Obstacle::of(&NewSessionError::EmptyKnownNodesList).class(), ErrorClass::Failed);
    }
}
