//! See `hyper_server --help`.

use std::{error::Error, io, pin::pin, process::ExitCode, time::Duration};

use arguments::Arguments;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    select,
    sync::watch,
    time::{sleep, timeout},
};

#[cfg(feature = "tls")]
mod tls;

const HELP: &str = "\
A page and WebSockets on one port with hyper, over HTTP/1.1 and HTTP/2.

Usage: hyper_server [OPTIONS]

  --listen ADDR:PORT  where to listen; port 0 is any free one (127.0.0.1:9005)
  --tls CERT KEY      serve https and wss: PEM files with the certificate and its key.
                      Browsers use HTTP/2 only over TLS. Needs the feature `tls`
  --help              show this

SIGTERM or Ctrl-C closes all WebSockets with code 1001; a second one ends at once.
";

/// How long a client may take over the handshake of TLS.
const OPENING: Duration = Duration::from_secs(10);

/// How long all clients together may take to answer our Close when the server ends.
const ENDING: Duration = Duration::from_secs(5);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let (mut listen, mut tls) = (String::from("127.0.0.1:9005"), None);
    let mut arguments = Arguments::new(HELP);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--listen" => listen = arguments.value("ADDR:PORT"),
            "--tls" => tls = Some((arguments.value::<String>("two files"), arguments.value::<String>("two files"))),
            _ => arguments.unknown(),
        }
    }
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    let Some((certificate, key)) = tls else {
        println!("http://{address}/ and ws://{address}/");
        return run(listener, |socket| async { Ok(socket) }).await;
    };
    #[cfg(feature = "tls")]
    {
        let tls = tls::acceptor(&certificate, &key)?;
        println!("https://{address}/ and wss://{address}/");
        run(listener, move |socket| tls.accept(socket)).await
    }
    #[cfg(not(feature = "tls"))]
    Err(format!("{certificate} and {key}: built without the feature `tls`").into())
}

/// Serves until a signal. `secure` makes a stream of a socket.
async fn run<S, F>(listener: TcpListener, secure: impl Fn(TcpStream) -> F) -> Result<ExitCode, Box<dyn Error>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = io::Result<S>> + Send + 'static,
{
    // Every WebSocket holds a receiver: so all learn that the server stops, and the sender learns when all are gone.
    let (stop, stopping) = watch::channel(());
    let mut signaled = pin!(signals::stop());
    loop {
        let (socket, client) = select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, client)) => (socket, client.to_string()),
                // Most likely there are no file descriptors left; some will be closed.
                Err(error) => {
                    eprintln!("cannot accept: {error}");
                    sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            result = &mut signaled => break result?,
        };
        socket.set_nodelay(true)?;
        let (opening, stopping) = (timeout(OPENING, secure(socket)), stopping.clone());
        tokio::spawn(async move {
            let served = match opening.await {
                Ok(Ok(stream)) => hyper_server::serve(stream, client.clone(), stopping).await,
                Ok(Err(error)) => Err(error.into()),
                Err(timed_out) => Err(timed_out.into()),
            };
            served.unwrap_or_else(|error| eprintln!("{client}: {error}"));
        });
    }
    drop((listener, stopping));
    let _ = stop.send(());
    select! {
        _ = timeout(ENDING, stop.closed()) => Ok(ExitCode::SUCCESS),
        _ = signals::stop() => Ok(ExitCode::FAILURE),
    }
}
