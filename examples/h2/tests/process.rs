//! The server as a process.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use tokio::net::TcpStream;

#[test]
fn it_listens_where_it_is_told_and_serves_a_page() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_h2_server"));
    let mut server = command.args(["--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.strip_prefix("listening on ws://").unwrap().trim_end().trim_end_matches('/').to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let page = runtime.block_on(async {
        let socket = TcpStream::connect(&address).await.unwrap();
        let (mut requests, connection) = h2::client::handshake(socket).await.unwrap();
        tokio::spawn(connection);
        let request = http::Request::get(format!("http://{address}/")).body(()).unwrap();
        let (response, _) = requests.send_request(request, true).unwrap();
        response.await.unwrap().into_body().data().await.unwrap().unwrap()
    });
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(page, "a page\n");

    for (argument, code, text) in [("--help", 0, "--listen ADDR:PORT"), ("--wrong", 2, "no such option")] {
        let output = Command::new(env!("CARGO_BIN_EXE_h2_server")).arg(argument).output().unwrap();
        let written = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(code));
        assert!(written.contains(text), "{written}");
    }
}
