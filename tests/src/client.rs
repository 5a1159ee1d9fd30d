//! A client that behaves: tokio-postgres. In: a URI. Out: a connection driven by a task of its own,
//! which ends with it.

use tokio_postgres::{Client, Config, NoTls};

use crate::uri::Uri;

/// Connects without TLS.
///
/// # Panics
/// When the server refuses.
pub async fn connect(uri: &Uri) -> Client {
    let config: Config = uri.to_string().parse().expect("a URI tokio-postgres reads");
    let (client, connection) = config.connect(NoTls).await.expect("a session");
    tokio::spawn(connection);
    client
}

/// The SQLSTATE of an error that came from the server.
pub fn code(error: &tokio_postgres::Error) -> &str {
    error.code().map_or("", |state| state.code())
}
