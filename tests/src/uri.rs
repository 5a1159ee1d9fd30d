//! A connection URI and its parts. In: `postgresql://user:password@host:port/database`. Out: the
//! parts. Knows no escapes: passwords made by the servers under test need none.

use std::str::FromStr;

/// Where and as whom to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uri {
    /// Role.
    pub user: String,
    /// Its password.
    pub password: String,
    /// An address.
    pub host: String,
    /// A TCP port.
    pub port: u16,
    /// The database.
    pub database: String,
}

impl Uri {
    /// Host and port, as `TcpStream::connect` wants them.
    pub fn address(&self) -> (&str, u16) {
        (&self.host, self.port)
    }
}

impl FromStr for Uri {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = || {
            let rest = text.trim().strip_prefix("postgresql://")?;
            let (login, place) = rest.split_once('@')?;
            let (user, password) = login.split_once(':')?;
            let (address, database) = place.split_once('/')?;
            let (host, port) = address.rsplit_once(':')?;
            Some(Self {
                user: user.to_owned(),
                password: password.to_owned(),
                host: host.to_owned(),
                port: port.parse().ok()?,
                database: database.to_owned(),
            })
        };
        parts().ok_or_else(|| "not a URI with user, password, host, port and database".to_owned())
    }
}

impl std::fmt::Display for Uri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { user, password, host, port, database } = self;
        write!(f, "postgresql://{user}:{password}@{host}:{port}/{database}")
    }
}
