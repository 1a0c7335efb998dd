//! The example `client_tokio` as a process, over TLS. Its other tests are beside it; here are the certificates.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command as Cargo, Stdio},
    sync::OnceLock,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    process::{Child, Command},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use websocket_proto::{Config, ReadBuffer, server};

use crate::{documented::asynchronous::echo, tls::certificate};

const PATIENCE: Duration = Duration::from_secs(20);

/// The server ends the stream without a `close_notify`, which must not count as an error after a Close.
#[tokio::test]
async fn it_talks_to_an_echo_server_and_closes() {
    let (mut client, outcome) = timeout(PATIENCE, run(program(), "localhost", true)).await.unwrap();
    outcome.unwrap();
    let (mut stdout, mut stderr) = Default::default();
    client.stdout.take().unwrap().read_to_string(&mut stdout).await.unwrap();
    client.stderr.take().unwrap().read_to_string(&mut stderr).await.unwrap();
    assert_eq!(stdout, "hello\nover TLS\n");
    assert!(stderr.starts_with("closed by us: 1000"), "{stderr}");
    assert_eq!(client.wait().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn it_does_not_talk_to_a_server_that_it_does_not_trust() {
    for (host, trusted) in [("localhost", false), ("127.0.0.1", true)] {
        let (mut client, outcome) = timeout(PATIENCE, run(program(), host, trusted)).await.unwrap();
        assert!(outcome.is_err(), "{host}: the handshake of TLS has succeeded");
        let mut line = String::new();
        BufReader::new(client.stderr.take().unwrap()).read_line(&mut line).await.unwrap();
        assert!(line.contains("not connected: invalid peer certificate"), "{line}");
    }
}

/// Serves one connection of the client, to which two lines are given. The certificate is for `localhost`.
async fn run(program: &Path, host: &str, trusted: bool) -> (Child, Result<(), String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("wss://{host}:{}/", listener.local_addr().unwrap().port());
    let (config, pem) = certificate();
    let file = env::temp_dir().join(format!("client_tokio-{}-{host}-{trusted}.pem", std::process::id()));
    fs::write(&file, pem).unwrap();
    let mut command = Command::new(program);
    command.arg(address).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    if trusted {
        command.env("SSL_CERT_FILE", &file);
    } else {
        command.env_remove("SSL_CERT_FILE");
    }
    let mut client = command.spawn().unwrap();
    client.stdin.take().unwrap().write_all(b"hello\nover TLS\n").await.unwrap();

    let (tcp, _) = listener.accept().await.unwrap();
    let outcome = match TlsAcceptor::from(config).accept(tcp).await {
        Ok(mut stream) => {
            let mut handshake = server::Handshake::new(Config::new());
            let mut buffer = ReadBuffer::new(vec![0; 4096]);
            let early = loop {
                let n = stream.read(buffer.room()).await.unwrap();
                let mut input = buffer.received(n);
                if handshake.read(&mut input) || n == 0 {
                    break input;
                }
            };
            let upgrade = handshake.into_request().unwrap().upgrade().unwrap();
            let connection = upgrade.accept(&server::Accept::new()).unwrap();
            echo(stream, connection, early).await.map_err(|error| error.to_string())
        }
        Err(error) => Err(error.to_string()),
    };
    fs::remove_file(file).unwrap();
    (client, outcome)
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
