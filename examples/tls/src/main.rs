//! See `tls_echo --help`.

use std::{path::PathBuf, process::ExitCode};

use arguments::Arguments;
use tls_echo::{
    tokio_server,
    trust::{self, Fault},
};
use tokio::{net::TcpListener, select};
use websocket_proto::time::Patience;

const HELP: &str = "\
An echo server over TLS, on tokio.

Usage: tls_echo [OPTIONS] --cert FILE --key FILE

  --listen ADDR:PORT  where to listen; port 0 is any free one (127.0.0.1:9008)
  --cert FILE         the certificate, with those that certify it (PEM)
  --key FILE          its private key (PEM)
  --client-ca FILE    take only clients with a certificate from one of these
                      authorities (PEM)
  --help              show this

SIGTERM or Ctrl-C closes all connections with code 1001; a second one ends at once.
";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    run().await.unwrap_or_else(|fault| {
        eprintln!("tls_echo: {fault}");
        ExitCode::FAILURE
    })
}

async fn run() -> Result<ExitCode, Fault> {
    let (mut listen, mut files, mut clients) = (String::from("127.0.0.1:9008"), [None, None], None);
    let mut arguments = Arguments::new(HELP);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--listen" => listen = arguments.value("ADDR:PORT"),
            "--cert" => files[0] = Some(arguments.value::<PathBuf>("a file")),
            "--key" => files[1] = Some(arguments.value::<PathBuf>("a file")),
            "--client-ca" => clients = Some(arguments.value::<PathBuf>("a file")),
            _ => arguments.unknown(),
        }
    }
    let [Some(certificate), Some(key)] = files else { arguments.wrong("--cert and --key are needed") };
    let clients = clients.map(|file| trust::private_roots(&file)).transpose()?;
    let config = trust::server(trust::identity(&certificate, &key)?, clients)?;

    let listener = TcpListener::bind(listen).await?;
    println!("listening on wss://{}/", listener.local_addr()?);
    // It ends as well if there are no signals to wait for.
    let stop = async || signals::stop().await.unwrap_or_default();
    let serving = tokio_server::run(listener, config, Patience::new(), stop());
    select! {
        () = serving => Ok(ExitCode::SUCCESS),
        () = async { stop().await; stop().await } => Ok(ExitCode::FAILURE),
    }
}
