//! The example `client_tokio` as a process, over TLS. Its other tests are beside it; here are the certificates.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{self, Command as Cargo, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    join,
    net::{TcpSocket, TcpStream},
    process::{Child, Command},
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use websocket_proto::{Config, Connection, Input, ReadBuffer, Server, server};

use crate::{
    documented::asynchronous::echo,
    tls::{Open, certificate},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// The server ends the stream without a `close_notify`, which must not count as an error after a Close.
#[tokio::test]
async fn it_talks_to_an_echo_server_and_closes() {
    let (mut client, accepted) = start(program(), "localhost", true).await;
    client.stdin.take().unwrap().write_all(b"hello\nover TLS\n").await.unwrap();
    let (stream, connection) = accepted.unwrap();
    timeout(PATIENCE, echo(stream, connection, Input::default())).await.unwrap().unwrap();
    let (mut stdout, mut stderr) = Default::default();
    client.stdout.take().unwrap().read_to_string(&mut stdout).await.unwrap();
    client.stderr.take().unwrap().read_to_string(&mut stderr).await.unwrap();
    assert_eq!(stdout, "hello\nover TLS\n");
    assert!(stderr.starts_with("closed by us: 1000"), "{stderr}");
    assert_eq!(client.wait().await.unwrap().code(), Some(0));
}

/// What the socket does not take stays in the buffer of rustls, until the client flushes.
#[tokio::test]
async fn a_slow_reader_gets_all_messages() {
    const COUNT: usize = 10;
    let (mut client, accepted) = start(program(), "localhost", true).await;
    let (mut stream, Connection { receiver: mut rx, sender: mut tx }) = accepted.unwrap();
    stream.write_all(tx.pending()).await.unwrap();
    stream.flush().await.unwrap();
    let line = [&[b'x'; 1_000_000][..], b"\n"].concat();
    let mut stdin = client.stdin.take().unwrap();
    let writing = async { stdin.write_all(&line.repeat(COUNT)).await.unwrap() };
    let reading = async {
        let (mut buffer, mut count) = (ReadBuffer::new(vec![0; 32 << 10]), 0);
        while count < COUNT {
            // So the socket of the client is full all the time.
            sleep(Duration::from_millis(1)).await;
            let n = stream.read(buffer.room_for(&mut rx)).await.unwrap();
            let mut input = buffer.received(n);
            while let Some(event) = rx.next_message(&mut input, &mut tx) {
                count += usize::from(event.message().unwrap().as_bytes().len() == 1_000_000);
            }
        }
    };
    timeout(PATIENCE, async { join!(writing, reading) }).await.expect("the end does not arrive");
}

#[tokio::test]
async fn it_does_not_talk_to_a_server_that_it_does_not_trust() {
    for (host, trusted) in [("localhost", false), ("127.0.0.1", true)] {
        let (mut client, accepted) = start(program(), host, trusted).await;
        assert!(accepted.is_err(), "{host}: the handshake of TLS has succeeded");
        let mut line = String::new();
        BufReader::new(client.stderr.take().unwrap()).read_line(&mut line).await.unwrap();
        assert!(line.contains("not connected: invalid peer certificate"), "{line}");
    }
}

type Accepted = (TlsStream<TcpStream>, Open<Server>);

/// Starts the client, and a server that accepts it. The certificate is for `localhost`.
async fn start(program: &Path, host: &str, trusted: bool) -> (Child, io::Result<Accepted>) {
    let socket = TcpSocket::new_v4().unwrap();
    // Far less than rustls buffers.
    socket.set_recv_buffer_size(4 << 10).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = format!("wss://{host}:{}/", listener.local_addr().unwrap().port());
    let (config, pem) = certificate();
    let mut command = Command::new(program);
    command.arg(address).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let file = tempfile(&pem);
    if trusted {
        command.env("SSL_CERT_FILE", &file)
    } else {
        command.env_remove("SSL_CERT_FILE")
    };
    let client = command.spawn().unwrap();
    let accepted = timeout(PATIENCE, async {
        let mut stream = TlsAcceptor::from(config).accept(listener.accept().await?.0).await?;
        let mut handshake = server::Handshake::new(Config::new());
        while !handshake.read(&mut Input::new(&mut [stream.read_u8().await?])) {}
        let upgrade = handshake.into_request()?.upgrade()?;
        Ok((stream, upgrade.accept(&server::Accept::new())?))
    });
    let accepted = accepted.await.unwrap();
    fs::remove_file(file).unwrap();
    (client, accepted)
}

/// A new file with this text.
fn tempfile(text: &str) -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let file = env::temp_dir().join(format!("client_tokio-{}-{number}.pem", process::id()));
    fs::write(&file, text).unwrap();
    file
}

/// The client with the feature `tls`, in a target folder of its own: in that of the workspace, the program has the
/// features of the last build.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        // The path of this test is target/PROFILE/deps/NAME-HASH.
        let test = env::current_exe().unwrap();
        let target = test.ancestors().nth(3).unwrap().join("client_tokio");
        let mut cargo = Cargo::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "-p", "client_tokio", "--features", "tls", "--target-dir"]).arg(&target);
        assert!(cargo.current_dir("../..").status().unwrap().success(), "client_tokio does not build");
        target.join("debug/client_tokio").with_extension(env::consts::EXE_EXTENSION)
    })
}
