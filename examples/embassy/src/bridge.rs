//! A way into the stack for clients of this machine. Each connection to a socket of the operating system is passed on
//! to the server, through a socket of the stack. Ends, resets and pauses are passed on, too.

use std::{
    future::pending,
    io::{ErrorKind, Read, Result, Write},
    net::{Shutdown, TcpListener, TcpStream},
};

use async_io::Async;
use embassy_futures::select::{Either, select};
use embassy_net::{
    IpEndpoint, Stack,
    tcp::{State, TcpReader, TcpSocket, TcpWriter},
};
use embassy_time::{Duration, Timer, with_timeout};

use crate::WINDOW;

/// The stack tells nobody that a socket was reset, unless it reads or writes. So this is looked up so often.
const LOOK: Duration = Duration::from_millis(50);

/// How long to wait for a server that still ends its last connection, and for the last packet to leave.
const PATIENCE: Duration = Duration::from_secs(5);

/// Passes on one connection after the other.
#[embassy_executor::task(pool_size = crate::CLIENTS)]
pub async fn bridge(stack: Stack<'static>, listener: &'static Async<TcpListener>, server: IpEndpoint) -> ! {
    let (mut receive, mut send) = ([0; WINDOW], [0; WINDOW]);
    loop {
        let outside = match listener.accept().await {
            Ok((outside, _)) => outside,
            Err(error) => {
                eprintln!("cannot accept: {error}");
                Timer::after(LOOK).await;
                continue;
            }
        };
        let _ = outside.get_ref().set_nodelay(true);
        let mut inside = TcpSocket::new(stack, &mut receive, &mut send);
        inside.set_nagle_enabled(false);
        let connected = async {
            while inside.connect(server).await.is_err() {
                Timer::after(LOOK).await
            }
        };
        if with_timeout(PATIENCE, connected).await.is_err() || pass(&outside, &mut inside).await.is_err() {
            inside.abort();
        }
        let _ = with_timeout(PATIENCE, inside.flush()).await;
        // The stack acknowledges the last bytes up to 10 ms later, unless the socket is dropped.
        Timer::after_millis(20).await;
    }
}

/// Passes on a connection to the end of both halves. An error is a reset.
async fn pass(outside: &Async<TcpStream>, inside: &mut TcpSocket<'_>) -> Result<()> {
    let (mut up_ended, mut down_ended) = (false, false);
    while !(up_ended && down_ended) {
        let (mut reader, mut writer) = inside.split();
        let up = async { if up_ended { pending().await } else { up(outside, &mut writer).await } };
        let down = async { if down_ended { pending().await } else { down(&mut reader, outside).await } };
        match with_timeout(LOOK, select(up, down)).await {
            Ok(Either::First(Ok(0))) => {
                up_ended = true;
                inside.close();
            }
            Ok(Either::Second(Ok(0))) => {
                down_ended = true;
                outside.get_ref().shutdown(Shutdown::Write)?;
            }
            Ok(Either::First(passed) | Either::Second(passed)) => _ = passed?,
            Err(_) => {}
        }
        if inside.state() == State::Closed && !inside.can_recv() && !up_ended {
            return Err(ErrorKind::ConnectionReset.into());
        }
    }
    Ok(())
}

/// From the client to the server. Returns the number of bytes; 0 at the end.
async fn up(outside: &Async<TcpStream>, inside: &mut TcpWriter<'_>) -> Result<usize> {
    loop {
        match inside.write_with(|space| counted(outside.get_ref().read(space))).await {
            Ok(Err(error)) if error.kind() == ErrorKind::WouldBlock => outside.readable().await?,
            Ok(Ok(0)) => {
                // The stack takes up to a second to close a socket that has something to send and no window.
                let _ = inside.flush().await;
                return Ok(0);
            }
            passed => return passed.unwrap_or(Err(ErrorKind::ConnectionReset.into())),
        }
    }
}

/// From the server to the client. Returns the number of bytes; 0 at the end.
async fn down(inside: &mut TcpReader<'_>, outside: &Async<TcpStream>) -> Result<usize> {
    loop {
        match inside.read_with(|bytes| counted(outside.get_ref().write(bytes))).await {
            Ok(Err(error)) if error.kind() == ErrorKind::WouldBlock => outside.writable().await?,
            // The stack has the same error for the end and for a reset.
            passed => return passed.unwrap_or(Ok(0)),
        }
    }
}

/// How many bytes the stack has got or lost.
fn counted(passed: Result<usize>) -> (usize, Result<usize>) {
    (*passed.as_ref().unwrap_or(&0), passed)
}
